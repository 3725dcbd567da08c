//! Ends without warning, of a node and of the server.

use std::io::{BufRead as _, BufReader};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use countersign_storage_sqlx::SqlStore;
use countersign_storage_traits::{Batch, CommitError, Expect, Store, StoreError};
use countersign_tests::Postgres;
use tokio::runtime::Runtime;

use crate::{NOW, SERVER, batch, charge, key, pair, read};

/// Names the database in the process that the next test kills.
const VICTIM: &str = "COUNTERSIGN_TEST_VICTIM";

#[test]
fn promise_3_what_was_answered_survives_a_killed_node_and_nothing_is_half_there() {
    if let Ok(url) = std::env::var(VICTIM) {
        write_until_killed(&url);
    }
    let url = SERVER.fresh_schema();
    let this = "crashes::promise_3_what_was_answered_survives_a_killed_node_and_nothing_is_half_there";
    let mut victim = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", this, "--nocapture"])
        .env(VICTIM, &url)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let mut answered = Vec::new();
    let mut take =
        |line: String| answered.extend(line.strip_prefix("answered ").and_then(|number| number.parse::<u32>().ok()));
    lines.by_ref().take(300).for_each(|line| take(line.unwrap()));
    victim.kill().unwrap(); // SIGKILL, in the middle of commits
    victim.wait().unwrap();
    lines.for_each(|line| take(line.unwrap_or_default()));
    assert!(answered.len() > 200, "{}", answered.len());
    let highest = answered.iter().max().copied().unwrap();
    Runtime::new().unwrap().block_on(async {
        let store = SqlStore::open(&url).await.unwrap();
        for number in 0..highest + 64 {
            let there = store.get(&[key(2 * number), key(2 * number + 1)], NOW).await.unwrap();
            let there = [there[0].is_some(), there[1].is_some()];
            assert!(there[0] == there[1], "pair {number} is whole or not there: {there:?}");
            assert!(there[0] || !answered.contains(&number), "pair {number} was answered");
        }
        // The dead node's connections hold nobody up.
        store.commit(&batch(1, Expect::Any, "goes on")).await.unwrap();
    });
}

fn write_until_killed(url: &str) -> ! {
    Runtime::new().unwrap().block_on(async {
        let store = SqlStore::open(url).await.unwrap();
        let writers: Vec<_> = (0..8_u32)
            .map(|writer| {
                let store = store.clone();
                tokio::spawn(async move {
                    for round in 0.. {
                        let number = round * 8 + writer;
                        store.commit(&pair(number)).await.unwrap();
                        println!("answered {number}");
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
    unreachable!("the writers go on until they are killed")
}

/// What one writer has been told of its own record, round by round.
async fn write_through(store: &SqlStore, number: u32, stop: &AtomicBool, answered: &AtomicU32) -> u32 {
    let mut last: Option<Batch> = None;
    let mut rounds = 0;
    while !stop.load(Ordering::SeqCst) {
        let expect = last.as_ref().map_or(Expect::Absent, |last| Expect::At(last.id()));
        let next = batch(number, expect, rounds.to_string());
        // Nobody else writes this record: a lost answer is repeated until there is one, and it is never a lost race.
        loop {
            match store.commit(&next).await {
                Ok(()) => break,
                Err(
                    CommitError::Unknown(StoreError::Unavailable(_)) | CommitError::Refused(StoreError::Unavailable(_)),
                ) => {
                    tokio::task::yield_now().await;
                }
                Err(error) => panic!("record {number}, round {rounds}: {error:?}"),
            }
        }
        answered.fetch_add(1, Ordering::SeqCst);
        last = Some(next);
        rounds += 1;
    }
    let stored = read(store, number).await.unwrap();
    assert_eq!(Some(stored.version), last.map(|last| last.id()), "record {number}: what was answered last is there");
    rounds
}

#[test]
fn promise_3_a_server_restarted_in_mid_traffic_loses_nothing_answered_and_service_returns_by_itself() {
    let server = Postgres::start();
    let runtime = Runtime::new().unwrap();
    let store = runtime.block_on(SqlStore::open(&server.url())).unwrap();
    let (stop, answered) = (AtomicBool::new(false), AtomicU32::new(0));
    let refused_while_down = Mutex::new(None);
    std::thread::scope(|scope| {
        let (runtime, store, stop, answered) = (&runtime, &store, &stop, &answered);
        let writers: Vec<_> = (0..8)
            .map(|number| scope.spawn(move || runtime.block_on(write_through(store, number, stop, answered))))
            .collect();
        for restart in [Postgres::crash, Postgres::stop, Postgres::crash] {
            let before = answered.load(Ordering::SeqCst);
            while answered.load(Ordering::SeqCst) < before + 200 {
                std::thread::yield_now();
            }
            restart(&server);
            let outcome = runtime.block_on(store.get(&[key(1)], NOW));
            *refused_while_down.lock().unwrap() = Some(outcome);
            server.resume();
        }
        let before = answered.load(Ordering::SeqCst);
        while answered.load(Ordering::SeqCst) < before + 200 {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::SeqCst);
        for writer in writers {
            assert!(writer.join().unwrap() > 0);
        }
    });
    let while_down = refused_while_down.into_inner().unwrap().unwrap();
    assert!(matches!(while_down, Err(StoreError::Unavailable(_))), "promise 14: {while_down:?}");
}

#[test]
fn promise_14_a_charge_is_refused_while_the_server_is_down_and_counted_after_it() {
    let server = Postgres::start();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let store = SqlStore::open(&server.url()).await.unwrap();
        assert_eq!(store.charge(&[charge(1, 1)], NOW).await.unwrap()[0].count, 1);
        server.crash();
        assert!(matches!(store.charge(&[charge(1, 1)], NOW).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.sweep(NOW, 10).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.health().await, Err(StoreError::Unavailable(_))));
        server.resume();
        assert_eq!(
            store.charge(&[charge(1, 1)], NOW).await.unwrap()[0].count,
            2,
            "the one that was refused is not counted"
        );
        store.health().await.unwrap();
    });
}
