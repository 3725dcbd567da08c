//! How a database is opened.

use std::path::PathBuf;
use std::time::Duration;

/// What may be chosen when a database is opened. Every value has a default that fits one server on one machine.
///
/// ```
/// use countersign_storage_sqlx::SqlOptions;
/// use std::time::Duration;
///
/// let options = SqlOptions::default().busy_timeout(Duration::from_secs(2)).readers(8);
/// ```
#[derive(Debug, Clone)]
pub struct SqlOptions {
    pub(crate) busy_timeout: Duration,
    pub(crate) readers: usize,
    pub(crate) max_size: Option<u64>,
    pub(crate) group: usize,
}

impl Default for SqlOptions {
    fn default() -> Self {
        Self { busy_timeout: Duration::from_secs(5), readers: 4, max_size: None, group: 64 }
    }
}

impl SqlOptions {
    /// How long a call waits for another process that writes. Default: 5 s, after which clients would have given up.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How many reads run side by side (at least one). Default: 4.
    #[must_use]
    pub fn readers(mut self, readers: usize) -> Self {
        self.readers = readers.max(1);
        self
    }

    /// How large the database may grow, in bytes; writes beyond fail as on a full disk. Default: as large as the disk allows.
    #[must_use]
    pub fn max_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
        self
    }

    /// How many waiting batches one transaction takes at most (at least one). Default: 64.
    #[must_use]
    pub fn group(mut self, batches: usize) -> Self {
        self.group = batches.max(1);
        self
    }
}

/// Why a database was not opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL names no database that this crate can open.
    #[error("a store's URL is `sqlite:FILE` or `sqlite::memory:`, without parameters")]
    Url,
    /// The file is no SQLite database.
    #[error("{} is not a SQLite database: name another file, or restore this one from a backup", path.display())]
    NotADatabase {
        /// Which file.
        path: PathBuf,
    },
    /// The file is another program's database.
    #[error("{} is another program's database: name a file of its own for this store", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// The file was written by a newer version of this crate.
    #[error("{} has schema {found}, and this version knows {known}: run the newer version", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The schema's number in the file.
        found: i32,
        /// The newest number that this version knows.
        known: i32,
    },
    /// The file cannot be opened, read or written.
    #[error("{} cannot be opened: see that its folder exists and may be written to, and that no other process locks it", path.display())]
    Unavailable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: countersign_primitives::BoxError,
    },
}
