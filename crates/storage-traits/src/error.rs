//! How a store fails.

use std::sync::Arc;

use countersign_primitives::{BoxError, RandomError};

use crate::{BatchError, Key};

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database cannot be reached, is locked, full or too slow. The same call may succeed later.
    #[error("the store is not available")]
    Unavailable(#[source] BoxError),
    /// A record cannot be read: damaged, of an unknown format, or moved from another key.
    #[error("the record of kind {} cannot be read: {reason}", key.kind.0)]
    Corrupt {
        /// Which record.
        key: Key,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The record was sealed under a master key that this store does not have.
    #[error("the record of kind {} is sealed under another master key", key.kind.0)]
    WrongKey {
        /// Which record.
        key: Key,
    },
    /// A cursor that this store did not make.
    #[error("the cursor is not one of this store's")]
    Cursor,
    /// The source of randomness failed, so nothing could be sealed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The database is not one of ours, or of a newer version.
    #[error("the database does not fit: {0}")]
    Schema(#[source] BoxError),
    /// The caller made a batch of a wrong shape.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A move into the store was begun and has not ended: it may lack anything.
    #[error("a move into this store was begun and has not ended: run it again to its end")]
    HalfMoved,
    /// Everything in the store was moved to another, or a move there was begun: what is written here would be lost.
    #[error(
        "this store was moved to {to}, or a move there was begun: serve from there. To go on with this one instead, empty the other and \
         lift the mark here (`Move::reopen`; the quickstart: `move --undo`)"
    )]
    MovedAway {
        /// What the other is called.
        to: Arc<str>,
    },
    /// The store does not offer [`Scan`](crate::Scan).
    #[error("this store cannot be walked from end to end")]
    NotScannable,
    /// A value could not be turned into a payload.
    #[error("a record could not be written out")]
    Encode(#[source] BoxError),
}

impl StoreError {
    /// An error of the database or of the way to it.
    pub fn unavailable(error: impl Into<BoxError>) -> Self {
        Self::Unavailable(error.into())
    }
}

/// Why a batch did not go through, or is not known to have.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// An expectation failed, first of all that of this key; nothing was written.
    #[error("another writer was first")]
    Conflict(Key),
    /// Whether it was written is not known. The same batch may be committed again: what is done already answers Ok.
    #[error("the outcome of the commit is not known")]
    Unknown(#[source] StoreError),
    /// Surely nothing was written.
    #[error("the commit was refused")]
    Refused(#[source] StoreError),
}

impl From<BatchError> for CommitError {
    fn from(error: BatchError) -> Self {
        Self::Refused(error.into())
    }
}
