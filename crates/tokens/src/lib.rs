//! JOSE, opaque handles and signing keys for authorization servers.
//!
//! There are two kinds of tokens. A *signed* one ([`sign_compact`], [`verify_compact`]) says what it grants, and whoever
//! has the public key can check it. An *opaque* one ([`Handle`], [`RefreshToken`]) is 256 bits of secret that mean nothing
//! without the store, which keeps a hash of it.
//!
//! ```
//! use countersign_primitives::{Clock, SystemClock};
//! use countersign_tokens::*;
//! use std::time::Duration;
//!
//! # futures_util::FutureExt::now_or_never(async {
//! // An issuer's keys, parsed once. The ring is a plain value that the host stores.
//! let now = SystemClock.now();
//! let ring = KeyRing::first([NewKey::generate(&Ring, SigningAlgorithm::Es256)?], now);
//! let keys = ActiveKeys::open(&ring, &Ring, now)?;
//!
//! // Issue.
//! let claims = serde_json::json!({ "iss": "https://id.example.com", "aud": "https://api.example.com",
//!     "sub": "u-1", "exp": now.plus(Duration::from_secs(900)).as_secs() });
//! let signer = keys.signer(SigningAlgorithm::Es256).ok_or("no key")?;
//! let token = sign_compact(signer, &Header::typ("at+jwt"), &claims).await?;
//!
//! // Verify: the type and the signature first, then each claim by the rule that its specification has.
//! let verified = verify_compact(&Ring, &token, keys.verifiers(), &Expect::typ("at+jwt"))?;
//! let claims = verified.registered()?;
//! claims.require_expiry(now, Duration::ZERO)?;
//! claims.check_issuer("https://id.example.com")?;
//! claims.check_audience(AudienceRule::Contains("https://api.example.com"))?;
//! assert_eq!(claims.require_subject()?, "u-1");
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).expect("ready")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What cannot go wrong here, since it cannot be written down: `none` and symmetric algorithms, a key chosen by the token
//! itself, an algorithm chosen by the header, a private key in a published set.
//!
//! Cryptography comes from a [`CryptoProvider`], a value that is passed in; [`Ring`] is the one in the box. Signing in a
//! key service or a hardware module is a [`Signer`].
//!
//! | what | where |
//! |---|---|
//! | issue and verify | [`sign_compact`], [`verify_compact`], [`Expect`], [`RegisteredClaims`] |
//! | keys | [`PublicJwk`], [`JwkSet`], [`VerifyingKeys`] |
//! | an issuer's own keys, and their rotation | [`KeyRing`], [`RotationPolicy`], [`ActiveKeys`] |
//! | opaque tokens | [`Handle`], kept as a [`HandleHash`] |
//! | refresh tokens that know their generation | [`RefreshToken`], [`RefreshTokens`] |
//!
//! # What this crate does not do
//! Encrypt tokens (JWE), fetch key sets, store anything, or know what the claims of OAuth and OpenID Connect mean.
//!
//! # Features
//! None.
//!
//! # Where next
//! `countersign-oauth-core` issues access tokens by it, `countersign-oidc` ID tokens.

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
pub use provider::{CryptoError, CryptoProvider, KeyPair, MacKey};
pub use refresh::{RefreshToken, RefreshTokenError, RefreshTokens};
pub use ring::Ring;
pub use signature::{DerError, Signature};
pub use signer::{LocalSigner, Signer};
pub use verify::{Compact, Expect, ExpectTyp, JoseHeader, MAX_TOKEN, Verified, verify_compact};
pub use verifying_key::{VerifyingKey, VerifyingKeys};
