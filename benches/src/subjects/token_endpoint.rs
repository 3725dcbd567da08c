//! The endpoints that clients post to, each beside the limit: a bare handler that is sent the same request.

use axum::Router;
use axum::body::Body;
use http::Request;

use super::limit;
use crate::host::{CLIENT_CREDENTIALS, Host, answered, body_of, form, post, redemption, refreshing, token_request};
use crate::meter::{Subject, subject};

const TOKEN: &str = "/oauth/token";
const INTROSPECT: &str = "/oauth/introspect";

pub(super) fn subjects() -> Vec<Box<dyn Subject>> {
    let pairs = [
        beside_its_limit(TOKEN, "limit-client-credentials", "client-credentials-opaque", |_| {
            token_request("opaque-machine", CLIENT_CREDENTIALS)
        }),
        beside_its_limit(TOKEN, "limit-client-credentials-jwt", "client-credentials-jwt", |_| {
            token_request("jwt-machine", CLIENT_CREDENTIALS)
        }),
        beside_its_limit(INTROSPECT, "limit-introspection", "introspection", |host| {
            post(INTROSPECT, "opaque-machine", &form(&[("token", &host.access_token())]))
        }),
        beside_its_limit(TOKEN, "limit-code", "code", |host| token_request("shop", &redemption(&host.code()))),
        beside_its_limit(TOKEN, "limit-refresh", "refresh", |host| {
            token_request("shop", &refreshing(&host.refresh_token()))
        }),
    ];
    pairs.into_iter().flatten().collect()
}

/// Both get the same requests; ours alone can spend them.
fn beside_its_limit(
    path: &'static str,
    limit: &'static str,
    ours: &'static str,
    make: fn(&Host) -> Request<Body>,
) -> [Box<dyn Subject>; 2] {
    let host = Host::new();
    let router = host.router();
    let bystander = host.clone();
    [answering(limit, limit::form(path), move || make(&bystander)), answering(ours, router, move || make(&host))]
}

fn answering(
    name: &'static str,
    mut router: Router,
    make: impl FnMut() -> Request<Body> + 'static,
) -> Box<dyn Subject> {
    subject(name, make, move |request| {
        let response = answered(&mut router, request);
        let status = response.status();
        let body = body_of(response);
        assert_eq!(status, 200, "{body:?}");
    })
}
