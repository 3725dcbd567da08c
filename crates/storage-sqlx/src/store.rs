//! The store, whichever database it lies in.

use async_trait::async_trait;
use countersign_primitives::UnixTime;
use countersign_storage_traits::{
    Batch, Capabilities, Charge, Charged, CommitError, Cursor, Health, Index, Item, Key, Page, Part, Record, Scan,
    ScanPage, Store, StoreError, Swept,
};

#[cfg(feature = "postgres")]
use crate::postgres;
#[cfg(feature = "sqlite")]
use crate::sqlite;
use crate::{OpenError, SqlOptions};

/// A store in an SQL database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct SqlStore {
    database: Database,
}

/// One variant a dialect.
#[derive(Debug, Clone)]
enum Database {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlite::Sqlite),
    #[cfg(feature = "postgres")]
    Postgres(postgres::Postgres),
}

/// Asks the dialect that the store has.
macro_rules! ask {
    ($store:expr, $database:ident => $question:expr) => {
        match &$store.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite($database) => $question,
            #[cfg(feature = "postgres")]
            Database::Postgres($database) => $question,
        }
    };
}

impl SqlStore {
    /// Opens a database.
    ///
    /// - `sqlite:FILE` is made when there is none; `sqlite::memory:` is gone with the last clone of the store.
    /// - `postgres://USER:PASSWORD@HOST:PORT/DATABASE` must be there; its tables are made. Parameters are libpq's:
    ///   `sslmode=verify-full&sslrootcert=FILE` for TLS, `options[search_path]=SCHEMA` for another schema.
    ///
    /// # Errors
    /// [`OpenError`] names the file or the server, and the cure. It never shows a password.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_with(url, SqlOptions::default()).await
    }

    /// Opens a database with options of one's own.
    ///
    /// # Errors
    /// As [`SqlStore::open`].
    pub async fn open_with(url: &str, options: SqlOptions) -> Result<Self, OpenError> {
        let database = match url.split_once(':') {
            #[cfg(feature = "sqlite")]
            Some(("sqlite", name)) => Database::Sqlite(sqlite::Sqlite::open(name, options).await?),
            #[cfg(not(feature = "sqlite"))]
            Some(("sqlite", _)) => return Err(OpenError::Feature { feature: "sqlite" }),
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", _)) => Database::Postgres(postgres::Postgres::open(url, &options).await?),
            #[cfg(not(feature = "postgres"))]
            Some(("postgres" | "postgresql", _)) => return Err(OpenError::Feature { feature: "postgres" }),
            _ => return Err(OpenError::Url),
        };
        Ok(Self { database })
    }

    /// Ends a store in a SQLite file, for all its clones, at an orderly stop: what was asked comes to its end, later calls fail, and the log
    /// (`FILE-wal`) is moved into the file, which then is everything there is: a copy of that one file is a backup. On PostgreSQL
    /// there is nothing to leave in order, and it does nothing.
    ///
    /// Without it nothing that was answered is lost: the log stays beside the file, and the next start reads both. When the last clone
    /// is dropped the log is moved in the background, for which a process that ends at that moment does not wait.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// # use countersign_storage_sqlx::SqlStore;
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = SqlStore::open("sqlite::memory:").await?;
    /// let served = store.clone(); // goes to `Server::builder`
    /// // … and when it has answered its last request:
    /// store.close().await?;
    /// # Ok(())
    /// # }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`StoreError`] when the log cannot be moved: another process reads the file just then, or the disk is full. The store is closed
    /// all the same, and both files together have everything.
    pub async fn close(&self) -> Result<(), StoreError> {
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(sqlite) => sqlite.close().await,
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => Ok(()),
        }
    }

    /// How many transactions this store has written since it was opened. On SQLite each holds the batches that waited for it.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        ask!(self, database => database.transactions())
    }
}

#[async_trait]
impl Store for SqlStore {
    fn capabilities(&self) -> Capabilities {
        ask!(self, database => database.capabilities())
    }

    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        ask!(self, database => database.get(keys, now).await)
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        batch.validate()?;
        ask!(self, database => database.commit(batch).await)
    }

    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        ask!(self, database => database.list(index, after, limit, now).await)
    }

    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        ask!(self, database => database.charge(charges, now).await)
    }

    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        ask!(self, database => database.sweep(now, limit).await)
    }

    async fn health(&self) -> Result<Health, StoreError> {
        ask!(self, database => database.health().await)
    }
    fn as_scan(&self) -> Option<&dyn Scan> {
        Some(self)
    }
}

/// How many items one transaction of a restoration writes, so that nothing waits long behind it.
const RESTORE_STEP: usize = 512;

#[async_trait]
impl Scan for SqlStore {
    async fn scan(&self, part: Part, after: Option<Cursor>, limit: u16) -> Result<ScanPage, StoreError> {
        ask!(self, database => database.scan(part, after, limit.max(1)).await)
    }

    async fn restore(&self, items: &[Item]) -> Result<(), StoreError> {
        for items in items.chunks(RESTORE_STEP) {
            ask!(self, database => database.restore(items).await)?;
        }
        Ok(())
    }
}
