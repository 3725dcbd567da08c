//! Android's SafetyNet (WebAuthn 3 §8.5), which is deprecated: refused unless a policy allows it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_primitives::UnixTime;
use serde::Deserialize;

use super::object::{Evidence, Statement, members};
use super::{AttestationError, AttestationFormat, AttestationKind};
use crate::cbor::Map;
use crate::cose::sha256;
use crate::jws::SignedByCertificate;

/// How old an answer may be, and how far ahead its clock, in milliseconds.
const MAX_AGE: u64 = 60_000;
const MAX_AHEAD: u64 = 30_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    nonce: String,
    timestamp_ms: u64,
    cts_profile_match: bool,
}

pub(super) fn verify<'a>(map: Map<'a>, evidence: &Evidence<'_>) -> Result<Statement<'a>, AttestationError> {
    if !evidence.policy.is_some_and(super::TrustPolicy::accepts_android_safetynet) {
        return Err(AttestationError::UnknownFormat);
    }
    let [ver, response] = members(map, ["ver", "response"])?;
    let (version, response) = (ver.text()?, response.bytes()?);
    let answer = SignedByCertificate::read(response).ok_or(AttestationError::SafetyNet)?;
    let payload: Payload = serde_json::from_slice(&answer.payload).map_err(|_| AttestationError::SafetyNet)?;
    if payload.nonce != STANDARD.encode(sha256(&[&evidence.signed])) {
        return Err(AttestationError::OtherCeremony);
    }
    let fresh = is_fresh(UnixTime::from_millis(payload.timestamp_ms), evidence.now);
    let by_google = answer.is_signed_for("attest.android.com");
    if version.is_empty() || !payload.cts_profile_match || !fresh || !by_google {
        return Err(AttestationError::SafetyNet);
    }
    Ok(Statement::owned(AttestationFormat::AndroidSafetyNet, AttestationKind::Basic, answer.chain))
}

fn is_fresh(told: UnixTime, now: UnixTime) -> bool {
    let (told, now) = (told.as_millis(), now.as_millis());
    told <= now.saturating_add(MAX_AHEAD) && now <= told.saturating_add(MAX_AGE)
}
