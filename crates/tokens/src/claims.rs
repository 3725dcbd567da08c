//! The registered claims and their checks (RFC 7519 §4.1).

use std::fmt;
use std::time::Duration;

use countersign_primitives::UnixTime;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::JwtError;
use crate::json::{self, Text};

/// The registered claims of a JWT, borrowed from it. Each rule is a function of its own, so that a verifier reads as the
/// list of what it demands.
///
/// `leeway` forgives clocks that differ: nothing for tokens of our own, 30 seconds for those of others.
#[derive(Debug, Clone, Deserialize)]
pub struct RegisteredClaims<'a> {
    #[serde(borrow, default, deserialize_with = "json::present")]
    iss: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    sub: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    aud: Option<Audience<'a>>,
    #[serde(default, deserialize_with = "json::present")]
    exp: Option<NumericDate>,
    #[serde(default, deserialize_with = "json::present")]
    nbf: Option<NumericDate>,
    #[serde(default, deserialize_with = "json::present")]
    iat: Option<NumericDate>,
    #[serde(borrow, default, deserialize_with = "json::present")]
    jti: Option<Text<'a>>,
}

/// Whom a token must be for (RFC 7519 §4.1.3).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum AudienceRule<'a> {
    /// The audience, a string or an array, has this value among others.
    Contains(&'a str),
    /// The audience is this one string, never an array.
    ExactlyOne(&'a str),
    /// The audience is one string, never an array, and among these.
    ExactlyOneOf(&'a [&'a str]),
}

impl<'a> RegisteredClaims<'a> {
    pub(crate) fn read(payload: &'a [u8]) -> Result<Self, JwtError> {
        serde_json::from_slice(payload).map_err(|_| JwtError::ClaimType)
    }

