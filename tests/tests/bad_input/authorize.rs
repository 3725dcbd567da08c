//! The authorization endpoint.

use countersign_tests::Wire;

use super::{Case, LIMIT, Provider};

/// Requests for targets and forms that differ from one in order.
fn authorizations(cases: &[(&'static str, String, u16, &'static str)]) -> Vec<Case> {
    cases.iter().map(|(what, target, status, said)| (*what, Wire::get(target), *status, *said)).collect()
}

#[test]
fn rfc6749_4_1_2_1_authorization_requests_that_are_not_in_order() {
    let provider = Provider::start();
    let good = provider.request("openid");
    let with = |more: &str| format!("{good}&{more}");
    let other = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    let uri = "redirect_uri=https%3A%2F%2Fshop.example%2Fcallback";
    let challenge = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    provider.check(authorizations(&[
        ("in order", good.clone(), 303, "login"),
        ("nothing at all", "/authorize".into(), 400, "page"),
        ("a client twice", with("client_id=shop"), 400, "page"),
        ("a redirect URI twice", with(uri), 400, "page"),
        ("a state twice", with("state=x"), 303, "sent invalid_request"),
        ("a scope twice", with("scope=openid"), 303, "sent invalid_request"),
        ("a nonce twice", with("nonce=x"), 303, "sent invalid_request"),
        ("an unknown parameter twice", with("x=1&x=2"), 303, "sent invalid_request"),
        ("an unknown client", other("client_id=shop", "client_id=nobody"), 400, "page"),
        ("no client", other("client_id=shop", "client_id="), 400, "page"),
        ("a client with strange characters", other("client_id=shop", "client_id=%3Cscript%3E"), 400, "page"),
        ("a foreign redirect URI", other("shop.example", "attacker.example"), 400, "page"),
        ("a redirect URI with more of a path", other("%2Fcallback", "%2Fcallback%2F.."), 400, "page"),
        ("a redirect URI with a query", other("%2Fcallback", "%2Fcallback%3Fa%3Db"), 400, "page"),
        ("a redirect URI with a fragment", other("%2Fcallback", "%2Fcallback%23x"), 400, "page"),
        ("a redirect URI with a user", other("shop.example", "shop.example%40attacker.example"), 400, "page"),
        ("a redirect URI with a port", other("shop.example", "shop.example%3A8443"), 400, "page"),
        ("a redirect URI in upper case", other("%2Fcallback", "%2FCALLBACK"), 400, "page"),
        ("a redirect URI of plain http", other("https%3A", "http%3A"), 400, "page"),
        ("a redirect URI that is a script", other(uri, "redirect_uri=javascript%3Aalert(1)"), 400, "page"),
        ("no response type", other("response_type=code", ""), 303, "sent invalid_request"),
        (
            "the implicit grant",
            other("response_type=code", "response_type=token"),
            303,
            "sent unsupported_response_type",
        ),
        ("no challenge", other(challenge, ""), 303, "sent invalid_request"),
        ("a plain challenge", other("S256", "plain"), 303, "sent invalid_request"),
        ("no challenge method", other("&code_challenge_method=S256", ""), 303, "sent invalid_request"),
        ("a short challenge", other(challenge, "code_challenge=abc"), 303, "sent invalid_request"),
        ("an unknown scope", other("scope=openid", "scope=openid+root"), 303, "sent invalid_scope"),
        ("a malformed scope", other("scope=openid", "scope=%22"), 303, "sent invalid_scope"),
        ("an unknown resource", with("resource=https://api.example"), 303, "sent invalid_target"),
        ("a response mode of nobody's", with("response_mode=smoke"), 303, "sent invalid_request"),
        ("two prompts that exclude each other", with("prompt=none+login"), 303, "sent invalid_request"),
        ("a prompt of nobody's", with("prompt=dance"), 303, "sent invalid_request"),
        ("nobody signed in", with("prompt=none"), 303, "sent login_required"),
        ("an age that is no number", with("max_age=old"), 303, "sent invalid_request"),
        ("a negative age", with("max_age=-1"), 303, "sent invalid_request"),
        ("a request object", with("request=e30.e30."), 303, "sent request_not_supported"),
        ("a request object elsewhere", with("request_uri=https://a.example"), 303, "sent request_uri_not_supported"),
        ("a broken escape", with("x=%zz"), 400, "page"),
        ("half an escape", with("x=%4"), 400, "page"),
        ("bytes that are not UTF-8", with("x=%ff%fe"), 400, "page"),
        ("a NUL", with("x=%00"), 400, "page"),
        ("a NUL in the redirect URI", other("%2Fcallback", "%2Fcallback%00"), 400, "page"),
        ("a line break in the client", other("client_id=shop", "client_id=shop%0d%0aX:1"), 400, "page"),
        ("an interaction of nobody's", "/authorize?interaction=x".into(), 400, "page"),
        ("65 parameters", with(&"a=1&".repeat(65)), 400, "page"),
        ("a long value", with(&format!("x={}", "x".repeat(17 * 1024))), 400, "page"),
    ]));
}

#[test]
fn rfc6749_3_1_bodies_methods_and_hosts_at_the_authorization_endpoint() {
    let provider = Provider::start();
    let good = provider.request("openid");
    let (path, query) = good.split_once('?').unwrap();
    let text = |content_type: &str| Wire::new("POST", path).field("Content-Type", content_type).body(query);
    provider.check(vec![
        ("a form", Wire::form(path, query), 303, "login"),
        ("a form whose parameters are in the query", Wire::form(&good, ""), 400, "page"),
        ("JSON", text("application/json"), 400, "page"),
        ("plain text", text("text/plain"), 400, "page"),
        ("several parts", text("multipart/form-data; boundary=x"), 400, "page"),
        ("no type", Wire::new("POST", path).body(query), 400, "page"),
        ("a large body", Wire::form(path, "x".repeat(LIMIT + 1)), 413, "invalid_request"),
        ("HEAD", Wire::new("HEAD", &good), 303, "login"),
        ("PUT", Wire::new("PUT", &good), 405, "invalid_request"),
        ("DELETE", Wire::new("DELETE", &good), 405, "invalid_request"),
        ("TRACE", Wire::new("TRACE", &good), 405, "invalid_request"),
        ("another host", Wire::get(&good).host("attacker.example"), 421, "invalid_request"),
        ("the host of another port", Wire::get(&good).host("localhost:1"), 421, "invalid_request"),
        ("two hosts", Wire::get(&good).field("Host", "attacker.example"), 421, "invalid_request"),
        (
            "a host that others say was asked",
            Wire::get(&good).field("X-Forwarded-Host", "attacker.example"),
            303,
            "login",
        ),
        ("cookies of bytes", Wire::get(&good).field("Cookie", b"a=\xff\xfe; b; ==;"), 303, "login"),
    ]);
}

#[test]
fn promise_5_no_page_of_a_refused_request_leads_to_the_foreign_address() {
    let provider = Provider::start();
    let target = provider.request("openid").replace("shop.example", "attacker.example");
    let reply = Wire::get(target).send(provider.quickstart.issuer());
    assert_eq!((reply.status, reply.header("location"), reply.header("refresh")), (400, None, None));
    assert!(!reply.body.contains("attacker.example"), "{}", reply.body);
}
