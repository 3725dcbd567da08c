//! How records, lists and counters lie in the file.

use bytes::Bytes;
use countersign::UnixTime;
use countersign::store::{
    Batch, Change, Charge, Charged, Counter, CounterKey, Index, Key, Op, Record, SWEEP_MARGIN, Standing, StoreError,
    Swept, Version,
};
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableDefinition, TableError, WriteTransaction};

pub(crate) type RecordKey = &'static [u8; 33];
/// Version, expiry, the indexes one after the other, payload.
type Row = (u64, u64, &'static [u8], &'static [u8]);
/// An index (name and value), then the key of a record in it.
type Entry = &'static [u8; 50];
type CounterId = &'static [u8; 16];

const RECORDS: TableDefinition<'_, RecordKey, Row> = TableDefinition::new("records");
const LISTS: TableDefinition<'_, Entry, ()> = TableDefinition::new("lists");
/// Count, and when it starts anew.
const COUNTERS: TableDefinition<'_, CounterId, (u32, u64)> = TableDefinition::new("counters");
/// Expiry, then the key of a record (33 bytes) or of a counter (16 bytes): what a sweep walks along.
const EXPIRIES: TableDefinition<'_, (u64, &'static [u8]), ()> = TableDefinition::new("expiries");

/// Makes the tables. A table of one of these names and another type belongs to something else.
pub(crate) fn prepare(transaction: &WriteTransaction) -> Result<(), StoreError> {
    Writing::of(transaction).map(drop)
}

fn schema(error: TableError) -> StoreError {
    match error {
        TableError::Storage(error) => StoreError::unavailable(error),
        other => StoreError::Schema(other.into()),
    }
}

/// The tables at one moment.
pub(crate) struct Reading {
    pub(crate) records: ReadOnlyTable<RecordKey, Row>,
    lists: ReadOnlyTable<Entry, ()>,
    pub(crate) counters: ReadOnlyTable<CounterId, (u32, u64)>,
}

impl Reading {
    pub(crate) fn of(transaction: &ReadTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            records: transaction.open_table(RECORDS).map_err(schema)?,
            lists: transaction.open_table(LISTS).map_err(schema)?,
            counters: transaction.open_table(COUNTERS).map_err(schema)?,
        })
    }

    /// The record, unless it has expired by the caller's clock.
    pub(crate) fn live(&self, key: &Key, now: UnixTime) -> Result<Option<Record>, StoreError> {
        let row = self.records.get(&key.to_bytes()).map_err(StoreError::unavailable)?;
        let record = row.map(|row| record_of(row.value()));
        Ok(record.filter(|record| record.expires_at > now))
    }

    /// The keys of an index beyond `after`, in the order of their bytes: deletions in between shift nothing.
    pub(crate) fn list(
        &self,
        index: &Index,
        after: Option<Key>,
        limit: usize,
        now: UnixTime,
    ) -> Result<Vec<Key>, StoreError> {
        let (first, last) = (entry(index, &[0; 33]), entry(index, &[0xff; 33]));
        let from = after.map_or(first, |key| entry(index, &key.to_bytes()));
        let mut keys = Vec::new();
        for found in self.lists.range::<&[u8; 50]>(&from..=&last).map_err(StoreError::unavailable)? {
            let (found, ()) = found.map(|(found, value)| (found, value.value())).map_err(StoreError::unavailable)?;
            let Some(key) = key_of(&found.value()[17..]).filter(|key| Some(*key) != after) else { continue };
            if self.live(&key, now)?.is_some() {
                keys.push(key);
            }
            if keys.len() == limit {
                break;
            }
        }
        Ok(keys)
    }
}

/// The tables in a transaction that changes them.
pub(crate) struct Writing<'a> {
    pub(crate) records: Table<'a, RecordKey, Row>,
    lists: Table<'a, Entry, ()>,
    counters: Table<'a, CounterId, (u32, u64)>,
    expiries: Table<'a, (u64, &'static [u8]), ()>,
}

