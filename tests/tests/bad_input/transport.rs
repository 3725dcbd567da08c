//! Documents, paths, headers and bodies.

use countersign_tests::Wire;

use super::{LIMIT, Provider};

#[test]
fn rfc8414_3_documents_are_read_and_nothing_else() {
    let provider = Provider::start();
    let mut cases = Vec::new();
    for document in
        ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"]
    {
        cases.extend([
            ("a query", Wire::get(format!("{document}?issuer=x&issuer=y&%zz=%ff")), 200, ""),
            ("a body", Wire::get(document).body("x"), 200, ""),
            ("too large a body", Wire::get(document).body("x".repeat(LIMIT + 1)), 413, "invalid_request"),
            ("a tag of bytes", Wire::get(document).field("If-None-Match", b"\xff, \"x\""), 200, ""),
            ("HEAD", Wire::new("HEAD", document), 200, ""),
            ("POST", Wire::form(document, ""), 405, "invalid_request"),
            ("PUT", Wire::new("PUT", document), 405, "invalid_request"),
            ("DELETE", Wire::new("DELETE", document), 405, "invalid_request"),
            ("another host", Wire::get(document).host("attacker.example"), 421, "invalid_request"),
            ("no such document", Wire::get(format!("{document}/x")), 404, ""),
            ("a slash at its end", Wire::get(format!("{document}/")), 404, ""),
        ]);
    }
    provider.check(cases);
}

#[test]
fn promise_7_paths_headers_and_bodies_without_measure() {
    let provider = Provider::start();
    let ours = "grant_type=authorization_code&client_id=shop&code=x";
    let form = || Wire::form("/oauth/token", ours);
    let chunked = |body: &str| Wire::form("/oauth/token", body).without_length().field("Transfer-Encoding", "chunked");
    let many = (0..200).fold(Wire::get("/authorize"), |wire, at| wire.field(&format!("X-{at}"), "x"));
    provider.check(vec![
        ("a path with dots", Wire::get("/login/../oauth/token"), 404, ""),
        ("a path above the root", Wire::get("/../../../etc/passwd"), 404, ""),
        ("escaped dots", Wire::get("/%2e%2e/%2e%2e/etc/passwd"), 404, ""),
        ("two slashes", Wire::get("//oauth/token"), 404, ""),
        ("a slash at the end", Wire::form("/oauth/token/", ours), 404, ""),
        ("another case", Wire::form("/OAuth/Token", ours), 404, ""),
        ("an escaped slash", Wire::form("/oauth%2ftoken", ours), 404, ""),
        ("a segment too many", Wire::get("/login/x/y"), 404, ""),
        ("an empty segment", Wire::get("/login/"), 404, ""),
        ("bytes in a path", Wire::get(b"/login/\xff\xfe"), 400, ""),
        ("a NUL in a path", Wire::get(b"/login/\0"), 400, ""),
        ("a very long path", Wire::get(format!("/{}", "x".repeat(70_000))), 414, ""),
        ("a very long header", form().field("X-Long", "x".repeat(600_000)), 431, ""),
        ("very many headers", many, 431, ""),
        ("a NUL in a header", form().field("X-Nul", b"a\0b"), 400, ""),
        ("a length that is no number", form().without_length().field("Content-Length", "-1"), 400, ""),
        ("two lengths", form().field("Content-Length", "5"), 400, ""),
        ("a method of nobody's", Wire::new("BREW", "/oauth/token"), 405, "invalid_request"),
        ("no HTTP", Wire::new("\x16\x03\x01", "x"), 400, ""),
    ]);
    // Whoever hangs up in the midst of a body gets a refusal or nothing, and holds nobody up.
    for wire in
        [chunked("40\r\ngrant_type=").hang_up(), form().without_length().field("Content-Length", "9000").hang_up()]
    {
        let status = wire.send(provider.quickstart.issuer()).status;
        assert!([0, 400].contains(&status), "{status}");
    }
    provider.serves_on();
}
