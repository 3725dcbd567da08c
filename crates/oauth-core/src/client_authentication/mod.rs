//! Client authentication (RFC 6749 §2.3): exactly one method, and the one that the client is registered for.

mod none;
mod private_key_jwt;
mod secret_basic;
mod secret_post;

use std::sync::Arc;

use countersign_primitives::SecretString;
use http::request::Parts;

use crate::client::ClientAuthenticationMethod;
use crate::{Cause, Client, ClientId, Params, Refusal, Server};

/// A client that has authenticated. Only this module makes one.
#[derive(Debug, Clone)]
pub struct AuthenticatedClient(Arc<Client>);

impl std::ops::Deref for AuthenticatedClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl Server {
    /// Authenticates the client of a request to an endpoint of an extension, by the header and these parameters: exactly one method,
    /// and the one that it is registered for (RFC 6749 §2.3).
    ///
    /// # Errors
    /// `invalid_client`, whatever is wrong.
    pub async fn authenticate_client(&self, parts: &Parts, params: &Params) -> Result<AuthenticatedClient, Refusal> {
        authenticate(self, parts, params).await
    }
}

/// What a request shows: a method, the client's name, and what the method proves it with.
pub(super) struct Shown {
    method: ClientAuthenticationMethod,
    client_id: String,
    credential: Credential,
}

/// What a client proves itself with.
pub(super) enum Credential {
    Nothing,
    Secret(SecretString),
    Assertion(String),
}

/// Authenticates the client of a request, at whatever endpoint `parts` was sent to.
pub(crate) async fn authenticate(
    server: &Server,
    parts: &Parts,
    form: &Params,
) -> Result<AuthenticatedClient, Refusal> {
    let shown = read(parts, form)?;
    let id = ClientId::parse(&shown.client_id).ok_or(Cause::UnknownClient)?;
    let client = server.find_client(&id).await?;
    let proven = prove(server, parts, client.as_deref(), &shown).await;
    // Whom it is about is told to the operator, if the name is one of ours: anything may stand in a stranger's.
    match (client, proven) {
        (Some(client), Ok(())) => Ok(AuthenticatedClient(client)),
        (Some(client), Err(refusal)) => Err(refusal.about(client.id())),
        (None, Err(refusal)) => Err(refusal),
        (None, Ok(())) => Err(Cause::UnknownClient.into()),
    }
}

async fn prove(server: &Server, parts: &Parts, client: Option<&Client>, shown: &Shown) -> Result<(), Refusal> {
    check_secret(server, client, shown)?;
    match (&shown.credential, client) {
        (Credential::Assertion(assertion), Some(client)) => {
            private_key_jwt::verify(server, parts, client, assertion).await
        }
        _ => Ok(()),
    }
}

/// Which method a request uses. Two at once are refused (RFC 6749 §2.3).
fn read(parts: &Parts, form: &Params) -> Result<Shown, Refusal> {
    let (basic, post) = (secret_basic::read(parts)?, form.get("client_secret").is_some());
    let assertion = private_key_jwt::read(form);
    if usize::from(basic.is_some()) + usize::from(post) + usize::from(!matches!(assertion, Ok(None))) > 1 {
        return Err(Cause::TwoClientAuthentications.into());
    }
    match (basic, assertion?) {
        (Some(basic), _) => {
            let named = form.get("client_id");
            if named.is_some_and(|named| named != basic.client_id) {
                return Err(Cause::ClientMismatch.into());
            }
            Ok(basic)
        }
        (None, Some(assertion)) => Ok(assertion),
        (None, None) => match secret_post::read(form)? {
            Some(post) => Ok(post),
            None => none::read(form),
        },
    }
}

/// Compares method and secret with what is registered. A secret is hashed for unknown clients too, so that both cost the same.
fn check_secret(server: &Server, client: Option<&Client>, shown: &Shown) -> Result<(), Cause> {
    let shown_hash = match &shown.credential {
        Credential::Secret(secret) => Some(server.crypto().sha256(&[secret.expose().as_bytes()])),
        Credential::Nothing | Credential::Assertion(_) => None,
    };
    let client = client.ok_or(Cause::UnknownClient)?;
    match (client.method(), shown.method) {
        (ClientAuthenticationMethod::None, ClientAuthenticationMethod::None) => Ok(()),
        (_, ClientAuthenticationMethod::None) => Err(Cause::ClientNotAuthenticated),
        (registered, used) if registered != used => Err(Cause::ClientMethod),
        (ClientAuthenticationMethod::PrivateKeyJwt, _) => Ok(()),
        _ => match (client.secret_hash(), shown_hash) {
            (Some(own), Some(shown)) if subtle::ConstantTimeEq::ct_eq(&own[..], &shown[..]).into() => Ok(()),
            _ => Err(Cause::ClientSecret),
        },
    }
}
