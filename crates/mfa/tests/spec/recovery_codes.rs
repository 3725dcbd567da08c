//! Recovery codes (NIST SP 800-63B-4 §3.1.2).

use std::time::Duration;

use countersign_mfa::{Answer, AuthenticatorsError, Limits, LoginRequest, Mfa, Step, StepError};
use countersign_primitives::{Acr, Amr, Clock, Requirement, SignedIn};
use futures_util::future::join_all;

use crate::support::{Bench, Stop, codes_of, secret_of};

#[tokio::test]
async fn nist_sp800_63b_3_1_2_a_recovery_code_stands_in_for_the_app_once() {
    let bench = Bench::new().await;
    let (_, codes) = bench.enrol("alice").await;
    let mut login = bench.second("alice").await;
    let Step::Code(step) = login.choose("recovery_code").await else { panic!("{:?}", login.step) };
    assert_eq!((step.method.as_str(), step.digits), ("recovery_code", None));
    login.answer(&Answer::code(codes[3].to_uppercase().replace('-', " "))).await;
    assert_eq!(login.done().signed_in.acr_value(), Some(&Acr::MFA));
    assert_eq!(login.done().signed_in.amr_values(), [Amr::Pwd, Amr::Otp, Amr::Mfa]);
    assert!(bench.heard().contains(&"recovery_code.used"));
    let mut replay = bench.second("alice").await;
    replay.choose("recovery_code").await;
    assert_eq!(replay.answer(&Answer::code(&codes[3])).await.error(), Some(StepError::WrongCode));
    replay.answer(&Answer::code(&codes[4])).await;
    assert!(replay.is_done());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_1_m29_of_64_logins_with_one_recovery_code_one_gets_in() {
    let bench = Bench::with(|builder| builder.limits(Limits::off())).await;
    let (_, codes) = bench.enrol("alice").await;
    let mut logins = join_all((0..64).map(|_| bench.second("alice"))).await;
    for login in &mut logins {
        login.choose("recovery_code").await;
    }
    let answer = Answer::code(&codes[0]);
    let steps = join_all(logins.iter_mut().map(|login| login.try_answer(&answer))).await;
    assert_eq!(steps.iter().filter(|step| matches!(step, Ok(Step::Done(_)))).count(), 1);
    let left = bench.mfa.authenticators().list(&bench.subject_of("alice").await).await.unwrap();
    assert_eq!(left.iter().find_map(|one| one.codes_left), Some(9));
}

#[tokio::test]
async fn m28_codes_are_shown_until_they_are_kept_and_never_again() {
    let bench = Bench::new().await;
    let mut login = bench.second("alice").await;
    let secret = secret_of(&login.step);
    login.answer(&Answer::enrol(bench.code(&secret))).await;
    let codes = codes_of(&login.step);
    let reloaded = bench.mfa.step(login.id, &login.caller).await.unwrap();
    assert_eq!(codes_of(&reloaded), codes);
    login.answer(&Answer::RecoveryCodes).await;
    assert!(login.is_done());
    let shown = serde_json::to_string(&bench.mfa.step(login.id, &login.caller).await.unwrap()).unwrap();
    assert!(codes.iter().all(|code| !shown.contains(code.as_str())));
    assert!(codes.iter().all(|code| code.replace('-', "").len() * 5 >= 112), "at least 112 bits each");
}

#[tokio::test]
async fn m30_codes_are_not_valid_before_the_enrolment_is_confirmed() {
    let bench = Bench::new().await;
    let login = bench.second("alice").await;
    assert!(matches!(login.step, Step::Enrol(_)));
    assert!(bench.mfa.authenticators().list(&bench.subject_of("alice").await).await.unwrap().is_empty());
}

#[tokio::test]
async fn m30_new_codes_make_the_old_ones_void() {
    let bench = Bench::new().await;
    let (_, old) = bench.enrol("alice").await;
    let subject = bench.subject_of("alice").await;
    let new = bench.mfa.authenticators().new_recovery_codes(&subject).await.unwrap();
    let mut login = bench.second("alice").await;
    login.choose("recovery_code").await;
    assert_eq!(login.answer(&Answer::code(&old[0])).await.error(), Some(StepError::WrongCode));
    login.answer(&Answer::code(new[0].expose())).await;
    assert!(login.is_done());
    let bob = bench.subject_of("bob").await;
    assert!(bench.mfa.authenticators().new_recovery_codes(&bob).await.is_err(), "they stand in for a factor");
}

/// Alice as she is signed in: a password of now, and a factor of so many seconds ago.
fn signed_in(bench: &Bench, factor: Option<u64>) -> SignedIn {
    let now = bench.clock.now();
    let who = SignedIn::new("u-1", now).amr([Amr::Pwd]);
    match factor {
        None => who.acr(Acr::AAL1),
        Some(ago) => who.proof(Amr::Otp, now.minus(Duration::from_secs(ago))).acr(Acr::MFA),
    }
}

#[tokio::test]
async fn m30_whoever_makes_new_codes_has_just_proven_a_factor() {
    let bench = Bench::new().await;
    let (_, old) = bench.enrol("alice").await;
    let refused = async |mfa: &Mfa, who: &SignedIn| {
        matches!(mfa.renew_recovery_codes(who).await, Err(AuthenticatorsError::FactorTooOld))
    };
    assert!(refused(&bench.mfa, &signed_in(&bench, None)).await, "a password of now is no factor");
    assert!(refused(&bench.mfa, &signed_in(&bench, Some(601))).await, "and makes none young");
    let unranked = SignedIn::new("u-1", bench.clock.now()).amr([Amr::Pwd, Amr::Otp]);
    assert!(refused(&bench.mfa, &unranked).await, "without a class nothing is known of it");
    let knows_twice = SignedIn::new("u-1", bench.clock.now()).amr([Amr::Pwd, Amr::Kba]).acr(Acr::MFA);
    assert!(refused(&bench.mfa, &knows_twice).await);
    let strict = bench.engine_with(|builder| builder.fresh_factor(Duration::from_secs(60))).await;
    assert!(refused(&strict, &signed_in(&bench, Some(61))).await);
    let mut login = bench.second("alice").await;
    login.choose("recovery_code").await;
    login.answer(&Answer::code(&old[0])).await;
    assert!(login.is_done(), "the old ones stand");
    let new = bench.mfa.renew_recovery_codes(&signed_in(&bench, Some(600))).await.unwrap();
    assert_eq!(new.len(), 10);
    assert!(bench.heard().contains(&"recovery_codes.issued"), "{:?}", bench.heard());
    let mut login = bench.second("alice").await;
    login.choose("recovery_code").await;
    assert_eq!(login.answer(&Answer::code(&old[1])).await.error(), Some(StepError::WrongCode));
    login.answer(&Answer::code(new[0].expose())).await;
    assert!(login.is_done());
}

#[tokio::test]
async fn m30_a_step_up_leads_to_new_codes_by_the_factor_alone() {
    let bench = Bench::new().await;
    let (secret, _) = bench.enrol("alice").await;
    let who = signed_in(&bench, Some(700));
    let request = LoginRequest::new().requirement(Requirement::MFA).since(bench.mfa.fresh_since()).who(who);
    let mut login = bench.begin(request, bench.browser()).await;
    assert!(matches!(login.step, Step::Code(_)), "{:?}", login.step);
    login.answer(&Answer::code(bench.code(&secret))).await;
    bench.mfa.renew_recovery_codes(&login.done().signed_in.clone()).await.unwrap();
}

/// Whether each of these codes lets alice in, tried on a copy of nothing: the codes are spent.
async fn which_work(bench: &Bench, codes: &[String]) -> usize {
    let mut working = 0;
    for code in codes {
        let mut login = bench.second("alice").await;
        login.choose("recovery_code").await;
        login.answer(&Answer::code(code)).await;
        working += usize::from(login.is_done());
    }
    working
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m27_of_eight_that_make_new_codes_at_once_one_set_is_left_whole() {
    let bench = Bench::with(|builder| builder.limits(Limits::off())).await;
    let (_, old) = bench.enrol("alice").await;
    let who = signed_in(&bench, Some(0));
    let sets = join_all((0..8).map(|_| bench.mfa.renew_recovery_codes(&who))).await;
    let mut counts = vec![which_work(&bench, &old[..2]).await];
    for set in sets.iter().flatten() {
        let codes: Vec<_> = set.iter().take(2).map(|code| code.expose().to_owned()).collect();
        counts.push(which_work(&bench, &codes).await);
    }
    assert_eq!(counts[0], 0, "none of the old ones is left");
    assert_eq!(
        (counts.iter().filter(|count| **count == 2).count(), counts.iter().sum::<usize>()),
        (1, 2),
        "{counts:?}"
    );
}

#[tokio::test]
async fn m27_a_crash_leaves_the_old_codes_or_the_new_ones() {
    for stop in [Stop::Before(0), Stop::After(0)] {
        let bench = Bench::with(|builder| builder.limits(Limits::off())).await;
        let (_, old) = bench.enrol("alice").await;
        bench.store.stop(Some(stop));
        let made = bench.mfa.renew_recovery_codes(&signed_in(&bench, Some(0))).await;
        bench.store.stop(None);
        assert!(made.is_err(), "{stop:?}");
        let left = bench.mfa.authenticators().list(&"u-1".into()).await.unwrap();
        let sets: Vec<_> = left.iter().filter_map(|one| one.codes_left).collect();
        assert_eq!(sets, [10], "{stop:?}: one set, whole");
        let old_work = which_work(&bench, &old[..1]).await == 1;
        assert_eq!(old_work, stop == Stop::Before(0), "{stop:?}");
    }
}

#[tokio::test]
async fn promise_11_a_recovery_code_is_its_owners_alone() {
    let bench = Bench::new().await;
    let (_, alices) = bench.enrol("alice").await;
    bench.enrol("bob").await;
    let mut login = bench.second("bob").await;
    login.choose("recovery_code").await;
    assert_eq!(login.answer(&Answer::code(&alices[0])).await.error(), Some(StepError::WrongCode));
}

#[tokio::test]
async fn used_up_codes_are_offered_no_more() {
    let bench = Bench::with(|builder| builder.recovery_codes(1)).await;
    let (_, codes) = bench.enrol("alice").await;
    let mut login = bench.second("alice").await;
    login.choose("recovery_code").await;
    login.answer(&Answer::code(&codes[0])).await;
    assert!(login.is_done());
    let next = bench.second("alice").await;
    let Step::Code(step) = &next.step else { panic!("{:?}", next.step) };
    assert!(step.or.is_empty(), "{step:?}");
}
