//! The signing keys of an issuer, from first publication to oblivion.

mod active;
mod policy;
mod stored;

use std::fmt;

use countersign_primitives::{SecretBytes, UnixTime};

use crate::{CryptoError, CryptoProvider, PublicJwk, SigningAlgorithm};

pub use active::{ActiveKeys, ActiveKeysError};
pub use policy::RotationPolicy;

/// The keys that an issuer signs with, has signed with and will sign with.
///
/// It is a plain value: whoever stores it decides between nodes which change wins, and a change that lost is computed
/// anew from what won. A key is published first and signs later, so that every cache knows it in time; it stays
/// published until the last token it signed is over, and its public half stays known a while longer, for ID token hints.
///
/// `Serialize` writes the private keys: the result belongs into encrypted storage and nowhere else.
///
/// ```
/// use countersign_primitives::{Clock, SystemClock};
/// use countersign_tokens::{ActiveKeys, KeyRing, NewKey, Ring, RotationPolicy, SigningAlgorithm};
///
/// let (now, policy) = (SystemClock.now(), RotationPolicy::default());
/// let mut ring = KeyRing::first([NewKey::generate(&Ring, SigningAlgorithm::Es256)?], now);
/// let active = ActiveKeys::open(&ring, &Ring, now)?;
/// assert!(active.signer(SigningAlgorithm::Es256).is_some());
///
/// // A day later the next key signs; caches have known it since now.
/// let next = ring.rotate(now, &policy, NewKey::generate(&Ring, SigningAlgorithm::Es256)?)?;
/// assert_eq!(ring.published(now).count(), 2);
/// assert_eq!(ring.signing(SigningAlgorithm::Es256, now.plus(policy.publish_ahead)).map(|key| key.kid()), Some(&*next));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct KeyRing {
    keys: Vec<RingKey>,
}

/// One key of a [`KeyRing`] and the times of its life.
pub struct RingKey {
    algorithm: SigningAlgorithm,
    kid: String,
    public: PublicJwk,
    /// Erased once it signs no more.
    private: Option<SecretBytes>,
    published_at: UnixTime,
    signs_from: UnixTime,
    signs_until: Option<UnixTime>,
    leaves_jwks_at: Option<UnixTime>,
    forgotten_at: Option<UnixTime>,
}

impl RingKey {
    /// Its name: the thumbprint of its public half (RFC 7638).
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// Its public half.
    #[must_use]
    pub const fn public(&self) -> &PublicJwk {
        &self.public
    }

    /// When it was published.
    #[must_use]
    pub const fn published_at(&self) -> UnixTime {
        self.published_at
    }

    /// From when on it signs.
    #[must_use]
    pub const fn signs_from(&self) -> UnixTime {
        self.signs_from
    }

    /// When it stops signing, if its successor is known.
    #[must_use]
    pub const fn signs_until(&self) -> Option<UnixTime> {
        self.signs_until
    }

    /// When it leaves the published set.
    #[must_use]
    pub const fn leaves_jwks_at(&self) -> Option<UnixTime> {
        self.leaves_jwks_at
    }

    /// When its public half is forgotten too.
    #[must_use]
    pub const fn forgotten_at(&self) -> Option<UnixTime> {
        self.forgotten_at
    }

    fn new(key: NewKey, now: UnixTime, signs_from: UnixTime) -> Self {
        let NewKey { algorithm, kid, public, private } = key;
        Self {
            algorithm,
            kid,
            public,
            private: Some(private),
            published_at: now,
            signs_from,
            signs_until: None,
            leaves_jwks_at: None,
            forgotten_at: None,
        }
    }

    /// Plans its end: what it signed by then outlives it.
    fn hand_over(&mut self, at: UnixTime, policy: &RotationPolicy) {
        self.signs_until = Some(at);
        self.leaves_jwks_at = Some(at.plus(policy.published_after()));
        self.forgotten_at = Some(at.plus(policy.known_after()));
    }

    fn signs(&self, now: UnixTime) -> bool {
        self.signs_from <= now && is_before(now, self.signs_until) && self.private.is_some()
    }

    fn is_published(&self, now: UnixTime) -> bool {
        is_before(now, self.leaves_jwks_at) // by whichever clock it came: it is in the ring
    }

    fn is_known(&self, now: UnixTime) -> bool {
        is_before(now, self.forgotten_at)
    }

    /// Every time at which something about this key changes.
    fn turns(&self) -> impl Iterator<Item = UnixTime> {
        [Some(self.signs_from), self.signs_until, self.leaves_jwks_at, self.forgotten_at].into_iter().flatten()
    }
}

/// A beginning that has come on every node, whose clock may be behind.
fn at_once(now: UnixTime) -> UnixTime {
    now.minus(policy::SKEW)
}

