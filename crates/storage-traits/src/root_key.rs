//! What names and tags are derived from.

use std::fmt;

use countersign_primitives::SecretBytes;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::master_key::derive;

/// The root key of one realm: random, made once, and kept in the store itself, sealed under the [`MasterKey`](crate::MasterKey).
///
/// Where a record lives and what a tag proves is derived from it, so it stays the same when an operator changes the master key. See
/// [`Encrypted::root_key`](crate::Encrypted::root_key).
///
/// ```
/// use countersign_storage_traits::RootKey;
///
/// let key = RootKey::from_bytes([7; 32]);
/// let codes = key.derive("https://id.example.com", "user codes");
/// assert!(!codes.matches(key.derive("https://other.example.com", "user codes").expose()));
/// ```
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RootKey([u8; 32]);

impl RootKey {
    /// How long it is.
    pub(crate) const LENGTH: usize = 32;

    /// A key of these bytes, which must be as unpredictable as random ones: for tests.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let key = Self(bytes);
        bytes.zeroize();
        key
    }

    /// A key for one purpose of one issuer, by HKDF-SHA-256 (RFC 5869): 32 bytes that tell nothing of the root key or of any
    /// other purpose.
    #[must_use]
    pub fn derive(&self, realm: &str, label: &str) -> SecretBytes {
        SecretBytes::new(derive(&self.0, realm, label).as_slice())
    }
}

/// Shows nothing of the key.
impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use ring::hkdf;

    use super::*;
    use crate::master_key::SALT;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn rfc5869_2_derivation_is_hkdf_sha_256() {
        let info = [&9_u64.to_be_bytes()[..], b"https://a", b"seal"];
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT);
        let mut expected = [0; 32];
        salt.extract(&KEY).expand(&info, hkdf::HKDF_SHA256).unwrap().fill(&mut expected).unwrap();
        assert!(RootKey::from_bytes(KEY).derive("https://a", "seal").matches(&expected));
    }

    #[test]
    fn promise_16_no_two_issuers_or_purposes_share_a_key() {
        let key = RootKey::from_bytes(KEY);
        let derived = key.derive("https://a", "x");
        for (realm, label) in [("https://b", "x"), ("https://a", "y"), ("https://ax", ""), ("", "https://ax")] {
            assert!(!derived.matches(key.derive(realm, label).expose()), "{realm} {label}");
        }
        assert!(!derived.matches(RootKey::from_bytes([8; 32]).derive("https://a", "x").expose()));
    }

    #[test]
    fn promise_4_debug_output_shows_no_root_key() {
        assert_eq!(format!("{:?}", RootKey::from_bytes(KEY)), "RootKey(..)");
    }
}
