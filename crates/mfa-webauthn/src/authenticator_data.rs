//! Authenticator data (WebAuthn 3 §6.1), read to the last byte.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::cbor::{CborError, Map, Value};
use crate::cose::{CoseKey, CoseKeyError};

/// The longest credential id that an authenticator may make, in bytes (WebAuthn 3 §6.5.1).
pub const MAX_CREDENTIAL_ID: usize = 1023;

/// The model of an authenticator: 128 bits that its maker chose (WebAuthn 3 §6.5.1). All zero when it is not told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Aaguid([u8; 16]);

impl Aaguid {
    /// No model: what U2F keys have, and what clients put in when no attestation was asked for.
    pub const ZERO: Self = Self([0; 16]);

    /// A model from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Aaguid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Aaguid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aaguid({self})")
    }
}

/// A text that is not a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an AAGUID is 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12")]
pub struct ParseAaguidError;

impl FromStr for Aaguid {
    type Err = ParseAaguidError;

    fn from_str(text: &str) -> Result<Self, ParseAaguidError> {
        let bytes = text.as_bytes();
        let grouped = bytes.len() == 36 && [8, 13, 18, 23].iter().all(|at| bytes[*at] == b'-');
        let digits: Vec<u8> = bytes.iter().filter(|byte| **byte != b'-').copied().collect();
        if !grouped || digits.len() != 32 {
            return Err(ParseAaguidError);
        }
        let mut aaguid = [0; 16];
        for (byte, pair) in aaguid.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16).ok_or(ParseAaguidError)?;
            let low = char::from(pair[1]).to_digit(16).ok_or(ParseAaguidError)?;
            *byte = u8::try_from(high << 4 | low).map_err(|_| ParseAaguidError)?;
        }
        Ok(Self(aaguid))
    }
}

impl Serialize for Aaguid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Aaguid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The flags of authenticator data (WebAuthn 3 §6.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// UP: somebody was there and agreed.
    #[must_use]
    pub const fn user_present(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// UV: it was the owner, by PIN or biometrics.
    #[must_use]
    pub const fn user_verified(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// BE: the key may be copied to other devices.
    #[must_use]
    pub const fn backup_eligible(self) -> bool {
        self.0 & 0x08 != 0
    }

    /// BS: a copy exists.
    #[must_use]
    pub const fn backed_up(self) -> bool {
        self.0 & 0x10 != 0
    }

    const fn attested(self) -> bool {
        self.0 & 0x40 != 0
    }

    const fn extended(self) -> bool {
        self.0 & 0x80 != 0
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [(0x01, "UP"), (0x04, "UV"), (0x08, "BE"), (0x10, "BS"), (0x40, "AT"), (0x80, "ED")];
        f.debug_set().entries(names.iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, name)| name)).finish()
    }
}

/// Why authenticator data cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticatorDataError {
    /// Shorter than its flags say.
    #[error("the authenticator data is shorter than its flags say")]
    Truncated,
    /// Longer than its flags say.
    #[error("the authenticator data is longer than its flags say")]
    TrailingBytes,
    /// The credential id is empty or longer than [`MAX_CREDENTIAL_ID`].
    #[error("the credential id is empty or longer than 1023 bytes")]
    CredentialIdLength,
    /// The public key cannot be used.
    #[error("the credential's public key: {0}")]
    PublicKey(#[from] CoseKeyError),
    /// The extensions are not a map in canonical CBOR.
    #[error("the extensions in the authenticator data: {0}")]
    Extensions(CborError),
}

impl AuthenticatorDataError {
    /// The stable id of the cause.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Truncated => "authenticator_data.truncated",
            Self::TrailingBytes => "authenticator_data.trailing_bytes",
            Self::CredentialIdLength => "authenticator_data.credential_id_length",
            Self::PublicKey(error) => error.id(),
            Self::Extensions(error) => error.id(),
        }
    }
}

