//! A store that tells what its calls took and how they ended.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use countersign_primitives::UnixTime;

use crate::{
    Batch, Capabilities, Charge, Charged, CommitError, Cursor, Health, Index, Item, Key, Page, Part, Record, Resealing,
    Scan, ScanPage, Store, StoreError, Swept,
};

/// A call of the store, as metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`Store::get`]
    Get,
    /// [`Store::commit`]
    Commit,
    /// [`Store::list`]
    List,
    /// [`Store::charge`]
    Charge,
    /// [`Store::sweep`]
    Sweep,
    /// [`Store::health`]
    Health,
    /// [`Scan::scan`]
    Scan,
    /// [`Scan::restore`]
    Restore,
}

impl Operation {
    /// Every operation, each at the place of its number.
    pub const ALL: [Self; 8] =
        [Self::Get, Self::Commit, Self::List, Self::Charge, Self::Sweep, Self::Health, Self::Scan, Self::Restore];

    /// Its name in metrics; it stays as it is.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Commit => "commit",
            Self::List => "list",
            Self::Charge => "charge",
            Self::Sweep => "sweep",
            Self::Health => "health",
            Self::Scan => "scan",
            Self::Restore => "restore",
        }
    }
}

/// How a call ended, as metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It did what was asked. A charge that was counted out is an answer too.
    Ok,
    /// Another writer was first ([`CommitError::Conflict`]): no failure of the store.
    Conflict,
    /// Whether it was written is not known ([`CommitError::Unknown`]).
    Unknown,
    /// The database could not be reached, or was locked, full or too slow ([`StoreError::Unavailable`]).
    Unavailable,
    /// A record could not be read ([`StoreError::Corrupt`]).
    Corrupt,
    /// A record was sealed under another master key ([`StoreError::WrongKey`]).
    WrongKey,
    /// The call itself was refused: a batch of a wrong shape, a foreign cursor, a database that does not fit, no randomness.
    Refused,
    /// The caller gave up waiting. What it had asked for may have been done.
    Dropped,
}

impl Outcome {
    /// Every outcome, each at the place of its number.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Conflict,
        Self::Unknown,
        Self::Unavailable,
        Self::Corrupt,
        Self::WrongKey,
        Self::Refused,
        Self::Dropped,
    ];

    /// Its name in metrics; it stays as it is.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Conflict => "conflict",
            Self::Unknown => "unknown",
            Self::Unavailable => "unavailable",
            Self::Corrupt => "corrupt",
            Self::WrongKey => "wrong_key",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
        }
    }
}

impl From<&StoreError> for Outcome {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::Unavailable,
            StoreError::Corrupt { .. } => Self::Corrupt,
            StoreError::WrongKey { .. } => Self::WrongKey,
            StoreError::Cursor
            | StoreError::HalfMoved
            | StoreError::MovedAway { .. }
            | StoreError::NotScannable
            | StoreError::Random(_)
            | StoreError::Schema(_)
            | StoreError::Batch(_)
            | StoreError::Encode(_) => Self::Refused,
        }
    }
}

impl From<&CommitError> for Outcome {
    fn from(error: &CommitError) -> Self {
        match error {
            CommitError::Conflict(_) => Self::Conflict,
            CommitError::Unknown(_) => Self::Unknown,
            CommitError::Refused(error) => error.into(),
        }
    }
}

/// Who is told of calls. It is told within the call, so it should only count; [`StoreMetrics`](crate::StoreMetrics) does.
///
/// ```
/// use std::time::Duration;
/// use countersign_storage_traits::{Operation, Outcome, StoreObserver};
///
/// /// Speaks up when a call takes long.
/// #[derive(Debug)]
/// struct Slow(Duration);
///
/// impl StoreObserver for Slow {
///     fn called(&self, operation: Operation, took: Duration, outcome: Outcome) {
///         if took > self.0 {
///             eprintln!("{} took {took:?} and ended as {}", operation.name(), outcome.name());
///         }
///     }
/// }
/// ```
pub trait StoreObserver: Send + Sync + fmt::Debug {
    /// A call has ended, or its caller has dropped it.
    fn called(&self, operation: Operation, took: Duration, outcome: Outcome);

