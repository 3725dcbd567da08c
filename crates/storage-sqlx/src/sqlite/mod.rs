//! The SQLite dialect.

mod error;
mod open;
mod read;
mod scan;
mod sheet;
mod write;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_primitives::UnixTime;
use countersign_storage_traits::{
    Batch, Capabilities, Charge, Charged, CommitError, Cursor, Health, Index, Item, Key, Page, Part, Record, ScanPage,
    StoreError, Swept,
};
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};

use self::error::{closed, store_error};
use self::open::Place;
use self::writer::{Job, Read, ReadAnswer};
use crate::{OpenError, SqlOptions, encode};

/// How many jobs may wait for the writer before callers wait to hand theirs over.
const QUEUE: usize = 1_024;
/// How many rows one transaction of a sweep takes, so that no commit waits long behind it.
const SWEEP_STEP: u32 = 256;

/// An open SQLite database: the way to its writer, and connections for readers.
#[derive(Clone)]
pub(crate) struct Sqlite {
    place: Arc<Place>,
    jobs: mpsc::Sender<Job>,
    readers: Arc<Readers>,
    transactions: Arc<AtomicU64>,
}

/// Idle connections, and how many more may be opened.
struct Readers {
    idle: Mutex<Vec<SqliteConnection>>,
    turns: Semaphore,
    most: u32,
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sqlite").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Sqlite {
    pub(crate) async fn open(name: &str, options: SqlOptions) -> Result<Self, OpenError> {
        let place = Arc::new(Place::parse(name, options)?);
        let connection = place.prepare().await?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let transactions = Arc::new(AtomicU64::new(0));
        writer::start(Arc::clone(&place), connection, queue, Arc::clone(&transactions))
            .map_err(|source| place.unavailable(source))?;
        let most = u32::try_from(place.options.readers).unwrap_or(u32::MAX);
        let readers = Readers { idle: Mutex::default(), turns: Semaphore::new(most as usize), most };
        Ok(Self { place, jobs, readers: Arc::new(readers), transactions })
    }

    /// Lets what was asked come to its end, and leaves the file whole by itself. What is asked later finds the store closed.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        // Those who wait for a turn have theirs first.
        let Ok(turns) = self.readers.turns.acquire_many(self.readers.most).await else {
            self.jobs.closed().await; // an earlier call is about it
            return Ok(());
        };
        self.readers.turns.close();
        drop(turns);
        for connection in self.readers.idle.lock().await.drain(..) {
            connection.close().await.map_err(|error| store_error(&self.place, error))?;
        }
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job::Close { answer }).await.map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    pub(crate) fn transactions(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed)
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        match self.place.path {
            Some(_) => Capabilities::VOLATILE.durable().shared(),
            None => Capabilities::VOLATILE,
        }
    }

    pub(crate) async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        match self.read(Read::Get { keys: keys.to_vec(), now }).await? {
            ReadAnswer::Records(records) => Ok(records),
            _ => Err(closed()),
        }
    }

    pub(crate) async fn list(
        &self,
        index: &Index,
        after: Option<Cursor>,
        limit: u16,
        now: UnixTime,
    ) -> Result<Page, StoreError> {
        if after.as_ref().is_some_and(|cursor| cursor.0.len() != 33) {
            return Err(StoreError::Cursor);
        }
        match self.read(Read::List { index: *index, after, limit: limit.max(1), now }).await? {
            ReadAnswer::Page(page) => Ok(page),
            _ => Err(closed()),
        }
    }

    pub(crate) async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Commit { batch: batch.clone(), answer };
        self.jobs.send(job).await.map_err(|_| CommitError::Refused(closed()))?;
        // The writer answers everything it takes, so silence means that the thread died.
        answered.await.unwrap_or_else(|_| Err(CommitError::Unknown(closed())))
    }

    pub(crate) async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        if charges.is_empty() {
            return Ok(Vec::new());
        }
        self.charge_all(charges.to_vec(), now).await
    }

    async fn charge_all(&self, charges: Vec<Charge>, now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job::Charge { charges, now, answer }).await.map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    pub(crate) async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        let mut all = Swept { removed: 0, more: limit > 0 };
        while all.more && all.removed < limit {
            let (answer, answered) = oneshot::channel();
            let limit = SWEEP_STEP.min(limit - all.removed);
            self.jobs.send(Job::Sweep { now, limit, answer }).await.map_err(|_| closed())?;
            let step = answered.await.unwrap_or_else(|_| Err(closed()))?;
            all = Swept { removed: all.removed + step.removed, more: step.more };
        }
        Ok(all)
    }

    pub(crate) async fn scan(&self, part: Part, after: Option<Cursor>, limit: u16) -> Result<ScanPage, StoreError> {
        let after = encode::place(after.as_ref(), encode::key_length(part))?.to_vec();
        match self.read(Read::Scan { part, after, limit }).await? {
            ReadAnswer::Scan(page) => Ok(page),
            _ => Err(closed()),
        }
    }

    pub(crate) async fn restore(&self, items: &[Item]) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job::Restore { items: items.to_vec(), answer }).await.map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    pub(crate) async fn health(&self) -> Result<Health, StoreError> {
        // An empty job shows that the writer lives and gets its lock.
        self.charge_all(Vec::new(), UnixTime::default()).await?;
        match self.read(Read::Backlog).await? {
            ReadAnswer::Backlog(backlog) => Ok(Health::of("SQLite").backlog(backlog)),
            _ => Err(closed()),
        }
    }

    /// Reads on a connection of its own; in memory, where there is but one, on the writer's.
    async fn read(&self, read: Read) -> Result<ReadAnswer, StoreError> {
        if self.place.path.is_none() {
            let (answer, answered) = oneshot::channel();
            self.jobs.send(Job::Read { read, answer }).await.map_err(|_| closed())?;
            return answered.await.unwrap_or_else(|_| Err(closed()));
        }
        let _turn = self.readers.turns.acquire().await.map_err(|_| closed())?;
        let idle = self.readers.idle.lock().await.pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.place.connect().await.map_err(|error| store_error(&self.place, error))?,
        };
        // A connection that failed, or whose caller went away, is not used again.
        let answer = read.run(&mut connection).await.map_err(|error| store_error(&self.place, error))?;
        self.readers.idle.lock().await.push(connection);
        Ok(answer)
    }
}
