//! RFC 9068: access tokens as JWTs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_primitives::{Acr, Amr, SignedIn};
use serde_json::{Value, json};

use crate::kit::*;

#[test]
fn rfc9068_2_header_and_claims_are_those_of_the_profile() {
    let kit = Kit::new();
    let signed_in_at = kit.server.now().minus(Duration::from_secs(100));
    let who = SignedIn::new("alice", signed_in_at).amr([Amr::Pwd]).acr(Acr::AAL1);
    let answer = kit.redeem("app", &kit.code_for(&authorization("app", "openid read"), who)).ok();
    let header = URL_SAFE_NO_PAD.decode(answer.text("access_token").split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    let jwks = kit.get("/.well-known/jwks.json").ok().json;
    assert_eq!(
        (&header["typ"], &header["alg"], &header["kid"]),
        (&json!("at+jwt"), &json!("ES256"), &jwks["keys"][0]["kid"])
    );
    let mut claims = answer.claims();
    let jti = claims["jti"].take();
    assert!(jti.as_str().unwrap().len() >= 32);
    let now = START.as_secs();
    assert_eq!(
        claims,
        json!({
            "iss": ISSUER, "sub": "alice", "aud": [API, ISSUER], "exp": now + 900, "iat": now, "jti": null,
            "client_id": "app", "scope": "openid read", "auth_time": now - 100, "acr": Acr::AAL1.as_str(), "amr": ["pwd"],
        })
    );
    assert!(jwks["keys"][0].get("d").is_none());
}

#[test]
fn rfc9068_2_2_two_tokens_of_one_grant_share_no_id() {
    let kit = Kit::new();
    let first = kit.tokens("app", "read");
    let second = kit.refresh("app", first.text("refresh_token")).ok();
    let (first, second) = (first.claims()["jti"].clone(), second.claims()["jti"].clone());
    let (first, second) = (first.as_str().unwrap(), second.as_str().unwrap());
    assert!(first.bytes().zip(second.bytes()).filter(|(a, b)| a == b).count() < first.len() / 3, "{first} {second}");
}

#[test]
fn rfc9068_4_a_token_is_checked_before_it_opens_anything() {
    let kit = Kit::new();
    let token = kit.tokens("app", "openid").text("access_token").to_owned();
    assert!(kit.access(&token).is_ok());
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let decoded = |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
    let with = |part: &str, name: &str, value: Value| {
        let mut part = decoded(part);
        part[name] = value;
        encode(part)
    };
    for bad in [
        String::new(),
        format!("{header}.{claims}."),
        format!("{}.{claims}.", with(header, "alg", json!("none"))),
        format!("{}.{claims}.{signature}", with(header, "alg", json!("HS256"))),
        format!("{}.{claims}.{signature}", with(header, "typ", json!("JWT"))),
        format!("{}.{claims}.{signature}", with(header, "kid", json!("other"))),
        format!("{}.{claims}.{signature}", with(header, "crit", json!(["exp"]))),
        format!("{header}.{}.{signature}", with(claims, "sub", json!("bob"))),
        format!("{header}.{}.{signature}", with(claims, "exp", json!(9_999_999_999_u64))),
        format!("{header}.{claims}.{}", signature.replacen(|c: char| c.is_ascii_lowercase(), "Z", 1)),
        format!("{token}."),
        "a.b.c".to_owned(),
    ] {
        assert!(kit.access(&bad).is_err(), "{bad}");
    }
    kit.advance(899);
    assert!(kit.access(&token).is_ok());
    kit.advance(1);
    assert_eq!(kit.access(&token).unwrap_err().cause_id(), "bearer.invalid");
}

#[test]
fn rfc9068_5_a_token_of_another_purpose_or_audience_opens_nothing() {
    let kit = Kit::new();
    // For an API alone.
    assert!(kit.access(kit.tokens("app", "read").text("access_token")).is_err());
    // Signed by this issuer, with the claims of an access token, and of another type.
    let claims = kit.tokens("app", "openid").claims();
    for typ in ["JWT", "logout+jwt", "at+jwt2"] {
        let token = block_on(kit.server.sign(typ, &claims)).unwrap();
        assert!(kit.access(&token).is_err(), "{typ}");
    }
    let signed = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        block_on(kit.server.sign("at+jwt", &claims)).unwrap()
    };
    assert!(kit.access(&signed("iat", json!(1))).is_ok());
    for (name, value) in [
        ("iss", json!("https://other.example.com")),
        ("aud", json!(API)),
        ("aud", json!([API])),
        ("jti", json!("AAAA")),
        ("jti", Value::Null),
        ("client_id", json!("web")),
        ("client_id", json!("nobody")),
        ("exp", Value::Null),
        ("exp", json!("9999999999")),
        ("sub", json!(7)),
        ("sub", Value::Null),
    ] {
        assert!(kit.access(&signed(name, value.clone())).is_err(), "{name} {value}");
    }
}
