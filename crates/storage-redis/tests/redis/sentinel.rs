//! A master that sentinels name, and name anew.

use std::time::Duration;

use countersign_storage_redis::{RedisOptions, RedisStore};
use countersign_storage_traits::Store as _;

use crate::servers::Redis;
use crate::traffic::{Traffic, assert_kept};

#[tokio::test(flavor = "multi_thread")]
async fn promise_3_sentinels_name_another_master_and_a_durable_store_has_lost_nothing() {
    let always = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut master = Redis::start(&always);
    let replica = master.replica(&always);
    let second = master.replica(&always);
    let sentinels: Vec<_> = (0..3).map(|_| Redis::sentinel("main", &master, 2)).collect();
    for sentinel in &sentinels {
        sentinel.wait_for(&["SENTINEL", "MASTER", "main"], "num-other-sentinels\n2");
        sentinel.wait_for(&["SENTINEL", "MASTER", "main"], "num-slaves\n2");
    }
    let hosts: Vec<_> = sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
    let url = format!("redis-sentinel://{}/main", hosts.join(","));
    let options = RedisOptions::default().durable(1).timeout(Duration::from_secs(6));
    let store = RedisStore::open_with(&url, options).await.unwrap();
    let traffic = Traffic::start(&store, 4);
    tokio::task::block_in_place(|| {
        traffic.wait_for(50);
        master.kill();
        let is_master = |server: &Redis| server.ask(&["INFO", "replication"]).contains("role:master");
        crate::servers::until("another is master", || is_master(&replica) || is_master(&second));
        traffic.wait_for(100);
    });
    let written = traffic.stop().await;
    assert_kept(&store, &written).await;
    let failed: u32 = written.iter().map(|written| written.failed).sum();
    assert!(failed <= 8, "the new master is waited for: {failed} commits failed");
    store.health().await.unwrap();
}
