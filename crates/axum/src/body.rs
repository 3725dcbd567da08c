//! From axum's request to `http::Request<Bytes>`: the body read to its limit, the peer's address beside it.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use countersign_oauth_core::Peer;
use http::Request;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

/// A body that was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It is longer than the limit.
    TooLarge,
    /// The connection failed, or the body was malformed.
    Unreadable,
}

/// The same request with its body in memory: at most `limit` bytes of it are ever kept.
pub(crate) async fn whole(request: Request<Body>, limit: usize) -> Result<Request<Bytes>, BodyError> {
    let (mut parts, body) = request.into_parts();
    if parts.extensions.get::<Peer>().is_none()
        && let Some(ConnectInfo(address)) = parts.extensions.get::<ConnectInfo<SocketAddr>>()
    {
        // An IPv4 peer on a socket of both families is the same peer.
        let peer = Peer::new(address.ip().to_canonical());
        parts.extensions.insert(peer);
    }
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(Request::from_parts(parts, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::Unreadable),
    }
}
