//! Logins by passkey, by `/passkey/challenge` and the grant that takes its answer.

use countersign_mfa::oauth::MfaApi;
use countersign_mfa::{Answer as Given, Begun, Caller, LoginRequest, Step, Way};
use countersign_mfa_webauthn::testkit::SoftAuthenticator;
use countersign_primitives::{Amr, Id, Requirement, SignedIn};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Answer, ISSUER, Kit, with_client};

/// Sets up a passkey as somebody's first factor, on the pages.
pub(crate) async fn passkey_of(kit: &Kit, subject: &str) -> SoftAuthenticator {
    let mut phone = SoftAuthenticator::platform().unwrap();
    let caller = Caller::new(Id::from_bytes([9; 16]));
    let who = SignedIn::new(subject.to_owned(), kit.server.now()).amr([Amr::Pwd]);
    let request = LoginRequest::new().who(who).requirement(Requirement::MFA);
    let Begun { id, step } = kit.mfa.start(request, &caller).await.unwrap();
    let ways: Vec<Way> = match step {
        Step::Choose(step) => step.authenticators,
        Step::Enrol(step) => step.or,
        other => unreachable!("{other:?}"),
    };
    let way = ways.iter().find(|way| way.method == "passkey").unwrap();
    let step = kit.mfa.answer(id, &Given::choose(&way.id), &caller).await.unwrap();
    let Step::Enrol(step) = step else { unreachable!("{step:?}") };
    let created = phone.create(&step.options.unwrap().to_string(), ISSUER).unwrap();
    let step = kit.mfa.answer(id, &Given::webauthn(created), &caller).await.unwrap();
    assert!(matches!(step, Step::RecoveryCodes(_)), "{step:?}");
    phone
}

impl Kit {
    pub(crate) async fn asked(&self, client: &str) -> Answer {
        self.post("/passkey/challenge", None, with_client(client, json!({ "realm": "users" }))).await
    }

    pub(crate) async fn answered(&self, client: &str, session: &str, response: Value) -> Answer {
        let body = json!({
            "grant_type": MfaApi::PASSKEY, "auth_session": session, "authn_response": response,
            "scope": "openid offline_access payments",
        });
        self.token(client, body).await
    }
}

/// What the phone answers to a question of the API's, on a page of this origin.
fn signed_at(phone: &mut SoftAuthenticator, asked: &Answer, origin: &str) -> Value {
    // What clients pass to navigator.credentials.get(): the absent list means that any passkey will do.
    let options = json!({ "publicKey": asked.json["authn_params_public_key"] });
    serde_json::from_str(&phone.get(&options.to_string(), origin).unwrap()).unwrap()
}

pub(crate) fn signed(phone: &mut SoftAuthenticator, asked: &Answer) -> Value {
    signed_at(phone, asked, ISSUER)
}

#[track_caller]
fn refused(answer: &Answer) {
    answer.says(400, "invalid_grant", "Invalid passkey.");
}

