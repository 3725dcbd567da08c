//! What the guarantees share: a fresh partition, keys in it, batches for it.

use std::time::Duration;

use countersign_primitives::{Clock, Id, Random, SystemClock, SystemRandom, UnixTime};

use crate::{Batch, CommitError, Expect, Index, Key, Kind, Record, Store, StoreError, Version};

/// A store, a partition that nobody else uses, and a time.
pub(super) struct Scene<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) partition: Id,
    /// The present, so that a backend that collects rubbish by its own clock leaves the scene alone.
    pub(super) now: UnixTime,
}

/// A kind that belongs to hosts.
pub(super) const KIND: Kind = Kind(200);

pub(super) const HOUR: Duration = Duration::from_secs(3_600);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const TICK: Duration = Duration::from_millis(1);

pub(super) fn fresh_id() -> Id {
    let random: &dyn Random = &SystemRandom;
    random.id().expect("the system has randomness")
}

impl<'a> Scene<'a> {
    pub(super) fn new(store: &'a dyn Store) -> Self {
        Self { store, partition: fresh_id(), now: SystemClock.now() }
    }

    pub(super) fn key(&self, number: usize) -> Key {
        Key::new(self.partition, KIND, Id::from_bytes((number as u128).to_be_bytes()))
    }

    /// An index that nobody else uses.
    pub(super) fn index(&self, name: u8) -> Index {
        Index { name, value: self.partition }
    }

    pub(super) fn later(&self) -> UnixTime {
        self.now.plus(HOUR)
    }

    pub(super) fn batch(&self) -> Batch {
        self.batch_at(self.now)
    }

    pub(super) fn batch_at(&self, now: UnixTime) -> Batch {
        Batch::new(self.partition, now, &SystemRandom).expect("the system has randomness")
    }

    /// A batch that puts one record for an hour.
    pub(super) fn putting(&self, number: usize, expect: Expect, payload: &str) -> Batch {
        let mut batch = self.batch();
        batch.put(self.key(number), expect, self.later(), Vec::new(), payload.to_owned());
        batch
    }

    pub(super) async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        self.store.commit(batch).await
    }

    /// Commits what must go through.
    pub(super) async fn done(&self, batch: &Batch) -> Version {
        self.commit(batch).await.expect("the batch goes through");
        batch.id()
    }

    /// Puts a record there; answers its version.
    pub(super) async fn seed(&self, number: usize) -> Version {
        self.done(&self.putting(number, Expect::Absent, "seed")).await
    }

    pub(super) async fn read(&self, number: usize) -> Option<Record> {
        self.read_at(number, self.now).await
    }

    pub(super) async fn read_at(&self, number: usize, now: UnixTime) -> Option<Record> {
        self.read_all(&[self.key(number)], now).await.remove(0)
    }

    pub(super) async fn read_all(&self, keys: &[Key], now: UnixTime) -> Vec<Option<Record>> {
        let records = self.store.get(keys, now).await.expect("the store can be read");
        assert_eq!(records.len(), keys.len(), "one answer for each key");
        records
    }

    pub(super) async fn version(&self, number: usize) -> Option<Version> {
        self.read(number).await.map(|record| record.version)
    }

    /// All pages of a list.
    pub(super) async fn list(&self, index: &Index, limit: u16, now: UnixTime) -> Vec<Key> {
        let (mut keys, mut after) = (Vec::new(), None);
        for _ in 0..10_000 {
            let page = self.store.list(index, after, limit, now).await.expect("the store can be listed");
            assert!(page.keys.len() <= usize::from(limit), "a page is at most as long as asked for");
            keys.extend(page.keys);
            after = page.next;
            if after.is_none() {
                return keys;
            }
        }
        panic!("the list never ends");
    }
}

/// That the commit was lost to another writer, and for which key's sake.
pub(super) fn assert_conflict(outcome: &Result<(), CommitError>, key: Key, why: &str) {
    assert!(matches!(outcome, Err(CommitError::Conflict(named)) if *named == key), "{why}: {outcome:?}");
}

/// That every outcome is Ok or a lost race; answers how many are Ok.
pub(super) fn wins(outcomes: &[Result<(), CommitError>]) -> usize {
    let lost = outcomes.iter().filter(|outcome| matches!(outcome, Err(CommitError::Conflict(_)))).count();
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(won + lost, outcomes.len(), "a race is won or lost, never an error: {outcomes:?}");
    won
}

/// That the batch was refused for its shape.
pub(super) fn assert_misshapen(outcome: &Result<(), CommitError>, why: &str) {
    assert!(matches!(outcome, Err(CommitError::Refused(StoreError::Batch(_)))), "{why}: {outcome:?}");
}
