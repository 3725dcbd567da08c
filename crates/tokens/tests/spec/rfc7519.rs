use std::time::Duration;

use countersign_primitives::UnixTime;
use countersign_tokens::{AudienceRule, Expect, JwtError, Ring, SigningAlgorithm, Verified, verify_compact};
use serde::Deserialize;
use serde_json::json;

use crate::{forge, keys, load, vectors::ES256_PKCS8};

const NOW: UnixTime = UnixTime::from_secs(1_000);
const NONE: Duration = Duration::ZERO;
const LEEWAY: Duration = Duration::from_secs(30);

fn read(claims: &str) -> Result<Verified, JwtError> {
    let key = load(SigningAlgorithm::Es256, ES256_PKCS8);
    let token = forge(&key, r#"{"alg":"ES256"}"#, claims);
    verify_compact(&Ring, &token, &keys(key.public_key()), &Expect::typ_if_any(&[]))
}

#[test]
fn rfc7519_4_1_4_expiry_is_exclusive() {
    let token = read(r#"{"exp":1000}"#).unwrap();
    let claims = token.registered().unwrap();
    assert_eq!(claims.check_expiry(UnixTime::from_millis(999_999), NONE), Ok(()));
    assert_eq!(claims.check_expiry(NOW, NONE), Err(JwtError::Expired));
    assert_eq!(claims.check_expiry(UnixTime::from_secs(1_029), LEEWAY), Ok(()));
    assert_eq!(claims.require_expiry(UnixTime::from_secs(1_030), LEEWAY), Err(JwtError::Expired));
    assert_eq!(claims.require_expiry(UnixTime::from_secs(1), NONE), Ok(NOW));
    let token = read("{}").unwrap();
    assert_eq!(token.registered().unwrap().check_expiry(NOW, NONE), Ok(()));
    assert_eq!(token.registered().unwrap().require_expiry(NOW, NONE), Err(JwtError::Missing("exp")));
}

#[test]
fn rfc7519_4_1_5_and_6_the_future_waits() {
    let token = read(r#"{"nbf":1030,"iat":1031}"#).unwrap();
    let claims = token.registered().unwrap();
    assert_eq!(claims.check_not_before(NOW, NONE), Err(JwtError::NotYetValid));
    assert_eq!(claims.check_not_before(NOW, LEEWAY), Ok(()));
    assert_eq!(claims.check_issued_at(NOW, LEEWAY), Err(JwtError::NotYetValid));
    assert_eq!(claims.check_issued_at(UnixTime::from_secs(1_001), LEEWAY), Ok(()));
}

#[test]
fn rfc7519_2_dates_may_have_fractions_and_lie_anywhere() {
    let at = |date: &str| read(&format!("{{\"exp\":{date}}}")).unwrap().registered().unwrap().expires_at();
    assert_eq!(at("1.5"), Some(UnixTime::from_millis(1_500)));
    assert_eq!(at("1e3"), Some(UnixTime::from_secs(1_000)));
    assert_eq!(at("-5"), Some(UnixTime::default()));
    assert_eq!(at("-5.5"), Some(UnixTime::default()));
    assert_eq!(at("18446744073709551615"), Some(UnixTime::MAX));
    assert_eq!(at("1e300"), Some(UnixTime::MAX));
}

#[test]
fn rfc7519_4_1_registered_claims_have_their_types() {
    for bad in [
        r#"{"exp":"1000"}"#,
        r#"{"exp":null}"#,
        r#"{"nbf":true}"#,
        r#"{"iat":[]}"#,
        r#"{"sub":7}"#,
        r#"{"sub":null}"#,
        r#"{"iss":{}}"#,
        r#"{"aud":7}"#,
        r#"{"aud":["a",7]}"#,
        r#"{"aud":null}"#,
        r#"{"jti":[]}"#,
    ] {
        assert_eq!(read(bad).unwrap().registered().unwrap_err(), JwtError::ClaimType, "{bad}");
    }
}

#[test]
fn rfc7519_4_1_1_the_issuer_is_equal_to_the_byte() {
    let token = read(r#"{"iss":"https://id.example"}"#).unwrap();
    let claims = token.registered().unwrap();
    assert_eq!(claims.check_issuer("https://id.example"), Ok(()));
    for other in ["https://id.example/", "https://ID.example", "", "https://id.exampl"] {
        assert_eq!(claims.check_issuer(other), Err(JwtError::Issuer), "{other}");
    }
    assert_eq!(read("{}").unwrap().registered().unwrap().check_issuer(""), Err(JwtError::Missing("iss")));
}

#[test]
fn rfc7519_4_1_3_audience_rules() {
    let check = |claims: &str, rule| read(claims).unwrap().registered().unwrap().check_audience(rule);
    let (one, many) = (r#"{"aud":"a"}"#, r#"{"aud":["b","a"]}"#);
    assert_eq!(check(one, AudienceRule::Contains("a")), Ok(()));
    assert_eq!(check(many, AudienceRule::Contains("a")), Ok(()));
    assert_eq!(check(many, AudienceRule::Contains("c")), Err(JwtError::Audience));
    assert_eq!(check(r#"{"aud":[]}"#, AudienceRule::Contains("a")), Err(JwtError::Audience));
    assert_eq!(check(one, AudienceRule::ExactlyOne("a")), Ok(()));
    assert_eq!(check(one, AudienceRule::ExactlyOne("b")), Err(JwtError::Audience));
    // An array is refused even if it has the one value alone.
    assert_eq!(check(r#"{"aud":["a"]}"#, AudienceRule::ExactlyOne("a")), Err(JwtError::Audience));
    assert_eq!(check(one, AudienceRule::ExactlyOneOf(&["b", "a"])), Ok(()));
    assert_eq!(check(r#"{"aud":["a"]}"#, AudienceRule::ExactlyOneOf(&["a"])), Err(JwtError::Audience));
    assert_eq!(check("{}", AudienceRule::Contains("a")), Err(JwtError::Missing("aud")));
}

#[test]
fn rfc7519_4_1_2_the_subject_is_a_string() {
    assert_eq!(read(r#"{"sub":"u-1"}"#).unwrap().registered().unwrap().require_subject(), Ok("u-1"));
    for empty in [r#"{"sub":""}"#, "{}"] {
        assert_eq!(read(empty).unwrap().registered().unwrap().require_subject(), Err(JwtError::Missing("sub")));
        assert_eq!(read(empty).unwrap().registered().unwrap().require_jwt_id(), Err(JwtError::Missing("jti")));
    }
}

#[test]
fn rfc7519_7_2_claims_are_one_object_with_unique_names() {
    for bad in ["[]", "1", "null", "\"a\"", "", "{", "{}{}", "{} ,"] {
        assert_eq!(read(bad).unwrap_err(), JwtError::Malformed, "{bad}");
    }
    for bad in [r#"{"sub":"a","sub":"b"}"#, r#"{"sub":"a","\u0073ub":"b"}"#, r#"{"cnf":{"jkt":"a","jkt":"b"}}"#] {
        assert_eq!(read(bad).unwrap_err(), JwtError::Duplicate, "{bad}");
    }
}

#[test]
fn claims_can_be_borrowed_from_the_token() {
    #[derive(Deserialize)]
    struct Claims<'a> {
        scope: &'a str,
    }
    let token = read(&json!({ "scope": "a b", "sub": "u" }).to_string()).unwrap();
    let claims: Claims<'_> = token.claims().unwrap();
    assert_eq!(claims.scope, "a b");
    assert!(token.claims::<Vec<u8>>().is_err());
}

#[test]
fn promise_4_debug_shows_no_claims() {
    let token = read(r#"{"sub":"hush"}"#).unwrap();
    assert!(!format!("{token:?}").contains("hush"));
}
