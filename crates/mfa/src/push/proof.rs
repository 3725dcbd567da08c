//! What devices sign: a compact JWS of an explicit type for each purpose, ES256, for this issuer alone.

use countersign_primitives::Id;
use countersign_tokens::{
    AudienceRule, Compact, Expect, JwkSet, PublicJwk, Ring, SigningAlgorithm, Verified, VerifyingKeys,
};
use serde::Deserialize;

use super::records::Device;
use super::{PushDevices, PushError};

/// What a device signs to register.
pub(super) const ENROL: &str = "countersign-push-enrol+jwt";
/// What a device signs to be told what a challenge is about.
pub(super) const READ: &str = "countersign-push-read+jwt";
/// What a device signs when its user has decided.
pub(super) const ANSWER: &str = "countersign-push-answer+jwt";

const ALGORITHMS: &[SigningAlgorithm] = &[SigningAlgorithm::Es256];

/// The claims of a registration beside `aud`.
#[derive(Deserialize)]
pub(super) struct EnrolClaims {
    pub(super) handle: String,
    pub(super) address: String,
    #[serde(default)]
    pub(super) name: Option<String>,
}

/// The claims of a question what a challenge is about, beside `aud`.
#[derive(Deserialize)]
pub(super) struct ReadClaims {
    pub(super) challenge: String,
}

/// The claims of an answer beside `aud`.
#[derive(Deserialize)]
pub(super) struct AnswerClaims {
    pub(super) challenge: String,
    /// The client as the device showed it.
    pub(super) client: String,
    pub(super) decision: Decision,
    /// The number that the user typed; needed to approve.
    #[serde(default)]
    pub(super) number: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Decision {
    Approve,
    Deny,
}

fn bounded(proof: &str) -> Result<Compact<'_>, PushError> {
    if proof.len() > PushDevices::MAX_PROOF {
        return Err(PushError::Member("proof"));
    }
    Ok(Compact::parse(proof)?)
}

fn for_realm(verified: Verified, realm: &str) -> Result<Verified, PushError> {
    verified.registered()?.check_audience(AudienceRule::ExactlyOne(realm))?;
    Ok(verified)
}

/// A registration, and the key that it was signed with and that it carries.
pub(super) fn enrolment(proof: &str, realm: &str) -> Result<(EnrolClaims, PublicJwk), PushError> {
    let expect = Expect::typ(ENROL).algorithms(ALGORITHMS);
    let (verified, jwk) = bounded(proof)?.verify_embedded(&Ring, &expect)?;
    let claims = for_realm(verified, realm)?.claims()?;
    // Only the numbers are kept: whatever else the device wrote into its key is left out.
    let material = jwk.material().cloned().ok_or(PushError::Key)?;
    let jwk = PublicJwk::for_signatures(&Ring, SigningAlgorithm::Es256, material).ok_or(PushError::Key)?;
    Ok((claims, jwk))
}

/// The claims of what a registered device signed.
pub(super) fn by_device<T: for<'de> Deserialize<'de>>(
    proof: &str,
    typ: &str,
    device: &Device,
    realm: &str,
) -> Result<T, PushError> {
    let compact = bounded(proof)?;
    // The key is found by what the challenge says, so a name in the header must be its own or none.
    let keys = VerifyingKeys::for_algorithm(&JwkSet { keys: vec![device.jwk.clone()] }, SigningAlgorithm::Es256);
    let verified = compact.verify(&Ring, &keys, &Expect::typ(typ).algorithms(ALGORITHMS))?;
    Ok(for_realm(verified, realm)?.claims()?)
}

/// Whether a claim names this challenge.
pub(super) fn names(claim: &str, challenge: Id) -> bool {
    claim.parse() == Ok(challenge)
}
