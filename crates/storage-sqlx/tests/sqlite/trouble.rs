//! Locks, full disks and damaged files.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use countersign_storage_sqlx::{OpenError, SqlOptions, SqlStore};
use countersign_storage_traits::{Batch, Charge, CommitError, CounterKey, Expect, Store, StoreError};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::folder::Folder;
use crate::{LATER, NOW, batch, key, read};

const CHARGE: Charge = Charge { counter: CounterKey(key_id()), add: 1, limit: 5, window: Duration::from_secs(60) };

const fn key_id() -> countersign_primitives::Id {
    countersign_primitives::Id::from_bytes([9; 16])
}

#[tokio::test]
async fn promise_14_a_locked_database_is_unavailable_after_the_timeout_and_works_again_after_it() {
    let folder = Folder::new();
    let options = SqlOptions::default().busy_timeout(Duration::from_millis(50));
    let store = SqlStore::open_with(&folder.url("store.db"), options).await.unwrap();
    store.commit(&batch(1, Expect::Absent, "before")).await.unwrap();
    let mut held = SqliteConnectOptions::new().filename(folder.0.join("store.db")).connect().await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut held).await.unwrap();
    let outcome = store.commit(&batch(2, Expect::Absent, "meanwhile")).await;
    assert!(matches!(outcome, Err(CommitError::Refused(StoreError::Unavailable(_)))), "{outcome:?}");
    let outcome = store.charge(&[CHARGE], NOW).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert!(matches!(store.sweep(LATER, 10).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.health().await, Err(StoreError::Unavailable(_))));
    sqlx::query("ROLLBACK").execute(&mut held).await.unwrap();
    assert!(read(&store, 2).await.is_none(), "nothing of it was written");
    store.commit(&batch(2, Expect::Absent, "after")).await.unwrap();
    assert_eq!(store.charge(&[CHARGE], NOW).await.unwrap()[0].count, 1);
    store.health().await.unwrap();
}

#[tokio::test]
async fn promise_14_a_full_disk_is_unavailable_and_leaves_nothing_half_written() {
    let folder = Folder::new();
    let options = SqlOptions::default().max_size(200 * 1024);
    let store = SqlStore::open_with(&folder.url("store.db"), options).await.unwrap();
    let pair = |number: u32, payload: usize| {
        let mut batch = batch(2 * number, Expect::Absent, "small");
        batch.put(key(2 * number + 1), Expect::Absent, LATER, Vec::new(), vec![7; payload]);
        batch
    };
    let mut written = 0;
    let refused = loop {
        match store.commit(&pair(written, 20_000)).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 20, "200 KiB hold no 400 KB");
    };
    assert!(matches!(refused, CommitError::Refused(StoreError::Unavailable(_))), "{refused:?}");
    assert!(written > 0, "some fit");
    for number in 0..written {
        assert!(read(&store, 2 * number).await.is_some() && read(&store, 2 * number + 1).await.is_some());
    }
    assert!(read(&store, 2 * written).await.is_none(), "the small half of what did not fit is not there");
    assert!(read(&store, 2 * written + 1).await.is_none());
    // Room is made, and the store goes on.
    let mut clear = Batch::new(key(0).partition, NOW, &countersign_primitives::SystemRandom).unwrap();
    clear.delete(key(1), Expect::Any).delete(key(0), Expect::Any);
    store.commit(&clear).await.unwrap();
    store.commit(&pair(written, 10_000)).await.unwrap();
}

