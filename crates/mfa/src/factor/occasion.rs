//! When, for whom and in which login a factor is asked something.

use std::net::IpAddr;
use std::time::Duration;

use countersign_mfa_otp::CodeHash;
use countersign_outbound::{Channel, Message};
use countersign_primitives::{Id, Random, Subject, UnixTime};

use crate::enrolments::Enrolments;
use crate::keys::Keys;
use crate::{Envelope, Languages, LoginId, MessageError, MessageTexts};

/// What the hash of a code is for.
const PURPOSE: &str = "factor";

/// When, for whom and in which login a factor is asked something.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    pub(crate) now: UnixTime,
    pub(crate) subject: &'a Subject,
    pub(crate) account: &'a str,
    pub(crate) random: &'a dyn Random,
    pub(crate) keys: &'a Keys,
    pub(crate) texts: &'a MessageTexts,
    pub(crate) languages: Option<&'a Languages>,
    pub(crate) host: Option<&'a str>,
    pub(crate) client: Option<&'a str>,
    pub(crate) address: Option<IpAddr>,
    /// The browser that calls, if it signed in with a second factor before.
    pub(crate) known: Option<Id>,
    pub(crate) contact: Option<&'a str>,
    /// All that its user has, as it was read for this.
    pub(crate) enrolments: Option<&'a Enrolments>,
    /// Something else has said in this login who its user is.
    pub(crate) beside_another: bool,
    /// A recovery code that is used is replaced by a new one.
    pub(crate) replaces_codes: bool,
    pub(crate) binding: Binding,
}

/// What an answer works for, and for nothing else (promise 11).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binding {
    pub(crate) login: LoginId,
    pub(crate) authenticator: Id,
    pub(crate) challenge: Id,
}

impl<'a> Occasion<'a> {
    /// The time.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.now
    }

    /// Whose factor it is.
    #[must_use]
    pub fn subject(&self) -> &'a Subject {
        self.subject
    }

    /// The name that the user knows the account by.
    #[must_use]
    pub fn account(&self) -> &'a str {
        self.account
    }

    /// Where randomness comes from.
    #[must_use]
    pub fn random(&self) -> &'a dyn Random {
        self.random
    }

    /// The number or address that the user typed for what is being set up: E.164, or a mail address with its domain in lower
    /// case. It is the user's once a code sent there came back. `None` unless the factor asks for a
    /// [contact](crate::Factor::contact), and outside of enrolment, where [`Enrolled::contact`](crate::Enrolled::contact) has it.
    #[must_use]
    pub fn contact(&self) -> Option<&'a str> {
        self.contact
    }

    /// The host name of the issuer, where the realm is an address: what an SMS binds its code to.
    #[must_use]
    pub fn host(&self) -> Option<&'a str> {
        self.host
    }

    /// What the client of the login is called, where one is known ([`LoginRequest::client`](crate::LoginRequest::client)). Anybody
    /// may have chosen it.
    #[must_use]
    pub fn client(&self) -> Option<&'a str> {
        self.client
    }

    /// Where the login was begun from.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The message that brings a code, in the user's language. A text message ends in the line that binds the code to the
    /// issuer's host.
    ///
    /// # Errors
    /// When the code is none that can be sent, or the recipient is none of this channel.
    pub fn code_message(
        &self,
        channel: Channel,
        to: &str,
        code: &str,
        lifetime: Duration,
    ) -> Result<Message, MessageError> {
        let envelope = Envelope::new(channel, to, self.now).account(self.account);
        let envelope = envelope.languages(self.languages.cloned().unwrap_or_default());
        let envelope = match self.client {
            Some(client) => envelope.client(client),
            None => envelope,
        };
        let envelope = match self.host {
            Some(host) => envelope.origin(host),
            None => envelope,
        };
        self.texts.code(&envelope, code, lifetime)
    }

    /// Names the authenticator.
    #[must_use]
    pub fn authenticator_id(&self) -> Id {
        self.binding.authenticator
    }

    /// Names the challenge: another one for each that is made.
    #[must_use]
    pub fn challenge_id(&self) -> Id {
        self.binding.challenge
    }

    /// A code as a challenge keeps it: hashed under the realm's key and bound to subject, login, authenticator and challenge, so
    /// that neither a copy of the database nor another login has any use for it.
    #[must_use]
    pub fn hash_code(&self, code: &str) -> CodeHash {
        CodeHash::new(self.keys.delivered(), PURPOSE, &self.context(), code)
    }

    /// Whether this is the code whose hash the challenge keeps. Constant time.
    #[must_use]
    pub fn is_code(&self, hash: &CodeHash, code: &str) -> bool {
        hash.matches(self.keys.delivered(), PURPOSE, &self.context(), code)
    }

    fn context(&self) -> Vec<u8> {
        let Binding { login, authenticator, challenge } = &self.binding;
        let ids = [login.0.as_bytes(), authenticator.as_bytes(), challenge.as_bytes()];
        let mut context: Vec<u8> = ids.into_iter().flatten().copied().collect();
        context.extend_from_slice(self.subject.as_str().as_bytes()); // last: of any length
        context
    }
}

#[cfg(test)]
mod tests {
    use countersign_primitives::SystemRandom;
    use countersign_storage_traits::RootKey;

    use super::*;

    #[test]
    fn promise_11_the_hash_of_a_code_is_for_one_subject_login_authenticator_challenge_and_realm() {
        let root = RootKey::from_bytes([7; 32]);
        let (keys, other_realm) = (Keys::derive(&root, "https://a"), Keys::derive(&root, "https://b"));
        let (alice, bob) = (Subject::new("u-1"), Subject::new("u-2"));
        let texts = MessageTexts::new("Example").unwrap();
        let id = |byte| Id::from_bytes([byte; 16]);
        let binding = Binding { login: LoginId(id(1)), authenticator: id(2), challenge: id(3) };
        let at = Occasion {
            now: UnixTime::default(),
            subject: &alice,
            account: "alice",
            random: &SystemRandom,
            keys: &keys,
            texts: &texts,
            languages: None,
            host: None,
            client: None,
            address: None,
            known: None,
            contact: None,
            enrolments: None,
            beside_another: false,
            replaces_codes: false,
            binding,
        };
        let hash = at.hash_code("492039");
        assert!(at.is_code(&hash, "492039") && !at.is_code(&hash, "492038"));
        for other in [
            Occasion { subject: &bob, ..at },
            Occasion { keys: &other_realm, ..at },
            Occasion { binding: Binding { login: LoginId(id(9)), ..binding }, ..at },
            Occasion { binding: Binding { authenticator: id(9), ..binding }, ..at },
            Occasion { binding: Binding { challenge: id(9), ..binding }, ..at },
        ] {
            assert!(!other.is_code(&hash, "492039"), "{:?}", other.binding);
        }
        let spoken = at.code_message(Channel::Voice, "+4930901820", "492039", Duration::from_secs(300)).unwrap();
        assert!(spoken.text().contains("4, 9, 2, 0, 3, 9"));
    }
}