    /// A sweep has removed something, or found nothing to remove.
    fn swept(&self, swept: &Swept) {
        let _ = swept;
    }

    /// The store has said how it is doing.
    fn health(&self, health: &Health) {
        let _ = health;
    }

    /// A change of the master key has come so far.
    fn resealing(&self, resealing: &Resealing) {
        let _ = resealing;
    }
}

/// A store that tells a [`StoreObserver`] what every call took and how it ended.
///
/// It changes no answer, and no key, payload or error text reaches the observer. A call costs two readings of the monotonic clock
/// and the boxed future that any [`Store`] has; no lock and no further allocation.
///
/// ```
/// use std::sync::Arc;
/// use countersign_storage_traits::{Instrumented, Store, StoreMetrics};
///
/// fn measured(store: impl Store) -> (impl Store, Arc<StoreMetrics>) {
///     let metrics = Arc::new(StoreMetrics::new());
///     (Instrumented::new(store, metrics.clone()), metrics)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Instrumented<S> {
    store: S,
    observer: Arc<dyn StoreObserver>,
}

impl<S: Store> Instrumented<S> {
    /// Tells `observer` of the calls of `store`.
    #[must_use]
    pub fn new(store: S, observer: Arc<dyn StoreObserver>) -> Self {
        Self { store, observer }
    }

    /// The store below.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.store
    }

    fn begin(&self, operation: Operation) -> Running<'_> {
        Running { observer: &*self.observer, operation, since: Instant::now(), outcome: Outcome::Dropped }
    }
}

/// A call under way. It is told of as it is dropped, which is also how a call ends that nobody waits for.
struct Running<'a> {
    observer: &'a dyn StoreObserver,
    operation: Operation,
    since: Instant,
    outcome: Outcome,
}

impl Running<'_> {
    fn ends<T, E>(mut self, answer: Result<T, E>) -> Result<T, E>
    where
        for<'e> Outcome: From<&'e E>,
    {
        self.outcome = answer.as_ref().map_or_else(Outcome::from, |_| Outcome::Ok);
        answer
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.observer.called(self.operation, self.since.elapsed(), self.outcome);
    }
}

#[async_trait]
impl<S: Store> Store for Instrumented<S> {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        let running = self.begin(Operation::Get);
        running.ends(self.store.get(keys, now).await)
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let running = self.begin(Operation::Commit);
        running.ends(self.store.commit(batch).await)
    }

    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        let running = self.begin(Operation::List);
        running.ends(self.store.list(index, after, limit, now).await)
    }

    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        let running = self.begin(Operation::Charge);
        running.ends(self.store.charge(charges, now).await)
    }

    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        let running = self.begin(Operation::Sweep);
        let swept = running.ends(self.store.sweep(now, limit).await)?;
        self.observer.swept(&swept);
        Ok(swept)
    }

    async fn health(&self) -> Result<Health, StoreError> {
        let running = self.begin(Operation::Health);
        let health = running.ends(self.store.health().await)?;
        self.observer.health(&health);
        Ok(health)
    }
    fn as_scan(&self) -> Option<&dyn Scan> {
        self.store.as_scan().map(|_| self as &dyn Scan)
    }
    fn observer(&self) -> Option<&dyn StoreObserver> {
        Some(&*self.observer)
    }
}

#[async_trait]
impl<S: Store> Scan for Instrumented<S> {
    async fn scan(&self, part: Part, after: Option<Cursor>, limit: u16) -> Result<ScanPage, StoreError> {
        let running = self.begin(Operation::Scan);
        let store: &dyn Store = &self.store;
        running.ends(store.scannable()?.scan(part, after, limit).await)
    }

    async fn restore(&self, items: &[Item]) -> Result<(), StoreError> {
        let running = self.begin(Operation::Restore);
        let store: &dyn Store = &self.store;
        running.ends(store.scannable()?.restore(items).await)
    }
}
