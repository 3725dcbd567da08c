//! A store in memory, for tests and for servers that may forget.
//!
//! [`MemoryStore`] keeps the whole of the storage contract ([`Store`]) except that nothing outlives the process. It needs no
//! runtime and starts no thread; one lock holds everything, and no call keeps it while waiting.
//!
//! ```
//! use countersign_primitives::{Id, SystemRandom, UnixTime};
//! use countersign_storage_memory::MemoryStore;
//! use countersign_storage_traits::{Batch, Expect, Key, Kind, Store};
//!
//! # countersign_storage_traits::testkit::block_on(async {
//! let store = MemoryStore::new();
//! let (key, now) = (Key::root(Kind(200), Id::from_bytes([1; 16])), UnixTime::from_secs(60));
//! let mut batch = Batch::new(key.partition, now, &SystemRandom)?;
//! batch.put(key, Expect::Absent, UnixTime::from_secs(120), Vec::new(), "payload");
//! store.commit(&batch).await?;
//! store.commit(&batch).await?; // the same batch again: Ok
//! assert!(store.get(&[key], now).await?[0].is_some());
//! assert!(store.get(&[key], UnixTime::from_secs(120)).await?[0].is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # What this crate does not do
//! Write to disk, share records between processes, or forget by itself: expired records stay until [`Store::sweep`] is called,
//! as the maintenance of a server does.
//!
//! # Features
//! None.
//!
//! # Where next
//! `countersign-storage-sqlx` has a store that outlives the process.

mod tables;
mod walk;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use countersign_primitives::UnixTime;
use countersign_storage_traits::{
    BACKLOG_COUNTED, Batch, Capabilities, Charge, Charged, CommitError, Cursor, Health, Index, Item, Judgement, Key,
    Page, Part, Record, Scan, ScanPage, Store, StoreError, Swept,
};
use tables::Tables;

/// How many records a sweep or a count goes over before it lets others have the lock.
const STEP: u32 = 128;

/// A store in memory. Clones share what it holds.
#[derive(Clone, Default)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").field("records", &self.len()).finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many records and counters it holds, the expired ones that no sweep has taken yet among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // Nothing here panics while it holds the lock, and were it to, every change is made after the last check.
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::VOLATILE
    }

    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        let tables = self.lock();
        Ok(keys.iter().map(|key| tables.find(key, now)).collect())
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        batch.validate()?;
        let mut tables = self.lock();
        if batch.judge(|key| tables.standing(key))? == Judgement::Apply {
            tables.apply(batch);
        }
        Ok(())
    }

    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        let after = after.map(|cursor| key_of(&cursor)).transpose()?;
        let limit = usize::from(limit.max(1));
        let mut keys = self.lock().list(index, after, limit + 1, now);
        let next = if keys.len() > limit {
            keys.truncate(limit);
            keys.last().map(|last| Cursor(Bytes::copy_from_slice(&last.to_bytes())))
        } else {
            None
        };
        Ok(Page { keys, next })
    }

    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        let mut tables = self.lock();
        Ok(charges.iter().map(|charge| tables.charge(charge, now)).collect())
    }

    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        let mut all = Swept { removed: 0, more: limit > 0 };
        while all.more && all.removed < limit {
            let step = self.lock().sweep(now, STEP.min(limit - all.removed));
            all = Swept { removed: all.removed + step.removed, more: step.more };
        }
        Ok(all)
    }

    async fn health(&self) -> Result<Health, StoreError> {
        let (mut backlog, mut after) = (0, None);
        while backlog < BACKLOG_COUNTED {
            let (count, next) = self.lock().count_expired(after, STEP as usize);
            backlog += count as u64;
            after = next;
            if after.is_none() {
                break;
            }
        }
        Ok(Health::of("memory").backlog(backlog.min(BACKLOG_COUNTED)))
    }

    fn as_scan(&self) -> Option<&dyn Scan> {
        Some(self)
    }
}

/// A page looks at everything there is, for nothing but lists is kept in order: fine for a test, slow for millions.
#[async_trait]
impl Scan for MemoryStore {
    async fn scan(&self, part: Part, after: Option<Cursor>, limit: u16) -> Result<ScanPage, StoreError> {
        let limit = usize::from(limit.max(1));
        let mut found = self.lock().walk(part, after.as_ref().map_or(&[], |cursor| &cursor.0), limit + 1)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(place, _)| Cursor(Bytes::copy_from_slice(place)));
        Ok(ScanPage { items: found.into_iter().map(|(_, item)| item).collect(), next, unread: 0 })
    }

    async fn restore(&self, items: &[Item]) -> Result<(), StoreError> {
        let mut tables = self.lock();
        items.iter().for_each(|item| tables.restore(item));
        Ok(())
    }
}

fn key_of(cursor: &Cursor) -> Result<Key, StoreError> {
    let bytes: &[u8; 33] = cursor.0.as_ref().try_into().map_err(|_| StoreError::Cursor)?;
    Ok(Key::from_bytes(bytes))
}
