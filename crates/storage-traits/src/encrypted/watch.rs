//! Noticing that the store was moved.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use countersign_primitives::UnixTime;

use crate::moving::target_of;
use crate::{Record, StoreError};

/// What is known of whether the store was moved away. Clones share it.
pub(super) struct Watch {
    /// When the mark was last looked for, in ms; at first later than ever.
    looked_at: AtomicU64,
    /// Where everything went.
    away: RwLock<Option<Arc<str>>>,
}

/// How long it counts that there was no mark. What was begun before is over by [`Move::NOTICED`](crate::Move::NOTICED).
const TRUSTED: Duration = Duration::from_secs(4);

impl Watch {
    pub(super) fn new() -> Self {
        Self { looked_at: AtomicU64::new(u64::MAX), away: RwLock::default() }
    }

    /// Whether it is time to look again. A clock that was set back makes it time as well.
    pub(super) fn is_due(&self, now: UnixTime) -> bool {
        let looked_at = UnixTime::from_millis(self.looked_at.load(Ordering::Acquire));
        now < looked_at || now.since(looked_at) >= TRUSTED
    }

    /// Takes note of the mark that was found, or of its absence.
    pub(super) fn note(&self, mark: Option<&Record>, now: UnixTime) {
        *self.away.write().unwrap_or_else(PoisonError::into_inner) = mark.map(target_of);
        self.looked_at.store(now.as_millis(), Ordering::Release);
    }

    pub(super) fn admit(&self) -> Result<(), StoreError> {
        match &*self.away.read().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(to) => Err(StoreError::MovedAway { to: Arc::clone(to) }),
        }
    }
}
