//! Ids that only this server can read: what opaque access tokens and `jti` carry of their grant.

use countersign_primitives::{Id, Random, RandomError};

use crate::{Handle, HandleKind, MacKey, b64};

/// Hides an id under a nonce, so that two tokens of one grant share no bytes. [`unmask_id`] is the inverse.
///
/// The mask is HMAC-SHA-256 of the nonce under `key`, so a nonce serves one token only.
#[must_use]
pub fn mask_id(key: &dyn MacKey, nonce: &[u8], id: Id) -> [u8; 16] {
    let mask = key.mac(&[b"countersign id mask v1", nonce]);
    let mut masked = *id.as_bytes();
    for (byte, pad) in masked.iter_mut().zip(mask) {
        *byte ^= pad;
    }
    masked
}

/// The id that [`mask_id`] hid.
///
/// Nothing proves that the bytes were ever masked: other bytes give another id, under which nothing is found.
#[must_use]
pub fn unmask_id(key: &dyn MacKey, nonce: &[u8], masked: [u8; 16]) -> Id {
    Id::from_bytes(mask_id(key, nonce, Id::from_bytes(masked)))
}

/// The `jti` of a JWT access token (RFC 7519 §4.1.7): unique, and the way from the token to its grant for this server
/// alone.
#[derive(Debug, Clone, Copy)]
pub struct Jti;

impl Jti {
    /// A fresh `jti` for a token of this grant: 43 characters.
    ///
    /// # Errors
    /// When the source of randomness fails.
    #[expect(clippy::new_ret_no_self, reason = "a jti is text everywhere; this type only names the two functions")]
    pub fn new(key: &dyn MacKey, random: &dyn Random, grant: Id) -> Result<String, RandomError> {
        let mut bytes = [0; 32];
        let (nonce, masked) = bytes.split_at_mut(16);
        random.fill(nonce)?;
        masked.copy_from_slice(&mask_id(key, nonce, grant));
        Ok(b64::encode(bytes))
    }

    /// The grant that a `jti` of ours names; `None` if it has not the form of one.
    #[must_use]
    pub fn grant(key: &dyn MacKey, text: &str) -> Option<Id> {
        let bytes: [u8; 32] = b64::decode_array(text)?;
        let (nonce, masked) = bytes.split_at_checked(16)?;
        Some(unmask_id(key, nonce, masked.try_into().ok()?))
    }
}

impl Handle {
    /// A fresh handle that names its partition only to this server: the id is masked under the handle's own secret.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn generate_masked(
        key: &dyn MacKey,
        kind: HandleKind,
        id: Id,
        random: &dyn Random,
    ) -> Result<Self, RandomError> {
        let drawn = Self::generate(kind, id, random)?;
        let masked = Id::from_bytes(mask_id(key, drawn.secret(), id));
        Ok(Self::from_parts(kind, masked, *drawn.secret()))
    }

    /// The partition of a handle made by [`Handle::generate_masked`].
    #[must_use]
    pub fn unmasked_id(&self, key: &dyn MacKey) -> Id {
        unmask_id(key, self.secret(), *self.id().as_bytes())
    }
}
