//! Extensions: what is asked for, what comes back, and that nothing else comes (WebAuthn 3 §9, §10; CTAP 2.1 §12).

mod authenticator;
mod client;
mod inputs;
mod judge;

use serde::{Deserialize, Serialize};

use crate::refusal::refusals;

pub(crate) use client::ClientOutputs;
pub use inputs::LargeBlobSupport;
pub(crate) use inputs::{
    CreationInputs, Encoded, LargeBlobCreation, LargeBlobRequest, PrfInput, PrfValues, RequestInputs,
};
pub(crate) use judge::Judge;

refusals! {
    /// Why the results of extensions are refused.
    ExtensionError as "extension" {
        /// A result of an extension that was not asked for.
        Unsolicited = "unsolicited": "there is a result of an extension that was not asked for",
        /// A result of another form than its extension has.
        Malformed = "malformed": "the result of an extension does not have the form that the extension has",
        /// The protection that was demanded is not there (CTAP 2.1 §12.1).
        CredProtect = "cred_protect": "the credential does not have the protection that was demanded of it",
        /// The credential is not discoverable, although that was demanded.
        NotDiscoverable = "not_discoverable": "the credential is not discoverable, although it had to be",
    }
}

/// When a credential may be used without the owner's PIN or biometrics (CTAP 2.1 §12.1, `credProtect`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CredentialProtection {
    /// At any time.
    UserVerificationOptional,
    /// When its id is known; it is found without a user name only after verification.
    #[serde(rename = "userVerificationOptionalWithCredentialIDList")]
    UserVerificationOptionalWithCredentialIdList,
    /// Never.
    UserVerificationRequired,
}

impl CredentialProtection {
    const fn from_level(level: i64) -> Option<Self> {
        match level {
            1 => Some(Self::UserVerificationOptional),
            2 => Some(Self::UserVerificationOptionalWithCredentialIdList),
            3 => Some(Self::UserVerificationRequired),
            _ => None,
        }
    }
}

/// How the owner was verified: one to three methods of the FIDO registry (`uvm`), each with its key protection and matcher.
pub type UserVerificationMethod = [u32; 3];

/// What extensions gave back, of those that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ExtensionResults {
    /// Whether the credential is discoverable (`credProps.rk`); nothing if the client does not know.
    pub discoverable: Option<bool>,
    /// The protection that the authenticator gave the credential (`credProtect`).
    pub protection: Option<CredentialProtection>,
    /// Whether a blob can be kept beside the credential (`largeBlob.supported`).
    pub large_blob_supported: Option<bool>,
    /// The blob that was read (`largeBlob.blob`).
    pub large_blob: Option<Vec<u8>>,
    /// Whether the blob was written (`largeBlob.written`).
    pub large_blob_written: Option<bool>,
    /// Whether the credential has a pseudo-random function (`prf.enabled`).
    pub prf_enabled: Option<bool>,
    /// The least length of the authenticator's PIN (`minPinLength`).
    pub min_pin_length: Option<u32>,
    /// How the owner was verified (`uvm`).
    pub user_verification_methods: Vec<UserVerificationMethod>,
}
