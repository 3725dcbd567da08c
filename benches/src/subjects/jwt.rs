//! A JWT issued and verified, beside one raw signature and one raw verification by the same library over the same bytes.

use std::hint::black_box;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::UnixTime;
use countersign::tokens::{
    AudienceRule, CryptoProvider as _, Expect, Header, LocalSigner, PublicJwk, Ring, Signer as _, SigningAlgorithm,
    VerifyingKey, VerifyingKeys, sign_compact, verify_compact,
};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use serde::Serialize;

use crate::host::{API, ISSUER, START, ready};
use crate::meter::{Subject, subject};

/// The claims of an access token of the usual size (RFC 9068 §2.2).
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
    iat: u64,
    jti: &'a str,
    client_id: &'a str,
    scope: &'a str,
    auth_time: u64,
    acr: &'a str,
    amr: [&'a str; 2],
}

const CLAIMS: Claims<'_> = Claims {
    iss: ISSUER,
    sub: "9f6c1c1e-6d0f-4b5c-9a63-2f6f6a1d8a55",
    aud: API,
    exp: START.as_secs() + 900,
    iat: START.as_secs(),
    jti: "pYz3yR0qk2mS1v6dJr8uQh5nXw4eTg7bLc9aKf0iMoE",
    client_id: "shop",
    scope: "openid orders:read payments:write",
    auth_time: START.as_secs() - 60,
    acr: "mfa",
    amr: ["pwd", "otp"],
};

pub(super) fn subjects() -> Vec<Box<dyn Subject>> {
    let pkcs8 = Ring.generate_key(SigningAlgorithm::Es256).unwrap();
    let raw = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.expose(), &SystemRandom::new()).unwrap();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, raw.public_key().as_ref().to_vec());
    let signer = LocalSigner::new(Ring.signing_key(SigningAlgorithm::Es256, &pkcs8).unwrap());
    let keys = verifying_keys(signer.public_key());
    let token = ready(sign_compact(&signer, &Header::typ("at+jwt"), &CLAIMS)).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (to_sign, to_verify) = (message.to_owned(), message.to_owned());
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let random = SystemRandom::new();
    vec![
        subject(
            "signature",
            || (),
            move |()| {
                black_box(raw.sign(&random, to_sign.as_bytes()).unwrap());
            },
        ),
        subject(
            "jwt-issue",
            || (),
            move |()| {
                black_box(ready(sign_compact(&signer, &Header::typ("at+jwt"), &CLAIMS)).unwrap());
            },
        ),
        subject("verification", || (), move |()| public.verify(to_verify.as_bytes(), &signature).unwrap()),
        subject("jwt-verify", || (), move |()| verify(&token, &keys)),
    ]
}

fn verifying_keys(public: &PublicJwk) -> VerifyingKeys {
    VerifyingKeys::from(VerifyingKey::new(public).unwrap())
}

/// Everything that a resource server checks of a token (RFC 9068 §4).
fn verify(token: &str, keys: &VerifyingKeys) {
    let now = UnixTime::from_secs(START.as_secs() + 1);
    let verified = verify_compact(&Ring, token, keys, &Expect::typ("at+jwt")).unwrap();
    let claims = verified.registered().unwrap();
    claims.check_issuer(ISSUER).unwrap();
    claims.check_audience(AudienceRule::Contains(API)).unwrap();
    claims.require_expiry(now, Duration::ZERO).unwrap();
    claims.check_not_before(now, Duration::ZERO).unwrap();
    claims.check_issued_at(now, Duration::ZERO).unwrap();
    black_box(claims.require_subject().unwrap());
    black_box(claims.require_jwt_id().unwrap());
}
