//! Documents that are written once: discovery and the key set, beside a bare GET of the same bytes.

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, header};

use super::limit;
use crate::host::{Host, answered, body_of};
use crate::meter::{Subject, subject};

const DOCUMENTS: [(&str, &str, &str, &str); 2] = [
    ("/.well-known/openid-configuration", "limit-discovery", "discovery", "discovery-304"),
    ("/.well-known/jwks.json", "limit-jwks", "jwks", "jwks-304"),
];

pub(super) fn subjects() -> Vec<Box<dyn Subject>> {
    let host = Host::new();
    DOCUMENTS.iter().flat_map(|&(path, limit, ours, known)| of(&host, path, [limit, ours, known])).collect()
}

fn of(host: &Host, path: &'static str, [limit, ours, known]: [&'static str; 3]) -> Vec<Box<dyn Subject>> {
    let mut router = host.router();
    let response = answered(&mut router, request(path, None));
    let headers = response.headers().clone();
    let etag = headers[header::ETAG].to_str().unwrap().to_owned();
    let (body, mut again) = (body_of(response), host.router());
    vec![
        get(limit, limit::document(path, body, without_length(&headers)), path),
        get(ours, router, path),
        subject(
            known,
            move || request(path, Some(&etag)),
            move |request| {
                assert_eq!(answered(&mut again, request).status(), 304);
            },
        ),
    ]
}

fn get(name: &'static str, mut router: Router, path: &'static str) -> Box<dyn Subject> {
    subject(
        name,
        move || request(path, None),
        move |request| {
            let response = answered(&mut router, request);
            assert_eq!(response.status(), 200);
            let body: Bytes = body_of(response);
            assert!(!body.is_empty());
        },
    )
}

fn without_length(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    headers.remove(header::CONTENT_LENGTH);
    headers
}

fn request(path: &str, etag: Option<&str>) -> Request<Body> {
    let request = Request::get(path).header(header::HOST, "id.example.com").header(header::ACCEPT, "application/json");
    let request = match etag {
        Some(etag) => request.header(header::IF_NONE_MATCH, etag),
        None => request,
    };
    request.body(Body::empty()).unwrap()
}
