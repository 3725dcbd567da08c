//! A key beside the password.

use countersign_mfa::{Answer, FirstEnrolment, LoginRequest, Policy, Step};
use countersign_mfa_webauthn::testkit::SoftAuthenticator;
use countersign_primitives::{Acr, Amr, Requirement};
use serde_json::{Value, json};

use super::{acr, adding, amr, asked, asserted, bench, created, enrol, enrol_in, options, with_keys};
use crate::support::{Bench, secret_of};

#[tokio::test]
async fn a_security_key_beside_the_password_is_phr_without_a_pin() {
    let bench = bench().await;
    let mut key = SoftAuthenticator::security_key().unwrap();
    key.set_user_verification(false);
    enrol(&bench, "alice", "security_key", &mut key).await;
    let mut login = asked(&bench, "alice").await;
    let shown: Value = serde_json::from_str(&options(&login.step)).unwrap();
    assert_eq!(shown["publicKey"]["userVerification"], "discouraged");
    let answer = asserted(&mut key, &login.step);
    login.answer(&answer).await;
    assert_eq!(acr(&login), Some(Acr::PHR));
    assert_eq!(amr(&login), [Amr::Hwk, Amr::Mfa, Amr::Pop, Amr::Pwd, Amr::User]);
}

#[tokio::test]
async fn a_step_up_to_phr_asks_for_the_key_alone() {
    let bench = bench().await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    enrol(&bench, "alice", "passkey", &mut phone).await;
    let session = bench.password(LoginRequest::new(), bench.browser(), "alice").await;
    let who = session.done().signed_in.clone();
    assert_eq!(who.acr_value(), Some(&Acr::AAL1));
    let request = LoginRequest::new().who(who).requirement(Requirement::PHISHING_RESISTANT);
    let mut login = bench.begin(request, bench.browser()).await;
    assert!(matches!(login.step, Step::Webauthn(_)), "{:?}", login.step);
    let answer = asserted(&mut phone, &login.step);
    login.answer(&answer).await;
    assert_eq!(acr(&login), Some(Acr::PHR));
}

#[tokio::test]
async fn several_keys_are_one_way_and_whichever_is_at_hand_answers() {
    let bench = bench().await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    enrol(&bench, "alice", "passkey", &mut phone).await;
    let mut laptop = SoftAuthenticator::platform().unwrap();
    let mut login = adding(&bench, "alice", "passkey", &mut phone).await;
    let known = phone.create(&options(&login.step), crate::support::REALM).unwrap_err().to_string();
    assert!(known.contains("InvalidStateError"), "one authenticator is not set up twice: {known}");
    let answer = created(&mut laptop, &login.step);
    login.answer(&answer).await;
    assert!(login.is_done(), "{:?}", login.step);
    for key in [&mut phone, &mut laptop] {
        let mut login = asked(&bench, "alice").await;
        assert_eq!(allowed(&login.step), 2);
        let answer = asserted(key, &login.step);
        login.answer(&answer).await;
        assert_eq!(acr(&login), Some(Acr::PHR));
    }
}

#[tokio::test]
async fn json_the_step_and_its_answer_are_what_a_front_end_reads_and_sends() {
    let bench = bench().await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    enrol(&bench, "alice", "passkey", &mut phone).await;
    let mut login = asked(&bench, "alice").await;
    let step = json!(login.step);
    assert_eq!((&step["step"], &step["type"]), (&json!("webauthn"), &json!("passkey")));
    assert!(step["options"]["publicKey"]["challenge"].is_string(), "{step}");
    let response: Value =
        serde_json::from_str(&phone.get(&step["options"].to_string(), crate::support::REALM).unwrap()).unwrap();
    let body = json!({"answer": "webauthn", "response": response, "csrf": "x"}).to_string();
    let sent = Answer::from_json(body.as_bytes()).unwrap();
    login.answer(&sent.answer).await;
    assert!(login.is_done(), "{:?}", login.step);
}

#[tokio::test]
async fn a_browser_is_remembered_with_a_key_too() {
    let policy = Policy::never().first_enrolment(FirstEnrolment::ThisLogin).remember_device(Policy::REMEMBERED);
    let bench = Bench::with(|builder| with_keys(builder).policy(policy)).await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    enrol(&bench, "alice", "passkey", &mut phone).await;
    let mut login = bench.second("alice").await;
    assert!(matches!(&login.step, Step::Webauthn(step) if step.may_remember_device), "{:?}", login.step);
    let Answer::Webauthn { response, .. } = asserted(&mut phone, &login.step) else { unreachable!() };
    login.answer(&Answer::Webauthn { response, remember: true }).await;
    let caller = login.caller.clone().marks(login.done().marks.clone());
    let again = bench.password(LoginRequest::new().requirement(Requirement::MFA), caller, "alice").await;
    assert!(again.is_done(), "{:?}", again.step);
}

#[tokio::test]
async fn a_code_where_a_key_is_asked_for_is_not_looked_at_and_the_other_way_round() {
    let bench = bench().await;
    let mut bob = bench.second("bob").await;
    bob.choose("totp").await;
    let secret = secret_of(&bob.step);
    let mut phone = SoftAuthenticator::platform().unwrap();
    enrol(&bench, "alice", "passkey", &mut phone).await;
    let mut alice = asked(&bench, "alice").await;
    let before = options(&alice.step);
    alice.answer(&Answer::code("123456")).await;
    assert_eq!((alice.step.error(), options(&alice.step)), (None, before), "the same question stands");
    let answer = asserted(&mut phone, &alice.step);
    bob.answer(&answer).await;
    assert!(matches!(&bob.step, Step::Enrol(step) if step.error.is_none()), "{:?}", bob.step);
    bob.answer(&Answer::enrol(bench.code(&secret))).await;
    assert!(matches!(bob.step, Step::RecoveryCodes(_)));
}

#[tokio::test]
async fn a_recovery_code_stands_in_for_a_lost_key() {
    let bench = bench().await;
    let codes = enrol(&bench, "alice", "passkey", &mut SoftAuthenticator::platform().unwrap()).await;
    let mut login = bench.second("alice").await;
    login.choose("recovery_code").await;
    login.answer(&Answer::code(codes[0].clone())).await;
    assert_eq!(acr(&login), Some(Acr::MFA));
}

#[tokio::test]
async fn a_key_set_up_in_this_login_is_not_asked_again_to_make_it_phr() {
    let bench = bench().await;
    let request = LoginRequest::new().acr_values([Acr::PHR, Acr::MFA]);
    let mut login = bench.password(request, bench.browser(), "alice").await;
    enrol_in(&mut login, "passkey", &mut SoftAuthenticator::platform().unwrap()).await;
    login.answer(&Answer::RecoveryCodes).await;
    assert_eq!(acr(&login), Some(Acr::MFA));
}

fn allowed(step: &Step) -> usize {
    let options: Value = serde_json::from_str(&options(step)).unwrap();
    options["publicKey"]["allowCredentials"].as_array().unwrap().len()
}
