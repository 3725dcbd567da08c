//! The signing keys of this issuer: a ring in the store, which every node opens for itself and looks at again while it is in use.

mod change;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use bytes::Bytes;
use countersign_events::Events;
use countersign_primitives::{Clock, Random, UnixTime};
use countersign_storage_traits::{Found, Key, Kind, Record, Store, StoreError, Stored, Version};
use countersign_tokens::{
    ActiveKeys, CryptoProvider, Expect, Header, JwtError, KeyRing, RotationPolicy, SigningAlgorithm, Verified,
    sign_compact, verify_compact,
};
use serde::{Deserialize, Serialize};

use crate::{Cause, ConfigError, Refusal};

pub use change::{KeyInfo, KeyState, Rotated};

/// How long a node trusts what it read of the ring: a key that was revoked is out of use everywhere within 5 s.
const REFRESH: Duration = Duration::from_secs(4);

/// The signing keys of an issuer, and what an operator does with them. See [`Server::keys`](crate::Server::keys).
///
/// The ring lives in the store, and every change to it is one commit that expects the ring as it was read. Any number of nodes
/// that change it at once end with one ring, and a crash leaves the ring before the change or the one after it.
///
/// ```
/// # async fn example(server: &countersign_oauth_core::Server) -> Result<(), countersign_oauth_core::Refusal> {
/// let next = server.keys().rotate().await?;
/// println!("{} signs from {:?}", next.kid, next.signs_from);
/// for key in server.keys().list().await? {
///     println!("{} {:?}", key.kid, key.state);
/// }
/// # Ok(()) }
/// ```
pub struct Keys {
    parts: KeyParts,
    current: RwLock<Arc<Opened>>,
    /// Counts looks at the store, so that a slow one never puts an older ring in place of a newer.
    looks: AtomicU64,
}

/// What the keys rest on.
pub(crate) struct KeyParts {
    pub(crate) key: Key,
    pub(crate) algorithm: SigningAlgorithm,
    pub(crate) policy: RotationPolicy,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) crypto: Arc<dyn CryptoProvider>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) events: Events,
}

/// The ring opened at one moment.
pub(crate) struct Opened {
    keys: Arc<Parsed>,
    version: Version,
    look: u64,
    read_at: UnixTime,
}

