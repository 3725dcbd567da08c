//! Formats, kinds, and why a statement is refused.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::CborError;
use crate::cose::SignatureError;

use super::certificate::CertificateError;

/// How an attestation statement is written (WebAuthn 3 §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AttestationFormat {
    /// There is none (§8.7).
    None,
    /// What FIDO2 authenticators write (§8.2).
    Packed,
    /// A Trusted Platform Module: Windows Hello (§8.3).
    Tpm,
    /// Android's key store (§8.4).
    AndroidKey,
    /// Android's SafetyNet, which is deprecated (§8.5). Only where a policy allows it.
    #[serde(rename = "android-safetynet")]
    AndroidSafetyNet,
    /// U2F keys (§8.6).
    FidoU2f,
    /// Apple's anonymous attestation (§8.8).
    Apple,
    /// Several at once (§8.9).
    Compound,
}

impl AttestationFormat {
    const ALL: [Self; 8] = [
        Self::None,
        Self::Packed,
        Self::Tpm,
        Self::AndroidKey,
        Self::AndroidSafetyNet,
        Self::FidoU2f,
        Self::Apple,
        Self::Compound,
    ];

    /// Its name in the IANA registry.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Packed => "packed",
            Self::Tpm => "tpm",
            Self::AndroidKey => "android-key",
            Self::AndroidSafetyNet => "android-safetynet",
            Self::FidoU2f => "fido-u2f",
            Self::Apple => "apple",
            Self::Compound => "compound",
        }
    }

    /// The format of this name, letter by letter (§7.1 step 21).
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }
}

impl fmt::Display for AttestationFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What stands behind an attestation (WebAuthn 3 §6.5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AttestationKind {
    /// Nothing.
    None,
    /// The credential's own key: whoever made it signed for it.
    #[serde(rename = "self")]
    SelfAttestation,
    /// A key that many authenticators of the model share, or one that a certification authority knows; the statement does not
    /// tell which.
    BasicOrAttCa,
    /// A key that many authenticators of the model share.
    Basic,
    /// A key of this authenticator, which a certification authority knows.
    AttCa,
    /// A certificate for this credential alone, from an authority that hides the device.
    AnonCa,
}

/// Why an attestation statement is refused (§7.1 steps 21 and 22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestationError {
    /// A format that is not known, or not switched on.
    #[error("the attestation has a format that is not known here or not switched on")]
    UnknownFormat,
    /// Not the canonical CBOR that its format describes.
    #[error("the attestation statement: {0}")]
    Cbor(#[from] CborError),
    /// A member that the format has is missing, or there is one that it does not have.
    #[error("the attestation statement does not have the members of its format")]
    Members,
    /// An algorithm that is not known, or not allowed here.
    #[error("the attestation statement's algorithm is not known or not allowed")]
    Algorithm,
    /// The signature is not right.
    #[error("the attestation's {0}")]
    Signature(#[from] SignatureError),
    /// A certificate cannot be read or does not meet what the format asks of it.
    #[error("the attestation certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The certificate is for another model of authenticator (`id-fido-gen-ce-aaguid`).
    #[error("the attestation certificate is for another model of authenticator")]
    Aaguid,
    /// The certificate tells this very device, which was not asked for (`id-fido-gen-ce-sernum`).
    #[error("the attestation certificate tells the device's serial number, which was not asked for")]
    SerialNumber,
    /// The statement is about another key than the credential's.
    #[error("the attestation is for another key than the credential's")]
    OtherKey,
    /// The statement is about another ceremony.
    #[error("the attestation is for another ceremony")]
    OtherCeremony,
    /// A structure of the TPM cannot be read.
    #[error("the TPM's structures cannot be read, or have trailing bytes")]
    TpmMalformed,
    /// What the TPM signed is not a certification of the key.
    #[error("what the TPM signed is not a certification of the credential's key")]
    TpmCertify,
    /// The key description of Android's key store cannot be read.
    #[error("the Android key description cannot be read")]
    AndroidMalformed,
    /// The key may be used by all applications, was imported, or is not for signing.
    #[error("the Android key is not one that was generated in the key store for signing by one application")]
    AndroidAuthorization,
    /// The answer of SafetyNet is not sound.
    #[error("the SafetyNet answer is malformed, too old, or not for a sound device")]
    SafetyNet,
    /// A compound statement with fewer than two parts, with one in another, or with a format twice.
    #[error("a compound attestation has at least two parts, of different formats, none of them compound")]
    Compound,
}

impl AttestationError {
    /// The stable id of the cause.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::UnknownFormat => "attestation.unknown_format",
            Self::Cbor(error) => error.id(),
            Self::Members => "attestation.members",
            Self::Algorithm => "attestation.algorithm",
            Self::Signature(_) => "attestation.signature",
            Self::Certificate(error) => error.id(),
            Self::Aaguid => "attestation.aaguid",
            Self::SerialNumber => "attestation.serial_number",
            Self::OtherKey => "attestation.other_key",
            Self::OtherCeremony => "attestation.other_ceremony",
            Self::TpmMalformed => "attestation.tpm_malformed",
            Self::TpmCertify => "attestation.tpm_certify",
            Self::AndroidMalformed => "attestation.android_malformed",
            Self::AndroidAuthorization => "attestation.android_authorization",
            Self::SafetyNet => "attestation.safetynet",
            Self::Compound => "attestation.compound",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webauthn_7_1_step_21_format_names_are_matched_letter_by_letter() {
        for format in AttestationFormat::ALL {
            assert_eq!(AttestationFormat::from_name(format.as_str()), Some(format));
            assert_eq!(serde_json::to_value(format).unwrap(), format.as_str());
        }
        for unknown in ["", "Packed", "packed ", "none\0", "packed2"] {
            assert_eq!(AttestationFormat::from_name(unknown), None);
        }
    }
}
