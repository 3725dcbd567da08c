//! The login's way of showing things, for what stands beside it: pages for people, JSON for front ends.

use bytes::Bytes;
use countersign_oauth_core::{Client, Refusal, Server};
use countersign_primitives::SignedIn;
use http::request::Parts;
use http::{Response, StatusCode};

use super::Login;
use super::reply::{Form, Replies};
use crate::{Heading, Screen, ScreenClient};

impl Login {
    /// Whether the request comes from a front end of the host's own: it asks for JSON, or sends it.
    #[must_use]
    pub fn is_front_end(parts: &Parts) -> bool {
        Form::of(parts) == Form::Json
    }

    /// Shows a screen as a page, in a language that the browser or `ui_locales` asks for, or as JSON to a front end.
    #[must_use]
    pub fn screen(
        &self,
        server: &Server,
        parts: &Parts,
        screen: &dyn Screen,
        ui_locales: Option<&str>,
    ) -> Response<Bytes> {
        Replies::new(self, server, parts, Form::of(parts)).screen(StatusCode::OK, screen, ui_locales)
    }

    /// Tells of a refusal that must not be redirected, under a heading that says what cannot go on.
    #[must_use]
    pub fn refused(&self, server: &Server, parts: &Parts, heading: Heading, refusal: &Refusal) -> Response<Bytes> {
        Replies::new(self, server, parts, Form::of(parts)).refused_as(heading, refusal)
    }

    /// The name that somebody who is signed in knows the account by.
    pub async fn account_name(server: &Server, who: &SignedIn) -> String {
        account_name(server, who).await
    }
}

pub(super) async fn account_name(server: &Server, who: &SignedIn) -> String {
    let Some(accounts) = server.accounts() else { return String::new() };
    let account = accounts.by_subject(who.subject()).await.ok().flatten();
    let named = account.as_ref().and_then(|account| {
        let email = account.email_address().map(|(address, _)| address);
        account.name().or(email).map(str::to_owned)
    });
    named.unwrap_or_else(|| who.subject().to_string())
}

impl ScreenClient {
    /// A client as its user sees it.
    #[must_use]
    pub fn of(client: &Client) -> Self {
        Self {
            name: client.display_name().to_owned(),
            uri: client.home_page().map(str::to_owned),
            logo_uri: client.logo().map(str::to_owned),
        }
    }
}
