//! The introspection endpoint (RFC 7662): an API, or the client itself, asks what a token is worth at this moment.

use async_trait::async_trait;
use bytes::Bytes;
use countersign_events::EventKind;
use countersign_primitives::{Acr, Amr, SignedIn, Subject, UnixTime};
use countersign_storage_traits::Found;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use serde::Serialize;

use super::{client_refused, read_form};
use crate::access_token::{Audience, KnownToken};
use crate::client_authentication::{self, AuthenticatedClient};
use crate::records::GrantRecord;
use crate::transport::{Endpoint, answer};
use crate::{Cause, Client, Refusal, ScopeSet, Server};

pub(crate) struct IntrospectionEndpoint;

#[async_trait]
impl Endpoint for IntrospectionEndpoint {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let mut client = None;
        match introspect(server, &parts, &body, &mut client).await {
            Ok(answer) => answer,
            Err(refusal) => client_refused(server, EventKind::IntrospectionRefused, client.as_ref(), &refusal),
        }
    }
}

async fn introspect(
    server: &Server,
    parts: &Parts,
    body: &Bytes,
    authenticated: &mut Option<AuthenticatedClient>,
) -> Result<Response<Bytes>, Refusal> {
    let form = read_form(parts, body)?;
    let client = client_authentication::authenticate(server, parts, &form).await?;
    let client = authenticated.insert(client);
    // RFC 7662 §2.1: the endpoint must know who asks, or it could be scanned for tokens.
    if client.is_public() {
        return Err(Cause::PublicIntrospection.into());
    }
    let token = form.get("token").ok_or(Cause::MissingParameter)?;
    // `token_type_hint` would only say where to look first (RFC 7662 §2.1): the token itself says it.
    if let Some((refresh_token, grant)) = server.find_refresh_token(token).await? {
        let seen = grant.value.client_id() == client.id()
            && server.stands(client, &grant.value).await?
            && server.is_usable_refresh_token(&refresh_token, &grant.value);
        return Ok(if seen { active(&of_grant(server, client, &grant)) } else { inactive() });
    }
    match server.find_access_token(token).await? {
        Some(known) if may_see(client, &known) && server.stands(&known.client, &known.grant.value).await? => {
            Ok(active(&of_token(server, &known)))
        }
        _ => Ok(inactive()),
    }
}

/// Whom a token is shown to: the client that holds it, and whoever may ask for a resource that it is for (RFC 7662 §4).
fn may_see(client: &Client, known: &KnownToken) -> bool {
    known.client.id() == client.id() || known.audience.iter().any(|uri| client.may_introspect(uri))
}

/// What a live token is worth (RFC 7662 §2.2).
#[derive(Serialize)]
struct Worth<'a> {
    active: bool,
    iss: &'a str,
    sub: Subject,
    client_id: &'a str,
    #[serde(skip_serializing_if = "ScopeSet::is_empty")]
    scope: &'a ScopeSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<Audience<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a Acr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amr: Vec<Amr>,
}

fn of_token<'a>(server: &'a Server, known: &'a KnownToken) -> Worth<'a> {
    let who = known.grant.value.who();
    Worth {
        active: true,
        iss: server.config().issuer().as_str(),
        sub: known.subject.clone(),
        client_id: known.client.id(),
        scope: &known.scope,
        aud: Some(Audience::of(&known.audience)),
        token_type: Some("Bearer"),
        exp: known.expires_at.as_secs(),
        iat: known.issued_at.map(UnixTime::as_secs),
        jti: Some(known.place.jti()),
        auth_time: who.map(|who| who.auth_time().as_secs()),
        acr: known.grant.value.acr(),
        amr: who.map(SignedIn::amr_values).unwrap_or_default(),
    }
}

/// A refresh token is for this server alone: it has no audience and no type.
fn of_grant<'a>(server: &'a Server, client: &'a Client, grant: &'a Found<GrantRecord>) -> Worth<'a> {
    let who = grant.value.who();
    Worth {
        active: true,
        iss: server.config().issuer().as_str(),
        sub: who.map_or_else(|| Subject::new(client.id()), |who| server.subject_for(client, who.subject())),
        client_id: client.id(),
        scope: grant.value.scope(),
        aud: None,
        token_type: None,
        exp: grant.value.refresh.as_ref().map_or(grant.expires_at, |refresh| refresh.expires_at).as_secs(),
        iat: None,
        jti: None,
        auth_time: who.map(|who| who.auth_time().as_secs()),
        acr: grant.value.acr(),
        amr: who.map(SignedIn::amr_values).unwrap_or_default(),
    }
}

fn active(worth: &Worth<'_>) -> Response<Bytes> {
    answer::json(StatusCode::OK, worth)
}

/// RFC 7662 §2.2: unknown, expired, revoked and not for the asker look alike, and nothing else is told.
fn inactive() -> Response<Bytes> {
    let mut response = answer::with(StatusCode::OK, "application/json", Bytes::from_static(b"{\"active\":false}"));
    answer::never_stored(&mut response);
    response
}
