//! What a login learns of its user and tells in ID tokens and userinfo.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Claims about a user that a login adds (OpenID Connect Core §5.1.2): what an upstream or a directory said when the user signed
/// in. None of them can take the place of a claim that the protocol sets, such as `sub`, `aud` or `acr`.
///
/// ```
/// use countersign_primitives::{ClaimError, LoginClaims};
///
/// let claims = LoginClaims::default().claim("department", "Sales")?;
/// assert_eq!(claims.get("department"), Some(&"Sales".into()));
/// assert_eq!(LoginClaims::default().claim("sub", "somebody else"), Err(ClaimError::Reserved));
/// # Ok::<(), ClaimError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoginClaims(Map<String, Value>);

/// What protocols say in tokens and about them (RFC 7519 §4.1, RFC 9068 §2.2, RFC 7662 §2.2, RFC 8693 §4, OpenID Connect Core §2,
/// §3.3.2.11, §5.6.2, OpenID Connect Logout 1.0).
const RESERVED: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "at_hash",
    "c_hash",
    "s_hash",
    "sid",
    "client_id",
    "scope",
    "cnf",
    "act",
    "may_act",
    "active",
    "token_type",
    "username",
    "events",
    "sub_jwk",
    "sub_id",
    "toe",
    "authorization_details",
    "_claim_names",
    "_claim_sources",
    "_sd",
    "_sd_alg",
];

impl LoginClaims {
    /// The most claims of one login.
    pub const MAX: usize = 32;
    /// The most bytes of JSON that they may have together.
    pub const MAX_BYTES: usize = 4 * 1_024;

    /// Adds a claim, in place of one of the same name that was added before.
    ///
    /// # Errors
    /// [`ClaimError`] when the protocol sets the claim, or there is too much.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Result<Self, ClaimError> {
        let name = name.into();
        if Self::is_reserved(&name) {
            return Err(ClaimError::Reserved);
        }
        self.0.insert(name, value.into());
        let too_long = serde_json::to_vec(&self.0).map_or(true, |json| json.len() > Self::MAX_BYTES);
        if self.0.len() > Self::MAX || too_long { Err(ClaimError::TooMuch) } else { Ok(self) }
    }

    /// These claims and those, which win where a name stands in both.
    ///
    /// # Errors
    /// [`ClaimError::TooMuch`] when they are too much together.
    pub fn and(self, others: &Self) -> Result<Self, ClaimError> {
        others.iter().try_fold(self, |all, (name, value)| all.claim(name, value.clone()))
    }

    /// Whether the protocol sets a claim of this name, so that nobody else may.
    #[must_use]
    pub fn is_reserved(name: &str) -> bool {
        name.is_empty() || RESERVED.contains(&name)
    }

    /// The value of a claim.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Why a claim was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The protocol sets it.
    #[error("the protocol itself sets a claim of this name")]
    Reserved,
    /// More than 32 claims, or more than 4 KiB of them.
    #[error("a login has at most {max} claims and {bytes} bytes of them", max = LoginClaims::MAX, bytes = LoginClaims::MAX_BYTES)]
    TooMuch,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_52_no_claim_takes_the_place_of_one_of_the_protocols() {
        for name in RESERVED.iter().chain(&[""]) {
            assert_eq!(LoginClaims::default().claim(*name, 1), Err(ClaimError::Reserved), "{name}");
        }
        assert!(LoginClaims::default().claim("Sub", "x").is_ok(), "names are compared to the byte");
    }

    #[test]
    fn promise_7_claims_are_bounded_in_number_and_size() {
        let full =
            (0..LoginClaims::MAX).try_fold(LoginClaims::default(), |all, n| all.claim(format!("c{n}"), n)).unwrap();
        assert_eq!(full.clone().claim("one_more", 1), Err(ClaimError::TooMuch));
        assert!(full.clone().claim("c1", 2).is_ok());
        assert_eq!(LoginClaims::default().claim("c", "x".repeat(LoginClaims::MAX_BYTES)), Err(ClaimError::TooMuch));
        assert_eq!(full.and(&LoginClaims::default().claim("d", 1).unwrap()), Err(ClaimError::TooMuch));
    }

    #[test]
    fn of_two_claims_of_one_name_the_later_counts() {
        let (a, b) = (LoginClaims::default().claim("a", 1).unwrap(), LoginClaims::default().claim("a", 2).unwrap());
        assert_eq!(a.and(&b).unwrap(), b);
    }
}
