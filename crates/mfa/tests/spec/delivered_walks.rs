//! What somebody may do with codes that are sent, in whatever order: crashes, failures, and ways around them (promise 8).

use std::time::Duration;

use countersign_mfa::{Answer, LoginError, LoginRequest, Step, StepError};
use countersign_outbound::SendError;
use countersign_primitives::{Acr, Requirement};
use proptest::prelude::*;

use crate::letterbox::{Failure, Letterbox, NUMBER, bench, enrolled, set_up, wrong};
use crate::support::{Bench, Login, Stop, codes_of};

const FAILURES: [(Failure, StepError); 3] = [
    (|| SendError::Unreachable, StepError::Unreachable),
    (|| SendError::Busy, StepError::NotSent),
    (|| SendError::unavailable("down"), StepError::NotSent),
];

#[tokio::test]
async fn promise_14_a_message_that_fails_at_any_place_opens_nothing_and_can_be_sent_again() {
    for (how, told) in FAILURES {
        // The first code of an enrolment.
        let (bench, letters) = bench().await;
        let mut login = bench.second("alice").await;
        login.choose("sms").await;
        letters.fail(Some(how));
        assert_eq!(login.answer(&Answer::contact(NUMBER)).await.error(), Some(told));
        assert_eq!(login.answer(&Answer::enrol("")).await.error(), Some(StepError::WrongCode));
        // The code of an enrolment that is sent again.
        bench.clock.advance(Duration::from_secs(30));
        assert_eq!(login.answer(&Answer::Resend).await.error(), Some(told));
        assert!(matches!(login.step, Step::Enrol(_)));
        letters.fail(None);
        bench.clock.advance(Duration::from_secs(30));
        assert_eq!(login.answer(&Answer::Resend).await.error(), None);
        login.answer(&Answer::enrol(letters.last())).await;
        login.answer(&Answer::RecoveryCodes).await;
        login.done();
        // The code of a login, and the same sent again.
        letters.fail(Some(how));
        bench.clock.advance(Duration::from_secs(30));
        let mut login = bench.second("alice").await;
        assert_eq!(login.step.error(), Some(told));
        bench.clock.advance(Duration::from_secs(30));
        assert_eq!(login.answer(&Answer::Resend).await.error(), Some(told));
        assert!(!login.is_done() && bench.heard().contains(&"message.failed"));
        // Another way, and back.
        login.choose("recovery_code").await;
        bench.clock.advance(Duration::from_secs(30));
        letters.fail(None);
        assert_eq!(login.choose("sms").await.error(), None);
        assert!(matches!(login.answer(&Answer::code(letters.last())).await, Step::Done(_)));
    }
}

const POINTS: [Stop; 4] = [Stop::Before(0), Stop::After(0), Stop::Before(1), Stop::After(1)];

#[tokio::test]
async fn promise_1_an_enrolment_by_sms_survives_a_crash_before_and_after_every_commit() {
    // The commits: the choice, the number, then authenticator and login for the first code, and the codes that are kept.
    for moment in ["choice", "number", "code", "kept"] {
        for stop in POINTS {
            let (bench, letters) = bench().await;
            let mut login = bench.second("alice").await;
            for (name, answer) in [("choice", Answer::choose("enrol|sms")), ("number", Answer::contact(NUMBER))] {
                crash(&bench, &mut login, &answer, (name == moment).then_some(stop)).await;
            }
            if letters.count() == 0
                || matches!(&login.step, Step::Enrol(step) if step.to.is_some() && letters.count() == 0)
            {
                // The number was written, and the process died before it sent anything.
                login.answer(&Answer::Resend).await;
            }
            let code = Answer::enrol(letters.last());
            crash(&bench, &mut login, &code, (moment == "code").then_some(stop)).await;
            let codes = codes_of(&login.step);
            crash(&bench, &mut login, &Answer::RecoveryCodes, (moment == "kept").then_some(stop)).await;
            assert!(login.is_done(), "{moment} {stop:?}: {:?}", login.step);
            let subject = bench.subject_of("alice").await;
            let list = bench.mfa.authenticators().list(&subject).await.unwrap();
            assert_eq!((list.len(), codes.len()), (2, 10), "{moment} {stop:?}");
            bench.clock.advance(Duration::from_secs(60));
            let mut next = bench.second("alice").await;
            assert_eq!(next.answer(&code_of(&code)).await.error(), Some(StepError::WrongCode), "spent at enrolment");
            next.answer(&Answer::code(letters.last())).await;
            assert!(next.is_done(), "{moment} {stop:?}");
        }
    }
}

