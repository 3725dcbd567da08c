//! Bodies of `/mfa/…`: one JSON object, whose members are read strictly and whose strangers are passed over.

use bytes::Bytes;
use countersign_oauth_core::{AuthenticatedClient, Cause, Params, Refusal, Server, read_json_object};
use http::header;
use http::request::Parts;
use serde_json::{Map, Value};

use super::refusals::member;
use crate::oauth::reply::is_json;

/// The longest text of a member that people type or programs choose.
const MAX_TEXT: usize = 320;

/// Members that say which client calls.
const OF_CLIENTS: [&str; 4] = ["client_id", "client_secret", "client_assertion", "client_assertion_type"];

/// The members of a body.
pub(super) struct Body(Map<String, Value>);

impl Body {
    /// Reads a body. Some clients name no type; one that is named is JSON.
    pub(super) fn read(parts: &Parts, body: &Bytes) -> Result<Self, Refusal> {
        let typed = parts.headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
        if typed.is_some_and(|typed| !is_json(typed)) {
            return Err(Refusal::invalid_request("the body must be application/json")
                .cause(Cause::ContentType.id(), "docs/mfa-api.md"));
        }
        let members = read_json_object(body);
        members.map(Self).map_err(|error| Refusal::from(Cause::MalformedParameters).source(error))
    }

    /// A text that may be there.
    pub(super) fn text(&self, name: &str, wrong: &'static str) -> Result<Option<&str>, Refusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) if text.len() <= MAX_TEXT => Ok(Some(text)),
            Some(_) => Err(member(wrong)),
        }
    }

    /// A list of exactly one text.
    pub(super) fn only(&self, name: &str, wrong: &'static str) -> Result<&str, Refusal> {
        match self.0.get(name).and_then(Value::as_array).map(Vec::as_slice) {
            Some([Value::String(text)]) if text.len() <= MAX_TEXT => Ok(text),
            _ => Err(member(wrong)),
        }
    }

    /// Whether it says which client calls.
    pub(super) fn names_client(&self) -> bool {
        OF_CLIENTS.iter().any(|name| self.0.contains_key(*name))
    }

    /// Authenticates the client that calls, by the step that authenticates it at the token endpoint.
    pub(super) async fn client(&self, server: &Server, parts: &Parts) -> Result<AuthenticatedClient, Refusal> {
        let members = OF_CLIENTS.iter().filter_map(|name| Some(((*name).to_owned(), self.0.get(*name)?.clone())));
        let members: Map<String, Value> = members.filter(|(_, value)| !value.is_null()).collect();
        let params = Params::from_members(members);
        let params = params.map_err(|error| Refusal::from(Cause::MalformedParameters).source(error))?;
        server.authenticate_client(parts, &params).await
    }
}
