//! Rubbish.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_primitives::UnixTime;
use countersign_storage_traits::{SWEEP_MARGIN, StoreError, Swept};
use futures_util::future::try_join_all;
use redis::{Cmd, Value};

use crate::encode::Sort;
use crate::error::{Cause, Failure};
use crate::link::Link;
use crate::script::{Call, SWEEP, TRIM};
use crate::{Inner, encode, examine};

/// A server drops by itself what a sweep would take, by its own clock. A caller whose clock is ahead by no more than this finds
/// nothing that will not go by itself in a moment.
const TOLERANCE: Duration = Duration::from_secs(10);
/// How many keys one look goes over, and how many entries of a list one script takes: either is done within a millisecond, and
/// others wait for no more.
const STEP: u32 = 256;
/// How many keys a sweep looks at, whether it finds anything or not. The next goes on behind them.
const LOOKS: usize = 20_000;

/// Where the next sweep goes on: everything before has been gone over, by this sweep or the ones before it.
#[derive(Debug, Default)]
pub(crate) struct Passes(Mutex<Place>);

/// A place on the way over all servers.
#[derive(Debug, Clone)]
struct Place {
    /// Which of the masters.
    master: usize,
    cursor: String,
    /// Whether anything was removed on this way: then one more is worth while.
    removed: bool,
}

const BEGINNING: &str = "0";

impl Default for Place {
    fn default() -> Self {
        Self { master: 0, cursor: BEGINNING.to_owned(), removed: false }
    }
}

impl Passes {
    fn lock(&self) -> MutexGuard<'_, Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one sweep may do, and has done.
struct Pass {
    latest: u64,
    limit: u32,
    removed: u32,
    looks: usize,
}

impl Pass {
    fn is_over(&self) -> bool {
        self.removed >= self.limit || self.looks >= LOOKS
    }
}

impl Inner {
    pub(crate) async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        let mut behind = Vec::new();
        for master in self.network.masters().await? {
            let clock = examine::clock(&self.network, &master).await?;
            if now > clock.plus(TOLERANCE) {
                behind.push(master);
            }
        }
        let mut pass = Pass { latest: encode::time(now.minus(SWEEP_MARGIN)), limit, removed: 0, looks: 0 };
        let mut place = self.passes.lock().clone();
        while !pass.is_over() {
            let Some(master) = behind.get(place.master) else {
                // The end. What came late before the place where this began is found on one more way.
                if !std::mem::take(&mut place).removed || behind.is_empty() {
                    break;
                }
                continue;
            };
            let before = pass.removed;
            self.sweep_page(master, &mut place, &mut pass).await?;
            place.removed |= pass.removed > before;
        }
        *self.passes.lock() = place;
        Ok(Swept { removed: pass.removed, more: pass.is_over() && limit > 0 })
    }

    /// Goes over some keys of one server, and on to the next.
    async fn sweep_page(&self, master: &Link, place: &mut Place, pass: &mut Pass) -> Result<(), StoreError> {
        let mut scan = redis::cmd("SCAN");
        scan.arg(&place.cursor).arg("MATCH").arg(format!("{}*", encode::PREFIX)).arg("COUNT").arg(STEP);
        let wrong = || StoreError::from(Failure::unsent(master.server(), Cause::Answer));
        let (next, keys) = read_scan(self.network.send_to(master, &scan).await?).ok_or_else(wrong)?;
        pass.looks += keys.len().max(1);
        // What was not done for want of room is looked at again.
        if self.sweep_keys(master, &keys, pass).await? {
            place.master += usize::from(next == BEGINNING);
            place.cursor = next;
        }
        Ok(())
    }

    /// Removes those of these keys that expired long ago; answers whether there was room for all.
    async fn sweep_keys(&self, master: &Link, keys: &[Vec<u8>], pass: &mut Pass) -> Result<bool, StoreError> {
        let sorted = |wanted: fn(Sort) -> Option<u32>| {
            let of = |key: &Vec<u8>| Some((key.clone(), wanted(encode::sort_of(key)?)?));
            keys.iter().filter_map(of).collect::<Vec<_>>()
        };
        let lists = sorted(|sort| (sort == Sort::List).then_some(0));
        let trimmed = try_join_all(lists.iter().map(|(list, _)| self.trim(list, pass.latest))).await?;
        pass.looks += trimmed.into_iter().sum::<usize>();
        let dated = sorted(|sort| match sort {
            Sort::Record => Some(16),
            Sort::Counter => Some(10),
            Sort::List => None,
        });
        let mut expired = self.expired(master, dated, pass.latest).await?;
        let room = usize::try_from(pass.limit - pass.removed).unwrap_or(usize::MAX);
        let all = expired.len() <= room;
        expired.truncate(room);
        // Each is judged again as it goes, in one script a key.
        let work = expired.iter().map(async |(key, expiry_at)| {
            let call = Call::new(&SWEEP).key(key.as_slice()).number(pass.latest).number(*expiry_at);
            match self.network.call(&call, None, true).await?.first() {
                Some(Value::Int(removed)) => Ok::<_, Failure>(u32::from(*removed > 0)),
                _ => Err(Failure::sent("the server", Cause::Answer)),
            }
        });
        pass.removed += try_join_all(work).await?.into_iter().sum::<u32>();
        Ok(all)
    }

    /// Which of these look expired: one journey for all of them.
    async fn expired(
        &self,
        master: &Link,
        mut keys: Vec<(Vec<u8>, u32)>,
        latest: u64,
    ) -> Result<Vec<(Vec<u8>, u32)>, StoreError> {
        let look = |(key, at): &(Vec<u8>, u32)| {
            let mut look = redis::cmd("GETRANGE");
            look.arg(key).arg(*at).arg(at + 15);
            look
        };
        let looks: Vec<Cmd> = keys.iter().map(look).collect();
        if looks.is_empty() {
            return Ok(keys);
        }
        // A slot that has moved meanwhile is its new master's to sweep.
        let mut found = self.network.send_all_to(master, &looks).await?.into_iter().map(|value| match value {
            Value::BulkString(digits) => {
                std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse::<u64>().ok())
            }
            _ => None,
        });
        keys.retain(|_| found.next().flatten().is_some_and(|expiry| expiry < latest));
        Ok(keys)
    }

    /// Removes what has expired from a list; answers how many entries that were.
    async fn trim(&self, list: &[u8], latest: u64) -> Result<usize, Failure> {
        let mut all = 0;
        loop {
            let call = Call::new(&TRIM).key(list).number(latest).number(STEP);
            let trimmed = match self.network.call(&call, None, true).await?.first() {
                Some(Value::Int(trimmed)) => *trimmed,
                _ => return Err(Failure::sent("the server", Cause::Answer)),
            };
            all += usize::try_from(trimmed).unwrap_or_default();
            if trimmed < i64::from(STEP) {
                return Ok(all);
            }
        }
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
