//! Backlogs, and what their sweeping costs others.

use std::time::Duration;

use countersign_primitives::{SystemRandom, UnixTime};
use countersign_storage_sqlx::SqlStore;
use countersign_storage_traits::testkit::{sweep_beside_traffic, with_runner};
use countersign_storage_traits::{Batch, Expect, Index, Store};
use tokio::runtime::Runtime;

use crate::folder::Folder;
use crate::{LATER, NOW, batch, key};

#[test]
fn twenty_thousand_go_beside_traffic() {
    let (runtime, folder) = (Runtime::new().unwrap(), Folder::new());
    let store = runtime.block_on(SqlStore::open(&folder.url("store.db"))).unwrap();
    let swept =
        with_runner(move |future| runtime.block_on(future), async move { sweep_beside_traffic(&store, 20_000).await });
    assert!(swept.removed >= 19_000 && swept.calls >= 20 && swept.largest <= 1_000, "{swept:?}");
    let slowest = swept.beside.percentile(99);
    assert!(slowest < Duration::from_secs(1), "no commit waits long beside two sweepers: {slowest:?}");
}

/// Two stores on one file, each with a writer of its own, as two processes have.
#[tokio::test(flavor = "multi_thread")]
async fn commits_of_another_process_get_their_turn_beside_a_sweep() {
    let folder = Folder::new();
    let (sweeper, other) = (
        SqlStore::open(&folder.url("store.db")).await.unwrap(),
        SqlStore::open(&folder.url("store.db")).await.unwrap(),
    );
    for first in (0..8_000).step_by(16) {
        let mut batch = Batch::new(key(0).partition, NOW, &SystemRandom).unwrap();
        for number in first..first + 16 {
            let list = Index { name: 1, value: key(number / 100).id };
            batch.put(key(number), Expect::Absent, NOW.plus(Duration::from_secs(1)), vec![list], vec![7; 300]);
        }
        sweeper.commit(&batch).await.unwrap();
    }
    let sweeping = tokio::spawn(async move { sweeper.sweep(LATER.plus(Duration::from_secs(9_000)), 8_000).await });
    let mut commits = 0;
    while !sweeping.is_finished() {
        // After `busy_timeout` it would be an error.
        other.commit(&batch(100_000 + commits, Expect::Absent, "beside the sweep")).await.unwrap();
        commits += 1;
    }
    assert_eq!(sweeping.await.unwrap().unwrap().removed, 8_000);
    assert!(commits >= 8, "{commits} commits beside 32 steps of a sweep");
}

#[tokio::test]
async fn health_tells_the_backlog() {
    let folder = Folder::new();
    let store = SqlStore::open(&folder.url("store.db")).await.unwrap();
    let backlog = async || store.health().await.unwrap().backlog;
    assert_eq!(backlog().await, Some(0));
    let mut old = Batch::new(key(0).partition, UnixTime::default(), &SystemRandom).unwrap();
    for number in 0..5 {
        old.put(key(number), Expect::Absent, UnixTime::from_secs(1_000), Vec::new(), "long gone");
    }
    store.commit(&old).await.unwrap();
    store.commit(&batch(9, Expect::Absent, "lives")).await.unwrap();
    assert_eq!(backlog().await, Some(5));
    store.sweep(UnixTime::from_secs(2_000), 3).await.unwrap();
    assert_eq!(backlog().await, Some(2));
}
