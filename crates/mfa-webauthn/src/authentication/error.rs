//! Why an authentication is refused.

use crate::authenticator_data::AuthenticatorDataError;
use crate::checks::CeremonyError;
use crate::client_data::ClientDataError;
use crate::cose::SignatureError;
use crate::extensions::ExtensionError;
use crate::{CoseKeyError, Counter};

/// Why an authentication is refused: the first step of §7.2 that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticationError {
    /// For a cause that registration has too.
    #[error(transparent)]
    Ceremony(#[from] CeremonyError),
    /// The credential is not one of those that were allowed.
    #[error("the credential is not one of those that were allowed")]
    NotAllowed,
    /// The user has no such credential.
    #[error("the user has no such credential")]
    UnknownCredential,
    /// The authenticator names another user than the credential's owner.
    #[error("the authenticator names another user than the credential's owner")]
    OtherUser,
    /// Nobody was named before, and the authenticator names nobody.
    #[error("the authenticator does not tell whose credential it is")]
    NoUserHandle,
    /// The client data cannot be read.
    #[error(transparent)]
    ClientData(#[from] ClientDataError),
    /// The authenticator data cannot be read.
    #[error(transparent)]
    AuthenticatorData(#[from] AuthenticatorDataError),
    /// There is a credential in the authenticator data, as only registrations have it (§6.1).
    #[error("the authenticator data has a credential in it, as only registrations have")]
    UnexpectedCredential,
    /// The credential could be backed up before, or could not, and a login must not change that.
    #[error("whether the credential can be backed up has changed since it was registered")]
    BackupEligibility,
    /// The key in the credential's record cannot be read.
    #[error("the credential's record is damaged: {0}")]
    StoredKey(#[source] CoseKeyError),
    /// The signature is not the credential's.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The signature counter did not rise, and the relying party refuses that.
    #[error("the signature counter did not rise: the key may have been copied")]
    CloneSuspected(Counter),
    /// The results of extensions are refused.
    #[error(transparent)]
    Extension(#[from] ExtensionError),
}

impl AuthenticationError {
    /// The stable id of the cause.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Ceremony(error) => error.id(),
            Self::NotAllowed => "authentication.not_allowed",
            Self::UnknownCredential => "authentication.unknown_credential",
            Self::OtherUser => "authentication.other_user",
            Self::NoUserHandle => "authentication.no_user_handle",
            Self::ClientData(error) => error.id(),
            Self::AuthenticatorData(error) => error.id(),
            Self::UnexpectedCredential => "authentication.unexpected_credential",
            Self::BackupEligibility => "authentication.backup_eligibility",
            Self::StoredKey(_) => "authentication.stored_key",
            Self::Signature(error) => error.id(),
            Self::CloneSuspected(_) => "authentication.clone_suspected",
            Self::Extension(error) => error.id(),
        }
    }

    /// The step of §7.2 that does not hold; nothing for what is checked before the steps begin.
    #[must_use]
    pub const fn step(&self) -> Option<u8> {
        match self {
            Self::Ceremony(error) => match error {
                CeremonyError::Type => Some(10),
                CeremonyError::Challenge => Some(11),
                CeremonyError::Origin => Some(12),
                CeremonyError::CrossOrigin => Some(13),
                CeremonyError::TopOrigin => Some(14),
                CeremonyError::RpIdHash => Some(15),
                CeremonyError::UserPresence => Some(16),
                CeremonyError::UserVerification => Some(17),
                CeremonyError::BackupState => Some(18),
                _ => None,
            },
            Self::NotAllowed => Some(5),
            Self::UnknownCredential | Self::OtherUser | Self::NoUserHandle => Some(6),
            Self::AuthenticatorData(_) | Self::UnexpectedCredential => Some(7),
            Self::ClientData(ClientDataError::NotUtf8) => Some(8),
            Self::ClientData(_) => Some(9),
            Self::BackupEligibility => Some(19),
            Self::StoredKey(_) | Self::Signature(_) => Some(21),
            Self::CloneSuspected(_) => Some(22),
            Self::Extension(_) => Some(23),
        }
    }
}
