//! From an attestation certificate to an anchor that was configured (RFC 5280 §6, as far as attestations need it).
//!
//! What the message brings is never an anchor, however it is signed (attack M5), and need not hold one (attack M6).

use countersign_primitives::UnixTime;

use super::certificate::Certificate;
use super::trust::TrustError;
use crate::cose::{Hash, PublicKey, verify_x509};

/// Certificates on one path, the first and the anchor counted.
const MAX_PATH: usize = 8;

/// Critical extensions that are understood here (RFC 5280 §4.2): basic constraints, key usage, extended key usage, and what does
/// not bear on validity.
const UNDERSTOOD: [&[u8]; 4] = [
    &[0x55, 0x1d, 0x13], // basicConstraints
    &[0x55, 0x1d, 0x0f], // keyUsage
    &[0x55, 0x1d, 0x25], // extKeyUsage
    &[0x55, 0x1d, 0x11], // subjectAltName
];

/// A certificate on the path, with the one that signed it.
pub(super) struct Link<'p, 'a> {
    pub(super) certificate: &'p Certificate<'a>,
    pub(super) issuer: &'p Certificate<'a>,
}

/// Walks from the first certificate of `chain` to one of `anchors`, and tells every link. No link means that the first certificate is
/// itself an anchor.
pub(super) fn walk<'p, 'a>(
    chain: &'p [Certificate<'a>],
    anchors: &'p [Certificate<'a>],
    now: UnixTime,
) -> Result<Vec<Link<'p, 'a>>, TrustError> {
    let mut links = Vec::new();
    let mut current = chain.first().ok_or(TrustError::NoPath)?;
    // Each certificate of the message serves once, so the walk ends.
    let mut left: Vec<&Certificate<'a>> = chain.iter().skip(1).collect();
    while links.len() < MAX_PATH {
        if anchors.iter().any(|anchor| anchor.der == current.der) {
            return Ok(links);
        }
        is_valid_at(current, now)?;
        if let Some(anchor) = anchors.iter().find(|anchor| issued(anchor, current)) {
            links.push(Link { certificate: current, issuer: anchor });
            return Ok(links);
        }
        let issuer = left.iter().position(|candidate| issued(candidate, current)).ok_or(TrustError::NoPath)?;
        let issuer = left.swap_remove(issuer);
        is_authority(issuer, links.len())?;
        links.push(Link { certificate: current, issuer });
        current = issuer;
    }
    Err(TrustError::NoPath)
}

/// Whether `issuer` is named by `certificate` as its issuer and signed it.
pub(super) fn issued(issuer: &Certificate<'_>, certificate: &Certificate<'_>) -> bool {
    issuer.parsed.subject().as_raw() == certificate.parsed.issuer().as_raw()
        && is_signed_by(
            issuer,
            certificate.parsed.tbs_certificate.as_ref(),
            certificate.parsed.signature_algorithm.algorithm.as_bytes(),
            &certificate.parsed.signature_value.data,
        )
}

/// Whether `signature` is `issuer`'s of `message`, by an algorithm of X.509. There is no SHA-1 among them.
pub(super) fn is_signed_by(issuer: &Certificate<'_>, message: &[u8], algorithm: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = issuer.public_key() else { return false };
    let (kind, hash) = match algorithm {
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 2] => (KeyKind::Ec, Hash::Sha256),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 3] => (KeyKind::Ec, Hash::Sha384),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 4] => (KeyKind::Ec, Hash::Sha512),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 11] => (KeyKind::Rsa, Hash::Sha256),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 12] => (KeyKind::Rsa, Hash::Sha384),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 13] => (KeyKind::Rsa, Hash::Sha512),
        [0x2b, 0x65, 0x70] => (KeyKind::Ed25519, Hash::Sha512),
        _ => return false,
    };
    let fits = match key {
        PublicKey::Ec { .. } => kind == KeyKind::Ec,
        PublicKey::Rsa { .. } => kind == KeyKind::Rsa,
        PublicKey::Okp { .. } => kind == KeyKind::Ed25519,
        PublicKey::MlDsa { .. } => false,
    };
    fits && verify_x509(&key, hash, message, signature).is_ok()
}

/// What a signature algorithm of X.509 is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    Ec,
    Rsa,
    Ed25519,
}

fn is_valid_at(certificate: &Certificate<'_>, now: UnixTime) -> Result<(), TrustError> {
    let validity = certificate.parsed.validity();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if validity.not_before.timestamp() <= now && now <= validity.not_after.timestamp() {
        Ok(())
    } else {
        Err(TrustError::NotValidNow)
    }
}

/// That a certificate of the message may issue others, with `below` certificates under the one it issues.
fn is_authority(certificate: &Certificate<'_>, below: usize) -> Result<(), TrustError> {
    let constraints = certificate.parsed.basic_constraints().map_err(|_| TrustError::NoAuthority)?;
    let constraints = constraints.ok_or(TrustError::NoAuthority)?.value;
    let deep_enough = constraints.path_len_constraint.is_none_or(|length| below <= length as usize);
    let usage = certificate.parsed.key_usage().map_err(|_| TrustError::NoAuthority)?;
    let signs = usage.is_none_or(|usage| usage.value.key_cert_sign());
    let extensions = certificate.parsed.tbs_certificate.extensions().iter();
    let mut critical = extensions.filter(|extension| extension.critical);
    let understood = critical.all(|extension| UNDERSTOOD.contains(&extension.oid.as_bytes()));
    if constraints.ca && deep_enough && signs && understood { Ok(()) } else { Err(TrustError::NoAuthority) }
}
