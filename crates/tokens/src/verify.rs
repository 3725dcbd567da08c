//! Reading signed tokens (RFC 7515 §5.2, RFC 7519 §7.2, RFC 8725).

use std::fmt;

use serde::Deserialize;

use crate::claims::RegisteredClaims;
use crate::json::{self, ObjectError, Text};
use crate::verifying_key::NoKey;
use crate::{CryptoProvider, JwtError, PublicJwk, SigningAlgorithm, VerifyingKey, VerifyingKeys, b64};

/// The longest token that is read.
pub const MAX_TOKEN: usize = 16 * 1_024;

/// The longest signature: RSA with 8192 bits.
const MAX_SIGNATURE: usize = 1_024;

/// What a caller demands of a token's header.
#[derive(Debug, Clone, Copy)]
pub struct Expect<'a> {
    /// The type, so that a token made for another purpose does not pass (RFC 8725 §3.11).
    pub typ: ExpectTyp<'a>,
    /// The algorithms admitted here; the key pins one of them.
    pub algorithms: &'a [SigningAlgorithm],
}

impl<'a> Expect<'a> {
    /// Demands this type, and admits every algorithm of [`SigningAlgorithm::ALL`].
    #[must_use]
    pub const fn typ(typ: &'a str) -> Self {
        Self { typ: ExpectTyp::Is(typ), algorithms: SigningAlgorithm::ALL }
    }

    /// Admits these types and a token without any, for kinds of tokens that are older than explicit typing: ID tokens,
    /// client assertions. Their other claims must then tell them apart.
    #[must_use]
    pub const fn typ_if_any(typs: &'a [&'a str]) -> Self {
        Self { typ: ExpectTyp::AbsentOrOneOf(typs), algorithms: SigningAlgorithm::ALL }
    }

    /// Admits these algorithms only.
    #[must_use]
    pub const fn algorithms(self, algorithms: &'a [SigningAlgorithm]) -> Self {
        Self { algorithms, ..self }
    }
}

/// What `typ` must be. Case is ignored, and a leading `application/` too (RFC 7515 §4.1.9).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum ExpectTyp<'a> {
    /// Exactly this type.
    Is(&'a str),
    /// One of these types.
    OneOf(&'a [&'a str]),
    /// One of these types, or no `typ`.
    AbsentOrOneOf(&'a [&'a str]),
}

impl ExpectTyp<'_> {
    fn admits(self, typ: Option<&str>) -> bool {
        let among = |admitted: &[&str]| typ.is_some_and(|typ| admitted.iter().any(|one| same_type(one, typ)));
        match self {
            Self::Is(admitted) => among(&[admitted]),
            Self::OneOf(admitted) => among(admitted),
            Self::AbsentOrOneOf(admitted) => typ.is_none() || among(admitted),
        }
    }
}

fn same_type(one: &str, other: &str) -> bool {
    fn short(typ: &str) -> &str {
        let prefix = "application/";
        match typ.split_at_checked(prefix.len()) {
            // The prefix may be left out only where no other slash follows.
            Some((start, rest)) if start.eq_ignore_ascii_case(prefix) && !rest.contains('/') => rest,
            _ => typ,
        }
    }
    short(one).eq_ignore_ascii_case(short(other))
}

/// A compact JWS, taken apart but not verified.
///
/// The header is read strictly; key material and addresses in it (`jwk`, `jku`, `x5u`, `x5c`) are not, since a token
/// does not choose the key it is checked with (RFC 8725 §3.10).
pub struct Compact<'t> {
    token: &'t str,
    signed: usize,
    header: JoseHeader,
    header_json: Vec<u8>,
    payload: Vec<u8>,
}

/// The members of a header that decide how a token is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoseHeader {
    /// The algorithm.
    pub alg: SigningAlgorithm,
    /// The explicit type.
    pub typ: Option<String>,
    /// The key's name.
    pub kid: Option<String>,
}

#[derive(Deserialize)]
struct RawHeader<'a> {
    #[serde(borrow)]
    alg: Text<'a>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    typ: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    kid: Option<Text<'a>>,
    #[serde(default, deserialize_with = "json::is_present")]
    crit: bool,
    // RFC 7797: a payload that is not base64url. It must stand in `crit`, and is refused even where it does not.
    #[serde(default, deserialize_with = "json::is_present")]
    b64: bool,
}

impl<'t> Compact<'t> {
    /// Takes a token apart: exactly three parts, canonical base64url, a header with unique names, no `crit`, an
    /// algorithm that this crate has, a signature that is not empty.
    ///
    /// # Errors
    /// [`JwtError`], by cause.
    pub fn parse(token: &'t str) -> Result<Self, JwtError> {
        if token.len() > MAX_TOKEN {
            return Err(JwtError::TooLong);
        }
        let (header, rest) = token.split_once('.').ok_or(JwtError::Malformed)?;
        let (payload, signature) = rest.split_once('.').ok_or(JwtError::Malformed)?;
        let header_json = b64::decode(header).ok_or(JwtError::Malformed)?;
        let header = read_header(&header_json)?;
        // A fourth part would leave a dot, which is no character of base64url.
        if signature.is_empty() || signature.contains('.') {
            return Err(JwtError::Malformed);
        }
        let payload = b64::decode(payload).ok_or(JwtError::Malformed)?;
        Ok(Self { token, signed: token.len() - signature.len() - 1, header, header_json, payload })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &JoseHeader {
        &self.header
    }

    /// The registered claims, *not verified*: good for finding out whose keys to ask for, and for nothing else.
    ///
    /// # Errors
    /// [`JwtError`] when the claims are malformed.
    pub fn danger_unverified(&self) -> Result<RegisteredClaims<'_>, JwtError> {
        check_object(&self.payload)?;
        RegisteredClaims::read(&self.payload)
    }

