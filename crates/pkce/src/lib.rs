//! PKCE (RFC 7636): code verifier and code challenge, for both sides.
//!
//! A client that starts an authorization request draws a [`CodeVerifier`], sends its [`CodeChallenge`], and shows the
//! verifier when it redeems the code. Whoever stole the code on its way lacks the verifier.
//!
//! ```
//! use countersign_pkce::{ChallengeMethod, CodeChallenge, CodeVerifier};
//! use countersign_primitives::SystemRandom;
//!
//! // The client:
//! let verifier = CodeVerifier::generate(&SystemRandom)?;
//! let sent = verifier.challenge().as_str().to_owned();
//!
//! // The server, at the authorization endpoint and later at the token endpoint:
//! assert_eq!("S256".parse(), Ok(ChallengeMethod::S256));
//! let challenge: CodeChallenge = sent.parse()?;
//! assert!(challenge.verify(&CodeVerifier::parse(verifier.expose())?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Only `S256` exists here. The method `plain` shows the verifier to whoever sees the request, which is what the
//! extension guards against; it is refused with an error of its own (RFC 9700 §2.1.1).
//!
//! # What this crate does not do
//! Parse requests or URLs, or keep challenges. Whether a client must use PKCE is the server's decision.
//!
//! # Features
//! None.
//!
//! # Where next
//! `countersign-oauth-core` checks it at both endpoints.

mod challenge;
mod verifier;

pub use challenge::{ChallengeMethod, CodeChallenge};
pub use verifier::CodeVerifier;

/// Why a PKCE parameter was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PkceError {
    /// The verifier is shorter than 43 or longer than 128 characters (RFC 7636 §4.1).
    #[error("a code verifier has 43 to 128 characters")]
    VerifierLength,
    /// The verifier has a character outside the unreserved set (RFC 7636 §4.1).
    #[error("a code verifier consists of letters, digits and -._~")]
    VerifierCharacter,
    /// The challenge is not what SHA-256 and base64url make: 43 characters that stand for 32 bytes (RFC 7636 §4.2).
    #[error("a code challenge is 43 characters of base64url")]
    Challenge,
    /// The method is `plain`, which this server refuses (RFC 9700 §2.1.1).
    #[error("the code challenge method plain is refused")]
    PlainRefused,
    /// The method is neither `S256` nor `plain` (RFC 7636 §4.3).
    #[error("unknown code challenge method")]
    UnknownMethod,
}

impl PkceError {
    /// A stable name of the cause, for logs and events.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::VerifierLength => "pkce_verifier_length",
            Self::VerifierCharacter => "pkce_verifier_character",
            Self::Challenge => "pkce_challenge_malformed",
            Self::PlainRefused => "pkce_plain_refused",
            Self::UnknownMethod => "pkce_unknown_method",
        }
    }
}
