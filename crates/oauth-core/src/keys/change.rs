//! What changes the ring: its beginning, rotation, revocation, and the work that is due.

use countersign_events::{Event, EventKind};
use countersign_primitives::UnixTime;
use countersign_storage_traits::{Batch, CommitError, Expect, Found, Version};
use countersign_tokens::{KeyRing, KeyRingError, NewKey, RingKey, SigningAlgorithm};
use serde::Serialize;

use super::{KeyParts, Keys, Opened, RingRecord};
use crate::{Cause, ConfigError, Refusal};

/// How often a change is computed anew when others were first. Each time one of them has got through.
const ATTEMPTS: usize = 16;

/// What [`Keys::rotate`] came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Rotated {
    /// The key that signs next.
    pub kid: String,
    /// From when on: once every cache has it.
    pub signs_from: UnixTime,
    /// Whether this call published it. If not, a rotation was under way already, and this is its key.
    pub is_new: bool,
}

/// A key as an operator sees it: its name and the times of its life. The private half is never shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyInfo {
    /// Its name: the thumbprint of its public half (RFC 7638).
    pub kid: String,
    /// Its algorithm.
    pub algorithm: SigningAlgorithm,
    /// Where it stands in its life.
    pub state: KeyState,
    /// When it was published.
    pub published_at: UnixTime,
    /// From when on it signs.
    pub signs_from: UnixTime,
    /// When it stops signing, if its successor is known.
    pub signs_until: Option<UnixTime>,
    /// When it leaves the published set.
    pub leaves_jwks_at: Option<UnixTime>,
    /// When its public half is forgotten too.
    pub forgotten_at: Option<UnixTime>,
}

/// Where in its life a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyState {
    /// Published; it signs once caches have it.
    Waiting,
    /// It signs.
    Signing,
    /// It signs no more; it is published until the last token it signed is over.
    Retiring,
    /// It has left the published set; ID token hints that it signed still verify (OpenID Connect Core §3.1.2.1).
    Remembered,
}

/// What a change to the ring is to come to.
enum Step<T> {
    /// The ring is as it should be.
    Leave(T),
    /// It was changed, and is to be stored with what happened to these keys.
    Store(T, Vec<(EventKind, String)>),
}

impl Keys {
    /// Publishes a new key now, which signs once caches have it; the present one signs until then, and is published until the
    /// last token it signed is over. While a rotation is under way nothing happens and its key is told.
    ///
    /// [`Server::work`](crate::Server::work) rotates by itself when it is time, so a host need not call this.
    ///
    /// # Errors
    /// When the store fails, or a key cannot be made.
    pub async fn rotate(&self) -> Result<Rotated, Refusal> {
        let (algorithm, now) = (self.parts.algorithm, self.parts.clock.now());
        self.change(now, |ring| {
            if let Some(waiting) = ring.pending(algorithm, now) {
                return Ok(Step::Leave(Rotated::to(waiting, false)));
            }
            let kid = self.parts.add_key(ring, now)?;
            let next = ring.keys().iter().find(|key| key.kid() == kid).ok_or(Cause::KeysUnusable)?;
            Ok(Step::Store(Rotated::to(next, true), vec![(EventKind::KeyCreated, kid)]))
        })
        .await
    }

    /// Takes a key out at once, in an emergency: it neither signs nor verifies, and every token it signed is void, on every node
    /// within 5 s. The key that waits signs from now on; if none is left, a new one does. Yields the name of the key that signs.
    ///
    /// Resource servers that check signatures by themselves hear of it when they read the published set again: `max-age` is
    /// 5 minutes, and a key they do not know makes them read it at once.
    ///
    /// # Errors
    /// [`Cause::UnknownKey`] when the ring has no key of this name; when the store fails, or a key cannot be made.
    pub async fn revoke(&self, kid: &str) -> Result<String, Refusal> {
        let (algorithm, now) = (self.parts.algorithm, self.parts.clock.now());
        let mut was_there = false;
        self.change(now, |ring| {
            let mut events = Vec::new();
            match ring.revoke(kid, now) {
                Ok(_) => events.push((EventKind::KeyRevoked, kid.to_owned())),
                // Gone since this call first looked: another did the same, or our own commit went through unheard.
                Err(KeyRingError::UnknownKey) if was_there => {}
                Err(error) => return Err(ring_refusal(error)),
            }
            was_there = true;
            if ring.signing(algorithm, now).is_none() {
                events.push((EventKind::KeyCreated, self.parts.add_key(ring, now)?));
            }
            let signs = ring.signing(algorithm, now).ok_or(Cause::KeysUnusable)?.kid().to_owned();
            Ok(if events.is_empty() { Step::Leave(signs) } else { Step::Store(signs, events) })
        })
        .await
    }

