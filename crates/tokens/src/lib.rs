//! JOSE, opaque handles and signing keys for authorization servers.

mod algorithm;
mod b64;
mod claims;
mod error;
mod handle;
mod json;
mod jwk;
mod jws;
mod key_ring;
mod mask;
mod provider;
mod refresh;
mod ring;
mod signature;
mod signer;
mod verify;
mod verifying_key;

pub use algorithm::{SigningAlgorithm, UnknownAlgorithm};
pub use claims::{AudienceRule, RegisteredClaims};
pub use error::JwtError;
pub use handle::{Handle, HandleError, HandleHash, HandleKind};
pub use jwk::{EcCurve, JwkError, JwkSet, KeyMaterial, PublicJwk};
pub use jws::{Header, SignError, left_half_hash, sign_compact};
pub use key_ring::{ActiveKeys, ActiveKeysError, KeyRing, KeyRingError, NewKey, RingKey, RotationPolicy};
pub use mask::{Jti, mask_id, unmask_id};
pub use provider::{CryptoError, CryptoProvider, KeyPair};
pub use refresh::{RefreshToken, RefreshTokenError, RefreshTokens};
pub use ring::Ring;
pub use signature::{DerError, Signature};
pub use signer::{LocalSigner, Signer};
pub use verify::{Compact, Expect, ExpectTyp, JoseHeader, MAX_TOKEN, Verified, verify_compact};
pub use verifying_key::{VerifyingKey, VerifyingKeys};
