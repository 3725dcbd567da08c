//! Push with number matching (NIST SP 800-63B-4 §3.1.3, attack M31).

mod attacks;
mod enrolment;
mod limits;
pub(crate) mod phone;

use std::net::IpAddr;
use std::time::Duration;

use countersign_mfa::{Answer, Limits, LoginRequest, Push, PushDecision, PushError, Step, StepError};
use countersign_primitives::{Acr, Amr, Clock, Requirement};

use crate::support::{Bench, Login};
use phone::{Carrier, Service, devices, number_of, other_than};

/// A server with push, and what its push service was to carry.
pub(crate) async fn bench() -> (Bench, Carrier) {
    bench_with(|push| push).await
}

pub(crate) async fn bench_with(change: impl FnOnce(Push) -> Push) -> (Bench, Carrier) {
    let carrier = Carrier::default();
    let push = change(Push::new(carrier.clone()));
    (Bench::with(|builder| builder.push(push)).await, carrier)
}

/// The same without limits on how often.
pub(crate) async fn unlimited() -> (Bench, Carrier) {
    let carrier = Carrier::default();
    let push = Push::new(carrier.clone());
    (Bench::with(|builder| builder.push(push).limits(Limits::off())).await, carrier)
}

pub(crate) fn request() -> LoginRequest {
    LoginRequest::new().requirement(Requirement::MFA).client("Shop")
}

/// A login for the client of the tests that has asked the device.
pub(crate) async fn asked<'a>(bench: &'a Bench, name: &str) -> Login<'a> {
    bench.password(request(), bench.browser(), name).await
}

#[tokio::test]
async fn a_device_is_set_up_by_its_link_and_the_next_login_asks_it() {
    let (bench, carrier) = bench().await;
    let phone = bench.enrol_phone("alice").await;
    assert!(carrier.sent().is_empty(), "setting up nudges nobody");
    let mut login = asked(&bench, "alice").await;
    let Step::Wait(step) = &login.step else { panic!("{:?}", login.step) };
    assert_eq!((step.method.as_str(), step.poll_every, step.may_resend), ("push", 2, true));
    assert_eq!(step.or.iter().map(|way| way.method.as_str()).collect::<Vec<_>>(), ["recovery_code"]);
    let number = number_of(&login.step);
    assert!((10..=99).contains(&number.parse::<u8>().unwrap()));
    assert!(matches!(login.poll().await, Step::Wait(step) if step.error.is_none()));
    let question = devices(&bench.mfa).challenge(carrier.newest(), &phone.reading(carrier.newest()).await).await;
    assert_eq!(question.unwrap().client, "Shop");
    let decision = phone.decide(&bench.mfa, carrier.newest(), "approve", &number).await.unwrap();
    assert_eq!(decision, PushDecision::Approved);
    login.poll().await;
    let done = &login.done().signed_in;
    assert_eq!(done.acr_value(), Some(&Acr::MFA));
    assert_eq!(done.amr_values(), [Amr::Pwd, Amr::Swk, Amr::Pop, Amr::User, Amr::Mfa]);
    for name in ["factor.enrolled", "push.sent", "factor.verified", "login.succeeded"] {
        assert!(bench.heard().contains(&name), "{name}: {:?}", bench.heard());
    }
}

#[tokio::test]
async fn rfc8176_2_a_key_in_hardware_is_named_only_where_the_host_vouches_for_it() {
    let (bench, carrier) = bench_with(Push::hardware_keys).await;
    let phone = bench.enrol_phone("alice").await;
    let mut login = asked(&bench, "alice").await;
    phone.decide(&bench.mfa, carrier.newest(), "approve", &number_of(&login.step)).await.unwrap();
    login.poll().await;
    assert!(login.done().signed_in.amr_values().contains(&Amr::Hwk));
}

#[tokio::test]
async fn m31_the_device_is_told_client_place_and_time_and_never_the_number() {
    let place = |address: IpAddr| address.is_ipv4().then(|| "Testville".to_owned());
    let (bench, carrier) = bench_with(|push| push.place(place)).await;
    let phone = bench.enrol_phone("alice").await;
    let browser = bench.browser().address("192.0.2.7".parse().unwrap());
    let login = bench.password(request(), browser, "alice").await;
    let number = number_of(&login.step);
    let challenge = carrier.newest();
    let question = devices(&bench.mfa).challenge(challenge, &phone.reading(challenge).await).await.unwrap();
    let now = bench.clock.now().as_secs();
    let told = serde_json::to_value(&question).unwrap();
    assert_eq!(
        told,
        serde_json::json!({
            "challenge": challenge.to_string(), "issuer": crate::support::REALM, "account": "alice", "client": "Shop",
            "address": "192.0.2.7", "place": "Testville", "at": now, "expires_at": now + 120,
        })
    );
    let nudge = &carrier.sent()[0];
    assert_eq!(nudge.to(), phone.address);
    assert!(!format!("{nudge:?} {}", nudge.challenge()).contains(&format!("\"{number}\"")));
}

