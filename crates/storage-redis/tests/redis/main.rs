//! What is Redis' own: what its settings keep, what it refuses, how it fails and comes back, clusters that change.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail as the test does")]

#[path = "../servers/mod.rs"]
mod servers;

#[cfg(feature = "tls")]
#[path = "../servers/authority.rs"]
mod authority;
mod cluster;
mod durability;
mod lists;
mod lost_answers;
mod refusals;
mod sentinel;
mod sweeping;
#[cfg(feature = "tls")]
mod tls;
mod traffic;
mod trouble;

use std::time::Duration;

use countersign_primitives::{Clock as _, Id, Random, SystemClock, SystemRandom, UnixTime};
use countersign_storage_redis::RedisStore;
use countersign_storage_traits::{
    Batch, Charge, CommitError, CounterKey, Expect, Key, Kind, Record, Store, StoreError,
};

fn now() -> UnixTime {
    SystemClock.now()
}

fn later() -> UnixTime {
    now().plus(Duration::from_secs(3_600))
}

fn fresh_id() -> Id {
    let random: &dyn Random = &SystemRandom;
    random.id().unwrap()
}

fn key(number: u32) -> Key {
    Key::new(Id::from_bytes([1; 16]), Kind(200), Id::from_bytes(u128::from(number).to_be_bytes()))
}

fn batch_of(key: Key, expect: Expect, payload: impl Into<Vec<u8>>) -> Batch {
    let mut batch = Batch::new(key.partition, now(), &SystemRandom).unwrap();
    batch.put(key, expect, later(), Vec::new(), payload.into());
    batch
}

fn batch(number: u32, expect: Expect, payload: impl Into<Vec<u8>>) -> Batch {
    batch_of(key(number), expect, payload)
}

fn charge(counter: Id) -> Charge {
    Charge { counter: CounterKey(counter), add: 1, limit: 1_000, window: Duration::from_secs(600) }
}

async fn read(store: &dyn Store, number: u32) -> Option<Record> {
    store.get(&[key(number)], now()).await.unwrap().remove(0)
}

/// An error and all its causes, as a log shows them.
fn told(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        told.push_str(": ");
        told.push_str(&error.to_string());
        source = error.source();
    }
    told
}

/// That a commit was refused for this reason and surely not written.
fn assert_refused(outcome: &Result<(), CommitError>, why: &str) {
    let Err(error @ CommitError::Refused(StoreError::Unavailable(_))) = outcome else {
        panic!("refused because of {why}: {outcome:?}")
    };
    let told = told(error);
    assert!(told.contains(why), "{told}");
}

async fn open(url: &str) -> RedisStore {
    RedisStore::open(url).await.unwrap()
}
