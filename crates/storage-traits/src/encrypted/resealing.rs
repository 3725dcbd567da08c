//! After a change of the master key: sealing anew what an earlier one sealed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_primitives::UnixTime;

use super::{Encrypted, Sealed};
use crate::{Batch, Cursor, Expect, Item, Key, Part, Record, Store, StoreError};

/// What a step of [`Encrypted::reseal`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resealed {
    /// So many records were looked at.
    pub looked_at: u64,
    /// So many were sealed anew.
    pub anew: u64,
    /// So many were to be sealed anew and were not: others wrote them at that moment, or the store failed. A later walk sees.
    pub left: u64,
    /// So many are sealed under an earlier key and expire by themselves.
    pub expiring: u64,
    /// When the last of those expires.
    pub last_expires_at: Option<UnixTime>,
    /// So many cannot be opened: another issuer's, damaged, or sealed under a key that is not among those given.
    pub unread: u64,
    /// Where to go on; none when this was the last step.
    pub next: Option<Cursor>,
}

impl Resealed {
    /// Adds what a further step of the same walk did.
    pub fn add(&mut self, step: &Self) {
        self.looked_at += step.looked_at;
        self.anew += step.anew;
        self.left += step.left;
        self.expiring += step.expiring;
        self.last_expires_at = self.last_expires_at.max(step.last_expires_at);
        self.unread += step.unread;
        self.next.clone_from(&step.next);
    }
}

/// How far a change of the master key has come, by this node's last whole walk over the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Resealing {
    /// So many live records are still sealed under an earlier key; none until the first walk is over.
    pub left: Option<u64>,
    /// Until then at the latest the earlier key is needed: all that are left expire by then. None when nothing is left, before the first
    /// walk is over, and while a record is left that never expires, which a further walk sees to.
    pub needed_until: Option<UnixTime>,
    /// When that walk ended.
    pub walked_at: Option<UnixTime>,
}

impl Resealing {
    /// Whether nothing is left that an earlier key sealed, so that it can go once every node says so.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.left, Some(0))
    }
}

/// How many records a step of the due work looks at.
const STEP: u16 = 128;
/// How long after a walk the next one begins: nodes that still seal under the earlier key may have written since.
const AGAIN: Duration = Duration::from_secs(3_600);
/// The same when a record is left that another node wrote at that moment.
const SOON: Duration = Duration::from_secs(60);

/// A walk that goes on from one round of due work to the next. Clones share it; what a process knows of it ends with the process, and
/// a walk that begins anew does nothing twice.
#[derive(Default)]
pub(super) struct Walk(Mutex<Progress>);

#[derive(Default)]
struct Progress {
    /// Counts steps, so that of two that were made at once one counts.
    step: u64,
    so_far: Resealed,
    /// Not before then does the next step begin.
    due_at: UnixTime,
    found: Resealing,
}

impl Walk {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    /// Adds a step, and says when the next is due.
    fn add(&mut self, step: &Resealed, now: UnixTime) -> UnixTime {
        self.step += 1;
        self.so_far.add(step);
        self.due_at = now;
        if self.so_far.next.is_none() {
            let Resealed { left, expiring, last_expires_at, .. } = std::mem::take(&mut self.so_far);
            let needed_until = last_expires_at.filter(|_| left == 0);
            self.found = Resealing { left: Some(left + expiring), needed_until, walked_at: Some(now) };
            self.due_at = now.plus(if left > 0 { SOON } else { AGAIN });
            // What expires sooner is told to be gone sooner.
            if let Some(end) = needed_until {
                self.due_at = self.due_at.min(end.max(now.plus(SOON)));
            }
        }
        self.due_at
    }
}

impl<S: Store> Encrypted<S> {
    /// Seals a record anew that an earlier master key had sealed, and answers it as it then stands. What never expires would
    /// otherwise need the earlier key for ever; what expires is left alone, for it goes by itself, and a request may be about to
    /// spend it at the version it was read at. Losing a race to another writer loses nothing.
    pub(super) async fn renewed(&self, key: &Key, record: Record, now: UnixTime) -> Record {
        let Ok(mut batch) = Batch::new(key.partition, now, &*self.random) else { return record };
        batch.put(*key, Expect::At(record.version), record.expires_at, Vec::new(), record.payload.clone());
        match self.commit(&batch).await {
            Ok(()) => Record { version: batch.id(), ..record },
            Err(_) => record,
        }
    }

    /// Looks at about `limit` records, and seals what never expires and an earlier master key sealed under the present one: what
    /// reads would do as they come by, for records that nobody reads. What expires goes by itself; it is counted. Safe on every node at
    /// once, and beside all traffic. Once a walk over everything has found nothing that is left or expires, the earlier key is not needed.
    ///
    /// # Errors
    /// When the store fails or cannot be walked; the same step may be made again.
    pub async fn reseal(&self, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Resealed, StoreError> {
        let store: &dyn Store = &self.store;
        let page = store.scannable()?.scan(Part::Records, after, limit).await?;
        let mut done = Resealed { next: page.next, ..Resealed::default() };
        for item in page.items {
            let Item::Record { key: place, record } = item else { continue };
            done.looked_at += 1;
            let key = self.moved(place);
            match self.open(&key, &record) {
                Ok((_, Sealed::WellEnough)) => {}
                Ok((opened, Sealed::Earlier)) if record.expires_at == UnixTime::MAX => {
                    let renewed = self.renewed(&key, opened, now).await;
                    *(if renewed.version == record.version { &mut done.left } else { &mut done.anew }) += 1;
                }
                Ok((_, Sealed::Earlier)) if record.expires_at > now => {
                    done.expiring += 1;
                    done.last_expires_at = done.last_expires_at.max(Some(record.expires_at));
                }
                Ok(_) => {}
                Err(StoreError::Corrupt { .. } | StoreError::WrongKey { .. }) => done.unread += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// A part of a server's due work: while there is an earlier key, a step of walking over the store and sealing anew what it sealed. Says
    /// when the next step is due; never, when there is no earlier key or the store cannot be walked. Any number of nodes may do it at
    /// once, each by a walk of its own; what one has done is nothing to do for the others.
    ///
    /// # Errors
    /// When the store fails; the same step is made again by the next call.
    pub async fn reseal_due(&self, now: UnixTime) -> Result<Option<UnixTime>, StoreError> {
        if self.resealing().is_none() || self.store.as_scan().is_none() {
            return Ok(None);
        }
        let (number, after) = {
            let progress = self.walk.progress();
            if now < progress.due_at {
                return Ok(Some(progress.due_at));
            }
            (progress.step, progress.so_far.next.clone())
        };
        let step = self.reseal(after, STEP, now).await?;
        let (due_at, found) = {
            let mut progress = self.walk.progress();
            let due_at = if progress.step == number { progress.add(&step, now) } else { progress.due_at };
            (due_at, progress.found)
        };
        if let Some(observer) = self.store.observer() {
            observer.resealing(&found);
        }
        Ok(Some(due_at))
    }

    /// How far a change of the master key has come; none where no earlier key was given.
    #[must_use]
    pub fn resealing(&self) -> Option<Resealing> {
        let has_earlier = self.keys.iter().any(|sealing| sealing.is_replaced);
        has_earlier.then(|| self.walk.progress().found)
    }
}
