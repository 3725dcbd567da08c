//! Which signature algorithms there are (IANA COSE Algorithms).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A signature algorithm, by its number in the IANA registry of COSE algorithms.
///
/// ```
/// use countersign_mfa_webauthn::Algorithm;
///
/// assert_eq!(Algorithm::ES256.id(), -7);
/// assert_eq!(Algorithm::from_id(-257), Ok(Algorithm::RS256));
/// assert!(Algorithm::ES256.is_available());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256: what every authenticator has.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// ECDSA on P-521 with SHA-512 (feature `p521`).
    ES512,
    /// ES256, by a number that tells the curve too.
    ESP256,
    /// ES384, by a number that tells the curve too.
    ESP384,
    /// ES512, by a number that tells the curve too (feature `p521`).
    ESP512,
    /// ECDSA on secp256k1 with SHA-256 (feature `k256`).
    ES256K,
    /// EdDSA, which WebAuthn allows on Ed25519 alone.
    EdDSA,
    /// EdDSA on Ed25519, by a number that tells the curve too.
    Ed25519,
    /// EdDSA on Ed448 (feature `ed448`).
    Ed448,
    /// RSA PKCS#1 v1.5 with SHA-256: Windows Hello with older TPMs.
    RS256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    RS384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    RS512,
    /// RSA-PSS with SHA-256.
    PS256,
    /// RSA-PSS with SHA-384.
    PS384,
    /// RSA-PSS with SHA-512.
    PS512,
    /// RSA PKCS#1 v1.5 with SHA-1. Never for credentials; only under what a TPM certifies, and only where a trust policy allows it.
    RS1,
    /// ML-DSA-44 of FIPS 204 (feature `ml-dsa`).
    MlDsa44,
    /// ML-DSA-65 of FIPS 204 (feature `ml-dsa`).
    MlDsa65,
    /// ML-DSA-87 of FIPS 204 (feature `ml-dsa`).
    MlDsa87,
}

/// A number that stands for no algorithm here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no COSE signature algorithm that is known here")]
pub struct UnknownAlgorithm(
    /// The number.
    pub i64,
);

impl Algorithm {
    const ALL: [(Self, i64); 20] = [
        (Self::ES256, -7),
        (Self::EdDSA, -8),
        (Self::ESP256, -9),
        (Self::Ed25519, -19),
        (Self::ES384, -35),
        (Self::ES512, -36),
        (Self::PS256, -37),
        (Self::PS384, -38),
        (Self::PS512, -39),
        (Self::ES256K, -47),
        (Self::MlDsa44, -48),
        (Self::MlDsa65, -49),
        (Self::MlDsa87, -50),
        (Self::ESP384, -51),
        (Self::ESP512, -52),
        (Self::Ed448, -53),
        (Self::RS256, -257),
        (Self::RS384, -258),
        (Self::RS512, -259),
        (Self::RS1, -65535),
    ];

    /// What is offered unless a host says otherwise: ES256 first, Ed25519, and RS256 for older TPMs.
    pub const DEFAULT: [Self; 3] = [Self::ES256, Self::EdDSA, Self::RS256];

    /// The number in the IANA registry.
    #[must_use]
    pub fn id(self) -> i64 {
        // Every variant stands in the list, which a test says.
        Self::ALL.iter().find(|(algorithm, _)| *algorithm == self).map_or(0, |(_, id)| *id)
    }

    /// The algorithm of this number.
    ///
    /// # Errors
    /// When there is none.
    pub fn from_id(id: i64) -> Result<Self, UnknownAlgorithm> {
        let known = Self::ALL.iter().find(|(_, known)| *known == id);
        known.map(|(algorithm, _)| *algorithm).ok_or(UnknownAlgorithm(id))
    }

    /// Whether signatures of it can be verified with the features that this crate was built with.
    #[must_use]
    pub const fn is_available(self) -> bool {
        let lacking = matches!(self, Self::ES512 | Self::ESP512) && cfg!(not(feature = "p521"))
            || matches!(self, Self::ES256K) && cfg!(not(feature = "k256"))
            || matches!(self, Self::Ed448) && cfg!(not(feature = "ed448"))
            || matches!(self, Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87) && cfg!(not(feature = "ml-dsa"));
        !lacking
    }

    /// Whether credentials may have it: RS1 never.
    #[must_use]
    pub const fn is_for_credentials(self) -> bool {
        !matches!(self, Self::RS1)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MlDsa44 => f.write_str("ML-DSA-44"),
            Self::MlDsa65 => f.write_str("ML-DSA-65"),
            Self::MlDsa87 => f.write_str("ML-DSA-87"),
            other => fmt::Debug::fmt(other, f),
        }
    }
}

impl TryFrom<i64> for Algorithm {
    type Error = UnknownAlgorithm;

    fn try_from(id: i64) -> Result<Self, UnknownAlgorithm> {
        Self::from_id(id)
    }
}

impl From<Algorithm> for i64 {
    fn from(algorithm: Algorithm) -> Self {
        algorithm.id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_registry_and_name_one_algorithm_each() {
        for (algorithm, id) in Algorithm::ALL {
            assert_eq!((algorithm.id(), Algorithm::from_id(id)), (id, Ok(algorithm)));
            assert_eq!(serde_json::to_string(&algorithm).unwrap(), id.to_string());
        }
        assert_eq!(Algorithm::from_id(0), Err(UnknownAlgorithm(0)));
        assert!(serde_json::from_str::<Algorithm>("-6").is_err());
    }

    #[test]
    fn m16_sha1_is_in_no_default_and_for_no_credential() {
        assert!(!Algorithm::DEFAULT.contains(&Algorithm::RS1) && !Algorithm::RS1.is_for_credentials());
    }
}
