//! The default provider, on the `ring` crate.

use std::fmt;
use std::sync::Arc;

use countersign_primitives::SecretBytes;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaKeyPair, UnparsedPublicKey};
use ring::{digest, hkdf, hmac, rsa};

use crate::jwk::{EcCurve, KeyMaterial};
use crate::{CryptoError, CryptoProvider, KeyPair, MacKey, PublicJwk, Signature, SigningAlgorithm, VerifyingKey};

/// Cryptography by the `ring` crate.
///
/// It loads RSA keys and signs with them but makes none, and it reads an elliptic-curve key only with its public half
/// inside (OpenSSL writes it so). RSA keys have 2048 to 8192 bits to verify, 2048 to 4096 to sign.
///
/// ```
/// use countersign_tokens::{CryptoProvider, Ring};
///
/// assert_eq!(Ring.sha256(&[b"ab", b"c"]), Ring.sha256(&[b"abc"]));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Ring;

fn hash<const N: usize>(algorithm: &'static digest::Algorithm, parts: &[&[u8]]) -> [u8; N] {
    let mut context = digest::Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; N];
    out.copy_from_slice(context.finish().as_ref());
    out
}

struct OutputLen(usize);

impl hkdf::KeyType for OutputLen {
    fn len(&self) -> usize {
        self.0
    }
}

fn aead(key: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}

const fn ecdsa(curve: EcCurve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        EcCurve::P256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        EcCurve::P384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
    }
}

struct RingMac(hmac::Key);

impl fmt::Debug for RingMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RingMac(..)")
    }
}

impl MacKey for RingMac {
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }
}

impl CryptoProvider for Ring {
    fn sha256(&self, parts: &[&[u8]]) -> [u8; 32] {
        hash(&digest::SHA256, parts)
    }

    fn sha384(&self, parts: &[&[u8]]) -> [u8; 48] {
        hash(&digest::SHA384, parts)
    }

    fn sha512(&self, parts: &[&[u8]]) -> [u8; 64] {
        hash(&digest::SHA512, parts)
    }

    fn hmac_sha256(&self, key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        RingMac(hmac::Key::new(hmac::HMAC_SHA256, key)).mac(parts)
    }

