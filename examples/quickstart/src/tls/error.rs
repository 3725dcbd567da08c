//! What can be wrong with a certificate, each with its cure.

use std::io;
use std::path::PathBuf;

use crate::data::DataError;

/// There is no HTTPS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file of `--tls-cert` or `--tls-key` will not do.
    #[error("{switch} {file}: {problem}", file = file.display())]
    File {
        /// The switch that names the file.
        switch: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: CertificateProblem,
    },
    /// A file of the quickstart's own authority cannot be read or written.
    #[error("{file} cannot be used: {source}", file = file.display())]
    Own {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the quickstart's own authority is missing or holds something else.
    #[error(
        "{file} is missing or damaged: put it back, or move the folder {folder} away, and a new authority is made that \
         browsers must be told to trust",
        file = file.display(),
        folder = file.parent().unwrap_or(file).display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
    },
    /// A certificate could not be made.
    #[error("no certificate could be made for the issuer's host: {0}")]
    Making(#[source] rcgen::Error),
    /// The authority's time has not come.
    #[error("the authority in the folder tls of the data folder is not valid yet: look at this machine's clock")]
    Early,
    /// The folder cannot be made.
    #[error(transparent)]
    Folder(#[from] DataError),
    /// The new certificate does not pass the check that a client would make.
    #[error("no certificate could be made that browsers would take: {0}")]
    Unusable(#[source] rustls::Error),
    /// The library refuses the configuration.
    #[error("TLS cannot be set up: {0}")]
    Config(#[source] rustls::Error),
}

impl TlsError {
    /// Whether a setting is wrong, rather than the data folder.
    pub(crate) fn is_a_setting(&self) -> bool {
        matches!(self, Self::File { .. })
    }
}

/// Why an operator's file will not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// The system does not give it.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// It is no PEM.
    #[error("is not PEM (lines between -----BEGIN … and -----END …): convert it, by `openssl x509` or `openssl pkey`")]
    NotPem,
    /// It holds no certificate.
    #[error("holds no certificate: name the file with the chain, the server's own certificate first")]
    NoCertificate,
    /// It holds no key.
    #[error("holds no private key: name the file with the key that belongs to the certificate")]
    NoKey,
    /// The key needs a passphrase.
    #[error(
        "is encrypted, and there is nobody to ask for its passphrase: decrypt it, by `openssl pkey -in FILE -out NEW`"
    )]
    EncryptedKey,
    /// The key is of a kind that cannot be used.
    #[error("holds a key that cannot be used ({0}): use ECDSA with P-256 or P-384, Ed25519, or RSA from 2048 bits on")]
    UnusableKey(#[source] rustls::Error),
    /// Something in the chain is no X.509 certificate.
    #[error("certificate number {0} in it is no X.509 certificate: get the file anew")]
    Malformed(usize),
    /// The key belongs to another certificate.
    #[error("the certificate does not belong to the key of --tls-key: name the two that were made for each other")]
    OtherKey,
    /// A certificate's time is over.
    #[error("certificate number {number} in it expired on {on}: renew it")]
    Expired {
        /// Its place in the chain, from 1.
        number: usize,
        /// When.
        on: String,
    },
    /// A certificate's time has not come.
    #[error("certificate number {number} in it is valid only from {from}: look at this machine's clock, or wait")]
    NotYetValid {
        /// Its place in the chain, from 1.
        number: usize,
        /// From when.
        from: String,
    },
    /// It is for other hosts.
    #[error(
        "the certificate is not for the issuer's host {0}: get one that names it, or set --issuer to a host that it names"
    )]
    OtherHost(String),
}
