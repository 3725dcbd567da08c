//! The FIDO Metadata Service, version 3: what is known of models of authenticators (FIDO MDS 3.0 §3).

mod blob;
mod date;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_primitives::UnixTime;

use crate::Aaguid;
use crate::cose::sha1;

#[cfg(feature = "testkit")]
pub(crate) use blob::read as read_payload;
pub use blob::{MetadataError, MetadataSource};
pub use status::{AuthenticatorStatus, Certification, StatusPolicy};

/// Metadata that was verified: which models there are, their roots, and what befell them.
///
/// It is what [`MetadataSource::verify`] yields. Keep the text of the BLOB together with the time at which it was fetched, and verify it
/// anew at each start with that time.
#[derive(Debug, Clone)]
pub struct Metadata {
    number: u64,
    next_update: UnixTime,
    models: BTreeMap<Aaguid, Arc<MetadataEntry>>,
    /// By the identifier of the attestation certificate's key, for U2F keys, which have no AAGUID.
    keys: BTreeMap<[u8; 20], Arc<MetadataEntry>>,
    skipped: usize,
}

/// What is known of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataEntry {
    pub(crate) description: Option<String>,
    pub(crate) roots: Vec<Vec<u8>>,
    pub(crate) statuses: Vec<AuthenticatorStatus>,
}

impl Metadata {
    /// The number of this issue; the next has a greater one.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// When the next issue is due.
    #[must_use]
    pub const fn next_update(&self) -> UnixTime {
        self.next_update
    }

    /// Whether the next issue is overdue. What is known stays good, and models that were revoked since are not known: fetch anew, and
    /// warn the operator.
    #[must_use]
    pub fn is_outdated(&self, now: UnixTime) -> bool {
        now > self.next_update
    }

    /// How many models there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// How many entries could not be read, and are as if they were not there.
    #[must_use]
    pub const fn skipped(&self) -> usize {
        self.skipped
    }

    /// What is known of a model.
    #[must_use]
    pub fn model(&self, aaguid: Aaguid) -> Option<&MetadataEntry> {
        self.models.get(&aaguid).map(Arc::as_ref)
    }

    /// The same for a U2F key, by the key in its attestation certificate (RFC 5280 §4.2.1.2, method 1).
    pub(crate) fn by_key(&self, subject_public_key: &[u8]) -> Option<&MetadataEntry> {
        self.keys.get(&sha1(subject_public_key)).map(Arc::as_ref)
    }
}

impl MetadataEntry {
    /// The model's name.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// What befell it, as it was reported.
    #[must_use]
    pub fn statuses(&self) -> &[AuthenticatorStatus] {
        &self.statuses
    }
}
