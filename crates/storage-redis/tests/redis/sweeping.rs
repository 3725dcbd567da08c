//! Backlogs: what a sweep removes, what the server drops by itself, and what either costs others.

use std::time::Duration;

use countersign_primitives::{Id, SystemRandom, UnixTime};
use countersign_storage_redis::RedisStore;
use countersign_storage_traits::testkit::{Sweeping, sweep_beside_traffic, with_runner};
use countersign_storage_traits::{Batch, Expect, Key, Kind, Store as _, Swept};
use tokio::runtime::Runtime;

use crate::servers::{Cluster, Redis, until};
use crate::traffic::{Traffic, assert_kept};
use crate::{batch_of, fresh_id, key, later, now, open};

const BACKLOG: usize = 20_000;

fn swept_beside_traffic(url: &str) -> Sweeping {
    let runtime = Runtime::new().unwrap();
    let store = runtime.block_on(open(url));
    with_runner(move |future| runtime.block_on(future), async move { sweep_beside_traffic(&store, BACKLOG).await })
}

fn assert_swept(swept: &Sweeping) {
    // The server may have dropped some by itself, if the machine was that slow.
    assert!(swept.removed > 0 && swept.calls >= 19 && swept.largest <= 1_000, "{swept:?}");
    let slowest = swept.beside.percentile(99);
    assert!(slowest < Duration::from_secs(1), "no commit waits long beside two sweepers: {slowest:?}");
}

#[test]
fn twenty_thousand_go_beside_traffic() {
    let server = Redis::start(&[]);
    assert_swept(&swept_beside_traffic(&server.url()));
}

#[test]
fn twenty_thousand_go_from_a_cluster_beside_traffic() {
    let cluster = Cluster::start(0, &[]);
    assert_swept(&swept_beside_traffic(&cluster.url()));
}

/// How often a server was sent a command.
fn calls(server: &Redis, command: &str) -> u64 {
    let stats = server.ask(&["INFO", "commandstats"]);
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn a_sweep_that_finds_nothing_ends_soon_and_the_next_goes_on_behind_it() {
    const LIVE: &str = "for n = 1, 60000 do redis.call('SET', string.format('cs:{%022d}:c8:x', n), \
        string.format('%016x%016d', 1, 9007199254740000)) end";
    let server = Redis::start(&[]);
    let store = open(&server.url()).await;
    server.ask(&["EVAL", LIVE, "0"]);
    let far = now().plus(Duration::from_secs(3_600));
    let mut expired = batch_of(key(1), Expect::Absent, "expired");
    expired.put(key(2), Expect::Absent, now().plus(Duration::from_secs(1)), Vec::new(), "expired");
    store.commit(&expired).await.unwrap();
    let (mut removed, mut sweeps) = (0, 0);
    loop {
        let before = calls(&server, "scan");
        let swept = store.sweep(far, 100).await.unwrap();
        (removed, sweeps) = (removed + swept.removed, sweeps + 1);
        assert!(calls(&server, "scan") - before <= 80, "bounded, whether it finds something or not");
        assert!(sweeps < 10, "it comes to an end");
        if !swept.more {
            break;
        }
    }
    assert_eq!(removed, 1);
    assert!(sweeps >= 4, "{sweeps} sweeps go over 60,000 keys, and once more since something went");
}

/// Sixty thousand keys on the first master are no reason to forget the others.
#[tokio::test]
async fn every_master_of_a_cluster_gets_its_turn() {
    let cluster = Cluster::start(0, &[]);
    let store = open(&cluster.url()).await;
    let gone = now().plus(Duration::from_secs(1));
    for _ in 0..3_000 {
        let key = Key::root(Kind(200), fresh_id());
        let mut live = batch_of(key, Expect::Absent, "lives");
        for number in 0..15_u8 {
            let other = Key::new(key.partition, Kind(201), Id::from_bytes(u128::from(number).to_be_bytes()));
            let expiry = if number == 0 { gone } else { later().plus(Duration::from_secs(36_000)) };
            live.put(other, Expect::Absent, expiry, Vec::new(), "beside it");
        }
        store.commit(&live).await.unwrap();
    }
    let (far, mut removed, mut sweeps) = (now().plus(Duration::from_secs(1_800)), 0, 0);
    loop {
        let swept = store.sweep(far, 1_000).await.unwrap();
        (removed, sweeps) = (removed + swept.removed, sweeps + 1);
        assert!(swept.removed <= 1_000 && sweeps < 50, "{sweeps} sweeps");
        if !swept.more {
            break;
        }
    }
    assert_eq!(removed, 3_000, "one of each partition, wherever it lies");
}

/// Records that the server is to drop in a moment: `SWEEP_MARGIN` after their expiry.
async fn expired_long_ago(store: &RedisStore, records: u32) {
    let partition = fresh_id();
    let expiry = now().minus(Duration::from_secs(118));
    for first in (0..records).step_by(16) {
        let mut batch = Batch::new(partition, UnixTime::default(), &SystemRandom).unwrap();
        for number in first..(first + 16).min(records) {
            let key = Key::new(partition, Kind(200), Id::from_bytes(u128::from(number).to_be_bytes()));
            batch.put(key, Expect::Absent, expiry, Vec::new(), "expired");
        }
        store.commit(&batch).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_drops_a_backlog_by_itself_and_health_shows_when() {
    let server = Redis::start(&["--hz", "100"]);
    let store = open(&server.url()).await;
    // Held back, so that there is something to see.
    server.ask(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    expired_long_ago(&store, 20_000).await;
    let traffic = Traffic::start(&store, 2);
    server.ask(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]);
    let left = |made: u64| {
        let keys: u64 = server.ask(&["DBSIZE"]).parse().unwrap();
        keys.saturating_sub(made + 8)
    };
    // A server lets up when less than a tenth of what it looks at has expired: what is left then goes later.
    until("most of the backlog is dropped", || left(u64::from(traffic.answered())) <= 4_000);
    traffic.wait_for(20);
    let written = traffic.stop().await;
    assert_kept(&store, &written).await;
    let made: usize = written.iter().map(|one| one.made.len()).sum();
    until("the rest is dropped", || left(made as u64) == 0);
    assert_eq!(store.sweep(now(), 1_000).await.unwrap(), Swept::default());
    assert!(store.health().await.unwrap().backlog.is_some());
}
