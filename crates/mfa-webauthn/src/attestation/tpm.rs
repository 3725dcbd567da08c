//! Trusted Platform Modules (WebAuthn 3 §8.3).

use super::certificate::Certificate;
use super::object::{Evidence, Statement, algorithm, members, x5c};
use super::tpm_structures::{Attest, Public, PublicId};
use super::{AttestationError, AttestationFormat, AttestationKind};
use crate::Algorithm;
use crate::cbor::Map;
use crate::cose::{EcCurve, PublicKey, verify as verify_signature};

pub(super) fn verify<'a>(map: Map<'a>, evidence: &Evidence<'_>) -> Result<Statement<'a>, AttestationError> {
    let [alg, sig, ver, chain, public_area, cert_info] =
        members(map, ["alg", "sig", "ver", "x5c", "pubArea", "certInfo"])?;
    if ver.text()? != "2.0" {
        return Err(AttestationError::Members);
    }
    let algorithm = algorithm(alg)?;
    let sha1_allowed = evidence.policy.is_some_and(super::TrustPolicy::accepts_tpm_sha1);
    if algorithm == Algorithm::RS1 && !sha1_allowed {
        return Err(AttestationError::Algorithm);
    }
    let (public_area, cert_info) = (public_area.bytes()?, cert_info.bytes()?);
    let public = Public::read(public_area).ok_or(AttestationError::TpmMalformed)?;
    is_the_credentials_key(&public, &evidence.attested.public_key.key)?;

    let chain = x5c(chain)?;
    let certificate = Certificate::read(chain[0])?;
    certificate.meets_tpm_requirements()?;
    certificate.is_for_model(evidence.attested.aaguid)?;
    // Every TPM puts the signature here as the algorithm has it, not in a TPMT_SIGNATURE; so do the specification's own vectors.
    verify_signature(algorithm, &certificate.public_key()?, cert_info, sig.bytes()?)?;

    let attest = Attest::read(cert_info).ok_or(AttestationError::TpmMalformed)?;
    if !attest.is_certification() {
        return Err(AttestationError::TpmCertify);
    }
    let digest = digest_of(algorithm).ok_or(AttestationError::Algorithm)?;
    if attest.extra_data != hash(digest, &evidence.signed).as_ref() {
        return Err(AttestationError::OtherCeremony);
    }
    if !names(attest.name, &public, public_area) {
        return Err(AttestationError::TpmCertify);
    }
    Ok(Statement::new(AttestationFormat::Tpm, AttestationKind::AttCa, chain))
}

/// That the public area is the credential's key.
fn is_the_credentials_key(public: &Public<'_>, key: &PublicKey<'_>) -> Result<(), AttestationError> {
    let same = match (&public.id, *key) {
        (PublicId::Rsa { n, e }, PublicKey::Rsa { n: expected_n, e: expected_e }) => {
            *n == expected_n && significant(&e.to_be_bytes()) == expected_e
        }
        (PublicId::Ecc { curve, x, y }, PublicKey::Ec { curve: expected, x: expected_x, y: expected_y }) => {
            // A TPM may leave leading zeros out.
            *curve == tpm_curve(expected)
                && significant(x) == significant(expected_x)
                && significant(y) == significant(expected_y)
        }
        _ => false,
    };
    if same { Ok(()) } else { Err(AttestationError::OtherKey) }
}

const fn tpm_curve(curve: EcCurve) -> Option<u16> {
    match curve {
        EcCurve::P256 => Some(3),
        EcCurve::P384 => Some(4),
        EcCurve::P521 => Some(5),
        EcCurve::Secp256k1 => None,
    }
}

/// A number without leading zeros.
fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// That `name` is the Name of the public area: its algorithm, then the hash (TPM 2.0 Part 1 §16).
fn names(name: &[u8], public: &Public<'_>, public_area: &[u8]) -> bool {
    let digest = match public.name_algorithm {
        0x0b => &ring::digest::SHA256,
        0x0c => &ring::digest::SHA384,
        0x0d => &ring::digest::SHA512,
        _ => return false, // SHA-1 would let two keys share a name
    };
    let (algorithm, hashed) = (public.name_algorithm.to_be_bytes(), hash(digest, public_area));
    name.split_at_checked(2) == Some((&algorithm, hashed.as_ref()))
}

fn hash(digest: &'static ring::digest::Algorithm, bytes: &[u8]) -> ring::digest::Digest {
    ring::digest::digest(digest, bytes)
}

/// The hash that an algorithm works with.
const fn digest_of(algorithm: Algorithm) -> Option<&'static ring::digest::Algorithm> {
    use Algorithm as A;
    match algorithm {
        A::RS256 | A::PS256 | A::ES256 | A::ESP256 => Some(&ring::digest::SHA256),
        A::RS384 | A::PS384 | A::ES384 | A::ESP384 => Some(&ring::digest::SHA384),
        A::RS512 | A::PS512 | A::ES512 | A::ESP512 => Some(&ring::digest::SHA512),
        A::RS1 => Some(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY),
        _ => None,
    }
}
