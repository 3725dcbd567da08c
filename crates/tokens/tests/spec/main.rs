//! The specifications of JOSE, and what handles, refresh tokens and key rings promise.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod handles;
mod key_ring;
mod oidc_core;
mod provider;
mod refresh_tokens;
mod rfc7515;
mod rfc7517;
mod rfc7519;
mod rfc8725;
mod vectors;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_primitives::{Id, Random, SecretBytes, SystemRandom};
use countersign_tokens::{
    CryptoProvider, Header, JwtError, KeyPair, LocalSigner, PublicJwk, Ring, SigningAlgorithm, VerifyingKey,
    VerifyingKeys, sign_compact,
};
use futures_util::FutureExt as _;
use serde_json::Value;
use std::sync::Arc;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn unb64(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn load(algorithm: SigningAlgorithm, pkcs8: &str) -> Arc<dyn KeyPair> {
    Ring.signing_key(algorithm, &SecretBytes::from(unb64(pkcs8))).unwrap()
}

fn fresh(algorithm: SigningAlgorithm) -> Arc<dyn KeyPair> {
    Ring.signing_key(algorithm, &Ring.generate_key(algorithm).unwrap()).unwrap()
}

fn jwk(json: &str) -> PublicJwk {
    serde_json::from_str(json).unwrap()
}

fn keys(jwk: &PublicJwk) -> VerifyingKeys {
    VerifyingKey::new(jwk).unwrap().into()
}

fn sign(key: &Arc<dyn KeyPair>, typ: &str, claims: &Value) -> String {
    let signer = LocalSigner::new(Arc::clone(key));
    sign_compact(&signer, &Header::typ(typ), claims).now_or_never().unwrap().unwrap()
}

/// A token with this header and these claims, to the letter, and a true signature.
fn forge(key: &Arc<dyn KeyPair>, header: &str, claims: &str) -> String {
    let input = format!("{}.{}", b64(header), b64(claims));
    let signature = key.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", b64(signature.as_bytes()))
}

fn id() -> Id {
    let mut bytes = [0; 16];
    SystemRandom.fill(&mut bytes).unwrap();
    Id::from_bytes(bytes)
}

#[test]
fn every_cause_has_an_id_of_its_own() {
    let causes = [
        JwtError::TooLong,
        JwtError::Malformed,
        JwtError::Duplicate,
        JwtError::Crit,
        JwtError::Type,
        JwtError::Algorithm,
        JwtError::UnknownKey,
        JwtError::EmbeddedKey,
        JwtError::Signature,
        JwtError::ClaimType,
        JwtError::Missing("exp"),
        JwtError::Expired,
        JwtError::NotYetValid,
        JwtError::Issuer,
        JwtError::Audience,
    ];
    let ids: std::collections::BTreeSet<_> = causes.iter().map(|cause| cause.id()).collect();
    assert_eq!(ids.len(), causes.len());
}
