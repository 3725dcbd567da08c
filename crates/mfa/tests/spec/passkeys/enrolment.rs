//! A key is set up.

use countersign_events::EventKind;
use countersign_mfa::{
    Answer, FirstEnrolment, LoginRequest, MfaConfigError, Passkeys, Policy, SecurityKeys, Step, StepError,
};
use countersign_mfa_webauthn::testkit::SoftAuthenticator;
use countersign_mfa_webauthn::{Aaguid, TrustPolicy};
use countersign_primitives::{Acr, Amr, Requirement};
use serde_json::{Value, json};

use super::{acr, amr, asserted, bench, created, enrol, enrol_in, options};
use crate::support::{Bench, codes_of};

#[tokio::test]
async fn a_passkey_enrolled_in_a_login_gives_it_two_factors_and_not_phr() {
    let bench = bench().await;
    let request = LoginRequest::new().requirement(Requirement::MFA).acr_values([Acr::PHR]);
    let mut login = bench.password(request, bench.browser(), "alice").await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    enrol_in(&mut login, "passkey", &mut phone).await;
    assert_eq!(codes_of(&login.step).len(), 10, "recovery codes come with the first factor");
    login.answer(&Answer::RecoveryCodes).await;
    assert_eq!(acr(&login), Some(Acr::MFA), "phr comes with the next login: {:?}", login.step);
    assert_eq!(amr(&login), [Amr::Mfa, Amr::Pop, Amr::Pwd, Amr::Swk, Amr::User]);

    let mut next = super::asked(&bench, "alice").await;
    let answer = asserted(&mut phone, &next.step);
    next.answer(&answer).await;
    assert_eq!(acr(&next), Some(Acr::PHR));
}

#[tokio::test]
async fn a_login_that_asks_for_phr_cannot_reach_it_by_setting_a_key_up() {
    let bench = bench().await;
    let login = super::asked(&bench, "alice").await;
    assert!(matches!(login.step, Step::Refused(_)), "{:?}", login.step);
}

#[tokio::test]
async fn webauthn_7_1_step_1_the_options_name_account_and_service_and_no_subject() {
    let bench = bench().await;
    let mut login = bench.second("alice").await;
    login.choose("passkey").await;
    let shown: Value = serde_json::from_str(&options(&login.step)).unwrap();
    let asked = &shown["publicKey"];
    assert_eq!((&asked["rp"]["id"], &asked["rp"]["name"]), (&json!("example.com"), &json!("id.example.com")));
    assert_eq!(asked["user"]["name"], "alice");
    assert_eq!(asked["authenticatorSelection"]["residentKey"], "required");
    assert_eq!(asked["authenticatorSelection"]["userVerification"], "required");
    let handle = asked["user"]["id"].as_str().unwrap();
    assert_eq!(handle.len(), 22, "128 bits that tell nothing: {handle}");
    assert!(!shown.to_string().contains("u-1"));

    login.choose("security_key").await;
    let shown: Value = serde_json::from_str(&options(&login.step)).unwrap();
    let asked = &shown["publicKey"];
    assert_eq!(asked["hints"], json!(["security-key"]));
    assert_eq!(asked["authenticatorSelection"]["authenticatorAttachment"], "cross-platform");
    assert_eq!(asked["authenticatorSelection"]["residentKey"], "discouraged");
    assert_eq!(asked["user"]["id"], handle, "a user has one handle");
}

#[tokio::test]
async fn a_key_is_named_after_its_model() {
    let bench = bench().await;
    let model: Aaguid = "bada5566-a7aa-401f-bd96-45619a55120d".parse().unwrap();
    let mut manager = SoftAuthenticator::platform().unwrap().model(model);
    enrol(&bench, "alice", "passkey", &mut manager).await;
    let listed = bench.mfa.authenticators().list(&"u-1".into()).await.unwrap();
    let key = listed.iter().find(|one| one.id.method() == "passkey").unwrap();
    assert_eq!((key.title.as_str(), key.label.as_deref()), ("Passkey", Some("1Password")));
}

#[tokio::test]
async fn m17_whoever_has_a_factor_sets_up_no_key_by_the_password_alone() {
    let bench = bench().await;
    enrol(&bench, "alice", "passkey", &mut SoftAuthenticator::platform().unwrap()).await;
    let mut login = bench.second("alice").await;
    assert!(matches!(login.step, Step::Webauthn(_)));
    login.answer(&Answer::choose("enrol|security_key")).await;
    assert_eq!(login.step.error(), Some(StepError::NoSuchChoice));
    let mut other = SoftAuthenticator::platform().unwrap();
    let forged = json!({"publicKey": {"rp": {"id": "example.com"}, "user": {"id": "AAAA"}, "challenge": "AAAA",
        "pubKeyCredParams": [{"alg": -7}], "excludeCredentials": [], "authenticatorSelection": {}, "extensions": {}}});
    let answer = Answer::webauthn(other.create(&forged.to_string(), crate::support::REALM).unwrap());
    login.answer(&answer).await;
    assert!(!login.is_done() && login.step.error() == Some(StepError::NotAccepted), "{:?}", login.step);
    assert_eq!(
        bench.mfa.authenticators().list(&"u-1".into()).await.unwrap().len(),
        2,
        "the key and its recovery codes"
    );
}

