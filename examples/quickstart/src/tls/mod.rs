//! HTTPS by rustls on ring: TLS 1.3, and 1.2 with ECDHE and AES-GCM alone.

mod error;
mod files;
mod own;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, cipher_suite};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedCipherSuite};

pub use error::{CertificateProblem, TlsError};

/// How often a server that runs on looks for a certificate that was renewed, or is to be.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// Chosen for forward secrecy and authenticated encryption: what RFC 9325 §4.2 recommends, and FAPI 2.0 §5.2.2 admits.
const SUITES: [SupportedCipherSuite; 7] = [
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
];

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsChoice {
    /// From an authority of the quickstart's own, in the data folder.
    SelfSigned,
    /// From the operator's files.
    Files {
        /// The certificate and those that lead to its root, in PEM.
        certificate: PathBuf,
        /// The certificate's key, in PEM.
        key: PathBuf,
    },
}

/// The certificate that is served, and where its successor will come from. A cheap clone.
#[derive(Debug, Clone)]
pub(crate) struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    choice: TlsChoice,
    folder: PathBuf,
    issuer: String,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Tls {
    /// Reads the certificate, or makes it, and checks that it will do for the issuer.
    ///
    /// # Errors
    /// [`TlsError`] names the file and the cure.
    pub(crate) fn load(choice: &TlsChoice, data: &Path, issuer: &str, now: UnixTime) -> Result<Self, TlsError> {
        let folder = data.join("tls");
        let current = RwLock::new(Arc::new(certificate(choice, &folder, issuer, now)?));
        Ok(Self(Arc::new(Inner { choice: choice.clone(), folder, issuer: issuer.to_owned(), current })))
    }

    /// What a listener needs.
    pub(crate) fn config(&self) -> Result<ServerConfig, TlsError> {
        let config = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13, &TLS12]);
        let mut config =
            config.map_err(TlsError::Config)?.with_no_client_auth().with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Takes up a certificate that was renewed; renews its own in time. Whether there is a new one.
    ///
    /// # Errors
    /// [`TlsError`]; the certificate that was served is served on.
    pub(crate) fn renew(&self, now: UnixTime) -> Result<bool, TlsError> {
        let found = certificate(&self.0.choice, &self.0.folder, &self.0.issuer, now)?;
        let mut current = self.0.current.write().unwrap_or_else(PoisonError::into_inner);
        let renewed = found.cert != current.cert;
        if renewed {
            *current = Arc::new(found);
        }
        Ok(renewed)
    }

    /// Looks for a renewed certificate for as long as the server runs.
    pub(crate) async fn renewals(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let tls = self.clone();
            match tokio::task::spawn_blocking(move || tls.renew(UnixTime::now())).await {
                Ok(Ok(true)) => tracing::info!("a renewed certificate is served from now on"),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::error!(%error, "the certificate is not renewed"),
                Err(error) => tracing::error!(%error, "the certificate was not looked for"),
            }
        }
    }
}

impl ResolvesServerCert for Tls {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn certificate(choice: &TlsChoice, folder: &Path, issuer: &str, now: UnixTime) -> Result<CertifiedKey, TlsError> {
    match choice {
        TlsChoice::SelfSigned => own::certificate(folder, host(issuer), now),
        TlsChoice::Files { certificate, key } => files::certificate(certificate, key, host(issuer), now),
    }
}

/// The host that browsers know this server by. Whether the issuer is well formed is the server's to say.
fn host(issuer: &str) -> Option<ServerName<'static>> {
    let uri: http::Uri = issuer.parse().ok()?;
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).ok()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { cipher_suites: SUITES.to_vec(), ..ring::default_provider() })
}
