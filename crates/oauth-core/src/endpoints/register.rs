//! The registration endpoint (RFC 7591 §3) and the client configuration endpoint (RFC 7592 §2).

use async_trait::async_trait;
use bytes::Bytes;
use countersign_events::EventKind;
use countersign_primitives::SecretString;
use countersign_tokens::Handle;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use super::authorize::is_content_type;
use crate::client_secret::secret_matches;
use crate::records::ClientRecord;
use crate::registration::{Asked, Registered, TOKEN_HANDLE};
use crate::transport::{Endpoint, Peer, answer};
use crate::{Cause, Refusal, Server, json as strict};

/// `POST /oauth/register`.
pub(crate) struct RegistrationEndpoint;

/// `GET`, `PUT` and `DELETE /oauth/register/{client_id}`.
pub(crate) struct ConfigurationEndpoint;

#[async_trait]
impl Endpoint for RegistrationEndpoint {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        register(server, &parts, &body).await.unwrap_or_else(|refusal| refused(server, &refusal, None))
    }
}

#[async_trait]
impl Endpoint for ConfigurationEndpoint {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let client_id = parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
        let answer = configure(server, &parts, &body, &client_id).await;
        answer.unwrap_or_else(|refusal| refused(server, &refusal, Some(&client_id)))
    }
}

async fn register(server: &Server, parts: &Parts, body: &Bytes) -> Result<Response<Bytes>, Refusal> {
    let registration = server.config().registration();
    if !registration.admits(bearer(parts)?.as_ref()) {
        return Err(Cause::InitialAccessToken.into());
    }
    let asked = Asked::read(server, &read(parts, body)?)?;
    let peer = Peer::of(parts).ok_or(Cause::NoPeer)?;
    if let Some(charge) = registration.charge(server, peer) {
        let charged = server.store().charge(&[charge], server.now()).await?;
        if charged.iter().any(|charged| !charged.admitted) {
            return Err(Cause::RegistrationThrottled.into());
        }
    }
    let (registered, token) = server.register_client(asked).await?;
    Ok(information(server, StatusCode::CREATED, &registered, &token))
}

async fn configure(server: &Server, parts: &Parts, body: &Bytes, client_id: &str) -> Result<Response<Bytes>, Refusal> {
    let token = bearer(parts)?.ok_or(Cause::MissingRegistrationToken)?;
    let token = Handle::parse(TOKEN_HANDLE, token.expose())
        .map_err(|error| Refusal::from(Cause::RegistrationToken).source(error))?;
    if parts.method == Method::DELETE {
        server.delete_registration(client_id, &token).await?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        answer::never_stored(&mut response);
        return Ok(response);
    }
    let found = server.registration(client_id, &token).await?;
    let registered = if parts.method == Method::PUT {
        let sent = read(parts, body)?;
        check_update(server, &found.value, &sent)?;
        server.update_registration(&found, Asked::read(server, &sent)?).await?
    } else {
        Registered { record: found.value, secret: None }
    };
    Ok(information(server, StatusCode::OK, &registered, &token))
}

/// RFC 7592 §2.2: the client names itself and its own secret, and nothing that is the server's to say.
fn check_update(server: &Server, record: &ClientRecord, sent: &Map<String, Value>) -> Result<(), Refusal> {
    const OURS: [&str; 4] =
        ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"];
    if sent.get("client_id").and_then(Value::as_str) != Some(record.client_id.as_str()) {
        return Err(Cause::UpdateClientId.into());
    }
    if OURS.iter().any(|member| sent.contains_key(*member)) {
        return Err(Cause::UpdateMember.into());
    }
    let Some(secret) = sent.get("client_secret") else { return Ok(()) };
    let own = record.secret.as_ref().map(countersign_tokens::HandleHash::as_bytes);
    match (own, secret.as_str()) {
        (Some(own), Some(secret)) if secret_matches(server.crypto(), own, secret) => Ok(()),
        _ => Err(Cause::UpdateSecret.into()),
    }
}

fn read(parts: &Parts, body: &Bytes) -> Result<Map<String, Value>, Refusal> {
    if !is_content_type(parts, "application/json") {
        return Err(Cause::RegistrationContentType.into());
    }
    strict::read_object(body).map_err(|error| Refusal::from(Cause::MalformedMetadata).source(error))
}

/// The token of the Authorization header (RFC 6750 §2.1), the one place where it may stand.
fn bearer(parts: &Parts) -> Result<Option<SecretString>, Refusal> {
    let mut lines = parts.headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(Cause::MalformedBearer.into());
    }
    let line = line.to_str().map_err(|_| Cause::MalformedBearer)?;
    match line.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            Ok(Some(SecretString::new(token.trim())))
        }
        _ => Err(Cause::MalformedBearer.into()),
    }
}

/// The client information response (RFC 7591 §3.2.1, RFC 7592 §3). The secret is told when it is made and never again, since
/// only its hash is kept; the registration access token is the one that was presented.
fn information(server: &Server, status: StatusCode, registered: &Registered, token: &Handle) -> Response<Bytes> {
    let mut told = registered.record.told();
    if let Some(secret) = &registered.secret {
        told.insert("client_secret".to_owned(), json!(secret.to_secret_string().expose()));
    }
    if registered.record.secret.is_some() {
        told.insert("client_secret_expires_at".to_owned(), json!(0));
    }
    told.insert("registration_access_token".to_owned(), json!(token.to_secret_string().expose()));
    let path = format!("/oauth/register/{}", registered.record.client_id);
    told.insert("registration_client_uri".to_owned(), json!(server.config().issuer().url(&path)));
    answer::json(status, &told)
}

/// The error answer (RFC 7591 §3.2.2; RFC 6750 §3 for the tokens).
fn refused(server: &Server, refusal: &Refusal, client: Option<&str>) -> Response<Bytes> {
    server.note_refusal(EventKind::RegistrationRefused, refusal, client);
    if refusal.status() == StatusCode::UNAUTHORIZED {
        return server.bearer_refusal(refusal);
    }
    let mut response = answer::refusal(refusal);
    if refusal.status() == StatusCode::TOO_MANY_REQUESTS {
        answer::set(&mut response, header::RETRY_AFTER, "3600");
    }
    response
}
