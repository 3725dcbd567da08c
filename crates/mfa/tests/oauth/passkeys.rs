//! Passkeys where browsers meet them: the first page, `/account`, and what tells browsers of related origins.

use countersign_mfa::{FirstMethod, Passkeys, SecurityKeys};
use countersign_mfa_webauthn::testkit::SoftAuthenticator;

use super::account::{change, policy, room};
use super::adding::{alice_by_app, begin};
use super::*;

async fn bench() -> Bench {
    Bench::with(|mfa| mfa.policy(policy()).factor(Passkeys::new("example.com"))).await
}

fn created(key: &mut SoftAuthenticator, step: &Value) -> Value {
    webauthn(&key.create(&step["options"].to_string(), ISSUER).unwrap())
}

fn asserted(key: &mut SoftAuthenticator, step: &Value) -> Value {
    webauthn(&key.get(&step["options"].to_string(), ISSUER).unwrap())
}

fn webauthn(response: &str) -> Value {
    json!({"answer": "webauthn", "response": serde_json::from_str::<Value>(response).unwrap()})
}

/// Alice, whose app was joined by a passkey at her account.
async fn alice_with_passkey<'a>(bench: &'a Bench, phone: &mut SoftAuthenticator) -> Browser<'a> {
    let (mut browser, _) = alice_by_app(bench).await;
    let (login, step) = begin(&mut browser, "passkey").await;
    assert_eq!((&step["step"], &step["type"]), (&json!("enrol"), &json!("passkey")), "{step}");
    let step = browser.answer(&login, &step, created(phone, &step)).await;
    assert_eq!(step["redirect_to"], "/account/factors?done=added", "{step}");
    browser
}

#[tokio::test]
async fn m17_a_passkey_joins_a_factor_that_was_proven_and_signs_in_to_the_account() {
    let bench = bench().await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    let mut browser = alice_with_passkey(&bench, &mut phone).await;
    assert_eq!(room(&mut browser, "/account/factors").await["factors"][1]["name"], "Passkey");
    // Elsewhere, without a name and a password.
    let mut other = bench.browser();
    let login = location(&other.get("/account/sign-in?to=factors").await);
    let step = other.step(&login).await;
    assert_eq!((&step["step"], step["options"].is_object()), (&json!("password"), true), "{step}");
    let step = other.answer(&login, &step, asserted(&mut phone, &step)).await;
    assert_eq!(step["step"], "done", "{step}");
    let factors = room(&mut other, "/account/factors").await;
    assert_eq!(factors["fresh"], true, "a passkey is a factor that was just proven");
    // It is taken away there, and opens nothing any more.
    let id = factors["factors"][1]["id"].clone();
    change(&mut other, "/account/factors", json!({"action": "remove", "id": id})).await;
    assert_eq!(room(&mut other, "/account/factors").await["factors"].as_array().map(Vec::len), Some(1));
    let mut stranger = bench.browser();
    let login = stranger.authorize("scope=orders").await;
    let step = stranger.step(&login).await;
    let answer = asserted(&mut phone, &step);
    let refused = stranger.try_answer(&login, &step["csrf"], answer).await;
    assert_eq!(
        (refused.status(), &body(&refused)["error"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("not_accepted"))
    );
}

#[tokio::test]
async fn a_passkey_signs_in_from_the_page_of_a_link_too() {
    let mailbox = Mailbox::default();
    let first = [FirstMethod::MagicLink, FirstMethod::Password];
    let bench = Bench::with(|mfa| {
        let mfa = mfa.sender(Channel::Email, mailbox.clone()).first_factors(first).policy(policy());
        mfa.factor(Passkeys::new("example.com"))
    });
    let bench = bench.await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    let mut browser = bench.browser();
    let login = browser.authorize("scope=payments").await;
    let step = browser.step(&login).await;
    assert_eq!((&step["step"], step["options"].is_object()), (&json!("magic_link"), true), "{step}");
    let step = browser.answer(&login, &step, json!({"answer": "choose", "id": "password"})).await;
    let password = json!({"answer": "password", "login": "alice", "password": "alice-password"});
    let step = browser.answer(&login, &step, password).await;
    let step = browser.answer(&login, &step, json!({"answer": "choose", "id": "enrol|passkey"})).await;
    let step = browser.answer(&login, &step, created(&mut phone, &step)).await;
    browser.answer(&login, &step, json!({"answer": "recovery_codes"})).await;
    let mut other = bench.browser();
    let login = other.authorize("scope=payments").await;
    let step = other.step(&login).await;
    let step = other.answer(&login, &step, asserted(&mut phone, &step)).await;
    assert_eq!(step["step"], "consent", "{step}");
}

#[tokio::test]
async fn the_form_of_the_page_sends_what_json_sends() {
    let bench = bench().await;
    let mut phone = SoftAuthenticator::platform().unwrap();
    alice_with_passkey(&bench, &mut phone).await;
    let mut browser = bench.browser();
    let login = browser.authorize("scope=orders").await;
    let step = browser.step(&login).await;
    let response = phone.get(&step["options"].to_string(), ISSUER).unwrap();
    let csrf = step["csrf"].as_str().unwrap();
    let fields = [("answer", "webauthn"), ("csrf", csrf), ("response", response.as_str())];
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    browser.json = false;
    let page = browser.form(&login, &form).await;
    assert!(location(&page).starts_with("https://shop.example/cb?code="), "she had consented before");
}

#[tokio::test]
async fn webauthn_5_11_related_origins_are_told_where_there_are_any() {
    let path = "/.well-known/webauthn";
    let none = Bench::new().await.browser().get(path).await.status();
    assert_eq!(none, StatusCode::NOT_FOUND);
    let related = SecurityKeys::new("example.com").related_origin("https://example.co.uk");
    let bench = Bench::with(|mfa| mfa.factor(Passkeys::new("example.com")).factor(related)).await;
    let told = bench.browser().get(path).await;
    assert_eq!(told.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(body(&told), json!({"origins": ["https://example.co.uk"]}));
    assert_eq!(bench.mfa.related_origins(), Some(r#"{"origins":["https://example.co.uk"]}"#));
}
