//! A store on SQLite, through sqlx.
//!
//! ```
//! use countersign_primitives::{Id, SystemRandom, UnixTime};
//! use countersign_storage_sqlx::SqlStore;
//! use countersign_storage_traits::{Batch, Expect, Key, Kind, Store};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = SqlStore::open("sqlite::memory:").await?; // or "sqlite:auth.db"
//! let (key, now) = (Key::root(Kind(200), Id::from_bytes([1; 16])), UnixTime::from_secs(60));
//! let mut batch = Batch::new(key.partition, now, &SystemRandom)?;
//! batch.put(key, Expect::Absent, UnixTime::from_secs(120), Vec::new(), "payload");
//! store.commit(&batch).await?; // on disk when this returns
//! assert!(store.get(&[key], now).await?[0].is_some());
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! One thread writes. It takes all batches that wait, up to 64, into one transaction, and answers them when that transaction
//! is on disk (`journal_mode=WAL`, `synchronous=FULL`): one `fsync` serves them all, so 32 callers get several times the
//! rate of one. Reads have connections of their own and see only what is on disk. A caller who goes away stops nothing: a
//! batch that was handed over is written, or not, as a whole.
//!
//! Several processes on one machine may share the file; each waits for the other's transactions. A file that belongs to
//! another program or to a newer version is refused and left as it is ([`OpenError`]). New files are readable by their owner
//! alone.
//!
//! # What it does not do
//!
//! Encrypt: wrap it in [`Encrypted`](countersign_storage_traits::Encrypted). Work on network file systems, whose locks SQLite
//! cannot trust. Serve several machines: that needs a database server.
//!
//! # Features
//!
//! None: SQLite is what this version has.
//!
//! # Where next
//!
//! [`SqlOptions`] has how long to wait for another process and how many readers there are. `countersign-storage-traits` has the
//! contract, and the suite that this store passes.

mod encode;
mod options;
mod sqlite;

use async_trait::async_trait;
use countersign_primitives::UnixTime;
use countersign_storage_traits::{
    Batch, Capabilities, Charge, Charged, CommitError, Cursor, Health, Index, Key, Page, Record, Store, StoreError,
    Swept,
};

pub use options::{OpenError, SqlOptions};

/// A store in an SQL database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct SqlStore {
    database: Database,
}

/// One variant a dialect.
#[derive(Debug, Clone)]
enum Database {
    Sqlite(sqlite::Sqlite),
}

impl SqlStore {
    /// Opens a database, and makes it when there is none: `sqlite:FILE`, or `sqlite::memory:` for one that is gone with the
    /// last clone of the store.
    ///
    /// # Errors
    /// [`OpenError`] names the file and the cure.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_with(url, SqlOptions::default()).await
    }

    /// Opens a database with options of one's own.
    ///
    /// # Errors
    /// As [`SqlStore::open`].
    pub async fn open_with(url: &str, options: SqlOptions) -> Result<Self, OpenError> {
        let sqlite = url.strip_prefix("sqlite:").ok_or(OpenError::Url)?;
        let sqlite = sqlite::Sqlite::open(sqlite, options).await?;
        Ok(Self { database: Database::Sqlite(sqlite) })
    }

    /// How many transactions this store has written since it was opened. Each holds the batches that waited for it.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        let Database::Sqlite(sqlite) = &self.database;
        sqlite.transactions()
    }
}

#[async_trait]
impl Store for SqlStore {
    fn capabilities(&self) -> Capabilities {
        let Database::Sqlite(sqlite) = &self.database;
        sqlite.capabilities()
    }

    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        let Database::Sqlite(sqlite) = &self.database;
        sqlite.get(keys, now).await
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        batch.validate()?;
        let Database::Sqlite(sqlite) = &self.database;
        sqlite.commit(batch).await
    }

    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        let Database::Sqlite(sqlite) = &self.database;
        sqlite.list(index, after, limit, now).await
    }

    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        let Database::Sqlite(sqlite) = &self.database;
        sqlite.charge(charges, now).await
    }

    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        let Database::Sqlite(sqlite) = &self.database;
        sqlite.sweep(now, limit).await
    }

    async fn health(&self) -> Result<Health, StoreError> {
        let Database::Sqlite(sqlite) = &self.database;
        sqlite.health().await
    }
}