/// Gives an answer, to a process that is killed there if `stop` says so; then the user does the same again where the step still
/// asks for it.
async fn crash(bench: &Bench, login: &mut Login<'_>, answer: &Answer, stop: Option<Stop>) {
    let before = login.step.name();
    bench.store.stop(stop);
    let crashed = login.try_answer(answer).await.is_err();
    bench.store.stop(None);
    if crashed {
        login.step = bench.mfa.step(login.id, &login.caller).await.unwrap();
        if login.step.name() == before {
            login.answer(answer).await;
        }
    }
}

fn code_of(answer: &Answer) -> Answer {
    Answer::code(answer.code_text().unwrap())
}

#[tokio::test]
async fn promise_1_a_code_that_was_sent_survives_a_crash_for_its_login_alone() {
    for stop in POINTS {
        let (bench, letters) = enrolled("sms").await;
        let mut login = bench.second("alice").await;
        let code = Answer::code(letters.last());
        crash(&bench, &mut login, &code, Some(stop)).await;
        assert!(login.is_done(), "{stop:?}");
        bench.clock.advance(Duration::from_secs(30));
        let mut other = bench.second("alice").await;
        if letters.last() != code.code_text().unwrap() {
            assert_eq!(other.answer(&code).await.error(), Some(StepError::WrongCode), "{stop:?}");
        }
    }
}

#[tokio::test]
async fn promise_8_the_back_button_and_an_old_page_lead_nowhere() {
    let (bench, letters) = bench().await;
    let mut login = bench.second("alice").await;
    login.choose("sms").await;
    login.answer(&Answer::contact(NUMBER)).await;
    let first = letters.last();
    // Back to another number: the code that went to the first one proves nothing of the second.
    login.answer(&Answer::choose("enrol|sms")).await;
    bench.clock.advance(Duration::from_secs(30));
    login.answer(&Answer::contact("+4915112345624")).await;
    if letters.last() != first {
        assert_eq!(login.answer(&Answer::enrol(&first)).await.error(), Some(StepError::WrongCode));
    }
    login.answer(&Answer::enrol(letters.last())).await;
    login.answer(&Answer::RecoveryCodes).await;
    login.done();
    // The pages from before, sent again.
    for old in [Answer::contact(NUMBER), Answer::enrol(&first), Answer::Resend, Answer::code(&first), Answer::Poll] {
        login.answer(&old).await;
        assert!(login.is_done(), "a login that is done stays as it is: {old:?}");
    }
    let sent = letters.count();
    let subject = bench.subject_of("alice").await;
    assert_eq!((bench.mfa.authenticators().list(&subject).await.unwrap().len(), sent), (2, letters.count()));
}

#[tokio::test]
async fn promise_8_a_second_login_of_who_knows_the_password_sets_nothing_up() {
    let (bench, letters) = bench().await;
    let mut owner = bench.second("alice").await;
    let mut thief = bench.second("alice").await;
    owner.choose("sms").await;
    owner.answer(&Answer::contact(NUMBER)).await;
    owner.answer(&Answer::enrol(letters.last())).await;
    // What stood in the other login is void: the owner's factor is asked now.
    assert!(matches!(thief.answer(&Answer::choose("enrol|email")).await, Step::Code(step) if step.method == "sms"));
    for answer in [Answer::contact("mallory@evil.example"), Answer::enrol(letters.last()), Answer::Resend] {
        thief.answer(&answer).await;
        assert!(matches!(&thief.step, Step::Code(step) if step.method == "sms"), "{answer:?}: {:?}", thief.step);
    }
}

