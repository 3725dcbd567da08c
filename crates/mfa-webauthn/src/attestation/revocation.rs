//! Lists of revoked certificates (RFC 5280 §5).

use countersign_primitives::UnixTime;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use super::certificate::CertificateError;
use super::path::{self, Link};
use super::trust::TrustError;

/// A list, read once as it is configured and again where it is used.
#[derive(Debug, Clone)]
pub(super) struct RevocationList(Vec<u8>);

impl RevocationList {
    /// Reads a list, to its last byte. Critical extensions, such as of lists that hold only a part, are refused (RFC 5280 §5.2).
    pub(super) fn read(der: Vec<u8>) -> Result<Self, CertificateError> {
        let list = parse(&der).ok_or(CertificateError::Malformed)?;
        if list.extensions().iter().any(|extension| extension.critical) {
            return Err(CertificateError::Extension);
        }
        Ok(Self(der))
    }

    /// That the list, where it is of this certificate's issuer, is sound and does not name the certificate.
    pub(super) fn clears(&self, link: &Link<'_, '_>, now: UnixTime) -> Result<(), TrustError> {
        let list = parse(&self.0).ok_or(TrustError::RevocationList)?;
        if list.issuer().as_raw() != link.certificate.parsed.issuer().as_raw() {
            return Ok(());
        }
        let signed = path::is_signed_by(
            link.issuer,
            list.tbs_cert_list.as_ref(),
            list.signature_algorithm.algorithm.as_bytes(),
            &list.signature_value.data,
        );
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let current = list.next_update().is_some_and(|next| now <= next.timestamp());
        if !signed || !current {
            return Err(TrustError::RevocationList);
        }
        let serial = link.certificate.parsed.raw_serial();
        let revoked = list.iter_revoked_certificates().any(|revoked| revoked.raw_serial() == serial);
        if revoked { Err(TrustError::Revoked) } else { Ok(()) }
    }
}

fn parse(der: &[u8]) -> Option<CertificateRevocationList<'_>> {
    let (rest, list) = CertificateRevocationList::from_der(der).ok()?;
    rest.is_empty().then_some(list)
}