/// Whether a time that may never come has not come.
fn is_before(now: UnixTime, end: Option<UnixTime>) -> bool {
    end.is_none_or(|end| now < end)
}

impl fmt::Debug for RingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .field("signs_from", &self.signs_from)
            .field("signs_until", &self.signs_until)
            .finish_non_exhaustive()
    }
}

/// A private key that is about to enter a [`KeyRing`].
pub struct NewKey {
    algorithm: SigningAlgorithm,
    kid: String,
    public: PublicJwk,
    private: SecretBytes,
}

impl NewKey {
    /// Makes a key.
    ///
    /// # Errors
    /// When the provider cannot make keys for this algorithm; see [`NewKey::load`].
    pub fn generate(crypto: &dyn CryptoProvider, algorithm: SigningAlgorithm) -> Result<Self, CryptoError> {
        Self::load(crypto, algorithm, crypto.generate_key(algorithm)?)
    }

    /// Takes a key that was made elsewhere, in PKCS#8.
    ///
    /// # Errors
    /// When it is no key for this algorithm.
    pub fn load(
        crypto: &dyn CryptoProvider,
        algorithm: SigningAlgorithm,
        pkcs8: SecretBytes,
    ) -> Result<Self, CryptoError> {
        let public = crypto.signing_key(algorithm, &pkcs8)?.public_key().clone();
        let kid = public.thumbprint(crypto).ok_or(CryptoError::PrivateKey)?;
        Ok(Self { algorithm, public: public.with_kid(kid.clone()), kid, private: pkcs8 })
    }

    /// Its name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("kid", &self.kid).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Why a key ring was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// The policy would let a key sign before caches can know it.
    #[error("keys must be published at least 7 minutes before they sign")]
    PublishAhead,
    /// A key of this algorithm is published already and waits for its time to sign.
    #[error("a rotation is already under way")]
    Pending,
    /// The ring has this key, or had it when the rotation was decided.
    #[error("the key is in the ring already")]
    Duplicate,
    /// The ring has no key of this name.
    #[error("the ring has no such key")]
    UnknownKey,
}

impl KeyRing {
    /// The ring of a new issuer. These keys sign at once, since nobody has cached a set without them.
    #[must_use]
    pub fn first(keys: impl IntoIterator<Item = NewKey>, now: UnixTime) -> Self {
        Self { keys: keys.into_iter().map(|key| RingKey::new(key, now, now)).collect() }
    }

    /// Every key, in the order in which they came.
    #[must_use]
    pub fn keys(&self) -> &[RingKey] {
        &self.keys
    }

    /// The key that signs now.
    #[must_use]
    pub fn signing(&self, algorithm: SigningAlgorithm, now: UnixTime) -> Option<&RingKey> {
        let candidates = self.keys.iter().filter(|key| key.algorithm == algorithm && key.signs(now));
        candidates.max_by_key(|key| key.signs_from)
    }

    /// The keys that the published set shows now.
    pub fn published(&self, now: UnixTime) -> impl Iterator<Item = &RingKey> {
        self.keys.iter().filter(move |key| key.is_published(now))
    }

    /// The keys that may verify now: those published, and those remembered for ID token hints.
    pub fn known(&self, now: UnixTime) -> impl Iterator<Item = &RingKey> {
        self.keys.iter().filter(move |key| key.is_known(now))
    }

    /// Publishes `key` now and lets it sign once caches have it; the present key signs until then. Yields its name.
    ///
    /// Where no key of the algorithm signs, the new one signs at once, also on nodes whose clock is behind: there is nothing
    /// better to wait with.
    ///
    /// # Errors
    /// [`KeyRingError::Pending`] while a rotation is under way, so that two nodes that rotate make one rotation;
    /// [`KeyRingError::PublishAhead`] or [`KeyRingError::Duplicate`].
    pub fn rotate(&mut self, now: UnixTime, policy: &RotationPolicy, key: NewKey) -> Result<String, KeyRingError> {
        policy.check()?;
        if self.keys.iter().any(|known| known.kid == key.kid) {
            return Err(KeyRingError::Duplicate);
        }
        if self.pending(key.algorithm, now).is_some() {
            return Err(KeyRingError::Pending);
        }
        let hand_over = match self.signing(key.algorithm, now) {
            Some(_) => now.plus(policy.publish_ahead),
            None => at_once(now),
        };
        for old in self.keys.iter_mut().filter(|old| old.algorithm == key.algorithm && old.signs_until.is_none()) {
            old.hand_over(hand_over, policy);
        }
        let kid = key.kid.clone();
        self.keys.push(RingKey::new(key, now, hand_over));
        self.tidy(now);
        Ok(kid)
    }

