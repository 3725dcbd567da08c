use countersign_tokens::{
    Compact, Expect, Header, JwtError, LocalSigner, MAX_TOKEN, Ring, SignError, Signature, Signer, SigningAlgorithm,
    VerifyingKeys, verify_compact,
};
use futures_util::FutureExt as _;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{b64, forge, fresh, jwk, keys, load, sign, vectors::*};

const NO_TYP: Expect<'_> = Expect::typ_if_any(&[]);

fn rsa_jwk() -> countersign_tokens::PublicJwk {
    jwk(&format!(r#"{{"kty":"RSA","n":"{RSA_N}","e":"AQAB"}}"#))
}

#[test]
fn rfc7515_appendix_a_2_rs256_vector_verifies() {
    let verified = verify_compact(&Ring, RS256_TOKEN, &keys(&rsa_jwk()), &NO_TYP).unwrap();
    assert_eq!(verified.header().alg, SigningAlgorithm::Rs256);
    let claims: Map<String, Value> = verified.claims().unwrap();
    assert_eq!(claims["iss"], "joe");
    assert_eq!(claims["http://example.com/is_root"], true);
}

#[test]
fn rfc7515_appendix_a_2_rs256_vector_is_signed_alike() {
    let (input, signature) = RS256_TOKEN.rsplit_once('.').unwrap();
    let key = load(SigningAlgorithm::Rs256, RSA_PKCS8);
    assert_eq!(b64(key.sign(input.as_bytes()).unwrap().as_bytes()), signature);
    assert_eq!(key.public_key().material(), rsa_jwk().material());
}

#[test]
fn rfc7515_appendix_a_3_es256_vector_verifies() {
    let verified = verify_compact(&Ring, ES256_TOKEN, &keys(&jwk(ES256_JWK)), &NO_TYP).unwrap();
    assert_eq!(verified.registered().unwrap().issuer(), Some("joe"));
    let key = load(SigningAlgorithm::Es256, ES256_PKCS8);
    assert_eq!(key.public_key().material(), jwk(ES256_JWK).material());
}

#[test]
fn rfc7515_7_1_every_algorithm_signs_what_it_verifies() {
    let made = [SigningAlgorithm::Es256, SigningAlgorithm::Es384, SigningAlgorithm::EdDsa].map(fresh);
    let loaded = [SigningAlgorithm::Rs256, SigningAlgorithm::Ps256].map(|algorithm| load(algorithm, RSA_PKCS8));
    for key in made.into_iter().chain(loaded) {
        let token = sign(&key, "at+jwt", &json!({ "iss": "i", "sub": "s" }));
        let verified = verify_compact(&Ring, &token, &keys(key.public_key()), &Expect::typ("at+jwt")).unwrap();
        assert_eq!(Some(verified.header().alg), key.public_key().algorithm());
        assert_eq!(verified.header().kid.as_deref(), key.public_key().kid());
        let (input, _) = token.rsplit_once('.').unwrap();
        let changed = format!("{input}.{}", b64([0x11; 64]));
        let refused = verify_compact(&Ring, &changed, &keys(key.public_key()), &Expect::typ("at+jwt"));
        assert_eq!(refused.unwrap_err(), JwtError::Signature);
    }
}

#[test]
fn rfc7515_5_2_every_changed_character_is_refused() {
    let key = fresh(SigningAlgorithm::EdDsa);
    let token = sign(&key, "at+jwt", &json!({ "sub": "u" }));
    let keys = keys(key.public_key());
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(verify_compact(&Ring, &changed, &keys, &Expect::typ("at+jwt")).is_err(), "character {at}");
    }
}

#[test]
fn rfc7515_7_1_there_are_exactly_three_parts() {
    let token = ES256_TOKEN;
    let (input, _) = token.rsplit_once('.').unwrap();
    let shapes = ["", ".", "..", "a", input, &format!("{token}."), &format!("{token}.e30"), &format!(".{token}")];
    for bad in shapes {
        assert_eq!(Compact::parse(bad).unwrap_err(), JwtError::Malformed, "{bad}");
    }
    for cut in 0..token.len() {
        assert!(verify_compact(&Ring, &token[..cut], &keys(&jwk(ES256_JWK)), &NO_TYP).is_err(), "cut at {cut}");
    }
}

#[test]
fn rfc7515_2_base64url_is_canonical_and_without_padding() {
    let keys = keys(&jwk(ES256_JWK));
    let (input, signature) = ES256_TOKEN.rsplit_once('.').unwrap();
    let (header, payload) = input.split_once('.').unwrap();
    // `Q` at the end of the signature leaves four spare bits; `R` sets one of them and stands for the same bytes.
    let loose = format!("{input}.{}R", &signature[..signature.len() - 1]);
    let padded = [format!("{header}=.{payload}.{signature}"), format!("{header}.{payload}==.{signature}")];
    let spaced = [format!(" {ES256_TOKEN}"), format!("{ES256_TOKEN}\n"), format!("{header}. {payload}.{signature}")];
    let standard = [ES256_TOKEN.replace('-', "+"), format!("{ES256_TOKEN}==")];
    for bad in [loose].into_iter().chain(padded).chain(spaced).chain(standard) {
        assert_eq!(verify_compact(&Ring, &bad, &keys, &NO_TYP).unwrap_err(), JwtError::Malformed, "{bad}");
    }
}

#[test]
fn rfc7515_4_1_11_unknown_crit_is_refused() {
    let key = fresh(SigningAlgorithm::Es256);
    let keys = VerifyingKeys::from(countersign_tokens::VerifyingKey::new(key.public_key()).unwrap());
    for header in [
        r#"{"alg":"ES256","crit":["exp"],"exp":1}"#,
        r#"{"alg":"ES256","crit":[]}"#,
        r#"{"alg":"ES256","crit":null}"#,
        r#"{"alg":"ES256","crit":["b64"],"b64":false}"#,
        r#"{"alg":"ES256","b64":false}"#,
    ] {
        let token = forge(&key, header, "{}");
        assert_eq!(verify_compact(&Ring, &token, &keys, &NO_TYP).unwrap_err(), JwtError::Crit, "{header}");
    }
}

#[test]
fn rfc7515_4_header_names_are_unique() {
    let key = fresh(SigningAlgorithm::Es256);
    for header in [r#"{"alg":"ES256","alg":"ES256"}"#, r#"{"alg":"ES256","x":{"a":1,"a":2}}"#] {
        let token = forge(&key, header, "{}");
        assert_eq!(Compact::parse(&token).unwrap_err(), JwtError::Duplicate, "{header}");
    }
    for header in ["", "[]", "{}", r#"{"alg":1}"#, r#"{"alg":"ES256","kid":1}"#, r#"{"alg":"ES256","typ":null}"#] {
        let token = forge(&key, header, "{}");
        assert_eq!(Compact::parse(&token).unwrap_err(), JwtError::Malformed, "{header}");
    }
}

#[test]
fn promise_7_a_token_has_at_most_16_kib() {
    let key = fresh(SigningAlgorithm::EdDsa);
    let long = sign(&key, "at+jwt", &json!({ "x": "y".repeat(MAX_TOKEN) }));
    assert_eq!(Compact::parse(&long).unwrap_err(), JwtError::TooLong);
    let fits = sign(&key, "at+jwt", &json!({ "x": "y".repeat(11_000) }));
    assert!(verify_compact(&Ring, &fits, &keys(key.public_key()), &Expect::typ("at+jwt")).is_ok());
    // A signature longer than any algorithm's is refused before it is looked at.
    let (input, _) = ES256_TOKEN.rsplit_once('.').unwrap();
    let fat = format!("{input}.{}", b64([1; 2_000]));
    assert_eq!(verify_compact(&Ring, &fat, &keys_of_a_3(), &NO_TYP).unwrap_err(), JwtError::Malformed);
}

fn keys_of_a_3() -> VerifyingKeys {
    keys(&jwk(ES256_JWK))
}

/// A key service that answers in another form than JOSE's.
#[derive(Debug)]
struct Service(countersign_tokens::PublicJwk, Vec<u8>);

#[async_trait::async_trait]
impl Signer for Service {
    fn public_key(&self) -> &countersign_tokens::PublicJwk {
        &self.0
    }

    async fn sign(&self, _: &[u8]) -> Result<Signature, countersign_primitives::BoxError> {
        Ok(Signature::new(&self.1))
    }
}

#[test]
fn rfc7518_3_4_a_signer_that_answers_in_der_is_noticed() {
    let public = fresh(SigningAlgorithm::Es256).public_key().clone();
    for answer in [vec![], vec![0x30; 70], vec![1; 96]] {
        let signer = Service(public.clone(), answer);
        let signed = countersign_tokens::sign_compact(&signer, &Header::typ("x"), &json!({})).now_or_never().unwrap();
        assert!(matches!(signed, Err(SignError::SignatureLength)));
    }
    let unnamed = Service(jwk(ES256_JWK), vec![1; 64]);
    let signed = countersign_tokens::sign_compact(&unnamed, &Header::typ("x"), &json!({})).now_or_never().unwrap();
    assert!(matches!(signed, Err(SignError::NoAlgorithm)));
}

#[test]
fn rfc9449_4_2_a_proof_carries_its_key_and_proves_possession() {
    let key = fresh(SigningAlgorithm::Es256);
    let signer = LocalSigner::new(key.clone());
    let header = Header { jwk: Some(key.public_key()), ..Header::typ("dpop+jwt") };
    let claims = json!({ "jti": "1", "htm": "POST" });
    let proof = countersign_tokens::sign_compact(&signer, &header, &claims).now_or_never().unwrap().unwrap();
    let expect = Expect::typ("dpop+jwt");
    let (_, shown) = Compact::parse(&proof).unwrap().verify_embedded(&Ring, &expect).unwrap();
    assert_eq!(shown.thumbprint(&Ring), key.public_key().thumbprint(&Ring));
    // Signed by another key than the one it shows.
    let other = fresh(SigningAlgorithm::Es256);
    let shown = serde_json::to_string(key.public_key()).unwrap();
    let stolen = forge(&other, &format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{shown}}}"#), "{}");
    assert_eq!(Compact::parse(&stolen).unwrap().verify_embedded(&Ring, &expect).unwrap_err(), JwtError::Signature);
}

