//! What SQLite's errors mean to the contract.

use std::path::PathBuf;
use std::sync::Arc;

use countersign_storage_traits::StoreError;

use super::open::Place;

/// An error that all callers of one transaction are told.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub(super) struct SharedError(pub(super) Arc<sqlx::Error>);

/// The store was closed, or the writer's thread died with the process's shutdown.
#[derive(Debug, thiserror::Error)]
#[error("the store is closed")]
struct Closed;

pub(super) fn closed() -> StoreError {
    StoreError::unavailable(Closed)
}

/// The file was found to be damaged while it was in use.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} is damaged: stop every server on it, and put a backup in its place, without the files -wal and -shm beside it",
    path.display()
)]
struct Damaged {
    path: PathBuf,
    source: SharedError,
}

pub(super) fn store_error(place: &Place, error: sqlx::Error) -> StoreError {
    shared_error(place, &SharedError(Arc::new(error)))
}

pub(super) fn shared_error(place: &Place, error: &SharedError) -> StoreError {
    if is(&error.0, &[CORRUPT, NOTADB]) {
        StoreError::Schema(Damaged { path: place.name(), source: error.clone() }.into())
    } else {
        StoreError::unavailable(error.clone())
    }
}

/// What SQLite found when it looked through the file, in its words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Finding(pub(super) String);

/// There is a log to a file without content.
#[derive(Debug, thiserror::Error)]
#[error("the file is empty, and its log -wal is not")]
pub(super) struct Emptied;

/// Others read the database just then, and the log could not be moved into the file.
#[derive(Debug, thiserror::Error)]
#[error("another process reads {}: copy the file -wal along with it, until that process has ended and the database was opened and closed again", path.display())]
pub(super) struct StillRead {
    pub(super) path: PathBuf,
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
