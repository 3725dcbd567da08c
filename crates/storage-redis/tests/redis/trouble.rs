//! Servers that go away, fill up or change their role.

use std::time::{Duration, Instant};

use countersign_primitives::SystemRandom;
use countersign_storage_redis::{RedisOptions, RedisStore};
use countersign_storage_traits::{Batch, CommitError, Expect, Index, Store as _, StoreError};

use crate::servers::Redis;
use crate::{assert_refused, batch, charge, fresh_id, key, later, now, open, read};

#[tokio::test]
async fn promise_14_a_server_that_is_down_is_unavailable_and_serves_again_by_itself() {
    let mut server = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = open(&server.url()).await;
    store.commit(&batch(1, Expect::Absent, "before")).await.unwrap();
    server.kill();
    let index = Index { name: 1, value: fresh_id() };
    for _ in 0..3 {
        let outcome = store.commit(&batch(2, Expect::Absent, "meanwhile")).await;
        let Err(CommitError::Refused(error) | CommitError::Unknown(error)) = outcome else { panic!("{outcome:?}") };
        assert!(matches!(error, StoreError::Unavailable(_)));
        assert!(matches!(store.get(&[key(1)], now()).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.charge(&[charge(fresh_id())], now()).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.list(&index, None, 10, now()).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.sweep(now(), 10).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.health().await, Err(StoreError::Unavailable(_))));
    }
    assert_refused(&store.commit(&batch(2, Expect::Absent, "meanwhile")).await, "cannot be reached");
    server.restart();
    assert!(read(&store, 1).await.is_some() && read(&store, 2).await.is_none());
    store.commit(&batch(2, Expect::Absent, "after")).await.unwrap();
    store.health().await.unwrap();
}

#[tokio::test]
async fn promise_14_a_server_that_hangs_is_given_up_in_time() {
    let server = Redis::start(&[]);
    let options = RedisOptions::default().timeout(Duration::from_millis(600));
    let store = RedisStore::open_with(&server.url(), options).await.unwrap();
    server.signal("-STOP");
    let begun = Instant::now();
    let hung = batch(1, Expect::Absent, "hung");
    let outcome = store.commit(&hung).await;
    assert!(matches!(outcome, Err(CommitError::Unknown(StoreError::Unavailable(_)))), "{outcome:?}");
    assert!(store.get(&[key(1)], now()).await.is_err());
    assert!(begun.elapsed() < Duration::from_secs(10), "both were given up in time");
    server.signal("-CONT");
    store.commit(&hung).await.unwrap();
    assert_eq!(read(&store, 1).await.unwrap().version, hung.id());
}

#[tokio::test]
async fn promise_14_a_full_memory_is_told_and_leaves_nothing_half_written() {
    let server = Redis::start(&[]);
    let store = open(&server.url()).await;
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let mut pair = batch(1, Expect::Absent, "small");
    pair.put(key(2), Expect::Absent, later(), Vec::new(), vec![7; 50_000]);
    assert_refused(&store.commit(&pair).await, "memory is full");
    assert!(read(&store, 1).await.is_none() && read(&store, 2).await.is_none());
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    store.commit(&pair).await.unwrap();
}

#[tokio::test]
async fn promise_14_a_full_disk_is_told() {
    let server = Redis::start(&["--save", "3600 1000000"]);
    let store = open(&server.url()).await;
    store.commit(&batch(1, Expect::Absent, "before")).await.unwrap();
    // A snapshot that cannot be written stands for a disk that is full.
    let gone = server.folder().join("gone");
    std::fs::create_dir(&gone).unwrap();
    server.ask(&["CONFIG", "SET", "dir", gone.to_str().unwrap()]);
    std::fs::remove_dir(&gone).unwrap();
    server.ask(&["BGSAVE"]);
    server.wait_for(&["INFO", "persistence"], "rdb_last_bgsave_status:err");
    assert_refused(&store.commit(&batch(2, Expect::Absent, "lost?")).await, "cannot write to its disk");
    assert!(read(&store, 1).await.is_some() && read(&store, 2).await.is_none());
    server.ask(&["CONFIG", "SET", "dir", server.folder().to_str().unwrap()]);
    server.ask(&["BGSAVE"]);
    server.wait_for(&["INFO", "persistence"], "rdb_last_bgsave_status:ok");
    store.commit(&batch(2, Expect::Absent, "after")).await.unwrap();
}

#[tokio::test]
async fn promise_14_a_master_that_becomes_a_replica_takes_no_commit_and_answers_no_read() {
    let (server, other) = (Redis::start(&[]), Redis::start(&[]));
    let store = open(&server.url()).await;
    store.commit(&batch(1, Expect::Absent, "before")).await.unwrap();
    server.ask(&["REPLICAOF", "127.0.0.1", &other.port.to_string()]);
    assert_refused(&store.commit(&batch(2, Expect::Absent, "lost?")).await, "it is a replica");
    // Connections end with the role, or a new one is refused: what a replica has may be old.
    server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    assert!(matches!(store.get(&[key(1)], now()).await, Err(StoreError::Unavailable(_))));
    server.ask(&["REPLICAOF", "NO", "ONE"]);
    store.commit(&batch(3, Expect::Absent, "after")).await.unwrap();
}

