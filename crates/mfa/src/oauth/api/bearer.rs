//! Who calls `/mfa/…`: a login that waits for its second factor, by its `mfa_token`, or an access token of the API's own.

use countersign_oauth_core::{Access, Cause, Refusal, Server};
use http::header;
use http::request::Parts;

use super::transaction::{Open, caller, is_token};
use super::{MfaApi, refusals};
use crate::Caller;
use crate::oauth::Login;

/// Who calls.
pub(super) enum Bearer {
    /// A login under way.
    Login(Box<Open>),
    /// Somebody who has signed in for it.
    Access(Box<Access>, Caller),
}

impl Bearer {
    /// The bearer of a request, who may do what `scope` says. An `mfa_token` may list and set up; `scope` says what an access token needs.
    pub(super) async fn of(login: &Login, server: &Server, parts: &Parts, scope: &str) -> Result<Self, Refusal> {
        let token = token(parts)?;
        if is_token(&token) {
            let open = Open::by_token(login, server, parts, &token).await;
            return Ok(Self::Login(Box::new(open.map_err(unauthorized)?)));
        }
        let access = access(server, &token, scope).await?;
        let caller = caller(&access.client, parts);
        Ok(Self::Access(Box::new(access), caller))
    }
}

/// An access token of the API's own that has this scope.
pub(super) async fn access(server: &Server, token: &str, scope: &str) -> Result<Access, Refusal> {
    let audience = MfaApi::audience(server.config().issuer());
    let access = server.inspect(token, &audience).await?.ok_or(Cause::InvalidToken)?;
    if access.scope.contains(scope) { Ok(access) } else { Err(Cause::InsufficientScope.into()) }
}

/// The token in the header (RFC 6750 §2.1); the body is JSON.
pub(in crate::oauth) fn token(parts: &Parts) -> Result<String, Refusal> {
    let mut lines = parts.headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Err(Cause::MissingToken.into()) };
    let token = line.to_str().ok().and_then(|line| line.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && lines.next().is_none() => {
            Ok(token.trim().to_owned())
        }
        _ => Err(Cause::MalformedBearer.into()),
    }
}

/// An error of the engine, where the login was named by the bearer: a token that does not do is 401 (RFC 6750 §3.1).
pub(super) fn failed(error: crate::LoginError) -> Refusal {
    match error {
        crate::LoginError::Expired | crate::LoginError::OtherBrowser => unauthorized(refusals::failed(error)),
        other => refusals::failed(other),
    }
}

fn unauthorized(refusal: Refusal) -> Refusal {
    if refusal.is_failure() { refusal } else { refusal.with_status(http::StatusCode::UNAUTHORIZED) }
}

/// The answer to a refusal at these paths.
pub(super) fn answer(server: &Server, refusal: &Refusal) -> http::Response<bytes::Bytes> {
    server.note_refusal(countersign_events::EventKind::TokenRefused, refusal, None);
    match refusal.status() {
        http::StatusCode::UNAUTHORIZED if refusal.error() == "invalid_client" => {
            countersign_oauth_core::answer::refusal(refusal)
        }
        http::StatusCode::UNAUTHORIZED => server.bearer_refusal(refusal),
        _ => countersign_oauth_core::answer::refusal(refusal),
    }
}

/// An enrolment of somebody who has signed in, by the grant of the token that asks for it.
pub(super) fn enrolment(server: &Server, access: &Access) -> crate::LoginId {
    crate::LoginId(server.derived_id("mfa enrolment", access.grant_id))
}

/// What an access token lacks is an `mfa_token`'s place at the token endpoint: there it is a malformed one.
pub(super) fn as_mfa_token(refusal: Refusal) -> Refusal {
    if refusal.is_failure() { refusal } else { refusals::malformed_token() }
}
