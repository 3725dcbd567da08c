//! Typed slots that extensions keep in records, and members that they add to answers.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A typed slot in a client, an authorization request or a grant: an extension's own data, carried by the core unread.
pub trait Member: Serialize + DeserializeOwned {
    /// The slot's name, unique among extensions: by convention `extension.slot`.
    const NAME: &'static str;
}

/// The slots of one record.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Members(Map<String, Value>);

impl Members {
    /// Fills a slot. A value that JSON cannot tell leaves the slot empty.
    pub fn set<M: Member>(&mut self, member: &M) {
        if let Ok(value) = serde_json::to_value(member) {
            self.0.insert(M::NAME.to_owned(), value);
        }
    }

    /// Reads a slot; none when it is empty or of another shape.
    #[must_use]
    pub fn get<M: Member>(&self) -> Option<M> {
        self.0.get(M::NAME).and_then(|value| M::deserialize(value).ok())
    }

    /// Whether no slot is filled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Members of an answer or of a token that are being gathered. None may be set twice, and none that the protocol itself sets.
pub struct Gathered {
    members: Map<String, Value>,
    reserved: &'static [&'static str],
    clash: bool,
}

impl Gathered {
    pub(crate) fn new(reserved: &'static [&'static str]) -> Self {
        Self { members: Map::new(), reserved, clash: false }
    }

    /// Adds a member. One that is reserved or there already makes the whole answer fail (RFC 9068 §2.2, promise 13).
    pub fn add(&mut self, name: &str, value: impl Into<Value>) {
        if self.reserved.contains(&name) || self.members.contains_key(name) {
            self.clash = true;
            return;
        }
        self.members.insert(name.to_owned(), value.into());
    }

    /// What was gathered, unless something clashed.
    pub(crate) fn finish(self) -> Result<Map<String, Value>, crate::Refusal> {
        if self.clash { Err(crate::Cause::ReservedMember.into()) } else { Ok(self.members) }
    }
}

impl fmt::Debug for Gathered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.members.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_reserved_or_set_twice_fails_the_answer() {
        let gather = |names: &[&str]| {
            let mut gathered = Gathered::new(&["sub"]);
            names.iter().for_each(|name| gathered.add(name, true));
            gathered.finish().is_ok()
        };
        assert!(gather(&["a", "b"]));
        assert!(!gather(&["sub"]));
        assert!(!gather(&["a", "a"]));
    }
}
