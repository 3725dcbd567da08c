//! A client that registers itself, and looks after its registration.

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use super::{Answer, Kit, request};

/// What a small public client sends.
pub(crate) fn app() -> Value {
    json!({
        "client_name": "A stranger's app",
        "redirect_uris": ["https://stranger.example.com/cb"],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    })
}

/// The same value with one member of it changed.
pub(crate) fn with(mut metadata: Value, member: &str, value: Value) -> Value {
    metadata[member] = value;
    metadata
}

/// A client that registered itself.
#[derive(Debug, Clone)]
pub(crate) struct Stranger {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) answer: Value,
}

impl Stranger {
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 201, "{}", answer.json);
        let told = |member: &str| answer.text(member).to_owned();
        Self { id: told("client_id"), token: told("registration_access_token"), answer: answer.json.clone() }
    }

    pub(crate) fn path(&self) -> String {
        format!("/oauth/register/{}", self.id)
    }

    /// What an update sends back: all that was told, but for what is the server's to say.
    pub(crate) fn update(&self) -> Value {
        let mut metadata = self.answer.clone();
        let members = metadata.as_object_mut().unwrap();
        for ours in
            ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"]
        {
            members.remove(ours);
        }
        metadata
    }
}

pub(crate) fn registration(body: impl Into<Bytes>) -> Request<Bytes> {
    request(Method::POST, "/oauth/register").header("content-type", "application/json").body(body.into()).unwrap()
}

impl Kit {
    pub(crate) fn register(&self, metadata: &Value) -> Answer {
        self.handle(registration(metadata.to_string()))
    }

    pub(crate) fn registered(&self, metadata: &Value) -> Stranger {
        Stranger::of(&self.register(metadata))
    }

    /// A request to a registration of its own.
    pub(crate) fn configure(&self, method: Method, path: &str, token: &str, body: &str) -> Answer {
        self.handle(configuration(method, path, token, body))
    }
}

pub(crate) fn configuration(method: Method, path: &str, token: &str, body: &str) -> Request<Bytes> {
    let request = request(method, path).header("authorization", format!("Bearer {token}"));
    let request = if body.is_empty() { request } else { request.header("content-type", "application/json") };
    request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}
