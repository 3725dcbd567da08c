//! The pages of `/logout`: those of the login, for sessions that the login began.

use async_trait::async_trait;
use bytes::Bytes;
use countersign_mfa::oauth::Login;
use countersign_mfa::{Frame, Heading, LoggedOutScreen, LogoutScreen, ScreenClient};
use countersign_oauth_core::{Client, Server, answer, with_query};
use countersign_oidc::{Logout, LogoutAsk, LogoutPages, SignedOut, Stayed};
use countersign_primitives::SecretString;
use http::Response;
use http::request::Parts;

/// Shows what comes of a logout request as the login shows its steps.
#[derive(Debug)]
pub(crate) struct Pages {
    pub(crate) login: Login,
    /// Where a front end of the host's own asks, if there is one.
    pub(crate) page: Option<String>,
}

#[async_trait]
impl LogoutPages for Pages {
    async fn show(&self, server: &Server, parts: &Parts, logout: Logout) -> Response<Bytes> {
        match logout {
            Logout::NeedsConfirmation(ask) => self.question(server, parts, &ask).await,
            Logout::SignedOut(done) => self.signed_out(server, parts, &done),
            Logout::Stayed(stayed) => self.stayed(server, parts, &stayed),
            Logout::Refused(refusal) => self.login.refused(server, parts, Heading::SignOut, &refusal),
            Logout::Done(reply) => reply,
        }
    }
}

impl Pages {
    async fn question(&self, server: &Server, parts: &Parts, ask: &LogoutAsk) -> Response<Bytes> {
        let request = ask.request().to_string();
        if let Some(page) = self.page.as_deref().filter(|_| !Login::is_front_end(parts)) {
            return answer::see_other(&with_query(page, &[("logout", &request)]));
        }
        let frame = frame(server, ask.anti_forgery(), ask.client());
        let screen = LogoutScreen { frame: &frame, account: Login::account_name(server, ask.who()).await, request };
        self.login.screen(server, parts, &screen, ask.ui_locales())
    }

    fn signed_out(&self, server: &Server, parts: &Parts, done: &SignedOut) -> Response<Bytes> {
        if let Some(to) = done.redirect_to().filter(|_| !Login::is_front_end(parts)) {
            return answer::see_other(to);
        }
        let frame = frame(server, "", done.client());
        let screen = LoggedOutScreen {
            frame: &frame,
            signed_out: true,
            redirect_to: done.redirect_to().map(str::to_owned),
            return_to: done.return_to().map(str::to_owned),
        };
        self.login.screen(server, parts, &screen, done.ui_locales())
    }

    fn stayed(&self, server: &Server, parts: &Parts, stayed: &Stayed) -> Response<Bytes> {
        let frame = frame(server, "", stayed.client());
        let screen = LoggedOutScreen { frame: &frame, signed_out: false, redirect_to: None, return_to: None };
        self.login.screen(server, parts, &screen, stayed.ui_locales())
    }
}

fn frame(server: &Server, csrf: &str, client: Option<&Client>) -> Frame {
    let action = format!("{}/logout", server.config().issuer().path());
    Frame { action, csrf: SecretString::new(csrf), client: client.map(ScreenClient::of) }
}
