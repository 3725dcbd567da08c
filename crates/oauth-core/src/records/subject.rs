//! What is kept of a subject.

use countersign_storage_traits::{Kind, Stored};
use serde::{Deserialize, Serialize};

/// The epoch of a subject: whatever remembers an older one is dead. Absent means epoch 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct SubjectState {
    pub(crate) epoch: u64,
}

impl Stored for SubjectState {
    const KIND: Kind = super::SUBJECT;
}
