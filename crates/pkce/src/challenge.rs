//! What the client sends ahead.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::{CodeVerifier, PkceError};

/// A code challenge by the method `S256` (RFC 7636 §4.2): 43 characters of base64url, canonical, for 32 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeChallenge(String);

impl CodeChallenge {
    /// The challenge of an authorization request.
    ///
    /// # Errors
    /// When the text is not what SHA-256 and base64url without padding make.
    pub fn parse(text: &str) -> Result<Self, PkceError> {
        if text.len() != 43 {
            return Err(PkceError::Challenge);
        }
        // The engine refuses padding, foreign characters, and a last character whose spare bits are not zero.
        let mut hash = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut hash) {
            Ok(32) => Ok(Self(text.to_owned())),
            _ => Err(PkceError::Challenge),
        }
    }

    pub(crate) fn from_hash(hash: [u8; 32]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(hash))
    }

    /// The text as it stands in the request.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `verifier` belongs to this challenge (RFC 7636 §4.6), in constant time.
    #[must_use]
    pub fn verify(&self, verifier: &CodeVerifier) -> bool {
        verifier.challenge().0.as_bytes().ct_eq(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for CodeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodeChallenge({})", self.0)
    }
}

impl FromStr for CodeChallenge {
    type Err = PkceError;

    fn from_str(text: &str) -> Result<Self, PkceError> {
        Self::parse(text)
    }
}

impl Serialize for CodeChallenge {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CodeChallenge {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// How the challenge is made from the verifier: `code_challenge_method` (RFC 7636 §4.3).
///
/// A request that leaves the parameter out means `plain`, so a server treats it as [`PkceError::PlainRefused`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChallengeMethod {
    /// SHA-256, base64url.
    S256,
}

impl ChallengeMethod {
    /// The value of the parameter.
    ///
    /// # Errors
    /// [`PkceError::PlainRefused`] for `plain`, [`PkceError::UnknownMethod`] for any other value; case counts.
    pub fn parse(text: &str) -> Result<Self, PkceError> {
        match text {
            "S256" => Ok(Self::S256),
            "plain" => Err(PkceError::PlainRefused),
            _ => Err(PkceError::UnknownMethod),
        }
    }

    /// The value as it stands in requests and metadata.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::S256 => "S256",
        }
    }
}

impl FromStr for ChallengeMethod {
    type Err = PkceError;

    fn from_str(text: &str) -> Result<Self, PkceError> {
        Self::parse(text)
    }
}
