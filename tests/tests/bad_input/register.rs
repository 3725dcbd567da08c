//! The registration endpoint and the client configuration endpoint.

use countersign_tests::Wire;

use super::{LIMIT, Provider};

const GOOD: &str = r#"{"redirect_uris":["https://rp.example/cb"],"token_endpoint_auth_method":"none"}"#;

#[test]
fn rfc7591_3_2_2_registrations_that_are_not_in_order() {
    let provider = Provider::start();
    let typed = |content_type: &str, body: &[u8]| {
        Wire::new("POST", "/oauth/register").field("Content-Type", content_type).body(body)
    };
    let json = |body: &str| typed("application/json", body.as_bytes());
    let member = |member: &str| json(&format!("{},{member}}}", GOOD.trim_end_matches('}')));
    let uri = |uri: &str| json(&format!(r#"{{"redirect_uris":["{uri}"]}}"#));
    let metadata = "invalid_client_metadata";
    let deep = format!(r#""x":{}{}"#, "[".repeat(20_000), "]".repeat(20_000));
    let wide = format!(r#""x":[{}1]"#, "1,".repeat(20_000));
    let chunked = typed("application/json", format!("{:x}\r\n{GOOD}\r\n0\r\n", GOOD.len()).as_bytes());
    provider.check(vec![
        ("no body", json(""), 400, metadata),
        ("a form", typed("application/x-www-form-urlencoded", b"redirect_uris=https://rp.example/cb"), 400, metadata),
        ("JSON of another type", typed("text/plain", GOOD.as_bytes()), 400, metadata),
        ("no type", Wire::new("POST", "/oauth/register").body(GOOD), 400, metadata),
        ("an array", json("[]"), 400, metadata),
        ("null", json("null"), 400, metadata),
        ("half an object", json(r#"{"redirect_uris":"#), 400, metadata),
        ("two objects", json(&format!("{GOOD}{GOOD}")), 400, metadata),
        ("a member twice", member(r#""redirect_uris":["https://evil.example/"]"#), 400, metadata),
        ("a member twice, escaped", member(r#""redirect\u005furis":["https://evil.example/"]"#), 400, metadata),
        ("a lone surrogate", member(r#""client_name":"\ud800""#), 400, metadata),
        ("bytes that are not UTF-8", typed("application/json", b"{\"client_name\":\"\xff\"}"), 400, metadata),
        ("depth", member(&deep), 400, metadata),
        ("width", member(&wide), 400, metadata),
        ("a large body", json(&" ".repeat(LIMIT + 1)), 413, "invalid_request"),
        ("a length that is another", chunked.hang_up(), 400, metadata),
        ("no redirect URI", json("{}"), 400, "invalid_redirect_uri"),
        ("a redirect URI that runs", uri("javascript:alert(1)"), 400, "invalid_redirect_uri"),
        ("a redirect URI with a fragment", uri("https://rp.example/cb#x"), 400, "invalid_redirect_uri"),
        ("a redirect URI with a user", uri("https://localhost:80@evil.example/"), 400, "invalid_redirect_uri"),
        ("a redirect URI by http", uri("http://rp.example/cb"), 400, "invalid_redirect_uri"),
        (
            "a redirect URI that is long",
            uri(&format!("https://rp.example/{}", "x".repeat(3_000))),
            400,
            "invalid_redirect_uri",
        ),
        ("a grant of the operator's", member(r#""grant_types":["password"]"#), 400, metadata),
        ("grants of another type", member(r#""grant_types":{"a":1}"#), 400, metadata),
        (
            "a method of nobody's",
            json(r#"{"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"x"}"#),
            400,
            metadata,
        ),
        ("a private key", member(r#""jwks":{"keys":[{"kty":"oct","k":"AA"}]}"#), 400, metadata),
        ("keys by address", member(r#""jwks_uri":"http://169.254.169.254/latest""#), 400, metadata),
        ("a statement", member(r#""software_statement":"e30.e30.""#), 400, "unapproved_software_statement"),
        ("a name that turns", member(r#""client_name":"\u202eevil""#), 400, metadata),
        ("a link that runs", member(r#""policy_uri":"javascript:alert(1)""#), 400, metadata),
        ("a header that is no bearer's", json(GOOD).field("Authorization", "Basic !!!"), 400, "invalid_request"),
        ("GET", Wire::get("/oauth/register"), 405, "invalid_request"),
        ("another host", json(GOOD).host("evil.example"), 421, "invalid_request"),
    ]);
}

#[test]
fn rfc7592_2_requests_to_a_registration_that_are_not_in_order() {
    let provider = Provider::start();
    let path = "/oauth/register/AAAAAAAAAAAAAAAAAAAAAA";
    let bearer = |method: &str, token: &str| Wire::new(method, path).field("Authorization", format!("Bearer {token}"));
    let long = "x".repeat(7_000);
    provider.check(vec![
        ("no token", Wire::get(path), 401, ""),
        ("a token of nobody's", bearer("GET", "x"), 401, "invalid_token"),
        ("a long token", bearer("GET", &long), 401, "invalid_token"),
        ("an empty token", bearer("GET", ""), 400, "invalid_request"),
        ("two tokens", bearer("GET", "x").field("Authorization", "Bearer y"), 400, "invalid_request"),
        ("a token in the query", Wire::get(format!("{path}?access_token=x")), 401, ""),
        ("DELETE", bearer("DELETE", "x"), 401, "invalid_token"),
        ("PUT without a body", bearer("PUT", "x"), 401, "invalid_token"),
        ("POST", bearer("POST", "x"), 405, "invalid_request"),
        ("no name", Wire::get("/oauth/register/"), 404, ""),
        ("a name that climbs", Wire::get("/oauth/register/../token"), 404, ""),
        ("a name with an escape", Wire::get("/oauth/register/%00"), 401, ""),
    ]);
}
