//! Refresh tokens, which need no record of their own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use countersign_primitives::{Id, Random, RandomError, SecretBytes, SecretString};
use subtle::ConstantTimeEq as _;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{CryptoError, CryptoProvider, HandleHash, HandleKind};

/// A refresh token (RFC 6749 §1.5): the grant, how often it was rotated, and a secret that serves once.
///
/// Wiped on drop and redacted in `Debug`.
#[derive(ZeroizeOnDrop)]
pub struct RefreshToken {
    /// The grant it belongs to.
    #[zeroize(skip)]
    pub grant: Id,
    /// How many tokens of this grant came before it.
    #[zeroize(skip)]
    pub generation: u32,
    /// 256 random bits.
    pub secret: [u8; 32],
}

impl RefreshToken {
    /// The first token of a grant.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn first(grant: Id, random: &dyn Random) -> Result<Self, RandomError> {
        Self::draw(grant, 0, random)
    }

    /// The token that follows this one: fresh randomness, the next generation.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn successor(&self, random: &dyn Random) -> Result<Self, RandomError> {
        Self::draw(self.grant, self.generation.saturating_add(1), random)
    }

    fn draw(grant: Id, generation: u32, random: &dyn Random) -> Result<Self, RandomError> {
        let mut token = Self { grant, generation, secret: [0; 32] };
        random.fill(&mut token.secret)?;
        Ok(token)
    }

    fn body(&self) -> Zeroizing<[u8; BODY]> {
        let mut body = Zeroizing::new([0; BODY]);
        body[..16].copy_from_slice(self.grant.as_bytes());
        body[16..20].copy_from_slice(&self.generation.to_be_bytes());
        body[20..].copy_from_slice(&self.secret);
        body
    }

    fn from_body(body: &[u8; BODY]) -> Self {
        let (mut grant, mut generation) = ([0; 16], [0; 4]);
        grant.copy_from_slice(&body[..16]);
        generation.copy_from_slice(&body[16..20]);
        let mut token =
            Self { grant: Id::from_bytes(grant), generation: u32::from_be_bytes(generation), secret: [0; 32] };
        token.secret.copy_from_slice(&body[20..]);
        token
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { grant, generation, .. } = self;
        f.debug_struct("RefreshToken").field("grant", grant).field("generation", generation).finish_non_exhaustive()
    }
}

/// Grant, generation, secret.
const BODY: usize = 16 + 4 + 32;
const TAG: usize = 16;
/// Key id, body, tag.
const WIRE: usize = 1 + BODY + TAG;
const NONCE: usize = 12;

/// Why a text is no refresh token of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshTokenError {
    /// Not of the form of a refresh token: another prefix, another length, a wrong checksum.
    #[error("the refresh token is malformed")]
    Malformed,
    /// The tag is not ours: somebody made the token up. Nothing may be ended on its account.
    #[error("the refresh token's tag is forged")]
    ForgedTag,
    /// Made under a key that is not held any more, or never was.
    #[error("the refresh token's key is not known")]
    UnknownKey,
    /// The sealed successor does not open with the token presented.
    #[error("the sealed successor does not belong to this token")]
    Successor,
    /// The source of randomness failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The cryptographic library failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

impl RefreshTokenError {
    /// A stable name of the cause.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Malformed => "refresh_token_malformed",
            Self::ForgedTag => "refresh_token_forged_tag",
            Self::UnknownKey => "refresh_token_unknown_key",
            Self::Successor => "refresh_token_successor",
            Self::Random(_) => "random_failed",
            Self::Crypto(_) => "crypto_failed",
        }
    }
}

/// Writes and reads refresh tokens: holds the keys that tag them.
///
/// A true tag proves that this server made the token, whatever the grant's record still knows; so a token of an old
/// generation is reuse for as long as the key is held. A false tag proves nothing and does nothing, so nobody who merely
/// saw the id of a grant can end it. Keys outlive the longest refresh token.
///
/// ```
/// use countersign_primitives::{Id, SecretBytes, SystemRandom};
/// use countersign_tokens::{RefreshToken, RefreshTokens, Ring};
/// use std::sync::Arc;
///
/// let tokens = RefreshTokens::new(Arc::new(Ring), 1, SecretBytes::new([9; 32]));
/// let token = RefreshToken::first(Id::from_bytes([7; 16]), &SystemRandom)?;
/// let sent = tokens.seal(&token);
/// assert!(sent.expose().starts_with("cs_refresh_"));
/// assert_eq!(tokens.open(sent.expose())?.grant, token.grant);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RefreshTokens {
    crypto: Arc<dyn CryptoProvider>,
    current: u8,
    current_key: SecretBytes,
    older: BTreeMap<u8, SecretBytes>,
}

