//! How surely somebody is who they say, and how surely somebody must be.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Id, LoginClaims, SessionId, Subject, UnixTime};

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
    fn can_be_remembered(&self, need: &Acr) -> bool {
        self.max_age(need).is_none() && self.strength(need).is_some_and(|need| Some(need) <= self.strength(&Acr::MFA))
    }

    /// Whether the browser of `who` stands in for `need` at `now`, beside one factor that was proven in earnest.
    fn stood_in_for(&self, who: &SignedIn, need: &Acr, now: UnixTime) -> bool {
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

/// How somebody proved who they are: a value of the `amr` claim (RFC 8176 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Amr {
    /// Facial recognition.
    Face,
    /// Fingerprint.
    Fpt,
    /// Geolocation.
    Geo,
    /// Proof of possession of a hardware-secured key.
    Hwk,
    /// Iris scan.
    Iris,
    /// Knowledge-based authentication.
    Kba,
    /// Multiple channels.
    Mca,
    /// Multiple factors.
    Mfa,
    /// One-time password.
    Otp,
    /// Personal identification number or pattern.
    Pin,
    /// Proof of possession of a key.
    Pop,
    /// Password.
    Pwd,
    /// Risk-based authentication.
    Rba,
    /// Retina scan.
    Retina,
    /// Smart card.
    Sc,
    /// Text message to a telephone number.
    Sms,
    /// Proof of possession of a software-secured key.
    Swk,
    /// Telephone call.
    Tel,
    /// User presence.
    User,
    /// Voice.
    Vbm,
    /// Windows integrated authentication.
    Wia,
}

impl Amr {
    /// The registered text of the value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Face => "face",
            Self::Fpt => "fpt",
            Self::Geo => "geo",
            Self::Hwk => "hwk",
            Self::Iris => "iris",
            Self::Kba => "kba",
            Self::Mca => "mca",
            Self::Mfa => "mfa",
            Self::Otp => "otp",
            Self::Pin => "pin",
            Self::Pop => "pop",
            Self::Pwd => "pwd",
            Self::Rba => "rba",
            Self::Retina => "retina",
            Self::Sc => "sc",
            Self::Sms => "sms",
            Self::Swk => "swk",
            Self::Tel => "tel",
            Self::User => "user",
            Self::Vbm => "vbm",
            Self::Wia => "wia",
        }
    }
}

/// One thing that was proven, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// How.
    pub amr: Amr,
    /// When.
    pub at: UnixTime,
}

/// Who is signed in, since when and how: what a login hands to the authorization server.
///
/// The kit's own login makes one; a host with its own login and sessions makes one too.
///
/// ```
/// use countersign_primitives::{Acr, Amr, SignedIn, UnixTime};
///
/// let who = SignedIn::new("u-1", UnixTime::from_secs(50)).amr([Amr::Pwd]).proof(Amr::Otp, UnixTime::from_secs(80));
/// assert_eq!(who.auth_time(), UnixTime::from_secs(50)); // the oldest proof counts
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    subject: Subject,
    since: UnixTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acr: Option<Acr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    proofs: Vec<Proof>,
    #[serde(default, skip_serializing_if = "LoginClaims::is_empty")]
    claims: LoginClaims,
    #[serde(default, skip_serializing_if = "is_false")]
    by_mail: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remembered: Option<Remembered>,
}

/// A browser in which a second factor was proven before, and which its user had remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Names the device in its user's list; gives no access.
    pub device: Id,
    /// Until then.
    pub until: UnixTime,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_false(value: &bool) -> bool {
    !value
}

impl SignedIn {
    /// Somebody who signed in at `since`. Without [`SignedIn::acr`] no requirement is met.
    #[must_use]
    pub fn new(subject: impl Into<Subject>, since: impl Into<UnixTime>) -> Self {
        Self {
            subject: subject.into(),
            since: since.into(),
            session: None,
            acr: None,
            proofs: Vec::new(),
            claims: LoginClaims::default(),
            by_mail: false,
            remembered: None,
        }
    }

    /// How they signed in, all of it at the time given to [`SignedIn::new`].
    #[must_use]
    pub fn amr(mut self, methods: impl IntoIterator<Item = Amr>) -> Self {
        let at = self.since;
        self.proofs.extend(methods.into_iter().map(|amr| Proof { amr, at }));
        self
    }

    /// Adds a thing proven at another time, such as a second factor long after the password.
    #[must_use]
    pub fn proof(mut self, amr: Amr, at: impl Into<UnixTime>) -> Self {
        self.proofs.push(Proof { amr, at: at.into() });
        self
    }

