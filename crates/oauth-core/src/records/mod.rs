//! What this crate stores. Each record lives under the partition that its commits need (see docs/storage.md).

mod access_token;
mod authorization_request;
mod browser;
mod client;
mod code;
mod consent;
mod grant;
mod interaction;
mod session;
mod subject;

pub(crate) use access_token::AccessTokenRecord;
pub use authorization_request::{AuthorizationRequest, Prompt, ResponseMode};
pub(crate) use browser::BrowserRecord;
pub(crate) use client::ClientRecord;
pub(crate) use code::{CodeRecord, SpentCode};
pub(crate) use consent::{ConsentRecord, Withdrawn};
pub use grant::{EndReason, GrantRecord};
pub(crate) use grant::{Previous, RefreshState};
pub(crate) use interaction::{Done, Interaction};
pub(crate) use session::{EndedSession, SeenFrom, SessionRecord};
pub(crate) use subject::SubjectState;

use countersign_storage_traits::Kind;

pub(crate) const GRANT: Kind = Kind(1);
pub(crate) const CODE: Kind = Kind(2);
pub(crate) const SUBJECT: Kind = Kind(3);
pub(crate) const BROWSER: Kind = Kind(4);
pub(crate) const INTERACTION: Kind = Kind(5);
pub(crate) const SESSION: Kind = Kind(6);
pub(crate) const CONSENT: Kind = Kind(7);
pub(crate) const KEY_RING: Kind = Kind(8);
pub(crate) const ONCE: Kind = Kind(9);
pub(crate) const CLIENT: Kind = Kind(11);
pub(crate) const WITHDRAWN: Kind = Kind(12);
pub(crate) const ENDED_SESSION: Kind = Kind(16);
pub(crate) const ACCESS_TOKEN: Kind = Kind(20);
pub(crate) const REVOKED_JWT: Kind = Kind(21);

/// Names of the lists that records stand in.
pub(crate) mod index {
    pub(crate) const GRANTS_OF_SUBJECT: u8 = 1;
    pub(crate) const GRANTS_OF_CLIENT: u8 = 2;
    pub(crate) const GRANTS_OF_SESSION: u8 = 3;
    pub(crate) const SESSIONS_OF_SUBJECT: u8 = 4;
    pub(crate) const REGISTERED_CLIENTS: u8 = 6;
    pub(crate) const CONSENTS_OF_SUBJECT: u8 = 7;
}
