//! The authenticators of a subject: one record, so that one commit decides.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use countersign_mfa_otp::{RecoveryCodeHash, normalise};
use countersign_outbound::Channel;
use countersign_primitives::{Id, Subject, UnixTime};
use countersign_storage_traits::{Batch, Expect, Found, Key, Kind, Store, StoreError, Stored};
use serde::{Deserialize, Serialize};

use crate::contact::Contact;
use crate::factor::{Enrolled, RECOVERY_CODE, RecoveryFactor, State};
use crate::keys::{ENROLMENTS, Keys};
use crate::login::record::Remember;
use crate::step::Way;
use crate::{Compromised, Method, Subjects};

/// Names an authenticator: its method, and an id of its own. Written `totp|dev_…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AuthenticatorId {
    method: String,
    id: Id,
}

impl AuthenticatorId {
    pub(crate) fn new(method: &str, id: Id) -> Self {
        Self { method: method.to_owned(), id }
    }

    /// Whether it is this one.
    #[cfg(feature = "oauth")]
    pub(crate) fn is(&self, id: Id) -> bool {
        self.id == id
    }

    /// The name of its method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }
}

impl fmt::Display for AuthenticatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|dev_{}", self.method, self.id)
    }
}

/// A text that names no authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an authenticator is named METHOD|dev_ID")]
pub struct ParseAuthenticatorIdError;

impl FromStr for AuthenticatorId {
    type Err = ParseAuthenticatorIdError;

    fn from_str(text: &str) -> Result<Self, ParseAuthenticatorIdError> {
        let (method, id) = text.split_once("|dev_").ok_or(ParseAuthenticatorIdError)?;
        let id = id.parse().map_err(|_| ParseAuthenticatorIdError)?;
        Ok(Self { method: method.to_owned(), id })
    }
}

/// What spent the state that an authenticator is in: which login, by which answer (as a keyed hash). That login may repeat the
/// answer after a crash and goes on; any other is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SpentBy {
    pub(crate) login: Id,
    pub(crate) answer: Id,
}

impl SpentBy {
    /// This login, which began then, by this answer to a challenge of an authenticator. The answer is kept as a keyed hash alone.
    pub(crate) fn of(
        keys: &Keys,
        (login, begun_at): (Id, UnixTime),
        (authenticator, challenge): (Id, Id),
        answer: &str,
    ) -> Self {
        let answer = normalise(answer);
        // A login that begins anew under the same id is another one.
        let begun_at = begun_at.as_millis().to_be_bytes();
        let (authenticator, challenge) = (authenticator.as_bytes(), challenge.as_bytes());
        let parts: [&[u8]; 5] = [login.as_bytes(), &begun_at, authenticator, challenge, answer.expose().as_bytes()];
        Self { login, answer: keys.id("answer", &parts) }
    }
}

/// One authenticator.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Authenticator {
    pub(crate) id: Id,
    pub(crate) method: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    /// Where its messages go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) contact: Option<Contact>,
    /// It was not set up: the account's own number or address stands for it. No record holds it.
    #[serde(skip)]
    pub(crate) on_file: bool,
    /// It proves nothing beside the password, and only opens the way to set something up. No record holds it.
    #[serde(skip)]
    pub(crate) opens_only: bool,
    pub(crate) state: State,
    pub(crate) enrolled_at: UnixTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_used: Option<UnixTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spent_by: Option<SpentBy>,
}

impl Authenticator {
    /// One that was enrolled just now.
    pub(crate) fn fresh(id: Id, method: &str, state: State, now: UnixTime) -> Self {
        let method = method.to_owned();
        let (label, contact, on_file, opens_only) = (None, None, false, false);
        Self {
            id,
            method,
            label,
            contact,
            on_file,
            opens_only,
            state,
            enrolled_at: now,
            last_used: None,
            spent_by: None,
        }
    }

    /// What its factor sees of it.
    pub(crate) fn as_enrolled(&self) -> Enrolled<'_> {
        Enrolled { state: &self.state, contact: self.contact.as_ref().map(Contact::to) }
    }

    pub(crate) fn named(&self) -> AuthenticatorId {
        AuthenticatorId::new(&self.method, self.id)
    }

    pub(crate) fn is_recovery(&self) -> bool {
        self.method == RECOVERY_CODE
    }

    /// As what a browser is remembered in which it was proven.
    pub(crate) fn remember(&self) -> Remember {
        if self.on_file { Remember::OnFile } else { Remember::Enrolled(self.id) }
    }

    /// Whether nothing is left of it to be asked for.
    pub(crate) fn is_used_up(&self) -> bool {
        self.is_recovery() && matches!(RecoveryFactor::left(&self.state), Ok(0))
    }

    pub(crate) fn way(&self, method: &Method) -> Way {
        Way {
            id: self.named().to_string(),
            method: self.method.clone(),
            name: method.title().to_owned(),
            // Of several that are asked at once none is named.
            label: self.label.clone().filter(|_| !method.is_asked_together()),
            to: self.contact.as_ref().map(Contact::masked),
        }
    }
}

/// All authenticators of a subject.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Enrolments {
    pub(crate) authenticators: Vec<Authenticator>,
    /// When a policy that wants everybody to have a factor first met this user without one. It stays when factors go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) met_at: Option<UnixTime>,
    /// What lets the user set up a first factor in a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) invitation: Option<Invitation>,
    /// An operator wants the user to have a factor: while there is none, one is set up at the next login.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) must_have: bool,
    /// There were authenticators, and there are none any more. [`Read::put`] sees to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) had: bool,
    /// Somebody else may have got in. It stands here so that every step of a login sees it, in the record that it reads anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) compromised: Option<Compromised>,
}

