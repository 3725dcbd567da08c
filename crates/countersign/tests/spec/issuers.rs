//! Two issuers on one store and under one master key share nothing (promise 16).

use bytes::Bytes;
use countersign_storage_memory::MemoryStore;
use http::{Request, StatusCode, header};
use serde_json::json;

use crate::support::{Bench, body, code_of};

async fn two() -> (Bench, Bench) {
    let store = MemoryStore::new();
    let a = Bench::on("https://a.example.com", store.clone(), |builder| builder).await;
    let b = Bench::on("https://b.example.com", store, |builder| builder).await;
    a.user("u-1", "alice", "alice-password").await;
    (a, b)
}

#[tokio::test]
async fn promise_16_users_of_one_issuer_are_unknown_to_the_other() {
    let (a, b) = two().await;
    let mut browser = b.browser();
    let login = browser.authorize("scope=orders:read").await;
    let step = browser.step(&login).await;
    let alice = json!({"answer": "password", "login": "alice", "password": "alice-password"});
    let (status, step) = browser.post(&login, &step, alice).await;
    assert_eq!((status, &step["error"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("wrong_password")));
    // The same name and subject there are another account, with a password and factors of its own.
    b.user("u-1", "alice", "another-password").await;
    let mut browser = a.browser();
    let login = browser.authorize("scope=payments:write").await;
    let step = browser.password(&login, "alice").await;
    browser.enrol(&login, &step).await;
    let mut browser = b.browser();
    let login = browser.authorize("scope=payments:write").await;
    let step = browser.step(&login).await;
    let alice = json!({"answer": "password", "login": "alice", "password": "another-password"});
    assert_eq!(browser.answer(&login, &step, alice).await["step"], "enrol", "the factor is the other account's");
}

#[tokio::test]
async fn promise_16_cookies_codes_and_tokens_of_one_issuer_are_nothing_to_the_other() {
    let (a, b) = two().await;
    b.user("u-1", "alice", "alice-password").await;
    let mut at_a = a.browser();
    let login = at_a.authorize("scope=openid").await;
    let step = at_a.password(&login, "alice").await;
    let mut at_b = b.browser();
    let value = at_a.cookies.values().next().unwrap().clone();
    at_b.authorize("scope=openid").await;
    for own in at_b.cookies.values_mut() {
        own.clone_from(&value); // the cookie of a, under b's name
    }
    let answer = at_b.get(&login).await;
    assert!(!answer.status().is_success() && body(&answer).get("step").is_none(), "{answer:?}");
    let done = at_a.answer(&login, &step, json!({"answer": "consent"})).await;
    let code = code_of(done["redirect_to"].as_str().unwrap());
    let (status, refused) = at_b.redeem(&code).await;
    assert!(!status.is_success() && refused.get("access_token").is_none(), "{refused}");
    let tokens = at_a.redeem(&code).await.1;
    let userinfo = |token: &str| {
        Request::get("/userinfo").header(header::AUTHORIZATION, format!("Bearer {token}")).body(Bytes::new()).unwrap()
    };
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(at_b.send(userinfo(token)).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(body(&at_a.send(userinfo(token)).await)["sub"], "u-1");
    let keys = |answer| body(&answer)["keys"].to_string();
    let jwks = "/.well-known/jwks.json";
    assert_ne!(keys(at_a.get(jwks).await), keys(at_b.get(jwks).await));
}

#[tokio::test]
async fn promise_16_guesses_at_one_issuer_are_not_counted_at_the_other() {
    let (a, b) = two().await;
    b.user("u-1", "alice", "alice-password").await;
    let mut browser = a.browser();
    let login = browser.authorize("scope=orders:read").await;
    let step = browser.step(&login).await;
    let wrong = json!({"answer": "password", "login": "alice", "password": "wrong"});
    while browser.post(&login, &step, wrong.clone()).await.0 != StatusCode::TOO_MANY_REQUESTS {}
    let mut browser = b.browser();
    let login = browser.authorize("scope=orders:read").await;
    assert_eq!(browser.password(&login, "alice").await["step"], "consent");
}
