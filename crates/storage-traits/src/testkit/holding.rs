//! A store that keeps something alive.

use async_trait::async_trait;
use countersign_primitives::UnixTime;

use crate::{
    Batch, Capabilities, Charge, Charged, CommitError, Cursor, Health, Index, Key, Page, Record, Scan, Store,
    StoreError, Swept,
};

/// A store together with what must outlive it, such as the temporary folder that its files lie in.
#[derive(Debug)]
pub struct Holding<S, G> {
    // Dropped in this order.
    store: S,
    guard: G,
}

impl<S: Store, G> Holding<S, G> {
    /// Keeps `guard` as long as `store`.
    pub fn new(store: S, guard: G) -> Self {
        Self { store, guard }
    }

    /// What is kept.
    pub fn guard(&self) -> &G {
        &self.guard
    }
}

#[async_trait]
impl<S: Store, G: Send + Sync + std::fmt::Debug> Store for Holding<S, G> {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }
    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        self.store.get(keys, now).await
    }
    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        self.store.commit(batch).await
    }
    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        self.store.list(index, after, limit, now).await
    }
    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        self.store.charge(charges, now).await
    }
    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        self.store.sweep(now, limit).await
    }
    async fn health(&self) -> Result<Health, StoreError> {
        self.store.health().await
    }
    fn as_scan(&self) -> Option<&dyn Scan> {
        self.store.as_scan()
    }
}