#[tokio::test]
async fn promise_14_a_disk_that_fills_amid_a_group_takes_whole_batches_or_nothing_and_service_returns() {
    let folder = Folder::new();
    let options = SqlOptions::default().max_size(200 * 1024);
    let store = SqlStore::open_with(&folder.url("store.db"), options).await.unwrap();
    let mut held = SqliteConnectOptions::new().filename(folder.0.join("store.db")).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut held).await.unwrap();
    let pair = |number: u32| {
        let mut pair = batch(2 * number, Expect::Absent, "small");
        pair.put(key(2 * number + 1), Expect::Absent, LATER, Vec::new(), vec![7; 20_000]);
        pair
    };
    let commits: Vec<_> = (0..16)
        .map(|number| {
            let (store, pair) = (store.clone(), pair(number));
            tokio::spawn(async move { store.commit(&pair).await })
        })
        .collect();
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    sqlx::query("ROLLBACK").execute(&mut held).await.unwrap();
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for (number, commit) in (0..).zip(commits) {
        match commit.await.unwrap() {
            Ok(()) => taken.push(number),
            Err(CommitError::Refused(StoreError::Unavailable(_))) => refused.push(number),
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(!taken.is_empty() && refused.len() > 4, "{taken:?} {refused:?}");
    for (numbers, there) in [(&taken, true), (&refused, false)] {
        for number in numbers {
            assert_eq!(read(&store, 2 * number).await.is_some(), there, "{number}");
            assert_eq!(read(&store, 2 * number + 1).await.is_some(), there, "{number}");
        }
    }
    let mut clear = Batch::new(key(0).partition, NOW, &countersign_primitives::SystemRandom).unwrap();
    clear.delete(key(2 * taken[0] + 1), Expect::Any).delete(key(2 * taken[0]), Expect::Any);
    store.commit(&clear).await.unwrap();
    store.commit(&pair(refused[0])).await.unwrap();
}

#[tokio::test]
async fn a_batch_that_does_not_fit_fails_alone() {
    let folder = Folder::new();
    let options = SqlOptions::default().max_size(200 * 1024);
    let store = SqlStore::open_with(&folder.url("store.db"), options).await.unwrap();
    let mut held = SqliteConnectOptions::new().filename(folder.0.join("store.db")).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut held).await.unwrap();
    let commits: Vec<_> = (0..16)
        .map(|number| {
            let store = store.clone();
            let size = if number == 7 { 250_000 } else { 10 };
            tokio::spawn(async move { store.commit(&batch(number, Expect::Absent, vec![0; size])).await })
        })
        .collect();
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    sqlx::query("ROLLBACK").execute(&mut held).await.unwrap();
    for (number, commit) in commits.into_iter().enumerate() {
        assert_eq!(commit.await.unwrap().is_ok(), number != 7, "batch {number}");
    }
}

#[tokio::test]
async fn a_damaged_file_is_an_error_and_never_a_wrong_answer() {
    let folder = Folder::new();
    let store = SqlStore::open(&folder.url("store.db")).await.unwrap();
    for number in 0..200 {
        store.commit(&batch(number, Expect::Absent, vec![1; 500])).await.unwrap();
    }
    // A copy without the log, every page of which but the first is overwritten.
    let mut checkpoint = SqliteConnectOptions::new().filename(folder.0.join("store.db")).connect().await.unwrap();
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut checkpoint).await.unwrap();
    let damaged = folder.0.join("damaged.db");
    fs::copy(folder.0.join("store.db"), &damaged).unwrap();
    let length = fs::metadata(&damaged).unwrap().len();
    let mut file = OpenOptions::new().write(true).open(&damaged).unwrap();
    file.seek(SeekFrom::Start(4_096)).unwrap();
    file.write_all(&vec![0xa5; usize::try_from(length - 4_096).unwrap()]).unwrap();
    drop(file);
    let store = SqlStore::open(&folder.url("damaged.db")).await.unwrap();
    let read = store.get(&[key(1)], NOW).await;
    assert!(matches!(read, Err(StoreError::Schema(_))), "{read:?}");
    let commit = store.commit(&batch(1, Expect::Any, "over it")).await;
    assert!(matches!(commit, Err(CommitError::Refused(StoreError::Schema(_)))), "{commit:?}");
    let again = store.get(&[key(1)], NOW).await;
    assert!(again.is_err(), "it answers errors, time and again: {again:?}");
}

#[tokio::test]
async fn a_file_cut_short_is_refused() {
    let folder = Folder::new();
    drop(SqlStore::open(&folder.url("store.db")).await.unwrap());
    fs::write(folder.0.join("short.db"), b"SQLite format 3\0and then no more").unwrap();
    let error = SqlStore::open(&folder.url("short.db")).await.unwrap_err();
    assert!(matches!(error, OpenError::NotADatabase { .. } | OpenError::Unavailable { .. }), "{error:?}");
}
