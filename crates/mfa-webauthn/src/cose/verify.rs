//! Signatures (WebAuthn 3 §6.5.5): by ring where it has the algorithm, else by a crate behind a feature.

use ring::digest;
use ring::signature as ring_signature;
use ring::signature::{RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};

use super::key::MlDsaLevel;
use super::{Algorithm, EcCurve, OkpCurve, PublicKey};
use crate::refusal::refusals;

refusals! {
    /// Why a signature does not count.
    SignatureError as "signature" {
        /// It is not this key's signature of this message, or not in the form that its algorithm has.
        Invalid = "invalid": "the signature is not this key's signature of this message",
        /// The algorithm is not one for this kind of key.
        Mismatch = "mismatch": "the signature's algorithm does not fit the key",
        /// The algorithm needs a feature of this crate that is off.
        Unavailable = "unavailable": "the signature's algorithm needs a feature of this crate that is off",
    }
}

/// SHA-256 over the parts, one after another.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// SHA-1, which names keys in metadata and vouches for nothing.
pub(crate) fn sha1(bytes: &[u8]) -> [u8; 20] {
    let mut out = [0; 20];
    out.copy_from_slice(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref());
    out
}

/// Checks that `signature` is `key`'s of `message` by `algorithm`.
///
/// ECDSA signatures are in strict DER, and `s` may be high; EdDSA's `s` is reduced; RSA keys have 2048 bits or more.
pub(crate) fn verify(
    algorithm: Algorithm,
    key: &PublicKey<'_>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    use Algorithm as A;
    match (algorithm, *key) {
        (A::ES256 | A::ESP256, PublicKey::Ec { curve: EcCurve::P256, x, y }) => {
            by_ring(&ring_signature::ECDSA_P256_SHA256_ASN1, &uncompressed(x, y), message, signature)
        }
        (A::ES384 | A::ESP384, PublicKey::Ec { curve: EcCurve::P384, x, y }) => {
            by_ring(&ring_signature::ECDSA_P384_SHA384_ASN1, &uncompressed(x, y), message, signature)
        }
        (A::ES512 | A::ESP512, PublicKey::Ec { curve: EcCurve::P521, x, y }) => ecdsa_p521(x, y, message, signature),
        (A::ES256K, PublicKey::Ec { curve: EcCurve::Secp256k1, x, y }) => ecdsa_k256(x, y, message, signature),
        (A::EdDSA | A::Ed25519, PublicKey::Okp { curve: OkpCurve::Ed25519, x }) => {
            by_ring(&ring_signature::ED25519, x, message, signature)
        }
        (A::Ed448, PublicKey::Okp { curve: OkpCurve::Ed448, x }) => ed448(x, message, signature),
        (_, PublicKey::Rsa { n, e }) => {
            let parameters = rsa_parameters(algorithm).ok_or(SignatureError::Mismatch)?;
            let key = RsaPublicKeyComponents { n, e };
            key.verify(parameters, message, signature).map_err(|_| SignatureError::Invalid)
        }
        (A::MlDsa44 | A::MlDsa65 | A::MlDsa87, PublicKey::MlDsa { level, key }) if fits(algorithm, level) => {
            ml_dsa(level, key, message, signature)
        }
        _ => Err(SignatureError::Mismatch),
    }
}

/// A hash, where the algorithm does not fix it to the key (RFC 5758, RFC 4055).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// Checks a signature on a certificate or a list of revoked ones. X.509 lets every curve go with every hash.
pub(crate) fn verify_x509(
    key: &PublicKey<'_>,
    hash: Hash,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    match (*key, hash) {
        (PublicKey::Ec { curve: EcCurve::P256, x, y }, Hash::Sha384) => {
            by_ring(&ring_signature::ECDSA_P256_SHA384_ASN1, &uncompressed(x, y), message, signature)
        }
        (PublicKey::Ec { curve: EcCurve::P384, x, y }, Hash::Sha256) => {
            by_ring(&ring_signature::ECDSA_P384_SHA256_ASN1, &uncompressed(x, y), message, signature)
        }
        (PublicKey::Ec { curve: EcCurve::P256, .. }, Hash::Sha256) => verify(Algorithm::ES256, key, message, signature),
        (PublicKey::Ec { curve: EcCurve::P384, .. }, Hash::Sha384) => verify(Algorithm::ES384, key, message, signature),
        (PublicKey::Ec { curve: EcCurve::P521, .. }, Hash::Sha512) => verify(Algorithm::ES512, key, message, signature),
        (PublicKey::Ec { .. } | PublicKey::MlDsa { .. }, _) => Err(SignatureError::Mismatch),
        (PublicKey::Okp { .. }, _) => verify(Algorithm::EdDSA, key, message, signature),
        (PublicKey::Rsa { .. }, Hash::Sha256) => verify(Algorithm::RS256, key, message, signature),
        (PublicKey::Rsa { .. }, Hash::Sha384) => verify(Algorithm::RS384, key, message, signature),
        (PublicKey::Rsa { .. }, Hash::Sha512) => verify(Algorithm::RS512, key, message, signature),
    }
}

