//! Keyed hashes of codes too short for a plain hash.

use std::fmt;

use countersign_primitives::{Random, RandomError, SecretBytes};
use data_encoding::BASE64URL_NOPAD;
use ring::hmac;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The key under which codes are hashed. A million codes are tried in a second, so only the key keeps a stolen table of
/// hashes from being a table of codes: it lives apart from the store.
#[derive(Debug)]
pub struct CodeKey(SecretBytes);

impl CodeKey {
    /// A key of these 256 bits, derived by the host for this purpose alone.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(SecretBytes::new(key))
    }

    /// A new key, for hosts that keep it with their other keys and for tests.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn generate(random: &dyn Random) -> Result<Self, RandomError> {
        let mut key = Zeroizing::new([0; 32]);
        random.fill(&mut *key)?;
        Ok(Self::new(*key))
    }

    /// HMAC-SHA-256 over the parts, each preceded by its length: no two lists of parts are hashed alike.
    pub(crate) fn hash(&self, parts: [&[u8]; 4]) -> [u8; 32] {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.0.expose()));
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(mac.sign().as_ref());
        hash
    }
}

/// A delivered code as the store keeps it: HMAC-SHA-256 over purpose, context and code.
///
/// The *purpose* says what the code opens ("login", "verify-email"), the *context* whose and which one it is (the challenge's id,
/// the address it went to): a code works for nothing else.
///
/// ```
/// use countersign_mfa_otp::{CodeFormat, CodeKey, DeliveredCode};
/// use countersign_primitives::SystemRandom;
///
/// # fn main() -> Result<(), countersign_primitives::RandomError> {
/// let key = CodeKey::generate(&SystemRandom)?;
/// let code = DeliveredCode::generate(&SystemRandom, CodeFormat::default())?;
/// let hash = code.hash(&key, "login", b"challenge 7");
/// assert!(hash.matches(&key, "login", b"challenge 7", code.expose()));
/// assert!(!hash.matches(&key, "login", b"challenge 8", code.expose()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CodeHash([u8; 32]);

impl CodeHash {
    /// The hash of `code`, for what `purpose` and `context` say.
    #[must_use]
    pub fn new(key: &CodeKey, purpose: &str, context: &[u8], code: &str) -> Self {
        Self(key.hash([b"delivered code", purpose.as_bytes(), context, code.as_bytes()]))
    }

    /// Whether `code` is the one, for this purpose and context. Constant time.
    ///
    /// The code must be as it was sent: [`CodeFormat::normalise`](crate::CodeFormat::normalise) comes first. The caller raises the
    /// count of [`Attempts`](crate::Attempts) before, and deletes the record on success.
    #[must_use]
    pub fn matches(&self, key: &CodeKey, purpose: &str, context: &[u8], code: &str) -> bool {
        self.0.ct_eq(&Self::new(key, purpose, context, code).0).into()
    }
}

impl fmt::Debug for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeHash(..)")
    }
}

impl From<CodeHash> for String {
    fn from(hash: CodeHash) -> Self {
        encode(&hash.0)
    }
}

impl TryFrom<String> for CodeHash {
    type Error = ParseHashError;

    fn try_from(text: String) -> Result<Self, ParseHashError> {
        decode(&text).map(Self)
    }
}

/// A stored hash that is not 43 characters of base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash of a code is 43 characters of base64url")]
pub struct ParseHashError;

pub(crate) fn encode(hash: &[u8; 32]) -> String {
    BASE64URL_NOPAD.encode(hash)
}

pub(crate) fn decode(text: &str) -> Result<[u8; 32], ParseHashError> {
    if text.len() != 43 {
        return Err(ParseHashError);
    }
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| ParseHashError)?;
    bytes.try_into().map_err(|_| ParseHashError)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> CodeKey {
        CodeKey::new([byte; 32])
    }

    #[test]
    fn promise_11_a_code_works_only_for_the_purpose_and_context_it_was_made_for() {
        let hash = CodeHash::new(&key(1), "login", b"c1", "123456");
        assert!(hash.matches(&key(1), "login", b"c1", "123456"));
        assert!(!hash.matches(&key(2), "login", b"c1", "123456"), "another key");
        assert!(!hash.matches(&key(1), "verify", b"c1", "123456"), "another purpose");
        assert!(!hash.matches(&key(1), "login", b"c2", "123456"), "another context");
        assert!(!hash.matches(&key(1), "login", b"c1", "123457"), "another code");
        assert!(!hash.matches(&key(1), "logi", b"nc1", "123456"), "the boundary moved");
        assert!(!hash.matches(&key(1), "login", b"c11", "23456"), "the boundary moved");
    }

    #[test]
    fn a_hash_survives_storage() {
        let hash = CodeHash::new(&key(1), "login", b"c1", "123456");
        let stored = serde_json::to_string(&hash).unwrap();
        let read: CodeHash = serde_json::from_str(&stored).unwrap();
        assert!(read.matches(&key(1), "login", b"c1", "123456"));
        for bad in ["\"\"", "\"AAAA\"", &format!("\"{}\"", "!".repeat(43)), "7"] {
            assert!(serde_json::from_str::<CodeHash>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn promise_4_neither_key_nor_hash_is_shown() {
        let hash = CodeHash::new(&key(1), "login", b"c1", "123456");
        assert_eq!(format!("{:?} {hash:?}", key(1)), "CodeKey(SecretBytes(..)) CodeHash(..)");
    }
}