#[tokio::test]
async fn nist_sp800_63b_3_1_3_a_challenge_ends_in_time_and_another_has_another_number() {
    let (bench, carrier) = unlimited().await;
    let phone = bench.enrol_phone("alice").await;
    let mut login = asked(&bench, "alice").await;
    let (first, number) = (carrier.newest(), number_of(&login.step));
    bench.clock.advance(Duration::from_secs(120));
    let late = phone.decide(&bench.mfa, first, "approve", &number).await;
    assert!(matches!(late, Err(PushError::Unknown)), "{late:?}");
    assert_eq!(login.poll().await.error(), Some(StepError::CodeExpired));
    login.answer(&Answer::Resend).await;
    let second = carrier.newest();
    assert_ne!(first, second);
    assert!(phone.decide(&bench.mfa, first, "approve", &number).await.is_err());
    phone.decide(&bench.mfa, second, "approve", &number_of(&login.step)).await.unwrap();
    login.poll().await;
    assert!(login.is_done());
}

#[tokio::test]
async fn a_challenge_that_is_asked_anew_voids_the_one_before() {
    let (bench, carrier) = unlimited().await;
    let phone = bench.enrol_phone("alice").await;
    let mut login = asked(&bench, "alice").await;
    let (first, number) = (carrier.newest(), number_of(&login.step));
    login.answer(&Answer::Resend).await;
    let void = phone.decide(&bench.mfa, first, "approve", &number).await;
    assert!(matches!(void, Err(PushError::Unknown)), "{void:?}");
    assert!(matches!(login.poll().await, Step::Wait(_)));
}

#[tokio::test]
async fn promise_14_a_push_service_that_fails_is_told_and_lets_nobody_in() {
    for (service, error) in [
        (Service::Gone, StepError::Unreachable),
        (Service::Busy, StepError::NotSent),
        (Service::Down, StepError::NotSent),
    ] {
        let (bench, carrier) = unlimited().await;
        bench.enrol_phone("alice").await;
        carrier.is(service);
        let mut login = asked(&bench, "alice").await;
        assert_eq!(login.step.error(), Some(error));
        let Step::Wait(step) = &login.step else { panic!("{:?}", login.step) };
        assert!(!step.or.is_empty(), "another way is offered");
        assert!(matches!(login.poll().await, Step::Wait(_)));
        carrier.is(Service::Up);
        assert_eq!(login.answer(&Answer::Resend).await.error(), None);
        assert_eq!(carrier.sent().len(), 1);
    }
}

#[tokio::test]
async fn promise_8_push_is_never_phishing_resistant() {
    let (bench, _) = bench().await;
    bench.enrol_phone("alice").await;
    let request = LoginRequest::new().requirement(Requirement::PHISHING_RESISTANT);
    let login = bench.password(request, bench.browser(), "alice").await;
    assert!(matches!(login.step, Step::Refused(_)), "{:?}", login.step);
}

#[tokio::test]
async fn a_wrong_number_and_a_no_are_told_to_the_page_and_end_the_challenge() {
    for (decision, wrong) in [("deny", false), ("approve", true)] {
        let (bench, carrier) = unlimited().await;
        let phone = bench.enrol_phone("alice").await;
        let mut login = asked(&bench, "alice").await;
        let (challenge, number) = (carrier.newest(), number_of(&login.step));
        let typed = if wrong { other_than(&number) } else { number.clone() };
        let decided = phone.decide(&bench.mfa, challenge, decision, &typed).await.unwrap();
        assert_eq!(decided, if wrong { PushDecision::WrongNumber } else { PushDecision::Denied });
        let after = phone.decide(&bench.mfa, challenge, "approve", &number).await;
        assert!(matches!(after, Err(PushError::Answered)), "one answer and no other: {after:?}");
        for _ in 0..3 {
            assert_eq!(login.poll().await.error(), Some(StepError::Denied));
        }
        let denials = bench.heard().iter().filter(|name| **name == "factor.denied").count();
        assert_eq!(denials, 1, "however often the page asks");
        login.answer(&Answer::Resend).await;
        let again = number_of(&login.step);
        phone.decide(&bench.mfa, carrier.newest(), "approve", &again).await.unwrap();
        login.poll().await;
        assert!(login.is_done());
    }
}

#[tokio::test]
async fn m27_a_device_that_was_removed_is_asked_no_more_and_answers_nothing() {
    let (bench, carrier) = unlimited().await;
    let phone = bench.enrol_phone("alice").await;
    let mut login = asked(&bench, "alice").await;
    let (challenge, number) = (carrier.newest(), number_of(&login.step));
    bench.mfa.authenticators().reset(&bench.subject_of("alice").await).await.unwrap();
    let answer = phone.decide(&bench.mfa, challenge, "approve", &number).await;
    assert!(matches!(answer, Err(PushError::Unknown)), "{answer:?}");
    login.poll().await;
    assert!(!login.is_done());
}

#[tokio::test]
async fn a_device_whose_login_page_was_closed_answers_in_vain() {
    let (bench, carrier) = unlimited().await;
    let phone = bench.enrol_phone("alice").await;
    let login = asked(&bench, "alice").await;
    bench.mfa.cancel(login.id, &login.caller).await.unwrap();
    phone.decide(&bench.mfa, carrier.newest(), "approve", &number_of(&login.step)).await.unwrap();
    assert!(bench.mfa.step(login.id, &login.caller).await.is_err());
    let mut next = asked(&bench, "alice").await;
    assert!(matches!(next.poll().await, Step::Wait(_)), "what one login was answered is no other's");
}