/// An invitation to set up a first factor: once, until its time is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Invitation {
    pub(crate) id: Id,
    pub(crate) hash: RecoveryCodeHash,
    pub(crate) until: UnixTime,
}

impl Stored for Enrolments {
    const KIND: Kind = ENROLMENTS;
}

impl Enrolments {
    /// The most authenticators of one subject.
    pub(crate) const MAX: usize = 32;

    /// Whether somebody else may have got in lately.
    pub(crate) fn compromised_at(&self, now: UnixTime) -> Option<Compromised> {
        self.compromised.filter(|mark| now < mark.until)
    }

    /// Where messages of a channel go that was set up as a factor.
    pub(crate) fn contact(&self, channel: Channel) -> Option<&str> {
        let mut contacts = self.authenticators.iter().filter_map(|one| one.contact.as_ref());
        contacts.find(|contact| contact.channel() == channel).map(Contact::to)
    }

    pub(crate) fn find(&self, id: Id) -> Option<&Authenticator> {
        self.authenticators.iter().find(|authenticator| authenticator.id == id)
    }

    pub(crate) fn find_mut(&mut self, id: Id) -> Option<&mut Authenticator> {
        self.authenticators.iter_mut().find(|authenticator| authenticator.id == id)
    }

    /// Whether the user has a factor that another one may only join after it was proven (recovery codes are part of one).
    pub(crate) fn has_factor(&self) -> bool {
        self.authenticators.iter().any(|authenticator| !authenticator.opens_only)
    }
}

/// A subject's authenticators as they were read, and where they go back to.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    pub(crate) key: Key,
    pub(crate) expect: Expect,
    pub(crate) value: Enrolments,
}

impl Read {
    pub(crate) async fn of(
        store: &dyn Store,
        subjects: &dyn Subjects,
        subject: &Subject,
        now: UnixTime,
    ) -> Result<Self, StoreError> {
        let key = Key::root(ENROLMENTS, subjects.partition(subject));
        Ok(match store.find::<Enrolments>(key, now).await? {
            Some(Found { version, value, .. }) => Self { key, expect: Expect::At(version), value },
            None => Self { key, expect: Expect::Absent, value: Enrolments::default() },
        })
    }

    /// Writes `value` in place of what was read. An empty record stays, so that a racing write still meets its version.
    pub(crate) fn put(&self, batch: &mut Batch, value: &Enrolments) -> Result<(), StoreError> {
        let had = self.value.had || !self.value.authenticators.is_empty();
        let emptied = (had && value.authenticators.is_empty()).then(|| Enrolments { had, ..value.clone() });
        batch.put_value(self.key, self.expect, UnixTime::MAX, emptied.as_ref().unwrap_or(value)).map(drop)
    }
}

/// How long a browser is known after it signed in.
pub(crate) const BROWSER_KNOWN: Duration = Duration::from_secs(400 * 86_400);

/// The browsers that signed in as the subject before: one record, so that their number is bounded.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct KnownBrowsers {
    browsers: Vec<KnownBrowser>,
}

/// A browser that signed in as the subject before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownBrowser {
    /// Stands for its mark.
    pub(crate) id: Id,
    since: UnixTime,
    /// It proved a second factor. One that proved the password alone may be anybody's who learnt that.
    pub(crate) second_factor: bool,
}

impl Stored for KnownBrowsers {
    const KIND: Kind = crate::keys::KNOWN_BROWSER;
}

impl KnownBrowsers {
    /// The most browsers that are remembered of one subject.
    pub(crate) const MAX: usize = 32;

    /// The first of `marks` that is remembered.
    pub(crate) fn find(&self, marks: &[Id], now: UnixTime) -> Option<&KnownBrowser> {
        let fresh = |browser: &&KnownBrowser| now.since(browser.since) < BROWSER_KNOWN;
        marks.iter().find_map(|mark| self.browsers.iter().filter(fresh).find(|browser| browser.id == *mark))
    }

    /// All that are remembered.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> + '_ {
        self.browsers.iter().map(|browser| browser.id)
    }

    /// Remembers a browser, as it is now. When there are too many the oldest goes, of those that proved the password alone if
    /// there is one: who knows the password cannot push out its owner.
    pub(crate) fn remember(&mut self, id: Id, second_factor: bool, now: UnixTime) {
        self.browsers.retain(|browser| browser.id != id && now.since(browser.since) < BROWSER_KNOWN);
        if self.browsers.len() >= Self::MAX {
            let weak = self.browsers.iter().position(|browser| !browser.second_factor);
            match weak {
                Some(oldest) => drop(self.browsers.remove(oldest)),
                None if second_factor => drop(self.browsers.remove(0)),
                None => return,
            }
        }
        self.browsers.push(KnownBrowser { id, since: now, second_factor });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_authenticator_survives_the_wire() {
        let named = AuthenticatorId::new("totp", Id::from_bytes([5; 16]));
        assert_eq!(named.to_string().parse(), Ok(named));
        for bad in ["", "totp", "totp|", "totp|dev_", "totp|dev_1"] {
            assert_eq!(bad.parse::<AuthenticatorId>(), Err(ParseAuthenticatorIdError), "{bad}");
        }
    }

    #[test]
    fn promise_4_debug_output_shows_no_seed() {
        let authenticator = Authenticator {
            id: Id::from_bytes([5; 16]),
            method: "totp".into(),
            label: None,
            contact: None,
            on_file: false,
            opens_only: false,
            state: State::write("JBSWY3DPEHPK3PXP").unwrap(),
            enrolled_at: UnixTime::default(),
            last_used: None,
            spent_by: None,
        };
        assert!(!format!("{authenticator:?}").contains("JBSWY3DP"));
    }
}