#[test]
fn rfc9449_4_3_a_missing_private_or_unfitting_embedded_key_is_refused() {
    let key = fresh(SigningAlgorithm::Es256);
    let with_d = ES256_JWK.replace("\"kty\"", "\"d\":\"AQ\",\"kty\"");
    for jwk in ["null", "{}", &with_d, ED25519_JWK, r#"{"kty":"oct","k":"AQ"}"#, r#""kid""#] {
        let token = forge(&key, &format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{jwk}}}"#), "{}");
        let refused = Compact::parse(&token).unwrap().verify_embedded(&Ring, &Expect::typ("dpop+jwt")).unwrap_err();
        assert_eq!(refused, JwtError::EmbeddedKey, "{jwk}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn promise_7_no_text_panics_the_reader(text in r"[A-Za-z0-9_.\-=]{0,200}|.{0,80}") {
        let _ = verify_compact(&Ring, &text, &keys_of_a_3(), &NO_TYP);
    }

    #[test]
    fn promise_7_no_header_or_claims_panic_the_reader(header in r#"\{"alg":"ES256".{0,60}|.{0,60}"#, claims in ".{0,60}") {
        let key = load(SigningAlgorithm::Es256, ES256_PKCS8);
        if let Ok(verified) = verify_compact(&Ring, &forge(&key, &header, &claims), &keys_of_a_3(), &NO_TYP) {
            let _ = verified.registered();
        }
    }
}
