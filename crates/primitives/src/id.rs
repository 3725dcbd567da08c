//! Identifiers.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// 128 bits that name one thing: a grant, a login, a session. Printed as 22 characters of base64url.
///
/// ```
/// use countersign_primitives::Id;
///
/// let id = Id::from_bytes([7; 16]);
/// assert_eq!(id.to_string().parse::<Id>(), Ok(id));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; 16]);

impl Id {
    /// An identifier of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 22];
        match URL_SAFE_NO_PAD.encode_slice(self.0, &mut text) {
            Ok(_) => f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?),
            Err(_) => Err(fmt::Error),
        }
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

/// A text that is not 22 characters of canonical base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 22 characters of base64url")]
pub struct ParseIdError;

impl FromStr for Id {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if text.len() != 22 {
            return Err(ParseIdError);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ParseIdError)?;
        bytes.try_into().map(Self).map_err(|_| ParseIdError)
    }
}

impl Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Names a session in ID tokens and logout tokens: the `sid` claim (OpenID Connect Back-Channel Logout 1.0 §2.1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(String);

impl SessionId {
    /// A session id as the host that owns the session writes it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text of the `sid` claim.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({})", self.0)
    }
}

impl From<String> for SessionId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for SessionId {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<Id> for SessionId {
    fn from(id: Id) -> Self {
        Self(id.to_string())
    }
}

/// Who a token speaks of: the `sub` claim (RFC 7519 §4.1.2), unique and never reassigned within the issuer.
///
/// A subject is the host's value: any id of its own table. OpenID Connect Core §2 allows at most 255 ASCII characters;
/// [`Subject::is_valid`] says whether that holds, and the server issues nothing to a subject that breaks it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(String);

impl Subject {
    /// A subject of this text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text of the `sub` claim.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the text is 1 to 255 printable ASCII characters.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        (1..=255).contains(&self.0.len()) && self.0.bytes().all(|byte| (0x20..0x7f).contains(&byte))
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({})", self.0)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! subject_from {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Subject {
            fn from(id: $kind) -> Self {
                Self(id.to_string())
            }
        }
    )*};
}
subject_from!(&str, &String, u32, u64, i32, i64, Id);

impl From<String> for Subject {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&Self> for Subject {
    fn from(subject: &Self) -> Self {
        subject.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling_only() {
        let id = Id::from_bytes([0xff; 16]);
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        // The last character carries four bits that must be zero; another spelling of the same bytes is refused.
        let loose = format!("{}x", &text[..21]);
        assert_eq!(loose.parse::<Id>(), Err(ParseIdError));
        assert_eq!("".parse::<Id>(), Err(ParseIdError));
        assert_eq!(format!("{text}A").parse::<Id>(), Err(ParseIdError));
    }

    #[test]
    fn oidc_core_2_a_subject_is_at_most_255_ascii_characters() {
        assert!(Subject::from(42_u64).is_valid());
        assert!(Subject::new("a".repeat(255)).is_valid());
        for bad in ["", "käse", "a\0b", "line\nbreak"] {
            assert!(!Subject::new(bad).is_valid(), "{bad:?}");
        }
        assert!(!Subject::new("a".repeat(256)).is_valid());
    }
}
