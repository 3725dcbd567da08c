//! Values that must not be seen: wiped on drop, redacted in `Debug`, compared in constant time.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Secret text: a password, a client secret, a token in transit.
///
/// It has no `Display`, `Clone`, `PartialEq` or `Serialize`; [`SecretString::expose`] is the one way to read it, so that one
/// search finds every reader.
///
/// ```
/// use countersign_primitives::SecretString;
///
/// let secret = SecretString::new("correct horse");
/// assert_eq!(format!("{secret:?}"), "SecretString(..)");
/// assert!(secret.matches("correct horse"));
/// ```
#[derive(Zeroize, ZeroizeOnDrop, Default)]
pub struct SecretString(String);

impl SecretString {
    /// Takes the text into custody.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Whoever calls this answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `other` is the same text. Takes the same time wherever they differ; a differing length is seen.
    #[must_use]
    pub fn matches(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretString(..)")
    }
}

impl From<String> for SecretString {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for SecretString {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// Secret bytes: a private key, a TOTP seed, a key derived for one purpose.
#[derive(Zeroize, ZeroizeOnDrop, Default)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Takes the bytes into custody.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes themselves. Whoever calls this answers for where they go.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether `other` is the same, in constant time for equal lengths.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        self.0.ct_eq(other).into()
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promise_4_debug_output_shows_no_secret() {
        let shown = format!("{:?} {:?}", SecretString::new("hunter2"), SecretBytes::new(*b"hunter2"));
        assert_eq!(shown, "SecretString(..) SecretBytes(..)");
    }

    #[test]
    fn comparison_tells_equal_from_different() {
        let secret = SecretString::new("abc");
        assert!(secret.matches("abc"));
        assert!(!secret.matches("abd") && !secret.matches("ab") && !secret.matches(""));
        assert!(SecretBytes::new([1, 2]).matches(&[1, 2]));
        assert!(!SecretBytes::new([1, 2]).matches(&[1, 3]));
    }
}
