//! The revocation endpoint (RFC 7009): a client gives a token back.

use async_trait::async_trait;
use bytes::Bytes;
use countersign_events::EventKind;
use http::request::Parts;
use http::{Request, Response};

use super::{client_refused, read_form};
use crate::client_authentication::{self, AuthenticatedClient};
use crate::transport::{Endpoint, answer};
use crate::{Cause, Refusal, Server};

pub(crate) struct RevocationEndpoint;

#[async_trait]
impl Endpoint for RevocationEndpoint {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let mut client = None;
        match revoke(server, &parts, &body, &mut client).await {
            Ok(answer) => answer,
            Err(refusal) => client_refused(server, EventKind::RevocationRefused, client.as_ref(), &refusal),
        }
    }
}

async fn revoke(
    server: &Server,
    parts: &Parts,
    body: &Bytes,
    authenticated: &mut Option<AuthenticatedClient>,
) -> Result<Response<Bytes>, Refusal> {
    let form = read_form(parts, body)?;
    let client = client_authentication::authenticate(server, parts, &form).await?;
    let client = authenticated.insert(client);
    let token = form.get("token").ok_or(Cause::MissingParameter)?;
    // `token_type_hint` would only say where to look first (RFC 7009 §2.1): the token itself says it.
    server.revoke_token(client, token).await?;
    // RFC 7009 §2.2: also for a token that is unknown, gone, or another client's. Whatever it is, this client cannot use it.
    let mut response = Response::new(Bytes::new());
    answer::never_stored(&mut response);
    Ok(response)
}
