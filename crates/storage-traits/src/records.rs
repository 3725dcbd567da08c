//! Typed records over the untyped contract.

use std::fmt;

use bytes::Bytes;
use countersign_primitives::UnixTime;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Batch, CommitError, Expect, Index, Key, Kind, Record, Store, StoreError, Version};

/// A value that is kept as a record of one kind.
///
/// The payload is one byte that names the format and then self-describing JSON, so that a node of another version reads what
/// it knows and ignores what it does not.
pub trait Stored: Serialize + DeserializeOwned + Send + Sync {
    /// The kind of its records.
    const KIND: Kind;

    /// The lists that a record of it stands in; the same at every put.
    fn indexes(&self) -> Vec<Index> {
        Vec::new()
    }
}

/// The format byte of payloads in JSON.
const FORMAT_JSON: u8 = 1;

/// A record that was found: its value, and the version that a batch may expect.
#[derive(Clone)]
pub struct Found<T> {
    /// Where it lives.
    pub key: Key,
    /// The version it was read at.
    pub version: Version,
    /// From when on it counts as absent.
    pub expires_at: UnixTime,
    /// The value.
    pub value: T,
}

impl<T> fmt::Debug for Found<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").field("key", &self.key).field("version", &self.version).finish_non_exhaustive()
    }
}

impl<T: Stored> Found<T> {
    /// Reads a record's payload.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the payload is not what this type writes.
    pub fn decode(key: Key, record: &Record) -> Result<Self, StoreError> {
        let corrupt = |reason| StoreError::Corrupt { key, reason };
        let value = match record.payload.split_first() {
            Some((&FORMAT_JSON, json)) => {
                serde_json::from_slice(json).map_err(|_| corrupt("not the expected value"))?
            }
            Some(_) => return Err(corrupt("an unknown format")),
            None => return Err(corrupt("an empty payload")),
        };
        Ok(Self { key, version: record.version, expires_at: record.expires_at, value })
    }

    /// The expectation that the record is as it was read.
    #[must_use]
    pub fn unchanged(&self) -> Expect {
        Expect::At(self.version)
    }
}

impl Batch {
    /// Adds a typed write.
    ///
    /// # Errors
    /// [`StoreError::Encode`] when the value cannot be written out.
    pub fn put_value<T: Stored>(
        &mut self,
        key: Key,
        expect: Expect,
        expires_at: UnixTime,
        value: &T,
    ) -> Result<&mut Self, StoreError> {
        let mut payload = Vec::with_capacity(256);
        payload.push(FORMAT_JSON);
        serde_json::to_writer(&mut payload, value).map_err(|error| StoreError::Encode(error.into()))?;
        Ok(self.put(key, expect, expires_at, value.indexes(), Bytes::from(payload)))
    }
}

impl dyn Store + '_ {
    /// Reads one record of type `T`.
    ///
    /// # Errors
    /// When the store fails or the record cannot be read.
    pub async fn find<T: Stored>(&self, key: Key, now: UnixTime) -> Result<Option<Found<T>>, StoreError> {
        debug_assert_eq!(key.kind, T::KIND, "the key is of another kind");
        let record = self.get(&[key], now).await?.pop().flatten();
        record.map(|record| Found::decode(key, &record)).transpose()
    }

    /// Commits, and repeats the same batch up to twice while the outcome is not known: what is done already answers Ok.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit_surely(&self, batch: &Batch) -> Result<(), CommitError> {
        for _ in 0..2 {
            match self.commit(batch).await {
                Err(CommitError::Unknown(_)) => {}
                settled => return settled,
            }
        }
        self.commit(batch).await
    }
}