/// Authenticator data, borrowed from the message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AuthenticatorData<'a> {
    /// All of it, as it is signed.
    pub(crate) bytes: &'a [u8],
    pub(crate) rp_id_hash: &'a [u8; 32],
    pub(crate) flags: Flags,
    pub(crate) sign_count: u32,
    /// Only in a registration.
    pub(crate) attested: Option<AttestedCredential<'a>>,
    pub(crate) extensions: Option<Map<'a>>,
}

/// Attested credential data (WebAuthn 3 §6.5.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttestedCredential<'a> {
    pub(crate) aaguid: Aaguid,
    pub(crate) credential_id: &'a [u8],
    pub(crate) public_key: CoseKey<'a>,
    /// The COSE key as the authenticator wrote it.
    pub(crate) cose_key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Reads `bytes`, all of them.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, AuthenticatorDataError> {
        let (rp_id_hash, rest) = bytes.split_first_chunk().ok_or(AuthenticatorDataError::Truncated)?;
        let (flags, rest) = rest.split_first().ok_or(AuthenticatorDataError::Truncated)?;
        let (count, mut rest) = rest.split_first_chunk().ok_or(AuthenticatorDataError::Truncated)?;
        let flags = Flags(*flags);
        let mut attested = None;
        if flags.attested() {
            let (credential, after) = AttestedCredential::read(rest)?;
            (attested, rest) = (Some(credential), after);
        }
        let mut extensions = None;
        if flags.extended() {
            if rest.is_empty() {
                return Err(AuthenticatorDataError::Truncated);
            }
            let (value, after) = Value::read_first(rest).map_err(AuthenticatorDataError::Extensions)?;
            (extensions, rest) = (Some(value.map().map_err(AuthenticatorDataError::Extensions)?), after);
        }
        if !rest.is_empty() {
            return Err(AuthenticatorDataError::TrailingBytes);
        }
        Ok(Self { bytes, rp_id_hash, flags, sign_count: u32::from_be_bytes(*count), attested, extensions })
    }
}

