//! Attestation: what an authenticator says of itself, and what stands behind it (WebAuthn 3 §6.5, §8).

mod anchors;
mod android_key;
mod android_safetynet;
mod apple;
mod certificate;
mod fido_u2f;
mod format;
mod object;
mod packed;
mod path;
#[cfg(feature = "testkit")]
pub(crate) mod readers;
mod revocation;
mod tpm;
mod tpm_structures;
mod trust;

pub(crate) use anchors::Anchors;
pub(crate) use certificate::Certificate;
pub use certificate::CertificateError;
pub use format::{AttestationError, AttestationFormat, AttestationKind};
pub(crate) use object::AttestationObject;
pub use trust::{TrustError, TrustPolicy};

use crate::AttestationSummary;

/// An attestation that was verified: its signature is right. Whether it is worth anything is [`Attestation::is_trusted`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    format: AttestationFormat,
    kind: AttestationKind,
    trusted: bool,
    serial_number: Option<Vec<u8>>,
}

impl Attestation {
    /// How the statement is written.
    #[must_use]
    pub const fn format(&self) -> AttestationFormat {
        self.format
    }

    /// What stands behind it.
    #[must_use]
    pub const fn kind(&self) -> AttestationKind {
        self.kind
    }

    /// Whether it leads to an anchor that the trust policy names, and the policy took the model. Never without a policy.
    #[must_use]
    pub const fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// The number of this very device (§8.2.2), in an enterprise attestation.
    #[must_use]
    pub fn serial_number(&self) -> Option<&[u8]> {
        self.serial_number.as_deref()
    }

    pub(crate) const fn summary(&self) -> AttestationSummary {
        AttestationSummary { format: self.format, kind: self.kind, trusted: self.trusted }
    }
}
