//! A browser: the one cookie that logins and the session hang on.

use countersign_primitives::Id;
use countersign_storage_traits::{Kind, Stored};
use countersign_tokens::HandleHash;
use serde::{Deserialize, Serialize};

/// What is known of a browser. The cookie is a handle: the record's id and a secret, of which the record keeps the hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BrowserRecord {
    pub(crate) secret: HandleHash,
    /// Interactions under way, the oldest first.
    #[serde(default)]
    pub(crate) open: Vec<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<Id>,
}

impl BrowserRecord {
    /// At most this many logins under way in one browser; the oldest gives way.
    pub(crate) const MAX_OPEN: usize = 20;
}

impl Stored for BrowserRecord {
    const KIND: Kind = super::BROWSER;
}
