//! A single sign-on session, and the mark that one has ended.

use std::net::IpAddr;

use countersign_primitives::{Id, SignedIn, UnixTime};
use countersign_storage_traits::{Index, Kind, Stored};
use serde::{Deserialize, Serialize};

/// A session of the kit's own login. Its id is the `sid` of ID tokens; the browser's cookie leads to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SessionRecord {
    pub(crate) who: SignedIn,
    pub(crate) browser: Id,
    pub(crate) epoch: u64,
    pub(crate) created_at: UnixTime,
    pub(crate) seen_at: UnixTime,
    #[serde(default)]
    pub(crate) ended: bool,
    pub(crate) index: Id,
    /// Which browser began it, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seen_from: Option<SeenFrom>,
}

/// A browser as its user knows it again. Nothing rests on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SeenFrom {
    /// What it called itself, in our words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) browser: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<IpAddr>,
}

impl Stored for SessionRecord {
    const KIND: Kind = super::SESSION;

    fn indexes(&self) -> Vec<Index> {
        vec![Index { name: super::index::SESSIONS_OF_SUBJECT, value: self.index }]
    }
}

/// The mark that a session has ended, the kit's own or a host's. It lasts as long as anything that hangs on the session may, and is
/// read with it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct EndedSession {
    pub(crate) at: UnixTime,
}

impl Stored for EndedSession {
    const KIND: Kind = super::ENDED_SESSION;
}
