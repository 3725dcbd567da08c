//! `/not-me`: the link of a notice, by which its reader ends everything that somebody else may have.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{Endpoint, Server};
use http::{Request, Response};
use serde_json::json;

use super::super::Login;
use super::super::reply::{Form, Replies};
use super::{dead, failed, link_of, received, show, show_link, text};
use crate::NotMeError;

const PLACE: (&str, &str) = ("not_me", "/not-me");

pub(in super::super) struct ShowNotMe(pub(in super::super) Arc<Login>);

pub(in super::super) struct EndEverything(pub(in super::super) Arc<Login>);

#[async_trait]
impl Endpoint for ShowNotMe {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, _) = request.into_parts();
        let replies = Replies::new(&self.0, server, &parts, Form::of(&parts));
        let Some(link) = link_of(&parts) else { return dead(&replies) };
        let is_live = self.0.mfa.not_me_link(link.expose()).await.map(|subject| subject.is_some());
        show_link(&replies, PLACE, ("confirm", &link), is_live)
    }
}

#[async_trait]
impl Endpoint for EndEverything {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let replies = Replies::new(&self.0, server, &parts, Form::of(&parts));
        let (sent, caller) = match received(&replies, &parts, &body).await {
            Ok(received) => received,
            Err(response) => return response,
        };
        let (mfa, link) = (&self.0.mfa, text(sent.link.as_ref()));
        let subject = match mfa.not_me_link(link).await {
            Ok(Some(subject)) => subject,
            Ok(None) => return dead(&replies),
            Err(error) => return failed(&replies, error),
        };
        // Sessions and grants first: the link is spent once nothing is left to do.
        if let Err(refusal) = server.revoke_subject(subject).await {
            return replies.refused(&refusal);
        }
        match mfa.not_me(link, &caller).await {
            Ok(_) => {
                let may_reset = mfa.0.may_reset();
                let base = server.config().issuer().path();
                let reset = may_reset.then(|| format!("{base}/password/forgot"));
                show(&replies, PLACE, "", json!({ "state": "done", "reset": reset }), None)
            }
            Err(NotMeError::Link(_)) => dead(&replies),
            Err(NotMeError::Login(error)) => failed(&replies, error),
        }
    }
}
