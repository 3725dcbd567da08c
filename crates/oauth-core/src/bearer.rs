//! Access tokens that come back to this server: at userinfo and other endpoints of its own (RFC 6750).

use std::sync::Arc;

use bytes::Bytes;
use countersign_primitives::{Id, Subject, UnixTime};
use http::request::Parts;
use http::{Method, Response, StatusCode, header};

use crate::access_token::KnownToken;
use crate::endpoints::read_form;
use crate::records::GrantRecord;
use crate::transport::answer;
use crate::{Cause, Client, Refusal, ScopeSet, Server};

/// What an access token of ours allows, seen just now: its grant lives, and so does all that it rests on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Access {
    /// The client that holds it.
    pub client: Arc<Client>,
    /// The grant under which it was issued.
    pub grant: GrantRecord,
    /// What names that grant.
    pub grant_id: Id,
    /// The subject as the client sees it.
    pub subject: Subject,
    /// What it allows.
    pub scope: ScopeSet,
    /// When it was issued.
    pub issued_at: Option<UnixTime>,
    /// When it ends.
    pub expires_at: UnixTime,
}

impl Server {
    /// Checks the access token of a request to an endpoint of this server's own: sent once, ours, for us, live.
    ///
    /// # Errors
    /// The refusal that [`Server::bearer_refusal`] turns into an answer (RFC 6750 §3.1).
    pub async fn access(&self, parts: &Parts, body: &Bytes) -> Result<Access, Refusal> {
        let token = bearer_token(parts, body)?;
        let access = self.inspect(&token, self.config().issuer().as_str()).await?;
        access.ok_or_else(|| Cause::InvalidToken.into())
    }

    /// Looks up an access token that is for `audience`, a resource that this server serves itself; none for one that is not valid there,
    /// or no more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn inspect(&self, token: &str, audience: &str) -> Result<Option<Access>, Refusal> {
        let Some(known) = self.find_access_token(token).await? else { return Ok(None) };
        if !known.audience.iter().any(|uri| uri == audience) || !self.stands(&known.client, &known.grant.value).await? {
            return Ok(None);
        }
        let KnownToken { client, grant, subject, scope, issued_at, expires_at, .. } = known;
        let (grant_id, grant) = (grant.key.id, grant.value);
        Ok(Some(Access { client, grant, grant_id, subject, scope, issued_at, expires_at }))
    }

    /// The answer to a request whose access token does not do (RFC 6750 §3).
    #[must_use]
    pub fn bearer_refusal(&self, refusal: &Refusal) -> Response<Bytes> {
        if refusal.is_failure() {
            return answer::refusal(refusal);
        }
        let mut response = if refusal.error().is_empty() {
            answer::with(StatusCode::UNAUTHORIZED, "application/json", Bytes::from_static(b"{}"))
        } else {
            answer::refusal(refusal)
        };
        let challenge = match refusal.error() {
            "" => "Bearer".to_owned(),
            error => format!("Bearer error=\"{error}\", error_description=\"{}\"", refusal.description()),
        };
        answer::set(&mut response, header::WWW_AUTHENTICATE, &challenge);
        answer::never_stored(&mut response);
        response
    }
}

/// The token of a request: in the header, or in a form; never in the query, and never in two places (RFC 6750 §2).
fn bearer_token(parts: &Parts, body: &Bytes) -> Result<String, Refusal> {
    let mut found = header_token(parts)?;
    let is_form = crate::endpoints::authorize::is_content_type(parts, "application/x-www-form-urlencoded");
    if parts.method == Method::POST && is_form {
        let form = read_form(parts, body)?;
        if let Some(token) = form.get("access_token")
            && found.replace(token.to_owned()).is_some()
        {
            return Err(Cause::MalformedBearer.into());
        }
    }
    found.ok_or_else(|| Cause::MissingToken.into())
}

/// The bearer token in the header of a request, if there is one (RFC 6750 §2.1).
pub(crate) fn header_token(parts: &Parts) -> Result<Option<String>, Refusal> {
    let mut found = None;
    for line in parts.headers.get_all(header::AUTHORIZATION) {
        let line = line.to_str().map_err(|_| Cause::MalformedBearer)?;
        let token = match line.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => return Err(Cause::MissingToken.into()),
        };
        if token.is_empty() || found.replace(token.to_owned()).is_some() {
            return Err(Cause::MalformedBearer.into());
        }
    }
    Ok(found)
}
