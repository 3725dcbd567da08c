//! Why COSE keys are refused.

use super::{Algorithm, UnknownAlgorithm};
use crate::cbor::CborError;

/// Why a COSE key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoseKeyError {
    /// Not canonical CBOR, or not a map.
    #[error("the COSE key: {0}")]
    Cbor(#[from] CborError),
    /// A member that a key of this type has is missing, or of another type.
    #[error("the COSE key lacks a member that its type has")]
    Member,
    /// A member that credentials must not have, such as `kid` or a private half.
    #[error("the COSE key has a member that credential keys must not have")]
    UnexpectedMember,
    /// An algorithm that is not known.
    #[error("the COSE key: {0}")]
    UnknownAlgorithm(#[from] UnknownAlgorithm),
    /// An algorithm that is known, but needs a feature of this crate, or is not for credentials.
    #[error("the COSE key is for {0}, which is not switched on for credentials")]
    Unavailable(Algorithm),
    /// The type or curve of the key is not the algorithm's.
    #[error("the COSE key's type or curve does not fit {0}")]
    Mismatch(Algorithm),
    /// A compressed point, which WebAuthn forbids.
    #[error("the COSE key has a compressed point")]
    CompressedPoint,
    /// A coordinate or key of another length than the algorithm's.
    #[error("the COSE key's numbers have the wrong length")]
    Length,
    /// A point that does not lie on the curve.
    #[error("the COSE key's point is not on its curve")]
    NotOnCurve,
    /// An RSA modulus that is not odd, or has fewer than 2048 or more than 8192 bits.
    #[error("the RSA modulus must be odd and have 2048 to 8192 bits")]
    RsaModulus,
    /// An RSA exponent that is even, below 3 or above 33 bits.
    #[error("the RSA exponent must be odd, at least 3 and at most 33 bits long")]
    RsaExponent,
}

impl CoseKeyError {
    /// The stable id of the cause.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Cbor(error) => error.id(),
            Self::Member => "cose_key.member",
            Self::UnexpectedMember => "cose_key.unexpected_member",
            Self::UnknownAlgorithm(_) => "cose_key.unknown_algorithm",
            Self::Unavailable(_) => "cose_key.unavailable_algorithm",
            Self::Mismatch(_) => "cose_key.mismatch",
            Self::CompressedPoint => "cose_key.compressed_point",
            Self::Length => "cose_key.length",
            Self::NotOnCurve => "cose_key.not_on_curve",
            Self::RsaModulus => "cose_key.rsa_modulus",
            Self::RsaExponent => "cose_key.rsa_exponent",
        }
    }
}
