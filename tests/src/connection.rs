//! A connection to a server, with or without TLS, for what no client library would send.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, DEFAULT_VERSIONS, ProtocolVersion, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
};

use crate::trust;

/// A connection of a test's own.
#[derive(Debug)]
pub enum Connection {
    /// Without TLS.
    Plain(TcpStream),
    /// With TLS, to a server whose certificate was checked.
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Connection {
    /// Connects to an issuer, and waits so long for what it says. With TLS the handshake follows at the first use.
    #[must_use]
    #[track_caller]
    pub fn to(issuer: &str, patience: Duration) -> Self {
        let (scheme, authority) = issuer.split_once("://").unwrap_or_default();
        let stream = TcpStream::connect(authority).unwrap_or_else(|error| panic!("{authority}: {error}"));
        if let Err(error) = stream.set_read_timeout(Some(patience)) {
            panic!("{authority}: {error}");
        }
        if scheme == "https" { Self::secure(stream, authority, DEFAULT_VERSIONS) } else { Self::Plain(stream) }
    }

    /// Connects to an issuer by this version of TLS and no other.
    #[must_use]
    #[track_caller]
    pub fn by(version: &'static SupportedProtocolVersion, issuer: &str) -> Self {
        let authority = issuer.strip_prefix("https://").unwrap_or_default();
        let stream = TcpStream::connect(authority).unwrap_or_else(|error| panic!("{authority}: {error}"));
        Self::secure(stream, authority, &[version])
    }

    #[track_caller]
    fn secure(stream: TcpStream, authority: &str, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let name = ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']').to_owned());
        let name = name.unwrap_or_else(|error| panic!("{authority}: {error}"));
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trust::roots());
        let config = ClientConfig::builder_with_provider(trust::provider()).with_protocol_versions(versions);
        let config = config.map(|config| config.with_root_certificates(roots).with_no_client_auth());
        let client = config.and_then(|config| ClientConnection::new(Arc::new(config), name));
        let client = client.unwrap_or_else(|error| panic!("{authority}: {error}"));
        Self::Secure(Box::new(StreamOwned::new(client, stream)))
    }

    /// The version of TLS that both sides speak; nothing without TLS, and before the handshake.
    #[must_use]
    pub fn version(&self) -> Option<ProtocolVersion> {
        match self {
            Self::Plain(_) => None,
            Self::Secure(stream) => stream.conn.protocol_version(),
        }
    }

    /// Ends its own side.
    pub fn hang_up(&mut self) {
        // A server that has closed already need not be told.
        match self {
            Self::Plain(stream) => stream.shutdown(Shutdown::Write).ok(),
            Self::Secure(stream) => {
                stream.conn.send_close_notify();
                stream.flush().and_then(|()| stream.sock.shutdown(Shutdown::Write)).ok()
            }
        };
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Secure(stream) => stream.read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Secure(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Secure(stream) => stream.flush(),
        }
    }
}
