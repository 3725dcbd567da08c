//! An opaque access token.

use countersign_primitives::UnixTime;
use countersign_storage_traits::{Kind, Stored};
use serde::{Deserialize, Serialize};

use crate::ScopeSet;

/// What an opaque access token allows. It lies in the partition of its grant under the hash of its handle, is made by a batch
/// that expects the grant, and is read together with it: when the grant ends it is dead at once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AccessTokenRecord {
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    pub(crate) scope: ScopeSet,
    #[serde(rename = "aud")]
    pub(crate) audience: Vec<String>,
    #[serde(rename = "iat")]
    pub(crate) issued_at: UnixTime,
}

impl Stored for AccessTokenRecord {
    const KIND: Kind = super::ACCESS_TOKEN;
}
