//! What is written together.

use std::fmt;

use bytes::Bytes;
use countersign_primitives::{Id, Random, RandomError, UnixTime};
use serde::{Deserialize, Serialize};

use crate::{Index, Key};

/// Which batch wrote a record last: the random id of that batch, 63 bits.
///
/// That the version *is* the writer's id lets an adapter tell a commit repeated after a lost answer ("mine already: Ok")
/// from somebody else's write ("conflict"). A counter could not, and would restart when a record is deleted and made anew.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(u64);

impl Version {
    /// A version of this number; the highest bit is dropped, so that every database's signed integer can hold it.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number & (u64::MAX >> 1))
    }

    /// The number, always below 2^63.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({:x})", self.0)
    }
}

/// What a record must be like for the batch to go through. By the batch's `now` an expired record is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// No matter.
    Any,
    /// There must be none.
    Absent,
    /// There must be one, at whatever version: lets two children of one grant be written side by side.
    Present,
    /// There must be one, at this version.
    At(Version),
}

/// What happens to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing: only the expectation counts.
    Check,
    /// It is written, with the batch's id as its version.
    Put {
        /// When it counts as absent.
        expires_at: UnixTime,
        /// The lists it stands in: at most [`Batch::MAX_INDEXES`], fixed at creation and the same at every later put.
        indexes: Vec<Index>,
        /// The content.
        payload: Bytes,
    },
    /// It goes.
    Delete,
}

/// One record's part in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// Which record.
    pub key: Key,
    /// What it must be like.
    pub expect: Expect,
    /// What happens to it.
    pub change: Change,
}

impl Op {
    /// Whether it writes the record.
    #[must_use]
    pub fn puts(&self) -> bool {
        matches!(self.change, Change::Put { .. })
    }
}

/// Changes in one partition that happen together or not at all.
///
/// ```
/// use countersign_primitives::{Id, SystemRandom, UnixTime};
/// use countersign_storage_traits::{Batch, Expect, Key, Kind};
///
/// let grant = Id::from_bytes([1; 16]);
/// let mut batch = Batch::new(grant, UnixTime::from_secs(60), &SystemRandom)?;
/// batch.put(Key::root(Kind(1), grant), Expect::Absent, UnixTime::from_secs(120), Vec::new(), "payload");
/// assert_eq!(batch.ops().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    partition: Id,
    id: Version,
    now: UnixTime,
    ops: Vec<Op>,
    /// How much longer than [`Batch::MAX_PAYLOAD`] a payload may be, for a wrapper's envelope around it.
    headroom: usize,
}

impl Batch {
    /// At most this many records in one batch.
    pub const MAX_OPS: usize = 16;
    /// At most this many lists for one record.
    pub const MAX_INDEXES: usize = 4;
    /// At most this many bytes in one payload.
    pub const MAX_PAYLOAD: usize = 256 * 1024;
    /// At most this much does a wrapper add to a payload.
    pub const MAX_ENVELOPE: usize = 64;

