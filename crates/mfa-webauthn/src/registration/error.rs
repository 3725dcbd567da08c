//! Why a registration is refused.

use crate::attestation::{AttestationError, TrustError};
use crate::authenticator_data::AuthenticatorDataError;
use crate::checks::CeremonyError;
use crate::client_data::ClientDataError;
use crate::extensions::ExtensionError;
use crate::{Algorithm, CborError};

/// Why a registration is refused: the first step of §7.1 that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// For a cause that authentication has too.
    #[error(transparent)]
    Ceremony(#[from] CeremonyError),
    /// The client data cannot be read.
    #[error(transparent)]
    ClientData(#[from] ClientDataError),
    /// The attestation object is no map of `fmt`, `authData` and `attStmt` in canonical CBOR.
    #[error("the attestation object: {0}")]
    AttestationObject(#[from] CborError),
    /// The authenticator data cannot be read.
    #[error(transparent)]
    AuthenticatorData(#[from] AuthenticatorDataError),
    /// There is no credential in the authenticator data.
    #[error("the authenticator data has no credential in it")]
    NoCredential,
    /// The answer names another credential than the authenticator.
    #[error("the answer's id is not the id of the credential in it")]
    IdMismatch,
    /// The key has an algorithm that was not offered.
    #[error("the credential is for {0}, which was not offered")]
    Algorithm(Algorithm),
    /// The attestation statement is refused.
    #[error(transparent)]
    Attestation(#[from] AttestationError),
    /// The attestation is sound but not trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// This ceremony demands an attestation: end it with `finish_attested_registration` and a trust policy.
    #[error("this registration must be ended with a trust policy")]
    PolicyMissing,
    /// The credential was excluded: the user has it already.
    #[error("the credential is registered already")]
    Excluded,
    /// The results of extensions are refused.
    #[error(transparent)]
    Extension(#[from] ExtensionError),
}

impl RegistrationError {
    /// The stable id of the cause.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Ceremony(error) => error.id(),
            Self::ClientData(error) => error.id(),
            Self::AttestationObject(error) => error.id(),
            Self::AuthenticatorData(error) => error.id(),
            Self::NoCredential => "registration.no_credential",
            Self::IdMismatch => "registration.id_mismatch",
            Self::Algorithm(_) => "registration.algorithm",
            Self::Attestation(error) => error.id(),
            Self::Trust(error) => error.id(),
            Self::PolicyMissing => "registration.policy_missing",
            Self::Excluded => "registration.excluded",
            Self::Extension(error) => error.id(),
        }
    }

    /// The step of §7.1 that does not hold; nothing for what is checked before the steps begin.
    #[must_use]
    pub const fn step(&self) -> Option<u8> {
        match self {
            Self::Ceremony(error) => match error {
                CeremonyError::Type => Some(7),
                CeremonyError::Challenge => Some(8),
                CeremonyError::Origin => Some(9),
                CeremonyError::CrossOrigin => Some(10),
                CeremonyError::TopOrigin => Some(11),
                CeremonyError::RpIdHash => Some(14),
                CeremonyError::UserPresence => Some(15),
                CeremonyError::UserVerification => Some(16),
                CeremonyError::BackupState => Some(17),
                _ => None,
            },
            Self::ClientData(ClientDataError::NotUtf8) => Some(5),
            Self::ClientData(_) => Some(6),
            Self::AuthenticatorData(AuthenticatorDataError::CredentialIdLength) => Some(25),
            Self::AttestationObject(_) | Self::AuthenticatorData(_) | Self::NoCredential => Some(13),
            Self::Algorithm(_) => Some(20),
            Self::Attestation(AttestationError::UnknownFormat) => Some(21),
            Self::Attestation(_) => Some(22),
            Self::Trust(_) => Some(24),
            Self::Excluded => Some(26),
            Self::Extension(_) => Some(28),
            Self::IdMismatch | Self::PolicyMissing => None,
        }
    }
}