    /// The class that the login reached.
    #[must_use]
    pub fn acr(mut self, acr: Acr) -> Self {
        self.acr = Some(acr);
        self
    }

    /// The session of the login, named in ID tokens as `sid`.
    #[must_use]
    pub fn session(mut self, session: impl Into<SessionId>) -> Self {
        self.session = Some(session.into());
        self
    }

    /// What the login learnt of the user, for ID tokens and userinfo.
    #[must_use]
    pub fn with_claims(mut self, claims: LoginClaims) -> Self {
        self.claims = claims;
        self
    }

    /// What the login learnt of the user.
    #[must_use]
    pub fn claims(&self) -> &LoginClaims {
        &self.claims
    }

    /// Says whether the class rests on a code or link that came by e-mail: then it is not NIST's second level, whatever else it
    /// is (SP 800-63B-4 §3.1.3.1 allows no e-mail). `amr` cannot tell, since RFC 8176 has no value for it.
    ///
    /// ```
    /// use countersign_primitives::{Acr, AcrTable, Amr, SignedIn, UnixTime};
    ///
    /// let (table, now) = (AcrTable::default(), UnixTime::from_secs(50));
    /// let who = SignedIn::new("u-1", now).amr([Amr::Pwd, Amr::Otp, Amr::Mfa]).acr(Acr::MFA).resting_on_mail(true);
    /// assert!(table.reached(&who, &Acr::MFA, now) && !table.reached(&who, &Acr::AAL2, now));
    /// ```
    #[must_use]
    pub fn resting_on_mail(mut self, by_mail: bool) -> Self {
        self.by_mail = by_mail;
        self
    }

    /// Whether the class rests on a code or link that came by e-mail.
    #[must_use]
    pub fn rests_on_mail(&self) -> bool {
        self.by_mail
    }

    /// Marks the browser as one that was remembered, or takes the mark away. It states nothing (`acr` and `amr` say what was proven in
    /// this login), and stands in for a second factor where a [`Requirement`] lets it.
    ///
    /// ```
    /// use countersign_primitives::{Acr, AcrTable, Amr, Id, Remembered, Requirement, SignedIn, UnixTime};
    ///
    /// let (table, now) = (AcrTable::default(), UnixTime::from_secs(50));
    /// let device = Remembered { device: Id::from_bytes([1; 16]), until: UnixTime::from_secs(60) };
    /// let who = SignedIn::new("u-1", now).amr([Amr::Pwd]).acr(Acr::AAL1).on_remembered(Some(device));
    /// assert!(Requirement::MFA.met_by(&who, &table, now) && !table.reached(&who, &Acr::MFA, now));
    /// assert!(!Requirement::MFA.never_remembered().met_by(&who, &table, now));
    /// assert!(!Requirement::PHISHING_RESISTANT.met_by(&who, &table, now));
    /// ```
    #[must_use]
    pub fn on_remembered(mut self, device: Option<Remembered>) -> Self {
        self.remembered = device;
        self
    }

    /// The mark of a remembered browser, while it lasts.
    #[must_use]
    pub fn remembered_at(&self, now: UnixTime) -> Option<Remembered> {
        self.remembered.filter(|device| now < device.until)
    }

