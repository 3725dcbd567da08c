//! Client authentication (RFC 6749 §2.3): exactly one method, and the one that the client is registered for.

mod none;
mod secret_basic;
mod secret_post;

use std::sync::Arc;

use countersign_primitives::SecretString;
use http::request::Parts;

use crate::client::ClientAuthenticationMethod;
use crate::{Cause, Client, ClientId, Params, Refusal, Server};

/// A client that has authenticated. Only this module makes one.
#[derive(Debug, Clone)]
pub(crate) struct AuthenticatedClient(Arc<Client>);

impl std::ops::Deref for AuthenticatedClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

/// What a request shows: a method, the client's name, and a secret where the method has one.
pub(super) struct Shown {
    method: ClientAuthenticationMethod,
    client_id: String,
    secret: Option<SecretString>,
}

/// Authenticates the client of a request.
pub(crate) async fn authenticate(
    server: &Server,
    parts: &Parts,
    form: &Params,
) -> Result<AuthenticatedClient, Refusal> {
    let shown = read(parts, form)?;
    let id = ClientId::parse(&shown.client_id).ok_or(Cause::UnknownClient)?;
    let client = server.find_client(&id).await?;
    let verdict = verify(server, client.as_deref(), &shown);
    match (verdict, client) {
        (Ok(()), Some(client)) => Ok(AuthenticatedClient(client)),
        (Err(cause), _) => Err(cause.into()),
        (Ok(()), None) => Err(Cause::UnknownClient.into()),
    }
}

/// Which method a request uses. Two at once are refused (RFC 6749 §2.3).
fn read(parts: &Parts, form: &Params) -> Result<Shown, Refusal> {
    if form.get("client_assertion").is_some() || form.get("client_assertion_type").is_some() {
        return Err(Cause::ClientMethod.into());
    }
    let (basic, post) = (secret_basic::read(parts)?, secret_post::read(form)?);
    match (basic, post) {
        (Some(_), Some(_)) => Err(Cause::TwoClientAuthentications.into()),
        (Some(basic), None) => {
            let named = form.get("client_id");
            if named.is_some_and(|named| named != basic.client_id) {
                return Err(Cause::ClientMismatch.into());
            }
            Ok(basic)
        }
        (None, Some(post)) => Ok(post),
        (None, None) => none::read(form),
    }
}

/// Compares with what is registered. A secret is hashed for unknown clients too, so that both cost the same.
fn verify(server: &Server, client: Option<&Client>, shown: &Shown) -> Result<(), Cause> {
    let shown_hash = shown.secret.as_ref().map(|secret| server.crypto().sha256(&[secret.expose().as_bytes()]));
    let client = client.ok_or(Cause::UnknownClient)?;
    match (client.method(), shown.method) {
        (ClientAuthenticationMethod::None, ClientAuthenticationMethod::None) => Ok(()),
        (_, ClientAuthenticationMethod::None) => Err(Cause::ClientNotAuthenticated),
        (registered, used) if registered != used => Err(Cause::ClientMethod),
        _ => match (client.secret_hash(), shown_hash) {
            (Some(own), Some(shown)) if subtle::ConstantTimeEq::ct_eq(&own[..], &shown[..]).into() => Ok(()),
            _ => Err(Cause::ClientSecret),
        },
    }
}
