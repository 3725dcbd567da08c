//! The signing keys of this issuer: a ring in the store, opened once and read again when a token names an unknown key.

use std::fmt;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use bytes::Bytes;
use countersign_primitives::{Clock, Random, UnixTime};
use countersign_storage_traits::{Batch, CommitError, Expect, Found, Key, Kind, Store, StoreError, Stored};
use countersign_tokens::{
    ActiveKeys, CryptoProvider, Header, KeyRing, NewKey, SigningAlgorithm, Verified, sign_compact, verify_compact,
};
use serde::{Deserialize, Serialize};

use crate::{Cause, ConfigError, Refusal};

/// How long a node trusts what it read of the ring.
const REFRESH: Duration = Duration::from_secs(60);
/// How soon an unknown `kid` may make a node read the ring again.
const UNKNOWN_KID: Duration = Duration::from_secs(1);

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct RingRecord(KeyRing);

impl Stored for RingRecord {
    const KIND: Kind = crate::records::KEY_RING;
}

/// The ring as this node knows it.
pub(crate) struct Keys {
    key: Key,
    algorithm: SigningAlgorithm,
    store: Arc<dyn Store>,
    crypto: Arc<dyn CryptoProvider>,
    clock: Arc<dyn Clock>,
    current: RwLock<Arc<Opened>>,
}

/// The ring opened at one moment.
pub(crate) struct Opened {
    keys: ActiveKeys,
    read_at: UnixTime,
    /// The key set as JSON, and its entity tag.
    pub(crate) jwks: Bytes,
    pub(crate) etag: String,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl Keys {
    /// Opens the ring of this issuer, or begins one. Of several nodes that begin together, one wins and all use its keys.
    pub(crate) async fn open(
        key: Key,
        algorithm: SigningAlgorithm,
        store: Arc<dyn Store>,
        crypto: Arc<dyn CryptoProvider>,
        clock: Arc<dyn Clock>,
        random: &dyn Random,
    ) -> Result<Self, ConfigError> {
        let now = clock.now();
        let ring = match read(&*store, key, now).await? {
            Some(ring) => ring,
            None => {
                let first = NewKey::generate(&*crypto, algorithm).map_err(|error| ConfigError::Keys(error.into()))?;
                begin(&*store, key, KeyRing::first([first], now), now, random).await?
            }
        };
        let opened = opened(&ring, &*crypto, now)?;
        if opened.keys.signer(algorithm).is_none() {
            let cure = format!("the key ring has no key for {}; rotate to one first", algorithm.as_str());
            return Err(ConfigError::Keys(cure.into()));
        }
        Ok(Self { key, algorithm, store, crypto, clock, current: RwLock::new(Arc::new(opened)) })
    }

    /// The ring, read again when what this node knows is old. A store that fails meanwhile leaves what is known.
    pub(crate) async fn current(&self) -> Arc<Opened> {
        let current = self.known();
        let now = self.clock.now();
        let stale = now.since(current.read_at) >= REFRESH || current.keys.valid_until().is_some_and(|end| end <= now);
        if stale { self.read_again().await.unwrap_or(current) } else { current }
    }

    fn known(&self) -> Arc<Opened> {
        match self.current.read() {
            Ok(current) => Arc::clone(&current),
            Err(poisoned) => Arc::clone(&poisoned.into_inner()),
        }
    }

    async fn read_again(&self) -> Option<Arc<Opened>> {
        let now = self.clock.now();
        let ring = read(&*self.store, self.key, now).await.ok()??;
        let opened = Arc::new(opened(&ring, &*self.crypto, now).ok()?);
        if let Ok(mut current) = self.current.write() {
            *current = Arc::clone(&opened);
        }
        Some(opened)
    }

    /// Signs claims as a JWT of this type.
    pub(crate) async fn sign<T: Serialize + Sync + ?Sized>(&self, typ: &str, claims: &T) -> Result<String, Refusal> {
        let opened = self.current().await;
        let signer = opened.keys.signer(self.algorithm).ok_or(Cause::SigningFailed)?;
        let token = sign_compact(&**signer, &Header::typ(typ), claims).await;
        token.map_err(|error| Refusal::from(Cause::SigningFailed).source(error))
    }

    /// Verifies a JWT of ours. A key that this node has not heard of makes it read the ring again, at most once a second.
    pub(crate) async fn verify(
        &self,
        token: &str,
        expect: &countersign_tokens::Expect<'_>,
    ) -> Result<Verified, countersign_tokens::JwtError> {
        let opened = self.current().await;
        match verify_compact(&*self.crypto, token, opened.keys.verifiers(), expect) {
            Err(countersign_tokens::JwtError::UnknownKey) if self.clock.now().since(opened.read_at) >= UNKNOWN_KID => {
                let again = self.read_again().await.unwrap_or(opened);
                verify_compact(&*self.crypto, token, again.keys.verifiers(), expect)
            }
            verdict => verdict,
        }
    }

    /// The algorithm that tokens are signed with.
    pub(crate) fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }
}

fn opened(ring: &KeyRing, crypto: &dyn CryptoProvider, now: UnixTime) -> Result<Opened, ConfigError> {
    let keys = ActiveKeys::open(ring, crypto, now).map_err(|error| ConfigError::Keys(error.into()))?;
    let jwks = Bytes::copy_from_slice(keys.jwks_json());
    let etag = crate::endpoints::entity_tag(crypto, &jwks);
    Ok(Opened { keys, read_at: now, jwks, etag })
}

async fn read(store: &dyn Store, key: Key, now: UnixTime) -> Result<Option<KeyRing>, ConfigError> {
    match store.find::<RingRecord>(key, now).await {
        Ok(found) => Ok(found.map(|found: Found<RingRecord>| found.value.0)),
        Err(StoreError::WrongKey { .. }) => Err(ConfigError::MasterKey),
        Err(error) => Err(ConfigError::Store(error)),
    }
}

async fn begin(
    store: &dyn Store,
    key: Key,
    ring: KeyRing,
    now: UnixTime,
    random: &dyn Random,
) -> Result<KeyRing, ConfigError> {
    let failed = |error: StoreError| ConfigError::Store(error);
    let mut batch = Batch::new(key.partition, now, random).map_err(|error| ConfigError::Keys(error.into()))?;
    let record = RingRecord(ring);
    batch.put_value(key, Expect::Absent, UnixTime::MAX, &record).map_err(failed)?;
    match store.commit_surely(&batch).await {
        Ok(()) => Ok(record.0),
        Err(CommitError::Conflict(_)) => {
            let theirs = read(store, key, now).await?;
            theirs.ok_or_else(|| ConfigError::Keys("the key ring came and went".into()))
        }
        Err(CommitError::Unknown(error) | CommitError::Refused(error)) => Err(failed(error)),
        Err(_) => Err(ConfigError::Keys("the key ring could not be stored".into())),
    }
}
