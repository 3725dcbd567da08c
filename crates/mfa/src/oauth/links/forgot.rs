//! `/password/forgot`: asking for a link. The answer is the same for whoever has an account and whoever has none.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{Endpoint, Params, Server};
use countersign_primitives::Id;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

use super::super::Login;
use super::super::reply::{Form, Replies};
use super::{failed, received, show, text, with_wait};
use crate::LoginError;

const PLACE: (&str, &str) = ("password_forgot", "/password/forgot");

pub(in super::super) struct ShowForgot(pub(in super::super) Arc<Login>);

pub(in super::super) struct AskForReset(pub(in super::super) Arc<Login>);

#[async_trait]
impl Endpoint for ShowForgot {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, _) = request.into_parts();
        let replies = Replies::new(&self.0, server, &parts, Form::of(&parts));
        show(&replies, PLACE, "", data("ask", server, &parts), None)
    }
}

#[async_trait]
impl Endpoint for AskForReset {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let replies = Replies::new(&self.0, server, &parts, Form::of(&parts));
        let (sent, caller) = match received(&replies, &parts, &body).await {
            Ok(received) => received,
            Err(response) => return response,
        };
        match self.0.mfa.forgot_password(text(sent.username.as_ref()), &caller).await {
            Ok(()) => show(&replies, PLACE, "", data("sent", server, &parts), None),
            Err(error @ LoginError::Throttled { .. }) => {
                let wrong = Some((StatusCode::TOO_MANY_REQUESTS, "throttled"));
                with_wait(show(&replies, PLACE, "", data("ask", server, &parts), wrong), &error)
            }
            Err(error) => failed(&replies, error),
        }
    }
}

/// Where a login goes on that was left for this: its page, if it has one in this browser.
fn data(state: &str, server: &Server, parts: &Parts) -> Value {
    let params = Params::parse(parts.uri.query().unwrap_or_default().as_bytes()).ok();
    let login = params.as_ref().and_then(|params| params.get("login")).and_then(|login| login.parse::<Id>().ok());
    let back = login.map(|login| format!("{}/login/{login}", server.config().issuer().path()));
    json!({ "state": state, "back": back })
}