impl RefreshTokens {
    /// Tags new tokens with this key: at least 256 bits of a master key's derivation.
    #[must_use]
    pub fn new(crypto: Arc<dyn CryptoProvider>, key_id: u8, key: SecretBytes) -> Self {
        Self { crypto, current: key_id, current_key: key, older: BTreeMap::new() }
    }

    /// Also reads tokens that were tagged with this key.
    #[must_use]
    pub fn also(mut self, key_id: u8, key: SecretBytes) -> Self {
        self.older.insert(key_id, key);
        self
    }

    /// The text on the wire.
    #[must_use]
    pub fn seal(&self, token: &RefreshToken) -> SecretString {
        let mut wire = Zeroizing::new([0; WIRE]);
        wire[0] = self.current;
        wire[1..=BODY].copy_from_slice(&*token.body());
        let tag = self.tag(&self.current_key, &wire[..=BODY]);
        wire[1 + BODY..].copy_from_slice(&tag);
        SecretString::new(HandleKind::REFRESH_TOKEN.write(&*wire))
    }

    /// Reads a token that this server made.
    ///
    /// # Errors
    /// [`RefreshTokenError::Malformed`], [`RefreshTokenError::UnknownKey`] or [`RefreshTokenError::ForgedTag`].
    pub fn open(&self, text: &str) -> Result<RefreshToken, RefreshTokenError> {
        let wire = HandleKind::REFRESH_TOKEN.read::<WIRE>(text).map_err(|_| RefreshTokenError::Malformed)?;
        let key = if wire[0] == self.current { Some(&self.current_key) } else { self.older.get(&wire[0]) };
        let expected = self.tag(key.ok_or(RefreshTokenError::UnknownKey)?, &wire[..=BODY]);
        if !bool::from(expected.ct_eq(&wire[1 + BODY..])) {
            return Err(RefreshTokenError::ForgedTag);
        }
        let mut body = Zeroizing::new([0; BODY]);
        body.copy_from_slice(&wire[1..=BODY]);
        Ok(RefreshToken::from_body(&body))
    }

    fn tag(&self, key: &SecretBytes, message: &[u8]) -> [u8; TAG] {
        let mac = self.crypto.hmac_sha256(key.expose(), &[b"cs_refresh tag v1", message]);
        let mut tag = [0; TAG];
        tag.copy_from_slice(&mac[..TAG]);
        tag
    }

    /// What the grant's record keeps of a token.
    #[must_use]
    pub fn hash(&self, token: &RefreshToken) -> HandleHash {
        HandleHash::from_bytes(self.crypto.sha256(&[b"cs_refresh hash v1", &*token.body()]))
    }

    /// Seals the successor for the one who presented this token, and for nobody else: the key comes from the presented
    /// token's secret, of which the server keeps a hash only. Neither a copy of the database nor a server key opens it.
    ///
    /// # Errors
    /// When randomness or the cryptographic library fails.
    pub fn seal_successor(
        &self,
        presented: &RefreshToken,
        successor: &RefreshToken,
        random: &dyn Random,
    ) -> Result<Vec<u8>, RefreshTokenError> {
        let mut nonce = [0; NONCE];
        random.fill(&mut nonce)?;
        let key = self.successor_key(presented)?;
        let sealed = self.crypto.seal(&key, &nonce, &context(presented), &*successor.body())?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens the successor that was sealed for this token.
    ///
    /// # Errors
    /// [`RefreshTokenError::Successor`] when it was sealed for another, or changed.
    pub fn open_successor(&self, presented: &RefreshToken, sealed: &[u8]) -> Result<RefreshToken, RefreshTokenError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(RefreshTokenError::Successor)?;
        let key = self.successor_key(presented)?;
        let opened = self.crypto.open(&key, nonce, &context(presented), sealed);
        let opened = Zeroizing::new(opened.map_err(|_| RefreshTokenError::Successor)?);
        let body = opened.first_chunk::<BODY>().filter(|_| opened.len() == BODY);
        let successor = RefreshToken::from_body(body.ok_or(RefreshTokenError::Successor)?);
        if successor.grant == presented.grant { Ok(successor) } else { Err(RefreshTokenError::Successor) }
    }

    fn successor_key(&self, presented: &RefreshToken) -> Result<Zeroizing<[u8; 32]>, RefreshTokenError> {
        let mut key = Zeroizing::new([0; 32]);
        self.crypto.hkdf_sha256(&presented.secret, &[], b"cs_refresh successor v1", &mut *key)?;
        Ok(key)
    }
}

/// Grant and generation of the presented token: what the sealed copy is bound to beside the key.
fn context(presented: &RefreshToken) -> [u8; 20] {
    let mut context = [0; 20];
    context[..16].copy_from_slice(presented.grant.as_bytes());
    context[16..].copy_from_slice(&presented.generation.to_be_bytes());
    context
}
