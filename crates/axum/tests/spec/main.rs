//! The routers as a host uses them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod limits;
mod paths;
mod peer;
mod raw;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use countersign_oauth_core::{Client, Server};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::MasterKey;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

const ISSUER: &str = "http://localhost:4000";
const METADATA: &str = "/.well-known/oauth-authorization-server";

async fn server(issuer: &str) -> Server {
    let builder = Server::builder(issuer, MemoryStore::new(), MasterKey::from_bytes([7; 32]));
    builder.client(Client::public("shop").redirect_uri("https://shop.example/cb")).build().await.unwrap()
}

async fn send(router: &Router, request: Request<Body>) -> Response<Bytes> {
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

async fn get(router: &Router, path: &str) -> Response<Bytes> {
    send(router, Request::get(path).header("host", "localhost:4000").body(Body::empty()).unwrap()).await
}

fn token_request(body: impl Into<Body>) -> Request<Body> {
    let request = Request::post("/oauth/token").header("host", "localhost:4000");
    request.header("content-type", "application/x-www-form-urlencoded").body(body.into()).unwrap()
}

async fn status(router: &Router, path: &str) -> StatusCode {
    get(router, path).await.status()
}
