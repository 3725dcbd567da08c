//! Records, as they are.

use countersign_primitives::UnixTime;
use countersign_storage_traits::{Key, Record, StoreError};
use futures_util::future::try_join_all;
use redis::Value;

use crate::error::{Cause, Failure};
use crate::{Inner, encode, slot};

impl Inner {
    /// One `MGET` a partition is one view of it; on a single server one `MGET` is one view of all.
    pub(crate) async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        if !self.network.is_cluster() || keys.iter().all(|key| key.partition == keys[0].partition) {
            return self.get_together(keys, now).await;
        }
        let mut partitions: Vec<Vec<usize>> = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            match partitions.iter_mut().find(|members| keys[members[0]].partition == key.partition) {
                Some(members) => members.push(at),
                None => partitions.push(vec![at]),
            }
        }
        let reads = partitions.iter().map(async |members| {
            let keys: Vec<Key> = members.iter().map(|at| keys[*at]).collect();
            self.get_together(&keys, now).await
        });
        let mut records = vec![None; keys.len()];
        for (members, found) in partitions.iter().zip(try_join_all(reads).await?) {
            for (at, record) in members.iter().zip(found) {
                records[*at] = record;
            }
        }
        Ok(records)
    }

    async fn get_together(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        let names: Vec<String> = keys.iter().map(encode::record_key).collect();
        let mut command = redis::cmd("MGET");
        command.arg(&names);
        let slot = names.first().map_or(0, |name| slot::of(name.as_bytes()));
        let Value::Array(values) = self.network.read(slot, &command).await? else {
            return Err(Failure::unsent("the server", Cause::Answer).into());
        };
        if values.len() != keys.len() {
            return Err(Failure::unsent("the server", Cause::Answer).into());
        }
        keys.iter().zip(values).map(|(key, value)| live(*key, value, now)).collect()
    }
}

fn live(key: Key, value: Value, now: UnixTime) -> Result<Option<Record>, StoreError> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(value) => {
            let record = encode::record_from(value).map_err(|reason| StoreError::Corrupt { key, reason })?;
            Ok((record.expires_at > now).then_some(record))
        }
        _ => Err(StoreError::Corrupt { key, reason: "it is no string" }),
    }
}
