//! The store from end to end, and a store filled with what was found elsewhere.

use std::ops::Bound;

use bytes::Bytes;
use countersign::UnixTime;
use countersign::store::{Counter, CounterKey, Cursor, Id, Index, Item, Key, Part, Record, ScanPage, StoreError};
use redb::{ReadableTable as _, StorageError};

use crate::tables::{Reading, Writing, index_bytes, record_of};

impl Reading {
    /// A page of everything, in the order of the tables: what comes and goes in between shifts nothing. `after` is the last key that
    /// the page before has seen.
    pub(crate) fn walk(&self, part: Part, after: &[u8], limit: usize) -> Result<ScanPage, StoreError> {
        match part {
            Part::Counters => self.walk_counters(after, limit),
            part => self.walk_records(part, after, limit),
        }
        .map_err(StoreError::unavailable)
    }

    fn walk_records(&self, part: Part, after: &[u8], limit: usize) -> Result<ScanPage, StorageError> {
        let mut page = ScanPage::default();
        let from = <&[u8; 33]>::try_from(after).map_or(Bound::Unbounded, Bound::Excluded);
        for (seen, row) in self.records.range::<&[u8; 33]>((from, Bound::Unbounded))?.enumerate() {
            let (place, row) = row?;
            let (key, row) = (Key::from_bytes(place.value()), row.value());
            if part == Part::Lists {
                page.items.extend(row.2.chunks_exact(17).map(|index| Item::Entry {
                    index: index_of(index),
                    key,
                    expires_at: UnixTime::from_millis(row.1),
                }));
            } else if part.wants(key.kind) {
                page.items.push(Item::Record { key, record: record_of(row) });
            }
            if seen + 1 == limit {
                page.next = Some(Cursor(Bytes::copy_from_slice(place.value())));
                break;
            }
        }
        Ok(page)
    }

    fn walk_counters(&self, after: &[u8], limit: usize) -> Result<ScanPage, StorageError> {
        let mut page = ScanPage::default();
        let from = <&[u8; 16]>::try_from(after).map_or(Bound::Unbounded, Bound::Excluded);
        for row in self.counters.range::<&[u8; 16]>((from, Bound::Unbounded))? {
            let (place, row) = row?;
            let (count, resets_at) = row.value();
            let shows = Counter { count, resets_at: UnixTime::from_millis(resets_at) };
            page.items.push(Item::Counter { counter: CounterKey(id_of(place.value())), shows });
            if page.items.len() == limit {
                page.next = Some(Cursor(Bytes::copy_from_slice(place.value())));
                break;
            }
        }
        Ok(page)
    }
}

impl Writing<'_> {
    /// Writes an item as it is, whatever is there.
    pub(crate) fn restore(&mut self, item: &Item) -> Result<(), StoreError> {
        match item {
            Item::Record { key, record } => {
                let lists = self.take(key)?.map_or_else(Vec::new, |held| held.indexes);
                self.put(key, record, &lists)
            }
            Item::Entry { index, key, .. } => self.enter(index, key),
            Item::Counter { counter, shows } => self.set_counter(*counter, *shows),
        }
    }

    /// Enters a record in one more list.
    fn enter(&mut self, index: &Index, key: &Key) -> Result<(), StoreError> {
        let row = self.records.get(&key.to_bytes()).map_err(StoreError::unavailable)?;
        let Some((record, mut lists)) = row.map(|row| (record_of(row.value()), row.value().2.to_vec())) else {
            return Ok(()); // a list has no entry without a record
        };
        let index = index_bytes(index);
        if lists.chunks_exact(17).any(|held| held == index) {
            return Ok(());
        }
        lists.extend_from_slice(&index);
        self.take(key)?;
        self.put(key, &record, &lists)
    }

    fn put(&mut self, key: &Key, record: &Record, lists: &[u8]) -> Result<(), StoreError> {
        self.insert(key, record.version, record.expires_at, lists, &record.payload)
    }
}

fn id_of(bytes: &[u8; 16]) -> Id {
    Id::from_bytes(*bytes)
}

/// An index in 17 bytes.
fn index_of(bytes: &[u8]) -> Index {
    let mut value = [0; 16];
    value.copy_from_slice(&bytes[1..17]);
    Index { name: bytes[0], value: id_of(&value) }
}