impl<'a> AttestedCredential<'a> {
    fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), AuthenticatorDataError> {
        let (aaguid, rest) = bytes.split_first_chunk().ok_or(AuthenticatorDataError::Truncated)?;
        let (length, rest) = rest.split_first_chunk().ok_or(AuthenticatorDataError::Truncated)?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length == 0 || length > MAX_CREDENTIAL_ID {
            return Err(AuthenticatorDataError::CredentialIdLength);
        }
        let (credential_id, rest) = rest.split_at_checked(length).ok_or(AuthenticatorDataError::Truncated)?;
        let (public_key, after) = CoseKey::read_first(rest)?;
        let cose_key = &rest[..rest.len() - after.len()];
        Ok((Self { aaguid: Aaguid(*aaguid), credential_id, public_key, cose_key }, after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ES256: [u8; 77] = {
        let mut key = [0; 77];
        let head = [0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20];
        let mut at = 0;
        while at < 10 {
            key[at] = head[at];
            at += 1;
        }
        let x = *b"\x65\xed\xa5\xa1\x25\x77\xc2\xba\xe8\x29\x43\x7f\xe3\x38\x70\x1a\x10\xaa\xa3\x75\xe1\xbb\x5b\x5d\xe1\x08\xde\x43\x9c\x08\x55\x1d";
        let y = *b"\x1e\x52\xed\x75\x70\x11\x63\xf7\xf9\xe4\x0d\xdf\x9f\x34\x1b\x3d\xc9\xba\x86\x0a\xf7\xe0\xca\x7c\xa7\xe9\xee\xcd\x00\x84\xd1\x9c";
        at = 0;
        while at < 32 {
            key[10 + at] = x[at];
            key[45 + at] = y[at];
            at += 1;
        }
        (key[42], key[43], key[44]) = (0x22, 0x58, 0x20);
        key
    };

    fn data(flags: u8, rest: &[&[u8]]) -> Vec<u8> {
        let mut data = vec![7; 32];
        data.push(flags);
        data.extend([0, 0, 1, 2]);
        rest.iter().for_each(|part| data.extend_from_slice(part));
        data
    }

    fn refused(bytes: &[u8]) -> AuthenticatorDataError {
        AuthenticatorData::read(bytes).unwrap_err()
    }

    #[test]
    fn webauthn_6_1_the_parts_are_where_the_table_says() {
        let bytes = data(0xdd, &[&[9; 16], &[0, 2], b"id", &ES256, &[0xa1, 0x61, b'x', 1]]);
        let read = AuthenticatorData::read(&bytes).unwrap();
        assert_eq!((read.rp_id_hash, read.sign_count), (&[7; 32], 0x0102));
        let flags = read.flags;
        assert!(flags.user_present() && flags.user_verified() && flags.backup_eligible() && flags.backed_up());
        let attested = read.attested.unwrap();
        assert_eq!((attested.aaguid, attested.credential_id), (Aaguid::from_bytes([9; 16]), &b"id"[..]));
        assert_eq!(attested.cose_key, ES256);
        assert_eq!(read.extensions.unwrap().text_key("x"), Some(Value::Int(1)));
        assert_eq!(format!("{flags:?}"), r#"{"UP", "UV", "BE", "BS", "AT", "ED"}"#);
    }

    #[test]
    fn m15_authenticator_data_is_read_to_the_last_byte() {
        assert!(AuthenticatorData::read(&data(0x01, &[])).is_ok());
        assert_eq!(refused(&data(0x01, &[&[0]])), AuthenticatorDataError::TrailingBytes);
        assert_eq!(
            refused(&data(0x41, &[&[9; 16], &[0, 2], b"id", &ES256, &[0]])),
            AuthenticatorDataError::TrailingBytes
        );
        assert_eq!(refused(&data(0x81, &[&[0xa0, 0]])), AuthenticatorDataError::TrailingBytes);
    }

    #[test]
    fn m15_every_cut_is_refused() {
        let whole = data(0xc1, &[&[9; 16], &[0, 2], b"id", &ES256, &[0xa1, 0x61, b'x', 1]]);
        for cut in 0..whole.len() {
            assert!(AuthenticatorData::read(&whole[..cut]).is_err(), "{cut}");
        }
        assert_eq!(refused(&whole[..50]), AuthenticatorDataError::Truncated, "a truncated AAGUID");
    }

    #[test]
    fn m15_credential_ids_have_1_to_1023_bytes() {
        let with_length = |length: u16| {
            let id = vec![1; usize::from(length)];
            data(0x41, &[&[9; 16], &length.to_be_bytes(), &id, &ES256])
        };
        assert!(AuthenticatorData::read(&with_length(1)).is_ok());
        assert!(AuthenticatorData::read(&with_length(1023)).is_ok());
        assert_eq!(refused(&with_length(1024)), AuthenticatorDataError::CredentialIdLength);
        assert_eq!(refused(&with_length(0)), AuthenticatorDataError::CredentialIdLength);
    }

    #[test]
    fn extensions_are_a_map() {
        assert_eq!(refused(&data(0x81, &[&[0x80]])), AuthenticatorDataError::Extensions(CborError::Type));
    }

    #[test]
    fn aaguids_are_printed_and_read_as_uuids() {
        let text = "ee882879-721c-4913-9775-3dfcce97072a";
        let aaguid: Aaguid = text.parse().unwrap();
        assert_eq!(aaguid.to_string(), text);
        assert_eq!(serde_json::from_str::<Aaguid>(&format!("\"{text}\"")).unwrap(), aaguid);
        for bad in [
            "",
            "ee882879721c491397753dfcce97072a",
            "ee882879-721c-4913-9775-3dfcce97072g",
            "ée882879-721c-4913-9775-3dfcce9707a",
        ] {
            assert_eq!(bad.parse::<Aaguid>(), Err(ParseAaguidError), "{bad}");
        }
    }
}
