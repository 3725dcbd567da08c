//! `/logout` for sessions of the kit's own.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{Endpoint, Server};
use http::request::Parts;
use http::{Request, Response};

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
