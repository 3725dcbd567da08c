//! M31: nobody is worn down into saying yes.

use std::time::Duration;

use countersign_mfa::{Answer, BrowserMarks, Budget, Caller, Limits, Push, PushDecision, PushLimits, Step, StepError};
use futures_util::future::join_all;

use super::phone::{Carrier, number_of, other_than};
use super::{asked, bench, bench_with, request};
use crate::support::{Bench, Login};

/// A login of somebody who has the password and asks as often as he can: not within the time between two messages.
async fn bombs<'a>(bench: &'a Bench) -> Login<'a> {
    let login = asked(bench, "alice").await;
    bench.clock.advance(Duration::from_secs(121)); // the question is over
    login
}

#[tokio::test]
async fn m31_nudges_are_limited_for_the_account_over_all_logins() {
    let (bench, carrier) = bench().await;
    bench.enrol_phone("alice").await;
    for _ in 0..3 {
        assert_eq!(bombs(&bench).await.step.error(), None);
    }
    for _ in 0..3 {
        let login = bombs(&bench).await;
        assert_eq!(login.step.error(), Some(StepError::TooSoon));
        let Step::Wait(step) = &login.step else { panic!("{:?}", login.step) };
        assert!(step.resend_in > Some(0) && !step.or.is_empty(), "when, and what else: {step:?}");
    }
    assert_eq!(carrier.sent().len(), 3);
    bench.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(bombs(&bench).await.step.error(), None);
}

#[tokio::test]
async fn m31_nudges_of_a_day_are_limited_however_patient_one_is() {
    let (bench, carrier) = bench().await;
    bench.enrol_phone("alice").await;
    let mut tries = 0;
    while tries < 90 {
        bombs(&bench).await;
        bench.clock.advance(Duration::from_secs(13 * 60));
        tries += 1; // 90 times a quarter of an hour
    }
    assert_eq!(carrier.sent().len(), 10);
}

