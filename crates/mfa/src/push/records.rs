//! What is kept of devices and of the questions that they are asked.

use std::net::IpAddr;

use countersign_primitives::{Id, Subject, UnixTime};
use countersign_storage_traits::{Kind, Stored};
use countersign_tokens::{HandleHash, PublicJwk};
use serde::{Deserialize, Serialize};

use crate::keys::{OPEN_PUSH, PUSH_CHALLENGE, PUSH_ENROLMENT};

/// A device with its key, as an authenticator keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Device {
    pub(super) jwk: PublicJwk,
    /// Where the push service reaches it.
    pub(super) address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// The question whose answer last let somebody in: it lets nobody in again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) spent: Option<Id>,
}

/// A device on its way, in a partition of its own that its handle names.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PushEnrolment {
    pub(super) subject: Subject,
    pub(super) account: String,
    pub(super) handle: HandleHash,
    /// Until then a device may register.
    pub(super) open_until: UnixTime,
    pub(super) device: Option<Device>,
}

impl Stored for PushEnrolment {
    const KIND: Kind = PUSH_ENROLMENT;
}

/// A question to a device, in a partition of its own. One compare-and-set decides it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PushChallenge {
    pub(super) subject: Subject,
    pub(super) authenticator: Id,
    pub(super) login: Id,
    /// What the login page shows. The device is never told.
    pub(super) number: String,
    pub(super) told: Told,
    /// Who caused it, for what is counted if the owner says no.
    pub(super) caused_by: CausedBy,
    pub(super) answered: Option<Answered>,
}

impl Stored for PushChallenge {
    const KIND: Kind = PUSH_CHALLENGE;
}

/// What the device shows its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) account: String,
    pub(super) client: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<String>,
    pub(super) at: UnixTime,
}

/// Who caused a question: the browser that signed in before, if it did, and where it calls from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CausedBy {
    pub(super) known: Option<Id>,
    pub(super) address: Option<IpAddr>,
}

/// What a device answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answered {
    pub(super) outcome: Outcome,
    /// Stands for the very answer: the same one again is told the same, and changes nothing.
    pub(super) by: Id,
}

/// What came of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Approved,
    Denied,
    WrongNumber,
}

/// The one question of a subject that is open, in the subject's partition.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OpenPush {
    pub(super) challenge: Id,
    /// The login that asks: it may ask anew, in place of this one.
    pub(super) login: Id,
    /// A browser asks that signed in with a second factor before.
    #[serde(default)]
    pub(super) known: bool,
    pub(super) until: UnixTime,
}

impl Stored for OpenPush {
    const KIND: Kind = OPEN_PUSH;
}
