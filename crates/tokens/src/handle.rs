//! Opaque handles: codes, tokens and cookies that mean nothing without the store.

use std::fmt;

use countersign_primitives::{Id, Random, RandomError, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{CryptoProvider, b64};

/// What a handle is for, told by its prefix, so that one kind never passes for another.
///
/// The prefix is the same for every host, so that secret scanners find handles by it.
///
/// ```
/// use countersign_tokens::HandleKind;
///
/// const INVITATION: HandleKind = HandleKind::new("cs_invitation");
/// assert_eq!(INVITATION.prefix(), "cs_invitation");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HandleKind(&'static str);

impl HandleKind {
    /// An authorization code (RFC 6749 §4.1.2).
    pub const AUTHORIZATION_CODE: Self = Self("cs_code");
    /// A refresh token (RFC 6749 §1.5); see [`RefreshTokens`](crate::RefreshTokens).
    pub const REFRESH_TOKEN: Self = Self("cs_refresh");
    /// An opaque access token (RFC 6749 §1.4).
    pub const ACCESS_TOKEN: Self = Self("cs_access");
    /// A device code (RFC 8628 §3.2).
    pub const DEVICE_CODE: Self = Self("cs_device");
    /// The cookie that binds a browser to its logins or its session.
    pub const BROWSER: Self = Self("cs_browser");

    /// A kind of its own.
    ///
    /// # Panics
    /// When the prefix is empty or has a character outside `[A-Za-z0-9_]`; in a `const` that stops the build.
    #[must_use]
    pub const fn new(prefix: &'static str) -> Self {
        let bytes = prefix.as_bytes();
        assert!(!bytes.is_empty(), "a prefix is not empty");
        let mut at = 0;
        while at < bytes.len() {
            assert!(bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_', "a prefix is of [A-Za-z0-9_]");
            at += 1;
        }
        Self(prefix)
    }

    /// The prefix, without the `_` that follows it.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        self.0
    }

    /// The text of a handle of this kind: prefix, body and checksum.
    pub(crate) fn write(self, body: &[u8]) -> String {
        let mut bytes = Zeroizing::new(Vec::with_capacity(body.len() + CHECKSUM));
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(&checksum(self.0, body));
        let mut text = String::with_capacity(self.0.len() + 2 + bytes.len() * 4 / 3);
        text.push_str(self.0);
        text.push('_');
        b64::append(&mut text, &bytes);
        text
    }

    /// The body of `N` bytes that a text of this kind carries.
    pub(crate) fn read<const N: usize>(self, text: &str) -> Result<Zeroizing<[u8; N]>, HandleError> {
        let encoded = text.strip_prefix(self.0).and_then(|rest| rest.strip_prefix('_')).ok_or(HandleError::Kind)?;
        let mut buffer = Zeroizing::new([0; MAX_BODY + CHECKSUM]);
        let len = b64::decode_into(encoded, &mut *buffer).ok_or(HandleError::Malformed)?;
        let (body, sum) = buffer.get(..len).and_then(|all| all.split_at_checked(N)).ok_or(HandleError::Malformed)?;
        if sum.len() != CHECKSUM {
            return Err(HandleError::Malformed);
        }
        if sum != checksum(self.0, body) {
            return Err(HandleError::Checksum);
        }
        let mut out = Zeroizing::new([0; N]);
        out.copy_from_slice(body);
        Ok(out)
    }
}

const CHECKSUM: usize = 4;
/// The longest body: a refresh token's.
const MAX_BODY: usize = 96;

/// CRC-32 (ISO-HDLC) over prefix and body. It guards against typing and cutting, and lets a scanner tell a handle from
/// noise; it proves nothing.
fn checksum(prefix: &str, body: &[u8]) -> [u8; CHECKSUM] {
    let bytes = prefix.bytes().chain([b'_']).chain(body.iter().copied());
    let crc = bytes.fold(u32::MAX, |crc, byte| {
        let [_, _, _, low] = crc.to_be_bytes();
        (crc >> 8) ^ CRC_TABLE[usize::from(low ^ byte)]
    });
    (!crc).to_be_bytes()
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    let mut seed = 0_u32;
    while index < 256 {
        let mut value = seed;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
        seed += 1;
    }
    table
};

/// An opaque handle in transit: a kind, the id of the partition it lives in, 256 bits of secret.
///
/// On the wire it is `PREFIX_` and base64url of id, secret and a checksum. Storage only ever meets its [`HandleHash`].
/// It is wiped on drop and redacted in `Debug`; it has no `Clone` and no `PartialEq`.
///
/// ```
/// use countersign_primitives::{Id, SystemRandom};
/// use countersign_tokens::{Handle, HandleKind, Ring};
///
/// let code = Handle::generate(HandleKind::AUTHORIZATION_CODE, Id::from_bytes([7; 16]), &SystemRandom)?;
/// let sent = code.expose();
/// assert!(sent.starts_with("cs_code_"));
///
/// let read = Handle::parse(HandleKind::AUTHORIZATION_CODE, &sent)?;
/// assert!(read.hash(&Ring).matches(&code.hash(&Ring)));
/// assert!(Handle::parse(HandleKind::ACCESS_TOKEN, &sent).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(ZeroizeOnDrop)]
pub struct Handle {
    #[zeroize(skip)]
    kind: HandleKind,
    #[zeroize(skip)]
    id: Id,
    secret: [u8; 32],
}

impl Handle {
    /// A fresh handle into the partition `id`.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn generate(kind: HandleKind, id: Id, random: &dyn Random) -> Result<Self, RandomError> {
        let mut handle = Self { kind, id, secret: [0; 32] };
        random.fill(&mut handle.secret)?;
        Ok(handle)
    }

    /// A handle with a secret that was made elsewhere, such as derived so that a retry makes the same one.
    #[must_use]
    pub const fn from_parts(kind: HandleKind, id: Id, secret: [u8; 32]) -> Self {
        Self { kind, id, secret }
    }

    /// Reads a handle of this kind, and of no other.
    ///
    /// # Errors
    /// [`HandleError`]: whatever it is, the handle is none of ours.
    pub fn parse(kind: HandleKind, text: &str) -> Result<Self, HandleError> {
        let body = kind.read::<48>(text)?;
        let mut id = [0; 16];
        let mut handle = Self { kind, id: Id::from_bytes(id), secret: [0; 32] };
        id.copy_from_slice(&body[..16]);
        handle.secret.copy_from_slice(&body[16..]);
        handle.id = Id::from_bytes(id);
        Ok(handle)
    }

    /// What it is for.
    #[must_use]
    pub const fn kind(&self) -> HandleKind {
        self.kind
    }

    /// The partition it lives in.
    #[must_use]
    pub const fn id(&self) -> Id {
        self.id
    }

    /// The secret. Whoever calls this answers for where it goes.
    #[must_use]
    pub const fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// What storage keeps instead of the handle. It covers kind, id and secret.
    #[must_use]
    pub fn hash(&self, crypto: &dyn CryptoProvider) -> HandleHash {
        HandleHash(crypto.sha256(&[self.kind.0.as_bytes(), b"_", self.id.as_bytes(), &self.secret]))
    }

    /// The text on the wire. Whoever calls this answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> String {
        let mut body = Zeroizing::new([0; 48]);
        body[..16].copy_from_slice(self.id.as_bytes());
        body[16..].copy_from_slice(&self.secret);
        self.kind.write(&*body)
    }

    /// The text on the wire, in custody.
    #[must_use]
    pub fn to_secret_string(&self) -> SecretString {
        SecretString::new(self.expose())
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({}, ..)", self.kind.0)
    }
}

