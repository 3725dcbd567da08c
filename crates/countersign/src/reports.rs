//! Which of Twilio's reports came before, in the store that all nodes share.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_delivery_twilio::SeenReports;
use countersign_primitives::{BoxError, Clock as _, Id, SystemClock};
use countersign_storage_traits::{Charge, CounterKey, Store};

/// A report comes again within minutes, if at all.
const KNOWN_FOR: Duration = Duration::from_secs(86_400);

/// Remembers Twilio's reports in a store, so that of all nodes that one reaches the first tells of it.
///
/// ```
/// use std::sync::Arc;
/// use countersign::store::Store;
/// use countersign::twilio::{ReportsInStore, Twilio};
///
/// fn shared(twilio: Twilio, store: Arc<dyn Store>) -> Twilio {
///     twilio.seen_reports(ReportsInStore::new(store))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct ReportsInStore(Arc<dyn Store>);

impl ReportsInStore {
    /// In this store, which may be the server's own.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

#[async_trait]
impl SeenReports for ReportsInStore {
    /// A counter that one of any number of racers raises to its limit.
    async fn is_new(&self, report: [u8; 32]) -> Result<bool, BoxError> {
        let mut id = [0; 16];
        id.copy_from_slice(&report[..16]);
        let charge = Charge { counter: CounterKey(Id::from_bytes(id)), add: 1, limit: 1, window: KNOWN_FOR };
        let charged = self.0.charge(&[charge], SystemClock.now()).await?;
        Ok(charged.iter().all(|charged| charged.admitted))
    }
}

#[cfg(test)]
mod tests {
    use countersign_storage_memory::MemoryStore;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn promise_1_of_64_nodes_that_hear_a_report_at_once_one_tells_of_it() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let nodes = (0..64).map(|_| {
            let reports = ReportsInStore::new(Arc::clone(&store));
            tokio::spawn(async move { reports.is_new([7; 32]).await.unwrap() })
        });
        let mut new = 0;
        for node in nodes.collect::<Vec<_>>() {
            new += usize::from(node.await.unwrap());
        }
        assert_eq!(new, 1);
        assert!(ReportsInStore::new(store).is_new([8; 32]).await.unwrap(), "another report");
    }
}
