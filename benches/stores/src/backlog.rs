//! A backlog of expired records that goes beside traffic.

use std::sync::Arc;

use countersign_storage_memory::MemoryStore;
use countersign_storage_redis::RedisStore;
use countersign_storage_sqlx::SqlStore;
use countersign_storage_traits::Store;
use countersign_storage_traits::testkit::{Latencies, Sweeping, block_on, sweep_beside_traffic, with_runner};
use countersign_tests::{Postgres, Scratch};
use tokio::runtime::Runtime;

use crate::servers::{Cluster, Redis};

pub(crate) fn report(store: &str, records: usize) {
    let swept = match store {
        "memory" => block_on(sweep_beside_traffic(&MemoryStore::new(), records)),
        "sqlite" => {
            let folder = Scratch::new();
            let url = format!("sqlite:{}", folder.path().join("store.db").display());
            on_tokio(async move || SqlStore::open(&url).await.unwrap(), records)
        }
        "postgres" => {
            let server = Postgres::start();
            let url = server.url();
            on_tokio(async move || SqlStore::open(&url).await.unwrap(), records)
        }
        "redis" => {
            let server = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
            let url = server.url();
            on_tokio(async move || RedisStore::open(&url).await.unwrap(), records)
        }
        "redis-cluster" => {
            let cluster = Cluster::start(0, &["--appendonly", "yes", "--appendfsync", "always"]);
            let url = cluster.url();
            on_tokio(async move || RedisStore::open(&url).await.unwrap(), records)
        }
        other => panic!("{other}: memory, sqlite, postgres, redis or redis-cluster"),
    };
    let micros =
        |latencies: &Latencies| [50, 99, 100].map(|part| latencies.percentile(part).as_micros().to_string()).join("\t");
    let seconds = swept.took.as_secs_f64();
    println!("{store}\t{records}\t{seconds:.2}\t{}\t{}", micros(&swept.alone), micros(&swept.beside));
    assert!(swept.largest <= 1_000, "{} in one call", swept.largest);
}

fn on_tokio<S: Store>(open: impl AsyncFnOnce() -> S, records: usize) -> Sweeping {
    let runtime = Arc::new(Runtime::new().unwrap());
    let store = runtime.block_on(open());
    with_runner(move |future| runtime.block_on(future), async { sweep_beside_traffic(&store, records).await })
}
