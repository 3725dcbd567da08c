//! Locks and full disks.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use countersign_storage_sqlx::{OpenError, SqlOptions, SqlStore};
use countersign_storage_traits::testkit::block_on;
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

/// Names the database to the process that locks it.
const LOCKED: &str = "COUNTERSIGN_TEST_LOCKED";

/// The statements that lock it against writers, and against everybody.
const LOCKS: [&[&str]; 2] =
    [&["BEGIN IMMEDIATE"], &["PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE", "UPDATE rec SET version = version"]];

#[test]
fn promise_14_a_file_that_another_process_locks_is_told_and_opened_once_it_is_free() {
    if let Ok(told) = std::env::var(LOCKED) {
        let (lock, file) = told.split_once(' ').unwrap();
        block_on(hold(LOCKS[lock.parse::<usize>().unwrap()], file));
    }
    let folder = Folder::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { SqlStore::open(&folder.url("store.db")).await.unwrap().close().await.unwrap() });
    let this = "trouble::promise_14_a_file_that_another_process_locks_is_told_and_opened_once_it_is_free";
    for lock in 0..LOCKS.len() {
        let mut holder = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", this, "--nocapture"])
            .env(LOCKED, format!("{lock} {}", folder.0.join("store.db").display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "locked"), "lock {lock}");
        let opened = |patience| {
            let options = SqlOptions::default().busy_timeout(patience);
            runtime.block_on(SqlStore::open_with(&folder.url("store.db"), options))
        };
        let error = opened(Duration::from_millis(100)).unwrap_err();
        assert!(matches!(error, OpenError::Unavailable { .. }), "{error:?}");
        assert!(error.to_string().contains("store.db") && error.to_string().contains("no other process locks it"));
        // Whoever is more patient gets it when the other is done.
        holder.stdin.take().unwrap().write_all(b"done\n").unwrap();
        let store = opened(Duration::from_secs(20)).unwrap();
        runtime.block_on(store.close()).unwrap();
        holder.wait().unwrap();
    }
}

/// Holds the lock until it is told to end.
async fn hold(statements: &[&'static str], file: &str) -> ! {
    let mut connection = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    for statement in statements {
        sqlx::query(*statement).execute(&mut connection).await.unwrap();
    }
    println!("locked");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    std::process::exit(0);
}
