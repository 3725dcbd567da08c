//! PBKDF2 with HMAC-SHA-256 or HMAC-SHA-512 (RFC 8018 §5.2), as PHC strings and as Django writes it.

use std::num::NonZeroU32;

use data_encoding::{BASE64, BASE64_NOPAD};
use ring::pbkdf2::{Algorithm, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA512, verify};

use super::{HashRefused, PasswordCost};

pub(super) struct Pbkdf2 {
    algorithm: Algorithm,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    derived: Vec<u8>,
}

impl Pbkdf2 {
    /// Fewer bytes could be met by chance.
    const SHORTEST: usize = 16;
    const LONGEST: usize = 64;

    /// `$pbkdf2-sha256$i=600000,l=32$SALT$HASH`, or with the bare number of iterations and `.` for `+`, as passlib writes it.
    pub(super) fn from_phc(text: &str) -> Result<Self, HashRefused> {
        let [_, kind, parameters, salt, derived] = parts(text)?;
        let algorithm = if kind == "pbkdf2-sha512" { PBKDF2_HMAC_SHA512 } else { PBKDF2_HMAC_SHA256 };
        let iterations = match parameters.split(',').find_map(|parameter| parameter.strip_prefix("i=")) {
            Some(iterations) => iterations,
            None => parameters,
        };
        let decode = |part: &str| BASE64_NOPAD.decode(part.replace('.', "+").as_bytes());
        let both = decode(salt).and_then(|salt| Ok((salt, decode(derived)?)));
        let (salt, derived) = both.map_err(|_| HashRefused::Malformed)?;
        let length = parameters.split(',').find_map(|parameter| parameter.strip_prefix("l="));
        if length.is_some_and(|length| length != derived.len().to_string()) {
            return Err(HashRefused::Malformed);
        }
        Self::bounded(algorithm, iterations, salt, derived)
    }

    /// `pbkdf2_sha256$600000$salt$HASH`; the salt is taken as it is written.
    pub(super) fn from_django(text: &str) -> Result<Self, HashRefused> {
        let [_, iterations, salt, derived] = parts(text)?;
        let derived = BASE64.decode(derived.as_bytes()).map_err(|_| HashRefused::Malformed)?;
        Self::bounded(PBKDF2_HMAC_SHA256, iterations, salt.as_bytes().to_vec(), derived)
    }

    fn bounded(algorithm: Algorithm, iterations: &str, salt: Vec<u8>, derived: Vec<u8>) -> Result<Self, HashRefused> {
        if iterations.is_empty() || !iterations.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(HashRefused::Malformed);
        }
        // A number too large to be read is too large to be computed.
        let iterations: u32 = iterations.parse().map_err(|_| HashRefused::TooCostly)?;
        if iterations > PasswordCost::MAX_PBKDF2_ITERATIONS {
            return Err(HashRefused::TooCostly);
        }
        let iterations = NonZeroU32::new(iterations).ok_or(HashRefused::Malformed)?;
        if salt.is_empty() || !(Self::SHORTEST..=Self::LONGEST).contains(&derived.len()) {
            return Err(HashRefused::Malformed);
        }
        Ok(Self { algorithm, iterations, salt, derived })
    }

    /// In constant time.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        verify(self.algorithm, self.iterations, &self.salt, password, &self.derived).is_ok()
    }
}

/// Exactly so many parts between dollars.
pub(super) fn parts<const N: usize>(text: &str) -> Result<[&str; N], HashRefused> {
    let parts: Vec<_> = text.split('$').take(N + 1).collect();
    parts.try_into().map_err(|_| HashRefused::Malformed)
}
