//! Certificates for servers and clients, made by the test.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::servers::Folder;

/// An authority of the test's own.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: Folder,
}

/// A certificate and its key, as files.
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, folder: Folder::new() };
        fs::write(authority.file(), authority.pem()).unwrap();
        authority
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The file with its certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.0.join("ca.pem")
    }

    /// A certificate for one name or address, changed by `change`.
    pub(crate) fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let place = self.folder.0.join(fs::read_dir(&self.folder.0).unwrap().count().to_string());
        let certificate = Certificate { chain: place.with_extension("crt"), key: place.with_extension("key") };
        fs::write(&certificate.chain, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        fs::write(&certificate.key, key.serialize_pem()).unwrap();
        certificate
    }

    /// The settings of a server with this certificate, which listens by TLS on this port too.
    pub(crate) fn settings(&self, certificate: &Certificate, port: u16, clients: &str) -> Vec<String> {
        let text = |path: &PathBuf| path.display().to_string();
        [
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", text(&certificate.chain)),
            ("--tls-key-file", text(&certificate.key)),
            ("--tls-ca-cert-file", text(&self.file())),
            ("--tls-auth-clients", clients.to_owned()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    }
}