/// Why a text is no handle of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandleError {
    /// The prefix is another.
    #[error("the handle is of another kind")]
    Kind,
    /// Not canonical base64url of the right length.
    #[error("the handle is malformed")]
    Malformed,
    /// The checksum is wrong: mistyped, cut or made up.
    #[error("the handle's checksum is wrong")]
    Checksum,
}

impl HandleError {
    /// A stable name of the cause.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Kind => "handle_kind",
            Self::Malformed => "handle_malformed",
            Self::Checksum => "handle_checksum",
        }
    }
}

/// The SHA-256 of a handle: what storage keeps. A handle has 256 bits, so a plain hash tells nothing about it.
#[derive(Clone, Copy)]
pub struct HandleHash([u8; 32]);

impl HandleHash {
    /// A hash that was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether both are hashes of one handle, in constant time.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// The first 128 bits, as the id of a record that is found by its handle.
    #[must_use]
    pub fn as_id(&self) -> Id {
        let mut id = [0; 16];
        id.copy_from_slice(&self.0[..16]);
        Id::from_bytes(id)
    }
}

impl fmt::Debug for HandleHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HandleHash({})", b64::encode(self.0))
    }
}

impl Serialize for HandleHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&b64::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for HandleHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        b64::decode_array(&text).map(Self).ok_or_else(|| serde::de::Error::custom("a hash is 32 bytes of base64url"))
    }
}
