//! A storage adapter of one's own: [`RedbStore`] keeps Countersign's records in [redb](https://docs.rs/redb), an embedded
//! database that Countersign has never heard of.
//!
//! It is the worked example of the guide `docs/storage-adapters.md`. All that an adapter needs is a transaction: look up what the
//! batch names, let [`Batch::judge`] decide, write. Nothing here knows what a code or a grant is.
//!
//! ```sh
//! cargo test -p custom-storage   # a test for each guarantee of the contract
//! cargo run -p custom-storage    # the same as a table
//! ```

mod tables;
mod walk;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use countersign::store::{
    Batch, Capabilities, Charge, Charged, CommitError, Cursor, Health, Index, Item, Judgement, Key, Page, Part, Record,
    Scan, ScanPage, Store, StoreError, Swept,
};
use countersign::{BoxError, UnixTime};
use redb::{Database, ReadableDatabase as _};
use tables::{Reading, Writing, key_of};

/// A durable store in one file. Clones share it.
#[derive(Clone)]
pub struct RedbStore {
    database: Arc<Database>,
    capabilities: Capabilities,
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedbStore")
    }
}

impl RedbStore {
    /// Opens the store in this file, which is made if there is none.
    ///
    /// # Errors
    /// [`StoreError::Schema`] for a file that is no database or of another version of this adapter, and
    /// [`StoreError::Unavailable`] when it cannot be opened, or is open already.
    pub fn open(file: impl AsRef<Path>) -> Result<Self, StoreError> {
        // A commit is answered after redb has synchronised the file. Only one process may have it open.
        Self::with(Database::create(file).map_err(cannot_open)?, Capabilities::VOLATILE.durable())
    }

    /// A store in memory, for tests of the adapter: the same code without a file.
    ///
    /// # Errors
    /// As [`RedbStore::open`].
    pub fn in_memory() -> Result<Self, StoreError> {
        let backend = redb::backends::InMemoryBackend::new();
        let database = Database::builder().create_with_backend(backend).map_err(cannot_open)?;
        Self::with(database, Capabilities::VOLATILE)
    }

    fn with(database: Database, capabilities: Capabilities) -> Result<Self, StoreError> {
        let transaction = database.begin_write().map_err(StoreError::unavailable)?;
        tables::prepare(&transaction)?; // readers find every table there
        transaction.commit().map_err(StoreError::unavailable)?;
        Ok(Self { database: Arc::new(database), capabilities })
    }

    /// Runs blocking work on a thread that may block. The work goes on when the caller goes away: a commit that is dropped is
    /// then made or not made, but never half.
    async fn on_a_thread<T, E>(&self, work: impl FnOnce(&Database) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Lost> + Send + 'static,
    {
        let database = Arc::clone(&self.database);
        tokio::task::spawn_blocking(move || work(&database))
            .await
            .unwrap_or_else(|error| Err(Lost(error.into()).into()))
    }

    /// Reads at one moment.
    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Reading) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.on_a_thread(|database| {
            let transaction = database.begin_read().map_err(StoreError::unavailable)?;
            look(&Reading::of(&transaction)?)
        })
        .await
    }

    /// Changes in a transaction. redb has one writer at a time, so what is read in here stays true until the commit.
    async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Writing<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.on_a_thread(|database| {
            let transaction = database.begin_write().map_err(StoreError::unavailable)?;
            let value = change(&mut Writing::of(&transaction)?)?;
            transaction.commit().map_err(StoreError::unavailable)?; // on disk before the answer
            Ok(value)
        })
        .await
    }
}

#[async_trait]
impl Store for RedbStore {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        let keys = keys.to_vec();
        self.read(move |tables| keys.iter().map(|key| tables.live(key, now)).collect()).await
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        batch.validate()?;
        let batch = batch.clone();
        self.on_a_thread(move |database| commit(database, &batch)).await
    }

    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        let (index, limit) = (*index, usize::from(limit.max(1)));
        let after = after.map(|cursor| key_of(&cursor.0).ok_or(StoreError::Cursor)).transpose()?;
        let mut keys = self.read(move |tables| tables.list(&index, after, limit + 1, now)).await?;
        let more = keys.len() > limit;
        keys.truncate(limit);
        let next = keys.last().filter(|_| more).map(|last| Cursor(last.to_bytes().to_vec().into()));
        Ok(Page { keys, next })
    }

    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        let charges = charges.to_vec();
        self.write(move |tables| charges.iter().map(|charge| tables.charge(charge, now)).collect()).await
    }

    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        self.write(move |tables| tables.sweep(now, limit)).await
    }

    async fn health(&self) -> Result<Health, StoreError> {
        self.read(|_| Ok(Health::of("redb"))).await
    }

    fn as_scan(&self) -> Option<&dyn Scan> {
        Some(self)
    }
}

/// What makes exports, and moves to and from this database, possible. Leave it out, and everything else works.
#[async_trait]
impl Scan for RedbStore {
    async fn scan(&self, part: Part, after: Option<Cursor>, limit: u16) -> Result<ScanPage, StoreError> {
        let after = after.map_or_else(Vec::new, |cursor| cursor.0.to_vec());
        self.read(move |tables| tables.walk(part, &after, limit.max(1).into())).await
    }

    async fn restore(&self, items: &[Item]) -> Result<(), StoreError> {
        let items = items.to_vec();
        self.write(move |tables| items.iter().try_for_each(|item| tables.restore(item))).await
    }
}

/// The heart of an adapter: one transaction in which the batch is judged and written.
fn commit(database: &Database, batch: &Batch) -> Result<(), CommitError> {
    let refused = CommitError::Refused; // nothing is written before the transaction's own commit
    let transaction = database.begin_write().map_err(|error| refused(StoreError::unavailable(error)))?;
    {
        let mut tables = Writing::of(&transaction).map_err(refused)?;
        let standings = tables.standings(batch).map_err(refused)?;
        let standing = |key: &Key| standings.iter().find(|(held, _)| held == key).map(|(_, standing)| *standing);
        match batch.judge(standing)? {
            Judgement::AlreadyDone => return Ok(()), // it comes again after a lost answer
            Judgement::Apply => tables.apply(batch).map_err(refused)?,
        }
    }
    // When this fails the batch may have reached the disk or not: the caller sends it again, and it answers Ok if it had.
    transaction.commit().map_err(|error| CommitError::Unknown(StoreError::unavailable(error)))
}

fn cannot_open(error: redb::DatabaseError) -> StoreError {
    match error {
        redb::DatabaseError::UpgradeRequired(_) | redb::DatabaseError::Storage(redb::StorageError::Corrupted(_)) => {
            StoreError::Schema(error.into())
        }
        other => StoreError::unavailable(other),
    }
}

/// The thread that did the work is gone: whether it was done is not known.
struct Lost(BoxError);

impl From<Lost> for StoreError {
    fn from(lost: Lost) -> Self {
        Self::Unavailable(lost.0)
    }
}

impl From<Lost> for CommitError {
    fn from(lost: Lost) -> Self {
        Self::Unknown(lost.into())
    }
}
