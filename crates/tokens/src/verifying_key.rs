//! Public keys, ready to verify.

use crate::jwk::KeyMaterial;
use crate::{JwkError, JwkSet, PublicJwk, SigningAlgorithm};

/// A public key parsed once and pinned to one algorithm: what a token's header says never changes how it is checked
/// (RFC 8725 §3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    kid: Option<String>,
    algorithm: SigningAlgorithm,
    material: KeyMaterial,
}

impl VerifyingKey {
    /// The key, pinned to its `alg`; without one, to what its kind stands for (RSA: RS256).
    ///
    /// # Errors
    /// [`JwkError`] when the key is of an unknown kind, for another purpose, out of bounds, or `alg` does not fit.
    pub fn new(jwk: &PublicJwk) -> Result<Self, JwkError> {
        let material = jwk.material().ok_or(JwkError::Unsupported)?;
        Self::with_algorithm(jwk, jwk.algorithm().unwrap_or_else(|| material.default_algorithm()))
    }

    /// The key, pinned to an algorithm that was agreed elsewhere, such as in a client's registration.
    ///
    /// # Errors
    /// As for [`VerifyingKey::new`]; also [`JwkError::Algorithm`] when the key names another algorithm.
    pub fn with_algorithm(jwk: &PublicJwk, algorithm: SigningAlgorithm) -> Result<Self, JwkError> {
        let material = jwk.material().ok_or(JwkError::Unsupported)?;
        if jwk.forbids_signatures() {
            return Err(JwkError::NotForSignatures);
        }
        if !material.fits(algorithm) || jwk.algorithm().is_some_and(|named| named != algorithm) {
            return Err(JwkError::Algorithm);
        }
        material.check_bounds()?;
        Ok(Self { kid: jwk.kid().map(str::to_owned), algorithm, material: material.clone() })
    }

    /// The key's name.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The only algorithm that this key verifies.
    #[must_use]
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The numbers.
    #[must_use]
    pub const fn material(&self) -> &KeyMaterial {
        &self.material
    }
}

/// The keys that a token may be signed with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyingKeys(Vec<VerifyingKey>);

impl VerifyingKeys {
    /// The usable keys of a set. Keys of unknown kinds, for encryption or out of bounds are skipped (RFC 7517 §5).
    #[must_use]
    pub fn from_set(set: &JwkSet) -> Self {
        set.keys.iter().filter_map(|key| VerifyingKey::new(key).ok()).collect()
    }

    /// The keys of a set that can serve `algorithm`, pinned to it.
    #[must_use]
    pub fn for_algorithm(set: &JwkSet, algorithm: SigningAlgorithm) -> Self {
        set.keys.iter().filter_map(|key| VerifyingKey::with_algorithm(key, algorithm).ok()).collect()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys.
    pub fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.0.iter()
    }

    /// Whether a key of this name is known; if not, re-reading the source may help.
    #[must_use]
    pub fn knows(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid() == Some(kid))
    }

    /// The one key for a token: by name, and without a name only if one key alone has the algorithm (OpenID Connect
    /// Core §10.1). `Err` says whether a key of that name exists for another algorithm.
    pub(crate) fn select(&self, kid: Option<&str>, algorithm: SigningAlgorithm) -> Result<&VerifyingKey, NoKey> {
        let named = || self.0.iter().filter(|key| kid.is_none() || key.kid() == kid);
        let mut fitting = named().filter(|key| key.algorithm() == algorithm);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (None, _) if named().next().is_some() => Err(NoKey::OtherAlgorithm),
            _ => Err(NoKey::Unknown),
        }
    }
}

/// Why no key was selected.
pub(crate) enum NoKey {
    Unknown,
    OtherAlgorithm,
}

impl FromIterator<VerifyingKey> for VerifyingKeys {
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

impl From<VerifyingKey> for VerifyingKeys {
    fn from(key: VerifyingKey) -> Self {
        Self(vec![key])
    }
}