/// One thing that somebody may do.
#[derive(Debug, Clone, Copy)]
enum Move {
    /// The code that was sent last, wherever it belongs.
    Code,
    /// The code that was sent before.
    Old,
    Wrong,
    Resend,
    Poll,
    Number,
    Enrol,
    ChooseSms,
    ChooseRecovery,
    Kept,
    Wait,
    /// Another login of the same user in another browser, whose message may be mistaken for this one's.
    SecondLogin,
    Reload,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        Just(Move::Code),
        Just(Move::Old),
        Just(Move::Wrong),
        Just(Move::Resend),
        Just(Move::Poll),
        Just(Move::Number),
        Just(Move::Enrol),
        Just(Move::ChooseSms),
        Just(Move::ChooseRecovery),
        Just(Move::Kept),
        Just(Move::Wait),
        Just(Move::SecondLogin),
        Just(Move::Reload),
    ];
    proptest::collection::vec(one, 0..24)
}

/// Walks a login, and says whether a code that had been sent for it was typed before it was done.
async fn walk(bench: &Bench, letters: &Letterbox, moves: &[Move]) {
    let mut login = bench.second("alice").await;
    let mut codes: Vec<String> = if letters.count() > 0 { vec![letters.last()] } else { Vec::new() };
    let mut others: Vec<String> = Vec::new();
    let mut mine: Option<String> = codes.last().cloned();
    for step in moves {
        let before = letters.count();
        let answer = match step {
            Move::Code => Answer::code(mine.clone().unwrap_or_default()),
            Move::Enrol => Answer::enrol(mine.clone().unwrap_or_default()),
            Move::Old => Answer::code(others.last().cloned().unwrap_or_default()),
            Move::Wrong => Answer::code(wrong(mine.as_deref().unwrap_or_default())),
            Move::Resend => Answer::Resend,
            Move::Poll => Answer::Poll,
            Move::Number => Answer::contact(NUMBER),
            Move::ChooseSms => Answer::choose("enrol|sms"),
            Move::ChooseRecovery => Answer::choose("recovery_code|dev_x"),
            Move::Kept => Answer::RecoveryCodes,
            Move::Wait => {
                bench.clock.advance(Duration::from_secs(30));
                continue;
            }
            Move::SecondLogin => {
                bench.second("alice").await;
                if letters.count() > before {
                    others.push(letters.last());
                }
                continue;
            }
            Move::Reload => {
                login.step = match bench.mfa.step(login.id, &login.caller).await {
                    Ok(step) => step,
                    Err(LoginError::Expired) => return,
                    Err(error) => panic!("{error}"),
                };
                continue;
            }
        };
        let typed_mine = matches!(step, Move::Code | Move::Enrol) && mine.is_some();
        match login.try_answer(&answer).await {
            Ok(Step::Done(done)) => {
                let table = countersign_primitives::AcrTable::default();
                let now = countersign_primitives::Clock::now(&bench.clock);
                assert!(Requirement::MFA.met_by(&done.signed_in, &table, now));
                assert_eq!(done.signed_in.acr_value(), Some(&Acr::MFA));
                assert!(typed_mine || matches!(step, Move::Kept), "{step:?} of {moves:?} opened the login");
                return;
            }
            Ok(_) | Err(LoginError::Throttled { .. }) => {}
            Err(LoginError::Expired) => return,
            Err(error) => panic!("{error}"),
        }
        if letters.count() > before {
            if let Some(void) = mine.replace(letters.last()) {
                others.push(void);
            }
            codes.push(letters.last());
            // Two codes that are alike by chance are no finding.
            let newest = letters.last();
            others.retain(|other| *other != newest);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// No sequence of answers, resends, waits, reloads and second logins ends a login without the code that was sent for it last.
    #[test]
    fn promise_8_no_walk_ends_without_the_code_that_was_sent_for_it(moves in moves(), has_factor in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (bench, letters) = bench().await;
            if has_factor {
                set_up(&bench, &letters, "alice", "sms").await;
            }
            walk(&bench, &letters, &moves).await;
        });
    }
}

#[tokio::test]
async fn promise_8_a_walk_does_reach_the_end() {
    let (bench, letters) = bench().await;
    walk(&bench, &letters, &[Move::ChooseSms, Move::Number, Move::Enrol, Move::Kept]).await;
    assert!(bench.heard().contains(&"login.succeeded"));
    let again = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
    assert!(again.is_done());
}
