//! How a database is opened.

use std::path::PathBuf;
use std::time::Duration;

/// What may be chosen when a database is opened. Every value has a default that fits one server.
///
/// ```
/// use countersign_storage_sqlx::SqlOptions;
/// use std::time::Duration;
///
/// # #[cfg(all(feature = "sqlite", feature = "postgres"))] {
/// let file = SqlOptions::default().busy_timeout(Duration::from_secs(2)).readers(8);
/// let server = SqlOptions::default().connections(30).acquire_timeout(Duration::from_secs(2));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SqlOptions {
    #[cfg(feature = "sqlite")]
    pub(crate) busy_timeout: Duration,
    #[cfg(feature = "sqlite")]
    pub(crate) readers: usize,
    #[cfg(feature = "sqlite")]
    pub(crate) max_size: Option<u64>,
    #[cfg(feature = "sqlite")]
    pub(crate) group: usize,
    #[cfg(feature = "postgres")]
    pub(crate) connections: usize,
    #[cfg(feature = "postgres")]
    pub(crate) acquire_timeout: Duration,
    #[cfg(feature = "postgres")]
    pub(crate) call_timeout: Duration,
    #[cfg(feature = "postgres")]
    pub(crate) pooler: bool,
    #[cfg(feature = "postgres")]
    pub(crate) migrate: bool,
    #[cfg(feature = "postgres")]
    pub(crate) transactions: bool,
}

impl Default for SqlOptions {
    fn default() -> Self {
        Self {
            #[cfg(feature = "sqlite")]
            busy_timeout: Duration::from_secs(5),
            #[cfg(feature = "sqlite")]
            readers: 4,
            #[cfg(feature = "sqlite")]
            max_size: None,
            #[cfg(feature = "sqlite")]
            group: 64,
            #[cfg(feature = "postgres")]
            connections: 10,
            #[cfg(feature = "postgres")]
            acquire_timeout: Duration::from_secs(5),
            #[cfg(feature = "postgres")]
            call_timeout: Duration::from_secs(10),
            #[cfg(feature = "postgres")]
            pooler: false,
            #[cfg(feature = "postgres")]
            migrate: true,
            #[cfg(feature = "postgres")]
            transactions: false,
        }
    }
}

/// For SQLite.
#[cfg(feature = "sqlite")]
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

/// For PostgreSQL.
#[cfg(feature = "postgres")]
impl SqlOptions {
    /// How many connections the store opens at most (at least one). Default: 10. All nodes together must stay below the server's
    /// `max_connections`.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// How long a call waits for a free connection, or for a new one. Default: 5 s, after which clients would have given up.
    #[must_use]
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// How long a call may take once it has a connection, repetitions included. Default: 10 s.
    #[must_use]
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// Whether a pooler such as PgBouncer, which hands each transaction another connection, stands before the server. Then no
    /// statement is prepared and nothing is set on a connection; each call still is one round trip. Default: no. In a URL:
    /// `?pooler=true`, which goes before this.
    #[must_use]
    pub fn pooler(mut self, pooler: bool) -> Self {
        self.pooler = pooler;
        self
    }

    /// Whether tables and functions are made, and brought forward, when the store is opened. Default: yes. Without it they are
    /// the host's to make ([`POSTGRES_MIGRATIONS`](crate::POSTGRES_MIGRATIONS)), and a schema that is too old is an error.
    #[must_use]
    pub fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// Whether a batch is written by a serialisable transaction of several statements, as it always is on CockroachDB and
    /// YugabyteDB. Default: no. For other databases that speak PostgreSQL's protocol and have no PL/pgSQL or no advisory locks.
    #[must_use]
    pub fn transactions(mut self, transactions: bool) -> Self {
        self.transactions = transactions;
        self
    }
}

/// Why a database was not opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL names no database that this crate can open.
    #[error(
        "a store's URL is `sqlite:FILE` or `sqlite::memory:` without parameters, or `postgres://USER:PASSWORD@HOST/DATABASE` \
         with libpq's, and `pooler=true` behind PgBouncer"
    )]
    Url,
    /// The URL names a database that this program was built without.
    #[error("this program was built without feature `{feature}` of countersign-storage-sqlx: add it")]
    Feature {
        /// The feature that is needed.
        feature: &'static str,
    },
    /// A database server did not let the store in, or cannot serve it.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Server(#[from] crate::ServerError),
    /// The file is no SQLite database.
    #[error("{} is not a SQLite database: name another file, or restore this one from a backup", path.display())]
    NotADatabase {
        /// Which file.
        path: PathBuf,
    },
    /// The file is damaged. Nothing in it was changed, nor in the log beside it.
    #[error(
        "{0} is damaged, and was left as it is: put a backup in its place, without the files -wal and -shm beside it. A backup is \
         made while servers run by: sqlite3 {0} \".backup COPY\"",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        #[source]
        source: countersign_primitives::BoxError,
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
    #[error(
        "{} cannot be opened: see that its folder exists, that this, the file and those beside it (-wal, -shm) may be written to, and that no \
         other process locks it",
        path.display()
    )]
    Unavailable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: countersign_primitives::BoxError,
    },
}
