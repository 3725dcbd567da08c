//! The operator's certificate: everything that a browser would refuse is refused at the start, by name.

use std::fs;
use std::path::Path;

use rustls::client::verify_server_name;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_parser::parse_x509_certificate;

use super::TlsError;
use super::error::CertificateProblem as Problem;

/// Reads and checks both files.
pub(super) fn certificate(
    certificate: &Path,
    key: &Path,
    host: Option<ServerName<'static>>,
    now: UnixTime,
) -> Result<CertifiedKey, TlsError> {
    let in_certificate = |problem| TlsError::File { switch: "--tls-cert", file: certificate.to_owned(), problem };
    let in_key = |problem| TlsError::File { switch: "--tls-key", file: key.to_owned(), problem };
    let chain = read(certificate).and_then(|pem| chain(&pem)).map_err(in_certificate)?;
    let private = read(key).and_then(|pem| private_key(&pem)).map_err(in_key)?;
    let signing = any_supported_type(&private).map_err(Problem::UnusableKey).map_err(in_key)?;
    check_times(&chain, now).map_err(in_certificate)?;
    check_host(&chain[0], host).map_err(in_certificate)?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(_) => Err(in_certificate(Problem::OtherKey)),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Problem> {
    fs::read(file).map_err(Problem::Unreadable)
}

/// The certificates of a PEM file, of which there is one at least.
fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(text).collect();
    let chain = chain.map_err(|_| Problem::NotPem)?;
    match chain.first() {
        Some(_) => Ok(chain),
        None if says(text, "-----BEGIN ") => Err(Problem::NoCertificate),
        None => Err(Problem::NotPem),
    }
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, Problem> {
    // PKCS #8 says so in its label, the older form in a header.
    if says(text, "-----BEGIN ENCRYPTED PRIVATE KEY-----") || says(text, "Proc-Type: 4,ENCRYPTED") {
        return Err(Problem::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound if says(text, "-----BEGIN ") => Problem::NoKey,
        _ => Problem::NotPem,
    })
}

fn says(text: &[u8], words: &str) -> bool {
    text.windows(words.len()).any(|window| window == words.as_bytes())
}

/// Each certificate of the chain must be in its time (RFC 5280 §4.1.2.5).
pub(super) fn check_times(chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Problem> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    for (number, certificate) in (1..).zip(chain) {
        let (_, parsed) = parse_x509_certificate(certificate).map_err(|_| Problem::Malformed(number))?;
        let (from, until) = (parsed.validity().not_before, parsed.validity().not_after);
        if now > until.timestamp() {
            return Err(Problem::Expired { number, on: until.to_string() });
        }
        if now < from.timestamp() {
            return Err(Problem::NotYetValid { number, from: from.to_string() });
        }
    }
    Ok(())
}

fn check_host(own: &CertificateDer<'_>, host: Option<ServerName<'static>>) -> Result<(), Problem> {
    let parsed = ParsedCertificate::try_from(own).map_err(|_| Problem::Malformed(1))?;
    match host {
        Some(host) if verify_server_name(&parsed, &host).is_err() => {
            Err(Problem::OtherHost(host.to_str().into_owned()))
        }
        _ => Ok(()),
    }
}
