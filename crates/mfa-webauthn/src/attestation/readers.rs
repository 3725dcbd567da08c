//! The readers behind the formats, by themselves: for fuzzing.

use countersign_primitives::UnixTime;

use super::android_key::KeyDescription;
use super::object::AttestationObject;
use super::tpm_structures::{Attest, Public};
use super::{TrustPolicy, apple};
use crate::authenticator_data::AuthenticatorData;

/// An attestation object, judged as if the client data were right.
pub(crate) fn object(bytes: &[u8], policy: &TrustPolicy) {
    let Ok(object) = AttestationObject::read(bytes) else { return };
    let Ok(data) = AuthenticatorData::read(object.auth_data) else { return };
    if let Some(attested) = data.attested {
        let _ = object.verify(&data, &attested, &[0; 32], Some(policy), UnixTime::from_secs(1_750_000_000));
    }
}

pub(crate) fn tpm(bytes: &[u8]) {
    let _ = (Public::read(bytes), Attest::read(bytes));
}

pub(crate) fn android_key(bytes: &[u8]) {
    let _ = KeyDescription::read(bytes).map(|description| description.is_authorized(true));
}

pub(crate) fn apple_nonce(bytes: &[u8]) {
    let _ = apple::certified_nonce(bytes);
}
