//! Tokens of services, and the endpoints where tokens are given back and asked about.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_tests::{Http, Wire};
use serde_json::json;

use super::{API, LIMIT, Provider, SERVICE, WEB};

fn basic(wire: Wire, credentials: &str) -> Wire {
    wire.field("Authorization", format!("Basic {}", STANDARD.encode(credentials)))
}

/// What a service asks for itself.
fn own(form: &str) -> Wire {
    basic(Wire::form("/oauth/token", format!("grant_type=client_credentials&{form}")), SERVICE)
}

#[test]
fn rfc6749_4_4_requests_of_services_that_are_not_in_order() {
    let provider = Provider::start();
    let grant = "grant_type=client_credentials";
    provider.check(vec![
        ("in order", own(""), 200, ""),
        ("for an API", own("resource=https%3A%2F%2Fapi.example%2F"), 200, ""),
        ("a scope that needs a user", own("scope=openid"), 400, "invalid_scope"),
        ("another one", own("scope=orders+offline_access"), 400, "invalid_scope"),
        ("a scope of nobody's", own("scope=nothing"), 400, "invalid_scope"),
        ("a scope of others", own("scope=profile"), 400, "invalid_scope"),
        ("a scope with two spaces", own("scope=orders++orders"), 400, "invalid_scope"),
        ("a scope with a quote", own("scope=orders%22"), 400, "invalid_scope"),
        (
            "65 scopes",
            own(&format!("scope={}", (0..65).map(|n| format!("s{n}+")).collect::<String>())),
            400,
            "invalid_scope",
        ),
        ("a scope twice", own("scope=orders&scope=orders"), 400, "invalid_request"),
        ("an API of nobody's", own("resource=https%3A%2F%2Fother.example%2F"), 400, "invalid_target"),
        ("an API without its slash", own("resource=https%3A%2F%2Fapi.example"), 400, "invalid_target"),
        ("a public client", Wire::form("/oauth/token", format!("{grant}&client_id=shop")), 400, "unauthorized_client"),
        ("a client with users", basic(Wire::form("/oauth/token", grant), WEB), 400, "unauthorized_client"),
        ("an API's credentials", basic(Wire::form("/oauth/token", grant), API), 400, "unauthorized_client"),
        ("without a secret", Wire::form("/oauth/token", format!("{grant}&client_id=billing")), 401, "invalid_client"),
        ("with a wrong secret", basic(Wire::form("/oauth/token", grant), "billing:wrong"), 401, "invalid_client"),
        (
            "with users' grants",
            basic(Wire::form("/oauth/token", "grant_type=refresh_token"), SERVICE),
            400,
            "unauthorized_client",
        ),
    ]);
}

#[test]
fn rfc7009_2_2_1_requests_to_revoke_that_are_not_in_order() {
    let provider = Provider::start();
    let tokens = provider.tokens("openid offline_access");
    let token = tokens.answer["refresh_token"].as_str().unwrap();
    let form = |form: &str| Wire::form("/oauth/revoke", form);
    let ours = format!("token={token}");
    provider.check(vec![
        ("a token of nobody's", form("token=x&client_id=shop"), 200, ""),
        ("a token of another client", basic(form(&ours), WEB), 200, ""),
        ("no client", form(&ours), 401, "invalid_client"),
        ("an unknown client", form(&format!("{ours}&client_id=nobody")), 401, "invalid_client"),
        ("a client that does not authenticate", form(&format!("{ours}&client_id=web")), 401, "invalid_client"),
        ("a wrong secret", basic(form(&ours), "web:wrong"), 401, "invalid_client"),
        (
            "two authentications",
            basic(form(&format!("{ours}&client_id=web&client_secret=x")), WEB),
            400,
            "invalid_request",
        ),
        ("no token", form("client_id=shop"), 400, "invalid_request"),
        ("an empty token", form("client_id=shop&token="), 400, "invalid_request"),
        ("a token twice", form(&format!("{ours}&token=x&client_id=shop")), 400, "invalid_request"),
        ("a hint twice", form("token=x&client_id=shop&token_type_hint=a&token_type_hint=b"), 400, "invalid_request"),
        ("a hint of nobody's", form("token=x&client_id=shop&token_type_hint=x"), 200, ""),
        (
            "a token of 16 KiB and one",
            form(&format!("client_id=shop&token={}", "x".repeat(16 * 1024 + 1))),
            400,
            "invalid_request",
        ),
        ("a broken escape", form(&format!("{ours}%zz&client_id=shop")), 400, "invalid_request"),
        ("bytes that are not UTF-8", form("token=%ff&client_id=shop"), 400, "invalid_request"),
        ("a NUL", form("token=%00&client_id=shop"), 400, "invalid_request"),
        ("a large body", form(&"x".repeat(LIMIT + 1)), 413, "invalid_request"),
        (
            "JSON",
            Wire::new("POST", "/oauth/revoke")
                .field("Content-Type", "application/json")
                .body(json!({ "token": token, "client_id": "shop" }).to_string()),
            400,
            "invalid_request",
        ),
        (
            "everything in the query",
            Wire::form(format!("/oauth/revoke?{ours}&client_id=shop"), ""),
            401,
            "invalid_client",
        ),
        ("GET", Wire::get(format!("/oauth/revoke?{ours}&client_id=shop")), 405, "invalid_request"),
        ("DELETE", Wire::new("DELETE", "/oauth/revoke"), 405, "invalid_request"),
        ("another host", form(&ours).host("attacker.example"), 421, "invalid_request"),
    ]);
    // After all that the grant lives; and then its client ends it.
    assert_eq!(provider.userinfo(tokens.answer["access_token"].as_str().unwrap()).status, 200);
    let reply = form(&format!("{ours}&client_id=shop")).send(provider.quickstart.issuer());
    assert_eq!((reply.status, reply.body.as_str(), reply.header("cache-control")), (200, "", Some("no-store")));
    assert_eq!(provider.userinfo(tokens.answer["access_token"].as_str().unwrap()).status, 401);
}