/// Checks an ES256 signature in the fixed form of JOSE (RFC 7518 §3.4).
pub(crate) fn verify_fixed_es256(x: &[u8], y: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    by_ring(&ring_signature::ECDSA_P256_SHA256_FIXED, &uncompressed(x, y), message, signature)
}

/// The point in the uncompressed form of SEC 1 §2.3.3.
pub(super) fn uncompressed(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4], x, y].concat()
}

fn by_ring(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    UnparsedPublicKey::new(algorithm, key).verify(message, signature).map_err(|_| SignatureError::Invalid)
}

const fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::RS256 => Some(&ring_signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Some(&ring_signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Some(&ring_signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Some(&ring_signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Some(&ring_signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Some(&ring_signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::RS1 => Some(&ring_signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
        _ => None,
    }
}

const fn fits(algorithm: Algorithm, level: MlDsaLevel) -> bool {
    matches!(
        (algorithm, level),
        (Algorithm::MlDsa44, MlDsaLevel::L44)
            | (Algorithm::MlDsa65, MlDsaLevel::L65)
            | (Algorithm::MlDsa87, MlDsaLevel::L87)
    )
}

#[cfg(feature = "p521")]
fn ecdsa_p521(x: &[u8], y: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    use p521::ecdsa::signature::Verifier as _;
    use p521::ecdsa::{Signature, VerifyingKey};

    let key = VerifyingKey::from_sec1_bytes(&uncompressed(x, y)).map_err(|_| SignatureError::Invalid)?;
    let signature = Signature::from_der(signature).map_err(|_| SignatureError::Invalid)?;
    key.verify(message, &signature).map_err(|_| SignatureError::Invalid)
}

#[cfg(not(feature = "p521"))]
const fn ecdsa_p521(_: &[u8], _: &[u8], _: &[u8], _: &[u8]) -> Result<(), SignatureError> {
    Err(SignatureError::Unavailable)
}

#[cfg(feature = "k256")]
fn ecdsa_k256(x: &[u8], y: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    use k256::ecdsa::signature::Verifier as _;
    use k256::ecdsa::{Signature, VerifyingKey};

    let key = VerifyingKey::from_sec1_bytes(&uncompressed(x, y)).map_err(|_| SignatureError::Invalid)?;
    let signature = Signature::from_der(signature).map_err(|_| SignatureError::Invalid)?;
    // The crate takes low s alone, a rule of Bitcoin's that WebAuthn does not have: the other s is as good.
    let signature = signature.normalize_s();
    key.verify(message, &signature).map_err(|_| SignatureError::Invalid)
}

#[cfg(not(feature = "k256"))]
const fn ecdsa_k256(_: &[u8], _: &[u8], _: &[u8], _: &[u8]) -> Result<(), SignatureError> {
    Err(SignatureError::Unavailable)
}

#[cfg(feature = "ed448")]
fn ed448(x: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    use ed448_goldilocks_plus::{Signature, VerifyingKey};

    let (Ok(x), Ok(signature)) = (<&[u8; 57]>::try_from(x), <&[u8; 114]>::try_from(signature)) else {
        return Err(SignatureError::Invalid);
    };
    // The last byte of a point has one bit of meaning (RFC 8032 §5.2.2); the crate ignores the other seven.
    if x[56] & 0x7f != 0 || signature[56] & 0x7f != 0 {
        return Err(SignatureError::Invalid);
    }
    let key = VerifyingKey::from_bytes(x).map_err(|_| SignatureError::Invalid)?;
    let signature = Signature::try_from(&signature[..]).map_err(|_| SignatureError::Invalid)?;
    key.verify_raw(&signature, message).map_err(|_| SignatureError::Invalid)
}

#[cfg(not(feature = "ed448"))]
const fn ed448(_: &[u8], _: &[u8], _: &[u8]) -> Result<(), SignatureError> {
    Err(SignatureError::Unavailable)
}

#[cfg(feature = "ml-dsa")]
fn ml_dsa(level: MlDsaLevel, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    use ml_dsa::{MlDsa44, MlDsa65, MlDsa87, MlDsaParams};

    fn check<P: MlDsaParams>(key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let key = ml_dsa::EncodedVerifyingKey::<P>::try_from(key).map_err(|_| SignatureError::Invalid)?;
        let signature = ml_dsa::Signature::<P>::try_from(signature).map_err(|_| SignatureError::Invalid)?;
        let valid = ml_dsa::VerifyingKey::<P>::decode(&key).verify_with_context(message, &[], &signature);
        if valid { Ok(()) } else { Err(SignatureError::Invalid) }
    }
    match level {
        MlDsaLevel::L44 => check::<MlDsa44>(key, message, signature),
        MlDsaLevel::L65 => check::<MlDsa65>(key, message, signature),
        MlDsaLevel::L87 => check::<MlDsa87>(key, message, signature),
    }
}

#[cfg(not(feature = "ml-dsa"))]
const fn ml_dsa(_: MlDsaLevel, _: &[u8], _: &[u8], _: &[u8]) -> Result<(), SignatureError> {
    Err(SignatureError::Unavailable)
}
