//! Routers made of the paths that a server names.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use countersign_oauth_core::{Cause, Server, answer};
use http::uri::PathAndQuery;
use http::{Request, Uri, header};

use crate::body::{self, BodyError};

/// Every path of the server, from the root of the host. It has no fallback, so it merges with the host's own routes.
///
/// Serve it with connection info (`into_make_service_with_connect_info::<SocketAddr>()`): guesses are counted by address.
pub fn router<S: Clone + Send + Sync + 'static>(server: &Server) -> Router<S> {
    of_paths(server, "", paths(server))
}

/// The paths below the issuer's own path, without it: for `Router::nest` at that path. An issuer without a path has them all
/// here.
pub fn mounted_router<S: Clone + Send + Sync + 'static>(server: &Server) -> Router<S> {
    let prefix = server.config().issuer().path().to_owned();
    let below = paths(server).filter_map(|path| Some(path.strip_prefix(prefix.as_str())?.to_owned()));
    let below: Vec<String> = below.filter(|path| path.starts_with('/')).collect();
    of_paths(server, &prefix, below)
}

/// What an issuer with a path serves outside it: its documents with the well-known part before the path (RFC 8414 §3.1).
/// For the root of the host, beside a [`mounted_router`] nested at the path. Empty for an issuer without a path.
pub fn root_router<S: Clone + Send + Sync + 'static>(server: &Server) -> Router<S> {
    let prefix = server.config().issuer().path().to_owned();
    let outside =
        paths(server).filter(|path| !path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('/')));
    of_paths(server, "", outside.collect::<Vec<_>>())
}

fn paths(server: &Server) -> impl Iterator<Item = String> {
    server.routes().iter().map(|route| route.path().to_owned())
}

/// One route a path, for all methods: which of them it has is for the server to say.
fn of_paths<S: Clone + Send + Sync + 'static>(
    server: &Server,
    prefix: &str,
    paths: impl IntoIterator<Item = String>,
) -> Router<S> {
    let patterns: BTreeSet<String> =
        paths.into_iter().filter(|path| path.starts_with('/')).map(|path| pattern(&path)).collect();
    patterns.into_iter().fold(Router::new(), |router, pattern| {
        let (server, prefix) = (server.clone(), prefix.to_owned());
        router.route(&pattern, any(async move |request: Request<Body>| handle(&server, &prefix, request).await))
    })
}

/// The server's pattern as axum writes it. Places are numbered: the server tells two routes apart by more than their places'
/// names, and axum refuses two names in one position. Braces elsewhere stand for themselves.
fn pattern(path: &str) -> String {
    let segments = path.split('/').enumerate().map(|(at, segment)| {
        let place = segment.len() > 2 && segment.starts_with('{') && segment.ends_with('}');
        if place { format!("{{place{at}}}") } else { segment.replace('{', "{{").replace('}', "}}") }
    });
    segments.collect::<Vec<_>>().join("/")
}

async fn handle(server: &Server, prefix: &str, mut request: Request<Body>) -> Response {
    if !prefix.is_empty()
        && let Some(uri) = below(prefix, request.uri())
    {
        *request.uri_mut() = uri;
    }
    let cause = match body::whole(request, server.config().body_limit()).await {
        Ok(request) => return server.handle(request).await.map(Body::from),
        Err(BodyError::TooLarge) => Cause::BodyTooLarge,
        Err(BodyError::Unreadable) => {
            tracing::debug!("a request ended before its body did");
            Cause::MalformedParameters
        }
    };
    refused(cause)
}

/// An answer that the server never saw the request of, with the header that all its answers bear.
fn refused(cause: Cause) -> Response {
    let mut response: http::Response<Bytes> = answer::refusal(&cause.into());
    answer::set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    response.map(Body::from)
}

/// The URI with the prefix that nesting took away.
fn below(prefix: &str, uri: &Uri) -> Option<Uri> {
    let path_and_query = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{prefix}{path_and_query}").parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_and_braces_elsewhere_stand_for_themselves() {
        for (path, expected) in [
            ("/login/{id}", "/login/{place2}"),
            ("/a/{x}/b/{y}", "/a/{place2}/b/{place4}"),
            ("/plain", "/plain"),
            ("/{}/a{b}c", "/{{}}/a{{b}}c"),
        ] {
            assert_eq!(pattern(path), expected);
        }
    }

    #[test]
    fn nesting_is_undone_with_the_query_kept() {
        let uri = below("/auth", &"/oauth/token?a=b".parse().unwrap()).unwrap();
        assert_eq!(uri, "/auth/oauth/token?a=b");
    }
}
