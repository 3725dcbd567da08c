//! `/password/change`: a new password for whoever is signed in.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{Browser, Cause, Endpoint, Refusal, Server, is_same_origin};
use countersign_primitives::{Id, SignedIn};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use serde_json::json;

use super::super::Login;
use super::super::cookies::caller;
use super::super::pages::account_name;
use super::super::reply::{Form, Replies};
use super::{Sent, forged, merged, secret, show, text, with_wait, wrong_password};
use crate::{LoginError, PasswordChangeError};

const PLACE: (&str, &str) = ("password_change", "/password/change");

pub(in super::super) struct ShowChange(pub(in super::super) Arc<Login>);

pub(in super::super) struct ChangePassword(pub(in super::super) Arc<Login>);

/// Whoever is signed in, and where.
struct Visitor {
    browser: Browser,
    who: SignedIn,
}

impl Visitor {
    async fn of(server: &Server, parts: &Parts) -> Result<Self, Refusal> {
        let browser = server.browser(parts).await?;
        let who = server.signed_in(&browser).await?;
        let who = who.ok_or_else(|| {
            let description = "nobody is signed in here; sign in at an application first";
            Refusal::new(StatusCode::UNAUTHORIZED, "login_required", description)
                .cause("password.nobody_signed_in", "docs/promises.md")
        })?;
        Ok(Self { browser, who })
    }

    fn matter(&self, server: &Server) -> Id {
        server.derived_id("password change", self.browser.id())
    }

    /// Whether a factor that was proven just now stands in for the old password.
    fn is_fresh(&self, login: &Login) -> bool {
        login.mfa.has_fresh_factor(&self.who)
    }

    fn csrf(&self, server: &Server) -> String {
        server.anti_forgery(&self.browser, self.matter(server))
    }
}

#[async_trait]
impl Endpoint for ShowChange {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, _) = request.into_parts();
        let replies = Replies::new(&self.0, server, &parts, Form::of(&parts));
        match Visitor::of(server, &parts).await {
            Ok(visitor) => form(&replies, &visitor, json!({}), None).await,
            Err(refusal) => replies.refused(&refusal),
        }
    }
}

#[async_trait]
impl Endpoint for ChangePassword {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let replies = Replies::new(&self.0, server, &parts, Form::of(&parts));
        if !is_same_origin(&parts, server.config().issuer()) {
            return forged(&replies);
        }
        let both = Visitor::of(server, &parts).await.and_then(|visitor| Ok((visitor, Sent::read(&parts, &body)?)));
        match both {
            Ok((visitor, sent)) => self.change(&replies, &parts, visitor, &sent).await,
            Err(refusal) => replies.refused(&refusal),
        }
    }
}

impl ChangePassword {
    async fn change(&self, replies: &Replies<'_>, parts: &Parts, mut visitor: Visitor, sent: &Sent) -> Response<Bytes> {
        let server = replies.server;
        if !server.is_anti_forgery(&visitor.browser, visitor.matter(server), text(sent.csrf.as_ref())) {
            return replies.refused(&Cause::Forged.into());
        }
        let old = sent.password.as_ref().map(|old| secret(Some(old)));
        if old.is_none() && !visitor.is_fresh(&self.0) {
            return form(replies, &visitor, json!({}), Some((StatusCode::UNPROCESSABLE_ENTITY, "wrong_old_password")))
                .await;
        }
        let caller = caller(server, &visitor.browser, Some(&visitor.who), parts);
        let new = secret(sent.new_password.as_ref());
        match self.0.mfa.change_password(visitor.who.subject(), old.as_ref(), &new, &caller).await {
            Ok(()) => self.keep_session(replies, &mut visitor).await,
            Err(PasswordChangeError::Login(error @ LoginError::Throttled { .. })) => {
                let wrong = Some((StatusCode::TOO_MANY_REQUESTS, "throttled"));
                with_wait(form(replies, &visitor, json!({}), wrong).await, &error)
            }
            Err(error) => match wrong_password(error) {
                Ok((status, code, more)) => form(replies, &visitor, more, Some((status, code))).await,
                Err(refusal) => replies.refused(&refusal),
            },
        }
    }

    /// Every session has ended. Whoever changed the password goes on in a new one, under a new value of the cookie.
    async fn keep_session(&self, replies: &Replies<'_>, visitor: &mut Visitor) -> Response<Bytes> {
        let server = replies.server;
        let before = visitor.who.session_id().and_then(|id| id.as_str().parse().ok()).unwrap_or(visitor.browser.id());
        let session = server.derived_id("session after a password change", before);
        match server.start_session(&mut visitor.browser, session, visitor.who.clone()).await {
            Ok(_) => server.with_cookie(&visitor.browser, show(replies, PLACE, "", json!({ "state": "done" }), None)),
            Err(refusal) => replies.refused(&refusal),
        }
    }
}

async fn form(
    replies: &Replies<'_>,
    visitor: &Visitor,
    more: serde_json::Value,
    error: Option<(StatusCode, &'static str)>,
) -> Response<Bytes> {
    let server = replies.server;
    let account = account_name(server, &visitor.who).await;
    let needs_old = !visitor.is_fresh(replies.login);
    let own = merged(json!({ "state": "ask", "account": account, "needs_password": needs_old }), more);
    show(replies, PLACE, &visitor.csrf(server), own, error)
}
