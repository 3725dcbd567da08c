//! What must not let anybody in.

use std::time::Duration;

use countersign_events::EventKind;
use countersign_mfa::{Answer, LoginError, Passkeys, Step, StepError};
use countersign_mfa_webauthn::OnCloneSuspicion;
use countersign_mfa_webauthn::testkit::SoftAuthenticator;
use countersign_primitives::Acr;
use futures_util::future::join_all;
use serde_json::json;

use super::{acr, asked, asserted, bench, enrol, options};
use crate::support::{Bench, REALM};

/// How often an event was told, with this cause if one is named.
fn told(bench: &Bench, kind: EventKind, cause: Option<&str>) -> usize {
    let events = bench.events.lock().unwrap();
    events.iter().filter(|event| event.kind() == kind && (cause.is_none() || event.cause() == cause)).count()
}

#[tokio::test]
async fn m1_the_challenge_of_one_user_is_not_answered_by_anothers_key() {
    let bench = bench().await;
    enrol(&bench, "alice", "passkey", &mut SoftAuthenticator::platform().unwrap()).await;
    let mut bobs = SoftAuthenticator::platform().unwrap();
    enrol(&bench, "bob", "passkey", &mut bobs).await;
    let mut login = asked(&bench, "alice").await;
    bobs.ignore_allow_list();
    let answer = asserted(&mut bobs, &login.step);
    login.answer(&answer).await;
    assert_eq!(login.step.error(), Some(StepError::NotAccepted));
    assert!(!login.is_done() && told(&bench, EventKind::FactorFailed, Some("authentication.not_allowed")) == 1);
}

#[tokio::test]
async fn m2_m33_the_user_handle_is_the_owners_and_decides_nothing() {
    let bench = bench().await;
    let mut alices = SoftAuthenticator::platform().unwrap();
    enrol(&bench, "alice", "passkey", &mut alices).await;
    let mut login = asked(&bench, "alice").await;
    alices.tamper_answer(|answer| answer["response"]["userHandle"] = json!("Ym9i"));
    let answer = asserted(&mut alices, &login.step);
    login.answer(&answer).await;
    assert_eq!(login.step.error(), Some(StepError::NotAccepted));
    let answer = asserted(&mut alices, &login.step);
    login.answer(&answer).await;
    assert_eq!(login.done().signed_in.subject().as_str(), "u-1");
}

#[tokio::test]
async fn m3_what_does_not_verify_gives_nothing() {
    let bench = bench().await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    enrol(&bench, "alice", "passkey", &mut phone).await;
    let mut login = asked(&bench, "alice").await;
    for text in ["", "{}", "null", "not json", "{\"id\":\"AAAA\",\"type\":\"public-key\",\"response\":{}}"] {
        login.answer(&Answer::webauthn(text)).await;
        assert_eq!(login.step.error(), Some(StepError::NotAccepted), "{text}");
    }
    phone.tamper_signature(|signature| *signature.last_mut().unwrap() ^= 1);
    let answer = asserted(&mut phone, &login.step);
    login.answer(&answer).await;
    assert_eq!(login.step.error(), Some(StepError::NotAccepted));
    let elsewhere = Answer::webauthn(phone.get(&options(&login.step), "https://example.org").unwrap());
    login.answer(&elsewhere).await;
    assert_eq!(login.step.error(), Some(StepError::NotAccepted));
    assert_eq!(told(&bench, EventKind::FactorFailed, Some("ceremony.origin")), 1);
}

#[tokio::test]
async fn m4_a_ceremony_is_spent_by_its_first_answer_right_or_wrong() {
    let bench = bench().await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    enrol(&bench, "alice", "passkey", &mut phone).await;
    let mut login = asked(&bench, "alice").await;
    let first = options(&login.step);
    let right = asserted(&mut phone, &login.step);
    login.answer(&Answer::webauthn("{}")).await;
    assert_ne!(options(&login.step), first, "another question stands in its place");
    login.answer(&right).await;
    assert_eq!(login.step.error(), Some(StepError::NotAccepted), "the answer to a question that is spent");
    assert_eq!(told(&bench, EventKind::FactorFailed, Some("ceremony.challenge")), 1);
}

#[tokio::test]
async fn m4_an_assertion_works_in_no_other_login_and_in_no_other_browser() {
    let bench = bench().await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    enrol(&bench, "alice", "passkey", &mut phone).await;
    let mut login = asked(&bench, "alice").await;
    let answer = asserted(&mut phone, &login.step);
    let mut other = asked(&bench, "alice").await;
    other.answer(&answer).await;
    assert_eq!(other.step.error(), Some(StepError::NotAccepted));
    let stolen = bench.mfa.answer(login.id, &answer, &bench.browser()).await;
    assert!(matches!(stolen, Err(LoginError::OtherBrowser)), "{stolen:?}");
    login.answer(&answer).await;
    assert!(login.is_done());
    let mut later = asked(&bench, "alice").await;
    later.answer(&answer).await;
    assert!(!later.is_done());
}

