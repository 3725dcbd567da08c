//! Access tokens that come back to this server: at userinfo and other endpoints of its own (RFC 6750).

use std::sync::Arc;

use bytes::Bytes;
use countersign_primitives::{Subject, UnixTime};
use countersign_storage_traits::{Found, Key};
use countersign_tokens::{AudienceRule, Expect, Jti};
use http::request::Parts;
use http::{Method, Response, StatusCode, header};
use serde::Deserialize;

use crate::endpoints::read_form;
use crate::records::{self, GrantRecord};
use crate::transport::answer;
use crate::{Cause, Client, ClientId, Refusal, ScopeSet, Server};

/// What an access token of ours allows, seen just now: its grant lives, and so does all that it rests on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Access {
    /// The client that holds it.
    pub client: Arc<Client>,
    /// The grant under which it was issued.
    pub grant: GrantRecord,
    /// The subject as the client sees it.
    pub subject: Subject,
    /// What it allows.
    pub scope: ScopeSet,
    /// When it ends.
    pub expires_at: UnixTime,
}

#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow)]
    client_id: std::borrow::Cow<'a, str>,
    #[serde(default)]
    scope: ScopeSet,
}

impl Server {
    /// Checks the access token of a request to an endpoint of this server's own: sent once, ours, for us, live.
    ///
    /// # Errors
    /// The refusal that [`Server::bearer_refusal`] turns into an answer (RFC 6750 §3.1).
    pub async fn access(&self, parts: &Parts, body: &Bytes) -> Result<Access, Refusal> {
        let token = bearer_token(parts, body)?;
        self.inspect(&token).await?.ok_or_else(|| Cause::InvalidToken.into())
    }

    /// Looks up an access token; none for one that is not valid here, or no more.
    async fn inspect(&self, token: &str) -> Result<Option<Access>, Refusal> {
        let Ok(verified) = self.keys().verify(token, &Expect::typ("at+jwt")).await else { return Ok(None) };
        let now = self.now();
        let checked = || {
            let registered = verified.registered()?;
            registered.check_issuer(self.config().issuer().as_str())?;
            registered.check_audience(AudienceRule::Contains(self.config().issuer().as_str()))?;
            let expires_at = registered.require_expiry(now, std::time::Duration::ZERO)?;
            let claims: Claims<'_> = verified.claims()?;
            let subject = Subject::new(registered.require_subject()?);
            let id = Jti::grant(self.crypto(), self.secrets().jti(), registered.require_jwt_id()?);
            let client = ClientId::parse(&claims.client_id);
            Ok::<_, countersign_tokens::JwtError>((expires_at, claims.scope, subject, id, client))
        };
        let Ok((expires_at, scope, subject, Some(id), Some(client_id))) = checked() else { return Ok(None) };
        let key = Key::root(records::GRANT, id);
        let Some(grant): Option<Found<GrantRecord>> = self.store().find(key, now).await? else { return Ok(None) };
        let Some(client) = self.find_client(&client_id).await? else { return Ok(None) };
        if grant.value.client_id != client_id || !self.stands(&client, &grant.value).await? {
            return Ok(None);
        }
        Ok(Some(Access { client, grant: grant.value, subject, scope, expires_at }))
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