    /// Who.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The session, where one is known.
    #[must_use]
    pub fn session_id(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// The class that the login reached, where one is stated.
    #[must_use]
    pub fn acr_value(&self) -> Option<&Acr> {
        self.acr.as_ref()
    }

    /// What was proven, and when.
    #[must_use]
    pub fn proofs(&self) -> &[Proof] {
        &self.proofs
    }

    /// The time of the oldest proof: the `auth_time` claim (OpenID Connect Core §2).
    #[must_use]
    pub fn auth_time(&self) -> UnixTime {
        self.proofs.iter().map(|proof| proof.at).min().unwrap_or(self.since)
    }

    /// The values of the `amr` claim, each once, in order of proof.
    #[must_use]
    pub fn amr_values(&self) -> Vec<Amr> {
        let mut values = Vec::with_capacity(self.proofs.len());
        for proof in &self.proofs {
            if !values.contains(&proof.amr) {
                values.push(proof.amr);
            }
        }
        values
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_000_000);

    #[test]
    fn promise_8_a_login_without_a_class_meets_no_class() {
        let who = SignedIn::new("u", NOW).amr([Amr::Pwd, Amr::Otp]);
        assert!(!Requirement::MFA.met_by(&who, &AcrTable::default(), NOW));
        assert!(Requirement::NONE.met_by(&who, &AcrTable::default(), NOW));
    }

    #[test]
    fn a_stronger_class_satisfies_a_weaker_one_and_never_the_other_way() {
        let table = AcrTable::default();
        for (have, need, holds) in [
            (Acr::PHR, Acr::MFA, true),
            (Acr::MFA, Acr::AAL1, true),
            (Acr::AAL1, Acr::MFA, false),
            (Acr::MFA, Acr::PHR, false),
            (Acr::new("unknown"), Acr::AAL1, false),
            (Acr::PHR, Acr::new("unknown"), false),
            (Acr::new("own"), Acr::new("own"), true),
        ] {
            assert_eq!(table.satisfies(&have, &need), holds, "{have:?} for {need:?}");
        }
    }

    #[test]
    fn nist_sp800_63b_aal2_ends_after_a_day() {
        let table = AcrTable::default();
        let day_old = SignedIn::new("u", NOW.minus(Duration::from_secs(24 * 3_600 + 1))).acr(Acr::MFA);
        assert!(!table.reached(&day_old, &Acr::AAL2, NOW));
        assert!(table.reached(&day_old, &Acr::MFA, NOW));
    }

    #[test]
    fn the_strictest_of_two_requirements_counts() {
        let table = AcrTable::default();
        let minute = Duration::from_secs(60);
        let both = Requirement::MFA.max_age(minute * 5).and(&Requirement::PHISHING_RESISTANT.max_age(minute), &table);
        assert_eq!(both, Requirement::PHISHING_RESISTANT.max_age(minute));
        let other_way =
            Requirement::PHISHING_RESISTANT.max_age(minute).and(&Requirement::MFA.max_age(minute * 5), &table);
        assert_eq!(other_way, both);
        assert_eq!(Requirement::NONE.and(&Requirement::MFA, &table), Requirement::MFA);
    }

    #[test]
    fn m34_a_remembered_browser_stands_in_for_two_factors_of_any_age_and_nothing_else() {
        let (gold, fresh) = (Acr::new("gold"), Acr::new("fresh gold"));
        let class = |value: &Acr, max_age| AcrClass { value: value.clone(), strength: 2, max_age };
        let table = AcrTable::new([class(&gold, None), class(&fresh, Some(Duration::from_secs(60)))]);
        let device = Remembered { device: Id::from_bytes([1; 16]), until: NOW.plus(Duration::from_secs(1)) };
        let bare = SignedIn::new("u", NOW).amr([Amr::Pwd]);
        let who = bare.clone().acr(Acr::AAL1).on_remembered(Some(device));
        for (need, met) in [
            (Requirement::MFA, true),
            (Requirement::at_least(gold), true),
            (Requirement::MFA.never_remembered(), false),
            (Requirement::NONE.never_remembered().and(&Requirement::MFA, &table), false),
            (Requirement::MFA.and(&Requirement::NONE.never_remembered(), &table), false),
            (Requirement::MFA.max_age(Duration::from_secs(300)), false),
            (Requirement::at_least(Acr::AAL2), false), // its factors are at most a day old
            (Requirement::at_least(fresh), false),
            (Requirement::PHISHING_RESISTANT, false),
            (Requirement::at_least(Acr::new("unknown")), false),
        ] {
            assert_eq!(need.met_by(&who, &table, NOW), met, "{need:?}");
        }
        assert!(!Requirement::MFA.met_by(&who, &table, device.until), "its time is over");
        let nothing_proven = bare.on_remembered(Some(device));
        assert!(!Requirement::MFA.met_by(&nothing_proven, &table, NOW), "it adds to a factor and is none");
        assert!(Requirement::NONE.never_remembered().is_none(), "a client that acts for itself has no browser");
    }

    #[test]
    fn m35_a_remembered_browser_changes_nothing_that_a_login_states() {
        let device = Remembered { device: Id::from_bytes([1; 16]), until: UnixTime::MAX };
        let who = SignedIn::new("u", NOW).amr([Amr::Pwd]).acr(Acr::AAL1).on_remembered(Some(device));
        assert_eq!((who.acr_value(), &who.amr_values()[..]), (Some(&Acr::AAL1), &[Amr::Pwd][..]));
        assert!(!AcrTable::default().reached(&who, &Acr::MFA, NOW));
    }

    #[test]
    fn oidc_core_2_auth_time_is_the_oldest_proof() {
        let who = SignedIn::new("u", NOW).amr([Amr::Pwd]).proof(Amr::Otp, NOW.plus(Duration::from_secs(9)));
        assert_eq!(who.auth_time(), NOW);
        assert_eq!(who.amr_values(), [Amr::Pwd, Amr::Otp]);
    }
}
