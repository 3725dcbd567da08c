//! Whom this test's clients trust: the authorities of the servers that it started, and nobody else.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

static TRUSTED: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

#[derive(Debug, Clone)]
struct Entry {
    issuer: String,
    authority: PathBuf,
    certificate: CertificateDer<'static>,
}

/// An authority that is trusted while this value lives.
#[derive(Debug)]
pub struct Trusted {
    issuer: String,
    authority: PathBuf,
}

impl Trusted {
    /// The file of its certificate.
    #[must_use]
    pub fn authority(&self) -> &Path {
        &self.authority
    }
}

impl Drop for Trusted {
    fn drop(&mut self) {
        entries().retain(|entry| entry.issuer != self.issuer);
    }
}

/// Lets every client of this test that starts from now on trust the authority of an issuer: HTTP clients, browsers, and the
/// programs that others wrote.
#[must_use]
#[track_caller]
pub fn trust(issuer: &str, authority: &Path) -> Trusted {
    let certificate = match CertificateDer::from_pem_file(authority) {
        Ok(certificate) => certificate,
        Err(error) => panic!("{}: {error}", authority.display()),
    };
    let (issuer, authority) = (issuer.to_owned(), authority.to_owned());
    entries().push(Entry { issuer: issuer.clone(), authority: authority.clone(), certificate });
    Trusted { issuer, authority }
}

/// The file of the authority that an issuer's certificate comes from.
pub(crate) fn authority_of(issuer: &str) -> Option<PathBuf> {
    entries().iter().find(|entry| entry.issuer == issuer).map(|entry| entry.authority.clone())
}

pub(crate) fn authorities() -> Vec<PathBuf> {
    entries().iter().map(|entry| entry.authority.clone()).collect()
}

pub(crate) fn roots() -> Vec<CertificateDer<'static>> {
    entries().iter().map(|entry| entry.certificate.clone()).collect()
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn entries() -> MutexGuard<'static, Vec<Entry>> {
    TRUSTED.lock().unwrap_or_else(PoisonError::into_inner)
}
