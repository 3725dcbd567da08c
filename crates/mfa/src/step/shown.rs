//! Secrets that one user sees.

use std::fmt;

use countersign_primitives::SecretString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A secret on its way to the one user who is meant to see it: a TOTP seed, a recovery code. Redacted in `Debug` and wiped when
/// dropped; serialising it shows it.
pub struct Shown(SecretString);

impl Shown {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(SecretString::new(text))
    }

    /// The text. Whoever calls this answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl Clone for Shown {
    fn clone(&self) -> Self {
        Self::new(self.expose())
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown(..)")
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}
