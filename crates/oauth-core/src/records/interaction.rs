//! An authorization request that waits for its user.

use countersign_primitives::{Id, Subject, UnixTime};
use countersign_storage_traits::{Kind, Stored};
use serde::{Deserialize, Serialize};

use super::AuthorizationRequest;

/// A request that waits for a login or for consent, bound to the browser that opened it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Interaction {
    pub(crate) request: AuthorizationRequest,
    /// None after a cross-site POST, which brings no cookie: the first browser that opens it takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) browser: Option<Id>,
    pub(crate) created_at: UnixTime,
    /// None of the classes that the client prefers is within the user's reach; what is required still holds.
    #[serde(default)]
    pub(crate) preference_waived: bool,
    /// The client was told no: the request is answered, and yields no code any more.
    #[serde(default)]
    pub(crate) declined: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) done: Option<Done>,
}

/// How a request was decided. The same browser may ask again for a minute, and gets the same answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) grant: Id,
    pub(crate) subject: Subject,
    pub(crate) scope: crate::ScopeSet,
    pub(crate) at: UnixTime,
}

impl Stored for Interaction {
    const KIND: Kind = super::INTERACTION;
}
