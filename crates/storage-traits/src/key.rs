//! What records, indexes and counters are called.

use countersign_primitives::Id;

/// What sort of record a key names. Each crate that stores records registers its own numbers.
///
/// 1 to 31 belong to `oauth-core`, 32 to 63 to `mfa`, 64 to 79 to `oidc`, 80 to 95 to the contract itself, 128 and above to hosts and their extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u8);

/// Where one record lives: 33 bytes of fixed length.
///
/// Everything that one commit touches lies in one *partition*, so that any database which is atomic in some corner can
/// serve: a row's transaction, a hash slot's script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The corner in which commits are atomic.
    pub partition: Id,
    /// The sort of record.
    pub kind: Kind,
    /// The record's own id within partition and kind.
    pub id: Id,
}

impl Key {
    /// A key of these parts.
    #[must_use]
    pub const fn new(partition: Id, kind: Kind, id: Id) -> Self {
        Self { partition, kind, id }
    }

    /// The key of the record that gives its partition the name: partition and id are one.
    #[must_use]
    pub const fn root(kind: Kind, id: Id) -> Self {
        Self { partition: id, kind, id }
    }

    /// The key as bytes: partition, kind, id.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 33] {
        let mut bytes = [0; 33];
        bytes[..16].copy_from_slice(self.partition.as_bytes());
        bytes[16] = self.kind.0;
        bytes[17..].copy_from_slice(self.id.as_bytes());
        bytes
    }

    /// The key that [`Key::to_bytes`] wrote.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 33]) -> Self {
        let (mut partition, mut id) = ([0; 16], [0; 16]);
        partition.copy_from_slice(&bytes[..16]);
        id.copy_from_slice(&bytes[17..]);
        Self { partition: Id::from_bytes(partition), kind: Kind(bytes[16]), id: Id::from_bytes(id) }
    }
}

/// A list that a record stands in, fixed when the record is created: all grants of a subject, all sessions of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index {
    /// Which sort of list.
    pub name: u8,
    /// Whose: a hash of realm, name and the subject, client or session.
    pub value: Id,
}

/// Names a counter: a hash of what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey(pub Id);
