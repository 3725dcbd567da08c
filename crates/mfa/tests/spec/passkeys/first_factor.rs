//! A passkey that says who signs in.

use std::time::Duration;

use countersign_accounts::Account;
use countersign_events::EventKind;
use countersign_mfa::{Answer, Existing, FirstEnrolment, LoginRequest, Passkeys, Policy, Step, StepError};
use countersign_mfa_webauthn::testkit::SoftAuthenticator;
use countersign_primitives::{Acr, Amr, Clock, Requirement};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{acr, amr, asserted, bench, created, enrol, options, with_keys};
use crate::support::{Bench, Login};

/// Somebody at the first page of a login, of whom nothing is known.
async fn come(bench: &Bench) -> Login<'_> {
    bench.begin(LoginRequest::new(), bench.browser()).await
}

async fn with_passkey(bench: &Bench, name: &str) -> SoftAuthenticator {
    let mut phone = SoftAuthenticator::platform().unwrap();
    enrol(bench, name, "passkey", &mut phone).await;
    phone
}

#[tokio::test]
async fn a_passkey_signs_in_without_a_name_and_is_phr() {
    let bench = bench().await;
    let mut phone = with_passkey(&bench, "alice").await;
    let mut login = come(&bench).await;
    let answer = asserted(&mut phone, &login.step);
    login.answer(&answer).await;
    assert_eq!(login.done().signed_in.subject().as_str(), "u-1");
    assert_eq!(acr(&login), Some(Acr::PHR));
    assert_eq!(amr(&login), [Amr::Mfa, Amr::Pop, Amr::Swk, Amr::User], "no password was typed");
}

#[tokio::test]
async fn the_first_page_works_as_before_without_a_passkey() {
    let bench = bench().await;
    let mut login = come(&bench).await;
    let first = options(&login.step);
    login.answer(&Answer::password("alice", "wrong")).await;
    assert_eq!(login.step.error(), Some(StepError::WrongPassword));
    assert_eq!(options(&login.step), first, "a password that was wrong changes nothing of the question");
    login.answer(&Answer::password("alice", "alice-password")).await;
    assert!(login.is_done());
}

#[tokio::test]
async fn promise_6_the_question_is_the_same_for_whoever_has_a_passkey_and_for_nobody() {
    let bench = bench().await;
    with_passkey(&bench, "alice").await;
    let shape = async |hint: &str| {
        let login = bench.begin(LoginRequest::new().login_hint(hint), bench.browser()).await;
        let mut asked: Value = serde_json::from_str(&options(&login.step)).unwrap();
        asked["publicKey"]["challenge"].take();
        asked
    };
    let asked = shape("alice").await;
    assert_eq!(asked["publicKey"]["allowCredentials"], json!([]));
    assert_eq!(asked["publicKey"]["userVerification"], "required");
    assert_eq!(asked, shape("bob").await);
    assert_eq!(asked, shape("nobody").await);
}

#[tokio::test]
async fn promise_6_a_key_that_nobody_has_and_one_that_did_not_sign_look_alike() {
    let bench = bench().await;
    let mut alices = with_passkey(&bench, "alice").await;
    let mut login = come(&bench).await;
    alices.tamper_signature(|signature| *signature.last_mut().unwrap() ^= 1);
    let answer = asserted(&mut alices, &login.step);
    login.answer(&answer).await;
    let known = login.step.error();
    let answer = asserted(&mut alices, &login.step);
    let Answer::Webauthn { response, .. } = answer else { unreachable!() };
    let mut unknown: Value = serde_json::from_str(response.expose()).unwrap();
    (unknown["id"], unknown["rawId"]) = (json!("AAAA"), json!("AAAA"));
    login.answer(&Answer::webauthn(unknown.to_string())).await;
    assert_eq!((known, login.step.error()), (Some(StepError::NotAccepted), Some(StepError::NotAccepted)));
    assert!(matches!(login.step, Step::Password(_)));
}

#[tokio::test]
async fn m1_m33_the_key_says_who_signs_in_and_nothing_that_the_browser_adds() {
    let bench = bench().await;
    let mut alices = with_passkey(&bench, "alice").await;
    let mut setup = bench.second("bob").await;
    setup.choose("passkey").await;
    let bobs = handle(&setup);
    for handle in [json!(bobs), json!(null), json!("")] {
        let mut login = come(&bench).await;
        let handle = handle.clone();
        alices.tamper_answer(move |answer| answer["response"]["userHandle"] = handle.clone());
        let answer = asserted(&mut alices, &login.step);
        login.answer(&answer).await;
        assert_eq!(login.step.error(), Some(StepError::NotAccepted));
    }
}

#[tokio::test]
async fn m4_an_answer_serves_its_own_login_once() {
    let bench = bench().await;
    let mut phone = with_passkey(&bench, "alice").await;
    let (mut login, mut other) = (come(&bench).await, come(&bench).await);
    let answer = asserted(&mut phone, &login.step);
    other.answer(&answer).await;
    assert_eq!(other.step.error(), Some(StepError::NotAccepted));
    let stolen = bench.mfa.answer(login.id, &answer, &bench.browser()).await;
    assert!(stolen.is_err(), "another browser: {stolen:?}");
    login.answer(&answer).await;
    assert!(login.is_done());
    let mut later = come(&bench).await;
    later.answer(&answer).await;
    assert!(!later.is_done());
}

