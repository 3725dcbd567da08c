//! What the two sides of a one-time password agree on besides the secret.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The hash function of the HMAC (RFC 6238 §1.2).
///
/// SHA-1 is the default: its collisions do not touch HMAC (RFC 4226 appendix B.2), and several authenticator apps accept the
/// other two in a URI and then compute with SHA-1 all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum OtpAlgorithm {
    /// HMAC-SHA-1 (RFC 4226 §5.3).
    #[default]
    #[serde(rename = "SHA1")]
    Sha1,
    /// HMAC-SHA-256.
    #[serde(rename = "SHA256")]
    Sha256,
    /// HMAC-SHA-512.
    #[serde(rename = "SHA512")]
    Sha512,
}

impl OtpAlgorithm {
    /// The name in an `otpauth` URI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }
}

impl fmt::Display for OtpAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads the name in an `otpauth` URI, in either case; `HmacSHA1` and `SHA-1` are spellings met in the field.
impl FromStr for OtpAlgorithm {
    type Err = ParameterError;

    fn from_str(name: &str) -> Result<Self, ParameterError> {
        match name.to_ascii_uppercase().as_str() {
            "SHA1" | "SHA-1" | "HMACSHA1" => Ok(Self::Sha1),
            "SHA256" | "SHA-256" | "HMACSHA256" => Ok(Self::Sha256),
            "SHA512" | "SHA-512" | "HMACSHA512" => Ok(Self::Sha512),
            _ => Err(ParameterError::Algorithm),
        }
    }
}

/// How many digits a code has: six, seven or eight (RFC 4226 §5.3 asks for six at least).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Digits(u8);

impl Digits {
    /// Six digits, which every authenticator app shows.
    pub const SIX: Self = Self(6);
    /// Seven digits.
    pub const SEVEN: Self = Self(7);
    /// Eight digits.
    pub const EIGHT: Self = Self(8);

    /// This number of digits.
    ///
    /// # Errors
    /// [`ParameterError::Digits`] unless it is 6, 7 or 8.
    pub const fn new(digits: u8) -> Result<Self, ParameterError> {
        match digits {
            6..=8 => Ok(Self(digits)),
            _ => Err(ParameterError::Digits),
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The number of different codes: ten to the power of the digits.
    pub(crate) const fn modulus(self) -> u32 {
        10_u32.pow(self.0 as u32)
    }
}

impl Default for Digits {
    fn default() -> Self {
        Self::SIX
    }
}

impl TryFrom<u8> for Digits {
    type Error = ParameterError;

    fn try_from(digits: u8) -> Result<Self, ParameterError> {
        Self::new(digits)
    }
}

impl From<Digits> for u8 {
    fn from(digits: Digits) -> Self {
        digits.0
    }
}

/// Everything about a TOTP but its secret (RFC 6238 §4).
///
/// ```
/// use countersign_mfa_otp::{Digits, OtpAlgorithm, TotpParameters};
///
/// # fn main() -> Result<(), countersign_mfa_otp::ParameterError> {
/// assert_eq!(TotpParameters::default().period(), 30);
/// let strict = TotpParameters::default().with_digits(Digits::EIGHT).with_algorithm(OtpAlgorithm::Sha256).with_skew(0)?;
/// assert_eq!(strict.skew(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TotpParameters {
    algorithm: OtpAlgorithm,
    digits: Digits,
    period: u16,
    skew: u8,
}

/// SHA-1, six digits, steps of 30 seconds, one step either side: what every app can do and RFC 6238 §5.2 recommends.
impl Default for TotpParameters {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TotpParameters {
    /// The default parameters, as a constant.
    pub const DEFAULT: Self = Self { algorithm: OtpAlgorithm::Sha1, digits: Digits::SIX, period: 30, skew: 1 };

    /// The hash function. Default: SHA-1, the one that all apps compute.
    #[must_use]
    pub const fn with_algorithm(mut self, algorithm: OtpAlgorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// The length of a code. Default: six digits.
    #[must_use]
    pub const fn with_digits(mut self, digits: Digits) -> Self {
        self.digits = digits;
        self
    }

    /// The length of a step in seconds. Default: 30, recommended by RFC 6238 §5.2.
    ///
    /// # Errors
    /// [`ParameterError::Period`] outside 5 to 300 seconds.
    pub const fn with_period(mut self, seconds: u16) -> Result<Self, ParameterError> {
        if seconds < 5 || seconds > 300 {
            return Err(ParameterError::Period);
        }
        self.period = seconds;
        Ok(self)
    }

    /// How many steps before and after the current one are accepted. Default: one, the most that RFC 6238 §5.2 recommends.
    ///
    /// # Errors
    /// [`ParameterError::Skew`] above five: each step makes a guess likelier.
    pub const fn with_skew(mut self, steps: u8) -> Result<Self, ParameterError> {
        if steps > 5 {
            return Err(ParameterError::Skew);
        }
        self.skew = steps;
        Ok(self)
    }

    /// The hash function.
    #[must_use]
    pub const fn algorithm(self) -> OtpAlgorithm {
        self.algorithm
    }

    /// The length of a code.
    #[must_use]
    pub const fn digits(self) -> Digits {
        self.digits
    }

    /// The length of a step in seconds.
    #[must_use]
    pub const fn period(self) -> u16 {
        self.period
    }

    /// How many steps before and after the current one are accepted.
    #[must_use]
    pub const fn skew(self) -> u8 {
        self.skew
    }
}

/// A parameter that this crate does not compute with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// Another hash function than SHA-1, SHA-256 and SHA-512 (RFC 6238 §1.2).
    #[error("the algorithm is not SHA1, SHA256 or SHA512")]
    Algorithm,
    /// Fewer than six or more than eight digits (RFC 4226 §5.3).
    #[error("a code has six to eight digits")]
    Digits,
    /// A step shorter than 5 or longer than 300 seconds.
    #[error("a step lasts 5 to 300 seconds")]
    Period,
    /// More than five steps either side.
    #[error("at most five steps either side are accepted")]
    Skew,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_out_of_range_are_refused() {
        for digits in [0, 1, 5, 9, 10, 255] {
            assert_eq!(Digits::new(digits), Err(ParameterError::Digits));
        }
        let parameters = TotpParameters::default();
        assert_eq!(parameters.with_period(0), Err(ParameterError::Period));
        assert_eq!(parameters.with_period(301), Err(ParameterError::Period));
        assert_eq!(parameters.with_skew(6), Err(ParameterError::Skew));
        assert_eq!("MD5".parse::<OtpAlgorithm>(), Err(ParameterError::Algorithm));
    }

    #[test]
    fn an_algorithm_reads_its_own_name() {
        for algorithm in [OtpAlgorithm::Sha1, OtpAlgorithm::Sha256, OtpAlgorithm::Sha512] {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
            assert_eq!(algorithm.as_str().to_lowercase().parse(), Ok(algorithm));
        }
    }
}
