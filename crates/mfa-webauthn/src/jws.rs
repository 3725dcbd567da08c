//! Signed JSON that brings its certificates along (RFC 7515 §4.1.6 `x5c`): metadata of the FIDO Alliance, answers of SafetyNet.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::attestation::Certificate;
use crate::cose::{EcCurve, Hash, PublicKey, verify_fixed_es256, verify_x509};

/// Certificates in one header.
const MAX_CHAIN: usize = 8;

#[derive(Deserialize)]
struct Header {
    alg: String,
    x5c: Vec<String>,
    /// Extensions that must be understood; none is.
    crit: Option<serde::de::IgnoredAny>,
}

/// What was signed, by the first certificate of a chain. That the chain leads anywhere is yet to be seen.
pub(crate) struct SignedByCertificate {
    pub(crate) payload: Vec<u8>,
    /// Certificates in DER, the signer's first.
    pub(crate) chain: Vec<Vec<u8>>,
}

impl SignedByCertificate {
    /// Reads a compact JWS and checks its signature with the key of its first certificate; RS256 and ES256 alone.
    pub(crate) fn read(compact: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(compact).ok()?;
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        if header.crit.is_some() || !(1..=MAX_CHAIN).contains(&header.x5c.len()) {
            return None;
        }
        let chain = header.x5c.iter().map(|text| STANDARD.decode(text).ok()).collect::<Option<Vec<_>>>()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let key = Certificate::read(&chain[0]).ok()?.public_key().ok()?;
        match (header.alg.as_str(), key) {
            ("RS256", PublicKey::Rsa { .. }) => verify_x509(&key, Hash::Sha256, signed.as_bytes(), &signature).ok()?,
            ("ES256", PublicKey::Ec { curve: EcCurve::P256, x, y }) => {
                verify_fixed_es256(x, y, signed.as_bytes(), &signature).ok()?;
            }
            _ => return None,
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        Some(Self { payload, chain })
    }

    /// Whether the signer's certificate is for this host: an authority that signs for all the world signs for others too.
    pub(crate) fn is_signed_for(&self, host: &str) -> bool {
        Certificate::read(&self.chain[0]).is_ok_and(|certificate| certificate.is_for_host(host))
    }
}
