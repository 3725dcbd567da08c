//! Why metadata was not renewed.

use countersign_mfa_webauthn::MetadataError;
use countersign_outbound::FetchError;
use countersign_primitives::PoolFull;
use countersign_storage_traits::{CommitError, StoreError};
use http::StatusCode;

/// Why the metadata of authenticators was not renewed. What was known before goes on being good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataUpdateError {
    /// No answer came.
    #[error("the metadata cannot be fetched")]
    Fetch(#[source] FetchError),
    /// The answer is neither the BLOB nor that it has not changed.
    #[error("the metadata's address answered {0}")]
    Status(StatusCode),
    /// The BLOB is refused.
    #[error("the metadata that came is refused")]
    Refused(#[source] MetadataError),
    /// The store does not hold all of what was kept: it is fetched anew.
    #[error("the metadata in the store is not whole")]
    Incomplete,
    /// The store cannot be used.
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
    /// It cannot be stored.
    #[error("the metadata cannot be stored")]
    Commit(#[from] CommitError),
    /// The work pool has no room.
    #[error(transparent)]
    Pool(#[from] PoolFull),
}

impl MetadataUpdateError {
    /// The stable id of the cause.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Fetch(_) => "metadata.fetch",
            Self::Status(_) => "metadata.status",
            Self::Refused(error) => error.id(),
            Self::Incomplete => "metadata.incomplete",
            Self::Store(_) | Self::Commit(_) => "metadata.store",
            Self::Pool(_) => "metadata.pool",
        }
    }
}
