//! The contract's rules as pure functions, for adapters whose database hands back what it holds.

use countersign_primitives::UnixTime;

use crate::{Batch, Charge, Charged, CommitError, Expect, Key, Record, Version};

/// What a store holds under a key at the moment of a commit, expired or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which batch wrote it.
    pub version: Version,
    /// From when on it counts as absent.
    pub expires_at: UnixTime,
}

impl Standing {
    /// Whether it is there at `now`.
    #[must_use]
    pub fn is_live(&self, now: UnixTime) -> bool {
        self.expires_at > now
    }
}

impl From<&Record> for Standing {
    fn from(record: &Record) -> Self {
        Self { version: record.version, expires_at: record.expires_at }
    }
}

/// What an adapter does with a batch that [`Batch::judge`] let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Every expectation holds: write all of it.
    Apply,
    /// It was written before and comes again: write nothing, answer Ok.
    AlreadyDone,
}

impl Expect {
    /// Whether the expectation holds at `now` for what the store has.
    #[must_use]
    pub fn holds(&self, standing: Option<&Standing>, now: UnixTime) -> bool {
        let live = standing.filter(|standing| standing.is_live(now));
        match self {
            Self::Any => true,
            Self::Absent => live.is_none(),
            Self::Present => live.is_some(),
            Self::At(version) => live.is_some_and(|standing| standing.version == *version),
        }
    }
}

impl Batch {
    /// Judges the batch by what the store holds. An adapter calls it inside the transaction, after [`Batch::validate`] and
    /// before it writes anything.
    ///
    /// A record that bears the batch's own id proves that the batch was written before, all of it: then it is done already.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] with the first key whose expectation fails.
    pub fn judge(&self, mut standing: impl FnMut(&Key) -> Option<Standing>) -> Result<Judgement, CommitError> {
        let mut failed = None;
        for op in self.ops() {
            let current = standing(&op.key);
            if op.puts() && current.is_some_and(|current| current.version == self.id()) {
                return Ok(Judgement::AlreadyDone);
            }
            if failed.is_none() && !op.expect.holds(current.as_ref(), self.now()) {
                failed = Some(op.key);
            }
        }
        failed.map_or(Ok(Judgement::Apply), |key| Err(CommitError::Conflict(key)))
    }
}

/// A counter as a store keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// What it shows.
    pub count: u32,
    /// When it starts anew.
    pub resets_at: UnixTime,
}

impl Charge {
    /// Applies the charge to what the store holds: the counter to be written, if it changed, and the answer. An adapter calls
    /// it inside the transaction.
    #[must_use]
    pub fn apply(&self, held: Option<Counter>, now: UnixTime) -> (Option<Counter>, Charged) {
        let live = held.filter(|counter| counter.resets_at > now);
        let Counter { count, resets_at } = live.unwrap_or(Counter { count: 0, resets_at: now.plus(self.window) });
        let (admitted, after) = match u32::try_from(self.add) {
            Ok(add) => match count.checked_add(add) {
                Some(sum) if sum <= self.limit => (true, sum),
                _ => (false, count),
            },
            Err(_) => (true, count.saturating_sub(self.add.unsigned_abs())),
        };
        let changed = (after != count).then_some(Counter { count: after, resets_at });
        (changed, Charged { admitted, count: after, resets_at })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign_primitives::Id;

    use super::*;
    use crate::{CounterKey, Kind};

    const NOW: UnixTime = UnixTime::from_secs(1_000);

    fn key(id: u8) -> Key {
        Key::new(Id::from_bytes([1; 16]), Kind(130), Id::from_bytes([id; 16]))
    }

    #[test]
    fn a_conflict_names_the_first_failing_key() {
        let mut batch = Batch::with_id(key(1).partition, NOW, Version::new(5));
        batch.check(key(1), Expect::Any).check(key(2), Expect::Present).check(key(3), Expect::Present);
        assert!(matches!(batch.judge(|_| None), Err(CommitError::Conflict(first)) if first == key(2)));
    }

    #[test]
    fn promise_1_a_repeated_batch_is_known_by_any_record_that_it_put() {
        let mut batch = Batch::with_id(key(1).partition, NOW, Version::new(5));
        batch.delete(key(1), Expect::Present).put(key(2), Expect::Absent, NOW, Vec::new(), "");
        let mine = Standing { version: Version::new(5), expires_at: NOW };
        let judged = batch.judge(|asked| (*asked == key(2)).then_some(mine));
        assert!(matches!(judged, Ok(Judgement::AlreadyDone)), "{judged:?}");
    }

    #[test]
    fn a_record_is_gone_at_its_expiry_and_not_before() {
        let standing = Standing { version: Version::new(1), expires_at: NOW };
        assert!(Expect::Absent.holds(Some(&standing), NOW));
        assert!(Expect::Present.holds(Some(&standing), NOW.minus(Duration::from_millis(1))));
        assert!(!Expect::At(Version::new(1)).holds(Some(&standing), NOW));
    }

    #[test]
    fn charges_stay_between_zero_and_the_limit() {
        let charge = |add| Charge {
            counter: CounterKey(Id::from_bytes([1; 16])),
            add,
            limit: 3,
            window: Duration::from_secs(60),
        };
        let held = Counter { count: 3, resets_at: NOW.plus(Duration::from_secs(1)) };
        assert_eq!(charge(1).apply(Some(held), NOW).0, None, "a refused charge changes nothing");
        assert!(!charge(1).apply(Some(held), NOW).1.admitted);
        assert_eq!(charge(-9).apply(Some(held), NOW).1.count, 0);
        let anew = charge(2).apply(Some(held), held.resets_at).1;
        assert_eq!((anew.count, anew.resets_at), (2, held.resets_at.plus(Duration::from_secs(60))));
        assert!(!charge(i32::MAX).apply(Some(Counter { count: u32::MAX, ..held }), NOW).1.admitted);
        assert_eq!(charge(i32::MIN).apply(None, NOW).0, None, "a refund of nothing makes no counter");
    }
}
