//! Why a device's call was refused.

use countersign_primitives::RandomError;
use countersign_storage_traits::{CommitError, StoreError};
use countersign_tokens::JwtError;

/// Why a device's call was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// No device can be registered by this handle: it is none of ours, its time is over, or another device was first.
    #[error("the handle is unknown, spent or expired")]
    Handle,
    /// There is no such challenge for this device: it never was, its time is over, or it is another device's.
    #[error("there is no such challenge for this device")]
    Unknown,
    /// The challenge has been answered.
    #[error("the challenge has been answered")]
    Answered,
    /// The proof does not hold.
    #[error("the device's proof does not hold")]
    Proof(#[from] JwtError),
    /// A member of the proof is missing, too long, or not what it must be.
    #[error("{0} is missing or out of bounds")]
    Member(&'static str),
    /// The key is not of the one kind that is taken: ES256 on P-256.
    #[error("the key is no P-256 key for ES256")]
    Key,
    /// Others changed the same record again and again.
    #[error("others were first, again and again")]
    Contended,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The source of randomness failed.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl PushError {
    /// The stable id of the cause, for operators.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Handle => "push.handle",
            Self::Unknown => "push.unknown_challenge",
            Self::Answered => "push.answered",
            Self::Proof(_) => "push.proof",
            Self::Member(_) => "push.member",
            Self::Key => "push.key",
            Self::Contended => "push.contended",
            Self::Store(_) => "push.store_failed",
            Self::Random(_) => "push.random_failed",
        }
    }

    /// The code that the device is told.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Handle => "invalid_handle",
            Self::Unknown => "unknown_challenge",
            Self::Answered => "already_answered",
            Self::Proof(_) => "invalid_proof",
            Self::Member(_) | Self::Key => "invalid_request",
            Self::Contended | Self::Store(_) | Self::Random(_) => "temporarily_unavailable",
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Handle | Self::Unknown => 404,
            Self::Answered => 409,
            Self::Proof(_) => 401,
            Self::Member(_) | Self::Key => 400,
            Self::Contended | Self::Store(_) | Self::Random(_) => 503,
        }
    }
}

/// A conflict is for the caller to handle; what comes here is a failure.
impl From<CommitError> for PushError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Unknown(error) | CommitError::Refused(error) => Self::Store(error),
            _ => Self::Contended,
        }
    }
}