#[tokio::test]
async fn passkey_api_a_passkey_says_who_signs_in_and_is_phr() {
    let kit = Kit::new().await;
    let mut phone = passkey_of(&kit, "u-1").await;
    for client in ["web", "spa"] {
        let asked = kit.asked(client).await.ok();
        let options = &asked.json["authn_params_public_key"];
        assert_eq!((&options["rpId"], &options["userVerification"]), (&json!("example.com"), &json!("required")));
        assert!(options["challenge"].is_string() && options["timeout"].is_u64());
        let session = asked.text("auth_session");
        let tokens = kit.answered(client, &session, signed(&mut phone, &asked)).await.ok();
        let claims = tokens.claims();
        assert_eq!((&claims["sub"], &claims["acr"]), (&json!("u-1"), &json!("phr")));
        let amr: Vec<_> = claims["amr"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(["pop", "swk", "user", "mfa"].iter().all(|value| amr.contains(value)), "{amr:?}");
        assert!(!tokens.text("id_token").is_empty() || tokens.json.get("id_token").is_none());
        let body = json!({ "grant_type": "refresh_token", "refresh_token": tokens.text("refresh_token") });
        assert!(!kit.token(client, body).await.ok().text("access_token").is_empty());
    }
}

#[tokio::test]
async fn promise_6_the_question_of_the_api_is_the_same_for_everybody_and_names_no_credential() {
    let kit = Kit::new().await;
    let shape = async |kit: &Kit| {
        let mut asked = kit.asked("spa").await.ok().json;
        asked["auth_session"].take();
        asked["authn_params_public_key"]["challenge"].take();
        asked
    };
    let before = shape(&kit).await;
    passkey_of(&kit, "u-1").await;
    assert_eq!(shape(&kit).await, before);
    assert_eq!(before["authn_params_public_key"]["allowCredentials"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn promise_1_of_many_equal_answers_to_the_api_one_gets_tokens() {
    for _ in 0..8 {
        let kit = Kit::new().await;
        let mut phone = passkey_of(&kit, "u-1").await;
        let asked = kit.asked("web").await.ok();
        let (session, response) = (asked.text("auth_session"), signed(&mut phone, &asked));
        let tries = (0..16).map(|_| {
            let (kit, session, response) = (kit.clone(), session.clone(), response.clone());
            tokio::spawn(async move { kit.answered("web", &session, response).await.status })
        });
        let won = join_all(tries).await.into_iter().filter(|status| *status.as_ref().unwrap() == 200).count();
        assert_eq!(won, 1);
    }
}

#[tokio::test]
async fn m4_an_answer_serves_its_own_session_once() {
    let kit = Kit::new().await;
    let mut phone = passkey_of(&kit, "u-1").await;
    let (asked, other) = (kit.asked("web").await.ok(), kit.asked("web").await.ok());
    let response = signed(&mut phone, &asked);
    refused(&kit.answered("web", &other.text("auth_session"), response.clone()).await);
    kit.answered("web", &asked.text("auth_session"), response.clone()).await.ok();
    assert_eq!(kit.answered("web", &asked.text("auth_session"), response.clone()).await.status, 400);
    let later = kit.asked("web").await.ok();
    refused(&kit.answered("web", &later.text("auth_session"), response).await);
}

#[tokio::test]
async fn m1_m13_answers_that_do_not_hold_are_refused_and_spend_the_question() {
    let kit = Kit::new().await;
    let mut phone = passkey_of(&kit, "u-1").await;
    let mut strangers = SoftAuthenticator::platform().unwrap();
    strangers.create(&options_of_nobody(), ISSUER).unwrap();
    let spoil = async |spoil: fn(&mut Value)| {
        let (mut phone, asked) = (passkey_of(&kit, "u-2").await, kit.asked("web").await.ok());
        let mut response = signed(&mut phone, &asked);
        spoil(&mut response);
        let session = asked.text("auth_session");
        refused(&kit.answered("web", &session, response).await);
        let again = signed(&mut phone, &asked);
        refused(&kit.answered("web", &session, again).await);
    };
    spoil(|response| response["response"]["signature"] = json!("AAAA")).await;
    let asked = kit.asked("web").await.ok();
    refused(&kit.answered("web", &asked.text("auth_session"), signed(&mut strangers, &asked)).await);
    let asked = kit.asked("web").await.ok();
    let phished = signed_at(&mut phone, &asked, "https://id.example.com.evil.example");
    refused(&kit.answered("web", &asked.text("auth_session"), phished).await);
    phone.set_user_verification(false);
    let asked = kit.asked("web").await.ok();
    refused(&kit.answered("web", &asked.text("auth_session"), signed(&mut phone, &asked)).await);
}

/// Options of a registration at this site that nobody began.
fn options_of_nobody() -> String {
    let site = countersign_mfa_webauthn::RelyingParty::new("example.com", "Example").unwrap();
    let handle = countersign_mfa_webauthn::UserHandle::new(*b"mallory").unwrap();
    let user = countersign_mfa_webauthn::NewUser { handle: &handle, name: "mallory", display_name: "Mallory" };
    let random = countersign_primitives::SystemRandom;
    let (options, _) = site.register_passkey(user).begin("s", super::NOW, &random).unwrap();
    serde_json::to_string(&options).unwrap()
}

#[tokio::test]
async fn promise_11_an_auth_session_is_its_clients_alone_and_ends() {
    let kit = Kit::new().await;
    let mut phone = passkey_of(&kit, "u-1").await;
    let dead = |answer: Answer| answer.says(400, "invalid_grant", "Invalid or expired auth_session");
    let asked = kit.asked("web").await.ok();
    let response = signed(&mut phone, &asked);
    dead(kit.answered("spa", &asked.text("auth_session"), response.clone()).await);
    dead(kit.answered("web", "cs_mfa_x", response.clone()).await);
    kit.answered("web", &asked.text("auth_session"), response).await.ok();
    let asked = kit.asked("web").await.ok();
    let response = signed(&mut phone, &asked);
    kit.advance(10 * 60);
    dead(kit.answered("web", &asked.text("auth_session"), response).await);
}

#[tokio::test]
async fn promise_8_an_auth_session_is_no_way_to_anybodys_factors() {
    let kit = Kit::new().await;
    passkey_of(&kit, "u-1").await;
    let session = kit.asked("web").await.ok().text("auth_session");
    assert_eq!(kit.list(&session).await.json, json!([]));
    assert_eq!(kit.associate(&session, json!({ "authenticator_types": ["otp"] })).await.status, 403);
    let challenged = kit.post("/mfa/challenge", None, with_client("web", json!({ "mfa_token": session }))).await;
    challenged.is(400, "unsupported_challenge_type");
    kit.otp("web", &session, "000000").await.is(400, "invalid_grant");
    kit.recovery("web", &session, "AAAA-AAAA").await.is(400, "invalid_grant");
}

#[tokio::test]
async fn promise_13_only_clients_that_name_the_grant_may_ask() {
    let kit = Kit::new().await;
    for client in ["bare", "shop", "robot"] {
        kit.asked(client).await.is(400, "unauthorized_client");
    }
    assert_eq!(kit.post("/passkey/challenge", None, json!({ "client_id": "nobody" })).await.status, 401);
    assert_eq!(kit.post("/passkey/challenge", None, json!({})).await.status, 401);
}

#[tokio::test]
async fn promise_7_what_is_no_answer_is_refused_and_spends_nothing() {
    let kit = Kit::new().await;
    let mut phone = passkey_of(&kit, "u-1").await;
    let asked = kit.asked("web").await.ok();
    let session = asked.text("auth_session");
    let body = json!({ "grant_type": MfaApi::PASSKEY, "auth_session": session });
    kit.token("web", body).await.says(400, "invalid_request", "authn_response is missing");
    let body = json!({ "grant_type": MfaApi::PASSKEY, "authn_response": {} });
    kit.token("web", body).await.says(400, "invalid_request", "auth_session is missing");
    let body = json!({ "grant_type": MfaApi::PASSKEY, "auth_session": session, "authn_response": [1] });
    kit.token("web", body).await.is(400, "invalid_request");
    let body =
        json!({ "grant_type": MfaApi::PASSKEY, "auth_session": session, "authn_response": {}, "scope": "nothing" });
    kit.token("web", body).await.is(400, "invalid_scope");
    kit.post("/passkey/challenge", None, with_client("web", json!({ "realm": 7 }))).await.is(400, "invalid_request");
    kit.answered("web", &session, signed(&mut phone, &asked)).await.ok();
}