impl<'a> Writing<'a> {
    pub(crate) fn of(transaction: &'a WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            records: transaction.open_table(RECORDS).map_err(schema)?,
            lists: transaction.open_table(LISTS).map_err(schema)?,
            counters: transaction.open_table(COUNTERS).map_err(schema)?,
            expiries: transaction.open_table(EXPIRIES).map_err(schema)?,
        })
    }

    /// What is held under the keys of a batch, expired or not: the batch judges that by its own time.
    pub(crate) fn standings(&self, batch: &Batch) -> Result<Vec<(Key, Standing)>, StoreError> {
        let mut standings = Vec::with_capacity(batch.ops().len());
        for Op { key, .. } in batch.ops() {
            if let Some(row) = self.records.get(&key.to_bytes()).map_err(StoreError::unavailable)? {
                let (version, expires_at, ..) = row.value();
                let expires_at = UnixTime::from_millis(expires_at);
                standings.push((*key, Standing { version: Version::new(version), expires_at }));
            }
        }
        Ok(standings)
    }

    /// Writes a batch that has been judged.
    pub(crate) fn apply(&mut self, batch: &Batch) -> Result<(), StoreError> {
        for Op { key, change, .. } in batch.ops() {
            match change {
                Change::Check => {}
                Change::Put { expires_at, indexes, payload } => {
                    // The lists of a record are fixed while it lives; one made anew stands in its new lists.
                    let held = self.take(key)?.filter(|held| UnixTime::from_millis(held.expires_at) > batch.now());
                    let indexes =
                        held.map_or_else(|| indexes.iter().flat_map(index_bytes).collect(), |held| held.indexes);
                    self.insert(key, batch.id(), *expires_at, &indexes, payload)?;
                }
                Change::Delete => drop(self.take(key)?),
            }
        }
        Ok(())
    }

    pub(crate) fn insert(
        &mut self,
        key: &Key,
        version: Version,
        expires_at: UnixTime,
        indexes: &[u8],
        payload: &[u8],
    ) -> Result<(), StoreError> {
        let (bytes, expiry) = (key.to_bytes(), expires_at.as_millis());
        self.records.insert(&bytes, (version.number(), expiry, indexes, payload)).map_err(StoreError::unavailable)?;
        self.expiries.insert((expiry, &bytes[..]), ()).map_err(StoreError::unavailable)?;
        for index in indexes.chunks_exact(17) {
            self.lists.insert(&joined(index, &bytes), ()).map_err(StoreError::unavailable)?;
        }
        Ok(())
    }

    /// Takes a record out of every table, and says what it was.
    pub(crate) fn take(&mut self, key: &Key) -> Result<Option<Held>, StoreError> {
        let bytes = key.to_bytes();
        let removed = self.records.remove(&bytes).map_err(StoreError::unavailable)?.map(|row| {
            let (_, expires_at, indexes, _) = row.value();
            Held { expires_at, indexes: indexes.to_vec() }
        });
        if let Some(held) = &removed {
            self.expiries.remove((held.expires_at, &bytes[..])).map_err(StoreError::unavailable)?;
            for index in held.indexes.chunks_exact(17) {
                self.lists.remove(&joined(index, &bytes)).map_err(StoreError::unavailable)?;
            }
        }
        Ok(removed)
    }

    /// Counts, by the contract's own arithmetic.
    pub(crate) fn charge(&mut self, charge: &Charge, now: UnixTime) -> Result<Charged, StoreError> {
        let CounterKey(id) = charge.counter;
        let held = self.counters.get(id.as_bytes()).map_err(StoreError::unavailable)?.map(|row| row.value());
        let counter = held.map(|(count, resets_at)| Counter { count, resets_at: UnixTime::from_millis(resets_at) });
        let (changed, charged) = charge.apply(counter, now);
        if let Some(counter) = changed {
            self.set_counter(charge.counter, counter)?;
        }
        Ok(charged)
    }

    pub(crate) fn set_counter(&mut self, CounterKey(id): CounterKey, shows: Counter) -> Result<(), StoreError> {
        let resets_at = shows.resets_at.as_millis();
        let held = self.counters.insert(id.as_bytes(), (shows.count, resets_at)).map_err(StoreError::unavailable)?;
        if let Some((_, resets_at)) = held.map(|row| row.value()) {
            self.expiries.remove((resets_at, &id.as_bytes()[..])).map_err(StoreError::unavailable)?;
        }
        self.expiries.insert((resets_at, &id.as_bytes()[..]), ()).map_err(StoreError::unavailable)?;
        Ok(())
    }

    /// Removes what expired longer ago than the margin, at most so many. The table of expiries follows every renewal in the
    /// same transaction, so what it names is what has expired.
    pub(crate) fn sweep(&mut self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        let latest = now.minus(SWEEP_MARGIN).as_millis();
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut due: Vec<Vec<u8>> = Vec::new();
        for found in
            self.expiries.range(..(latest, &[][..])).map_err(StoreError::unavailable)?.take(most.saturating_add(1))
        {
            let (expiry, _) = found.map_err(StoreError::unavailable)?;
            due.push(expiry.value().1.to_vec());
        }
        let more = due.len() > most;
        due.truncate(most);
        for bytes in &due {
            self.remove_expired(bytes)?;
        }
        Ok(Swept { removed: u32::try_from(due.len()).unwrap_or(u32::MAX), more })
    }

    fn remove_expired(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if let Some(key) = key_of(bytes) {
            self.take(&key)?;
        } else if let Ok(id) = <&[u8; 16]>::try_from(bytes) {
            let removed = self.counters.remove(id).map_err(StoreError::unavailable)?.map(|row| row.value());
            if let Some((_, resets_at)) = removed {
                self.expiries.remove((resets_at, bytes)).map_err(StoreError::unavailable)?;
            }
        }
        Ok(())
    }
}

/// What a record was before it was taken out.
pub(crate) struct Held {
    expires_at: u64,
    pub(crate) indexes: Vec<u8>,
}

pub(crate) fn record_of((version, expires_at, _, payload): (u64, u64, &[u8], &[u8])) -> Record {
    Record {
        version: Version::new(version),
        expires_at: UnixTime::from_millis(expires_at),
        payload: Bytes::copy_from_slice(payload),
    }
}

/// The key in 33 bytes.
pub(crate) fn key_of(bytes: &[u8]) -> Option<Key> {
    <&[u8; 33]>::try_from(bytes).ok().map(Key::from_bytes)
}

pub(crate) fn index_bytes(index: &Index) -> [u8; 17] {
    let mut bytes = [index.name; 17];
    bytes[1..].copy_from_slice(index.value.as_bytes());
    bytes
}

fn entry(index: &Index, key: &[u8; 33]) -> [u8; 50] {
    joined(&index_bytes(index), key)
}

fn joined(index: &[u8], key: &[u8; 33]) -> [u8; 50] {
    let mut bytes = [0; 50];
    bytes[..17].copy_from_slice(index);
    bytes[17..].copy_from_slice(key);
    bytes
}
