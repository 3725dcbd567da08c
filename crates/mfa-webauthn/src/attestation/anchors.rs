//! Certificates that are trusted as they stand, and lists of those that no longer are.

use countersign_primitives::UnixTime;

use super::certificate::{Certificate, CertificateError};
use super::path;
use super::revocation::RevocationList;
use super::trust::TrustError;

/// Anchors, in DER, and lists of revoked certificates.
#[derive(Debug, Clone, Default)]
pub(crate) struct Anchors {
    certificates: Vec<Vec<u8>>,
    revoked: Vec<RevocationList>,
}

impl Anchors {
    pub(crate) fn add(&mut self, der: Vec<u8>) -> Result<(), CertificateError> {
        Certificate::read(&der)?.public_key()?;
        self.certificates.push(der);
        Ok(())
    }

    pub(crate) fn revoke(&mut self, der: Vec<u8>) -> Result<(), CertificateError> {
        self.revoked.push(RevocationList::read(der)?);
        Ok(())
    }

    /// That the first certificate of `chain` leads to one of these anchors, or of `more`, and no link is revoked.
    pub(crate) fn leads<C: AsRef<[u8]>>(&self, chain: &[C], more: &[Vec<u8>], now: UnixTime) -> Result<(), TrustError> {
        let chain = chain.iter().map(|der| read(der.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let anchors = self.certificates.iter().chain(more).map(|der| read(der)).collect::<Result<Vec<_>, _>>()?;
        for link in path::walk(&chain, &anchors, now)? {
            self.revoked.iter().try_for_each(|list| list.clears(&link, now))?;
        }
        Ok(())
    }
}

fn read(der: &[u8]) -> Result<Certificate<'_>, TrustError> {
    Certificate::read(der).map_err(|_| TrustError::Certificate)
}
