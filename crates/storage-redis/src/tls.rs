//! TLS on the way to the servers: rustls on ring, and its refusals by name.
//!
//! Not the driver's own: that one takes whichever provider of cryptography the process has, and ends it where there are two; and
//! it reads the system's authorities again for every connection.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use countersign_primitives::SecretString;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo};
use rustls::client::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::address::{Parameters, Server};
use crate::error::{Cause, TlsTrouble};
use crate::{OpenError, RedisOptions};

/// Whom to trust, and what to show.
#[derive(Clone)]
pub(crate) struct Tls(TlsConnector);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(..)")
    }
}

/// Carries what a connection sends and hears, until its last clone is dropped.
#[derive(Clone)]
pub(crate) struct Carrier {
    _task: Arc<EndsWithIt>,
}

struct EndsWithIt(AbortHandle);

impl Drop for EndsWithIt {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Tls {
    /// Reads the files that the URL names into the options, and makes of these what all connections need.
    pub(crate) fn new(files: &Parameters, options: &mut RedisOptions) -> Result<Self, OpenError> {
        if let Some(file) = &files.cacert {
            options.authorities = Some(read(file)?);
        }
        if let (Some(chain), Some(key)) = (&files.cert, &files.key) {
            let key = String::from_utf8(read(key)?).map_err(|_| OpenError::ClientCertificate)?;
            options.client_certificate = Some(Arc::new((read(chain)?, SecretString::new(key))));
        }
        let roots = match &options.authorities {
            Some(pem) => named(pem)?,
            None => systems(),
        };
        if roots.is_empty() {
            return Err(OpenError::NoAuthorities);
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| OpenError::NoTls)?
            .with_root_certificates(roots);
        let config = match &options.client_certificate {
            Some(certificate) => {
                let (chain, key) = &**certificate;
                let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
                let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes());
                let (Ok(chain), Ok(key)) = (chain, key) else { return Err(OpenError::ClientCertificate) };
                builder.with_client_auth_cert(chain, key).map_err(|_| OpenError::ClientCertificate)?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Connects to a server and says to it who we are. Nothing goes out before the server has shown a certificate that will do.
    pub(crate) async fn connect(
        &self,
        server: &Server,
        settings: &RedisConnectionInfo,
        config: &AsyncConnectionConfig,
        patience: Duration,
    ) -> Result<(MultiplexedConnection, Carrier), Cause> {
        let name = ServerName::try_from(server.host.clone()).map_err(|_| TlsTrouble::OtherName)?;
        let stream = TcpStream::connect((server.host.as_str(), server.port)).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let greeting = timeout(patience, self.0.connect(name, stream)).await.map_err(|_| TlsTrouble::NotAnswered)?;
        let stream = greeting.map_err(|error| match trouble(&error) {
            Some(trouble) => trouble.into(),
            // A server without TLS may close the connection at what it cannot read.
            None if error.kind() == io::ErrorKind::UnexpectedEof => TlsTrouble::NotSpoken.into(),
            None => Cause::Broken(error.into()),
        })?;
        let connecting = MultiplexedConnection::new_with_config(settings, stream, config.clone());
        let (connection, carrying) = connecting.await.map_err(Cause::of_connecting)?;
        let task = tokio::spawn(carrying).abort_handle();
        Ok((connection, Carrier { _task: Arc::new(EndsWithIt(task)) }))
    }
}

fn unreachable(error: io::Error) -> Cause {
    Cause::Unreachable(error.into())
}

fn read(path: &Path) -> Result<Vec<u8>, OpenError> {
    fs::read(path).map_err(|source| OpenError::File { path: path.to_owned(), source })
}

/// The authorities in a text. One that is not PEM, or no certificate, makes all of it worthless.
fn named(pem: &[u8]) -> Result<RootCertStore, OpenError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let added = certificate.ok().map(|certificate| roots.add(certificate));
        if !matches!(added, Some(Ok(()))) {
            return Err(OpenError::NoAuthorities);
        }
    }
    Ok(roots)
}

/// The system's authorities, those that can be read.
fn systems() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// What rustls refused, when an error comes from it.
pub(crate) fn trouble(error: &(dyn Error + 'static)) -> Option<TlsTrouble> {
    let error = find(error)?;
    Some(match error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            // Another authority of the same name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsTrouble::UnknownAuthority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsTrouble::OtherName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TlsTrouble::Expired,
            _ => TlsTrouble::Certificate(error.clone().into()),
        },
        rustls::Error::InvalidMessage(_) => TlsTrouble::NotSpoken,
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied,
        ) => TlsTrouble::ClientCertificate,
        error => TlsTrouble::Handshake(error.clone().into()),
    })
}

/// Looks for an error of rustls' behind those of the driver and of the socket, which hand theirs on in ways of their own.
fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = if let Some(error) = error.downcast_ref::<io::Error>() {
            error.get_ref().map(|error| error as &(dyn Error + 'static))
        } else if let Some(error) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
            Some(&**error as &(dyn Error + 'static))
        } else {
            error.source()
        };
    }
    None
}
