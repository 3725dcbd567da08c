//! `/.well-known/webauthn`: which other origins may ask for the keys of this one (WebAuthn 3 §5.11).

use async_trait::async_trait;
use bytes::Bytes;
use countersign_oauth_core::{Endpoint, Route, Server};
use http::header::{self, HeaderValue};
use http::{Method, Request, Response};

use crate::Mfa;

struct RelatedOrigins(Bytes);

/// The route, where there are any; else the path does not exist.
pub(super) fn route(mfa: &Mfa) -> Option<Route> {
    let document = mfa.related_origins()?.to_owned();
    Some(Route::new(Method::GET, "/.well-known/webauthn", RelatedOrigins(document.into())))
}

#[async_trait]
impl Endpoint for RelatedOrigins {
    async fn answer(&self, _: &Server, _: Request<Bytes>) -> Response<Bytes> {
        let mut response = Response::new(self.0.clone());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}