    /// Every key of the ring, in the order in which they came, as the store has them at this moment.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<KeyInfo>, Refusal> {
        let now = self.parts.clock.now();
        let ring = self.parts.find(now).await?.ok_or(Cause::KeysUnusable)?.value.0;
        Ok(ring.known(now).map(|key| KeyInfo::of(key, &ring, now)).collect())
    }

    /// Rotates when it is time, erases private keys that sign no more, and forgets keys whose time is over. Does nothing when
    /// nothing is due, so that it may run on every node at once. Says when it has something to do again.
    pub(crate) async fn work(&self, now: UnixTime) -> Result<Option<UnixTime>, Refusal> {
        let (algorithm, policy) = (self.parts.algorithm, &self.parts.policy);
        self.change(now, |ring| {
            let mut events = Vec::new();
            let mut is_changed = ring.lengthen(policy);
            if ring.rotation_is_due(algorithm, now, policy) {
                events.push((EventKind::KeyCreated, self.parts.add_key(ring, now)?));
            }
            is_changed |= ring.retire_others(algorithm, now, policy);
            is_changed |= ring.tidy(now) || !events.is_empty();
            let next = ring.next_change(now).into_iter().chain(ring.rotation_due_at(algorithm, now, policy)).min();
            Ok(if is_changed { Step::Store(next, events) } else { Step::Leave(next) })
        })
        .await
    }

    /// Changes the ring in one commit that expects it as it was read; when another was first, the change is computed anew from
    /// what won.
    async fn change<T: Send>(
        &self,
        now: UnixTime,
        mut change: impl FnMut(&mut KeyRing) -> Result<Step<T>, Refusal> + Send,
    ) -> Result<T, Refusal> {
        for _ in 0..ATTEMPTS {
            let mut found = self.parts.find(now).await?.ok_or(Cause::KeysUnusable)?;
            let (outcome, events) = match change(&mut found.value.0)? {
                Step::Leave(outcome) => return Ok(outcome),
                Step::Store(outcome, events) => (outcome, events),
            };
            // Opened before it is stored: a ring that no node could open is never written.
            let keys = self.parts.parse(&found.value.0, now)?.into();
            match self.parts.store(&found.value, found.unchanged(), now).await {
                Ok(version) => {
                    self.install(Opened { keys, version, look: self.next_look(), read_at: now });
                    self.parts.tell(events, now);
                    return Ok(outcome);
                }
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Cause::Contention.into())
    }
}

impl KeyParts {
    /// Begins the ring, or adds a key of an algorithm that is new to it. There is nothing to wait with, so that key signs at once.
    ///
    /// When another node was first, what it made is taken. The time is read anew with each look, since its key may sign from a
    /// moment that came after the first.
    pub(super) async fn begin(&self, mut found: Option<Found<RingRecord>>) -> Result<Found<RingRecord>, ConfigError> {
        let failed = |refusal: Refusal| ConfigError::Keys(refusal.into());
        for _ in 0..ATTEMPTS {
            let now = self.clock.now();
            let expect = match found {
                Some(found) if found.value.0.signing(self.algorithm, now).is_some() => return Ok(found),
                Some(ref found) => found.unchanged(),
                None => Expect::Absent,
            };
            let mut ring = found.map(|found| found.value.0).unwrap_or_default();
            let kid = self.add_key(&mut ring, now).map_err(failed)?;
            let record = RingRecord(ring);
            match self.store(&record, expect, now).await {
                Ok(version) => {
                    self.tell(vec![(EventKind::KeyCreated, kid)], now);
                    return Ok(Found { key: self.key, version, expires_at: UnixTime::MAX, value: record });
                }
                Err(CommitError::Conflict(_)) => {
                    found = self.find(self.clock.now()).await.map_err(ConfigError::Store)?
                }
                Err(CommitError::Unknown(error) | CommitError::Refused(error)) => {
                    return Err(ConfigError::Store(error));
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
        Err(failed(Cause::Contention.into()))
    }

    async fn store(&self, ring: &RingRecord, expect: Expect, now: UnixTime) -> Result<Version, CommitError> {
        let unwritable = |error| CommitError::Refused(error);
        let mut batch = Batch::new(self.key.partition, now, &*self.random)
            .map_err(|error| unwritable(countersign_storage_traits::StoreError::unavailable(error)))?;
        batch.put_value(self.key, expect, UnixTime::MAX, ring).map_err(unwritable)?;
        self.store.commit_surely(&batch).await.map(|()| batch.id())
    }

    fn add_key(&self, ring: &mut KeyRing, now: UnixTime) -> Result<String, Refusal> {
        let key = NewKey::generate(&*self.crypto, self.algorithm);
        let key = key.map_err(|error| Refusal::from(Cause::KeysUnusable).source(error))?;
        ring.rotate(now, &self.policy, key).map_err(ring_refusal)
    }

    fn tell(&self, events: Vec<(EventKind, String)>, now: UnixTime) {
        for (kind, kid) in events {
            self.events.record(&Event::new(kind, now).with_key_id(kid));
        }
    }
}

impl Rotated {
    fn to(key: &RingKey, is_new: bool) -> Self {
        Self { kid: key.kid().to_owned(), signs_from: key.signs_from(), is_new }
    }
}

impl KeyInfo {
    fn of(key: &RingKey, ring: &KeyRing, now: UnixTime) -> Self {
        let signs = ring.signing(key.algorithm(), now).is_some_and(|signing| signing.kid() == key.kid());
        let state = if now < key.signs_from() {
            KeyState::Waiting
        } else if signs {
            KeyState::Signing
        } else if key.leaves_jwks_at().is_none_or(|end| now < end) {
            KeyState::Retiring
        } else {
            KeyState::Remembered
        };
        Self {
            kid: key.kid().to_owned(),
            algorithm: key.algorithm(),
            state,
            published_at: key.published_at(),
            signs_from: key.signs_from(),
            signs_until: key.signs_until(),
            leaves_jwks_at: key.leaves_jwks_at(),
            forgotten_at: key.forgotten_at(),
        }
    }
}

fn ring_refusal(error: KeyRingError) -> Refusal {
    let cause = match error {
        KeyRingError::UnknownKey => Cause::UnknownKey,
        _ => Cause::KeysUnusable,
    };
    Refusal::from(cause).source(error)
}
