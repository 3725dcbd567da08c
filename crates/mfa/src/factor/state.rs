//! What a factor asks the engine to keep.

use std::fmt;

use countersign_primitives::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::FactorError;

/// JSON that may be a secret: wiped when dropped, redacted in `Debug`, written into sealed records alone.
pub(crate) struct State(SecretString);

impl State {
    pub(crate) fn write<T: Serialize + ?Sized>(value: &T) -> Result<Self, FactorError> {
        serde_json::to_string(value).map(|json| Self(json.into())).map_err(FactorError::state)
    }

    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, FactorError> {
        // The error would quote what it could not read.
        serde_json::from_str(self.0.expose()).map_err(|_| FactorError::state("the state is of another type"))
    }
}

impl Default for State {
    fn default() -> Self {
        Self(SecretString::new("null"))
    }
}

impl Clone for State {
    fn clone(&self) -> Self {
        Self(SecretString::new(self.0.expose()))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State(..)")
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|json| Self(json.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promise_4_a_state_is_not_shown_even_when_it_cannot_be_read() {
        let state = State::write("JBSWY3DP").unwrap();
        let error = state.read::<u64>().unwrap_err();
        let shown = format!("{state:?} {error:?} {error}");
        assert!(!shown.contains("JBSWY3DP"), "{shown}");
        assert_eq!(state.read::<String>().unwrap(), "JBSWY3DP");
    }
}
