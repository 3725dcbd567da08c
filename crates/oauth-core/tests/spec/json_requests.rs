//! Token requests in JSON, as clients of the MFA API send them.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::kit::*;

fn post(kit: &Kit, content_type: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
    let request = request(Method::POST, "/oauth/token").header("content-type", content_type);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    kit.handle(request.body(Bytes::from(body.to_string())).unwrap())
}

fn redemption(kit: &Kit, client: &str) -> Value {
    json!({
        "grant_type": "authorization_code",
        "code": kit.code(client, "read"),
        "redirect_uri": callback(client),
        "code_verifier": VERIFIER,
        "client_id": client,
    })
}

fn with(mut body: Value, name: &str, value: impl Into<Value>) -> Value {
    body[name] = value.into();
    body
}

#[test]
fn mfa_api_a_token_request_may_be_a_json_object_of_texts() {
    let kit = Kit::new();
    for content_type in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
        let tokens = post(&kit, content_type, &redemption(&kit, "app"), &[]).ok();
        assert_eq!((tokens.text("scope"), tokens.header("access-control-allow-origin")), ("read", "*"));
    }
    for content_type in ["text/json", "application/vnd.api+json", "application/jsonp", "text/plain"] {
        post(&kit, content_type, &redemption(&kit, "app"), &[]).is_error(400, "invalid_request");
        assert_eq!(kit.cause(), "request.content_type", "{content_type}");
    }
}

#[test]
fn mfa_api_a_json_body_is_judged_like_a_form() {
    let kit = Kit::new();
    for (body, cause) in [
        (with(redemption(&kit, "app"), "code", 7), "request.malformed"),
        (with(redemption(&kit, "app"), "code", json!(["x"])), "request.malformed"),
        (with(redemption(&kit, "app"), "code", json!({ "x": "y" })), "request.malformed"),
        (with(redemption(&kit, "app"), "nonce", Value::Null), "request.malformed"),
        (with(redemption(&kit, "app"), "code", "x".repeat(17_000)), "request.malformed"),
        (json!([]), "request.malformed"),
        (with(redemption(&kit, "app"), "grant_type", ""), "token.missing_grant_type"),
        (with(redemption(&kit, "app"), "code_verifier", "x".repeat(43)), "code.verifier"),
        (with(redemption(&kit, "app"), "client_id", "shop"), "code.foreign_client"),
    ] {
        assert_eq!(post(&kit, "application/json", &body, &[]).status, 400, "{body}");
        assert_eq!(kit.cause(), cause, "{body}");
    }
    let twice = r#"{"client_id":"app","grant_type":"authorization_code","code":"a","code":"b"}"#;
    let twice = request(Method::POST, "/oauth/token").header("content-type", "application/json").body(twice.into());
    kit.handle(twice.unwrap()).is_error(400, "invalid_request");
    assert_eq!(kit.cause(), "request.malformed");
}

#[test]
fn mfa_api_a_bearer_token_beside_credentials_in_the_body_is_passed_over() {
    let kit = Kit::new();
    let bearer = [("authorization", "Bearer cs_mfa_whatever")];
    let body = with(redemption(&kit, "post"), "client_secret", SECRET);
    post(&kit, "application/json", &body, &bearer).ok();
    let form = crate::kit::redemption("post", &kit.code("post", "read"));
    let form = form.with("client_id", "post").with("client_secret", SECRET).encode();
    kit.post_token(&form, &[("authorization", "Bearer cs_mfa_whatever".to_owned())]).ok();
    // It stands in for nothing.
    let body = with(redemption(&kit, "post"), "client_secret", "wrong");
    post(&kit, "application/json", &body, &bearer).is_error(401, "invalid_client");
    post(&kit, "application/json", &redemption(&kit, "post"), &bearer).is_error(401, "invalid_client");
}
