//! A key ring at one moment, its keys parsed.

use std::fmt;
use std::sync::Arc;

use countersign_primitives::UnixTime;
use serde::Serialize;

use super::{KeyRing, RingKey};
use crate::{
    CryptoError, CryptoProvider, JwkError, LocalSigner, PublicJwk, Signer, SigningAlgorithm, VerifyingKey,
    VerifyingKeys,
};

/// What a server signs and verifies with: a [`KeyRing`] at one moment, every key parsed once.
///
/// It holds until [`ActiveKeys::valid_until`]; a node opens the ring again then, when it hears of a change, and when a
/// token names a key that it does not know.
pub struct ActiveKeys {
    signers: Vec<(SigningAlgorithm, Arc<dyn Signer>)>,
    verifiers: VerifyingKeys,
    published: Vec<PublicJwk>,
    jwks_json: Vec<u8>,
    valid_until: Option<UnixTime>,
}

/// Why a key ring could not be opened. A stored ring that cannot be read is damage, so nothing is left out silently.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActiveKeysError {
    /// A private key cannot be loaded.
    #[error("a private key of the ring cannot be loaded")]
    Private(#[from] CryptoError),
    /// A public key is not usable.
    #[error("a public key is not usable")]
    Public(#[from] JwkError),
    /// A private key and the public key beside it do not belong together.
    #[error("a private key does not belong to its public key")]
    Mismatch,
    /// A signer's public key names no algorithm, or no `kid`, or the `kid` of another key.
    #[error("a signer needs a public key with an algorithm and a name of its own")]
    Signer,
    /// The published set could not be written.
    #[error("the published set could not be written")]
    Write(#[from] serde_json::Error),
}

impl ActiveKeys {
    /// The ring as it stands at `now`.
    ///
    /// # Errors
    /// [`ActiveKeysError`], by cause.
    pub fn open(ring: &KeyRing, crypto: &dyn CryptoProvider, now: UnixTime) -> Result<Self, ActiveKeysError> {
        let mut signers = Vec::new();
        for &algorithm in SigningAlgorithm::ALL {
            if let Some(key) = ring.signing(algorithm, now) {
                signers.push((algorithm, load(key, crypto)?));
            }
        }
        let verifiers = ring.known(now).map(|key| VerifyingKey::with_algorithm(&key.public, key.algorithm));
        let verifiers = verifiers.collect::<Result<_, _>>()?;
        let published: Vec<_> = ring.published(now).map(|key| key.public.clone()).collect();
        let jwks_json = write(&published)?;
        Ok(Self { signers, verifiers, published, jwks_json, valid_until: ring.next_change(now) })
    }

    /// Also signs by this signer, in place of a key of the ring with the same algorithm. Its public key is published.
    ///
    /// # Errors
    /// [`ActiveKeysError::Signer`] or [`ActiveKeysError::Public`].
    pub fn with_signer(mut self, signer: Arc<dyn Signer>) -> Result<Self, ActiveKeysError> {
        let public = signer.public_key();
        let algorithm = public.algorithm().ok_or(ActiveKeysError::Signer)?;
        if public.kid().is_none_or(|kid| kid.is_empty() || self.verifiers.knows(kid)) {
            return Err(ActiveKeysError::Signer);
        }
        let verifier = VerifyingKey::new(public)?;
        self.verifiers = self.verifiers.iter().cloned().chain([verifier]).collect();
        self.published.push(public.clone());
        self.jwks_json = write(&self.published)?;
        self.signers.retain(|(other, _)| *other != algorithm);
        self.signers.push((algorithm, signer));
        Ok(self)
    }

    /// Who signs with this algorithm.
    #[must_use]
    pub fn signer(&self, algorithm: SigningAlgorithm) -> Option<&Arc<dyn Signer>> {
        self.signers.iter().find(|(other, _)| *other == algorithm).map(|(_, signer)| signer)
    }

    /// The algorithms that can be signed with: what discovery says.
    pub fn algorithms(&self) -> impl Iterator<Item = SigningAlgorithm> {
        self.signers.iter().map(|(algorithm, _)| *algorithm)
    }

    /// The key of this name, also one that is remembered for ID token hints only.
    #[must_use]
    pub fn verifier(&self, kid: &str) -> Option<&VerifyingKey> {
        self.verifiers.iter().find(|key| key.kid() == Some(kid))
    }

    /// Every key that tokens of ours may be signed with.
    #[must_use]
    pub const fn verifiers(&self) -> &VerifyingKeys {
        &self.verifiers
    }

    /// The published set as JSON (RFC 7517 §5), written once.
    #[must_use]
    pub fn jwks_json(&self) -> &[u8] {
        &self.jwks_json
    }

    /// When the ring means something else: a key begins or ends. `None` if nothing is planned.
    #[must_use]
    pub const fn valid_until(&self) -> Option<UnixTime> {
        self.valid_until
    }
}

impl fmt::Debug for ActiveKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveKeys").field("signers", &self.signers).finish_non_exhaustive()
    }
}

fn load(key: &RingKey, crypto: &dyn CryptoProvider) -> Result<Arc<dyn Signer>, ActiveKeysError> {
    let private = key.private.as_ref().ok_or(CryptoError::PrivateKey)?;
    let pair = crypto.signing_key(key.algorithm, private)?;
    if pair.public_key().material() != key.public.material() || key.public.kid() != pair.public_key().kid() {
        return Err(ActiveKeysError::Mismatch);
    }
    Ok(Arc::new(LocalSigner::new(pair)))
}

fn write(keys: &[PublicJwk]) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    struct Set<'a> {
        keys: &'a [PublicJwk],
    }
    serde_json::to_vec(&Set { keys })
}
