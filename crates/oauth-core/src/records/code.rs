//! An authorization code, and what it leaves behind when it is spent.

use countersign_pkce::CodeChallenge;
use countersign_primitives::UnixTime;
use countersign_storage_traits::{Kind, Stored};
use countersign_tokens::HandleHash;
use serde::{Deserialize, Serialize};

use super::GrantRecord;

/// A code that was issued: its hash, what it is bound to, and the grant that will come of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CodeRecord {
    pub(crate) binding: SpentCode,
    pub(crate) grant: GrantRecord,
    /// When the request was first seen: what must be recent was measured against it, and is measured so again.
    pub(crate) asked_at: UnixTime,
}

impl Stored for CodeRecord {
    const KIND: Kind = super::CODE;
}

/// What a token request must show beside the code. Kept in the grant, so that a replay is judged by the same checks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SpentCode {
    pub(crate) hash: HandleHash,
    pub(crate) redirect_uri: String,
    pub(crate) redirect_uri_sent: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) challenge: Option<CodeChallenge>,
}
