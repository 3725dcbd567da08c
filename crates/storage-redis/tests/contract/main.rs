//! Redis keeps every guarantee of the contract: one server and a cluster of three masters, bare and sealed, and seen by two
//! nodes at once.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail as the test does")]

#[path = "../servers/mod.rs"]
mod servers;

mod nodes;
mod turns;

use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use countersign_primitives::SystemRandom;
use countersign_storage_redis::RedisStore;
use countersign_storage_traits::testkit::Holding;
use countersign_storage_traits::{Encrypted, MasterKey, Store};
use nodes::Nodes;
use servers::{Cluster, Redis};
use tokio::runtime::Runtime;
use turns::{Turn, Turns};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static SERVER: LazyLock<Redis> = LazyLock::new(|| Redis::start(&[]));
static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::start(0, &[]));
static TURNS: Turns = Turns::new();

/// A database of its own on the one server.
fn database() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("{}/{}", SERVER.url(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

async fn single() -> RedisStore {
    RedisStore::open(&database()).await.unwrap()
}

/// The cluster, empty, and nobody else in it: one test's sweep would take another's records.
async fn cluster() -> Holding<RedisStore, Turn> {
    let turn = TURNS.take();
    CLUSTER.clear();
    Holding::new(RedisStore::open(&CLUSTER.url()).await.unwrap(), turn)
}

fn sealed<S: Store>(store: S) -> Encrypted<S> {
    Encrypted::new(store, &MasterKey::from_bytes([1; 32]), "https://id.example.com", Arc::new(SystemRandom))
}

macro_rules! prove {
    ($name:ident, $open:expr) => {
        mod $name {
            use super::*;

            countersign_storage_traits::testkit!(open = $open, block_on = |future| RUNTIME.block_on(future));
        }
    };
}

prove!(one_server, single());
prove!(one_server_sealed, async { sealed(single().await) });
prove!(one_server_two_nodes, async {
    let url = database();
    Nodes::new(RedisStore::open(&url).await.unwrap(), RedisStore::open(&url).await.unwrap())
});
prove!(cluster_of_three, cluster());
prove!(cluster_of_three_sealed, async { sealed(cluster().await) });
prove!(cluster_of_three_two_nodes, async {
    let first = cluster().await;
    let second = RedisStore::open(&CLUSTER.url()).await.unwrap();
    Nodes::new(first, second)
});
