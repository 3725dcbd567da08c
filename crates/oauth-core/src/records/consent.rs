//! Consent that a user gave and that is remembered.

use countersign_primitives::{Id, UnixTime};
use countersign_storage_traits::{Index, Kind, Stored};
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
    /// The list of the user's.
    pub(crate) index: Id,
}

impl Stored for ConsentRecord {
    const KIND: Kind = super::CONSENT;

    fn indexes(&self) -> Vec<Index> {
        vec![Index { name: super::index::CONSENTS_OF_SUBJECT, value: self.index }]
    }
}

/// The mark that a user took back what a client was allowed, under the user's partition. Grants from before it are dead. It lasts as long as
/// any of them may, and is read with the user's epoch.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Withdrawn {
    pub(crate) at: UnixTime,
}

impl Stored for Withdrawn {
    const KIND: Kind = super::WITHDRAWN;
}
