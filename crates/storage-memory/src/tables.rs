//! What the lock guards.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::ops::Bound;

use bytes::Bytes;
use countersign_primitives::{Id, UnixTime};
use countersign_storage_traits::{
    Batch, Change, Charge, Charged, Counter, CounterKey, Index, Key, Kind, Op, Record, SWEEP_MARGIN, Standing, Swept,
};

/// Records, the lists they stand in, counters, and all of them by expiry.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) records: HashMap<Key, Row>,
    pub(crate) lists: BTreeSet<(Index, Key)>,
    pub(crate) counters: HashMap<CounterKey, Counter>,
    expiries: BTreeSet<(UnixTime, Item)>,
    /// The latest time that a caller named: the only clock there is here.
    latest: UnixTime,
}

/// Where a count of what has expired goes on.
pub(crate) type Counted = Option<(UnixTime, Item)>;

pub(crate) struct Row {
    pub(crate) record: Record,
    indexes: Box<[Index]>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Item {
    Record(Key),
    Counter(CounterKey),
}

impl Tables {
    pub(crate) fn len(&self) -> usize {
        self.records.len() + self.counters.len()
    }

    pub(crate) fn find(&self, key: &Key, now: UnixTime) -> Option<Record> {
        self.records.get(key).filter(|row| row.record.expires_at > now).map(|row| row.record.clone())
    }

    pub(crate) fn standing(&self, key: &Key) -> Option<Standing> {
        self.records.get(key).map(|row| Standing::from(&row.record))
    }

    /// Writes a batch that has been judged; none of it can fail.
    pub(crate) fn apply(&mut self, batch: &Batch) {
        self.latest = self.latest.max(batch.now());
        for Op { key, change, .. } in batch.ops() {
            match change {
                Change::Check => {}
                Change::Put { expires_at, indexes, payload } => {
                    // A copy, so that no larger buffer lives as long as the record.
                    let payload = Bytes::copy_from_slice(payload);
                    let record = Record { version: batch.id(), expires_at: *expires_at, payload };
                    self.put(*key, record, indexes, batch.now());
                }
                Change::Delete => self.remove(key),
            }
        }
    }

    /// The lists of a record are fixed while it lives: a later put of other indexes changes none of them.
    fn put(&mut self, key: Key, record: Record, indexes: &[Index], now: UnixTime) {
        if self.records.get(&key).is_some_and(|row| row.record.expires_at > now) {
            return self.replace(key, record);
        }
        self.remove(&key);
        self.lists.extend(indexes.iter().map(|index| (*index, key)));
        self.expiries.insert((record.expires_at, Item::Record(key)));
        self.records.insert(key, Row { record, indexes: indexes.into() });
    }

    /// Puts a record in the place of another, in the same lists; one that is new stands in none.
    pub(crate) fn replace(&mut self, key: Key, record: Record) {
        self.expiries.insert((record.expires_at, Item::Record(key)));
        match self.records.get_mut(&key) {
            None => drop(self.records.insert(key, Row { record, indexes: Box::default() })),
            Some(row) => {
                if row.record.expires_at != record.expires_at {
                    self.expiries.remove(&(row.record.expires_at, Item::Record(key)));
                }
                row.record = record;
            }
        }
    }

    /// Enters a record that is there in one more list.
    pub(crate) fn enter(&mut self, index: Index, key: Key) {
        if let Some(row) = self.records.get_mut(&key).filter(|row| !row.indexes.contains(&index)) {
            row.indexes = row.indexes.iter().copied().chain([index]).collect();
            self.lists.insert((index, key));
        }
    }

    /// Has a counter show this.
    pub(crate) fn set_counter(&mut self, counter: CounterKey, shows: Counter) {
        if let Some(held) = self.counters.insert(counter, shows) {
            self.expiries.remove(&(held.resets_at, Item::Counter(counter)));
        }
        self.expiries.insert((shows.resets_at, Item::Counter(counter)));
    }

    fn remove(&mut self, key: &Key) {
        if let Some(row) = self.records.remove(key) {
            self.expiries.remove(&(row.record.expires_at, Item::Record(*key)));
            for index in &row.indexes {
                self.lists.remove(&(*index, *key));
            }
        }
    }

    pub(crate) fn list(&self, index: &Index, after: Option<Key>, limit: usize, now: UnixTime) -> Vec<Key> {
        let from = match after {
            Some(key) => Bound::Excluded((*index, key)),
            None => Bound::Included((*index, Key::new(Id::from_bytes([0; 16]), Kind(0), Id::from_bytes([0; 16])))),
        };
        let entries = self.lists.range((from, Bound::Unbounded)).take_while(|(of, _)| of == index);
        let live = |key: &Key| self.records.get(key).is_some_and(|row| row.record.expires_at > now);
        entries.map(|(_, key)| *key).filter(live).take(limit).collect()
    }

    pub(crate) fn charge(&mut self, charge: &Charge, now: UnixTime) -> Charged {
        let held = self.counters.get(&charge.counter).copied();
        let (changed, charged) = charge.apply(held, now);
        if let Some(counter) = changed {
            self.set_counter(charge.counter, counter);
        }
        charged
    }

    /// Removes at most `limit` of what expired before the margin.
    pub(crate) fn sweep(&mut self, now: UnixTime, limit: u32) -> Swept {
        self.latest = self.latest.max(now);
        let swept_before = now.minus(SWEEP_MARGIN);
        let mut removed = 0;
        while let Some(&(expiry, item)) = self.expiries.first().filter(|(expiry, _)| *expiry < swept_before) {
            if removed == limit {
                return Swept { removed, more: true };
            }
            match item {
                Item::Record(key) => self.remove(&key),
                Item::Counter(counter) => {
                    self.counters.remove(&counter);
                    self.expiries.remove(&(expiry, item));
                }
            }
            removed += 1;
        }
        give_back(&mut self.records);
        give_back(&mut self.counters);
        Swept { removed, more: false }
    }

    /// Counts at most `limit` further ones of what a sweep would take, and says where the next count goes on, if there is more.
    pub(crate) fn count_expired(&self, after: Counted, limit: usize) -> (usize, Counted) {
        let swept_before = self.latest.minus(SWEEP_MARGIN);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let expired = self.expiries.range((from, Bound::Unbounded)).take_while(|(expiry, _)| *expiry < swept_before);
        let (count, last) = expired.take(limit).fold((0, None), |(count, _), item| (count + 1, Some(*item)));
        (count, last.filter(|_| count == limit))
    }
}

/// Gives memory back when most of what was there has gone. A map would else stay as large as it ever was.
fn give_back<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    if map.len() < map.capacity() / 8 {
        map.shrink_to(map.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign_storage_traits::{Expect, Version};

    use super::*;

    #[test]
    fn memory_is_given_back_when_most_has_gone() {
        let (mut tables, now) = (Tables::default(), UnixTime::from_secs(1_000));
        for number in 0..10_000_u32 {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            let key = Key::root(Kind(200), Id::from_bytes(bytes));
            let mut batch = Batch::with_id(key.partition, now, Version::new(1));
            batch.put(key, Expect::Absent, now.plus(Duration::from_secs(60)), Vec::new(), "short-lived");
            tables.apply(&batch);
        }
        assert!(tables.records.capacity() >= 10_000);
        let swept = tables.sweep(now.plus(Duration::from_secs(3_600)), u32::MAX);
        assert_eq!((swept.removed, tables.len()), (10_000, 0));
        assert!(tables.records.capacity() < 100, "{}", tables.records.capacity());
    }
}
