//! A cluster that changes while it is written to.

use std::time::Duration;

use countersign_storage_redis::{RedisOptions, RedisStore};
use countersign_storage_traits::Store as _;

use crate::servers::{Cluster, Redis};
use crate::traffic::{Traffic, assert_kept};

/// Moves a slot with all its keys, as resharding does.
fn move_slot(slot: &str, from: &Redis, to: &Redis) {
    let (source, target) = (from.ask(&["CLUSTER", "MYID"]), to.ask(&["CLUSTER", "MYID"]));
    assert_eq!(to.ask(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &source]), "OK");
    assert_eq!(from.ask(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &target]), "OK");
    let port = to.port.to_string();
    loop {
        let keys = from.ask(&["CLUSTER", "GETKEYSINSLOT", slot, "1000"]);
        if keys.is_empty() {
            break;
        }
        let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
        words.extend(keys.lines());
        let moved = from.ask(&words);
        assert!(moved == "OK" || moved == "NOKEY", "{moved}");
    }
    assert_eq!(to.ask(&["CLUSTER", "SETSLOT", slot, "NODE", &target]), "OK");
    assert_eq!(from.ask(&["CLUSTER", "SETSLOT", slot, "NODE", &target]), "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_move_in_mid_traffic_and_nothing_is_lost_or_done_twice() {
    let cluster = Cluster::start(0, &[]);
    let store = RedisStore::open(&cluster.url()).await.unwrap();
    let traffic = Traffic::start(&store, 8);
    tokio::task::block_in_place(|| {
        traffic.wait_for(50);
        for round in 0..2 {
            for at in 0..3 {
                let (from, to) = (&cluster.masters[at], &cluster.masters[(at + 1 + round) % 3]);
                if from.port == to.port {
                    continue;
                }
                // Slots that are written to: those of a few keys.
                for name in from.ask(&["--scan", "--pattern", "cs:{*"]).lines().step_by(40).take(2) {
                    let slot = from.ask(&["CLUSTER", "KEYSLOT", name]);
                    if from.ask(&["CLUSTER", "COUNTKEYSINSLOT", &slot]) != "0" {
                        move_slot(&slot, from, to);
                    }
                }
            }
            traffic.wait_for(50);
        }
    });
    let written = traffic.stop().await;
    assert_kept(&store, &written).await;
    assert_kept(&RedisStore::open(&cluster.url()).await.unwrap(), &written).await;
    let failed: u32 = written.iter().map(|written| written.failed).sum();
    assert!(failed < 40, "a moving slot is waited for: {failed} commits failed");
    store.health().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_3_a_master_dies_its_replica_takes_over_and_a_durable_store_has_lost_nothing() {
    let always = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut cluster = Cluster::start(1, &always);
    let options = RedisOptions::default().durable(1).timeout(Duration::from_secs(6));
    let store = RedisStore::open_with(&cluster.url(), options).await.unwrap();
    assert!(store.capabilities().survives_failover);
    let traffic = Traffic::start(&store, 8);
    tokio::task::block_in_place(|| {
        traffic.wait_for(50);
        cluster.masters[0].kill();
        let id = cluster.replicas[0].ask(&["CLUSTER", "MYID"]);
        cluster.masters[1].wait_for(&["CLUSTER", "SLOTS"], &id);
        cluster.replicas[0].wait_for(&["INFO", "replication"], "role:master");
        // It has no replica of its own yet: one comes back, as an operator or the old master does.
        cluster.masters[0].restart();
        cluster.replicas[0].wait_for(&["INFO", "replication"], "state=online");
        traffic.wait_for(100);
    });
    let written = traffic.stop().await;
    assert_kept(&store, &written).await;
    store.health().await.unwrap();
}
