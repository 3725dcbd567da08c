//! The one secret that an operator keeps: everything else is derived from it or sealed under it.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use countersign_primitives::{Random, RandomError};
use ring::hmac;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::key_file;

/// The master key: 256 bits under which all else is sealed, [`RootKey`](crate::RootKey)s included.
///
/// It comes from the environment ([`MasterKey::from_env`]) or from a file beside the database
/// ([`MasterKey::load_or_create`]). Who loses it loses what [`Encrypted`](crate::Encrypted) sealed; who steals it and the
/// database has both.
///
/// ```
/// use countersign_primitives::SystemRandom;
/// use countersign_storage_traits::MasterKey;
///
/// let key = MasterKey::generate(&SystemRandom)?;
/// assert!(format!("{key:?}").starts_with("MasterKey("));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

/// Tells master keys apart without telling anything about them; stands before everything sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MasterKeyId(pub(crate) [u8; 4]);

impl fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// The salt of every derivation (RFC 5869 §3.1).
pub(crate) const SALT: &[u8] = b"countersign master key, version 1";

/// Both alphabets are tried, each with and without padding.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD_LENIENT: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
const URL_SAFE_LENIENT: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);

impl MasterKey {
    /// The environment variable that [`MasterKey::from_env`] reads.
    pub const VARIABLE: &'static str = "COUNTERSIGN_MASTER_KEY";

    /// A fresh key.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn generate(random: &dyn Random) -> Result<Self, RandomError> {
        let mut key = Self([0; 32]);
        random.fill(&mut key.0)?;
        Ok(key)
    }

    /// A key of these bytes, which must be as unpredictable as a fresh one.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let key = Self(bytes);
        bytes.zeroize();
        key
    }

    /// A key written in base64, of either alphabet, with or without padding: what `openssl rand -base64 32` prints.
    ///
    /// # Errors
    /// [`MasterKeyError::Malformed`] when the text is anything else.
    pub fn from_base64(text: &str) -> Result<Self, MasterKeyError> {
        let text = text.trim();
        let bytes = STANDARD_LENIENT.decode(text).or_else(|_| URL_SAFE_LENIENT.decode(text));
        let bytes = Zeroizing::new(bytes.map_err(|_| MasterKeyError::Malformed)?);
        let mut key = Self([0; 32]);
        if bytes.len() != key.0.len() {
            return Err(MasterKeyError::Malformed);
        }
        key.0.copy_from_slice(&bytes);
        Ok(key)
    }

    /// The key in the environment variable `COUNTERSIGN_MASTER_KEY`, in base64.
    ///
    /// # Errors
    /// When the variable is not set or holds no key.
    pub fn from_env() -> Result<Self, MasterKeyError> {
        match std::env::var(Self::VARIABLE) {
            Ok(text) => Self::from_base64(&Zeroizing::new(text)),
            Err(std::env::VarError::NotPresent) => Err(MasterKeyError::NotSet),
            Err(std::env::VarError::NotUnicode(_)) => Err(MasterKeyError::Malformed),
        }
    }

    /// The key in a file.
    ///
    /// # Errors
    /// When there is no such file, others than its owner may read it, or it holds no key.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, MasterKeyError> {
        key_file::load(path.as_ref())
    }

    /// The key in a file, which is made if there is none: readable by its owner alone, on disk before this returns. Of
    /// several processes that start at once all end with the same key.
    ///
    /// # Errors
    /// As [`MasterKey::load`]; and when the file cannot be written or the source of randomness fails.
    pub fn load_or_create(path: impl AsRef<Path>) -> Result<Self, MasterKeyError> {
        key_file::load_or_create(path.as_ref())
    }

    /// Which key this is.
    #[must_use]
    pub fn id(&self) -> MasterKeyId {
        let mut id = [0; 4];
        id.copy_from_slice(&self.derive_bytes("", "key id")[..4]);
        MasterKeyId(id)
    }

    pub(crate) fn derive_bytes(&self, realm: &str, label: &str) -> Zeroizing<[u8; 32]> {
        derive(&self.0, realm, label)
    }

    /// The key in base64, for its file.
    pub(crate) fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0))
    }
}

/// RFC 5869 §2.2 and §2.3 with one block of output. The realm's length goes first, so that no pair of realm and label reads as
/// another pair.
pub(crate) fn derive(key: &[u8; 32], realm: &str, label: &str) -> Zeroizing<[u8; 32]> {
    let extracted = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SALT), key);
    let mut expand = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref()));
    expand.update(&(realm.len() as u64).to_be_bytes());
    expand.update(realm.as_bytes());
    expand.update(label.as_bytes());
    expand.update(&[1]);
    let mut derived = Zeroizing::new([0; 32]);
    derived.copy_from_slice(expand.sign().as_ref());
    derived
}

/// Shows which key it is, never the key.
impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id())
    }
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MasterKeyError {
    /// The environment variable is not set.
    #[error("COUNTERSIGN_MASTER_KEY is not set: set it to the output of `openssl rand -base64 32`, or name a key file")]
    NotSet,
    /// The text is no key.
    #[error("a master key is 32 bytes in base64, as `openssl rand -base64 32` prints them")]
    Malformed,
    /// The file holds no key.
    #[error("{} holds no master key (32 bytes in base64): put the right file there", path.display())]
    MalformedFile {
        /// Which file.
        path: PathBuf,
    },
    /// Others than the file's owner may read or write it.
    #[error("{} is open to others than its owner: run `chmod 600 {}`", path.display(), path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("the master key file {} cannot be used", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The source of randomness failed.
    #[error(transparent)]
    Random(#[from] RandomError),
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn promise_4_debug_output_shows_no_key() {
        let key = MasterKey::from_bytes(KEY);
        assert_eq!(format!("{key:?}"), format!("MasterKey({})", key.id()));
        assert!(!format!("{key:?}").contains("0707"));
    }

    #[test]
    fn base64_is_read_in_every_usual_spelling_and_nothing_else() {
        let bytes = [0xfb; 32]; // has + and / in one alphabet, - and _ in the other
        let standard = STANDARD.encode(bytes);
        let url_safe = standard.replace('+', "-").replace('/', "_");
        for text in [standard.as_str(), standard.trim_end_matches('='), &url_safe, &format!(" {standard}\n")] {
            assert_eq!(MasterKey::from_base64(text).unwrap().id(), MasterKey::from_bytes(bytes).id(), "{text:?}");
        }
        for text in ["", "short", &standard[..40], &format!("{standard}AAAA"), "correct horse battery staple, thrice"] {
            assert!(matches!(MasterKey::from_base64(text), Err(MasterKeyError::Malformed)), "{text:?}");
        }
    }
}
