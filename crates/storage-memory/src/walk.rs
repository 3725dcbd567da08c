//! Everything there is, in order.

use std::ops::Bound;

use countersign_primitives::Id;
use countersign_storage_traits::{CounterKey, Index, Item, Key, Part, StoreError};

use crate::tables::Tables;

/// Something that is there, behind the place that it has in a walk.
type Placed = (Vec<u8>, Item);

impl Tables {
    /// What stands behind a place, the first `limit` of it in order.
    pub(crate) fn walk(&self, part: Part, after: &[u8], limit: usize) -> Result<Vec<Placed>, StoreError> {
        match part {
            Part::Records | Part::RecordsOf(_) => {
                let after = place(after, Key::from_bytes)?;
                let wanted = self.records.keys().filter(|key| part.wants(key.kind)).copied();
                let keys = first(wanted, after, limit);
                let record = |key: Key| Some((key.to_bytes().to_vec(), self.records.get(&key)?.record.clone()));
                let item = |key: Key| record(key).map(|(place, record)| (place, Item::Record { key, record }));
                Ok(keys.into_iter().filter_map(item).collect())
            }
            Part::Counters => {
                let after = place(after, |bytes: &[u8; 16]| CounterKey(Id::from_bytes(*bytes)))?;
                let item = |counter: CounterKey| {
                    let shows = *self.counters.get(&counter)?;
                    Some((counter.0.as_bytes().to_vec(), Item::Counter { counter, shows }))
                };
                Ok(first(self.counters.keys().copied(), after, limit).into_iter().filter_map(item).collect())
            }
            Part::Lists => {
                let after = place(after, entry_from)?;
                let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
                let item = |(index, key): &(Index, Key)| {
                    let expires_at = self.records.get(key)?.record.expires_at;
                    Some((entry(index, key), Item::Entry { index: *index, key: *key, expires_at }))
                };
                Ok(self.lists.range(behind).filter_map(item).take(limit).collect())
            }
        }
    }

    /// Writes an item as it is.
    pub(crate) fn restore(&mut self, item: &Item) {
        match item {
            Item::Record { key, record } => self.replace(*key, record.clone()),
            Item::Entry { index, key, .. } => self.enter(*index, *key),
            Item::Counter { counter, shows } => self.set_counter(*counter, *shows),
        }
    }
}

/// The first of these in order, behind one of them.
fn first<T: Ord + Copy>(all: impl Iterator<Item = T>, after: Option<T>, limit: usize) -> Vec<T> {
    let mut behind: Vec<T> = all.filter(|one| after.is_none_or(|after| *one > after)).collect();
    if behind.len() > limit {
        behind.select_nth_unstable(limit);
        behind.truncate(limit);
    }
    behind.sort_unstable();
    behind
}

/// What a cursor of this length stands for.
fn place<T, const LENGTH: usize>(
    cursor: &[u8],
    read: impl FnOnce(&[u8; LENGTH]) -> T,
) -> Result<Option<T>, StoreError> {
    if cursor.is_empty() {
        return Ok(None);
    }
    cursor.try_into().map(|bytes| Some(read(bytes))).map_err(|_| StoreError::Cursor)
}

fn entry(index: &Index, key: &Key) -> Vec<u8> {
    [&[index.name], &index.value.as_bytes()[..], &key.to_bytes()].concat()
}

fn entry_from(bytes: &[u8; 50]) -> (Index, Key) {
    let (mut value, mut key) = ([0; 16], [0; 33]);
    value.copy_from_slice(&bytes[1..17]);
    key.copy_from_slice(&bytes[17..]);
    (Index { name: bytes[0], value: Id::from_bytes(value) }, Key::from_bytes(&key))
}