    /// An empty batch with a fresh id.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn new(partition: Id, now: UnixTime, random: &dyn Random) -> Result<Self, RandomError> {
        let mut bytes = [0; 8];
        random.fill(&mut bytes)?;
        Ok(Self::with_id(partition, now, Version::new(u64::from_le_bytes(bytes))))
    }

    /// An empty batch with an id of the caller's choice: for wrappers and adapters.
    #[must_use]
    pub fn with_id(partition: Id, now: UnixTime, id: Version) -> Self {
        Self { partition, id, now, ops: Vec::new(), headroom: 0 }
    }

    /// The partition that all keys lie in.
    #[must_use]
    pub fn partition(&self) -> Id {
        self.partition
    }

    /// The batch's id, which becomes the version of all that it puts.
    #[must_use]
    pub fn id(&self) -> Version {
        self.id
    }

    /// The time by which expiry is judged.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.now
    }

    /// What it does, in the order given.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Adds an expectation without a change.
    pub fn check(&mut self, key: Key, expect: Expect) -> &mut Self {
        self.op(Op { key, expect, change: Change::Check })
    }

    /// Adds a write.
    pub fn put(
        &mut self,
        key: Key,
        expect: Expect,
        expires_at: UnixTime,
        indexes: Vec<Index>,
        payload: impl Into<Bytes>,
    ) -> &mut Self {
        self.op(Op { key, expect, change: Change::Put { expires_at, indexes, payload: payload.into() } })
    }

    /// Adds a deletion. A batch that deletes under an expectation also puts something: only what was put can tell a repeated
    /// batch from a lost race.
    pub fn delete(&mut self, key: Key, expect: Expect) -> &mut Self {
        self.op(Op { key, expect, change: Change::Delete })
    }

    /// Adds an operation as it stands.
    pub fn op(&mut self, op: Op) -> &mut Self {
        self.ops.push(op);
        self
    }

    /// The same batch, under the same id, with other payloads: for wrappers that seal or compress. What a wrapper puts around
    /// a payload may be [`Batch::MAX_ENVELOPE`] bytes long.
    ///
    /// # Errors
    /// The first error of `change`.
    pub fn map_payloads<E>(&self, mut change: impl FnMut(&Key, &Bytes) -> Result<Bytes, E>) -> Result<Self, E> {
        let mut ops = Vec::with_capacity(self.ops.len());
        for op in &self.ops {
            let mapped = match &op.change {
                Change::Put { expires_at, indexes, payload } => Change::Put {
                    expires_at: *expires_at,
                    indexes: indexes.clone(),
                    payload: change(&op.key, payload)?,
                },
                other => other.clone(),
            };
            ops.push(Op { key: op.key, expect: op.expect, change: mapped });
        }
        Ok(Self { ops, headroom: self.headroom + Self::MAX_ENVELOPE, ..*self })
    }

    /// The same batch at another place: its partition and its lists moved.
    pub(crate) fn moved(mut self, place: impl Fn(Id) -> Id) -> Self {
        self.partition = place(self.partition);
        for op in &mut self.ops {
            op.key.partition = self.partition;
            if let Change::Put { indexes, .. } = &mut op.change {
                indexes.iter_mut().for_each(|index| index.value = place(index.value));
            }
        }
        self
    }

    /// Checks the shape of the batch. Every adapter calls this first.
    ///
    /// # Errors
    /// When the batch is empty, too large, names a key twice or one outside its partition.
    pub fn validate(&self) -> Result<(), BatchError> {
        if self.ops.is_empty() {
            return Err(BatchError::Empty);
        }
        if self.ops.len() > Self::MAX_OPS {
            return Err(BatchError::TooManyOps);
        }
        for (at, op) in self.ops.iter().enumerate() {
            if op.key.partition != self.partition {
                return Err(BatchError::ForeignPartition);
            }
            if self.ops[..at].iter().any(|earlier| earlier.key == op.key) {
                return Err(BatchError::KeyTwice);
            }
            if let Change::Put { indexes, payload, .. } = &op.change {
                if indexes.len() > Self::MAX_INDEXES {
                    return Err(BatchError::TooManyIndexes);
                }
                if payload.len() > Self::MAX_PAYLOAD + self.headroom {
                    return Err(BatchError::PayloadTooLarge);
                }
            }
        }
        let deletes_conditionally =
            self.ops.iter().any(|op| matches!(op.change, Change::Delete) && op.expect != Expect::Any);
        let puts = self.ops.iter().any(Op::puts);
        if deletes_conditionally && !puts { Err(BatchError::DeletesWithoutPut) } else { Ok(()) }
    }
}

/// A batch of a wrong shape: a mistake in the code that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// It does nothing.
    #[error("the batch is empty")]
    Empty,
    /// It has more than [`Batch::MAX_OPS`] operations.
    #[error("the batch has too many operations")]
    TooManyOps,
    /// A record has more than [`Batch::MAX_INDEXES`] indexes.
    #[error("a record has too many indexes")]
    TooManyIndexes,
    /// A payload is longer than [`Batch::MAX_PAYLOAD`].
    #[error("a payload is too large")]
    PayloadTooLarge,
    /// A key lies in another partition than the batch.
    #[error("a key lies outside the batch's partition")]
    ForeignPartition,
    /// A key stands in it twice.
    #[error("a key stands in the batch twice")]
    KeyTwice,
    /// It deletes under an expectation and puts nothing, so a repetition could not be told from a lost race.
    #[error("a conditional delete without a put cannot be repeated safely")]
    DeletesWithoutPut,
}
