//! Links that are sent by mail: to choose a new password, to show that an address is one's own, to sign in.
//!
//! A link is a handle of 256 bits into a partition of its own, where its hash is kept for ten minutes. It is spent by one commit there,
//! before anything is gained. Beside it stands, in its subject's partition, which link of each purpose is the newest: no other one
//! works, and none at all once the password has changed. Somebody who has no account makes the same records, which nothing reads, so
//! that store calls and their order tell nothing (promise 6).

mod ask;
mod email;
mod not_me;
mod open;
mod password;

use std::fmt;
use std::time::Duration;

use countersign_primitives::{Id, Subject, UnixTime};
use countersign_storage_traits::{Kind, Stored};
use countersign_tokens::{HandleHash, HandleKind};
use serde::{Deserialize, Serialize};

pub(crate) use ask::Asking;
pub use email::VerifyEmailError;
pub(crate) use not_me::LIFETIME as NOT_ME_LIFETIME;
pub use not_me::NotMeError;
pub use password::PasswordChangeError;

use crate::keys::{LINK, LINKS};
use crate::limits::Budget;

/// How long a link works.
pub(crate) const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// So many links are sent for one account to strangers, or to one browser that signed in before.
const PER_ACCOUNT: Budget = Budget::new(3, Duration::from_secs(15 * 60));
/// So many are asked for from one address, whoever they are for.
const PER_ADDRESS: Budget = Budget::new(20, Duration::from_secs(15 * 60));

/// What a link is for. One for something else is no link at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LinkPurpose {
    /// To choose a new password.
    ResetPassword,
    /// To show that an address is one's own.
    VerifyEmail,
    /// To sign in, in the login and the browser that asked.
    MagicLink,
}

impl LinkPurpose {
    const fn kind(self) -> HandleKind {
        match self {
            Self::ResetPassword => HandleKind::new("cs_reset"),
            Self::VerifyEmail => HandleKind::new("cs_verify"),
            Self::MagicLink => HandleKind::new("cs_link"),
        }
    }

    /// The name in events.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ResetPassword => "reset_password",
            Self::VerifyEmail => "verify_email",
            Self::MagicLink => "magic_link",
        }
    }
}

/// A link that was sent.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) purpose: LinkPurpose,
    /// Whose it is. Nobody's: the name that was typed has no account.
    pub(crate) subject: Option<Subject>,
    pub(crate) hash: HandleHash,
    /// The subject's epoch when it was made.
    pub(crate) epoch: u64,
    /// Where it was sent.
    pub(crate) to: String,
    /// The login that asked for it, and when that began.
    pub(crate) login: Option<(Id, UnixTime)>,
    pub(crate) spent: bool,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("purpose", &self.purpose).field("spent", &self.spent).finish_non_exhaustive()
    }
}

impl Stored for Link {
    const KIND: Kind = LINK;
}

/// What is known of a subject's links.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Links {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reset: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verify: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    magic: Option<Id>,
    /// The password was chosen by a link that came by mail, and nobody has proven anything else with it since: to a mailbox that
    /// somebody else reads, a code by mail adds nothing.
    #[serde(default)]
    pub(crate) password_by_mail: bool,
}

impl Stored for Links {
    const KIND: Kind = LINKS;
}

impl Links {
    /// The newest link of a purpose.
    pub(crate) fn newest(&self, purpose: LinkPurpose) -> Option<Id> {
        match purpose {
            LinkPurpose::ResetPassword => self.reset,
            LinkPurpose::VerifyEmail => self.verify,
            LinkPurpose::MagicLink => self.magic,
        }
    }

    fn put(&mut self, purpose: LinkPurpose, id: Id) {
        let place = match purpose {
            LinkPurpose::ResetPassword => &mut self.reset,
            LinkPurpose::VerifyEmail => &mut self.verify,
            LinkPurpose::MagicLink => &mut self.magic,
        };
        *place = Some(id);
    }

    /// No link works any more.
    fn void(&mut self) {
        (self.reset, self.verify, self.magic) = (None, None, None);
    }

    /// How long the record is of use.
    fn expires(&self, now: UnixTime) -> UnixTime {
        if self.password_by_mail { UnixTime::MAX } else { now.plus(LIFETIME) }
    }
}

/// Why a link does not work. Which of them it is, is told to operators alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the link does not work: it was used, it is too old, a newer one was asked for, or it is none of ours")]
pub struct DeadLink;
