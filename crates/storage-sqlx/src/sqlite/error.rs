//! What SQLite's errors mean to the contract.

use std::sync::Arc;

use countersign_storage_traits::StoreError;

/// An error that all callers of one transaction are told.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub(super) struct SharedError(pub(super) Arc<sqlx::Error>);

/// The writer has ended: its thread died with the process's shutdown.
#[derive(Debug, thiserror::Error)]
#[error("the store is closed")]
struct Closed;

pub(super) fn closed() -> StoreError {
    StoreError::unavailable(Closed)
}

pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    shared_error(&SharedError(Arc::new(error)))
}

pub(super) fn shared_error(error: &SharedError) -> StoreError {
    if is(&error.0, &[CORRUPT, NOTADB]) {
        StoreError::Schema(error.clone().into())
    } else {
        StoreError::unavailable(error.clone())
    }
}

/// Primary result codes (<https://www.sqlite.org/rescode.html>).
pub(super) const BUSY: i32 = 5;
pub(super) const CORRUPT: i32 = 11;
pub(super) const NOTADB: i32 = 26;

/// Whether the error is one of these primary result codes.
pub(super) fn is(error: &sqlx::Error, codes: &[i32]) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|extended| codes.contains(&(extended & 0xff)))
}
