//! Two nodes with a store each, on the same servers.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use countersign_primitives::UnixTime;
use countersign_storage_traits::{
    Batch, Capabilities, Charge, Charged, CommitError, Cursor, Health, Index, Key, Page, Record, Store, StoreError,
    Swept,
};

/// Sends every other call to the other node: a commit on one is read on the other, and races run across both.
#[derive(Debug)]
pub(crate) struct Nodes<A, B> {
    nodes: (A, B),
    calls: AtomicUsize,
}

impl<A: Store, B: Store> Nodes<A, B> {
    pub(crate) fn new(first: A, second: B) -> Self {
        Self { nodes: (first, second), calls: AtomicUsize::new(0) }
    }

    fn next(&self) -> &dyn Store {
        match self.calls.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => &self.nodes.0,
            _ => &self.nodes.1,
        }
    }
}

#[async_trait]
impl<A: Store, B: Store> Store for Nodes<A, B> {
    fn capabilities(&self) -> Capabilities {
        self.next().capabilities()
    }
    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        self.next().get(keys, now).await
    }
    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        self.next().commit(batch).await
    }
    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        self.next().list(index, after, limit, now).await
    }
    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        self.next().charge(charges, now).await
    }
    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        self.next().sweep(now, limit).await
    }
    async fn health(&self) -> Result<Health, StoreError> {
        self.next().health().await
    }
}
