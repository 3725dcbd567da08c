//! OpenID Connect Core 1.0 §5: userinfo and its claims.

use async_trait::async_trait;
use countersign_oauth_core::ScopeSet;
use countersign_oidc::{ClaimsSource, Oidc};
use countersign_primitives::{BoxError, Subject};
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::kit::{Kit, json};

fn access_token(tokens: &Value) -> &str {
    tokens["access_token"].as_str().unwrap()
}

#[test]
fn oidc_core_5_3_userinfo_tells_what_the_scopes_open() {
    let kit = Kit::new();
    let tokens = kit.tokens("scope=openid+email", kit.alice());
    let answer = kit.get("/userinfo", Some(access_token(&tokens)));
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(json(&answer), json!({ "sub": "u-1", "email": "alice@example.com", "email_verified": true }));
}

#[test]
fn oidc_core_5_3_1_userinfo_needs_the_scope_openid() {
    let kit = Kit::new();
    let tokens = kit.tokens("scope=email", kit.alice());
    // Without `openid` the token is for no endpoint of ours unless it names no other resource; the scope decides.
    let answer = kit.get("/userinfo", Some(access_token(&tokens)));
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(answer.headers()["www-authenticate"].to_str().unwrap().contains("insufficient_scope"));
}

#[test]
fn rfc6750_3_userinfo_tells_a_missing_token_from_a_bad_one() {
    let kit = Kit::new();
    let missing = kit.get("/userinfo", None);
    assert_eq!(
        (missing.status(), &missing.headers()["www-authenticate"]),
        (StatusCode::UNAUTHORIZED, &"Bearer".parse().unwrap())
    );
    let tokens = kit.tokens("scope=openid", kit.alice());
    let id_token = tokens["id_token"].as_str().unwrap();
    let expired = {
        kit.advance(901);
        access_token(&tokens)
    };
    for bad in [id_token, expired, "nonsense"] {
        let answer = kit.get("/userinfo", Some(bad));
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert!(answer.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    }
}

#[test]
fn promise_12_userinfo_stops_when_the_subject_is_revoked() {
    let kit = Kit::new();
    let tokens = kit.tokens("scope=openid", kit.alice());
    assert_eq!(kit.get("/userinfo", Some(access_token(&tokens))).status(), StatusCode::OK);
    crate::kit::wait(kit.server.revoke_subject("u-1")).unwrap();
    assert_eq!(kit.get("/userinfo", Some(access_token(&tokens))).status(), StatusCode::UNAUTHORIZED);
}

#[test]
fn promise_11_a_token_of_another_issuer_opens_nothing() {
    let (kit, other) = (Kit::new(), Kit::new());
    let tokens = other.tokens("scope=openid", other.alice());
    assert_eq!(kit.get("/userinfo", Some(access_token(&tokens))).status(), StatusCode::UNAUTHORIZED);
}

struct Extra(&'static str);

#[async_trait]
impl ClaimsSource for Extra {
    async fn claims(&self, _: &Subject, scope: &ScopeSet) -> Result<Map<String, Value>, BoxError> {
        let mut claims = Map::new();
        if scope.contains("profile") {
            claims.insert(self.0.to_owned(), json!("extra"));
        }
        Ok(claims)
    }
}

#[test]
fn promise_13_a_claims_source_adds_and_never_overwrites() {
    let kit = Kit::with(Oidc::new().claims(Extra("department")));
    let tokens = kit.tokens("scope=openid+profile", kit.alice());
    assert_eq!(json(&kit.get("/userinfo", Some(access_token(&tokens))))["department"], "extra");
    for reserved in ["sub", "name"] {
        let kit = Kit::with(Oidc::new().claims(Extra(reserved)));
        let tokens = kit.tokens("scope=openid+profile", kit.alice());
        let answer = kit.get("/userinfo", Some(access_token(&tokens)));
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{reserved}");
    }
}