#[tokio::test]
async fn promise_1_an_assertion_that_is_sent_many_times_at_once_ends_one_login_and_counts_once() {
    let bench = bench().await;
    let mut key = SoftAuthenticator::security_key().unwrap();
    enrol(&bench, "alice", "security_key", &mut key).await;
    let login = asked(&bench, "alice").await;
    let answer = asserted(&mut key, &login.step);
    let racers = (0..16).map(|_| bench.mfa.answer(login.id, &answer, &login.caller));
    let done = join_all(racers).await.into_iter().filter(|step| matches!(step, Ok(Step::Done(_)))).count();
    assert!(done >= 1);
    assert_eq!(told(&bench, EventKind::LoginSucceeded, None), 2, "the enrolment's, and this one");
    assert_eq!(told(&bench, EventKind::CredentialSuspected, None), 0, "nobody else used the key");
}

#[tokio::test]
async fn m7_m8_a_counter_is_kept_and_one_that_falls_is_told_at_every_login() {
    let bench = bench().await;
    let mut key = SoftAuthenticator::security_key().unwrap();
    key.set_counter(Some(40));
    enrol(&bench, "alice", "security_key", &mut key).await;
    let sign_in = async |key: &mut SoftAuthenticator| {
        let mut login = asked(&bench, "alice").await;
        let answer = asserted(key, &login.step);
        login.answer(&answer).await;
        login.is_done()
    };
    assert!(sign_in(&mut key).await);
    assert_eq!(told(&bench, EventKind::CredentialSuspected, None), 0);
    for expected in 1..=2 {
        key.set_counter(Some(3)); // a copy that was made before
        assert!(sign_in(&mut key).await, "told, not refused: decision 44");
        assert_eq!(told(&bench, EventKind::CredentialSuspected, Some("webauthn.counter")), expected);
    }
    key.set_counter(None); // a fall to zero is one too
    assert!(sign_in(&mut key).await);
    assert_eq!(told(&bench, EventKind::CredentialSuspected, Some("webauthn.counter")), 3);
}

#[tokio::test]
async fn m9_a_counter_that_is_always_zero_is_none() {
    let bench = bench().await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    enrol(&bench, "alice", "passkey", &mut phone).await;
    for _ in 0..2 {
        let mut login = asked(&bench, "alice").await;
        let answer = asserted(&mut phone, &login.step);
        login.answer(&answer).await;
        assert!(login.is_done());
    }
    assert_eq!(told(&bench, EventKind::CredentialSuspected, None), 0);
}

#[tokio::test]
async fn m8_a_host_may_have_copies_refused() {
    let strict = Passkeys::new("example.com").on_clone_suspicion(OnCloneSuspicion::Refuse);
    let bench = Bench::with(|builder| builder.factor(strict)).await;
    let mut key = SoftAuthenticator::security_key().unwrap();
    key.set_counter(Some(40));
    enrol(&bench, "alice", "passkey", &mut key).await;
    key.set_counter(Some(3));
    let mut login = asked(&bench, "alice").await;
    let answer = asserted(&mut key, &login.step);
    login.answer(&answer).await;
    assert_eq!(login.step.error(), Some(StepError::NotAccepted));
}

#[tokio::test]
async fn m10_a_key_that_cannot_be_backed_up_is_not() {
    let bench = bench().await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    enrol(&bench, "alice", "passkey", &mut phone).await;
    let mut login = asked(&bench, "alice").await;
    phone.tamper_auth_data(|data| data[32] = (data[32] & !0x08) | 0x10);
    let answer = asserted(&mut phone, &login.step);
    login.answer(&answer).await;
    assert_eq!(login.step.error(), Some(StepError::NotAccepted));
    assert_eq!(told(&bench, EventKind::FactorFailed, Some("ceremony.backup_state")), 1);
}

#[tokio::test]
async fn m11_a_passkey_verifies_its_owner_whatever_the_page_asked() {
    let bench = bench().await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    enrol(&bench, "alice", "passkey", &mut phone).await;
    let mut login = asked(&bench, "alice").await;
    phone.set_user_verification(false);
    let answer = asserted(&mut phone, &login.step);
    login.answer(&answer).await;
    assert_eq!(login.step.error(), Some(StepError::NotAccepted));
}

#[tokio::test]
async fn no_number_of_failures_keeps_an_owner_from_a_key() {
    let bench = bench().await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    enrol(&bench, "alice", "passkey", &mut phone).await;
    let mut login = asked(&bench, "alice").await;
    for _ in 0..150 {
        login.answer(&Answer::webauthn("{}")).await;
    }
    assert_eq!(told(&bench, EventKind::GuessingClosed, None) + told(&bench, EventKind::GuessingThrottled, None), 0);
    let answer = asserted(&mut phone, &login.step);
    login.answer(&answer).await;
    assert_eq!(acr(&login), Some(Acr::PHR));
}

#[tokio::test]
async fn a_ceremony_ends_with_its_login() {
    let bench = bench().await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    enrol(&bench, "alice", "passkey", &mut phone).await;
    let login = asked(&bench, "alice").await;
    let answer = Answer::webauthn(phone.get(&options(&login.step), REALM).unwrap());
    bench.clock.advance(Duration::from_secs(15 * 60));
    let late = bench.mfa.answer(login.id, &answer, &login.caller).await;
    assert!(matches!(late, Err(LoginError::Expired)), "{late:?}");
}
