//! Who signed in, when and how.

use serde::{Deserialize, Serialize};

use super::Acr;
use crate::{Id, LoginClaims, SessionId, Subject, UnixTime};

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
    pub(super) by_mail: bool,
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
pub(super) fn is_false(value: &bool) -> bool {
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
    /// this login), and stands in for a second factor where a [`Requirement`](super::Requirement) lets it.
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
