//! Secrets in a file that travels.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_primitives::{Random, RandomError};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::MasterKey;

/// The key under which secrets are sealed in an export: 256 random bits in a file that goes another way than the export does. It
/// is made and read as a master key is, and must not be one: who gets an export and its key must not get the database too.
///
/// ```
/// use countersign_primitives::SystemRandom;
/// use countersign_storage_traits::{MasterKey, TransferKey};
///
/// let key = TransferKey::from(MasterKey::generate(&SystemRandom)?); // or MasterKey::load("transfer.key")
/// let sealed = key.seal("u-1", b"a seed", &SystemRandom)?;
/// assert_eq!(&**key.open("u-1", &sealed)?, b"a seed");
/// assert!(key.open("u-2", &sealed).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TransferKey(MasterKey);

/// The first byte of what is sealed.
const FORMAT: u8 = 1;
/// Format, key id, nonce.
const HEADER: usize = 1 + 4 + NONCE_LEN;

/// Why something sealed in an export cannot be made or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferKeyError {
    /// The text is nothing that was sealed here.
    #[error("it is nothing that an export sealed")]
    Malformed,
    /// It was sealed under another key.
    #[error("it was sealed under another key than the one given")]
    WrongKey,
    /// It was changed, or belongs to another entry.
    #[error("it was changed, or belongs to another entry of the export")]
    Damaged,
    /// The source of randomness failed.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl From<MasterKey> for TransferKey {
    fn from(key: MasterKey) -> Self {
        Self(key)
    }
}

impl fmt::Debug for TransferKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransferKey({})", self.0.id())
    }
}

impl TransferKey {
    /// Seals a secret (AES-256-GCM), bound to whose it is.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn seal(&self, whose: &str, secret: &[u8], random: &dyn Random) -> Result<String, TransferKeyError> {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce)?;
        let mut sealed = vec![FORMAT];
        sealed.extend_from_slice(&self.0.id().0);
        sealed.extend_from_slice(&nonce);
        let mut secret = secret.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let aad = Aad::from(whose.as_bytes());
        self.cipher()?.seal_in_place_append_tag(nonce, aad, &mut secret).map_err(|_| TransferKeyError::Malformed)?;
        sealed.append(&mut secret);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens what [`TransferKey::seal`] made for the same one.
    ///
    /// # Errors
    /// [`TransferKeyError`] says whether the key or the text is wrong.
    pub fn open(&self, whose: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, TransferKeyError> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| TransferKeyError::Malformed)?;
        let (head, secret) = sealed.split_at_checked(HEADER).ok_or(TransferKeyError::Malformed)?;
        if head[0] != FORMAT {
            return Err(TransferKeyError::Malformed);
        }
        if head[1..5] != self.0.id().0 {
            return Err(TransferKeyError::WrongKey);
        }
        let nonce = Nonce::try_assume_unique_for_key(&head[5..]).map_err(|_| TransferKeyError::Malformed)?;
        let mut secret = Zeroizing::new(secret.to_vec());
        let opened = self.cipher()?.open_in_place(nonce, Aad::from(whose.as_bytes()), &mut secret);
        let length = opened.map_err(|_| TransferKeyError::Damaged)?.len();
        secret.truncate(length);
        Ok(secret)
    }

    /// Never fails: a derived key has the cipher's length.
    fn cipher(&self) -> Result<LessSafeKey, TransferKeyError> {
        let derived = self.0.derive_bytes("", "seal secrets of an export");
        UnboundKey::new(&AES_256_GCM, derived.as_slice()).map(LessSafeKey::new).map_err(|_| TransferKeyError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use countersign_primitives::SystemRandom;

    use super::*;

    fn key(byte: u8) -> TransferKey {
        TransferKey::from(MasterKey::from_bytes([byte; 32]))
    }

    #[test]
    fn promise_4_a_sealed_secret_shows_nothing_and_opens_for_its_owner_alone() {
        let sealed = key(1).seal("u-1", b"GEZDGNBVGY3TQOJQ", &SystemRandom).unwrap();
        assert!(!sealed.contains("GEZD") && !URL_SAFE_NO_PAD.decode(&sealed).unwrap().windows(4).any(|w| w == b"GEZD"));
        assert_eq!(&**key(1).open("u-1", &sealed).unwrap(), b"GEZDGNBVGY3TQOJQ");
        assert_ne!(sealed, key(1).seal("u-1", b"GEZDGNBVGY3TQOJQ", &SystemRandom).unwrap());
        assert!(matches!(key(1).open("u-2", &sealed), Err(TransferKeyError::Damaged)));
        assert!(matches!(key(2).open("u-1", &sealed), Err(TransferKeyError::WrongKey)));
        for text in ["", "x", "!!", "AQ", &URL_SAFE_NO_PAD.encode([2; 60])] {
            assert!(matches!(key(1).open("u-1", text), Err(TransferKeyError::Malformed)), "{text}");
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for at in HEADER..bytes.len() {
            bytes[at] ^= 1;
            assert!(matches!(key(1).open("u-1", &URL_SAFE_NO_PAD.encode(&bytes)), Err(TransferKeyError::Damaged)));
            bytes[at] ^= 1;
        }
        assert!(!format!("{:?}", key(1)).contains("1, 1"));
    }
}
