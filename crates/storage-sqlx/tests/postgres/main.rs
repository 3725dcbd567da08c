//! What is PostgreSQL's own: opening, schemas, plans, round trips, crashes on either side.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail as the test does")]

mod crashes;
mod distributed;
mod durability;
mod failover;
mod opening;
mod plans;
mod pooler;
mod schema;
mod sweeping;
mod tls;
mod trips;

use std::sync::LazyLock;
use std::time::Duration;

use countersign_primitives::{Id, SystemRandom, UnixTime};
use countersign_storage_sqlx::{OpenError, ServerError, ServerTrouble, SqlStore};
use countersign_storage_traits::{Batch, Charge, CounterKey, Expect, Key, Kind, Record, Store};
use countersign_tests::Postgres;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const LATER: UnixTime = UnixTime::from_secs(1_800_003_600);

/// The server of the tests that do not need one of their own; each has a schema of its own.
static SERVER: LazyLock<Postgres> = LazyLock::new(Postgres::start);

fn key(number: u32) -> Key {
    Key::new(Id::from_bytes([1; 16]), Kind(200), Id::from_bytes(u128::from(number).to_be_bytes()))
}

fn batch(number: u32, expect: Expect, payload: impl Into<Vec<u8>>) -> Batch {
    let mut batch = Batch::new(key(number).partition, NOW, &SystemRandom).unwrap();
    batch.put(key(number), expect, LATER, Vec::new(), payload.into());
    batch
}

/// Two records that come together.
fn pair(number: u32) -> Batch {
    let mut pair = batch(2 * number, Expect::Absent, "one");
    pair.put(key(2 * number + 1), Expect::Absent, LATER, Vec::new(), "other");
    pair
}

fn charge(number: u128, add: i32) -> Charge {
    let counter = CounterKey(Id::from_bytes(number.to_be_bytes()));
    Charge { counter, add, limit: 1_000_000, window: Duration::from_secs(60) }
}

async fn read(store: &dyn Store, number: u32) -> Option<Record> {
    store.get(&[key(number)], NOW).await.unwrap().remove(0)
}

/// What the trouble is with a server that cannot be opened.
async fn refused(url: &str) -> ServerTrouble {
    trouble(&SqlStore::open(url).await.unwrap_err())
}

fn trouble(error: &OpenError) -> ServerTrouble {
    match error {
        OpenError::Server(error) => error.trouble(),
        other => panic!("not about a server: {other:?}"),
    }
}

/// What the trouble was in a call: the error's first source that tells.
fn trouble_of(error: &(dyn std::error::Error + 'static)) -> ServerTrouble {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut told = causes.filter_map(|cause| cause.downcast_ref::<ServerError>().map(ServerError::trouble));
    told.next().unwrap_or_else(|| panic!("not about a server: {error:?}"))
}
