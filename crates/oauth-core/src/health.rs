//! How a server is doing, for what watches over it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_primitives::UnixTime;
use countersign_storage_traits::{self as storage, Resealing, StoreError};

use crate::Server;

/// A node without due work for so long sweeps nothing and rotates no key.
const WORK_OVERDUE: Duration = Duration::from_secs(10 * 60);
/// Clocks that differ by so much are worth a line in the log.
const CLOCK_WARN: Duration = Duration::from_secs(2);
/// Clocks that differ by so much make nodes disagree on what has expired.
const CLOCK_FAIL: Duration = Duration::from_secs(10);

/// A server that is well. See [`Server::health`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// What the store says of itself.
    pub store: storage::Health,
    /// How far this node's clock and the store's are apart at least, where the store has one.
    pub clock_offset: Option<Duration>,
    /// When this node's due work last went through; at first, when the server was built.
    pub worked_at: UnixTime,
    /// How far a change of the master key has come, where an earlier key was given.
    pub resealing: Option<Resealing>,
}

/// Why a server is not well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unhealthy {
    /// The store cannot be used.
    #[error("the store cannot be used")]
    Store(#[source] StoreError),
    /// This node's clock and the store's differ by 10 s or more, so that nodes disagree on what has expired.
    #[error("the clock and the store's differ by {} ms; set both by NTP", offset.as_millis())]
    Clock {
        /// How far they are apart at least.
        offset: Duration,
    },
    /// Due work has not gone through on this node for 10 minutes.
    #[error("due work has not gone through for {} s; call work() in a loop, or run maintenance()", overdue.as_secs())]
    Work {
        /// How long it has not.
        overdue: Duration,
    },
}

/// When due work last went through, on this node.
#[derive(Debug)]
pub(crate) struct Worked(AtomicU64);

impl Worked {
    pub(crate) fn at(time: UnixTime) -> Self {
        Self(AtomicU64::new(time.as_millis()))
    }

    pub(crate) fn note(&self, time: UnixTime) {
        self.0.store(time.as_millis(), Ordering::Relaxed);
    }

    fn last(&self) -> UnixTime {
        UnixTime::from_millis(self.0.load(Ordering::Relaxed))
    }
}

impl Server {
    /// How this node is doing: whether the store can be used, its clock and ours agree, and due work goes through. For a probe
    /// of the host's that takes a node out of service.
    ///
    /// # Errors
    /// [`Unhealthy`], by cause, the worst first.
    ///
    /// ```
    /// # async fn example(server: &countersign_oauth_core::Server) -> http::StatusCode {
    /// match server.health().await {
    ///     Ok(_) => http::StatusCode::OK,
    ///     Err(_) => http::StatusCode::SERVICE_UNAVAILABLE,
    /// }
    /// # }
    /// ```
    pub async fn health(&self) -> Result<Health, Unhealthy> {
        let asked = self.now();
        let store = self.store().health().await.map_err(Unhealthy::Store)?;
        let answered = self.now();
        // The store told its time somewhere in between, however long the way was.
        let offset = store.clock.map(|clock| asked.since(clock).max(clock.since(answered)));
        if let Some(offset) = offset.filter(|offset| *offset >= CLOCK_WARN) {
            tracing::warn!(offset_ms = offset.as_millis(), "the clock and the store's differ");
            if offset >= CLOCK_FAIL {
                return Err(Unhealthy::Clock { offset });
            }
        }
        let worked_at = self.0.worked.last();
        let overdue = answered.since(worked_at);
        if overdue >= WORK_OVERDUE {
            return Err(Unhealthy::Work { overdue });
        }
        Ok(Health { store, clock_offset: offset, worked_at, resealing: self.0.sealed.resealing() })
    }
}
