//! The contract itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_primitives::UnixTime;

use crate::{Batch, CommitError, CounterKey, Index, Key, Scan, StoreError, StoreObserver, Version};

/// Where every record lives. Proved by the testkit; nothing here knows the protocol.
///
/// Time is an argument: the caller's `now` alone decides what has expired. A backend's own expiry only collects rubbish, at
/// the earliest [`SWEEP_MARGIN`] later.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// What this store promises with its present settings.
    fn capabilities(&self) -> Capabilities;

    /// Reads several records, in order. Those of one partition are one consistent view. A record expired at `now` is absent.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; never for an absent record.
    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError>;

    /// Applies every change of `batch`, or none. Of any number of concurrent batches that expect one version of one record,
    /// exactly one succeeds. The same batch again is Ok, as long as nobody overwrote what it put.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] names the key whose expectation failed first; the other causes say whether the batch may
    /// have been written.
    async fn commit(&self, batch: &Batch) -> Result<(), CommitError>;

    /// Lists the keys of an index, a page at a time. Every record that was committed before the first page was asked for and
    /// lives on is listed; one that is gone may be listed too, and one may be listed twice. No safety rests on it.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError>;

    /// Adds to counters, each atomically by itself. A charge that would pass its limit is refused and not counted; a
    /// negative one is a refund and never falls below zero. A counter starts anew when its window is over.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails. The caller then refuses the attempt that it meant to count.
    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError>;

    /// Removes at most `limit` records and counters that expired longer than [`SWEEP_MARGIN`] ago. Judges expiry again as it
    /// deletes, so a record renewed meanwhile stays.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError>;

    /// How the store is doing.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be reached or does not fit.
    async fn health(&self) -> Result<Health, StoreError>;

    /// The store as one that can be walked and filled, where it is one. A server needs it for nothing that it serves.
    fn as_scan(&self) -> Option<&dyn Scan> {
        None
    }

    /// Who is told of what goes on around this store, where somebody is: [`Instrumented`](crate::Instrumented) answers it.
    fn observer(&self) -> Option<&dyn StoreObserver> {
        None
    }
}

/// How long an expired record stays before [`Store::sweep`] may take it: nodes whose clocks differ must agree on it first.
pub const SWEEP_MARGIN: Duration = Duration::from_secs(120);

/// No further than this does a store count its backlog ([`Health::backlog`]): a watcher is to see that it grows, not to pay for
/// how large it is.
pub const BACKLOG_COUNTED: u64 = 100_000;

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }
    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        (**self).get(keys, now).await
    }
    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        (**self).commit(batch).await
    }
    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        (**self).list(index, after, limit, now).await
    }
    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        (**self).charge(charges, now).await
    }
    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        (**self).sweep(now, limit).await
    }
    async fn health(&self) -> Result<Health, StoreError> {
        (**self).health().await
    }
    fn as_scan(&self) -> Option<&dyn Scan> {
        (**self).as_scan()
    }
    fn observer(&self) -> Option<&dyn StoreObserver> {
        (**self).observer()
    }
}

/// A record as the store hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The id of the batch that wrote it last.
    pub version: Version,
    /// From when on it counts as absent.
    pub expires_at: UnixTime,
    /// The content.
    pub payload: Bytes,
}

/// What a store promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// What a commit answered Ok outlives the process and the machine.
    pub durable: bool,
    /// What a commit answered Ok outlives the loss of one node of the database.
    pub survives_failover: bool,
    /// Several processes may use it at once.
    pub shared: bool,
}

impl Capabilities {
    /// Promises nothing beyond the process: a store in memory.
    pub const VOLATILE: Self = Self { durable: false, survives_failover: false, shared: false };

    /// What a commit answered Ok is on disk.
    #[must_use]
    pub const fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// What a commit answered Ok outlives the loss of a node.
    #[must_use]
    pub const fn survives_failover(mut self) -> Self {
        self.survives_failover = true;
        self
    }

    /// Several processes may use it at once.
    #[must_use]
    pub const fn shared(mut self) -> Self {
        self.shared = true;
        self
    }
}

/// Where a page of a list ended; only the store that made it can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub Bytes);

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Keys of the index.
    pub keys: Vec<Key>,
    /// Where to go on; none when this was the last page.
    pub next: Option<Cursor>,
}

/// An amount to be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// Which counter.
    pub counter: CounterKey,
    /// How much; negative is a refund, and nothing only reads.
    pub add: i32,
    /// What the counter may reach at most.
    pub limit: u32,
    /// How long the counter lives from its first charge.
    pub window: Duration,
}

/// What became of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charged {
    /// Whether it was counted.
    pub admitted: bool,
    /// What the counter shows now.
    pub count: u32,
    /// When the counter starts anew.
    pub resets_at: UnixTime,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// How many records and counters it removed.
    pub removed: u32,
    /// Whether it stopped at its limit, so that another sweep is worth while at once.
    pub more: bool,
}

/// How a store is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// What sort of database it is, for an operator to read.
    pub backend: &'static str,
    /// The database's own clock, where it has one.
    pub clock: Option<UnixTime>,
    /// How many expired records and counters wait for a sweep, where the store knows; counted no further than
    /// [`BACKLOG_COUNTED`]. One that stays high says that sweeping does not keep up, or is not done.
    pub backlog: Option<u64>,
}

impl Health {
    /// A healthy store of this sort.
    #[must_use]
    pub const fn of(backend: &'static str) -> Self {
        Self { backend, clock: None, backlog: None }
    }

    /// With the database's own clock.
    #[must_use]
    pub const fn clock(mut self, clock: UnixTime) -> Self {
        self.clock = Some(clock);
        self
    }

    /// With the number of expired records and counters that wait.
    #[must_use]
    pub const fn backlog(mut self, backlog: u64) -> Self {
        self.backlog = Some(backlog);
        self
    }
}