#[test]
fn rfc7662_2_3_questions_that_are_not_in_order() {
    let provider = Provider::start();
    let tokens = provider.tokens("openid offline_access");
    let token = tokens.answer["access_token"].as_str().unwrap();
    let form = |form: &str| Wire::form("/oauth/introspect", form);
    let ours = format!("token={token}");
    provider.check(vec![
        ("a token of nobody's", basic(form("token=x"), API), 200, ""),
        ("a token for others", basic(form(&ours), API), 200, ""),
        ("no client", form(&ours), 401, "invalid_client"),
        ("a public client", form(&format!("{ours}&client_id=shop")), 401, "invalid_client"),
        ("the token itself", form(&ours).field("Authorization", format!("Bearer {token}")), 401, "invalid_client"),
        ("a client that does not authenticate", form(&format!("{ours}&client_id=api")), 401, "invalid_client"),
        ("a wrong secret", basic(form(&ours), "api:wrong"), 401, "invalid_client"),
        (
            "two authentications",
            basic(form(&format!("{ours}&client_id=api&client_secret=x")), API),
            400,
            "invalid_request",
        ),
        ("no token", basic(form(""), API), 400, "invalid_request"),
        ("an empty token", basic(form("token="), API), 400, "invalid_request"),
        ("a token twice", basic(form(&format!("{ours}&token=x")), API), 400, "invalid_request"),
        (
            "a token of 16 KiB and one",
            basic(form(&format!("token={}", "x".repeat(16 * 1024 + 1))), API),
            400,
            "invalid_request",
        ),
        ("a broken escape", basic(form("token=%zz"), API), 400, "invalid_request"),
        ("bytes that are not UTF-8", basic(form("token=%ff"), API), 400, "invalid_request"),
        ("a large body", form(&"x".repeat(LIMIT + 1)), 413, "invalid_request"),
        (
            "JSON",
            basic(Wire::new("POST", "/oauth/introspect").field("Content-Type", "application/json"), API)
                .body(json!({ "token": token }).to_string()),
            400,
            "invalid_request",
        ),
        ("GET", basic(Wire::get(format!("/oauth/introspect?{ours}")), API), 405, "invalid_request"),
        ("PUT", basic(Wire::new("PUT", "/oauth/introspect"), API), 405, "invalid_request"),
        ("another host", basic(form(&ours), API).host("attacker.example"), 421, "invalid_request"),
    ]);
    let issuer = provider.quickstart.issuer();
    for hidden in [token, "x", tokens.answer["refresh_token"].as_str().unwrap()] {
        let reply = basic(form(&format!("token={hidden}")), API).send(issuer);
        assert_eq!((reply.status, reply.body.as_str()), (200, "{\"active\":false}"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
    // The one that is the API's to ask about.
    let service = own("resource=https%3A%2F%2Fapi.example%2F").send(issuer).json();
    let bearer = service["access_token"].as_str().unwrap();
    let header = format!("Basic {}", STANDARD.encode(API));
    let reply = Http::new().post(
        &provider.quickstart.url("/oauth/introspect"),
        &[("token", bearer)],
        &[("authorization", &header)],
    );
    assert_eq!((&reply.json()["active"], &reply.json()["sub"]), (&json!(true), &json!("billing")));
}