    fn mac_key(&self, key: &[u8]) -> Arc<dyn MacKey> {
        Arc::new(RingMac(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    fn hkdf_sha256(&self, secret: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), CryptoError> {
        let key = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
        let info = [info];
        let expanded = key.expand(&info, OutputLen(out.len())).map_err(|_| CryptoError::OutputLength)?;
        expanded.fill(out).map_err(|_| CryptoError::OutputLength)
    }

    fn seal(&self, key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let key = aead(key).ok_or(CryptoError::Sealing)?;
        let mut sealed = Vec::with_capacity(plaintext.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(plaintext);
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut sealed)
            .map_err(|_| CryptoError::Sealing)?;
        Ok(sealed)
    }

    fn open(&self, key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let key = aead(key).ok_or(CryptoError::Opening)?;
        let mut plain = sealed.to_vec();
        let len = key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut plain)
            .map_err(|_| CryptoError::Opening)?
            .len();
        plain.truncate(len);
        Ok(plain)
    }

    fn generate_key(&self, algorithm: SigningAlgorithm) -> Result<SecretBytes, CryptoError> {
        let random = SystemRandom::new();
        let document = match algorithm {
            SigningAlgorithm::Es256 => EcdsaKeyPair::generate_pkcs8(ecdsa(EcCurve::P256), &random),
            SigningAlgorithm::Es384 => EcdsaKeyPair::generate_pkcs8(ecdsa(EcCurve::P384), &random),
            SigningAlgorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(&random),
            SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => return Err(CryptoError::CannotGenerate(algorithm)),
        };
        document.map(|pkcs8| SecretBytes::new(pkcs8.as_ref())).map_err(|_| CryptoError::Generation)
    }

    fn signing_key(&self, algorithm: SigningAlgorithm, pkcs8: &SecretBytes) -> Result<Arc<dyn KeyPair>, CryptoError> {
        RingKeyPair::load(algorithm, pkcs8.expose()).map(|key| Arc::new(key) as Arc<dyn KeyPair>)
    }

    fn verify(&self, key: &VerifyingKey, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let verified =
            match (key.material(), key.algorithm()) {
                (KeyMaterial::Ec { curve: EcCurve::P256, point }, SigningAlgorithm::Es256) => {
                    UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
                }
                (KeyMaterial::Ec { curve: EcCurve::P384, point }, SigningAlgorithm::Es384) => {
                    UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
                }
                (KeyMaterial::Ed25519(public), SigningAlgorithm::EdDsa) => {
                    UnparsedPublicKey::new(&signature::ED25519, public).verify(message, signature)
                }
                (KeyMaterial::Rsa { n, e }, SigningAlgorithm::Rs256) => signature::RsaPublicKeyComponents { n, e }
                    .verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature),
                (KeyMaterial::Rsa { n, e }, SigningAlgorithm::Ps256) => signature::RsaPublicKeyComponents { n, e }
                    .verify(&signature::RSA_PSS_2048_8192_SHA256, message, signature),
                _ => return Err(CryptoError::Signature),
            };
        verified.map_err(|_| CryptoError::Signature)
    }
}

enum Private {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair, &'static dyn signature::RsaEncoding),
}

struct RingKeyPair {
    private: Private,
    public: PublicJwk,
    random: SystemRandom,
}

impl RingKeyPair {
    fn load(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Result<Self, CryptoError> {
        let (private, material) = match algorithm {
            SigningAlgorithm::Es256 => load_ecdsa(EcCurve::P256, pkcs8)?,
            SigningAlgorithm::Es384 => load_ecdsa(EcCurve::P384, pkcs8)?,
            SigningAlgorithm::EdDsa => load_ed25519(pkcs8)?,
            SigningAlgorithm::Rs256 => load_rsa(pkcs8, &signature::RSA_PKCS1_SHA256)?,
            SigningAlgorithm::Ps256 => load_rsa(pkcs8, &signature::RSA_PSS_SHA256)?,
        };
        let public = PublicJwk::for_signatures(&Ring, algorithm, material).ok_or(CryptoError::PrivateKey)?;
        Ok(Self { private, public, random: SystemRandom::new() })
    }
}

fn load_ecdsa(curve: EcCurve, pkcs8: &[u8]) -> Result<(Private, KeyMaterial), CryptoError> {
    let key =
        EcdsaKeyPair::from_pkcs8(ecdsa(curve), pkcs8, &SystemRandom::new()).map_err(|_| CryptoError::PrivateKey)?;
    let point = signature::KeyPair::public_key(&key).as_ref().to_vec();
    Ok((Private::Ecdsa(key), KeyMaterial::Ec { curve, point }))
}

fn load_ed25519(pkcs8: &[u8]) -> Result<(Private, KeyMaterial), CryptoError> {
    // OpenSSL writes PKCS#8 without the public half; where it is there, this checks that the halves belong together.
    let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(|_| CryptoError::PrivateKey)?;
    let public = signature::KeyPair::public_key(&key).as_ref().try_into().map_err(|_| CryptoError::PrivateKey)?;
    Ok((Private::Ed25519(key), KeyMaterial::Ed25519(public)))
}

fn load_rsa(
    pkcs8: &[u8],
    encoding: &'static dyn signature::RsaEncoding,
) -> Result<(Private, KeyMaterial), CryptoError> {
    let key = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| CryptoError::PrivateKey)?;
    let rsa::PublicKeyComponents { n, e } = rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
    Ok((Private::Rsa(key, encoding), KeyMaterial::Rsa { n, e }))
}

impl fmt::Debug for RingKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingKeyPair").field("kid", &self.public.kid()).finish_non_exhaustive()
    }
}

impl KeyPair for RingKeyPair {
    fn public_key(&self) -> &PublicJwk {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, CryptoError> {
        match &self.private {
            Private::Ecdsa(key) => {
                let signature = key.sign(&self.random, message).map_err(|_| CryptoError::Signing)?;
                Ok(Signature::new(signature.as_ref()))
            }
            Private::Ed25519(key) => Ok(Signature::new(key.sign(message).as_ref())),
            Private::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(*encoding, &self.random, message, &mut signature).map_err(|_| CryptoError::Signing)?;
                Ok(Signature::from(signature))
            }
        }
    }
}
