//! What is left behind at an orderly stop.

use std::error::Error as _;
use std::fs;
use std::time::Duration;

use countersign_storage_sqlx::{SqlOptions, SqlStore};
use countersign_storage_traits::{CommitError, Expect, Store, StoreError};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::folder::Folder;
use crate::{LATER, NOW, batch, key, read};

fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(&folder.0).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_3_a_file_that_was_closed_is_whole_by_itself() {
    let folder = Folder::new();
    let store = SqlStore::open(&folder.url("store.db")).await.unwrap();
    let commits = (0..300).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { store.commit(&batch(number, Expect::Absent, vec![7; 300])).await })
    });
    for commit in commits.collect::<Vec<_>>() {
        commit.await.unwrap().unwrap();
    }
    // Readers have connections of their own, and one idle connection would be enough to keep the log.
    for number in 0..20 {
        assert!(read(&store, number).await.is_some());
    }
    assert!(names(&folder).contains(&"store.db-wal".to_owned()), "there is a log to be moved");
    store.close().await.unwrap();
    assert_eq!(names(&folder), ["store.db"]);
    let copy = Folder::new();
    fs::copy(folder.0.join("store.db"), copy.0.join("copy.db")).unwrap();
    let copied = SqlStore::open(&copy.url("copy.db")).await.unwrap();
    for number in 0..300 {
        assert!(read(&copied, number).await.is_some(), "record {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_the_end_is_done_and_what_comes_later_is_refused() {
    let folder = Folder::new();
    let store = SqlStore::open(&folder.url("store.db")).await.unwrap();
    let mut held = SqliteConnectOptions::new().filename(folder.0.join("store.db")).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut held).await.unwrap();
    let commits: Vec<_> = (0..100)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(&batch(number, Expect::Absent, "before the end")).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await; // all of them wait for the writer
    let closers: Vec<_> = (0..3)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.close().await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    sqlx::query("ROLLBACK").execute(&mut held).await.unwrap();
    for commit in commits {
        commit.await.unwrap().unwrap();
    }
    for closer in closers {
        closer.await.unwrap().unwrap();
    }
    let outcome = store.clone().commit(&batch(500, Expect::Absent, "too late")).await;
    assert!(matches!(outcome, Err(CommitError::Refused(StoreError::Unavailable(_)))), "{outcome:?}");
    assert!(matches!(store.get(&[key(1)], NOW).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.sweep(LATER, 10).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.health().await, Err(StoreError::Unavailable(_))));
    store.close().await.unwrap();
    let again = SqlStore::open(&folder.url("store.db")).await.unwrap();
    for number in 0..100 {
        assert!(read(&again, number).await.is_some(), "record {number}");
    }
    assert!(read(&again, 500).await.is_none());
}

#[tokio::test]
async fn a_log_that_another_process_reads_stays_and_that_is_told() {
    let folder = Folder::new();
    let options = SqlOptions::default().busy_timeout(Duration::from_millis(50));
    let store = SqlStore::open_with(&folder.url("store.db"), options).await.unwrap();
    store.commit(&batch(1, Expect::Absent, "read by another")).await.unwrap();
    let mut reader = SqliteConnectOptions::new().filename(folder.0.join("store.db")).connect().await.unwrap();
    sqlx::query("BEGIN").execute(&mut reader).await.unwrap();
    sqlx::query("SELECT count(*) FROM rec").fetch_one(&mut reader).await.unwrap();
    store.commit(&batch(2, Expect::Absent, "since then")).await.unwrap();
    let error = store.close().await.unwrap_err();
    let reason = error.source().map(ToString::to_string).unwrap_or_default();
    assert!(reason.contains("store.db") && reason.contains("-wal"), "{error:?}");
    // Both files together have everything.
    let copy = Folder::new();
    for name in ["store.db", "store.db-wal"] {
        fs::copy(folder.0.join(name), copy.0.join(name)).unwrap();
    }
    let copied = SqlStore::open(&copy.url("store.db")).await.unwrap();
    assert!(read(&copied, 1).await.is_some() && read(&copied, 2).await.is_some());
}

#[tokio::test]
async fn a_store_in_memory_can_be_closed_too() {
    let store = SqlStore::open("sqlite::memory:").await.unwrap();
    store.commit(&batch(1, Expect::Absent, "gone with it")).await.unwrap();
    store.close().await.unwrap();
    assert!(store.get(&[key(1)], NOW).await.is_err());
}
