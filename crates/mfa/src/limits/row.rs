//! Failures in a row at one secret of one account: when its owner is told, and when strangers are shut out.

use std::time::Duration;

use countersign_primitives::{Id, UnixTime};
use countersign_storage_traits::{Charge, Charged, CounterKey, Store, StoreError};

use super::Limits;
use super::guard::{By, Note};
use crate::keys::Keys;

/// How long a secret stays closed if nobody opens it: for ever, as people count.
const CLOSED: Duration = Duration::from_secs(10 * 365 * 86_400);
/// The owner is told once in this time at most, whatever is guessed.
const TOLD_ONCE_IN: Duration = Duration::from_secs(86_400);

/// The row of one secret. All strangers make one row together, whatever they call by; a known browser makes one of its own.
#[derive(Debug, Clone)]
pub(super) struct Row {
    counter: CounterKey,
    told: CounterKey,
    closed: CounterKey,
    told_today: CounterKey,
    known: bool,
}

impl Row {
    pub(super) fn of(keys: &Keys, account: Id, method: &str, by: By) -> Self {
        let account = account.as_bytes();
        let mark = match &by {
            By::Known(mark) => mark.as_bytes().as_slice(),
            By::Strangers | By::Client(_) => &[],
        };
        let counter = |label| keys.counter(label, &[account, method.as_bytes(), mark]);
        Self {
            counter: counter("row"),
            told: counter("row told"),
            closed: keys.counter("closed", &[account, method.as_bytes()]),
            told_today: keys.counter("told today", &[account]),
            known: matches!(by, By::Known(_)),
        }
    }

    /// One more failure, until the answer proves right.
    pub(super) fn failure(&self, limits: &Limits) -> Charge {
        Charge { counter: self.counter, add: 1, limit: limits.closed_after, window: limits.row }
    }

    /// Reads whether the secret is closed to strangers.
    pub(super) fn read_closed(&self) -> Charge {
        Charge { counter: self.closed, add: 0, limit: u32::MAX, window: CLOSED }
    }

    fn close(&self) -> Charge {
        Charge { counter: self.closed, add: 1, limit: 1, window: CLOSED }
    }

    /// Ends the row, and opens the secret again.
    pub(super) fn forget(&self, limits: &Limits) -> impl Iterator<Item = Charge> + use<> {
        let Self { counter, told, closed, known, .. } = self.clone();
        let closed = (!known).then_some((closed, CLOSED));
        let counters = [(counter, limits.row), (told, limits.row)].into_iter().chain(closed);
        counters.map(|(counter, window)| Charge { counter, add: i32::MIN, limit: 0, window })
    }

    /// A failure has made the row as long as it now is: closes the secret and says whether its owner must be told.
    pub(super) async fn note(
        &self,
        limits: &Limits,
        store: &dyn Store,
        row: Charged,
        now: UnixTime,
    ) -> Result<Note, StoreError> {
        let mut note = Note::default();
        if row.count >= limits.told_after {
            let once = Charge { counter: self.told, add: 1, limit: 1, window: limits.row };
            if admits(store, once, now).await? {
                note.told = self.may_tell_today(store, now).await?;
                if !note.told {
                    store.charge(&[Charge { add: -1, ..once }], now).await?; // at a later failure, on another day
                }
            }
        }
        if row.count >= limits.closed_after && !self.known {
            note.closed = self.shut(store, now).await?;
            note.told = note.told || note.closed && self.may_tell_today(store, now).await?;
        }
        Ok(note)
    }

    /// Closes the secret, and says whether it was open.
    pub(super) async fn shut(&self, store: &dyn Store, now: UnixTime) -> Result<bool, StoreError> {
        admits(store, self.close(), now).await
    }

    async fn may_tell_today(&self, store: &dyn Store, now: UnixTime) -> Result<bool, StoreError> {
        let once = Charge { counter: self.told_today, add: 1, limit: 1, window: TOLD_ONCE_IN };
        admits(store, once, now).await
    }
}

async fn admits(store: &dyn Store, charge: Charge, now: UnixTime) -> Result<bool, StoreError> {
    Ok(store.charge(&[charge], now).await?.iter().all(|charged| charged.admitted))
}
