//! A store that remembers some sorts of records for a few seconds.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use countersign_primitives::UnixTime;

use crate::{
    Batch, Capabilities, Charge, Charged, CommitError, Cursor, Health, Index, Item, Key, Kind, Page, Part, Record,
    Scan, ScanPage, Store, StoreError, Swept,
};

/// A store that answers reads of the named kinds from memory for at most [`MAX_STALENESS`](Self::MAX_STALENESS).
///
/// For records that are read at every request and seldom change, such as clients. What it promises:
///
/// - **Only kinds that were named** are kept, and only records that are there: that something is absent is asked each time.
/// - **What was committed through it is seen at once.** From its start until it has an answer or is dropped, a commit of a named
///   kind has its partition read from the store, and what was on its way before is not kept. So one node is as without it.
/// - **What another node commits** is seen after at most the stated time, judged by the caller's `now`. A clock that goes back is a
///   miss. So never name a kind whose end must hold everywhere at once: grants, sessions, epochs.
/// - **Several keys in one `get`** are answered from memory only when one read of the store had brought them all.
/// - **It is bounded**: when it is full, the record that was read the longest ago goes.
///
/// It stands above [`Encrypted`](crate::Encrypted), or it would keep what must be opened each time; so opened payloads stay in this
/// process's memory, as they do in any answer.
///
/// ```
/// use std::time::Duration;
/// use countersign_storage_traits::{Cached, Kind, Store};
///
/// const CATALOGUE: Kind = Kind(130);
///
/// fn remembering(store: impl Store) -> impl Store {
///     Cached::new(store, [CATALOGUE], Duration::from_secs(2)).capacity(1_000)
/// }
/// ```
pub struct Cached<S> {
    store: S,
    kinds: Box<[Kind]>,
    staleness: Duration,
    /// How many records a stripe keeps.
    room: usize,
    /// The partition picks the stripe, so that what one `get` or one commit touches lies under one lock.
    stripes: [Mutex<Stripe>; STRIPES],
    /// The latest time that a caller told, in milliseconds.
    latest: AtomicU64,
}

const STRIPES: usize = 16;

#[derive(Default)]
struct Stripe {
    kept: HashMap<Key, Kept>,
    /// How many commits are under way: until they have an answer nothing is kept, and nothing answered from memory.
    writing: u32,
    /// Changes with every commit and with everything else that makes a read from before it worthless.
    generation: u64,
    /// How many reads it has kept.
    reads: u64,
}

struct Kept {
    record: Record,
    /// The `now` of the caller who read it; the store was asked after that.
    read_at: UnixTime,
    /// Which read it came by.
    read: u64,
}

/// What a look into memory yields.
enum Look {
    Found(Vec<Option<Record>>),
    /// The store is to be asked. What it answers may be kept if nothing has come between.
    Ask {
        generation: Option<u64>,
    },
}

impl<S: Store> Cached<S> {
    /// No record is answered from memory after this long.
    pub const MAX_STALENESS: Duration = Duration::from_secs(5);
    /// How many records are kept unless [`Cached::capacity`] says otherwise.
    pub const CAPACITY: usize = 4_096;

    /// Remembers records of `kinds` that it read from `store`, each for `staleness`; for at most [`MAX_STALENESS`](Self::MAX_STALENESS),
    /// however much is asked for.
    #[must_use]
    pub fn new(store: S, kinds: impl IntoIterator<Item = Kind>, staleness: Duration) -> Self {
        Self {
            store,
            kinds: kinds.into_iter().collect(),
            staleness: staleness.min(Self::MAX_STALENESS),
            room: Self::CAPACITY / STRIPES,
            stripes: Default::default(),
            latest: AtomicU64::new(0),
        }
    }

    /// Keeps at most about this many records: an equal share, rounded up, for each of 16 parts.
    #[must_use]
    pub fn capacity(mut self, records: usize) -> Self {
        self.room = records.div_ceil(STRIPES);
        self
    }

