//! What OpenID Connect adds to a client's metadata (OpenID Connect Dynamic Client Registration §2).

use std::time::Duration;

use countersign_oauth_core::{AuthorizationRequest, Client, Config, Member, Refusal};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) const MEMBERS: &[&str] =
    &["subject_type", "id_token_signed_response_alg", "require_auth_time", "default_max_age"];

/// How old a login may be for this client, where its requests say nothing.
#[derive(Serialize, Deserialize)]
struct DefaultMaxAge(u64);

impl Member for DefaultMaxAge {
    const NAME: &'static str = "oidc.default_max_age";
}

pub(crate) fn register(config: &Config, asked: &Map<String, Value>, client: Client) -> Result<Client, Refusal> {
    if asked.get("subject_type").is_some_and(|kind| kind != "public") {
        return Err(invalid("subject_type is public"));
    }
    let algorithm = config.preset().signing_algorithm.as_str();
    if asked.get("id_token_signed_response_alg").is_some_and(|asked| asked != algorithm) {
        return Err(invalid("id_token_signed_response_alg is not what this server signs with"));
    }
    // Every ID token has auth_time, so this member only has to be well formed.
    if asked.get("require_auth_time").is_some_and(|value| !value.is_boolean()) {
        return Err(invalid("require_auth_time is true or false"));
    }
    match asked.get("default_max_age").map(Value::as_u64) {
        None => Ok(client),
        Some(Some(seconds)) => Ok(client.member(&DefaultMaxAge(seconds))),
        Some(None) => Err(invalid("default_max_age is a number of seconds")),
    }
}

pub(crate) fn apply_default_max_age(client: &Client, request: &mut AuthorizationRequest) {
    if request.max_age().is_some() {
        return;
    }
    if let Some(DefaultMaxAge(seconds)) = client.members().get() {
        request.set_max_age(Duration::from_secs(seconds));
    }
}

fn invalid(description: &'static str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "invalid_client_metadata", description)
        .cause("oidc.client_metadata", "OpenID Connect Dynamic Client Registration §2")
}
