//! A grant: what a user gave a client. Everything issued under it lives and ends with its record.

use countersign_primitives::{Acr, Id, SessionId, SignedIn, UnixTime};
use countersign_storage_traits::{Index, Key, Kind, Stored};
use serde::{Deserialize, Serialize};

use super::SpentCode;
use countersign_tokens::HandleHash;

use crate::{ClientId, Member, Members, ScopeSet};

/// A grant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GrantRecord {
    pub(crate) client_id: ClientId,
    pub(crate) client_instance: Id,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) who: Option<SignedIn>,
    /// The class that tokens state: of those that the client prefers the first that was reached and does. None states what
    /// the login reached, which is what requirements are checked against in either case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stated_acr: Option<Acr>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) epoch: u64,
    pub(crate) scope: ScopeSet,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) resources: Vec<String>,
    #[serde(default, skip_serializing_if = "Members::is_empty")]
    pub(crate) members: Members,
    pub(crate) started_at: UnixTime,
    /// Whether a refresh token comes with it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) refreshable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<SpentCode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh: Option<RefreshState>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<EndReason>,
    /// The one opaque access token of a client that acts for itself, by the hash of its handle: such a grant yields no other, so
    /// one record tells all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) access_token: Option<Id>,
    /// The lists it stands in, computed when it began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) indexes: Vec<(u8, Id)>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl GrantRecord {
    /// Who gave it, and how they signed in; none where a client acts for itself.
    #[must_use]
    pub fn who(&self) -> Option<&SignedIn> {
        self.who.as_ref()
    }

    /// The class that tokens state: one that the client prefers, if the login reached it, else what it reached.
    #[must_use]
    pub fn acr(&self) -> Option<&Acr> {
        self.stated_acr.as_ref().or_else(|| self.who.as_ref().and_then(SignedIn::acr_value))
    }

    /// The client it was given to.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.client_id.as_str()
    }

    /// All that was granted.
    #[must_use]
    pub fn scope(&self) -> &ScopeSet {
        &self.scope
    }

    /// The subject's epoch under which it was given: an end of everything of the subject ends it with the others.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// When it began.
    #[must_use]
    pub fn started_at(&self) -> UnixTime {
        self.started_at
    }

    /// The session that it ends with: the one it was given in, unless it has `offline_access` (OpenID Connect Core §11).
    #[must_use]
    pub fn ends_with(&self) -> Option<&SessionId> {
        if self.scope.contains("offline_access") { None } else { self.who.as_ref()?.session_id() }
    }

    /// Where the mark lies that its user took it back: the places of user and client are those of the lists that it stands in.
    pub(crate) fn withdrawn_key(&self) -> Option<Key> {
        let of = |list| self.indexes.iter().find(|(name, _)| *name == list).map(|(_, value)| *value);
        let (user, client) = (of(super::index::GRANTS_OF_SUBJECT)?, of(super::index::GRANTS_OF_CLIENT)?);
        Some(Key::new(user, super::WITHDRAWN, client))
    }

    /// What extensions keep with it.
    #[must_use]
    pub fn member<M: Member>(&self) -> Option<M> {
        self.members.get()
    }
}

impl Stored for GrantRecord {
    const KIND: Kind = super::GRANT;

    fn indexes(&self) -> Vec<Index> {
        self.indexes.iter().map(|&(name, value)| Index { name, value }).collect()
    }
}

/// The refresh token of a grant: it has no record of its own, so however often it rotates, one record tells all.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RefreshState {
    pub(crate) generation: u32,
    pub(crate) hash: HandleHash,
    /// From when on it is not accepted: idle for too long, or at the end that no use moves.
    pub(crate) expires_at: UnixTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<Previous>,
}

/// The refresh token before the present one, while the grace lasts: its hash, and its successor sealed under a key that only
/// the presented token holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Previous {
    pub(crate) hash: HandleHash,
    pub(crate) successor: Vec<u8>,
    pub(crate) until: UnixTime,
}

/// Why a grant ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// Its code was presented again (RFC 6749 §4.1.2).
    CodeReused,
    /// A spent refresh token was presented again (RFC 9700 §4.14.2).
    RefreshTokenReused,
    /// It was revoked.
    Revoked,
    /// The session that it was given in has ended (OpenID Connect RP-Initiated Logout 1.0 §2).
    SessionEnded,
    /// Its user took back what its client was allowed.
    Withdrawn,
}
