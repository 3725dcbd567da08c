//! `POST /mfa/challenge`: asks one of the user's authenticators.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{Client, Endpoint, Refusal, Server, answer};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use serde::Serialize;

use super::authenticators::named;
use super::body::Body;
use super::refusals::{self, Shown as Told, member};
use super::transaction::Open;
use super::{Wire, bearer, code, speaks};
use crate::login::direct::Askable;
use crate::login::record::Asked;
use crate::oauth::Login;
use crate::{AuthenticatorId, Shown};

pub(super) struct ChallengeCall(pub(super) Arc<Login>);

/// What is asked.
#[derive(Serialize)]
struct Answer {
    challenge_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    oob_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binding_method: Option<&'static str>,
    /// The number that the device is to be shown, where one is asked: the client shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<Shown>,
}

#[async_trait]
impl Endpoint for ChallengeCall {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        match self.challenge(server, &parts, &body).await {
            Ok(asked) => answer::json(StatusCode::OK, &asked),
            Err(refusal) => bearer::answer(server, &refusal),
        }
    }
}

impl ChallengeCall {
    async fn challenge(&self, server: &Server, parts: &Parts, body: &Bytes) -> Result<Answer, Refusal> {
        let body = Body::read(parts, body)?;
        let client = body.client(server, parts).await?;
        let token = body.text("mfa_token", "mfa_token is a text")?.ok_or_else(|| member("mfa_token is missing"))?;
        let open = Open::by_token(&self.0, server, parts, token).await?.of_client(&client)?;
        let types = body.text("challenge_type", "challenge_type is a text: otp, oob, or both")?;
        let wanted = body.text("authenticator_id", "authenticator_id is a text")?;
        let askable = self.0.mfa.askable(open.id, &open.caller).await.map_err(refusals::failed)?;
        let (authenticator, wire) = pick(askable, &client, types, wanted)?;
        let called = self.0.mfa.challenge(open.id, &authenticator, &open.caller).await;
        let (step, asked) = called.map_err(refusals::failed)?;
        match (refusals::told(&step, Told::Binding), asked) {
            (Some(refusal), _) => Err(refusal),
            (None, Some(asked)) if authenticator.is(asked.authenticator) => Ok(self.given(&open, wire, asked)),
            (None, _) => Err(refusals::malformed_token()), // others moved the login on meanwhile
        }
    }

    fn given(&self, open: &Open, wire: Wire, asked: Asked) -> Answer {
        let oob = wire.oob_channel.is_some();
        let waits = asked.challenge.prompt.wait;
        Answer {
            challenge_type: wire.authenticator_type,
            oob_code: oob.then(|| code::of(&self.0.mfa.0.keys, open.id, asked.challenge.id)),
            binding_method: (oob && waits.is_none()).then_some("prompt"),
            number: waits.and_then(|wait| wait.number),
        }
    }
}

/// The authenticator that is asked: the one that was named, else the first of a type that the client takes.
fn pick(
    askable: Askable,
    client: &Client,
    types: Option<&str>,
    wanted: Option<&str>,
) -> Result<(AuthenticatorId, Wire), Refusal> {
    let takes = |wire: &Wire| types.is_none_or(|types| types.split(' ').any(|one| one == wire.authenticator_type));
    let spoken = askable.ids.into_iter().filter(|id| speaks(client, id.method()));
    let mut asked = spoken
        .filter_map(|id| Wire::of(id.method()).map(|wire| (id, wire)))
        .filter(|(_, wire)| wire.authenticator_type != "recovery-code")
        .peekable();
    if askable.enrols && asked.peek().is_none() {
        return Err(refusals::association_required());
    }
    match wanted {
        Some(wanted) => {
            let wanted = named(wanted);
            let found = asked.find(|(id, _)| Some(id) == wanted.as_ref());
            let (id, wire) = found.ok_or_else(refusals::unknown_authenticator)?;
            if takes(&wire) { Ok((id, wire)) } else { Err(refusals::unsupported_challenge_type()) }
        }
        None => asked.find(|(_, wire)| takes(wire)).ok_or_else(refusals::unsupported_challenge_type),
    }
}
