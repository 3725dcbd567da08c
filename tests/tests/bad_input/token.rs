//! The token endpoint.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_tests::Wire;

use super::{LIMIT, Provider, WEB};

#[test]
fn rfc6749_5_2_token_requests_that_are_not_in_order() {
    let provider = Provider::start();
    let form = |form: &str| Wire::form("/oauth/token", form);
    let typed = |content_type: &str, body: &str| {
        Wire::new("POST", "/oauth/token").field("Content-Type", content_type).body(body)
    };
    let ours = "grant_type=authorization_code&client_id=shop&code=x";
    let json = r#"{"grant_type":"authorization_code","client_id":"shop","code":"x"}"#;
    let large = "x".repeat(LIMIT + 1);
    let chunked = |body: String| form(&body).without_length().field("Transfer-Encoding", "chunked");
    let basic = |credentials: &str, body: &str| {
        form(body).field("Authorization", format!("Basic {}", STANDARD.encode(credentials)))
    };
    let code = "grant_type=authorization_code&code=x";
    provider.check(vec![
        ("JSON with a code of nobody's", typed("application/json", json), 400, "invalid_grant"),
        ("JSON under another type", typed("application/vnd.api+json", json), 400, "invalid_request"),
        ("JSON with a number", typed("application/json", r#"{"grant_type":1}"#), 400, "invalid_request"),
        ("JSON with a name twice", typed("application/json", r#"{"code":"x","code":"x"}"#), 400, "invalid_request"),
        ("an array", typed("application/json", "[]"), 400, "invalid_request"),
        ("JSON that calls itself a form", form(json), 401, "invalid_client"),
        ("plain text", typed("text/plain", ours), 400, "invalid_request"),
        ("several parts", typed("multipart/form-data; boundary=x", ours), 400, "invalid_request"),
        ("no type", Wire::new("POST", "/oauth/token").body(ours), 400, "invalid_request"),
        ("nothing", form(""), 401, "invalid_client"),
        ("everything in the query", Wire::form(format!("/oauth/token?{ours}"), ""), 401, "invalid_client"),
        ("a grant type twice", form(&format!("{ours}&grant_type=refresh_token")), 400, "invalid_request"),
        ("a code twice", form(&format!("{ours}&code=x")), 400, "invalid_request"),
        ("a client twice", form(&format!("{ours}&client_id=web")), 400, "invalid_request"),
        ("an empty parameter twice", form(&format!("{ours}&a=&a=")), 400, "invalid_request"),
        ("a broken escape", form(&format!("{ours}&x=%zz")), 400, "invalid_request"),
        ("bytes that are not UTF-8", form(ours).body([ours.as_bytes(), b"&x=\xff"].concat()), 400, "invalid_request"),
        ("escaped bytes that are not UTF-8", form(&format!("{ours}&x=%ff")), 400, "invalid_request"),
        ("a NUL", form(ours).body([ours.as_bytes(), b"\0"].concat()), 400, "invalid_request"),
        ("an escaped NUL", form(&format!("{ours}%00")), 400, "invalid_request"),
        ("65 parameters", form(&"a=1&".repeat(65)), 400, "invalid_request"),
        ("a large body", form(&large), 413, "invalid_request"),
        ("a large body in chunks", chunked(format!("{LIMIT:x}1\r\n{large}\r\n0\r\n\r\n")), 413, "invalid_request"),
        ("chunks whose length is no number", chunked("zz\r\nx\r\n0\r\n\r\n".into()), 400, "invalid_request"),
        ("no grant type", form("client_id=shop&code=x"), 400, "invalid_request"),
        ("a grant type of nobody's", form("client_id=shop&grant_type=x"), 400, "unsupported_grant_type"),
        ("the password grant", form("client_id=shop&grant_type=password"), 400, "unsupported_grant_type"),
        ("a grant type of others", form("client_id=once&grant_type=refresh_token"), 400, "unauthorized_client"),
        ("no code", form("client_id=shop&grant_type=authorization_code"), 400, "invalid_request"),
        ("no refresh token", form("client_id=shop&grant_type=refresh_token"), 400, "invalid_request"),
        ("a code of nobody's", form(ours), 400, "invalid_grant"),
        (
            "a refresh token of nobody's",
            form("client_id=shop&grant_type=refresh_token&refresh_token=x"),
            400,
            "invalid_grant",
        ),
        ("no client", form(code), 401, "invalid_client"),
        ("an unknown client", form(&format!("{code}&client_id=nobody")), 401, "invalid_client"),
        ("a client that does not authenticate", form(&format!("{code}&client_id=web")), 401, "invalid_client"),
        ("a client that authenticates", basic(WEB, code), 400, "invalid_grant"),
        ("a wrong secret", basic("web:wrong", code), 401, "invalid_client"),
        ("no secret", basic("web:", code), 401, "invalid_client"),
        ("a secret with a broken escape", basic("web:%zz", code), 401, "invalid_client"),
        ("a secret in another place", form(&format!("{code}&client_id=web&client_secret=x")), 401, "invalid_client"),
        ("a secret of a client that has none", basic("shop:x", code), 401, "invalid_client"),
        ("two authentications", basic(WEB, &format!("{code}&client_secret=x&client_id=web")), 400, "invalid_request"),
        ("two names", basic(WEB, &format!("{code}&client_id=shop")), 400, "invalid_request"),
        ("two headers", basic(WEB, code).field("Authorization", "Basic eDp5"), 400, "invalid_request"),
        ("an assertion beside a secret", basic(WEB, &format!("{code}&client_assertion=x")), 400, "invalid_request"),
        ("half an assertion", form(&format!("{ours}&client_assertion=x")), 401, "invalid_client"),
        ("a scheme of nobody's", form(ours).field("Authorization", "Digest x"), 401, "invalid_client"),
        ("credentials that are no base64", form(ours).field("Authorization", "Basic ***"), 401, "invalid_client"),
        ("credentials of bytes", form(ours).field("Authorization", b"Basic \xff"), 401, "invalid_client"),
        ("GET", Wire::get(format!("/oauth/token?{ours}")), 405, "invalid_request"),
        ("HEAD", Wire::new("HEAD", "/oauth/token"), 405, ""),
        ("PUT", Wire::new("PUT", "/oauth/token").body(ours), 405, "invalid_request"),
        ("DELETE", Wire::new("DELETE", "/oauth/token"), 405, "invalid_request"),
        ("another host", form(ours).host("attacker.example"), 421, "invalid_request"),
    ]);
}

#[test]
fn rfc6749_5_2_a_refused_client_is_told_the_scheme_and_nothing_is_cached() {
    let provider = Provider::start();
    let reply = Wire::form("/oauth/token", "grant_type=authorization_code").send(provider.quickstart.issuer());
    assert!(reply.header("www-authenticate").unwrap().starts_with("Basic "));
    assert_eq!((reply.header("cache-control"), reply.header("pragma")), (Some("no-store"), Some("no-cache")));
}

#[test]
fn rfc7636_4_6_a_code_is_not_spent_by_requests_that_lack_the_rest() {
    let provider = Provider::start();
    let code = provider.code("openid");
    let uri = "redirect_uri=https%3A%2F%2Fshop.example%2Fcallback";
    let verifier = "code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let form = |rest: &str| Wire::form("/oauth/token", format!("grant_type=authorization_code&code={code}&{rest}"));
    let changed = format!("{}{}", &code[..code.len() - 1], if code.ends_with('A') { 'B' } else { 'A' });
    let forged = format!("grant_type=authorization_code&client_id=shop&code={changed}&{uri}&{verifier}");
    let other = "code_verifier=xBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    provider.check(vec![
        ("no verifier", form(&format!("client_id=shop&{uri}")), 400, "invalid_grant"),
        ("another verifier", form(&format!("client_id=shop&{uri}&{other}")), 400, "invalid_grant"),
        (
            "the challenge",
            form(&format!("client_id=shop&{uri}&code_verifier=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")),
            400,
            "invalid_grant",
        ),
        ("a short verifier", form(&format!("client_id=shop&{uri}&code_verifier=x")), 400, "invalid_grant"),
        (
            "another redirect URI",
            form(&format!("client_id=shop&redirect_uri=https%3A%2F%2Fx.example&{verifier}")),
            400,
            "invalid_grant",
        ),
        ("another client", form(&format!("client_id=once&{uri}&{verifier}")), 400, "invalid_grant"),
        ("a code that was changed", Wire::form("/oauth/token", forged), 400, "invalid_grant"),
    ]);
    assert_eq!(provider.callback.redeem(provider.quickstart.issuer(), "shop", &code).status, 200);
}
