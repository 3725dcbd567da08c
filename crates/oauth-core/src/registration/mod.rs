//! Clients that register themselves (RFC 7591), and look after their registration (RFC 7592).

mod metadata;
mod stored;
mod transfer;

use std::fmt;
use std::time::Duration;

use countersign_primitives::SecretString;
use countersign_storage_traits::{Charge, CounterKey};
use countersign_tokens::{CryptoProvider as _, HandleHash, Ring};

use crate::client_secret::estimated_bits;
use crate::{Peer, Server};

pub(crate) use metadata::Asked;
pub(crate) use stored::{Registered, TOKEN_HANDLE};
pub use transfer::{ClientImportError, ClientsPage, GrantInfo, GrantsPage, ImportedClient, RegisteredClients};

/// Who may register clients. Nobody, unless the host says otherwise.
///
/// Whoever registers gets the code and refresh token grants and public scopes alone, and its users are asked for their consent
/// the first time, whatever it asks for.
///
/// ```
/// use countersign_oauth_core::Registration;
/// use std::time::Duration;
///
/// let open = Registration::open().per_hour(3).unused_for(Duration::from_secs(3_600));
/// let invited = Registration::with_initial_access_token("b7c1e0a94d5f4e8f9a63d2c17e58f0ab");
/// # let _ = (open, invited);
/// ```
#[derive(Clone)]
pub struct Registration {
    gate: Gate,
    per_hour: u32,
    unused_for: Duration,
}

#[derive(Clone)]
enum Gate {
    Closed,
    Open,
    Invited { tokens: Vec<HandleHash>, weak: bool },
}

impl Default for Registration {
    fn default() -> Self {
        Self::closed()
    }
}

impl Registration {
    /// Nobody registers: there is no such endpoint. The default.
    #[must_use]
    pub fn closed() -> Self {
        Self { gate: Gate::Closed, per_hour: 10, unused_for: Duration::from_secs(86_400) }
    }

    /// Everybody registers (RFC 7591 §1.2, open registration).
    #[must_use]
    pub fn open() -> Self {
        Self { gate: Gate::Open, ..Self::closed() }
    }

    /// Who holds this token registers, any number of clients (RFC 7591 §3, initial access token). One that could be guessed
    /// (under 128 bits) is refused at start.
    #[must_use]
    pub fn with_initial_access_token(token: impl Into<SecretString>) -> Self {
        let gate = Gate::Invited { tokens: Vec::new(), weak: false };
        Self { gate, ..Self::closed() }.and_initial_access_token(token)
    }

    /// One more initial access token. Does nothing where registration is closed or open to everybody.
    #[must_use]
    pub fn and_initial_access_token(mut self, token: impl Into<SecretString>) -> Self {
        if let Gate::Invited { tokens, weak } = &mut self.gate {
            let token = token.into();
            *weak |= estimated_bits(token.expose()) < 128.0;
            tokens.push(hash(&token));
        }
        self
    }

    /// How many clients one address (an IPv6 subscriber's /64) registers in an hour where registration is open; loopback as
    /// many as it likes. Default: 10.
    #[must_use]
    pub fn per_hour(mut self, clients: u32) -> Self {
        self.per_hour = clients;
        self
    }

    /// How long a client that nothing was issued to is kept, so that strangers fill no store. Default: a day.
    #[must_use]
    pub fn unused_for(mut self, period: Duration) -> Self {
        self.unused_for = period;
        self
    }

    /// Whether anybody may register.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.gate, Gate::Closed)
    }

    /// Whether everybody may register.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.gate, Gate::Open)
    }

    pub(crate) fn has_weak_token(&self) -> bool {
        matches!(self.gate, Gate::Invited { weak: true, .. })
    }

    pub(crate) fn unused_period(&self) -> Duration {
        self.unused_for
    }

    /// Whether this initial access token admits.
    pub(crate) fn admits(&self, token: Option<&SecretString>) -> bool {
        match (&self.gate, token) {
            (Gate::Closed, _) | (Gate::Invited { .. }, None) => false,
            (Gate::Open, _) => true,
            (Gate::Invited { tokens, .. }, Some(shown)) => {
                let shown = hash(shown);
                // Each is compared, so that the time tells nothing of which.
                tokens.iter().fold(false, |found, token| found | token.matches(&shown))
            }
        }
    }

    /// What a registration by this peer costs; nothing from loopback, and nothing for who was invited.
    pub(crate) fn charge(&self, server: &Server, peer: Peer) -> Option<Charge> {
        let subscriber = peer.counted().filter(|_| self.is_open())?;
        let counter = CounterKey(server.secrets().id("registrations", &[&subscriber]));
        Some(Charge { counter, add: 1, limit: self.per_hour, window: Duration::from_secs(3_600) })
    }
}

fn hash(token: &SecretString) -> HandleHash {
    HandleHash::from_bytes(Ring.sha256(&[token.expose().as_bytes()]))
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.gate {
            Gate::Closed => "Registration(closed)",
            Gate::Open => "Registration(open)",
            Gate::Invited { .. } => "Registration(with an initial access token)",
        })
    }
}
