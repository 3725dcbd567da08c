//! The public keys that a client registered (RFC 7591 §2, `jwks`).

use std::fmt;

use countersign_tokens::{JwkError, JwkSet, SigningAlgorithm, VerifyingKey, VerifyingKeys};
use serde_json::Value;

/// The keys that a client signs with, each pinned to one algorithm: what a token's header says never changes how it is checked.
///
/// ```
/// use countersign_oauth_core::{Client, ClientKeys};
///
/// let jwks = serde_json::json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "1",
///     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] });
/// let robot = Client::with_keys("robot", ClientKeys::from_jwks(&jwks, None)?).redirect_uri("https://robot.example.com/cb");
/// assert_eq!(robot.method().as_str(), "private_key_jwt");
/// # Ok::<(), countersign_oauth_core::ClientKeysError>(())
/// ```
#[derive(Clone)]
pub struct ClientKeys {
    verifying: VerifyingKeys,
    algorithm: Option<SigningAlgorithm>,
}

impl ClientKeys {
    /// How many keys a set may hold: enough for every algorithm and its successor.
    pub const MAX_KEYS: usize = 16;

    /// Reads a key set (RFC 7517 §5). With `algorithm`, the client's `token_endpoint_auth_signing_alg`, no other is admitted;
    /// without it each key stands for its own `alg`, and an RSA key without one for RS256.
    ///
    /// # Errors
    /// [`ClientKeysError`] says what is wrong with the set.
    pub fn from_jwks(jwks: &Value, algorithm: Option<SigningAlgorithm>) -> Result<Self, ClientKeysError> {
        let set: JwkSet = serde_json::from_value(jwks.clone()).map_err(ClientKeysError::Malformed)?;
        if set.keys.len() > Self::MAX_KEYS {
            return Err(ClientKeysError::TooMany);
        }
        for key in &set.keys {
            // What cannot be used is passed over (RFC 7517 §5); what is dangerous is told.
            if VerifyingKey::new(key) == Err(JwkError::Bounds) {
                return Err(ClientKeysError::Bounds);
            }
        }
        let verifying = match algorithm {
            Some(algorithm) => VerifyingKeys::for_algorithm(&set, algorithm),
            None => VerifyingKeys::from_set(&set),
        };
        if verifying.is_empty() { Err(ClientKeysError::NoneUsable) } else { Ok(Self { verifying, algorithm }) }
    }

    /// The one algorithm that was registered, if one was.
    #[must_use]
    pub fn algorithm(&self) -> Option<SigningAlgorithm> {
        self.algorithm
    }

    pub(crate) fn verifying(&self) -> &VerifyingKeys {
        &self.verifying
    }
}

impl fmt::Debug for ClientKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids: Vec<_> = self.verifying.iter().map(|key| (key.kid(), key.algorithm())).collect();
        f.debug_tuple("ClientKeys").field(&kids).finish()
    }
}

/// Why a client's key set was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientKeysError {
    /// It is no key set, or holds a private key.
    #[error("jwks is no set of public keys (RFC 7517 §5): {0}")]
    Malformed(#[source] serde_json::Error),
    /// It holds more than [`ClientKeys::MAX_KEYS`].
    #[error("jwks holds more than 16 keys")]
    TooMany,
    /// An RSA key is smaller than 2048 or larger than 8192 bits, or has an unsound exponent (RFC 7518 §3.3).
    #[error("an RSA key in jwks has less than 2048 or more than 8192 bits, or an unsound exponent")]
    Bounds,
    /// No key fits the algorithm that was registered, or any that this server reads.
    #[error("no key in jwks can sign by an algorithm that is admitted")]
    NoneUsable,
}
