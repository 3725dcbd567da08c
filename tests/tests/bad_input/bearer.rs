//! Access tokens that are none, at userinfo.

use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_tests::{Callback, Http, Quickstart, Wire};
use serde_json::{Value, json};

use super::{CLIENTS, LIMIT, Provider};

/// A JWT like `token`, with another header and a signature made by `sign` over the signing input.
fn resigned(token: &str, header: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let payload = token.split('.').nth(1).unwrap();
    let input = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header.to_string()));
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(sign(input.as_bytes())))
}

fn hs256(key: &[u8], input: &[u8]) -> Vec<u8> {
    ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key), input).as_ref().to_vec()
}

#[test]
fn rfc8725_3_1_tokens_that_are_forged_foreign_or_of_another_kind_open_nothing() {
    let provider = Provider::start();
    let tokens = provider.tokens("openid offline_access");
    let text = |member: &str| tokens.answer[member].as_str().unwrap().to_owned();
    let token = text("access_token");
    let set = Http::new().get(&provider.quickstart.url("/.well-known/jwks.json"), &[]);
    let key = set.json()["keys"][0].clone();
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let hs = json!({ "alg": "HS256", "typ": "at+jwt", "kid": key["kid"] });
    let own = json!({ "alg": "ES256", "typ": "at+jwt", "kid": key["kid"], "jwk": key });
    let none = json!({ "alg": "none", "typ": "at+jwt", "kid": key["kid"] });
    let stranger = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "../../dev/null" });
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let other = Provider::start().tokens("openid").answer["access_token"].as_str().unwrap().to_owned();
    for (what, forged) in [
        ("a changed signature", format!("{signed}.{first}{}", &signature[1..])),
        ("no signature", format!("{signed}.")),
        ("no signature at all", signed.to_owned()),
        ("alg none", resigned(&token, &none, |_| Vec::new())),
        ("alg none in upper case", resigned(&token, &json!({ "alg": "NONE", "typ": "at+jwt" }), |_| Vec::new())),
        ("alg none with a signature", resigned(&token, &none, |_| vec![0; 64])),
        ("HS256 by the public point", resigned(&token, &hs, |input| hs256(&point, input))),
        ("HS256 by the key's coordinate", resigned(&token, &hs, |input| hs256(&coordinate("x"), input))),
        ("HS256 by the key's text", resigned(&token, &hs, |input| hs256(key.to_string().as_bytes(), input))),
        ("HS256 by the published set", resigned(&token, &hs, |input| hs256(set.body.as_bytes(), input))),
        ("HS256 by nothing", resigned(&token, &hs, |input| hs256(b"", input))),
        ("a signature of zeros", resigned(&token, &own, |_| vec![0; 64])),
        ("a key that is a path", resigned(&token, &stranger, |_| vec![1; 64])),
        ("an ID token", text("id_token")),
        ("a refresh token", text("refresh_token")),
        ("another issuer's token", other),
        ("no token", "x".to_owned()),
        ("dots", "..".to_owned()),
        ("five parts", "a.b.c.d.e".to_owned()),
        ("a long token", "x".repeat(32 * 1024)),
        ("padding", format!("{token}==")),
    ] {
        let reply = provider.userinfo(&forged);
        assert_eq!((reply.status, &reply.json()["error"]), (401, &json!("invalid_token")), "{what}");
        assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer error=\"invalid_token\""), "{what}");
        assert!(!reply.body.contains("alice"), "{what}");
    }
    assert_eq!(provider.userinfo(&token).status, 200);
}

#[test]
fn rfc6750_2_a_token_is_sent_once_and_never_in_the_query() {
    let provider = Provider::start();
    let token = provider.tokens("openid").answer["access_token"].as_str().unwrap().to_owned();
    let profile = provider.callback.redeem(provider.quickstart.issuer(), "shop", &provider.code("profile")).json();
    let without_openid = profile["access_token"].as_str().unwrap();
    let bearer = format!("Bearer {token}");
    let with = |wire: Wire| wire.field("Authorization", &bearer);
    let form = format!("access_token={token}");
    provider.check(vec![
        ("in order", with(Wire::get("/userinfo")), 200, ""),
        ("in a form", Wire::form("/userinfo", &form), 200, ""),
        ("in the query", Wire::get(format!("/userinfo?{form}")), 401, ""),
        ("nowhere", Wire::get("/userinfo"), 401, ""),
        ("in header and form", with(Wire::form("/userinfo", &form)), 400, "invalid_request"),
        ("in two headers", with(with(Wire::get("/userinfo"))), 400, "invalid_request"),
        ("twice in a form", Wire::form("/userinfo", format!("{form}&{form}")), 400, "invalid_request"),
        ("in a form with a broken escape", Wire::form("/userinfo", format!("{form}%z")), 400, "invalid_request"),
        (
            "in JSON",
            Wire::new("POST", "/userinfo")
                .field("Content-Type", "application/json")
                .body(json!({ "access_token": token }).to_string()),
            401,
            "",
        ),
        (
            "in a form by GET",
            Wire::new("GET", "/userinfo").field("Content-Type", "application/x-www-form-urlencoded").body(&form),
            401,
            "",
        ),
        ("by another scheme", Wire::get("/userinfo").field("Authorization", format!("Basic {token}")), 401, ""),
        ("of bytes", Wire::get("/userinfo").field("Authorization", b"Bearer \xff"), 400, "invalid_request"),
        ("an empty one", Wire::get("/userinfo").field("Authorization", "Bearer "), 401, ""),
        ("too large a form", Wire::form("/userinfo", "x".repeat(LIMIT + 1)), 413, "invalid_request"),
        (
            "without the scope",
            Wire::get("/userinfo").field("Authorization", format!("Bearer {without_openid}")),
            403,
            "insufficient_scope",
        ),
        ("PUT", with(Wire::new("PUT", "/userinfo")), 405, "invalid_request"),
        ("DELETE", with(Wire::new("DELETE", "/userinfo")), 405, "invalid_request"),
        ("HEAD", with(Wire::new("HEAD", "/userinfo")), 200, ""),
        ("another host", with(Wire::get("/userinfo")).host("attacker.example"), 421, "invalid_request"),
    ]);
    let silent = Wire::get("/userinfo").send(provider.quickstart.issuer());
    assert_eq!(silent.header("www-authenticate"), Some("Bearer"), "no error code for who sent nothing");
}

#[test]
fn what_has_expired_opens_nothing() {
    let toml = format!("[lifetimes]\naccess_token = \"3s\"\ncode = \"3s\"\n{CLIENTS}");
    let callback = Callback::at("https://shop.example/callback");
    let provider = Provider { quickstart: Quickstart::configured(&toml, &[]), callback };
    let tokens = provider.tokens("openid");
    let code = provider.code("openid");
    thread::sleep(Duration::from_millis(4_100));
    let reply = provider.callback.redeem(provider.quickstart.issuer(), "shop", &code);
    assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("invalid_grant")));
    let reply = provider.userinfo(tokens.answer["access_token"].as_str().unwrap());
    assert_eq!((reply.status, &reply.json()["error"]), (401, &json!("invalid_token")));
}
