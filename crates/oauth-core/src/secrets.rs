//! Keys that are derived from the root key, each for one purpose of one issuer.

use std::fmt;
use std::sync::Arc;

use countersign_primitives::{Id, SessionId, SignedIn, Subject};
use countersign_storage_traits::{Key, RootKey};
use countersign_tokens::{CryptoProvider, MacKey};

use crate::ClientId;
use crate::records;

/// What this crate derives: ids that tell nothing of what they name, and values that only this server can make.
pub(crate) struct Secrets {
    ids: Arc<dyn MacKey>,
    jti: Arc<dyn MacKey>,
    access_tokens: Arc<dyn MacKey>,
    anti_forgery: Arc<dyn MacKey>,
    codes: Arc<dyn MacKey>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl Secrets {
    pub(crate) fn new(root: &RootKey, issuer: &str, crypto: &dyn CryptoProvider) -> Self {
        let key = |purpose| crypto.mac_key(root.derive(issuer, purpose).expose());
        Self {
            ids: key("oauth/ids"),
            jti: key("oauth/jti"),
            access_tokens: key("oauth/access-tokens"),
            anti_forgery: key("oauth/anti-forgery"),
            codes: key("oauth/codes"),
        }
    }

    /// An id made of a name: the same for the same name, and telling nothing of it. The length of each part is hashed too.
    pub(crate) fn id(&self, label: &str, parts: &[&str]) -> Id {
        let mut message = Vec::with_capacity(64);
        for part in std::iter::once(&label).chain(parts) {
            message.extend_from_slice(&(part.len() as u64).to_be_bytes());
            message.extend_from_slice(part.as_bytes());
        }
        let hash = self.ids.mac(&[&message]);
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        Id::from_bytes(id)
    }

    pub(crate) fn subject_partition(&self, subject: &Subject) -> Id {
        self.id("subject", &[subject.as_str()])
    }

    pub(crate) fn subject_key(&self, subject: &Subject) -> Key {
        Key::root(records::SUBJECT, self.subject_partition(subject))
    }

    pub(crate) fn consent_key(&self, subject: &Subject, client: &ClientId) -> Key {
        let client = self.id("client", &[client.as_str()]);
        Key::new(self.subject_partition(subject), records::CONSENT, client)
    }

    /// Where the mark lies that a user took back what a client was allowed, beside the consent to it.
    pub(crate) fn withdrawn_key(&self, consent: Key) -> Key {
        Key::new(consent.partition, records::WITHDRAWN, consent.id)
    }

    pub(crate) fn client_index(&self, client: &ClientId) -> Id {
        self.id("client", &[client.as_str()])
    }

    pub(crate) fn session_index(&self, session: &str) -> Id {
        self.id("session", &[session])
    }

    /// Where a session lives: one of ours by its id, a host's by an id that follows from its own.
    pub(crate) fn session_record(&self, session: &SessionId) -> Id {
        session.as_str().parse().unwrap_or_else(|_| self.id("host session", &[session.as_str()]))
    }

    pub(crate) fn ended_session(&self, session: &SessionId) -> Key {
        Key::root(records::ENDED_SESSION, self.session_record(session))
    }

    pub(crate) fn key_ring(&self) -> Key {
        Key::root(records::KEY_RING, self.id("key ring", &[]))
    }

    pub(crate) fn once(&self, grant_type: &str, serial: &str) -> Key {
        Key::root(records::ONCE, self.id("once", &[grant_type, serial]))
    }

    /// Where a client that registered itself lives.
    pub(crate) fn registered_client(&self, client_id: &str) -> Key {
        Key::root(records::CLIENT, self.id("registered client", &[client_id]))
    }

    /// The list of clients that registered themselves.
    pub(crate) fn registered_clients(&self) -> Id {
        self.id("registered clients", &[])
    }

    /// Where a client's assertion is filed as spent: in a partition of its own.
    pub(crate) fn spent_assertion(&self, client_id: &str, serial: &str) -> Key {
        Key::root(records::ONCE, self.id("client assertion", &[client_id, serial]))
    }

    /// The key under which the ids of grants are masked in the `jti` of access tokens.
    pub(crate) fn jti(&self) -> &dyn MacKey {
        &*self.jti
    }

    /// The key under which the ids of grants are masked in opaque access tokens.
    pub(crate) fn access_tokens(&self) -> &dyn MacKey {
        &*self.access_tokens
    }

    /// The value that a form under a cookie must repeat: bound to the browser and to what is being decided.
    pub(crate) fn anti_forgery(&self, browser: Id, subject_matter: Id) -> Id {
        Self::derived(&*self.anti_forgery, &[browser.as_bytes(), subject_matter.as_bytes()])
    }

    /// What a consent page is about: the request, and the user who was asked.
    pub(crate) fn consent_matter(&self, interaction: Id, who: Option<&SignedIn>) -> Id {
        let subject = who.map_or("", |who| who.subject().as_str());
        self.id("consent", &[&interaction.to_string(), subject])
    }

    /// The value of a form that is shown to whoever is signed in, whatever cookie knows them: bound to user, session and login.
    pub(crate) fn user_form(&self, who: &SignedIn, subject_matter: Id) -> Id {
        let session = who.session_id().map_or("", SessionId::as_str);
        let since = who.auth_time().as_millis().to_string();
        let whose = self.id("form", &[who.subject().as_str(), session, &since]);
        Self::derived(&*self.anti_forgery, &[whose.as_bytes(), subject_matter.as_bytes()])
    }

    /// The secret of the code that a decided interaction yields: the same however often the answer is made anew.
    pub(crate) fn code(&self, interaction: Id, grant: Id) -> [u8; 32] {
        self.codes.mac(&[interaction.as_bytes(), grant.as_bytes()])
    }

    fn derived(key: &dyn MacKey, parts: &[&[u8]]) -> Id {
        let hash = key.mac(parts);
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        Id::from_bytes(id)
    }
}
