//! `POST /mfa/associate`: sets up an authenticator. Confirmed by the grant that its code belongs to.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{Endpoint, Refusal, Server, answer};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use serde::Serialize;

use super::bearer::{Bearer, enrolment};
use super::body::Body;
use super::refusals::{self, Shown as Told, member};
use super::{ENROLL, Wire, bearer, code, speaks};
use crate::factor::TOTP;
use crate::login::direct::{Associated, Associating};
use crate::login::record::Enrolling;
use crate::oauth::Login;
use crate::{AuthenticatorId, LoginId, Shown};

pub(super) struct Associate(pub(super) Arc<Login>);

/// What the client is given.
#[derive(Serialize)]
struct Answer {
    authenticator_type: &'static str,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    barcode_uri: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oob_channel: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oob_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binding_method: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recovery_codes: Vec<Shown>,
}

#[async_trait]
impl Endpoint for Associate {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        match self.associate(server, &parts, &body).await {
            Ok(given) => answer::json(StatusCode::OK, &given),
            Err(refusal) => bearer::answer(server, &refusal),
        }
    }
}

impl Associate {
    async fn associate(&self, server: &Server, parts: &Parts, body: &Bytes) -> Result<Answer, Refusal> {
        let bearer = Bearer::of(&self.0, server, parts, ENROLL).await?;
        let body = Body::read(parts, body)?;
        let client = match &bearer {
            Bearer::Login(open) => &*open.client,
            Bearer::Access(access, _) => &*access.client,
        };
        if body.names_client() && body.client(server, parts).await?.id() != client.id() {
            return Err(refusals::malformed_token());
        }
        let wire = asked_type(&body)?;
        if !speaks(client, wire.method) || self.0.mfa.methods().all(|method| method.name() != wire.method) {
            return Err(refusals::not_offered());
        }
        let to = self.contact(&bearer, &body, wire).await?;
        let asked = Associating { method: wire.method, to: to.as_deref() };
        let (id, associated) = match &bearer {
            Bearer::Login(open) => (open.id, self.0.mfa.associate(open.id, asked, &open.caller).await),
            Bearer::Access(access, caller) => {
                let id = enrolment(server, access);
                let who = access.grant.who().cloned().ok_or_else(refusals::not_offered)?;
                (id, self.0.mfa.begin_adding(id, (who, access.client.id()), asked, caller).await)
            }
        };
        match associated.map_err(bearer::failed)? {
            Associated::Begun(begun) => {
                let (enrolling, wrong) = *begun;
                match wrong.and_then(|step| refusals::told(&step, Told::Binding)) {
                    Some(refusal) => Err(refusal),
                    None => Ok(self.given(id, wire, enrolling)),
                }
            }
            Associated::Enrolled => Err(refusals::already_enrolled()),
            Associated::NotOffered => Err(refusals::not_offered()),
            Associated::InvalidContact => Err(member("phone_number or email is missing or malformed")),
        }
    }

    /// The number or address that was typed; of a mail address also the one on file.
    async fn contact(&self, bearer: &Bearer, body: &Body, wire: Wire) -> Result<Option<String>, Refusal> {
        let phone = body.text("phone_number", "phone_number is a text of E.164")?;
        let email = body.text("email", "email is a text")?;
        Ok(match wire.oob_channel {
            Some("sms" | "voice") => phone.map(str::to_owned),
            Some("email") => match (email, subject(bearer)) {
                (None, Some(subject)) => self.0.mfa.address_of(subject).await.map_err(refusals::failed)?,
                (typed, _) => typed.map(str::to_owned),
            },
            _ => None,
        })
    }

    fn given(&self, id: LoginId, wire: Wire, enrolling: Enrolling) -> Answer {
        let keys = &self.0.mfa.0.keys;
        let oob = wire.oob_channel.is_some();
        let prompt = enrolling.prompt;
        let bare = |secret: Shown| Shown::new(secret.expose().replace(' ', ""));
        Answer {
            authenticator_type: wire.authenticator_type,
            id: AuthenticatorId::new(wire.prefix, enrolling.id).to_string(),
            secret: prompt.secret.map(bare),
            barcode_uri: prompt.otpauth_uri.or(prompt.device_uri),
            oob_channel: wire.oob_channel,
            oob_code: oob.then(|| code::of(keys, id, enrolling.challenge.id)),
            // Also of push: the user types the digits that the device shows.
            binding_method: oob.then_some("prompt"),
            recovery_codes: enrolling.recovery.map(|recovery| recovery.codes).unwrap_or_default(),
        }
    }
}

fn subject(bearer: &Bearer) -> Option<&countersign_primitives::Subject> {
    match bearer {
        Bearer::Login(open) => open.record.subject.as_ref(),
        Bearer::Access(access, _) => access.grant.who().map(countersign_primitives::SignedIn::subject),
    }
}

/// The one type that is asked for, and of `oob` the one channel.
fn asked_type(body: &Body) -> Result<Wire, Refusal> {
    match body.only("authenticator_types", "authenticator_types is a list of one: otp or oob")? {
        "otp" => Wire::of(TOTP).ok_or_else(refusals::not_offered),
        "oob" => {
            let wrong = "oob_channels is a list of one: sms, voice, email or auth0";
            let channel = body.only("oob_channels", wrong)?;
            Wire::of_channel(channel).ok_or_else(|| member(wrong))
        }
        _ => Err(member("authenticator_types is a list of one: otp or oob")),
    }
}
