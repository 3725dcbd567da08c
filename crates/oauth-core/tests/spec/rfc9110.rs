//! RFC 9110 and Fetch: hosts, methods, sizes, and who may read an answer.

use bytes::Bytes;
use http::{Method, Request};

use crate::kit::*;

const PATHS: [&str; 3] = ["/oauth/token", "/.well-known/jwks.json", "/.well-known/oauth-authorization-server"];

#[test]
fn rfc9110_7_4_a_request_for_another_host_is_refused() {
    let kit = Kit::new();
    let get = |host: &[&str], uri: &str| {
        let mut request = Request::builder().uri(uri);
        for host in host {
            request = request.header("host", *host);
        }
        kit.handle(request.body(Bytes::new()).unwrap()).status.as_u16()
    };
    for good in ["id.example.com", "id.example.com:443", "ID.Example.COM"] {
        assert_eq!(get(&[good], PATHS[1]), 200, "{good}");
    }
    for bad in [
        "evil.example",
        "id.example.com:8443",
        "id.example.com:80",
        "id.example.com.evil.example",
        "",
        "id.example.com@x",
    ] {
        assert_eq!(get(&[bad], PATHS[1]), 421, "{bad}");
    }
    assert_eq!(get(&["id.example.com", "id.example.com"], PATHS[1]), 421);
    assert_eq!(get(&[], PATHS[1]), 421);
    // HTTP/2 names the host in the URI.
    assert_eq!(get(&[], "https://id.example.com/.well-known/jwks.json"), 200);
    assert_eq!(get(&[], "https://evil.example/.well-known/jwks.json"), 421);
}

#[test]
fn rfc9110_15_5_5_what_is_not_here_is_404() {
    let kit = Kit::new();
    for path in
        ["/", "/oauth", "/oauth/token/", "/oauth/token/x", "/OAUTH/token", "//oauth/token", "/oauth/../oauth/token"]
    {
        kit.get(path).is_error(404, "invalid_request");
    }
}

#[test]
fn rfc9110_15_5_6_a_wrong_method_is_405_with_those_that_do() {
    let kit = Kit::new();
    for (method, path, allow) in [
        (Method::GET, PATHS[0], "POST"),
        (Method::PUT, PATHS[0], "POST"),
        (Method::POST, PATHS[1], "GET, HEAD"),
        (Method::DELETE, PATHS[2], "GET, HEAD"),
    ] {
        let answer = kit.handle(request(method, path).body(Bytes::new()).unwrap());
        answer.is_error(405, "invalid_request");
        assert_eq!(answer.header("allow"), allow);
    }
    assert_eq!(kit.handle(request(Method::HEAD, PATHS[1]).body(Bytes::new()).unwrap()).status, 200);
}

#[test]
fn rfc9110_15_5_14_a_body_over_the_limit_is_413() {
    let kit = Kit::with(|builder| builder.body_limit(1_000));
    let post = |body: String| {
        let request = request(Method::POST, "/oauth/token").header("content-type", "application/x-www-form-urlencoded");
        kit.handle(request.body(body.into()).unwrap())
    };
    let pad = |length: usize| format!("a={}", "x".repeat(length - 2));
    assert_eq!(post(pad(1_001)).status, 413);
    assert_eq!(post(pad(1_000)).status, 401);
    // Also where the host serves /authorize itself.
    let request = request(Method::POST, "/authorize").header("content-type", "application/x-www-form-urlencoded");
    let outcome = block_on(kit.server.authorize(request.body(pad(1_001).into()).unwrap(), None));
    assert_eq!(shown(outcome), "request.too_large");
}

#[test]
fn fetch_3_2_pages_of_other_origins_read_what_is_public_and_the_token_endpoint() {
    let kit = Kit::new();
    for path in PATHS {
        let method = if path == PATHS[0] { "POST" } else { "GET" };
        let preflight = request(Method::OPTIONS, path).header("origin", "https://spa.example.com");
        let answer = kit.handle(preflight.body(Bytes::new()).unwrap());
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-allow-methods"), method);
        assert_eq!(answer.header("access-control-allow-headers"), "Authorization, Content-Type, DPoP");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        let actual = kit.get(path);
        assert_eq!(actual.header("access-control-allow-origin"), "*", "an error is readable too");
        assert_eq!(actual.header("access-control-expose-headers"), "WWW-Authenticate, DPoP-Nonce");
        assert_eq!(actual.header("access-control-allow-credentials"), "");
    }
    assert_eq!(kit.get("/nothing").header("access-control-allow-origin"), "");
}

#[test]
fn rfc9110_without_the_address_of_the_peer_nothing_is_answered_where_guesses_are_counted() {
    let kit = Kit::new();
    let request = Request::post("/oauth/token").header("host", "id.example.com").body(Bytes::new()).unwrap();
    kit.handle(request).is_error(500, "server_error");
    assert_eq!(kit.cause(), "request.no_peer");
}
