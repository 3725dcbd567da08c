//! Classes: how strong a login was, and how they rank.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SignedIn;
use crate::UnixTime;

/// An authentication context class reference: how strong a login was (OpenID Connect Core §2, the `acr` claim).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Acr(Cow<'static, str>);

impl Acr {
    /// NIST SP 800-63B-4 authenticator assurance level 1: one factor, such as a password.
    pub const AAL1: Self = Self(Cow::Borrowed("http://idmanagement.gov/ns/assurance/aal/1"));
    /// NIST SP 800-63B-4 authenticator assurance level 2: two factors, not older than 24 hours.
    pub const AAL2: Self = Self(Cow::Borrowed("http://idmanagement.gov/ns/assurance/aal/2"));
    /// Two factors of different kinds (OpenID PAPE 1.0 §4, as clients in the field ask for it).
    pub const MFA: Self = Self(Cow::Borrowed("http://schemas.openid.net/pape/policies/2007/06/multi-factor"));
    /// Phishing-resistant (OpenID Connect Extended Authentication Profile ACR Values 1.0 §2).
    pub const PHR: Self = Self(Cow::Borrowed("phr"));

    /// A value of one's own.
    #[must_use]
    pub const fn from_static(value: &'static str) -> Self {
        Self(Cow::Borrowed(value))
    }

    /// A value from the wire or from configuration.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(Cow::Owned(value.into()))
    }

    /// The text of the `acr` claim.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Acr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Acr({})", self.0)
    }
}

/// What an `acr` value stands for on this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcrClass {
    /// The value on the wire.
    pub value: Acr,
    /// Its rank: a login of a higher one satisfies every lower one. The kit's own login reaches 1 (one factor), 2 (two factors of
    /// different kinds) and 3 (phishing-resistant); other ranks are for a host that states its own.
    pub strength: u8,
    /// How old the login may be at most to bear the value.
    pub max_age: Option<Duration>,
}

/// The `acr` values that a server knows, and which of them satisfies which.
///
/// ```
/// use countersign_primitives::{Acr, AcrTable};
///
/// let table = AcrTable::default();
/// assert!(table.satisfies(&Acr::PHR, &Acr::MFA));
/// assert!(!table.satisfies(&Acr::AAL1, &Acr::MFA));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcrTable(Vec<AcrClass>);

/// One factor, two factors, phishing-resistant; NIST's first two levels beside them.
impl Default for AcrTable {
    fn default() -> Self {
        Self(BUILT_IN.to_vec())
    }
}

/// The classes that have a constant: every table can rank them, so that [`Requirement::MFA`] means the same whatever a server
/// calls its own classes.
static BUILT_IN: [AcrClass; 4] = [
    AcrClass { value: Acr::AAL1, strength: 1, max_age: None },
    AcrClass { value: Acr::MFA, strength: 2, max_age: None },
    AcrClass { value: Acr::AAL2, strength: 2, max_age: Some(Duration::from_secs(24 * 3_600)) },
    AcrClass { value: Acr::PHR, strength: 3, max_age: None },
];

impl AcrTable {
    /// A table of one's own. Of two classes with one strength the first is the one that is stated unasked.
    ///
    /// Names of one's own take the place of the constants' on the wire, not in requirements: those may be stated by either.
    ///
    /// ```
    /// use countersign_primitives::{Acr, AcrClass, AcrTable};
    ///
    /// let class = |name, strength| AcrClass { value: Acr::from_static(name), strength, max_age: None };
    /// let table = AcrTable::new([class("urn:example:silver", 1), class("urn:example:gold", 2)]);
    /// let gold = Acr::new("urn:example:gold");
    /// assert!(table.satisfies(&gold, &Acr::MFA) && !table.satisfies(&gold, &Acr::PHR));
    /// assert!(table.knows(&gold) && !table.knows(&Acr::MFA)); // clients ask by the names in the table
    /// ```
    #[must_use]
    pub fn new(classes: impl IntoIterator<Item = AcrClass>) -> Self {
        Self(classes.into_iter().collect())
    }

    /// The classes, in the order given.
    #[must_use]
    pub fn classes(&self) -> &[AcrClass] {
        &self.0
    }

    /// Whether a value stands in the table, so that it may be asked for by name and stated.
    #[must_use]
    pub fn knows(&self, value: &Acr) -> bool {
        self.0.iter().any(|class| class.value == *value)
    }

    fn class(&self, value: &Acr) -> Option<&AcrClass> {
        self.0.iter().chain(&BUILT_IN).find(|class| class.value == *value)
    }

    /// The rank of a value; none for a value this server does not know. The values that have a constant always have one.
    #[must_use]
    pub fn strength(&self, value: &Acr) -> Option<u8> {
        self.class(value).map(|class| class.strength)
    }

    /// How old a login that bears the value may be; none where any age will do.
    #[must_use]
    pub fn max_age(&self, value: &Acr) -> Option<Duration> {
        self.class(value).and_then(|class| class.max_age)
    }

    /// The value to state for a login of this rank when nobody asked for a certain one.
    #[must_use]
    pub fn value_of(&self, strength: u8) -> Option<&Acr> {
        self.0.iter().find(|class| class.strength == strength).map(|class| &class.value)
    }

    /// Whether a login that reached `have` is good enough where `need` is asked for. An unknown value satisfies only itself.
    #[must_use]
    pub fn satisfies(&self, have: &Acr, need: &Acr) -> bool {
        match (self.strength(have), self.strength(need)) {
            (Some(have), Some(need)) => have >= need,
            _ => have == need,
        }
    }

    /// Whether a browser that was remembered for having proven a second factor can stand in for a class: for two factors of whatever
    /// age, and for nothing more.
    pub(super) fn can_be_remembered(&self, need: &Acr) -> bool {
        self.max_age(need).is_none() && self.strength(need).is_some_and(|need| Some(need) <= self.strength(&Acr::MFA))
    }

    /// Whether the browser of `who` stands in for `need` at `now`, beside one factor that was proven in earnest.
    pub(super) fn stood_in_for(&self, who: &SignedIn, need: &Acr, now: UnixTime) -> bool {
        let proven = || who.acr_value().is_some_and(|have| self.satisfies(have, &Acr::AAL1));
        self.can_be_remembered(need) && who.remembered_at(now).is_some() && proven()
    }

    /// Whether `who` bears `need` at `now`, its age included.
    #[must_use]
    pub fn reached(&self, who: &SignedIn, need: &Acr, now: UnixTime) -> bool {
        let young = match self.max_age(need) {
            Some(max_age) => now.since(who.auth_time()) <= max_age,
            None => true,
        };
        let mailed = who.by_mail && *need == Acr::AAL2;
        young && !mailed && who.acr_value().is_some_and(|have| self.satisfies(have, need))
    }
}
