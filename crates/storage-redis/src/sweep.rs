//! Rubbish.

use std::time::Duration;

use countersign_primitives::UnixTime;
use countersign_storage_traits::{SWEEP_MARGIN, StoreError, Swept};
use futures_util::future::try_join_all;
use redis::Value;

use crate::encode::Sort;
use crate::error::{Cause, Failure};
use crate::link::Link;
use crate::script::{Call, SWEEP};
use crate::{Inner, encode, examine};

/// A server drops by itself what a sweep would take, by its own clock. A caller whose clock is ahead by no more than this finds
/// nothing that will not go by itself in a moment.
const TOLERANCE: Duration = Duration::from_secs(10);
/// How many keys one look goes over.
const STEP: u32 = 256;

impl Inner {
    pub(crate) async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        let mut removed = 0;
        for master in self.network.masters().await? {
            let clock = examine::clock(&self.network, &master).await?;
            if now > clock.plus(TOLERANCE) {
                removed += self.sweep_master(&master, now, limit - removed).await?;
            }
            if removed >= limit {
                break;
            }
        }
        Ok(Swept { removed, more: removed >= limit && limit > 0 })
    }

    async fn sweep_master(&self, master: &Link, now: UnixTime, limit: u32) -> Result<u32, StoreError> {
        let latest = encode::time(now.minus(SWEEP_MARGIN));
        let (mut cursor, mut removed) = ("0".to_owned(), 0);
        while removed < limit {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(format!("{}*", encode::PREFIX)).arg("COUNT").arg(STEP);
            let wrong = || StoreError::from(Failure::unsent(master.server(), Cause::Answer));
            let (next, keys) = read_scan(self.network.send_to(master, &scan).await?).ok_or_else(wrong)?;
            // No more at once than may still go.
            let mut rest = keys.as_slice();
            while removed < limit && !rest.is_empty() {
                let room = usize::try_from(limit - removed).unwrap_or(usize::MAX);
                let (keys, after) = rest.split_at(room.min(rest.len()));
                removed += self.sweep_keys(keys, latest).await?;
                rest = after;
            }
            if next == "0" {
                break;
            }
            cursor = next;
        }
        Ok(removed)
    }

    /// Judges each key again as it removes it, in one script a key.
    async fn sweep_keys(&self, keys: &[Vec<u8>], latest: u64) -> Result<u32, StoreError> {
        let work = keys.iter().filter_map(|key| Some((key, encode::sort_of(key)?))).map(async |(key, sort)| {
            let expiry_at = match sort {
                Sort::Record => 16,
                Sort::Counter => 10,
                Sort::List => {
                    let mut command = redis::cmd("ZREMRANGEBYSCORE");
                    command.arg(key).arg("-inf").arg(format!("({latest}"));
                    self.network.read(crate::slot::of(key), &command).await?;
                    return Ok(0);
                }
            };
            let call = Call::new(&SWEEP).key(key.as_slice()).number(latest).number(expiry_at);
            match self.network.call(&call, None, true).await?.first() {
                Some(Value::Int(removed)) => Ok::<_, Failure>(u32::from(*removed > 0)),
                _ => Err(Failure::sent("the server", Cause::Answer)),
            }
        });
        Ok(try_join_all(work).await?.into_iter().sum())
    }
}

/// The next cursor and the keys in an answer to `SCAN`.
pub(crate) fn read_scan(answer: Value) -> Option<(String, Vec<Vec<u8>>)> {
    let Value::Array(parts) = answer else { return None };
    let [Value::BulkString(cursor), Value::Array(keys)] = parts.as_slice() else { return None };
    let key = |key: &Value| match key {
        Value::BulkString(key) => Some(key.clone()),
        _ => None,
    };
    Some((String::from_utf8(cursor.clone()).ok()?, keys.iter().map(key).collect::<Option<_>>()?))
}
