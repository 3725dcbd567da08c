//! `/password/reset`: a new password by a link. It signs nobody in.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{Endpoint, Server};
use http::{Request, Response};
use serde_json::json;

use super::super::Login;
use super::super::reply::{Form, Replies};
use super::{dead, link_of, merged, received, secret, show, show_link, text, wrong_password};
use crate::{LinkPurpose, PasswordChangeError};

const PLACE: (&str, &str) = ("password_reset", "/password/reset");

pub(in super::super) struct ShowReset(pub(in super::super) Arc<Login>);

pub(in super::super) struct ResetPassword(pub(in super::super) Arc<Login>);

#[async_trait]
impl Endpoint for ShowReset {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, _) = request.into_parts();
        let replies = Replies::new(&self.0, server, &parts, Form::of(&parts));
        let Some(link) = link_of(&parts) else { return dead(&replies) };
        let is_live = self.0.mfa.is_live_link(LinkPurpose::ResetPassword, link.expose()).await;
        show_link(&replies, PLACE, ("ask", &link), is_live)
    }
}

#[async_trait]
impl Endpoint for ResetPassword {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let replies = Replies::new(&self.0, server, &parts, Form::of(&parts));
        let (sent, caller) = match received(&replies, &parts, &body).await {
            Ok(received) => received,
            Err(response) => return response,
        };
        let (link, password) = (text(sent.link.as_ref()), secret(sent.new_password.as_ref()));
        match self.0.mfa.reset_password(link, &password, &caller).await {
            Ok(()) => show(&replies, PLACE, "", json!({ "state": "done" }), None),
            Err(PasswordChangeError::Link(_)) => dead(&replies),
            Err(error) => match wrong_password(error) {
                Ok((status, code, more)) => {
                    let own = merged(json!({ "state": "ask", "link": link }), more);
                    show(&replies, PLACE, "", own, Some((status, code)))
                }
                Err(refusal) => replies.refused(&refusal),
            },
        }
    }
}