#[tokio::test]
async fn m31_a_subject_has_one_open_challenge_at_most() {
    let (bench, carrier) = bench_with(|push| push.limits(generous())).await;
    let phone = bench.enrol_phone("alice").await;
    let mut first = asked(&bench, "alice").await;
    let challenge = carrier.newest();
    bench.clock.advance(Duration::from_secs(31)); // past the time between two messages
    let second = asked(&bench, "alice").await;
    assert_eq!(second.step.error(), Some(StepError::TooSoon));
    assert_eq!(carrier.sent().len(), 1, "the device is not asked twice at once");
    phone.decide(&bench.mfa, challenge, "approve", &number_of(&first.step)).await.unwrap();
    first.poll().await;
    assert!(first.is_done(), "and the first is not thrown out by the second");
    bench.clock.advance(Duration::from_secs(31));
    assert_eq!(asked(&bench, "alice").await.step.error(), None, "an answered one makes room");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m31_of_32_logins_over_two_engines_that_ask_at_once_one_nudges() {
    let carrier = Carrier::default();
    let push = || Push::new(carrier.clone()).limits(generous());
    let bench = Bench::with(|builder| builder.push(push()).limits(Limits::off())).await;
    bench.enrol_phone("alice").await;
    let other = bench.engine_with(|builder| builder.push(push()).limits(Limits::off())).await;
    let logins = join_all((0..32).map(|_| bench.begin(request(), bench.browser()))).await;
    let answer = Answer::password("alice", "alice-password");
    let racing = logins.iter().enumerate().map(|(number, login)| {
        let engine = if number % 2 == 0 { &bench.mfa } else { &other };
        engine.answer(login.id, &answer, &login.caller)
    });
    let asked = join_all(racing).await;
    assert!(asked.iter().all(Result::is_ok));
    assert_eq!(carrier.sent().len(), 1);
}

#[tokio::test]
async fn m31_a_no_reports_fraud_and_is_followed_by_quiet() {
    let (bench, carrier) = bench_with(|push| push.limits(generous())).await;
    let phone = bench.enrol_phone("alice").await;
    bench.events.lock().unwrap().clear();
    let attacker = bench.browser().address("203.0.113.9".parse().unwrap());
    let mut login = bench.password(request(), attacker, "alice").await;
    let denied = phone.decide(&bench.mfa, carrier.newest(), "deny", "").await.unwrap();
    assert_eq!(denied, PushDecision::Denied);
    {
        let events = bench.events.lock().unwrap();
        let fraud = events.iter().find(|event| event.name() == "push.denied").unwrap();
        assert_eq!(fraud.subject().unwrap().as_str(), "u-1");
        assert_eq!(fraud.address(), Some("203.0.113.9".parse().unwrap()), "and whence");
    }
    assert_eq!(login.poll().await.error(), Some(StepError::Denied));
    bench.clock.advance(Duration::from_secs(60));
    let quiet = login.answer(&Answer::Resend).await;
    assert_eq!(quiet.error(), Some(StepError::TooSoon));
    let next = asked(&bench, "alice").await;
    assert_eq!(next.step.error(), Some(StepError::TooSoon), "nor does another login");
    assert_eq!(carrier.sent().len(), 1);
    bench.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(asked(&bench, "alice").await.step.error(), None);
}

#[tokio::test]
async fn m31_after_three_denials_or_wrong_numbers_there_is_quiet_for_a_day() {
    let (bench, carrier) = bench_with(|push| push.limits(generous())).await;
    let phone = bench.enrol_phone("alice").await;
    for turn in 0..3 {
        let login = asked(&bench, "alice").await;
        assert_eq!(login.step.error(), None);
        let wrong = other_than(&number_of(&login.step));
        let decision = if turn == 1 { "approve" } else { "deny" };
        phone.decide(&bench.mfa, carrier.newest(), decision, &wrong).await.unwrap();
        bench.clock.advance(Duration::from_secs(16 * 60));
    }
    assert_eq!(asked(&bench, "alice").await.step.error(), Some(StepError::TooSoon));
    assert_eq!(carrier.sent().len(), 3);
    bench.clock.advance(Duration::from_secs(86_400));
    assert_eq!(asked(&bench, "alice").await.step.error(), None);
}

#[tokio::test]
async fn promise_6_strangers_who_are_denied_do_not_keep_the_owner_from_push() {
    let (bench, carrier) = bench().await;
    let phone = bench.enrol_phone("alice").await;
    // The owner signs in once by push, and the browser is known from then on.
    let mut login = asked(&bench, "alice").await;
    phone.decide(&bench.mfa, carrier.newest(), "approve", &number_of(&login.step)).await.unwrap();
    login.poll().await;
    let marks = login.done().marks.clone();
    bench.clock.advance(Duration::from_secs(60));
    let stranger = asked(&bench, "alice").await;
    assert_eq!(stranger.step.error(), None);
    phone.decide(&bench.mfa, carrier.newest(), "deny", "").await.unwrap();
    bench.clock.advance(Duration::from_secs(31));
    assert_eq!(asked(&bench, "alice").await.step.error(), Some(StepError::TooSoon), "strangers wait");
    bench.clock.advance(Duration::from_secs(31));
    let owner = Caller::new(bench.id()).marks(BrowserMarks::parse(&marks.to_string()));
    let mut login = bench.password(request(), owner, "alice").await;
    assert_eq!(login.step.error(), None, "the owner's browser has a budget of its own");
    phone.decide(&bench.mfa, carrier.newest(), "approve", &number_of(&login.step)).await.unwrap();
    login.poll().await;
    assert!(login.is_done());
}

#[tokio::test]
async fn promise_6_a_strangers_open_challenge_gives_way_to_the_owners_browser_and_not_the_other_way_round() {
    let (bench, carrier) = bench().await;
    let phone = bench.enrol_phone("alice").await;
    let mut login = asked(&bench, "alice").await;
    phone.decide(&bench.mfa, carrier.newest(), "approve", &number_of(&login.step)).await.unwrap();
    login.poll().await;
    let marks = login.done().marks.clone();
    bench.clock.advance(Duration::from_secs(60));
    let mut stranger = asked(&bench, "alice").await;
    let (of_stranger, number) = (carrier.newest(), number_of(&stranger.step));
    bench.clock.advance(Duration::from_secs(31));
    let owner = Caller::new(bench.id()).marks(BrowserMarks::parse(&marks.to_string()));
    let mut login = bench.password(request(), owner, "alice").await;
    assert_eq!(login.step.error(), None);
    let of_owner = carrier.newest();
    assert!(
        phone.decide(&bench.mfa, of_stranger, "approve", &number).await.is_err(),
        "one open challenge, the owner's"
    );
    bench.clock.advance(Duration::from_secs(31));
    assert_eq!(stranger.answer(&Answer::Resend).await.error(), Some(StepError::TooSoon));
    assert_eq!(carrier.newest(), of_owner);
    phone.decide(&bench.mfa, of_owner, "approve", &number_of(&login.step)).await.unwrap();
    login.poll().await;
    assert!(login.is_done());
    assert!(matches!(stranger.poll().await, Step::Wait(_)));
}

#[tokio::test]
async fn m31_a_wrong_number_counts_as_a_wrong_code_does() {
    let limits = PushLimits { cooling_off: Duration::from_secs(1), denials: Budget::new(99, DAY), ..generous() };
    let (bench, carrier) = bench_with(|push| push.limits(limits)).await;
    let phone = bench.enrol_phone("alice").await;
    for _ in 0..10 {
        let login = asked(&bench, "alice").await;
        assert_eq!(login.step.error(), None);
        let wrong = other_than(&number_of(&login.step));
        phone.decide(&bench.mfa, carrier.newest(), "approve", &wrong).await.unwrap();
        bench.clock.advance(Duration::from_secs(31));
    }
    let mut login = asked(&bench, "alice").await;
    login.choose("recovery_code").await;
    let code = login.try_answer(&Answer::code("abcd-efgh")).await;
    assert!(matches!(code, Err(countersign_mfa::LoginError::Throttled { .. })), "{code:?}");
}

const DAY: Duration = Duration::from_secs(86_400);

/// Limits that leave room for what a test is not about.
fn generous() -> PushLimits {
    let much = Budget::new(1_000, DAY);
    PushLimits { strangers: much, strangers_long: much, known: much, ..PushLimits::default() }
}

/// What a nudge that failed costs: nothing.
#[tokio::test]
async fn a_nudge_that_was_not_taken_is_not_counted() {
    let (bench, carrier) = bench().await;
    bench.enrol_phone("alice").await;
    carrier.is(super::phone::Service::Busy);
    for _ in 0..5 {
        assert_eq!(bombs(&bench).await.step.error(), Some(StepError::NotSent));
    }
    carrier.is(super::phone::Service::Up);
    assert_eq!(bombs(&bench).await.step.error(), None);
}
