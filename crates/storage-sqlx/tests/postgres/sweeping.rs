//! Backlogs, and what their sweeping costs others.

use std::time::Duration;

use countersign_primitives::{SystemRandom, UnixTime};
use countersign_storage_sqlx::{SqlOptions, SqlStore};
use countersign_storage_traits::testkit::{sweep_beside_traffic, with_runner};
use countersign_storage_traits::{Batch, Expect, Store};
use sqlx::{Connection as _, PgConnection};
use tokio::runtime::Runtime;

use crate::{NOW, SERVER, batch, charge, key, read};

#[test]
fn twenty_thousand_go_beside_traffic() {
    let runtime = Runtime::new().unwrap();
    let store = runtime.block_on(SqlStore::open(&SERVER.fresh_schema())).unwrap();
    let swept =
        with_runner(move |future| runtime.block_on(future), async move { sweep_beside_traffic(&store, 20_000).await });
    assert!(swept.removed >= 19_000 && swept.calls >= 20 && swept.largest <= 1_000, "{swept:?}");
    let slowest = swept.beside.percentile(99);
    assert!(slowest < Duration::from_secs(1), "no commit waits long beside two sweepers: {slowest:?}");
}

async fn expired(store: &SqlStore, numbers: std::ops::Range<u32>, at: u64) {
    let mut batch = Batch::new(key(0).partition, UnixTime::default(), &SystemRandom).unwrap();
    for number in numbers {
        batch.put(key(number), Expect::Absent, UnixTime::from_secs(at), Vec::new(), "long gone");
    }
    store.commit(&batch).await.unwrap();
}

#[tokio::test]
async fn what_came_late_before_the_place_of_the_last_sweep_goes_too() {
    let store = SqlStore::open(&SERVER.fresh_schema()).await.unwrap();
    expired(&store, 0..10, 5_000).await;
    let now = UnixTime::from_secs(100_000);
    let swept = store.sweep(now, 4).await.unwrap();
    assert_eq!((swept.removed, swept.more), (4, true));
    // By a node whose clock is behind, or held by another when the sweep came by.
    expired(&store, 20..25, 1_000).await;
    let swept = store.sweep(now, 1_000).await.unwrap();
    assert_eq!((swept.removed, swept.more), (11, false));
    assert!(store.get(&[key(20)], UnixTime::default()).await.unwrap()[0].is_none());
}

#[tokio::test]
async fn a_sweep_passes_by_what_another_holds_and_waits_for_nobody() {
    let url = SERVER.fresh_schema();
    let store = SqlStore::open_with(&url, SqlOptions::default().call_timeout(Duration::from_secs(5))).await.unwrap();
    expired(&store, 0..10, 5_000).await;
    let mut holder = PgConnection::connect(&url).await.unwrap();
    let hold = "BEGIN; SELECT 1 FROM countersign_record ORDER BY k LIMIT 3 FOR UPDATE";
    sqlx::raw_sql(hold).execute(&mut holder).await.unwrap();
    let now = UnixTime::from_secs(100_000);
    assert_eq!(store.sweep(now, 1_000).await.unwrap().removed, 7);
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    assert_eq!(store.sweep(now, 1_000).await.unwrap().removed, 3);
}

#[tokio::test]
async fn health_tells_the_backlog() {
    let store = SqlStore::open(&SERVER.fresh_schema()).await.unwrap();
    let backlog = async || store.health().await.unwrap().backlog;
    assert_eq!(backlog().await, Some(0));
    expired(&store, 0..5, 1_000).await;
    store.charge(&[charge(1, 1)], UnixTime::from_secs(1_000)).await.unwrap();
    store.commit(&batch(9, Expect::Absent, "lives")).await.unwrap();
    assert_eq!(backlog().await, Some(6));
    store.sweep(UnixTime::from_secs(2_000), 3).await.unwrap();
    assert_eq!(backlog().await, Some(3));
    store.sweep(NOW, 100).await.unwrap();
    assert_eq!(backlog().await, Some(0));
    assert!(read(&store, 9).await.is_some());
}
