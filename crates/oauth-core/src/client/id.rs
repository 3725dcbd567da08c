//! The name of a client.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a client (RFC 6749 §2.2): 1 to 256 visible ASCII characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ClientId(String);

impl ClientId {
    /// Reads a `client_id`. Returns none when it is empty, too long or holds other characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let holds = (1..=256).contains(&text.len()) && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        holds.then(|| Self(text.to_owned()))
    }

    /// The text on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientId({})", self.0)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ClientId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a client_id"))
    }
}
