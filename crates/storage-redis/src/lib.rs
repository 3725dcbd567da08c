//! A store on Redis or Valkey: one server, Sentinel or Cluster.

mod address;
mod charge;
mod commit;
mod encode;
mod error;
mod examine;
mod link;
mod list;
mod network;
mod options;
mod read;
mod script;
mod slot;
mod sweep;

use std::sync::Arc;

use async_trait::async_trait;
use countersign_primitives::UnixTime;
use countersign_storage_traits::{
    Batch, Capabilities, Charge, Charged, CommitError, Cursor, Health, Index, Key, Page, Record, Store, StoreError,
    Swept,
};

pub use error::{Cause, ServerError};
pub use options::{OpenError, RedisOptions};

use address::Address;
use commit::Assurance;
use network::Network;

/// A store on Redis or Valkey. Clones share its connections.
#[derive(Debug, Clone)]
pub struct RedisStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    network: Network,
    options: RedisOptions,
    /// What every commit waits for.
    assurance: Option<Assurance>,
    capabilities: Capabilities,
    lists: list::Splits,
}

impl RedisStore {
    /// Opens a store: `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]` for one server,
    /// `redis-sentinel://HOST:PORT,HOST:PORT/MASTER` for a master that sentinels name, `redis-cluster://HOST:PORT,HOST:PORT` for a
    /// cluster of which these are some nodes. With feature `tls`, `rediss://`, `rediss-sentinel://` and `rediss-cluster://`.
    ///
    /// Must be called within a tokio runtime, and so must the store's methods.
    ///
    /// # Errors
    /// [`OpenError`] names the server and the cure.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_with(url, RedisOptions::default()).await
    }

    /// Opens a store with options of one's own.
    ///
    /// # Errors
    /// As [`RedisStore::open`].
    pub async fn open_with(url: &str, options: RedisOptions) -> Result<Self, OpenError> {
        let address = Address::parse(url)?;
        let network = Network::new(&address, &options)?;
        let found = examine::examine(&network, &options).await?;
        let inner = Inner {
            network,
            options,
            assurance: found.assurance,
            capabilities: found.capabilities,
            lists: list::Splits::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

#[async_trait]
impl Store for RedisStore {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities
    }

    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        self.inner.get(keys, now).await
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        batch.validate()?;
        self.inner.commit(batch).await
    }

    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        self.inner.list(index, after, limit, now).await
    }

    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        self.inner.charge(charges, now).await
    }

    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        self.inner.sweep(now, limit).await
    }

    async fn health(&self) -> Result<Health, StoreError> {
        self.inner.health().await
    }
}
