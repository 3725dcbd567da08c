//! `GET /mfa/authenticators` and `DELETE /mfa/authenticators/{id}`.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{Client, Endpoint, Refusal, Server, answer};
use countersign_primitives::{SignedIn, UnixTime};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::bearer::{self, Bearer};
use super::refusals;
use super::{READ, REMOVE, Wire, speaks};
use crate::contact::Contact;
use crate::enrolments::Authenticator;
use crate::oauth::Login;
use crate::{AuthenticatorId, AuthenticatorsError};

pub(super) struct List(pub(super) Arc<Login>);

pub(super) struct Remove(pub(super) Arc<Login>);

/// An authenticator on the wire. Two members for one thing: some client libraries read the one, some the other.
#[derive(Serialize)]
struct Entry {
    id: String,
    authenticator_type: &'static str,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    oob_channel: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oob_channels: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "type")]
    kind: &'static str,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_auth: Option<String>,
}

impl Entry {
    fn of(wire: Wire, one: &Authenticator, active: bool) -> Self {
        let time = |time: UnixTime| humantime::format_rfc3339_millis(time.into()).to_string();
        Self {
            id: AuthenticatorId::new(wire.prefix, one.id).to_string(),
            authenticator_type: wire.authenticator_type,
            active,
            oob_channel: wire.oob_channel,
            oob_channels: wire.oob_channel.map(|channel| [channel]),
            name: one.label.clone().or(one.contact.as_ref().map(masked)),
            kind: wire.requirement,
            created_at: time(one.enrolled_at),
            last_auth: one.last_used.map(time),
        }
    }
}

/// Enough for its owner to know it by: of a number the beginning, as client libraries show it.
fn masked(contact: &Contact) -> String {
    if contact.to().contains('@') {
        return contact.masked();
    }
    let hidden = |(at, digit): (usize, char)| if at > 4 { 'X' } else { digit };
    contact.to().chars().enumerate().map(hidden).collect()
}

/// The authenticator that a text of the wire names.
pub(super) fn named(text: &str) -> Option<AuthenticatorId> {
    let (prefix, rest) = text.split_once('|')?;
    let wire = Wire::ALL.into_iter().find(|wire| wire.prefix == prefix || wire.method == prefix)?;
    format!("{}|{rest}", wire.method).parse().ok()
}

#[async_trait]
impl Endpoint for List {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, _) = request.into_parts();
        match self.list(server, &parts).await {
            Ok(entries) => answer::json(StatusCode::OK, &entries),
            Err(refusal) => bearer::answer(server, &refusal),
        }
    }
}

impl List {
    async fn list(&self, server: &Server, parts: &Parts) -> Result<Vec<Entry>, Refusal> {
        let bearer = Bearer::of(&self.0, server, parts, READ).await?;
        let (client, subject): (&Client, _) = match &bearer {
            Bearer::Login(open) => {
                // It must still stand: what was ended lists nothing.
                self.0.mfa.step(open.id, &open.caller).await.map_err(bearer::failed)?;
                (&open.client, open.record.subject.as_ref())
            }
            Bearer::Access(access, _) => (&access.client, access.grant.who().map(SignedIn::subject)),
        };
        let Some(subject) = subject else { return Ok(Vec::new()) };
        let enrolled = self.0.mfa.enrolled(subject).await.map_err(refusals::failed)?;
        // What only opens the way to a first factor is asked in a login, and is none to somebody who has signed in.
        let opens = matches!(bearer, Bearer::Login(_));
        let told = enrolled.iter().filter(|one| speaks(client, &one.method) && !one.is_used_up());
        let told = told.filter(|one| opens || !one.opens_only);
        let settings = self.0.mfa.0.run_time.settings();
        Ok(told.filter_map(|one| Some(Entry::of(Wire::of(&one.method)?, one, settings.is_on(&one.method)))).collect())
    }
}

#[async_trait]
impl Endpoint for Remove {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, _) = request.into_parts();
        match self.remove(server, &parts).await {
            Ok(()) => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::NO_CONTENT;
                answer::never_stored(&mut response);
                response
            }
            Err(refusal) => bearer::answer(server, &refusal),
        }
    }
}

impl Remove {
    /// Takes an authenticator away, and with it all that rests on it: sessions and tokens of the user, this one among them.
    async fn remove(&self, server: &Server, parts: &Parts) -> Result<(), Refusal> {
        // An `mfa_token` is none: whoever knows a password must not take away what guards against that.
        let access = bearer::access(server, &bearer::token(parts)?, REMOVE).await?;
        let id = parts.uri.path().rsplit('/').next().unwrap_or_default();
        let id = percent_decode_str(id).decode_utf8().ok().and_then(|id| named(&id)).ok_or_else(not_found)?;
        let subject = access.grant.who().map(SignedIn::subject).ok_or_else(not_found)?;
        let enrolled = self.0.mfa.enrolled(subject).await.map_err(refusals::failed)?;
        let own = enrolled.into_iter().find(|one| id.is(one.id) && !one.on_file).ok_or_else(not_found)?;
        match self.0.mfa.authenticators().remove(subject, &own.named()).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(not_found()),
            Err(AuthenticatorsError::Store(error)) => Err(error.into()),
            Err(error) => Err(Refusal::from(countersign_oauth_core::Cause::StoreFailed).source(error)),
        }
    }
}

fn not_found() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "invalid_request", "there is no such authenticator")
        .cause("mfa_api.unknown_authenticator", "docs/mfa-api.md")
}
