//! `/logout` for sessions of the kit's own.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{Cause, Endpoint, Server, answer};
use http::request::Parts;
use http::{Method, Request, Response};

use super::{Logout, judge, refused};

/// Shows what comes of a logout request, as a page or to a front end. The session is ended already where it is to end.
#[async_trait]
pub trait LogoutPages: fmt::Debug + Send + Sync {
    /// The answer to the browser.
    async fn show(&self, server: &Server, parts: &Parts, logout: Logout) -> Response<Bytes>;
}

pub(crate) struct LogoutEndpoint(pub(crate) Arc<dyn LogoutPages>);

#[async_trait]
impl Endpoint for LogoutEndpoint {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        // A GET may sign out at once; HEAD only asks what one would say, and must end nothing (RFC 9110 §9.2.1).
        if parts.method == Method::HEAD {
            return answer::refusal(&Cause::WrongMethod.into());
        }
        let known = async {
            let browser = server.browser(&parts).await?;
            let who = server.signed_in(&browser).await?;
            Ok((browser, who))
        };
        let (mut browser, who) = match known.await {
            Ok(known) => known,
            Err(refusal) => return self.0.show(server, &parts, refused(server, refusal)).await,
        };
        let mut logout = judge(server, &parts, &body, who).await;
        if let Logout::SignedOut(_) = logout
            && let Err(refusal) = server.drop_session(&mut browser).await
        {
            logout = refused(server, refusal);
        }
        let response = self.0.show(server, &parts, logout).await;
        server.with_cookie(&browser, response)
    }
}