#[tokio::test]
async fn promise_1_one_answer_sent_many_times_at_once_signs_in_once() {
    let bench = bench().await;
    let mut phone = with_passkey(&bench, "alice").await;
    let login = come(&bench).await;
    let answer = asserted(&mut phone, &login.step);
    let racers = (0..16).map(|_| bench.mfa.answer(login.id, &answer, &login.caller));
    let steps = join_all(racers).await;
    assert!(steps.iter().any(|step| matches!(step, Ok(Step::Done(_)))));
    let events = bench.events.lock().unwrap();
    let ended = events.iter().filter(|event| event.kind() == EventKind::LoginSucceeded).count();
    assert_eq!(ended, 2, "the enrolment's login, and this one");
}

#[tokio::test]
async fn m11_without_verification_of_its_owner_nobody_is_signed_in() {
    let bench = bench().await;
    let mut phone = with_passkey(&bench, "alice").await;
    phone.set_user_verification(false);
    let mut login = come(&bench).await;
    let answer = asserted(&mut phone, &login.step);
    login.answer(&answer).await;
    assert_eq!(login.step.error(), Some(StepError::NotAccepted));
}

#[tokio::test]
async fn a_security_key_says_nobodys_name() {
    let bench = bench().await;
    let mut key = SoftAuthenticator::security_key().unwrap();
    let mut setup = bench.second("alice").await;
    setup.choose("security_key").await;
    let handle = handle(&setup);
    let answer = created(&mut key, &setup.step);
    setup.answer(&answer).await;
    let mut login = come(&bench).await;
    key.ignore_allow_list();
    key.tamper_answer(move |answer| answer["response"]["userHandle"] = json!(handle));
    let answer = asserted(&mut key, &login.step);
    login.answer(&answer).await;
    assert_eq!(login.step.error(), Some(StepError::NotAccepted), "it stands beside a password alone");
    let told = bench.events.lock().unwrap();
    assert_eq!(told.last().unwrap().cause(), Some("authentication.unknown_credential"), "all else was right");
}

/// The handle that an authenticator is told at a set-up.
fn handle(setup: &Login<'_>) -> String {
    let asked: Value = serde_json::from_str(&options(&setup.step)).unwrap();
    asked["publicKey"]["user"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn passkeys_may_stand_beside_a_password_alone() {
    let second = Passkeys::new("example.com").second_factor_only();
    let bench = Bench::with(|builder| builder.factor(second)).await;
    let login = come(&bench).await;
    assert!(matches!(&login.step, Step::Password(step) if step.options.is_none()), "{:?}", login.step);
    let mut phone = with_passkey(&bench, "alice").await;
    let mut login = super::asked(&bench, "alice").await;
    let answer = asserted(&mut phone, &login.step);
    login.answer(&answer).await;
    assert_eq!(acr(&login), Some(Acr::PHR));
}

#[tokio::test]
async fn a_disabled_account_is_not_signed_in_by_its_passkey() {
    let bench = bench().await;
    let mut phone = with_passkey(&bench, "alice").await;
    bench.users.import([Account::new("u-1").username("alice").disabled()], Existing::Replace).await.unwrap();
    let mut login = come(&bench).await;
    let answer = asserted(&mut phone, &login.step);
    login.answer(&answer).await;
    assert!(matches!(login.step, Step::Refused(_)), "{:?}", login.step);
}

#[tokio::test]
async fn what_was_proven_by_a_passkey_grows_old_as_a_whole() {
    let bench = bench().await;
    let mut phone = with_passkey(&bench, "alice").await;
    let mut login = come(&bench).await;
    let answer = asserted(&mut phone, &login.step);
    login.answer(&answer).await;
    let who = login.done().signed_in.clone();
    bench.clock.advance(Duration::from_secs(3_600));
    let request = LoginRequest::new().who(who).requirement(Requirement::MFA.max_age(Duration::from_secs(300)));
    let mut again = bench.begin(request, bench.browser()).await;
    assert!(matches!(again.step, Step::Password(_)), "{:?}", again.step);
    let answer = asserted(&mut phone, &again.step);
    again.answer(&answer).await;
    assert_eq!(acr(&again), Some(Acr::PHR));
    assert_eq!(again.done().signed_in.auth_time(), bench.clock.now());
}

#[tokio::test]
async fn a_login_by_passkey_is_judged_for_risk_as_others_are() {
    let policy = Policy::adaptive().first_enrolment(FirstEnrolment::ThisLogin);
    let bench = Bench::with(|builder| with_keys(builder).policy(policy)).await;
    let mut phone = with_passkey(&bench, "alice").await;
    let mut login = come(&bench).await;
    let judged = |bench: &Bench| bench.heard().iter().filter(|name| **name == "risk.judged").count();
    let before = judged(&bench);
    let answer = asserted(&mut phone, &login.step);
    login.answer(&answer).await;
    assert!(login.is_done(), "two factors are what doubt asks for: {:?}", login.step);
    assert_eq!(judged(&bench), before + 1);
}
