//! One HTTP request to an address that the operator configured.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_primitives::BoxError;
use http::{Request, Response};

/// Makes HTTP requests to addresses that the operator configured: a gateway for messages, a hook. Follows no redirect, and keeps to
/// [`FetchLimits`]. Never for an address that a stranger chose: such a one could lead into the operator's own network.
///
/// ```
/// use async_trait::async_trait;
/// use bytes::Bytes;
/// use countersign_outbound::{FetchError, Fetcher};
/// use http::{Request, Response};
///
/// #[derive(Debug)]
/// struct Nowhere; // over the HTTP client that the host has already
///
/// #[async_trait]
/// impl Fetcher for Nowhere {
///     async fn fetch(&self, request: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
///         Err(FetchError::connection(format!("no way to {:?}", request.uri().host())))
///     }
/// }
/// ```
#[async_trait]
pub trait Fetcher: Send + Sync + fmt::Debug {
    /// Sends a request to its absolute address and reads the answer to its end, whatever its status.
    ///
    /// # Errors
    /// [`FetchError`] when no answer came. Nothing in it quotes the request.
    async fn fetch(&self, request: Request<Bytes>) -> Result<Response<Bytes>, FetchError>;
}

#[async_trait]
impl<F: Fetcher + ?Sized> Fetcher for std::sync::Arc<F> {
    async fn fetch(&self, request: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
        (**self).fetch(request).await
    }
}

/// What a request may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// How long it may take, from connecting to the last byte of the answer. Default: 10 s, since a user waits.
    pub time: Duration,
    /// How many bytes the answer's body may have. Default: 64 KiB.
    pub body: usize,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(10), body: 64 * 1024 }
    }
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// It took longer than it may.
    #[error("the service is too slow")]
    Timeout,
    /// The answer is longer than it may be.
    #[error("the answer is too long")]
    TooLong,
    /// Requests with secrets go by HTTPS, or to a loopback address.
    #[error("the address is neither https nor loopback")]
    NotSecure,
    /// No connection came about, or it broke.
    #[error("the service cannot be reached")]
    Connection(#[source] BoxError),
}

impl FetchError {
    /// No connection came about, or it broke.
    pub fn connection(error: impl Into<BoxError>) -> Self {
        Self::Connection(error.into())
    }
}

/// Whether what is sent there can be read by nobody on the way: HTTPS, or a loopback address.
#[cfg(any(feature = "hook", feature = "reqwest"))]
pub(crate) fn is_private(uri: &http::Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let loopback = || {
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => loopback(),
        _ => false,
    }
}

#[cfg(all(test, any(feature = "hook", feature = "reqwest")))]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_by_https_or_to_loopback() {
        let private = |uri: &str| is_private(&uri.parse().unwrap());
        for uri in ["https://hooks.example.com/x", "http://localhost:80/", "http://127.0.0.1:9", "http://[::1]:9/a"] {
            assert!(private(uri), "{uri}");
        }
        for uri in [
            "http://hooks.example.com/",
            "http://localhost.example.com",
            "http://10.0.0.1/",
            "/relative",
            "ftp://localhost",
        ] {
            assert!(!private(uri), "{uri}");
        }
    }
}
