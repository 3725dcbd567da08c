//! What cryptography must offer, as a value that is passed in.

use std::fmt;
use std::sync::Arc;

use countersign_primitives::SecretBytes;

use crate::{PublicJwk, Signature, SigningAlgorithm, VerifyingKey};

/// A cryptographic library. [`Ring`](crate::Ring) is the default; a host may bring another.
///
/// Every function is pure but for the randomness that key generation and signing take from the library's own source.
pub trait CryptoProvider: Send + Sync + fmt::Debug {
    /// SHA-256 over the parts, one after another (FIPS 180-4).
    fn sha256(&self, parts: &[&[u8]]) -> [u8; 32];

    /// SHA-384 over the parts.
    fn sha384(&self, parts: &[&[u8]]) -> [u8; 48];

    /// SHA-512 over the parts.
    fn sha512(&self, parts: &[&[u8]]) -> [u8; 64];

    /// HMAC with SHA-256 over the parts (RFC 2104).
    fn hmac_sha256(&self, key: &[u8], parts: &[&[u8]]) -> [u8; 32];

    /// A key of HMAC with SHA-256 that is used often: what depends on the key alone is computed once.
    fn mac_key(&self, key: &[u8]) -> Arc<dyn MacKey>;

    /// HKDF with SHA-256, extract and expand (RFC 5869), into `out`.
    ///
    /// # Errors
    /// [`CryptoError::OutputLength`] when `out` is longer than 255 blocks of 32 bytes.
    fn hkdf_sha256(&self, secret: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), CryptoError>;

    /// Encrypts with AES-256-GCM (NIST SP 800-38D); the tag of 16 bytes follows the ciphertext.
    ///
    /// The caller guarantees that a key never sees a nonce twice.
    ///
    /// # Errors
    /// [`CryptoError::Sealing`] when the plaintext is longer than the mode allows.
    fn seal(&self, key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError>;

    /// Decrypts what [`CryptoProvider::seal`] made.
    ///
    /// # Errors
    /// [`CryptoError::Opening`] when key, nonce, `aad` or a byte of `sealed` is another.
    fn open(&self, key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError>;

    /// Makes a private key, in PKCS#8 (RFC 5958).
    ///
    /// # Errors
    /// [`CryptoError::CannotGenerate`] for an algorithm whose keys this library only loads.
    fn generate_key(&self, algorithm: SigningAlgorithm) -> Result<SecretBytes, CryptoError>;

    /// Loads a private key from PKCS#8, for one algorithm only.
    ///
    /// # Errors
    /// [`CryptoError::PrivateKey`] when it is malformed, of another kind, or too small.
    fn signing_key(&self, algorithm: SigningAlgorithm, pkcs8: &SecretBytes) -> Result<Arc<dyn KeyPair>, CryptoError>;

    /// Checks a signature with the algorithm that `key` is pinned to.
    ///
    /// # Errors
    /// [`CryptoError::Signature`] when it is not this key's signature of this message.
    fn verify(&self, key: &VerifyingKey, message: &[u8], signature: &[u8]) -> Result<(), CryptoError>;
}

impl<P: CryptoProvider + ?Sized> CryptoProvider for Arc<P> {
    fn sha256(&self, parts: &[&[u8]]) -> [u8; 32] {
        (**self).sha256(parts)
    }

    fn sha384(&self, parts: &[&[u8]]) -> [u8; 48] {
        (**self).sha384(parts)
    }

    fn sha512(&self, parts: &[&[u8]]) -> [u8; 64] {
        (**self).sha512(parts)
    }

    fn hmac_sha256(&self, key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        (**self).hmac_sha256(key, parts)
    }

    fn mac_key(&self, key: &[u8]) -> Arc<dyn MacKey> {
        (**self).mac_key(key)
    }

    fn hkdf_sha256(&self, secret: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), CryptoError> {
        (**self).hkdf_sha256(secret, salt, info, out)
    }

    fn seal(&self, key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        (**self).seal(key, nonce, aad, plaintext)
    }

    fn open(&self, key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        (**self).open(key, nonce, aad, sealed)
    }

    fn generate_key(&self, algorithm: SigningAlgorithm) -> Result<SecretBytes, CryptoError> {
        (**self).generate_key(algorithm)
    }

    fn signing_key(&self, algorithm: SigningAlgorithm, pkcs8: &SecretBytes) -> Result<Arc<dyn KeyPair>, CryptoError> {
        (**self).signing_key(algorithm, pkcs8)
    }

    fn verify(&self, key: &VerifyingKey, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        (**self).verify(key, message, signature)
    }
}

/// A private key in memory, parsed once and pinned to one algorithm.
pub trait KeyPair: Send + Sync + fmt::Debug {
    /// The public half; its `kid` is its thumbprint (RFC 7638).
    fn public_key(&self) -> &PublicJwk;

    /// Signs; ECDSA gives the fixed form of RFC 7518 §3.4.
    ///
    /// # Errors
    /// [`CryptoError::Signing`] when the library fails, such as for want of randomness.
    fn sign(&self, message: &[u8]) -> Result<Signature, CryptoError>;
}

/// A key of HMAC with SHA-256, made ready by [`CryptoProvider::mac_key`].
pub trait MacKey: Send + Sync + fmt::Debug {
    /// HMAC with SHA-256 over the parts (RFC 2104).
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32];
}

/// Why the cryptographic library refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// More key material was asked for than HKDF gives (RFC 5869 §2.3).
    #[error("more key material was asked for than HKDF gives")]
    OutputLength,
    /// The plaintext is longer than the mode allows.
    #[error("the plaintext could not be sealed")]
    Sealing,
    /// Not sealed under this key, nonce and context, or changed since.
    #[error("the sealed text could not be opened")]
    Opening,
    /// The library makes no key for this algorithm; load one in PKCS#8 instead.
    #[error("keys for {0} cannot be generated here, only loaded")]
    CannotGenerate(SigningAlgorithm),
    /// The library failed to make a key.
    #[error("no key could be generated")]
    Generation,
    /// The private key is malformed, of another kind, or too small.
    #[error("the private key is not a valid PKCS#8 key for its algorithm")]
    PrivateKey,
    /// The library failed to sign.
    #[error("the message could not be signed")]
    Signing,
    /// The signature is not this key's signature of this message.
    #[error("the signature does not verify")]
    Signature,
}