/// A ring with its keys parsed, and the published set written out.
struct Parsed {
    active: ActiveKeys,
    jwks: Bytes,
    etag: String,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct RingRecord(KeyRing);

impl Stored for RingRecord {
    const KIND: Kind = crate::records::KEY_RING;
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl Keys {
    /// Opens the ring of this issuer, or begins one. Of several nodes that begin together, one wins and all use its keys.
    pub(crate) async fn open(parts: KeyParts) -> Result<Self, ConfigError> {
        let now = parts.clock.now();
        let found = match parts.find(now).await {
            Ok(found) => found,
            Err(StoreError::WrongKey { .. }) => return Err(ConfigError::MasterKey),
            Err(error) => return Err(ConfigError::Store(error)),
        };
        let found = parts.begin(found).await?;
        let now = parts.clock.now();
        let keys = parts.parse(&found.value.0, now).map_err(|error| ConfigError::Keys(error.into()))?;
        let opened = Opened { keys: Arc::new(keys), version: found.version, look: 0, read_at: now };
        Ok(Self { parts, current: RwLock::new(Arc::new(opened)), looks: AtomicU64::new(0) })
    }

    /// The ring, looked at again when what this node knows is old. A node that cannot look does not sign or verify by what it
    /// knew: a key may have been revoked meanwhile (promise 14).
    pub(crate) async fn current(&self) -> Result<Arc<Opened>, Refusal> {
        let (known, now) = (self.known(), self.parts.clock.now());
        if known.is_fresh(now) { Ok(known) } else { self.look_again().await }
    }

    /// The ring for the published set. A store that is away is no reason to withhold what every cache may hold as long.
    pub(crate) async fn published(&self) -> Result<Arc<Opened>, Refusal> {
        let refusal = match self.current().await {
            Ok(current) => return Ok(current),
            Err(refusal) => refusal,
        };
        let (known, now) = (self.known(), self.parts.clock.now());
        let is_young = known.read_at <= now && now.since(known.read_at) < RotationPolicy::JWKS_MAX_AGE;
        if is_young { Ok(known) } else { Err(refusal) }
    }

    /// Signs claims as a JWT of this type.
    pub(crate) async fn sign<T: Serialize + Sync + ?Sized>(&self, typ: &str, claims: &T) -> Result<String, Refusal> {
        let opened = self.current().await?;
        let signer = opened.keys.active.signer(self.parts.algorithm).ok_or(Cause::SigningFailed)?;
        let token = sign_compact(&**signer, &Header::typ(typ), claims).await;
        token.map_err(|error| Refusal::from(Cause::SigningFailed).source(error))
    }

    /// Verifies a JWT of ours. A key that this node has not heard of makes it look at the ring at once; that costs what an
    /// unknown code costs.
    pub(crate) async fn verify(&self, token: &str, expect: &Expect<'_>) -> Result<Result<Verified, JwtError>, Refusal> {
        let opened = self.current().await?;
        let verdict = verify_compact(&*self.parts.crypto, token, opened.keys.active.verifiers(), expect);
        if !matches!(verdict, Err(JwtError::UnknownKey)) {
            return Ok(verdict);
        }
        let again = self.look_again().await?;
        Ok(verify_compact(&*self.parts.crypto, token, again.keys.active.verifiers(), expect))
    }

    /// The algorithm that tokens are signed with.
    pub(crate) fn algorithm(&self) -> SigningAlgorithm {
        self.parts.algorithm
    }

    fn known(&self) -> Arc<Opened> {
        match self.current.read() {
            Ok(current) => Arc::clone(&current),
            Err(poisoned) => Arc::clone(&poisoned.into_inner()),
        }
    }

    async fn look_again(&self) -> Result<Arc<Opened>, Refusal> {
        let (look, now) = (self.next_look(), self.parts.clock.now());
        let record = self.parts.record(now).await?.ok_or(Cause::KeysUnusable)?;
        let known = self.known();
        let keys = if record.version == known.version && known.holds(now) {
            Arc::clone(&known.keys)
        } else {
            let ring = Found::<RingRecord>::decode(self.parts.key, &record)?.value.0;
            Arc::new(self.parts.parse(&ring, now)?)
        };
        Ok(self.install(Opened { keys, version: record.version, look, read_at: now }))
    }

    fn next_look(&self) -> u64 {
        self.looks.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Puts what was read in place, unless something newer is there already.
    fn install(&self, opened: Opened) -> Arc<Opened> {
        let mut current = match self.current.write() {
            Ok(current) => current,
            Err(poisoned) => poisoned.into_inner(),
        };
        if current.look < opened.look {
            *current = Arc::new(opened);
        }
        Arc::clone(&current)
    }
}

impl Opened {
    /// The key set as JSON, and its entity tag.
    pub(crate) fn jwks(&self) -> (&Bytes, &str) {
        (&self.keys.jwks, &self.keys.etag)
    }

    /// A clock that was set back makes it old as well.
    fn is_fresh(&self, now: UnixTime) -> bool {
        self.read_at <= now && now.since(self.read_at) < REFRESH && self.holds(now)
    }

    /// Whether no key began or ended since.
    fn holds(&self, now: UnixTime) -> bool {
        self.read_at <= now && self.keys.active.valid_until().is_none_or(|end| now < end)
    }
}

impl KeyParts {
    async fn record(&self, now: UnixTime) -> Result<Option<Record>, StoreError> {
        Ok(self.store.get(&[self.key], now).await?.pop().flatten())
    }

    async fn find(&self, now: UnixTime) -> Result<Option<Found<RingRecord>>, StoreError> {
        self.store.find(self.key, now).await
    }

    fn parse(&self, ring: &KeyRing, now: UnixTime) -> Result<Parsed, Refusal> {
        let unusable = |error| Refusal::from(Cause::KeysUnusable).source(error);
        let active = ActiveKeys::open(ring, &*self.crypto, now).map_err(unusable)?;
        let jwks = Bytes::copy_from_slice(active.jwks_json());
        let etag = crate::endpoints::entity_tag(&*self.crypto, &jwks);
        Ok(Parsed { active, jwks, etag })
    }
}