#[tokio::test]
async fn promise_14_too_few_replicas_are_told() {
    let server = Redis::start(&["--min-replicas-to-write", "1"]);
    server.ask(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    let store = open(&server.url()).await;
    server.ask(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    assert_refused(&store.commit(&batch(1, Expect::Absent, "alone")).await, "min-replicas-to-write");
}

#[tokio::test]
async fn promise_14_a_right_that_is_taken_away_is_told_and_leaves_nothing_half_written() {
    let server = Redis::start(&["--user", "kit", "on", ">secret", "~cs:*", "+@all"]);
    let store = open(&format!("redis://kit:secret@127.0.0.1:{}", server.port)).await;
    store.commit(&batch(1, Expect::Absent, "before")).await.unwrap();
    // A code goes and its grant comes, in this order and in the other.
    let mut swap = batch(2, Expect::Absent, "comes");
    swap.delete(key(1), Expect::Present);
    let mut other = Batch::new(key(1).partition, now(), &SystemRandom).unwrap();
    other.delete(key(1), Expect::Present);
    other.put(key(2), Expect::Absent, later(), Vec::new(), "comes");
    for right in ["del", "set"] {
        server.ask(&["ACL", "SETUSER", "kit", &format!("-{right}")]);
        for batch in [&swap, &other, &swap] {
            assert_refused(&store.commit(batch).await, "access list forbids");
            assert!(read(&store, 1).await.is_some() && read(&store, 2).await.is_none(), "without {right}");
        }
        server.ask(&["ACL", "SETUSER", "kit", &format!("+{right}")]);
    }
    store.commit(&swap).await.unwrap();
    assert!(read(&store, 1).await.is_none() && read(&store, 2).await.is_some());
}

#[tokio::test]
async fn a_damaged_record_is_an_error_and_never_a_wrong_answer() {
    let server = Redis::start(&[]);
    let store = open(&server.url()).await;
    store.commit(&batch(1, Expect::Absent, "whole")).await.unwrap();
    let name = server.ask(&["KEYS", "cs:{*"]);
    server.ask(&["SET", &name, "damaged"]);
    let read = store.get(&[key(1)], now()).await;
    assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{read:?}");
    let mut update = batch(2, Expect::Absent, "beside");
    update.check(key(1), Expect::Present);
    assert_refused(&store.commit(&update).await, "CORRUPT");
    server.ask(&["DEL", &name]);
    server.ask(&["LPUSH", &name, "a list"]);
    assert!(store.get(&[key(1)], now()).await.unwrap()[0].is_none(), "what is no string is no record");
    assert_refused(&store.commit(&update).await, "WRONGTYPE");
    assert!(crate::read(&store, 2).await.is_none(), "nothing was written beside it");
}

#[tokio::test]
async fn health_tells_the_clock_and_what_has_changed() {
    let server = Redis::start(&[]);
    let store = open(&server.url()).await;
    let health = store.health().await.unwrap();
    let clock = health.clock.unwrap();
    assert!(clock >= now().minus(Duration::from_secs(30)) && clock <= now().plus(Duration::from_secs(30)));
    server.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    assert!(matches!(store.health().await, Err(StoreError::Schema(_))), "it would throw records away");
    server.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    server.ask(&["FLUSHALL"]);
    assert!(matches!(store.health().await, Err(StoreError::Schema(_))), "somebody emptied the database");
}

#[tokio::test]
async fn a_script_forgotten_by_the_server_is_sent_again() {
    let server = Redis::start(&[]);
    let store = open(&server.url()).await;
    for number in 0..3 {
        server.ask(&["SCRIPT", "FLUSH"]);
        store.commit(&batch(number, Expect::Absent, "sent again")).await.unwrap();
        assert_eq!(store.charge(&[charge(key(9).id)], now()).await.unwrap()[0].count, number + 1);
    }
}

#[tokio::test]
async fn the_server_collects_rubbish_after_the_margin_and_not_before() {
    let server = Redis::start(&[]);
    let store = open(&server.url()).await;
    let mut batch = Batch::new(key(1).partition, now(), &SystemRandom).unwrap();
    let expiry = now().plus(Duration::from_secs(5));
    batch.put(key(1), Expect::Absent, expiry, vec![Index { name: 1, value: key(1).id }], "short-lived");
    store.commit(&batch).await.unwrap();
    for name in server.ask(&["KEYS", "cs:*"]).lines().filter(|name| *name != "cs:schema") {
        let drops_at: u64 = server.ask(&["PEXPIRETIME", name]).parse().unwrap();
        assert_eq!(drops_at, expiry.as_millis() + 120_000, "{name}");
    }
}
