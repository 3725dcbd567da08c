//! A fetcher over reqwest.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use countersign_primitives::BoxError;
use http::{Request, Response};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::fetch::is_private;
use crate::{FetchError, FetchLimits, Fetcher};

/// A [`Fetcher`] over reqwest: rustls on ring, Mozilla's authorities, no redirects, no proxies, no cookies. A cheap clone.
///
/// ```
/// use countersign_outbound::{FetchLimits, HttpClient};
///
/// let client = HttpClient::new(FetchLimits::default())?;
/// # let _ = client;
/// # Ok::<(), countersign_outbound::HttpClientError>(())
/// ```
#[derive(Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    limits: FetchLimits,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpClientError {
    /// What should be trusted is no certificate in PEM.
    #[error("the certificate to trust is none in PEM")]
    Certificate,
    /// TLS or the client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Setup(#[source] BoxError),
}

impl HttpClient {
    /// A client that trusts Mozilla's authorities.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub fn new(limits: FetchLimits) -> Result<Self, HttpClientError> {
        Self::trusting(limits, b"")
    }

    /// A client that trusts these authorities (PEM) too: a company's own.
    ///
    /// # Errors
    /// [`HttpClientError::Certificate`] if there is none among them and the text is not empty.
    pub fn trusting(limits: FetchLimits, pem: &[u8]) -> Result<Self, HttpClientError> {
        let setup = |error: BoxError| HttpClientError::Setup(error);
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let own: Vec<_> =
            CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| HttpClientError::Certificate)?;
        if own.is_empty() && !pem.is_empty() {
            return Err(HttpClientError::Certificate);
        }
        for certificate in own {
            roots.add(certificate).map_err(|_| HttpClientError::Certificate)?;
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| setup(error.into()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(limits.time)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| setup(error.into()))?;
        Ok(Self { client, limits })
    }

    async fn read(&self, request: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
        if !is_private(request.uri()) {
            return Err(FetchError::NotSecure);
        }
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let mut answer = self.client.execute(request).await.map_err(failed)?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = answer.status();
        std::mem::swap(response.headers_mut(), answer.headers_mut());
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > self.limits.body {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        *response.body_mut() = body.freeze();
        Ok(response)
    }
}

/// Without the address, in which secrets may stand.
fn failed(error: reqwest::Error) -> FetchError {
    let error = error.without_url();
    if error.is_timeout() {
        return FetchError::Timeout;
    }
    // What lies below says what happened; the error itself says only that something did.
    let cause = std::iter::successors(error.source(), |error| (**error).source()).last().map(ToString::to_string);
    FetchError::connection(cause.unwrap_or_else(|| error.to_string()))
}

#[async_trait]
impl Fetcher for HttpClient {
    async fn fetch(&self, request: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
        self.read(request).await
    }
}
