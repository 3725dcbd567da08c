//! The endpoints, a file each: parse, authenticate, validate, decide, store, respond.

pub(crate) mod authorize;
pub(crate) mod introspect;
pub(crate) mod metadata;
pub(crate) mod register;
pub(crate) mod revoke;
pub(crate) mod token;

pub(crate) use authorize::CODE_HANDLE;
pub use authorize::{Ask, AskedScope, Consent, Outcome};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use countersign_events::EventKind;
use countersign_tokens::CryptoProvider;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};

use crate::client_authentication::AuthenticatedClient;
use crate::transport::answer;
use crate::{Cause, Params, Refusal, Server};

/// The entity tag of a document that changes rarely (RFC 9110 §8.8.3).
pub(crate) fn entity_tag(crypto: &dyn CryptoProvider, body: &[u8]) -> String {
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(&crypto.sha256(&[body])[..16]))
}

/// A document that caches may keep for five minutes, or 304 where the client has it (RFC 9110 §15.4.5).
pub(crate) fn cacheable(parts: &Parts, body: &Bytes, etag: &str, content_type: &'static str) -> Response<Bytes> {
    let known = parts.headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known
        .flat_map(|value| value.split(','))
        .any(|tag| matches!(tag.trim(), "*") || tag.trim().trim_start_matches("W/") == etag);
    let mut response = if known {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        answer::with(StatusCode::OK, content_type, body.clone())
    };
    answer::set(&mut response, header::ETAG, etag);
    answer::put(&mut response, header::CACHE_CONTROL, const { HeaderValue::from_static("public, max-age=300") });
    response
}

/// Reads the form in a body (RFC 6749 Appendix B): the right type, each parameter once.
pub(crate) fn read_form(parts: &Parts, body: &Bytes) -> Result<Params, Refusal> {
    if !authorize::is_content_type(parts, "application/x-www-form-urlencoded") {
        return Err(Cause::ContentType.into());
    }
    let form = Params::parse(body).map_err(|error| Refusal::from(Cause::MalformedParameters).source(error))?;
    if form.repeated().is_some() { Err(Cause::RepeatedParameter.into()) } else { Ok(form) }
}

/// Reads the body of a token request: a form, or JSON as clients of the MFA API send it. Both make one kind of parameters, which all
/// that follows reads alike.
pub(crate) fn read_form_or_json(parts: &Parts, body: &Bytes) -> Result<Params, Refusal> {
    if !authorize::is_content_type(parts, "application/json") {
        return read_form(parts, body);
    }
    Params::from_json(body).map_err(|error| Refusal::from(Cause::MalformedParameters).source(error))
}

/// The error answer to a client that authenticates (RFC 6749 §5.2, RFC 7009 §2.2.1, RFC 7662 §2.3). 401 names a scheme, whether
/// or not the client tried it (RFC 9110 §15.5.2).
pub(crate) fn client_refused(
    server: &Server,
    kind: EventKind,
    client: Option<&AuthenticatedClient>,
    refusal: &Refusal,
) -> Response<Bytes> {
    let kind = if refusal.error() == "invalid_client" { EventKind::ClientRefused } else { kind };
    server.note_refusal(kind, refusal, client.map(|client| client.id()));
    let mut response = answer::refusal(refusal);
    if refusal.status() == StatusCode::UNAUTHORIZED {
        answer::set(&mut response, header::WWW_AUTHENTICATE, "Basic realm=\"token endpoint\"");
    }
    response
}
