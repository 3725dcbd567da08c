//! What signals look at.

use std::net::IpAddr;

use countersign_accounts::Account;
use countersign_primitives::{Subject, UnixTime};
use serde::{Deserialize, Serialize};

use super::{Coordinates, Place};
use crate::Compromised;

/// A login whose first factor is proven, and what is known of its user and of where it comes from.
///
/// What a browser says of itself ([`user_agent`](Self::user_agent)) anybody can say: let it speak against a login, never for one.
#[derive(Debug, Clone)]
pub struct RiskSituation<'a> {
    pub(super) subject: &'a Subject,
    pub(super) account: Option<&'a Account>,
    pub(super) client_id: Option<&'a str>,
    pub(super) address: Option<IpAddr>,
    pub(super) user_agent: Option<&'a str>,
    pub(super) now: UnixTime,
    pub(super) device: DeviceSeen,
    pub(super) place: Result<Option<Place>, PlaceUntold>,
    pub(super) country: Seen,
    pub(super) last_place: Option<LastPlace>,
    pub(super) hours: [u8; 24],
    pub(super) failures: u32,
    pub(super) accounts_at_address: u32,
    pub(super) password: PasswordSeen,
    pub(super) compromised: Option<Compromised>,
}

/// Whether the user signed in with the browser before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceSeen {
    /// Never, or too long ago, or factors or password changed since.
    Never,
    /// By one factor alone: whoever learnt the password could do as much.
    OneFactor,
    /// With two factors.
    TwoFactors,
}

/// Whether something was seen of the user before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seen {
    /// Nothing of its sort was: there is nothing to compare with.
    Nothing,
    /// It was.
    Before,
    /// It was not, and others were.
    Never,
}

/// Why it is not known where the login comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceUntold {
    /// Nobody was asked: the policy has no [`Places`](super::Places).
    #[error("there is nobody to ask where an address is: call .places(…) on the risk policy")]
    NoSource,
    /// Who was asked failed.
    #[error("where the address is could not be told")]
    Failed,
}

/// Where the user was last, as far as that was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastPlace {
    /// When.
    pub at: UnixTime,
    /// Where.
    pub coordinates: Coordinates,
}

/// What is known of the password that was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PasswordSeen {
    /// None was typed here, or nobody asked.
    #[default]
    Unasked,
    /// It is in no list of lost passwords.
    NotLost,
    /// It was lost elsewhere.
    Lost,
    /// It could not be told.
    Untold,
}

impl<'a> RiskSituation<'a> {
    /// A login of which nothing is known but whose it is: for tests of a signal.
    #[must_use]
    pub fn of(subject: &'a Subject, now: UnixTime) -> Self {
        Self {
            subject,
            account: None,
            client_id: None,
            address: None,
            user_agent: None,
            now,
            device: DeviceSeen::Never,
            place: Err(PlaceUntold::NoSource),
            country: Seen::Nothing,
            last_place: None,
            hours: [0; 24],
            failures: 0,
            accounts_at_address: 0,
            password: PasswordSeen::Unasked,
            compromised: None,
        }
    }

    /// The same from this address.
    #[must_use]
    pub fn with_address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// The same of this account.
    #[must_use]
    pub fn with_account(mut self, account: &'a Account) -> Self {
        self.account = Some(account);
        self
    }

    /// The same from a browser that says this of itself.
    #[must_use]
    pub fn with_user_agent(mut self, user_agent: &'a str) -> Self {
        self.user_agent = Some(user_agent);
        self
    }

    /// The same from a browser that was seen so.
    #[must_use]
    pub fn with_device(mut self, device: DeviceSeen) -> Self {
        self.device = device;
        self
    }

    /// The same from this place; none where it is not known.
    #[must_use]
    pub fn with_place(mut self, place: Option<Place>) -> Self {
        self.place = Ok(place);
        self
    }

    /// Who signs in.
    #[must_use]
    pub fn subject(&self) -> &'a Subject {
        self.subject
    }

    /// The account, where the engine has accounts.
    #[must_use]
    pub fn account(&self) -> Option<&'a Account> {
        self.account
    }

    /// The client that the login is for, where it is for one.
    #[must_use]
    pub fn client_id(&self) -> Option<&'a str> {
        self.client_id
    }

    /// The address of the connection, or what a configured proxy says of it.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// What the browser says of itself (`User-Agent`, RFC 9110 §10.1.5).
    #[must_use]
    pub fn user_agent(&self) -> Option<&'a str> {
        self.user_agent
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.now
    }

    /// The hour of the day, UTC: 0 to 23.
    #[must_use]
    pub fn hour(&self) -> usize {
        hour_of(self.now)
    }

    /// Whether the user signed in with this browser before.
    #[must_use]
    pub fn device(&self) -> DeviceSeen {
        self.device
    }

    /// Where the address is; none where nobody knows.
    ///
    /// # Errors
    /// [`PlaceUntold`] when that could not be asked.
    pub fn place(&self) -> Result<Option<Place>, PlaceUntold> {
        self.place
    }

    /// Whether the user signed in from the country of the address before. Where the country is not known, that counts as one of its own.
    #[must_use]
    pub fn country(&self) -> Seen {
        self.country
    }

    /// Where the user signed in last, among the places that were known.
    #[must_use]
    pub fn last_place(&self) -> Option<LastPlace> {
        self.last_place
    }

    /// How often the user signed in at each hour of the day, UTC, of late: what is long past counts less and less.
    #[must_use]
    pub fn hours(&self) -> &[u8; 24] {
        &self.hours
    }

    /// How many guesses at the account failed in the last hour, at its password and its codes.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// How many accounts were tried from the address in the last hour, this one too; none are counted from loopback.
    #[must_use]
    pub fn accounts_at_address(&self) -> u32 {
        self.accounts_at_address
    }

    /// What is known of the password that was typed.
    #[must_use]
    pub fn password(&self) -> PasswordSeen {
        self.password
    }

    /// Whether it was noted lately that somebody else may have got in.
    #[must_use]
    pub fn compromised(&self) -> Option<Compromised> {
        self.compromised
    }
}

/// The hour of the day of a time, UTC.
pub(super) fn hour_of(time: UnixTime) -> usize {
    usize::try_from(time.as_secs() / 3_600 % 24).unwrap_or_default()
}
