//! Consent that a user gave and that is remembered.

use countersign_primitives::{Id, UnixTime};
use countersign_storage_traits::{Kind, Stored};
use serde::{Deserialize, Serialize};

use crate::ScopeSet;

/// What a user allowed a client, under the user's partition.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ConsentRecord {
    pub(crate) client_id: String,
    pub(crate) client_instance: Id,
    pub(crate) scope: ScopeSet,
    pub(crate) epoch: u64,
    pub(crate) given_at: UnixTime,
}

impl Stored for ConsentRecord {
    const KIND: Kind = super::CONSENT;
}
