use countersign_tokens::{
    Compact, CryptoProvider, Expect, ExpectTyp, JwkSet, JwtError, Ring, SigningAlgorithm, VerifyingKeys, verify_compact,
};
use serde_json::json;

use crate::{b64, forge, fresh, keys, load, sign, vectors::*};

const ANY: Expect<'_> = Expect::typ_if_any(&["JWT"]);

#[test]
fn rfc8725_3_1_none_is_refused() {
    let payload = b64(r#"{"sub":"admin"}"#);
    for alg in ["none", "None", "nOnE", ""] {
        let header = b64(json!({ "alg": alg }).to_string());
        assert_eq!(Compact::parse(&format!("{header}.{payload}.")).unwrap_err(), JwtError::Algorithm);
        assert_eq!(Compact::parse(&format!("{header}.{payload}.AA")).unwrap_err(), JwtError::Algorithm);
    }
    let stripped = ES256_TOKEN.rsplit_once('.').unwrap().0;
    assert_eq!(Compact::parse(&format!("{stripped}.")).unwrap_err(), JwtError::Malformed);
}

#[test]
fn rfc8725_2_1_a_public_key_is_no_hmac_key() {
    let key = load(SigningAlgorithm::Rs256, RSA_PKCS8);
    let secret = serde_json::to_vec(key.public_key()).unwrap();
    let input = format!("{}.{}", b64(r#"{"alg":"HS256"}"#), b64("{}"));
    let token = format!("{input}.{}", b64(Ring.hmac_sha256(&secret, &[input.as_bytes()])));
    let refused = verify_compact(&Ring, &token, &keys(key.public_key()), &ANY).unwrap_err();
    assert_eq!(refused, JwtError::Algorithm);
}

#[test]
fn rfc8725_3_1_the_key_and_not_the_header_names_the_algorithm() {
    let rs256 = load(SigningAlgorithm::Rs256, RSA_PKCS8);
    let ps256 = load(SigningAlgorithm::Ps256, RSA_PKCS8);
    // The same numbers, the same name, a true PS256 signature; the key is registered for RS256.
    let token = sign(&ps256, "JWT", &json!({}));
    assert_eq!(verify_compact(&Ring, &token, &keys(rs256.public_key()), &ANY).unwrap_err(), JwtError::Algorithm);
    // The header lies about what the signature is.
    let token = forge(&ps256, r#"{"alg":"RS256"}"#, "{}");
    assert_eq!(verify_compact(&Ring, &token, &keys(rs256.public_key()), &ANY).unwrap_err(), JwtError::Signature);
}

#[test]
fn rfc8725_3_1_only_admitted_algorithms_pass() {
    let key = fresh(SigningAlgorithm::Es256);
    let token = sign(&key, "JWT", &json!({}));
    let expect = ANY.algorithms(&[SigningAlgorithm::EdDsa, SigningAlgorithm::Ps256]);
    assert_eq!(verify_compact(&Ring, &token, &keys(key.public_key()), &expect).unwrap_err(), JwtError::Algorithm);
}

#[test]
fn rfc8725_3_10_a_key_or_address_in_the_header_is_not_used() {
    let (ours, theirs) = (fresh(SigningAlgorithm::Es256), fresh(SigningAlgorithm::Es256));
    let kid = ours.public_key().kid().unwrap();
    let jwk = serde_json::to_value(theirs.public_key()).unwrap();
    for injected in [
        json!({ "alg": "ES256", "kid": kid, "jwk": jwk }),
        json!({ "alg": "ES256", "jwk": jwk }),
        json!({ "alg": "ES256", "kid": kid, "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x" }),
        json!({ "alg": "ES256", "kid": kid, "x5c": ["MIIB"] }),
    ] {
        let token = forge(&theirs, &injected.to_string(), "{}");
        let refused = verify_compact(&Ring, &token, &keys(ours.public_key()), &ANY).unwrap_err();
        assert_eq!(refused, JwtError::Signature, "{injected}");
        // The same header over our signature is only ignored.
        let token = forge(&ours, &injected.to_string(), "{}");
        assert!(verify_compact(&Ring, &token, &keys(ours.public_key()), &ANY).is_ok());
    }
}

#[test]
fn rfc8725_3_10_an_unknown_kid_finds_no_key() {
    let key = fresh(SigningAlgorithm::Es256);
    for kid in ["other", "", "../../etc/passwd", "' OR 1=1 --"] {
        let token = forge(&key, &json!({ "alg": "ES256", "kid": kid }).to_string(), "{}");
        let refused = verify_compact(&Ring, &token, &keys(key.public_key()), &ANY).unwrap_err();
        assert_eq!(refused, JwtError::UnknownKey, "{kid}");
    }
    let token = forge(&key, r#"{"alg":"ES256"}"#, "{}");
    assert_eq!(verify_compact(&Ring, &token, &VerifyingKeys::default(), &ANY).unwrap_err(), JwtError::UnknownKey);
}

#[test]
fn oidc_core_10_1_a_token_without_kid_needs_a_single_key() {
    let (one, two) = (fresh(SigningAlgorithm::Es256), fresh(SigningAlgorithm::Es256));
    let other = fresh(SigningAlgorithm::EdDsa);
    let set = |keys: &[&std::sync::Arc<dyn countersign_tokens::KeyPair>]| {
        VerifyingKeys::from_set(&JwkSet { keys: keys.iter().map(|key| key.public_key().clone()).collect() })
    };
    let token = forge(&one, r#"{"alg":"ES256"}"#, "{}");
    assert!(verify_compact(&Ring, &token, &set(&[&one, &other]), &ANY).is_ok());
    assert_eq!(verify_compact(&Ring, &token, &set(&[&one, &two]), &ANY).unwrap_err(), JwtError::UnknownKey);
    assert_eq!(verify_compact(&Ring, &token, &set(&[&other]), &ANY).unwrap_err(), JwtError::Algorithm);
}

#[test]
fn rfc8725_3_11_promise_11_a_token_of_another_type_is_refused() {
    let key = fresh(SigningAlgorithm::Es256);
    let keys = keys(key.public_key());
    let check = |typ: &str, expect: &Expect<'_>| verify_compact(&Ring, &sign(&key, typ, &json!({})), &keys, expect);
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        assert!(check(typ, &Expect::typ("at+jwt")).is_ok(), "{typ}");
        assert!(check(typ, &Expect::typ("application/at+jwt")).is_ok(), "{typ}");
    }
    for typ in ["JWT", "logout+jwt", "at+jwt ", "application/", "x/at+jwt", "application/application/at+jwt", ""] {
        assert_eq!(check(typ, &Expect::typ("at+jwt")).unwrap_err(), JwtError::Type, "{typ}");
    }
    let untyped = forge(&key, r#"{"alg":"ES256"}"#, "{}");
    let refused = verify_compact(&Ring, &untyped, &keys, &Expect::typ("at+jwt")).unwrap_err();
    assert_eq!(refused, JwtError::Type);
    // Older kinds of tokens may have no type, but not the type of another kind.
    assert!(verify_compact(&Ring, &untyped, &keys, &ANY).is_ok());
    assert_eq!(check("at+jwt", &ANY).unwrap_err(), JwtError::Type);
    let either = Expect { typ: ExpectTyp::OneOf(&["dpop+jwt", "at+jwt"]), algorithms: SigningAlgorithm::ALL };
    assert!(check("at+jwt", &either).is_ok());
    assert_eq!(verify_compact(&Ring, &untyped, &keys, &either).unwrap_err(), JwtError::Type);
}

#[test]
fn rfc8725_3_3_the_wrong_kind_of_key_is_refused() {
    // A P-384 key named like the P-256 key of the token.
    let (p256, p384) = (fresh(SigningAlgorithm::Es256), fresh(SigningAlgorithm::Es384));
    let impostor = p384.public_key().clone().with_kid(p256.public_key().kid().unwrap());
    let token = sign(&p256, "JWT", &json!({}));
    assert_eq!(verify_compact(&Ring, &token, &keys(&impostor), &ANY).unwrap_err(), JwtError::Algorithm);
}
