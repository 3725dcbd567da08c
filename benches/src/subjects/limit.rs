//! The limit: a bare axum handler that is asked the same and answers a constant.

use std::hint::black_box;

use axum::Form;
use axum::Router;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, header};
use serde::Deserialize;

/// What a token request holds, as a handler of one's own would declare it.
#[derive(Deserialize)]
#[expect(dead_code, reason = "parsing it is the point")]
struct TokenForm {
    grant_type: Option<String>,
    scope: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    refresh_token: Option<String>,
    resource: Option<String>,
    token: Option<String>,
}

/// Parses the form and answers a constant JSON.
pub(super) fn form(path: &str) -> Router {
    async fn handler(Form(form): Form<TokenForm>) -> impl IntoResponse {
        black_box(&form);
        let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        (headers, r#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"Bearer","expires_in":900,"scope":"read"}"#)
    }
    Router::new().route(path, post(handler))
}

/// Answers a constant document, with the headers that go with it.
pub(super) fn document(path: &str, body: Bytes, headers: HeaderMap) -> Router {
    Router::new().route(path, get(async move || (headers.clone(), body.clone())))
}
