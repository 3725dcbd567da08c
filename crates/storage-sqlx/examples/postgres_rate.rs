//! How much of the raw driver's rate the store keeps on PostgreSQL: a commit against a lone `UPDATE`, a get against a lone
//! `SELECT`, side by side in one run.
//!
//! ```sh
//! cargo run --release -p countersign-storage-sqlx --features postgres,services --example postgres_rate [postgres://…]
//! ```
//!
//! Without a URL it starts a server of its own, with full durability. The goal is 0.85 for a batch of one record.

#![expect(clippy::unwrap_used, reason = "a measurement that fails says so")]

use std::time::{Duration, Instant};

use countersign_primitives::{Id, SystemRandom, UnixTime};
use countersign_storage_sqlx::{SqlOptions, SqlStore};
use countersign_storage_traits::{Batch, Expect, Key, Kind, Store as _, Version};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const LATER: UnixTime = UnixTime::from_secs(1_900_000_000);
/// As long as a sealed grant.
const PAYLOAD: [u8; 500] = [7; 500];
const ROUNDS: usize = 7;
const SLICE: Duration = Duration::from_millis(400);

const UPDATE: &str = "UPDATE countersign_record SET version = $2, expires = $3, payload = $4 WHERE k = $1";
const SELECT: &str = "SELECT k, version, expires, payload FROM countersign_record WHERE k = $1";

#[derive(Clone, Copy)]
enum Work {
    LoneUpdate,
    CommitOne,
    CommitThree,
    LoneSelect,
    Get,
}

fn key(caller: u128, number: u128) -> Key {
    Key::new(Id::from_bytes((caller + 1).to_be_bytes()), Kind(200), Id::from_bytes(number.to_be_bytes()))
}

fn batch(caller: u128, records: u128, expect: impl Fn() -> Expect) -> Batch {
    let mut batch = Batch::new(key(caller, 0).partition, NOW, &SystemRandom).unwrap();
    for number in 0..records {
        batch.put(key(caller, number), expect(), LATER, Vec::new(), &PAYLOAD[..]);
    }
    batch
}

/// What one caller does until the slice is over; answers how often.
async fn caller(work: Work, caller: u128, store: SqlStore, mut raw: PgConnection) -> (u64, PgConnection) {
    let key = key(caller, 0).to_bytes();
    let seed = batch(caller, 3, || Expect::Any);
    store.commit(&seed).await.unwrap();
    let (mut version, mut done): (Version, u64) = (seed.id(), 0);
    let start = Instant::now();
    while start.elapsed() < SLICE {
        match work {
            Work::LoneUpdate => {
                let update = sqlx::query(UPDATE).bind(&key[..]).bind(done.cast_signed()).bind(1_i64).bind(&PAYLOAD[..]);
                update.execute(&mut raw).await.unwrap();
            }
            Work::CommitOne | Work::CommitThree => {
                let records = if matches!(work, Work::CommitOne) { 1 } else { 3 };
                let next = batch(caller, records, || Expect::At(version));
                store.commit(&next).await.unwrap();
                version = next.id();
            }
            Work::LoneSelect => drop(sqlx::query(SELECT).bind(&key[..]).fetch_all(&mut raw).await.unwrap()),
            Work::Get => drop(store.get(&[Key::from_bytes(&key)], NOW).await.unwrap()),
        }
        done += 1;
    }
    (done, raw)
}

/// How often a second all callers together do it.
async fn rate(work: Work, store: &SqlStore, raw: &mut Vec<PgConnection>) -> f64 {
    let callers = (0..).zip(raw.drain(..)).map(|(number, raw)| tokio::spawn(caller(work, number, store.clone(), raw)));
    let mut done = 0;
    for caller in callers.collect::<Vec<_>>() {
        let (times, connection) = caller.await.unwrap();
        done += times;
        raw.push(connection);
    }
    f64::from(u32::try_from(done).unwrap()) / SLICE.as_secs_f64()
}

#[tokio::main]
async fn main() {
    let given = std::env::args().nth(1);
    let own = given.is_none().then(countersign_tests::Postgres::start);
    let url = given.or_else(|| own.as_ref().map(countersign_tests::Postgres::url)).unwrap();
    for callers in [1, 8] {
        let store = SqlStore::open_with(&url, SqlOptions::default().connections(callers)).await.unwrap();
        let mut raw = Vec::new();
        for _ in 0..callers {
            raw.push(PgConnection::connect(&url).await.unwrap());
        }
        for (name, lone, ours) in [
            ("commit of one record", Work::LoneUpdate, Work::CommitOne),
            ("commit of three records", Work::LoneUpdate, Work::CommitThree),
            ("get", Work::LoneSelect, Work::Get),
        ] {
            let mut ratios = Vec::new();
            let mut last = 0.0;
            for _ in 0..ROUNDS {
                last = rate(lone, &store, &mut raw).await;
                ratios.push(rate(ours, &store, &mut raw).await / last);
            }
            ratios.sort_by(f64::total_cmp);
            let [low, .., high] = ratios[..] else { return };
            let middle = ratios[ROUNDS / 2];
            println!(
                "{callers} callers, {name}: {middle:.2} of a lone statement ({low:.2} to {high:.2}; {last:.0}/s alone)"
            );
        }
    }
}
