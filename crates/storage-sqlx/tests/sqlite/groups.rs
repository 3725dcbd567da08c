//! One transaction serves the batches that wait.

use std::task::{Context, Waker};
use std::time::Duration;

use countersign_storage_sqlx::{SqlOptions, SqlStore};
use countersign_storage_traits::{CommitError, Expect, Key, Store};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::folder::Folder;
use crate::{NOW, batch, key, read};

/// Holds the file's lock, so that batches wait for the writer.
async fn lock(folder: &Folder) -> sqlx::SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.0.join("store.db"));
    let mut connection = options.connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
    connection
}

async fn unlock(mut connection: sqlx::SqliteConnection) {
    sqlx::query("ROLLBACK").execute(&mut connection).await.unwrap();
}

async fn waiting(folder: &Folder, options: SqlOptions) -> u64 {
    let store = SqlStore::open_with(&folder.url("store.db"), options).await.unwrap();
    let held = lock(folder).await;
    let commits: Vec<_> = (0..64)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(&batch(number, Expect::Absent, "grouped")).await })
        })
        .collect();
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    unlock(held).await;
    for commit in commits {
        commit.await.unwrap().unwrap();
    }
    for number in 0..64 {
        assert!(read(&store, number).await.is_some());
    }
    store.transactions()
}

#[tokio::test]
async fn batches_that_wait_share_a_transaction() {
    let (grouped, single) = (Folder::new(), Folder::new());
    let together = waiting(&grouped, SqlOptions::default()).await;
    let alone = waiting(&single, SqlOptions::default().group(1)).await;
    assert_eq!(alone, 64, "one transaction a batch");
    assert!(together <= 8, "{together} transactions for 64 batches that waited");
}

#[tokio::test]
async fn a_lost_race_does_not_spoil_its_group() {
    let folder = Folder::new();
    let store = SqlStore::open(&folder.url("store.db")).await.unwrap();
    let held = lock(&folder).await;
    let commits: Vec<_> = (0..32)
        .map(|number| {
            let store = store.clone();
            // Each record is wanted by two.
            tokio::spawn(async move { store.commit(&batch(number / 2, Expect::Absent, "one of two")).await })
        })
        .collect();
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    unlock(held).await;
    let mut lost = Vec::<Key>::new();
    for commit in commits {
        match commit.await.unwrap() {
            Ok(()) => {}
            Err(CommitError::Conflict(key)) => lost.push(key),
            Err(error) => panic!("won or lost: {error:?}"),
        }
    }
    lost.sort_unstable();
    assert_eq!(lost, (0..16).map(key).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_batch_whose_caller_went_away_is_written_all_the_same() {
    let folder = Folder::new();
    let store = SqlStore::open(&folder.url("store.db")).await.unwrap();
    let held = lock(&folder).await;
    let abandoned = batch(1, Expect::Absent, "abandoned");
    let mut commit = store.commit(&abandoned);
    assert!(commit.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "handed over, not answered");
    drop(commit);
    unlock(held).await;
    // The queue is served in order: what is asked after it is answered after it.
    store.commit(&batch(2, Expect::Absent, "next")).await.unwrap();
    assert_eq!(read(&store, 1).await.map(|record| record.version), Some(abandoned.id()));
}

#[tokio::test]
async fn readers_do_not_wait_for_a_writer() {
    let folder = Folder::new();
    let options = SqlOptions::default().busy_timeout(Duration::from_millis(50));
    let store = SqlStore::open_with(&folder.url("store.db"), options).await.unwrap();
    store.commit(&batch(1, Expect::Absent, "there")).await.unwrap();
    let held = lock(&folder).await;
    assert!(store.get(&[key(1)], NOW).await.unwrap()[0].is_some());
    unlock(held).await;
}
