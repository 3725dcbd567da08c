//! What OpenID Connect adds to a client's metadata (OpenID Connect Dynamic Client Registration §2).

use std::time::Duration;

use countersign_oauth_core::{AuthorizationRequest, Client, Config, Member, Refusal, check_redirect_uri};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) const MEMBERS: &[&str] = &[
    "subject_type",
    "id_token_signed_response_alg",
    "require_auth_time",
    "default_max_age",
    "post_logout_redirect_uris",
];

/// How many places to go to after a sign-out a client may have.
const MAX_POST_LOGOUT_REDIRECT_URIS: usize = 32;

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
    let client = post_logout_redirect_uris(asked)?.into_iter().fold(client, Client::post_logout_redirect_uri);
    match asked.get("default_max_age").map(Value::as_u64) {
        None => Ok(client),
        Some(Some(seconds)) => Ok(client.member(&DefaultMaxAge(seconds))),
        Some(None) => Err(invalid("default_max_age is a number of seconds")),
    }
}

/// OpenID Connect RP-Initiated Logout 1.0 §3.1: by the rules of redirect URIs.
fn post_logout_redirect_uris(asked: &Map<String, Value>) -> Result<Vec<String>, Refusal> {
    let Some(uris) = asked.get("post_logout_redirect_uris") else { return Ok(Vec::new()) };
    let uris = uris.as_array().filter(|uris| uris.len() <= MAX_POST_LOGOUT_REDIRECT_URIS);
    let uris = uris.ok_or_else(|| invalid("post_logout_redirect_uris is an array of at most 32 URIs"))?;
    let checked = uris.iter().map(|uri| {
        let uri = uri.as_str().ok_or_else(|| invalid("post_logout_redirect_uris holds URIs"))?;
        check_redirect_uri(uri)
            .map_err(|error| invalid("a post_logout_redirect_uri may not be registered").source(error))?;
        Ok(uri.to_owned())
    });
    checked.collect()
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
