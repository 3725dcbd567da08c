//! What must be proven before something is given.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::signed_in::is_false;
use super::{Acr, AcrTable, SignedIn};
use crate::UnixTime;

/// What must be proven before something is given: a least `acr` and a greatest age of the login.
///
/// ```
/// use countersign_primitives::{Acr, AcrTable, Requirement, SignedIn, UnixTime};
/// use std::time::Duration;
///
/// let table = AcrTable::default();
/// let fresh = Requirement::MFA.max_age(Duration::from_secs(300));
/// let who = SignedIn::new("u-1", UnixTime::from_secs(1_000)).acr(Acr::MFA);
/// assert!(fresh.met_by(&who, &table, UnixTime::from_secs(1_300)));
/// assert!(!fresh.met_by(&who, &table, UnixTime::from_secs(1_301)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Requirement {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acr: Option<Acr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_age: Option<Duration>,
    #[serde(default, skip_serializing_if = "is_false")]
    never_remembered: bool,
}

impl Requirement {
    /// Anybody who is signed in will do.
    pub const NONE: Self = Self { acr: None, max_age: None, never_remembered: false };
    /// Two factors of different kinds; or one, in a browser that was remembered for having proven two.
    pub const MFA: Self = Self { acr: Some(Acr::MFA), ..Self::NONE };
    /// A login that cannot be phished.
    pub const PHISHING_RESISTANT: Self = Self { acr: Some(Acr::PHR), ..Self::NONE };

    /// At least this class.
    #[must_use]
    pub const fn at_least(acr: Acr) -> Self {
        Self { acr: Some(acr), ..Self::NONE }
    }

    /// And not longer ago than this.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// And proven, not remembered: no remembered browser stands in for it. One never stands in for a greatest age, nor for what cannot
    /// be phished; this says the same of a second factor.
    ///
    /// ```
    /// use countersign_primitives::Requirement;
    ///
    /// let transfers = Requirement::MFA.never_remembered();
    /// assert!(transfers.is_never_remembered() && !Requirement::MFA.is_never_remembered());
    /// ```
    #[must_use]
    pub const fn never_remembered(mut self) -> Self {
        self.never_remembered = true;
        self
    }

    /// Whether no remembered browser stands in for it, whatever its class.
    #[must_use]
    pub const fn is_never_remembered(&self) -> bool {
        self.never_remembered || self.max_age.is_some()
    }

    /// Whether a browser that proves a second factor now can stand in for it later.
    #[must_use]
    pub fn can_be_remembered(&self, table: &AcrTable) -> bool {
        !self.is_never_remembered() && self.acr.as_ref().is_none_or(|need| table.can_be_remembered(need))
    }

    /// The least class, where one is asked for.
    #[must_use]
    pub fn acr_value(&self) -> Option<&Acr> {
        self.acr.as_ref()
    }

    /// The greatest age, where one is asked for.
    #[must_use]
    pub fn max_age_value(&self) -> Option<Duration> {
        self.max_age
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.acr.is_none() && self.max_age.is_none()
    }

    /// Both requirements at once: the stronger class and the smaller age, remembered browsers only where both let them. Of two classes that no table compares, the
    /// first stays, and [`Requirement::met_by`] then asks for exactly it.
    #[must_use]
    pub fn and(self, other: &Self, table: &AcrTable) -> Self {
        let acr = match (self.acr, &other.acr) {
            (Some(mine), Some(theirs)) if table.satisfies(theirs, &mine) => Some(theirs.clone()),
            (Some(mine), _) => Some(mine),
            (None, theirs) => theirs.clone(),
        };
        let max_age = match (self.max_age, other.max_age) {
            (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
        Self { acr, max_age, never_remembered: self.never_remembered || other.never_remembered }
    }

    /// Whether the class alone is reached at `now`, or a remembered browser stands in for it.
    #[must_use]
    pub fn class_met_by(&self, who: &SignedIn, table: &AcrTable, now: UnixTime) -> bool {
        let stood_in = |need| !self.is_never_remembered() && table.stood_in_for(who, need, now);
        self.acr.as_ref().is_none_or(|need| table.reached(who, need, now) || stood_in(need))
    }

    /// Whether the age alone is kept: the login is at most `max_age` older than `now`, told in whole seconds as tokens are.
    #[must_use]
    pub fn age_met_by(&self, who: &SignedIn, now: UnixTime) -> bool {
        self.max_age.is_none_or(|age| now.as_secs().saturating_sub(who.auth_time().as_secs()) <= age.as_secs())
    }

    /// Whether `who` meets all of it at `now`.
    #[must_use]
    pub fn met_by(&self, who: &SignedIn, table: &AcrTable, now: UnixTime) -> bool {
        self.class_met_by(who, table, now) && self.age_met_by(who, now)
    }
}