    /// The store below. What is committed to it directly is seen here only after the stated time.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.store
    }

    /// How many records it keeps now.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.stripes.iter().map(|stripe| lock(stripe).kept.len()).sum()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.stripes.iter().for_each(|stripe| lock(stripe).clear());
    }

    fn stripe(&self, key: &Key) -> &Mutex<Stripe> {
        // Partitions are random or hashes; the last byte is as good as any.
        &self.stripes[usize::from(key.partition.as_bytes()[15]) % STRIPES]
    }

    fn names(&self, key: &Key) -> bool {
        self.kinds.contains(&key.kind)
    }

    /// What was read while the clock was far ahead must not count as fresh when that time comes.
    fn notice(&self, now: UnixTime) {
        let latest = self.latest.fetch_max(now.as_millis(), Ordering::Relaxed);
        if now.plus(Self::MAX_STALENESS).as_millis() < latest {
            self.latest.store(now.as_millis(), Ordering::Relaxed);
            self.clear();
        }
    }

    fn look(&self, keys: &[Key], now: UnixTime) -> Look {
        let Some((first, others)) = keys.split_first() else { return Look::Ask { generation: None } };
        if !keys.iter().all(|key| self.names(key)) || others.iter().any(|key| key.partition != first.partition) {
            return Look::Ask { generation: None };
        }
        self.notice(now);
        let stripe = lock(self.stripe(first));
        if stripe.writing > 0 {
            return Look::Ask { generation: None };
        }
        match stripe.answer(keys, now, self.staleness) {
            Some(records) => Look::Found(records),
            None => Look::Ask { generation: Some(stripe.generation) },
        }
    }

    fn keep(&self, keys: &[Key], records: &[Option<Record>], now: UnixTime, generation: u64) {
        let Some(first) = keys.first() else { return };
        let mut stripe = lock(self.stripe(first));
        if stripe.generation != generation {
            return;
        }
        stripe.reads += 1;
        let read = stripe.reads;
        for (key, record) in keys.iter().zip(records) {
            match record {
                Some(record) => stripe.keep(*key, Kept { record: record.clone(), read_at: now, read }, self.room),
                None => drop(stripe.kept.remove(key)),
            }
        }
    }
}

fn lock(stripe: &Mutex<Stripe>) -> MutexGuard<'_, Stripe> {
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stripe {
    fn clear(&mut self) {
        self.kept.clear();
        self.generation += 1;
    }

    /// The records of these keys, if all are kept, fresh, alive and of one view.
    fn answer(&self, keys: &[Key], now: UnixTime, staleness: Duration) -> Option<Vec<Option<Record>>> {
        let fresh =
            |kept: &&Kept| kept.read_at <= now && now < kept.read_at.plus(staleness) && kept.record.expires_at > now;
        let view = self.kept.get(keys.first()?)?.read;
        let record = |key| self.kept.get(key).filter(fresh).filter(|kept| kept.read == view);
        keys.iter().map(|key| record(key).map(|kept| Some(kept.record.clone()))).collect()
    }

    fn keep(&mut self, key: Key, new: Kept, room: usize) {
        // Of two reads that overtook each other the later one stays.
        if self.kept.get(&key).is_some_and(|old| old.read_at > new.read_at) {
            return;
        }
        if !self.kept.contains_key(&key) && self.kept.len() >= room {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| (kept.read_at, kept.read)).map(|(key, _)| *key);
            match oldest {
                Some(oldest) => self.kept.remove(&oldest),
                None => return, // no room at all
            };
        }
        self.kept.insert(key, new);
    }
}

/// A commit under way: its partition is read from the store until this is dropped, with an answer or without.
struct Writing<'a>(&'a Mutex<Stripe>);

impl<'a> Writing<'a> {
    fn begin(stripe: &'a Mutex<Stripe>, batch: &Batch) -> Self {
        let mut held = lock(stripe);
        held.writing += 1;
        held.generation += 1;
        batch.ops().iter().for_each(|op| drop(held.kept.remove(&op.key)));
        Self(stripe)
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        lock(self.0).writing -= 1;
    }
}

impl<S: fmt::Debug> fmt::Debug for Cached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, kinds, staleness, .. } = self;
        let mut shown = f.debug_struct("Cached");
        shown.field("store", store).field("kinds", kinds).field("staleness", staleness).finish_non_exhaustive()
    }
}

#[async_trait]
impl<S: Store> Store for Cached<S> {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        let generation = match self.look(keys, now) {
            Look::Found(records) => return Ok(records),
            Look::Ask { generation } => generation,
        };
        let records = self.store.get(keys, now).await?;
        if let Some(generation) = generation {
            self.keep(keys, &records, now, generation);
        }
        Ok(records)
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let named = batch.ops().iter().find(|op| self.names(&op.key));
        let _writing = named.map(|op| Writing::begin(self.stripe(&op.key), batch));
        self.store.commit(batch).await
    }

    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        self.store.list(index, after, limit, now).await
    }

    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        self.store.charge(charges, now).await
    }

    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        let swept = self.store.sweep(now, limit).await;
        if !matches!(swept, Ok(Swept { removed: 0, .. })) {
            self.clear(); // what is gone is gone for a caller of an earlier time too
        }
        swept
    }

    async fn health(&self) -> Result<Health, StoreError> {
        self.store.health().await
    }
    fn as_scan(&self) -> Option<&dyn Scan> {
        self.store.as_scan().map(|_| self as &dyn Scan)
    }
}

#[async_trait]
impl<S: Store> Scan for Cached<S> {
    async fn scan(&self, part: Part, after: Option<Cursor>, limit: u16) -> Result<ScanPage, StoreError> {
        let store: &dyn Store = &self.store;
        store.scannable()?.scan(part, after, limit).await
    }

    async fn restore(&self, items: &[Item]) -> Result<(), StoreError> {
        let store: &dyn Store = &self.store;
        let restored = store.scannable()?.restore(items).await;
        self.clear();
        restored
    }
}
