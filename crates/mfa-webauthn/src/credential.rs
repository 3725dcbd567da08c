//! What is kept of a credential (WebAuthn 3 §4, "credential record").

use serde::{Deserialize, Serialize};

use crate::attestation::{AttestationFormat, AttestationKind};
use crate::cose::CoseKey;
use crate::encoding::base64url;
use crate::extensions::CredentialProtection;
use crate::options::{Attachment, Transport};
use crate::{Aaguid, Algorithm, CoseKeyError, CredentialId, UserHandle};

/// What a credential was registered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CredentialUse {
    /// Signs in by itself: discoverable, with user verification.
    Passkey,
    /// Stands beside a password.
    SecondFactor,
    /// A security key whose model was verified.
    SecurityKey,
    /// The device itself: its fingerprint reader, camera or PIN.
    Platform,
}

/// A credential record: public, serialisable, and all that a login needs.
///
/// Keep it under its id, created only if absent (§7.1 step 26), and replace it by what a login gives back: the counter is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    pub(crate) id: CredentialId,
    pub(crate) user: UserHandle,
    pub(crate) rp_id: String,
    #[serde(rename = "use")]
    pub(crate) used_as: CredentialUse,
    #[serde(with = "base64url")]
    pub(crate) public_key: Vec<u8>,
    pub(crate) algorithm: Algorithm,
    pub(crate) sign_count: u32,
    pub(crate) uv_initialized: bool,
    pub(crate) backup_eligible: bool,
    pub(crate) backed_up: bool,
    pub(crate) transports: Vec<Transport>,
    pub(crate) attachment: Option<Attachment>,
    pub(crate) aaguid: Aaguid,
    pub(crate) discoverable: Option<bool>,
    pub(crate) protection: Option<CredentialProtection>,
    pub(crate) attestation: AttestationSummary,
}

/// What was found out about a credential's authenticator as it was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AttestationSummary {
    /// How the statement was written.
    pub format: AttestationFormat,
    /// What stands behind it.
    pub kind: AttestationKind,
    /// Whether it led to an anchor that the trust policy names, and the policy took the model.
    pub trusted: bool,
}

impl Credential {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &CredentialId {
        &self.id
    }

    /// Whose it is.
    #[must_use]
    pub const fn user(&self) -> &UserHandle {
        &self.user
    }

    /// The RP ID that it is for.
    #[must_use]
    pub fn rp_id(&self) -> &str {
        &self.rp_id
    }

    /// What it was registered for.
    #[must_use]
    pub const fn used_as(&self) -> CredentialUse {
        self.used_as
    }

    /// The algorithm of its signatures.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its public key in COSE form (RFC 9052 §7).
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// The counter of the last login.
    #[must_use]
    pub const fn sign_count(&self) -> u32 {
        self.sign_count
    }

    /// Whether its owner has ever been verified with it.
    #[must_use]
    pub const fn uv_initialized(&self) -> bool {
        self.uv_initialized
    }

    /// Whether it may be copied to other devices: a synced passkey.
    #[must_use]
    pub const fn is_backup_eligible(&self) -> bool {
        self.backup_eligible
    }

    /// Whether a copy exists. While it is false, losing the device is losing the credential.
    #[must_use]
    pub const fn is_backed_up(&self) -> bool {
        self.backed_up
    }

    /// How it can be reached.
    #[must_use]
    pub fn transports(&self) -> &[Transport] {
        &self.transports
    }

    /// Where its authenticator was as it was registered.
    #[must_use]
    pub const fn attachment(&self) -> Option<Attachment> {
        self.attachment
    }

    /// The model of its authenticator; [`Aaguid::ZERO`] when that was not told. Unless
    /// [`AttestationSummary::trusted`], it is what the client says.
    #[must_use]
    pub const fn aaguid(&self) -> Aaguid {
        self.aaguid
    }

    /// Whether it is found without a user name; nothing if the client did not know.
    #[must_use]
    pub const fn is_discoverable(&self) -> Option<bool> {
        self.discoverable
    }

    /// When it may be used without its owner's PIN or biometrics, if the authenticator said.
    #[must_use]
    pub const fn protection(&self) -> Option<CredentialProtection> {
        self.protection
    }

    /// What was found out about its authenticator.
    #[must_use]
    pub const fn attestation(&self) -> AttestationSummary {
        self.attestation
    }

    /// The key, read anew. A record that was damaged is an error, never another key.
    pub(crate) fn key(&self) -> Result<CoseKey<'_>, CoseKeyError> {
        let key = CoseKey::read(&self.public_key)?;
        if key.algorithm == self.algorithm { Ok(key) } else { Err(CoseKeyError::Mismatch(self.algorithm)) }
    }
}