#[tokio::test]
async fn webauthn_7_1_step_26_the_id_of_a_credential_is_one_users_alone() {
    let bench = bench().await;
    let mut login = bench.second("alice").await;
    login.choose("passkey").await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    let first = created(&mut phone, &login.step);
    let id = id_of(&first);
    login.answer(&first).await;
    // Bob's authenticator claims the same id, in what it signs too.
    let mut login = bench.second("bob").await;
    login.choose("passkey").await;
    let mut thief = SoftAuthenticator::platform().unwrap();
    let (length, bytes) = (id.len(), id.clone());
    thief.tamper_auth_data(move |data| data[55..55 + length].copy_from_slice(&bytes));
    let encoded = data_encoding::BASE64URL_NOPAD.encode(&id);
    thief.tamper_answer(move |answer| {
        answer["id"] = json!(encoded);
        answer["rawId"] = json!(encoded);
    });
    let answer = created(&mut thief, &login.step);
    login.answer(&answer).await;
    assert_eq!(login.step.error(), Some(StepError::NotAccepted), "{:?}", login.step);
    assert!(bench.mfa.authenticators().list(&"u-2".into()).await.unwrap().is_empty());
    let told = bench.events.lock().unwrap().clone();
    let refused = told.iter().rfind(|event| event.kind() == EventKind::FactorFailed).unwrap();
    assert_eq!(refused.cause(), Some("registration.not_new"));
}

#[tokio::test]
async fn webauthn_7_1_step_26_of_two_who_register_one_id_at_once_one_has_it() {
    let bench = bench().await;
    let (mut alice, mut bob) = (bench.second("alice").await, bench.second("bob").await);
    alice.choose("passkey").await;
    bob.choose("passkey").await;
    let answers = [&alice, &bob].map(|login| {
        let mut key = SoftAuthenticator::platform().unwrap();
        key.tamper_auth_data(|data| data[55..87].copy_from_slice(&[7; 32]));
        let encoded = data_encoding::BASE64URL_NOPAD.encode(&[7; 32]);
        key.tamper_answer(move |answer| {
            answer["id"] = json!(encoded);
            answer["rawId"] = json!(encoded);
        });
        created(&mut key, &login.step)
    });
    let (one, other) = tokio::join!(
        bench.mfa.answer(alice.id, &answers[0], &alice.caller),
        bench.mfa.answer(bob.id, &answers[1], &bob.caller)
    );
    let set_up = [one.unwrap(), other.unwrap()].iter().filter(|step| matches!(step, Step::RecoveryCodes(_))).count();
    assert_eq!(set_up, 1);
}

#[tokio::test]
async fn a_key_that_was_removed_is_not_accepted_and_its_id_is_free_again() {
    let bench = bench().await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    enrol(&bench, "alice", "passkey", &mut phone).await;
    let mut login = super::asked(&bench, "alice").await;
    let answer = asserted(&mut phone, &login.step);
    let listed = bench.mfa.authenticators().list(&"u-1".into()).await.unwrap();
    let key = listed.iter().find(|one| one.id.method() == "passkey").unwrap();
    assert!(bench.mfa.authenticators().remove(&"u-1".into(), &key.id).await.unwrap());
    assert!(bench.mfa.authenticators().list(&"u-1".into()).await.unwrap().is_empty());
    login.answer(&answer).await;
    assert!(!login.is_done(), "{:?}", login.step);
}

#[tokio::test]
async fn m5_a_security_key_whose_maker_is_not_trusted_is_not_set_up() {
    let mut trusted = SoftAuthenticator::security_key().unwrap();
    trusted.set_user_verification(false);
    let policy = TrustPolicy::new().anchor(trusted.root()).unwrap();
    let bench = Bench::with(|builder| builder.factor(SecurityKeys::new("example.com").trusting(policy))).await;
    let mut login = bench.second("alice").await;
    login.choose("security_key").await;
    let answer = created(&mut SoftAuthenticator::security_key().unwrap(), &login.step);
    login.answer(&answer).await;
    assert_eq!(login.step.error(), Some(StepError::NotAccepted));
    let answer = created(&mut trusted, &login.step);
    login.answer(&answer).await;
    assert!(matches!(login.step, Step::RecoveryCodes(_)), "{:?}", login.step);
}

#[tokio::test]
async fn the_rp_id_must_fit_the_issuer() {
    let bench = bench().await;
    for wrong in ["example.org", "https://example.com", "Example.com", "notexample.com"] {
        let key = crate::support::key();
        let built = countersign_mfa::Mfa::builder(bench.store.clone(), &key)
            .realm(crate::support::REALM)
            .factor(Passkeys::new(wrong))
            .build()
            .await;
        assert!(matches!(built, Err(MfaConfigError::RelyingParty(_))), "{wrong}");
    }
}

#[tokio::test]
async fn a_policy_that_asks_everybody_for_phr_is_within_reach_of_passkeys() {
    let policy = || Policy::phishing_resistant().first_enrolment(FirstEnrolment::Invitation);
    let bench = Bench::with(|builder| super::with_keys(builder).policy(policy())).await;
    assert!(bench.mfa.acr_values().contains(&Acr::PHR));
}

/// The id of the credential in an answer.
pub(super) fn id_of(answer: &Answer) -> Vec<u8> {
    let Answer::Webauthn { response, .. } = answer else { panic!("{answer:?}") };
    let answer: Value = serde_json::from_str(response.expose()).unwrap();
    data_encoding::BASE64URL_NOPAD.decode(answer["id"].as_str().unwrap().as_bytes()).unwrap()
}
