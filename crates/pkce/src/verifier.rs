//! The client's secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_primitives::{Random, RandomError};
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use crate::{CodeChallenge, PkceError};

/// A code verifier (RFC 7636 §4.1): 43 to 128 characters that only the client knows until it redeems the code.
///
/// Wiped on drop and redacted in `Debug`.
#[derive(ZeroizeOnDrop)]
pub struct CodeVerifier(String);

impl CodeVerifier {
    /// A fresh verifier of 256 bits, 43 characters long.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn generate(random: &dyn Random) -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0; 32]);
        random.fill(&mut *bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(*bytes)))
    }

    /// The verifier of a token request.
    ///
    /// # Errors
    /// When its length or a character is outside what RFC 7636 §4.1 allows.
    pub fn parse(text: &str) -> Result<Self, PkceError> {
        if !(43..=128).contains(&text.len()) {
            return Err(PkceError::VerifierLength);
        }
        if !text.bytes().all(is_unreserved) {
            return Err(PkceError::VerifierCharacter);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text itself. Whoever calls this answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The challenge of this verifier by the method `S256` (RFC 7636 §4.2).
    #[must_use]
    pub fn challenge(&self) -> CodeChallenge {
        let mut hash = [0; 32];
        hash.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, self.0.as_bytes()).as_ref());
        let challenge = CodeChallenge::from_hash(hash);
        hash.zeroize();
        challenge
    }
}

impl fmt::Debug for CodeVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeVerifier(..)")
    }
}

/// `unreserved` of RFC 3986 §2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_primitives::SystemRandom;

    #[test]
    fn rfc7636_4_1_a_generated_verifier_is_valid_and_fresh() {
        let one = CodeVerifier::generate(&SystemRandom).unwrap();
        let two = CodeVerifier::generate(&SystemRandom).unwrap();
        assert_eq!(one.expose().len(), 43);
        assert!(CodeVerifier::parse(one.expose()).is_ok());
        assert_ne!(one.expose(), two.expose());
    }

    #[test]
    fn promise_4_a_verifier_is_redacted() {
        let verifier = CodeVerifier::parse(&"s".repeat(43)).unwrap();
        assert_eq!(format!("{verifier:?}"), "CodeVerifier(..)");
    }
}