    /// Takes a key out at once: it neither signs nor verifies, and every token it signed is void. A key that waits to
    /// follow it signs from now on. Says whether a key of the algorithm is left to sign; if not, [`KeyRing::rotate`]
    /// brings one that signs at once.
    ///
    /// # Errors
    /// [`KeyRingError::UnknownKey`].
    pub fn revoke(&mut self, kid: &str, now: UnixTime) -> Result<bool, KeyRingError> {
        let position = self.keys.iter().position(|key| key.kid == kid).ok_or(KeyRingError::UnknownKey)?;
        let gone = self.keys.remove(position);
        if now < gone.signs_from {
            self.call_off(&gone);
        } else if self.signing(gone.algorithm, now).is_none() {
            let waiting = self.keys.iter_mut().filter(|key| key.algorithm == gone.algorithm && now < key.signs_from);
            if let Some(next) = waiting.min_by_key(|key| key.signs_from) {
                next.signs_from = at_once(now);
            }
        }
        let algorithm = gone.algorithm;
        Ok(self.signing(algorithm, now).is_some())
    }

    /// The key that was to hand over to `gone` goes on signing.
    fn call_off(&mut self, gone: &RingKey) {
        let handing_over =
            |key: &&mut RingKey| key.algorithm == gone.algorithm && key.signs_until == Some(gone.signs_from);
        for key in self.keys.iter_mut().filter(handing_over) {
            (key.signs_until, key.leaves_jwks_at, key.forgotten_at) = (None, None, None);
        }
    }

    /// Whether the key that signs is old enough for the next one to be published, and none is yet.
    #[must_use]
    pub fn rotation_is_due(&self, algorithm: SigningAlgorithm, now: UnixTime, policy: &RotationPolicy) -> bool {
        self.rotation_due_at(algorithm, now, policy).is_some_and(|due| due <= now)
    }

    /// When the next key is to be published; `None` while one waits, since its successor is planned once it signs.
    #[must_use]
    pub fn rotation_due_at(
        &self,
        algorithm: SigningAlgorithm,
        now: UnixTime,
        policy: &RotationPolicy,
    ) -> Option<UnixTime> {
        if self.pending(algorithm, now).is_some() {
            return None;
        }
        let due = |key: &RingKey| key.signs_from.plus(policy.every).minus(policy.publish_ahead);
        Some(self.signing(algorithm, now).map_or(now, due))
    }

    /// Plans the end of keys of other algorithms: a server that signs with another one now has no use for them, but a node
    /// that was not told yet may go on for [`RotationPolicy::publish_ahead`]. Says whether anything changed.
    pub fn retire_others(&mut self, algorithm: SigningAlgorithm, now: UnixTime, policy: &RotationPolicy) -> bool {
        let others = self.keys.iter_mut().filter(|key| key.algorithm != algorithm && key.signs_until.is_none());
        others.map(|key| key.hand_over(now.plus(policy.publish_ahead), policy)).count() > 0
    }

    /// Keeps keys as long as a policy asks that came after their end was planned: tokens may live longer than they did then.
    /// Nothing ends sooner for it. Says whether anything changed.
    pub fn lengthen(&mut self, policy: &RotationPolicy) -> bool {
        let mut changed = false;
        for key in &mut self.keys {
            let Some(until) = key.signs_until else { continue };
            let before = (key.leaves_jwks_at, key.forgotten_at);
            key.leaves_jwks_at = key.leaves_jwks_at.max(Some(until.plus(policy.published_after())));
            key.forgotten_at = key.forgotten_at.max(Some(until.plus(policy.known_after())));
            changed |= before != (key.leaves_jwks_at, key.forgotten_at);
        }
        changed
    }

    /// Erases private keys that sign no more, and forgets keys whose time is over. Says whether anything changed.
    pub fn tidy(&mut self, now: UnixTime) -> bool {
        let before = self.keys.len();
        self.keys.retain(|key| key.is_known(now));
        let mut changed = self.keys.len() != before;
        for key in self.keys.iter_mut().filter(|key| !is_before(now, key.signs_until)) {
            changed |= key.private.take().is_some();
        }
        changed
    }

    /// When the ring next means something else than it does now: a holder of [`ActiveKeys`] opens it again then.
    #[must_use]
    pub fn next_change(&self, now: UnixTime) -> Option<UnixTime> {
        self.keys.iter().flat_map(RingKey::turns).filter(|turn| *turn > now).min()
    }

    /// The key of this algorithm that is published and waits for its time to sign.
    #[must_use]
    pub fn pending(&self, algorithm: SigningAlgorithm, now: UnixTime) -> Option<&RingKey> {
        self.keys.iter().find(|key| key.algorithm == algorithm && now < key.signs_from)
    }
}