    /// Verifies the token with one of `keys`, found by `kid`.
    ///
    /// # Errors
    /// [`JwtError`], by cause.
    pub fn verify(
        self,
        crypto: &dyn CryptoProvider,
        keys: &VerifyingKeys,
        expect: &Expect<'_>,
    ) -> Result<Verified, JwtError> {
        self.check_header(expect)?;
        let key = keys.select(self.header.kid.as_deref(), self.header.alg).map_err(|why| match why {
            NoKey::Unknown => JwtError::UnknownKey,
            NoKey::OtherAlgorithm => JwtError::Algorithm,
        })?;
        self.check_signature(crypto, key)?;
        self.into_verified()
    }

    /// Verifies a token with the public key in its own header, as DPoP proofs ask for (RFC 9449 §4.3).
    ///
    /// That proves only that the sender holds the key which is handed back; whose key it is must be settled elsewhere.
    ///
    /// # Errors
    /// [`JwtError::EmbeddedKey`] when the key is missing, private or unusable; else as for [`Compact::verify`].
    pub fn verify_embedded(
        self,
        crypto: &dyn CryptoProvider,
        expect: &Expect<'_>,
    ) -> Result<(Verified, PublicJwk), JwtError> {
        #[derive(Deserialize)]
        struct Embedded {
            jwk: PublicJwk,
        }
        self.check_header(expect)?;
        let Embedded { jwk } = serde_json::from_slice(&self.header_json).map_err(|_| JwtError::EmbeddedKey)?;
        let key = VerifyingKey::with_algorithm(&jwk, self.header.alg).map_err(|_| JwtError::EmbeddedKey)?;
        self.check_signature(crypto, &key)?;
        Ok((self.into_verified()?, jwk))
    }

    fn check_header(&self, expect: &Expect<'_>) -> Result<(), JwtError> {
        if !expect.typ.admits(self.header.typ.as_deref()) {
            return Err(JwtError::Type);
        }
        if !expect.algorithms.contains(&self.header.alg) {
            return Err(JwtError::Algorithm);
        }
        Ok(())
    }

    fn check_signature(&self, crypto: &dyn CryptoProvider, key: &VerifyingKey) -> Result<(), JwtError> {
        let (message, signature) = self.token.split_at_checked(self.signed).ok_or(JwtError::Malformed)?;
        let mut buffer = [0; MAX_SIGNATURE];
        let len = b64::decode_into(signature.get(1..).unwrap_or_default(), &mut buffer).ok_or(JwtError::Malformed)?;
        crypto.verify(key, message.as_bytes(), buffer.get(..len).unwrap_or_default())?;
        Ok(())
    }

    fn into_verified(self) -> Result<Verified, JwtError> {
        check_object(&self.payload)?;
        Ok(Verified { header: self.header, payload: self.payload })
    }
}

impl fmt::Debug for Compact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compact").field("header", &self.header).finish_non_exhaustive()
    }
}

fn check_object(bytes: &[u8]) -> Result<(), JwtError> {
    json::check_object(bytes).map_err(|error| match error {
        ObjectError::Malformed => JwtError::Malformed,
        ObjectError::Duplicate => JwtError::Duplicate,
    })
}

fn read_header(bytes: &[u8]) -> Result<JoseHeader, JwtError> {
    check_object(bytes)?;
    let raw: RawHeader<'_> = serde_json::from_slice(bytes).map_err(|_| JwtError::Malformed)?;
    if raw.crit || raw.b64 {
        return Err(JwtError::Crit);
    }
    let alg = raw.alg.0.parse().map_err(|_| JwtError::Algorithm)?;
    let owned = |text: Option<Text<'_>>| text.map(|text| text.0.into_owned());
    Ok(JoseHeader { alg, typ: owned(raw.typ), kid: owned(raw.kid) })
}

/// A token whose signature was verified and whose claims are an object with unique names. Times, issuer and audience are
/// for the caller to check, by [`Verified::registered`].
pub struct Verified {
    header: JoseHeader,
    payload: Vec<u8>,
}

impl Verified {
    /// The header.
    #[must_use]
    pub const fn header(&self) -> &JoseHeader {
        &self.header
    }

    /// The registered claims, with their checks.
    ///
    /// # Errors
    /// [`JwtError::ClaimType`] when one has the wrong type.
    pub fn registered(&self) -> Result<RegisteredClaims<'_>, JwtError> {
        RegisteredClaims::read(&self.payload)
    }

    /// The claims, as whatever the caller reads: a struct that borrows, or a `serde_json::Map`.
    ///
    /// # Errors
    /// [`JwtError::ClaimType`] when they do not fit.
    pub fn claims<'a, T: Deserialize<'a>>(&'a self) -> Result<T, JwtError> {
        serde_json::from_slice(&self.payload).map_err(|_| JwtError::ClaimType)
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("header", &self.header).finish_non_exhaustive()
    }
}

/// Takes a token apart and verifies it with one of `keys`.
///
/// # Errors
/// [`JwtError`], by cause.
pub fn verify_compact(
    crypto: &dyn CryptoProvider,
    token: &str,
    keys: &VerifyingKeys,
    expect: &Expect<'_>,
) -> Result<Verified, JwtError> {
    Compact::parse(token)?.verify(crypto, keys, expect)
}
