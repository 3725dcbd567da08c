//! What is derived from the root key: where records live, and the hashes that stand for what must not be stored.

use std::fmt;
use std::net::IpAddr;

use async_trait::async_trait;
use countersign_mfa_otp::CodeKey;
use countersign_primitives::{BoxError, Id, Subject};
use countersign_storage_traits::{Batch, CounterKey, Kind, RootKey};
use ring::hmac;

/// A login under way, in a partition of its own.
pub(crate) const LOGIN: Kind = Kind(32);
/// All authenticators of a subject, in the subject's partition.
pub(crate) const ENROLMENTS: Kind = Kind(33);
/// A browser that signed in as a subject before, in the subject's partition.
pub(crate) const KNOWN_BROWSER: Kind = Kind(34);
/// An account of the kit's own, in the subject's partition.
pub(crate) const ACCOUNT: Kind = Kind(35);
/// Who owns a login name, in a partition of its own.
pub(crate) const LOGIN_NAME: Kind = Kind(36);

/// A device that is being registered, in a partition of its own.
pub(crate) const PUSH_ENROLMENT: Kind = Kind(44);
/// A question to a device, in a partition of its own.
pub(crate) const PUSH_CHALLENGE: Kind = Kind(45);
/// The one question of a subject that is open, in the subject's partition.
pub(crate) const OPEN_PUSH: Kind = Kind(46);
/// A link that was sent, in a partition of its own.
pub(crate) const LINK: Kind = Kind(37);
/// What is known of a subject's links, in the subject's partition.
pub(crate) const LINKS: Kind = Kind(38);
/// What is remembered of a subject's logins, in the subject's partition.
pub(crate) const RISK_HISTORY: Kind = Kind(56);

/// What is switched while the server runs, in a partition of its own.
pub(crate) const SETTINGS: Kind = Kind(57);

/// What happened to an account of late, in the subject's partition.
pub(crate) const ACCOUNT_EVENTS: Kind = Kind(58);
/// A link by which the owner of an account says that something was not theirs, in a partition of its own.
pub(crate) const NOT_ME_LINK: Kind = Kind(59);

/// The browsers that a subject had remembered, in the subject's partition.
pub(crate) const REMEMBERED_DEVICES: Kind = Kind(52);

/// Which metadata of authenticators is good, in a partition of its own.
pub(crate) const METADATA: Kind = Kind(64);
/// A piece of that metadata's text, in a partition of its own.
pub(crate) const METADATA_PIECE: Kind = Kind(65);
/// Whose credential has an id, in a partition of its own.
pub(crate) const CREDENTIAL: Kind = Kind(60);

/// The keys of one realm. Nothing derived here is the same in two realms (promise 16).
pub(crate) struct Keys {
    names: hmac::Key,
    codes: CodeKey,
    delivered: CodeKey,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl Keys {
    pub(crate) fn derive(root: &RootKey, realm: &str) -> Self {
        let names = hmac::Key::new(hmac::HMAC_SHA256, root.derive(realm, "mfa names").expose());
        let code_key = |purpose| {
            let mut key = zeroize::Zeroizing::new([0; 32]);
            key.copy_from_slice(root.derive(realm, purpose).expose());
            CodeKey::new(*key)
        };
        Self { names, codes: code_key("mfa recovery codes"), delivered: code_key("mfa delivered codes") }
    }

    /// The key under which codes that were sent are hashed.
    pub(crate) fn delivered(&self) -> &CodeKey {
        &self.delivered
    }

    /// The key under which recovery codes are hashed.
    pub(crate) fn codes(&self) -> &CodeKey {
        &self.codes
    }

    /// 128 bits that stand for `parts`, each taken with its length so that no two lists read alike.
    pub(crate) fn id(&self, label: &str, parts: &[&[u8]]) -> Id {
        let mut mac = hmac::Context::with_key(&self.names);
        for part in std::iter::once(&label.as_bytes()).chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&mac.sign().as_ref()[..16]);
        Id::from_bytes(id)
    }

    pub(crate) fn subject(&self, subject: &Subject) -> Id {
        self.id("subject", &[subject.as_str().as_bytes()])
    }

    /// What authenticators know a subject by: always the same, and telling nothing of who it is.
    pub(crate) fn user_handle(&self, subject: &Subject) -> Id {
        self.id("user handle", &[subject.as_str().as_bytes()])
    }

    /// Stands for a login name that belongs to nobody, wherever a subject's partition would.
    pub(crate) fn unknown(&self, name: &str) -> Id {
        self.id("unknown name", &[name.as_bytes()])
    }

    pub(crate) fn name(&self, name: &str) -> Id {
        self.id("login name", &[name.as_bytes()])
    }

