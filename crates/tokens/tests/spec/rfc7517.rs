use countersign_tokens::{JwkError, JwkSet, PublicJwk, Ring, SigningAlgorithm, VerifyingKey, VerifyingKeys};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{b64, fresh, jwk, load, vectors::*};

#[test]
fn rfc7638_3_1_rsa_thumbprint() {
    let key = jwk(&format!(r#"{{"kty":"RSA","n":"{THUMBPRINT_N}","e":"AQAB","alg":"RS256","kid":"2011-04-29"}}"#));
    assert_eq!(key.thumbprint(&Ring).as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
    assert_eq!(key.kid(), Some("2011-04-29"));
}

#[test]
fn rfc8037_appendix_a_3_ed25519_thumbprint() {
    assert_eq!(jwk(ED25519_JWK).thumbprint(&Ring).as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
}

#[test]
fn rfc7638_3_2_only_required_members_count() {
    let bare = jwk(ES256_JWK);
    let dressed = jwk(&ES256_JWK.replace("{\"kty\"", "{\"kid\":\"a\",\"use\":\"sig\",\"x5t\":\"q\",\"kty\""));
    assert_eq!(bare.thumbprint(&Ring), dressed.thumbprint(&Ring));
}

#[test]
fn rfc7517_a_key_of_ours_says_what_it_is_for() {
    let key = fresh(SigningAlgorithm::Es384);
    let written: Value = serde_json::to_value(key.public_key()).unwrap();
    assert_eq!(written["use"], "sig");
    assert_eq!(written["alg"], "ES384");
    assert_eq!(written["kid"], key.public_key().thumbprint(&Ring).unwrap());
    let names: Vec<_> = written.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
}

#[test]
fn promise_4_private_members_are_refused_and_never_written() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let json = ES256_JWK.replace("{\"kty\"", &format!("{{\"{name}\":\"AQ\",\"kty\""));
        assert!(serde_json::from_str::<PublicJwk>(&json).is_err(), "{name}");
        assert!(serde_json::from_str::<JwkSet>(&format!("{{\"keys\":[{json}]}}")).is_err(), "{name}");
    }
    let symmetric = json!({ "keys": [{ "kty": "oct", "k": "AQ" }] });
    assert!(serde_json::from_value::<JwkSet>(symmetric).is_err());
}

#[test]
fn rfc7517_5_keys_not_understood_are_kept_and_skipped() {
    let set = json!({ "keys": [
        { "kty": "AKP", "alg": "ML-DSA-44", "pub": "AQ", "kid": "new" },
        { "kty": "EC", "crv": "P-521", "x": "AQ", "y": "AQ", "kid": "curve" },
        { "kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ", "kid": "short" },
        { "kty": "EC", "kid": "no curve" },
        { "kid": "no kind" },
        serde_json::from_str::<Value>(ES256_JWK).unwrap(),
    ] });
    let read: JwkSet = serde_json::from_value(set.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), set);
    assert_eq!(VerifyingKeys::from_set(&read).iter().count(), 1);
    assert!(read.keys[0].thumbprint(&Ring).is_none());
}

#[test]
fn rfc7517_4_2_a_key_for_encryption_verifies_nothing() {
    for extra in [
        r#""use":"enc""#,
        r#""key_ops":["deriveKey"]"#,
        r#""key_ops":[]"#,
        r#""alg":"ECDH-ES""#,
        r#""alg":"none""#,
        r#""alg":"HS256""#,
    ] {
        let key = jwk(&ES256_JWK.replace("{\"kty\"", &format!("{{{extra},\"kty\"")));
        assert_eq!(VerifyingKey::new(&key), Err(JwkError::NotForSignatures), "{extra}");
    }
    let key = jwk(&ES256_JWK.replace("{\"kty\"", r#"{"use":"sig","key_ops":["verify"],"kty""#));
    assert!(VerifyingKey::new(&key).is_ok());
}

#[test]
fn rfc7517_4_4_the_algorithm_fits_the_key() {
    let key = jwk(ES256_JWK);
    assert_eq!(VerifyingKey::new(&key).unwrap().algorithm(), SigningAlgorithm::Es256);
    for other in [SigningAlgorithm::Es384, SigningAlgorithm::EdDsa, SigningAlgorithm::Rs256] {
        assert_eq!(VerifyingKey::with_algorithm(&key, other), Err(JwkError::Algorithm));
    }
    let named = jwk(&ES256_JWK.replace("{\"kty\"", r#"{"alg":"ES384","kty""#));
    assert_eq!(VerifyingKey::new(&named), Err(JwkError::Algorithm));
    let rsa = jwk(&format!(r#"{{"kty":"RSA","n":"{RSA_N}","e":"AQAB","alg":"PS256"}}"#));
    assert_eq!(VerifyingKey::new(&rsa).unwrap().algorithm(), SigningAlgorithm::Ps256);
    assert_eq!(VerifyingKey::with_algorithm(&rsa, SigningAlgorithm::Rs256), Err(JwkError::Algorithm));
}

#[test]
fn rfc7518_3_3_rsa_keys_are_bounded() {
    let key = |bytes: usize, first: u8, e: &[u8]| {
        let mut n = vec![0xff; bytes];
        n[0] = first;
        VerifyingKey::new(&jwk(&json!({ "kty": "RSA", "n": b64(&n), "e": b64(e) }).to_string())).map(|_| ())
    };
    assert_eq!(key(256, 0x80, &[1, 0, 1]), Ok(()));
    assert_eq!(key(1_024, 0xff, &[3]), Ok(()));
    assert_eq!(key(256, 0x7f, &[1, 0, 1]), Err(JwkError::Bounds), "2047 bits");
    assert_eq!(key(128, 0xff, &[1, 0, 1]), Err(JwkError::Bounds), "1024 bits");
    assert_eq!(key(1_025, 0x01, &[1, 0, 1]), Err(JwkError::Bounds), "8193 bits");
    for e in [&[1][..], &[2], &[1, 0, 0], &[2, 0, 0, 0, 1], &[1; 40]] {
        assert_eq!(key(256, 0x80, e), Err(JwkError::Bounds), "{e:?}");
    }
}

#[test]
fn rfc7518_6_numbers_are_canonical_and_of_full_width() {
    let good: Value = serde_json::from_str(ES256_JWK).unwrap();
    for (name, value) in
        [("x", json!("AQ")), ("y", json!(format!("{}=", good["y"].as_str().unwrap()))), ("x", json!(1))]
    {
        let mut bad = good.clone();
        bad[name] = value;
        let refused = PublicJwk::from_members(bad.as_object().unwrap().clone());
        assert!(matches!(refused, Err(JwkError::Member(_))), "{name}");
    }
    let zero = json!({ "kty": "RSA", "n": "AA", "e": "AQAB" });
    assert_eq!(PublicJwk::from_members(zero.as_object().unwrap().clone()), Err(JwkError::Member("n")));
}

#[test]
fn a_point_off_the_curve_verifies_nothing() {
    let mut off: Value = serde_json::from_str(ES256_JWK).unwrap();
    off["y"] = json!(b64([1; 32]));
    let keys = VerifyingKeys::from(VerifyingKey::new(&jwk(&off.to_string())).unwrap());
    let expect = countersign_tokens::Expect::typ_if_any(&[]);
    let refused = countersign_tokens::verify_compact(&Ring, ES256_TOKEN, &keys, &expect).unwrap_err();
    assert_eq!(refused, countersign_tokens::JwtError::Signature);
}

proptest! {
    #[test]
    fn any_key_survives_the_round_trip(x in any::<[u8; 32]>(), y in any::<[u8; 32]>(), kid in ".{0,20}") {
        for members in [
            json!({ "kty": "EC", "crv": "P-256", "x": b64(x), "y": b64(y), "kid": kid }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": b64(x), "kid": kid, "x5c": ["AA"] }),
            json!({ "kty": "mystery", "kid": kid, "z": [x.to_vec()] }),
        ] {
            let key = jwk(&members.to_string());
            prop_assert_eq!(serde_json::to_value(&key).unwrap(), members);
            prop_assert_eq!(key.kid(), Some(kid.as_str()));
        }
    }

    #[test]
    fn promise_7_no_json_panics_the_reader(text in r#"\{"keys":\[\{"kty":"(EC|RSA|OKP)".{0,60}|.{0,60}"#) {
        let _ = serde_json::from_str::<JwkSet>(&text);
        let _ = serde_json::from_str::<PublicJwk>(&text);
    }
}

#[test]
fn a_key_service_names_its_key() {
    let public = load(SigningAlgorithm::Es256, ES256_PKCS8).public_key().clone().with_kid("projects/1/keys/2");
    assert_eq!(VerifyingKey::new(&public).unwrap().kid(), Some("projects/1/keys/2"));
}
