//! A process that is killed before or after each commit (promise 1: once, across a crash).

use std::time::Duration;

use countersign_mfa::{Answer, Step, StepError};

use crate::support::{Bench, Stop, codes_of, secret_of};

const POINTS: [Stop; 4] = [Stop::Before(0), Stop::After(0), Stop::Before(1), Stop::After(1)];

#[tokio::test]
async fn promise_1_a_code_survives_a_crash_for_its_own_login_and_for_no_other() {
    for stop in POINTS {
        for recovery in [false, true] {
            let bench = Bench::new().await;
            let (secret, codes) = bench.enrol("alice").await;
            let code = if recovery { codes[0].clone() } else { bench.code(&secret) };
            let answer = Answer::code(&code);
            let mut login = bench.second("alice").await;
            let mut other = bench.second("alice").await;
            if recovery {
                login.choose("recovery_code").await;
                other.choose("recovery_code").await;
            }
            bench.store.stop(Some(stop));
            let crashed = login.try_answer(&answer).await;
            assert!(crashed.is_err(), "{stop:?}: the answer to this request never left");
            bench.store.stop(None);
            let spent = stop != Stop::Before(0);
            if spent {
                let refused = other.answer(&answer).await.error();
                assert_eq!(refused, Some(StepError::WrongCode), "{stop:?}: no other login may use what was spent");
            }
            login.answer(&answer).await;
            assert!(login.is_done(), "{stop:?}: the same login goes on: {:?}", login.step);
            if !spent {
                assert_eq!(other.answer(&answer).await.error(), Some(StepError::WrongCode));
            }
        }
    }
}

#[tokio::test]
async fn promise_1_after_a_crash_only_the_very_answer_is_repeated() {
    let bench = Bench::new().await;
    let (secret, _) = bench.enrol("alice").await;
    let code = bench.code(&secret);
    let mut login = bench.second("alice").await;
    bench.store.stop(Some(Stop::After(0)));
    assert!(login.try_answer(&Answer::code(&code)).await.is_err());
    bench.store.stop(None);
    let older = secret.code_at(countersign_primitives::Clock::now(&bench.clock).minus(Duration::from_secs(30)));
    assert_eq!(login.answer(&Answer::code(older.expose())).await.error(), Some(StepError::WrongCode));
    login.answer(&Answer::code(&code)).await;
    assert!(login.is_done());
}

#[tokio::test]
async fn promise_1_an_enrolment_survives_a_crash_at_every_commit() {
    for stop in POINTS {
        let bench = Bench::new().await;
        let mut login = bench.second("alice").await;
        let secret = secret_of(&login.step);
        let answer = Answer::enrol(bench.code(&secret));
        bench.store.stop(Some(stop));
        assert!(login.try_answer(&answer).await.is_err(), "{stop:?}");
        bench.store.stop(None);
        let shown = bench.mfa.step(login.id, &login.caller).await.unwrap();
        if stop != Stop::After(1) {
            assert_eq!(secret_of(&shown).base32().expose(), secret.base32().expose(), "{stop:?}");
            login.answer(&answer).await;
        } else {
            login.step = shown; // the step was written, its answer was lost
        }
        let codes = codes_of(&login.step);
        login.answer(&Answer::RecoveryCodes).await;
        assert!(login.is_done(), "{stop:?}");
        bench.clock.advance(Duration::from_secs(60));
        let mut next = bench.second("alice").await;
        next.choose("recovery_code").await;
        next.answer(&Answer::code(&codes[9])).await;
        assert!(next.is_done(), "{stop:?}: the codes that were shown are the ones in force");
        let subject = bench.subject_of("alice").await;
        assert_eq!(bench.mfa.authenticators().list(&subject).await.unwrap().len(), 2, "{stop:?}");
    }
}

#[tokio::test]
async fn an_enrolment_whose_step_was_lost_goes_on_with_the_next_code_too() {
    let bench = Bench::new().await;
    let mut login = bench.second("alice").await;
    let secret = secret_of(&login.step);
    bench.store.stop(Some(Stop::Before(1)));
    assert!(login.try_answer(&Answer::enrol(bench.code(&secret))).await.is_err());
    bench.store.stop(None);
    bench.clock.advance(Duration::from_secs(30));
    assert!(matches!(login.answer(&Answer::enrol(bench.code(&secret))).await, Step::RecoveryCodes(_)));
}

#[tokio::test]
async fn promise_14_a_store_that_fails_is_a_refusal() {
    let bench = Bench::new().await;
    let (secret, _) = bench.enrol("alice").await;
    let mut login = bench.second("alice").await;
    bench.store.stop(Some(Stop::Before(0)));
    let error = login.try_answer(&Answer::code(bench.code(&secret))).await.unwrap_err();
    assert_eq!((error.id(), error.status(), error.code()), ("store_failed", 503, "temporarily_unavailable"));
}
