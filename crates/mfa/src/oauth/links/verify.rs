//! `/verify-email`: showing that an address is one's own.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{Cause, Endpoint, Refusal, Server, is_same_origin};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use serde_json::json;

use super::super::Login;
use super::super::cookies::caller;
use super::super::reply::{Form, Replies, refusal};
use super::{Sent, dead, failed, forged, link_of, show, show_link, text, with_wait};
use crate::{LinkPurpose, LoginError, VerifyEmailError};

const PLACE: (&str, &str) = ("verify_email", "/verify-email");

pub(in super::super) struct ShowVerify(pub(in super::super) Arc<Login>);

pub(in super::super) struct VerifyEmail(pub(in super::super) Arc<Login>);

#[async_trait]
impl Endpoint for ShowVerify {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, _) = request.into_parts();
        let replies = Replies::new(&self.0, server, &parts, Form::of(&parts));
        let Some(link) = link_of(&parts) else { return ask(&replies, &parts).await };
        let is_live = self.0.mfa.is_live_link(LinkPurpose::VerifyEmail, link.expose()).await;
        show_link(&replies, PLACE, ("confirm", &link), is_live)
    }
}

#[async_trait]
impl Endpoint for VerifyEmail {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let replies = Replies::new(&self.0, server, &parts, Form::of(&parts));
        if !is_same_origin(&parts, server.config().issuer()) {
            return forged(&replies);
        }
        match Sent::read(&parts, &body) {
            Ok(sent) if sent.link.is_some() => self.verify(&replies, &parts, &sent).await,
            Ok(sent) => match self.send(&replies, &parts, &sent).await {
                Ok(response) | Err(response) => response,
            },
            Err(refusal) => replies.refused(&refusal),
        }
    }
}

impl VerifyEmail {
    async fn verify(&self, replies: &Replies<'_>, parts: &Parts, sent: &Sent) -> Response<Bytes> {
        let browser = match replies.server.browser(parts).await {
            Ok(browser) => browser,
            Err(refusal) => return replies.refused(&refusal),
        };
        let caller = caller(replies.server, &browser, None, parts);
        match self.0.mfa.verify_email(text(sent.link.as_ref()), &caller).await {
            Ok(()) => show(replies, PLACE, "", json!({ "state": "done" }), None),
            Err(VerifyEmailError::Link(_)) => dead(replies),
            Err(VerifyEmailError::Login(error)) => failed(replies, error),
        }
    }

    /// Sends a link to the address on file of whoever is signed in.
    async fn send(
        &self,
        replies: &Replies<'_>,
        parts: &Parts,
        sent: &Sent,
    ) -> Result<Response<Bytes>, Response<Bytes>> {
        let (server, refused) = (replies.server, |refusal: Refusal| replies.refused(&refusal));
        let browser = server.browser(parts).await.map_err(refused)?;
        let who = server.signed_in(&browser).await.map_err(refused)?.ok_or_else(|| refused(nobody()))?;
        let matter = server.derived_id("verify email", browser.id());
        if !server.is_anti_forgery(&browser, matter, text(sent.csrf.as_ref())) {
            return Err(refused(Cause::Forged.into()));
        }
        let caller = caller(server, &browser, Some(&who), parts);
        match self.0.mfa.ask_to_verify_email(who.subject(), &caller).await {
            Ok(()) => Ok(show(replies, PLACE, "", json!({ "state": "sent" }), None)),
            Err(error @ LoginError::Throttled { .. }) => {
                let wrong = Some((StatusCode::TOO_MANY_REQUESTS, "throttled"));
                let csrf = server.anti_forgery(&browser, matter);
                Err(with_wait(show(replies, PLACE, &csrf, json!({ "state": "ask" }), wrong), &error))
            }
            Err(error) => Err(refused(refusal(error))),
        }
    }
}

/// The page that asks for a link.
async fn ask(replies: &Replies<'_>, parts: &Parts) -> Response<Bytes> {
    let server = replies.server;
    let browser = match server.browser(parts).await {
        Ok(browser) => browser,
        Err(refusal) => return replies.refused(&refusal),
    };
    match server.signed_in(&browser).await {
        Ok(Some(_)) => {
            let csrf = server.anti_forgery(&browser, server.derived_id("verify email", browser.id()));
            show(replies, PLACE, &csrf, json!({ "state": "ask" }), None)
        }
        Ok(None) => replies.refused(&nobody()),
        Err(refusal) => replies.refused(&refusal),
    }
}

fn nobody() -> Refusal {
    let description = "nobody is signed in here; sign in at an application first";
    Refusal::new(StatusCode::UNAUTHORIZED, "login_required", description)
        .cause("verify_email.nobody_signed_in", "docs/promises.md")
}
