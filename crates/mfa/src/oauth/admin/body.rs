//! Bodies of the admin API, read strictly: a member that is not known would otherwise be a change that is not made.

use bytes::Bytes;
use countersign_oauth_core::read_json_object;
use http::header;
use http::request::Parts;
use serde_json::{Map, Value};

use super::answer::Failure;
use crate::oauth::reply::is_json;

/// The members of a body.
pub(super) struct Body(Map<String, Value>);

impl Body {
    /// Reads a body that has no other members than these.
    pub(super) fn read(parts: &Parts, body: &Bytes, known: &[&str]) -> Result<Self, Failure> {
        expect_json(parts)?;
        let members =
            read_json_object(body).map_err(|error| Failure::body(format!("The body is no JSON object: {error}.")))?;
        match members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(Failure::body(format!("{name:?} is not taken here: known are {}.", known.join(", ")))),
            None => Ok(Self(members)),
        }
    }

    /// The same, where no body at all says as much as an empty one.
    pub(super) fn read_optional(parts: &Parts, body: &Bytes, known: &[&str]) -> Result<Self, Failure> {
        if body.is_empty() { Ok(Self(Map::new())) } else { Self::read(parts, body, known) }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn text(&self, name: &str) -> Result<&str, Failure> {
        let text = self.0.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.ok_or_else(|| Failure::body(format!("{name:?} must be there, and a text.")))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Failure> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(Failure::body(format!("{name:?} is true or false."))),
        }
    }

    pub(super) fn needed_flag(&self, name: &str) -> Result<bool, Failure> {
        self.flag(name)?.ok_or_else(|| Failure::body(format!("{name:?} must be there, true or false.")))
    }

    /// A member that is an object; an empty one where it is missing.
    pub(super) fn object(&self, name: &str) -> Result<Map<String, Value>, Failure> {
        match self.0.get(name) {
            None => Ok(Map::new()),
            Some(Value::Object(members)) => Ok(members.clone()),
            Some(_) => Err(Failure::body(format!("{name:?} is an object."))),
        }
    }

    pub(super) fn list(&self, name: &str) -> Result<Option<Vec<String>>, Failure> {
        let wrong = || Failure::body(format!("{name:?} is a list of texts."));
        self.0.get(name).map(|value| serde_json::from_value(value.clone()).map_err(|_| wrong())).transpose()
    }
}

/// A body that is a list of texts.
pub(super) fn texts(parts: &Parts, body: &Bytes) -> Result<Vec<String>, Failure> {
    expect_json(parts)?;
    serde_json::from_slice(body).map_err(|error| Failure::body(format!("The body is no list of texts: {error}.")))
}

fn expect_json(parts: &Parts) -> Result<(), Failure> {
    let typed = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if is_json(typed) { Ok(()) } else { Err(Failure::body("The content type must be application/json.")) }
}