    /// `iss`.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.iss.as_ref().map(|text| &*text.0)
    }

    /// `sub`.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.sub.as_ref().map(|text| &*text.0)
    }

    /// `jti`.
    #[must_use]
    pub fn jwt_id(&self) -> Option<&str> {
        self.jti.as_ref().map(|text| &*text.0)
    }

    /// The values of `aud`, none if it is missing.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        let values = match &self.aud {
            None => &[][..],
            Some(Audience::One(value)) => std::slice::from_ref(value),
            Some(Audience::Many(values)) => values,
        };
        values.iter().map(|text| &*text.0)
    }

    /// `exp`.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixTime> {
        self.exp.map(|date| date.0)
    }

    /// `nbf`.
    #[must_use]
    pub fn not_before(&self) -> Option<UnixTime> {
        self.nbf.map(|date| date.0)
    }

    /// `iat`.
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixTime> {
        self.iat.map(|date| date.0)
    }

    /// RFC 7519 §4.1.4: not on or after `exp`, if there is one.
    ///
    /// # Errors
    /// [`JwtError::Expired`].
    pub fn check_expiry(&self, now: UnixTime, leeway: Duration) -> Result<(), JwtError> {
        match self.expires_at() {
            Some(exp) if now >= exp.plus(leeway) => Err(JwtError::Expired),
            _ => Ok(()),
        }
    }

    /// As [`RegisteredClaims::check_expiry`], and there must be an `exp`, which is handed back.
    ///
    /// # Errors
    /// [`JwtError::Missing`] or [`JwtError::Expired`].
    pub fn require_expiry(&self, now: UnixTime, leeway: Duration) -> Result<UnixTime, JwtError> {
        let exp = self.expires_at().ok_or(JwtError::Missing("exp"))?;
        self.check_expiry(now, leeway)?;
        Ok(exp)
    }

    /// RFC 7519 §4.1.5: not before `nbf`, if there is one.
    ///
    /// # Errors
    /// [`JwtError::NotYetValid`].
    pub fn check_not_before(&self, now: UnixTime, leeway: Duration) -> Result<(), JwtError> {
        match self.not_before() {
            Some(nbf) if nbf > now.plus(leeway) => Err(JwtError::NotYetValid),
            _ => Ok(()),
        }
    }

    /// RFC 7519 §4.1.6: not issued in the future, if `iat` is there.
    ///
    /// # Errors
    /// [`JwtError::NotYetValid`].
    pub fn check_issued_at(&self, now: UnixTime, leeway: Duration) -> Result<(), JwtError> {
        match self.issued_at() {
            Some(iat) if iat > now.plus(leeway) => Err(JwtError::NotYetValid),
            _ => Ok(()),
        }
    }

    /// RFC 7519 §4.1.1: `iss` is there and equal to the byte.
    ///
    /// # Errors
    /// [`JwtError::Missing`] or [`JwtError::Issuer`].
    pub fn check_issuer(&self, expected: &str) -> Result<(), JwtError> {
        let issuer = self.issuer().ok_or(JwtError::Missing("iss"))?;
        if issuer == expected { Ok(()) } else { Err(JwtError::Issuer) }
    }

    /// RFC 7519 §4.1.3: `aud` is there and names whom it must.
    ///
    /// # Errors
    /// [`JwtError::Missing`] or [`JwtError::Audience`].
    pub fn check_audience(&self, rule: AudienceRule<'_>) -> Result<(), JwtError> {
        let audience = self.aud.as_ref().ok_or(JwtError::Missing("aud"))?;
        let fits = match (rule, audience) {
            (AudienceRule::Contains(expected), _) => self.audiences().any(|value| value == expected),
            (AudienceRule::ExactlyOne(expected), Audience::One(value)) => value.0 == expected,
            (AudienceRule::ExactlyOneOf(expected), Audience::One(value)) => expected.contains(&&*value.0),
            (_, Audience::Many(_)) => false,
        };
        if fits { Ok(()) } else { Err(JwtError::Audience) }
    }

    /// RFC 7519 §4.1.2: `sub` is there, a string that is not empty.
    ///
    /// # Errors
    /// [`JwtError::Missing`].
    pub fn require_subject(&self) -> Result<&str, JwtError> {
        self.subject().filter(|subject| !subject.is_empty()).ok_or(JwtError::Missing("sub"))
    }

    /// RFC 7519 §4.1.7: `jti` is there, a string that is not empty.
    ///
    /// # Errors
    /// [`JwtError::Missing`].
    pub fn require_jwt_id(&self) -> Result<&str, JwtError> {
        self.jwt_id().filter(|id| !id.is_empty()).ok_or(JwtError::Missing("jti"))
    }
}

#[derive(Debug, Clone)]
enum Audience<'a> {
    One(Text<'a>),
    Many(Vec<Text<'a>>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Audience<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AudienceVisitor;
        impl<'de> Visitor<'de> for AudienceVisitor {
            type Value = Audience<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Audience<'de>, E> {
                Ok(Audience::One(Text(text.into())))
            }

            fn visit_str<E>(self, text: &str) -> Result<Audience<'de>, E> {
                Ok(Audience::One(Text(text.to_owned().into())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Audience<'de>, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = elements.next_element()? {
                    values.push(value);
                }
                Ok(Audience::Many(values))
            }
        }
        deserializer.deserialize_any(AudienceVisitor)
    }
}

/// Seconds since the epoch, perhaps with a fraction (RFC 7519 §2). What lies before the epoch becomes the epoch.
#[derive(Debug, Clone, Copy)]
struct NumericDate(UnixTime);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DateVisitor;
        impl Visitor<'_> for DateVisitor {
            type Value = NumericDate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seconds")
            }

            fn visit_u64<E>(self, seconds: u64) -> Result<NumericDate, E> {
                Ok(NumericDate(UnixTime::from_secs(seconds)))
            }

            fn visit_i64<E>(self, seconds: i64) -> Result<NumericDate, E> {
                Ok(NumericDate(UnixTime::from_secs(u64::try_from(seconds).unwrap_or(0))))
            }

            fn visit_f64<E>(self, seconds: f64) -> Result<NumericDate, E> {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
                let milliseconds = (seconds * 1_000.0) as u64;
                Ok(NumericDate(UnixTime::from_millis(milliseconds)))
            }
        }
        deserializer.deserialize_any(DateVisitor)
    }
}
