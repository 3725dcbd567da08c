//! PostgreSQL keeps every guarantee of the contract: bare and sealed, as two nodes, through a pooler, by transactions.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use countersign_primitives::UnixTime;
use countersign_storage_sqlx::{SqlOptions, SqlStore};
use countersign_storage_traits::{
    Batch, Capabilities, Charge, Charged, CommitError, Cursor, Health, Index, Key, Page, Record, Store, StoreError,
    Swept,
};
use countersign_tests::{PgBouncer, Postgres};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
/// Not fsynced: no machine crashes here, and there are many tests.
static SERVER: LazyLock<Postgres> = LazyLock::new(|| Postgres::start_with(&["fsync=off"]));

async fn store(options: SqlOptions) -> SqlStore {
    SqlStore::open_with(&SERVER.fresh_schema(), options).await.unwrap()
}

/// Two stores, as two machines have them, each asked in its turn.
#[derive(Debug)]
struct Nodes {
    stores: [SqlStore; 2],
    next: AtomicUsize,
}

impl Nodes {
    async fn open(options: SqlOptions) -> Self {
        let url = SERVER.fresh_schema();
        let (one, two) = tokio::join!(SqlStore::open_with(&url, options.clone()), SqlStore::open_with(&url, options));
        Self { stores: [one.unwrap(), two.unwrap()], next: AtomicUsize::new(0) }
    }

    fn node(&self) -> &SqlStore {
        &self.stores[self.next.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

#[async_trait]
impl Store for Nodes {
    fn capabilities(&self) -> Capabilities {
        self.node().capabilities()
    }
    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        self.node().get(keys, now).await
    }
    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        self.node().commit(batch).await
    }
    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        self.node().list(index, after, limit, now).await
    }
    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        self.node().charge(charges, now).await
    }
    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        self.node().sweep(now, limit).await
    }
    async fn health(&self) -> Result<Health, StoreError> {
        self.node().health().await
    }
}

mod bare {
    use super::{RUNTIME, SqlOptions, store};

    countersign_storage_traits::testkit!(
        open = store(SqlOptions::default()),
        block_on = |future| RUNTIME.block_on(future),
    );
}

mod sealed_on_two_nodes {
    use std::sync::Arc;

    use countersign_primitives::SystemRandom;
    use countersign_storage_traits::{Encrypted, MasterKey};

    use super::{Nodes, RUNTIME, SqlOptions};

    countersign_storage_traits::testkit!(
        open = async {
            let master = MasterKey::from_bytes([1; 32]);
            let nodes = Nodes::open(SqlOptions::default()).await;
            Encrypted::new(nodes, &master, "https://id.example.com", Arc::new(SystemRandom))
        },
        block_on = |future| RUNTIME.block_on(future),
    );
}

mod through_pgbouncer_by_transaction {
    use super::*;

    static POOLER: LazyLock<PgBouncer> =
        LazyLock::new(|| PgBouncer::before(&SERVER, &SERVER.address(), "transaction", &[]));

    countersign_storage_traits::testkit!(
        open = async { SqlStore::open(&format!("{}?pooler=true", POOLER.fresh_schema())).await.unwrap() },
        block_on = |future| RUNTIME.block_on(future),
    );
}

mod through_pgbouncer_by_session {
    use super::*;

    /// Its connections keep what is prepared, and it is told to let the parameter pass by which a statement ends in time.
    static POOLER: LazyLock<PgBouncer> = LazyLock::new(|| {
        let lines = ["ignore_startup_parameters = options", "default_pool_size = 12"];
        PgBouncer::before(&SERVER, &SERVER.address(), "session", &lines)
    });

    countersign_storage_traits::testkit!(
        open = async { SqlStore::open(&POOLER.fresh_schema()).await.unwrap() },
        block_on = |future| RUNTIME.block_on(future),
    );
}

mod by_transactions_on_two_nodes {
    use super::{Nodes, RUNTIME, SqlOptions};

    countersign_storage_traits::testkit!(
        open = Nodes::open(SqlOptions::default().transactions(true)),
        block_on = |future| RUNTIME.block_on(future),
    );
}
