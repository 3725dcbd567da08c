//! A refresh that falls short because the requirement rose.

use countersign_mfa::{FirstEnrolment, Policy};
use countersign_primitives::Requirement;
use countersign_storage_memory::MemoryStore;
use serde_json::json;

use crate::{Answer, Kit};

async fn kit(store: &MemoryStore, requirement: Requirement) -> Kit {
    let policy = Policy::never().first_enrolment(FirstEnrolment::ThisLogin);
    Kit::over(store.clone(), policy, |mfa| mfa, requirement).await
}

async fn refresh(kit: &Kit, tokens: &Answer) -> Answer {
    kit.token("spa", json!({ "grant_type": "refresh_token", "refresh_token": tokens.text("refresh_token") })).await
}

#[tokio::test]
async fn mfa_api_a_refresh_that_falls_short_is_made_good_by_a_factor() {
    let store = MemoryStore::new();
    let before = kit(&store, Requirement::NONE).await;
    let tokens = before.password("spa", "alice", "openid orders offline_access").await.ok();
    let own = before.own_token("spa", "enroll", before.who("u-1", 1)).await.ok().text("access_token");
    let given = before.associate(&own, json!({ "authenticator_types": ["otp"] })).await.ok();
    before.otp("spa", &own, &before.app(&given.text("secret"))).await.ok();

    let risen = kit(&store, Requirement::MFA).await;
    risen.advance(30);
    let short = refresh(&risen, &tokens).await;
    short.says(403, "mfa_required", "Multifactor authentication required");
    assert_eq!(short.required("challenge"), ["otp", "recovery-code"]);
    // Asked again, what was given before is void.
    let again = refresh(&risen, &tokens).await;
    let code = risen.app(&given.text("secret"));
    risen.otp("spa", &short.text("mfa_token"), &code).await.says(400, "invalid_grant", "Malformed mfa_token");
    risen.otp("web", &again.text("mfa_token"), &code).await.is(400, "invalid_grant");
    let better = risen.otp("spa", &again.text("mfa_token"), &code).await.ok();
    assert_eq!(better.text("scope"), "openid orders offline_access");
    assert_eq!(better.claims()["amr"], json!(["pwd", "otp", "mfa"]));
    refresh(&risen, &better).await.ok();
}

#[tokio::test]
async fn promise_12_what_a_refresh_fell_short_of_ends_with_its_grant() {
    let store = MemoryStore::new();
    let before = kit(&store, Requirement::NONE).await;
    let tokens = before.password("spa", "alice", "orders offline_access").await.ok();
    let own = before.own_token("spa", "enroll", before.who("u-1", 1)).await.ok().text("access_token");
    let given = before.associate(&own, json!({ "authenticator_types": ["otp"] })).await.ok();
    before.otp("spa", &own, &before.app(&given.text("secret"))).await.ok();
    let risen = kit(&store, Requirement::MFA).await;
    risen.advance(30);
    let token = refresh(&risen, &tokens).await.text("mfa_token");
    let body = format!("token={}&client_id=spa", tokens.text("refresh_token"));
    let request = http::Request::post("/oauth/revoke").header("host", "id.example.com");
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body.into()).unwrap();
    assert_eq!(risen.server.handle(request).await.status(), 200);
    risen.otp("spa", &token, &risen.app(&given.text("secret"))).await.is(400, "expired_token");
}

#[tokio::test]
async fn m25_an_old_refresh_token_sets_no_first_factor_up() {
    let store = MemoryStore::new();
    let tokens = kit(&store, Requirement::NONE).await.password("spa", "alice", "orders offline_access").await.ok();
    let risen = kit(&store, Requirement::MFA).await;
    let short = refresh(&risen, &tokens).await;
    assert!(!short.required("enroll").is_empty(), "moments after the password: {}", short.json);
    risen.advance(16 * 60);
    refresh(&risen, &tokens).await.says(400, "invalid_grant", "the user must sign in again");
}