    pub(crate) fn counter(&self, label: &str, parts: &[&[u8]]) -> CounterKey {
        CounterKey(self.id("counter", &[label.as_bytes(), &self.id("counted", parts).as_bytes()[..]]))
    }

    /// The counter of an address; of an IPv6 address, of the /64 that one subscriber has.
    pub(crate) fn address_counter(&self, address: IpAddr) -> CounterKey {
        self.counter("address", &[&subscriber(address)])
    }

    /// A counter of what is done from an address; of an IPv6 address, from its /64.
    pub(crate) fn subscriber_counter(&self, label: &str, kind: &[u8], address: IpAddr) -> CounterKey {
        self.counter(label, &[kind, &subscriber(address)])
    }

    /// Stands for a client at an address; of an IPv6 address, at any of its /64.
    pub(crate) fn client(&self, client_id: &str, address: Option<IpAddr>) -> Id {
        let address = address.map(subscriber).unwrap_or_default();
        self.id("client at address", &[client_id.as_bytes(), &address])
    }
}

fn subscriber(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    }
}

/// What changed about a subject's authenticators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Changed {
    /// The first factor beside the password was enrolled.
    FirstFactorEnrolled,
    /// The user was invited to set up a first factor.
    Invited,
    /// An operator wants the user to have a factor: what rests on less is to end.
    FactorRequired,
    /// An operator does not want that any more.
    FactorNotRequired,
    /// Another factor was enrolled.
    FactorEnrolled,
    /// A factor was given another name.
    FactorRenamed,
    /// A factor was removed.
    FactorRemoved,
    /// All factors were removed.
    FactorsReset,
    /// Recovery codes were made anew; the old ones are void.
    RecoveryCodesReplaced,
    /// The password was changed.
    PasswordChanged,
}

/// Where a subject's records live, and what else changes when its factors do.
///
/// The authorization server keeps an epoch for each subject and raises it when a factor changes, so that sessions and grants
/// from before end. It implements this trait: the same partition for both, and its own write in the same batch, so that
/// factor and epoch change together or not at all.
#[async_trait]
pub trait Subjects: Send + Sync + fmt::Debug {
    /// The partition of the subject's records: always the same, and telling nothing of the subject.
    fn partition(&self, subject: &Subject) -> Id;

    /// Stands for all that was ended of the subject so far: it is another number after each revocation. A login whose first factor
    /// was proven under another one proves nothing any more (promise 12).
    ///
    /// # Errors
    /// Any error means that the login does not go on.
    async fn epoch(&self, subject: &Subject) -> Result<u64, BoxError> {
        let _ = subject;
        Ok(0)
    }

    /// Adds to `batch`, which lies in the subject's partition, what must change with the factors.
    ///
    /// # Errors
    /// Any error means that the factors do not change either.
    async fn changing(&self, subject: &Subject, change: Changed, batch: &mut Batch) -> Result<(), BoxError> {
        let _ = (subject, change, batch);
        Ok(())
    }
}

/// Without an authorization server: partitions of our own, and nothing else changes.
#[derive(Debug)]
pub(crate) struct OwnSubjects(pub(crate) std::sync::Arc<Keys>);

impl Subjects for OwnSubjects {
    fn partition(&self, subject: &Subject) -> Id {
        self.0.subject(subject)
    }
}

/// The form in which login names are compared: without white space around them, ASCII letters in lower case.
pub(crate) fn normalised(name: &str) -> String {
    name.trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(realm: &str) -> Keys {
        Keys::derive(&RootKey::from_bytes([7; 32]), realm)
    }

    #[test]
    fn promise_16_two_realms_share_no_partition_and_no_counter() {
        let (a, b) = (keys("https://a"), keys("https://b"));
        assert_ne!(a.subject(&"u".into()), b.subject(&"u".into()));
        assert_ne!(a.counter("x", &[b"y"]), b.counter("x", &[b"y"]));
    }

    #[test]
    fn no_two_lists_of_parts_read_alike() {
        let keys = keys("https://a");
        assert_ne!(keys.id("l", &[b"ab", b"c"]), keys.id("l", &[b"a", b"bc"]));
        assert_ne!(keys.subject(&"u".into()), keys.unknown("u"));
        assert_ne!(keys.subject(&"u".into()), keys.name("u"));
    }

    #[test]
    fn an_ipv6_subscriber_is_one_address_and_a_mapped_one_is_its_ipv4() {
        let keys = keys("https://a");
        let counter = |text: &str| keys.address_counter(text.parse().unwrap());
        assert_eq!(counter("2001:db8::1"), counter("2001:db8::2:3"));
        assert_ne!(counter("2001:db8::1"), counter("2001:db8:0:1::1"));
        assert_eq!(counter("::ffff:192.0.2.1"), counter("192.0.2.1"));
    }
}
