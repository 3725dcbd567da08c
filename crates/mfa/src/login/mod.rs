//! A login: from who somebody says they are to what they have proven.

mod brought;
#[cfg(feature = "oauth")]
mod by_passkey;
mod calls;
mod choose;
#[cfg(feature = "oauth")]
pub(crate) mod direct;
pub(crate) mod engine;
mod enrolling;
mod first_factor;
pub(crate) mod gate;
mod guesses;
mod hook;
pub(crate) mod machine;
mod magic_link;
mod on_file;
mod passkey;
mod policed;
mod prepare;
pub(crate) mod proven;
pub(crate) mod record;
pub(crate) mod second_factor;
mod sending;
mod show;
pub(crate) mod situation;

use std::fmt;
use std::str::FromStr;

use countersign_primitives::{Acr, Id, ParseIdError, Requirement, SignedIn, UnixTime};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Languages, Step};

pub(crate) use hook::Ordered;
pub use hook::{FirstFactor, LoginHook, LoginOrder};

pub(crate) use first_factor::check_password;

/// What a link that signs in is called, as a method and as a way.
pub(crate) const MAGIC_LINK: &str = "magic_link";

/// A way to say who signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FirstMethod {
    /// User name and password.
    Password,
    /// A link that is sent to the address on file, and works in the browser that asked for it alone. It is worth one factor, like a
    /// password: a mailbox is an account elsewhere, which a password opens (NIST SP 800-63B-4 §3.1.3.1).
    MagicLink,
}

/// The ways to say who signs in. The first one is shown first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstMethods {
    pub(crate) password: bool,
    pub(crate) magic_link: bool,
    pub(crate) link_first: bool,
}

impl Default for FirstMethods {
    fn default() -> Self {
        Self { password: true, magic_link: false, link_first: false }
    }
}

impl FromIterator<FirstMethod> for FirstMethods {
    /// Of none at all there is the password.
    fn from_iter<I: IntoIterator<Item = FirstMethod>>(factors: I) -> Self {
        let factors: Vec<_> = factors.into_iter().collect();
        if factors.is_empty() {
            return Self::default();
        }
        Self {
            password: factors.contains(&FirstMethod::Password),
            magic_link: factors.contains(&FirstMethod::MagicLink),
            link_first: factors.first() == Some(&FirstMethod::MagicLink),
        }
    }
}

/// Names a login: random, and the partition of its record. It gives no access without the browser that it is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoginId(pub Id);

impl fmt::Display for LoginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LoginId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.parse().map(Self)
    }
}

/// A login that has begun: its name, for the host to keep in the browser's session, and what to show first.
#[derive(Debug)]
pub struct Begun {
    /// Its name.
    pub id: LoginId,
    /// What to show first; at once [`Step::Done`] where nothing more is asked.
    pub step: Step,
}

/// What a login is for, and what it must prove.
///
/// ```
/// use countersign_mfa::LoginRequest;
/// use countersign_primitives::{Acr, Requirement};
///
/// let request = LoginRequest::new().requirement(Requirement::MFA).acr_values([Acr::PHR]);
/// # let _ = request;
/// ```
#[derive(Debug, Clone, Default)]
pub struct LoginRequest {
    pub(crate) context: Value,
    pub(crate) requirement: Requirement,
    pub(crate) acr_values: Vec<Acr>,
    pub(crate) since: UnixTime,
    pub(crate) who: Option<SignedIn>,
    pub(crate) login_hint: Option<String>,
    pub(crate) client: Option<String>,
    pub(crate) languages: Languages,
    pub(crate) client_id: Option<String>,
    pub(crate) course: Course,
    pub(crate) proves_factor: bool,
}

/// How a login goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Course {
    /// A user is led from page to page: where there is one way, it is taken.
    #[default]
    Led,
    /// A client drives it by calls: nothing is asked, sent or set up before the client names it.
    Called,
    /// A client sets up one more factor for a user who has signed in.
    Adding,
    /// A user who has signed in is led to set up one more factor.
    AddingLed,
}

impl Course {
    /// Whether a factor is added, and nobody signs in.
    pub(crate) const fn adds(self) -> bool {
        matches!(self, Self::Adding | Self::AddingLed)
    }
}

impl LoginRequest {
    /// A login of anybody, for nothing in particular.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the caller wants to find again at each step, such as what the client is called. Never looked into.
    #[must_use]
    pub fn context(mut self, context: Value) -> Self {
        self.context = context;
        self
    }

    /// What must be proven, by client, scopes and an essential `acr` together.
    #[must_use]
    pub fn requirement(mut self, requirement: Requirement) -> Self {
        self.requirement = requirement;
        self
    }

    /// What would be welcome, in order of preference (OpenID Connect Core §3.1.2.1). Unknown values are ignored.
    #[must_use]
    pub fn acr_values(mut self, values: impl IntoIterator<Item = Acr>) -> Self {
        self.acr_values = values.into_iter().collect();
        self
    }

    /// What was proven before this is too old and asked anew, remembered devices with it: `max_age` and `prompt=login` say so. A requirement's own greatest
    /// age is looked after without it.
    #[must_use]
    pub fn since(mut self, since: UnixTime) -> Self {
        self.since = since;
        self
    }

    /// Somebody is signed in already: only what is missing is asked. If it is the password that is missing, since it has grown too
    /// old, its form begins with the name of this user; whoever signs in as somebody else has nothing of this.
    #[must_use]
    pub fn who(mut self, who: SignedIn) -> Self {
        self.who = Some(who);
        self
    }

    /// Who is signed in already.
    #[cfg(feature = "oauth")]
    pub(crate) fn signed_in(&self) -> Option<&SignedIn> {
        self.who.as_ref()
    }

    /// Whoever has a factor must prove one, and a remembered browser does not do; whoever has none is asked for nothing more.
    #[must_use]
    pub fn proves_factor(mut self) -> Self {
        self.proves_factor = true;
        self
    }

    /// Nobody signs in: whoever is signed in ([`LoginRequest::who`]) sets up one more factor beside those that there are, and proved one of
    /// those just now ([`Mfa::has_fresh_factor`](crate::Mfa::has_fresh_factor)). What was proven before stays as it is, whatever is set up.
    ///
    /// ```
    /// use countersign_mfa::{Begun, Caller, LoginError, LoginRequest, Mfa};
    /// use countersign_primitives::SignedIn;
    ///
    /// # async fn example(mfa: Mfa, who: SignedIn, caller: Caller) -> Result<(), LoginError> {
    /// let Begun { id, step } = mfa.start(LoginRequest::new().who(who).adds_factor(), &caller).await?;
    /// # let _ = (id, step);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn adds_factor(mut self) -> Self {
        self.course = Course::AddingLed;
        self
    }

    /// What the client is called that the login is for: stands in messages and on devices that are asked.
    #[must_use]
    pub fn client(mut self, name: impl Into<String>) -> Self {
        self.client = Some(name.into());
        self
    }

    /// The languages that its user reads, as client and browser say: for messages. What the account says comes before.
    #[must_use]
    pub fn languages(mut self, languages: Languages) -> Self {
        self.languages = languages;
        self
    }

    /// The client that the login is for, which rules and hooks of the host's own see.
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// The user name to begin with.
    #[must_use]
    pub fn login_hint(mut self, hint: impl Into<String>) -> Self {
        self.login_hint = Some(hint.into());
        self
    }
}

impl From<SignedIn> for LoginRequest {
    /// Somebody has proven a first factor to the host; what more the policy asks is missing.
    fn from(who: SignedIn) -> Self {
        Self::new().who(who)
    }
}
