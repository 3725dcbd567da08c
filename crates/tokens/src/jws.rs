//! Making signed tokens (RFC 7515 §7.1, RFC 7519 §7.1).

use std::io::Write as _;

use countersign_primitives::BoxError;
use serde::Serialize;

use crate::{CryptoProvider, PublicJwk, Signer, SigningAlgorithm, b64};

/// How much room a token is given at first: enough for an access token with an ECDSA signature.
const ROOM: usize = 1_024;

/// What stands in the header beside `alg` and `kid`, which come from the signer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Header<'a> {
    /// The explicit type, such as `at+jwt` (RFC 8725 §3.11).
    pub typ: Option<&'a str>,
    /// The type of the payload (RFC 7515 §4.1.10).
    pub cty: Option<&'a str>,
    /// A public key that the token itself carries, as DPoP proofs do (RFC 9449 §4.2).
    pub jwk: Option<&'a PublicJwk>,
}

impl<'a> Header<'a> {
    /// A header with an explicit type.
    #[must_use]
    pub const fn typ(typ: &'a str) -> Self {
        Self { typ: Some(typ), cty: None, jwk: None }
    }
}

/// Why a token could not be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The signer's public key names no algorithm.
    #[error("the signer's public key names no algorithm")]
    NoAlgorithm,
    /// The claims are not serialisable.
    #[error("the claims could not be written")]
    Claims(#[source] serde_json::Error),
    /// The signer failed.
    #[error("the signer failed")]
    Signer(#[source] BoxError),
    /// The signer's answer has not the length of its algorithm's signatures (ECDSA in DER, perhaps).
    #[error("the signer's answer is no signature of its algorithm")]
    SignatureLength,
}

/// Signs `claims` into a compact JWS.
///
/// The claims are serialised straight into the token. They must form a JSON object; what they contain is the caller's.
///
/// ```
/// use countersign_tokens::{CryptoProvider, Header, LocalSigner, Ring, SigningAlgorithm, sign_compact};
///
/// let pkcs8 = Ring.generate_key(SigningAlgorithm::Es256)?;
/// let signer = LocalSigner::new(Ring.signing_key(SigningAlgorithm::Es256, &pkcs8)?);
/// let claims = serde_json::json!({ "iss": "https://id.example.com", "sub": "u-1" });
/// let signing = sign_compact(&signer, &Header::typ("at+jwt"), &claims);
/// # let token = futures_util::FutureExt::now_or_never(signing).expect("local signers are always ready")?;
/// assert_eq!(token.split('.').count(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`SignError`], by cause.
pub fn sign_compact<'a, T: Serialize + ?Sized>(
    signer: &'a dyn Signer,
    header: &Header<'_>,
    claims: &T,
) -> impl Future<Output = Result<String, SignError>> + Send + use<'a, T> {
    let input = signing_input(signer.public_key(), header, claims);
    async move {
        let (mut token, algorithm) = input?;
        let signature = signer.sign(token.as_bytes()).await.map_err(SignError::Signer)?;
        let bytes = signature.as_bytes();
        if bytes.is_empty() || algorithm.signature_len().is_some_and(|len| len != bytes.len()) {
            return Err(SignError::SignatureLength);
        }
        token.push('.');
        b64::append(&mut token, bytes);
        Ok(token)
    }
}

fn signing_input<T: Serialize + ?Sized>(
    key: &PublicJwk,
    header: &Header<'_>,
    claims: &T,
) -> Result<(String, SigningAlgorithm), SignError> {
    #[derive(Serialize)]
    struct Full<'a> {
        alg: SigningAlgorithm,
        #[serde(skip_serializing_if = "Option::is_none")]
        kid: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        typ: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cty: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        jwk: Option<&'a PublicJwk>,
    }
    let Header { typ, cty, jwk } = *header;
    let alg = key.algorithm().ok_or(SignError::NoAlgorithm)?;
    // A token that carries its own key has no other name for it.
    let kid = if jwk.is_some() { None } else { key.kid() };
    let mut token = String::with_capacity(ROOM);
    write_json(&mut token, &Full { alg, kid, typ, cty, jwk })?;
    token.push('.');
    write_json(&mut token, claims)?;
    Ok((token, alg))
}

fn write_json<T: Serialize + ?Sized>(out: &mut String, value: &T) -> Result<(), SignError> {
    let mut writer = b64::Writer::new(out);
    serde_json::to_writer(&mut writer, value).map_err(SignError::Claims)?;
    writer.flush().map_err(|error| SignError::Claims(serde_json::Error::io(error)))?;
    writer.finish();
    Ok(())
}

/// The left half of a hash, in base64url: `at_hash`, `c_hash` and `s_hash` of ID tokens (OpenID Connect Core §3.1.3.6,
/// §3.3.2.11). The hash is the one of the ID token's own algorithm.
#[must_use]
pub fn left_half_hash(crypto: &dyn CryptoProvider, algorithm: SigningAlgorithm, text: &str) -> String {
    let text = [text.as_bytes()];
    match algorithm {
        SigningAlgorithm::Es256 | SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => {
            b64::encode(&crypto.sha256(&text)[..16])
        }
        SigningAlgorithm::Es384 => b64::encode(&crypto.sha384(&text)[..24]),
        // Ed25519 hashes with SHA-512 inside.
        SigningAlgorithm::EdDsa => b64::encode(&crypto.sha512(&text)[..32]),
    }
}
