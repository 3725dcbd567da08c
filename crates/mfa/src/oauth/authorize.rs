//! `/authorize` of a server with this login: who is signed in is read from the session, and what is missing becomes a login.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{Ask, Endpoint, Outcome, Refusal, Server, answer, with_query};
use http::{Request, Response};

use super::Login;
use super::reply::{Form, Replies};

pub(super) struct Authorize(pub(super) Arc<Login>);

#[async_trait]
impl Endpoint for Authorize {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let replies = Replies::new(&self.0, server, &parts, Form::Page);
        let outcome: Result<_, Refusal> = async {
            let mut browser = server.browser(&parts).await?;
            let who = server.signed_in(&browser).await?;
            Ok(server.authorize_in(&mut browser, &parts, &body, who).await)
        }
        .await;
        match outcome {
            Ok(Outcome::Done(reply)) => reply,
            Ok(Outcome::Refused(refusal)) => replies.refused(&refusal),
            // The login itself begins where it is shown; so a link that is only opened by a scanner begins none.
            Ok(Outcome::NeedsLogin(ask) | Outcome::NeedsStepUp(ask) | Outcome::NeedsConsent(ask)) => {
                ask.with_cookie(answer::see_other(&self.place(server, &ask)))
            }
            Err(refusal) => replies.refused(&refusal),
        }
    }
}

impl Authorize {
    /// Where the login is shown: here, or on the host's own page.
    fn place(&self, server: &Server, ask: &Ask) -> String {
        let id = ask.interaction().to_string();
        match &self.0.login_page {
            Some(page) => with_query(page, &[("login", &id)]),
            None => format!("{}/login/{id}", server.config().issuer().path()),
        }
    }
}
