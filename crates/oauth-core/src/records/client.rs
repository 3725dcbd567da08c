//! A client that registered itself.

use countersign_primitives::{Id, UnixTime};
use countersign_storage_traits::{Index, Kind, Stored};
use countersign_tokens::HandleHash;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ClientId;

/// A client of RFC 7591. What it holds is its own word, checked; what it may is decided anew at every use.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ClientRecord {
    pub(crate) client_id: ClientId,
    /// Tells it from any other of its name; its grants remember it.
    pub(crate) instance: Id,
    /// Its metadata, as it was registered and is told back.
    pub(crate) metadata: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<HandleHash>,
    /// The registration access token.
    pub(crate) token: HandleHash,
    pub(crate) issued_at: UnixTime,
    /// Whether anything was ever issued to it; until then it expires.
    #[serde(default)]
    pub(crate) used: bool,
    /// Whether it was deleted: a tombstone, so that what is in flight loses.
    #[serde(default)]
    pub(crate) deleted: bool,
    /// The list of all of them.
    pub(crate) index: Id,
}

impl Stored for ClientRecord {
    const KIND: Kind = super::CLIENT;

    fn indexes(&self) -> Vec<Index> {
        vec![Index { name: super::index::REGISTERED_CLIENTS, value: self.index }]
    }
}
