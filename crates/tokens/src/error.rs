//! Why tokens are refused.

use crate::CryptoError;

/// Why a JWT was refused. What an outsider is told is the caller's matter; this is the cause for logs and events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// Longer than 16 KiB.
    #[error("the token is too long")]
    TooLong,
    /// Not three parts of canonical base64url, or header or claims are not one JSON object (RFC 7515 §5.2, RFC 7519 §7.2).
    #[error("the token is malformed")]
    Malformed,
    /// A name occurs twice in the header or the claims (RFC 7515 §4, RFC 7519 §4).
    #[error("a member occurs twice")]
    Duplicate,
    /// The header demands an extension that is not understood (RFC 7515 §4.1.11).
    #[error("the header demands an extension that is not understood")]
    Crit,
    /// The token is of another type (RFC 8725 §3.11).
    #[error("the token is of another type")]
    Type,
    /// `alg` is missing, `none`, symmetric, not admitted here, or another than the key's (RFC 8725 §3.1).
    #[error("the algorithm is not admitted")]
    Algorithm,
    /// No key of that name, or several fit a token that names none.
    #[error("the key is not known")]
    UnknownKey,
    /// The key in the header is missing, private or unusable (RFC 9449 §4.3).
    #[error("the key in the header is not usable")]
    EmbeddedKey,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// A registered claim has the wrong type (RFC 7519 §4.1), or the claims are not what the caller asked to read.
    #[error("a claim has the wrong type")]
    ClaimType,
    /// A claim that is required is not there.
    #[error("the claim {0} is missing")]
    Missing(&'static str),
    /// Its time is over (RFC 7519 §4.1.4).
    #[error("the token has expired")]
    Expired,
    /// Its time has not come, or it was issued in the future (RFC 7519 §4.1.5, §4.1.6).
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Another issuer (RFC 7519 §4.1.1).
    #[error("the token is of another issuer")]
    Issuer,
    /// For somebody else, or for several where one is asked for (RFC 7519 §4.1.3).
    #[error("the token is for another audience")]
    Audience,
}

impl JwtError {
    /// A stable name of the cause.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::TooLong => "jwt_too_long",
            Self::Malformed => "jwt_malformed",
            Self::Duplicate => "jwt_duplicate_member",
            Self::Crit => "jwt_crit",
            Self::Type => "jwt_type",
            Self::Algorithm => "jwt_algorithm",
            Self::UnknownKey => "jwt_unknown_key",
            Self::EmbeddedKey => "jwt_embedded_key",
            Self::Signature => "jwt_signature",
            Self::ClaimType => "jwt_claim_type",
            Self::Missing(_) => "jwt_claim_missing",
            Self::Expired => "jwt_expired",
            Self::NotYetValid => "jwt_not_yet_valid",
            Self::Issuer => "jwt_issuer",
            Self::Audience => "jwt_audience",
        }
    }
}

impl From<CryptoError> for JwtError {
    fn from(_: CryptoError) -> Self {
        Self::Signature
    }
}
