//! HOTP: codes from a counter (RFC 4226).

use std::fmt;

use countersign_primitives::{Random, RandomError, SecretString, SystemRandom};

use crate::generator::Generator;
use crate::otpauth::{self, ImportedHotp, OtpauthError};
use crate::{Digits, OtpAlgorithm, SecretError, StoredHotp, base32};

/// The HOTP value of `counter` (RFC 4226 §5.3).
///
/// ```
/// use countersign_mfa_otp::{Digits, OtpAlgorithm, hotp};
///
/// # fn main() -> Result<(), countersign_mfa_otp::SecretError> {
/// assert_eq!(hotp(b"12345678901234567890", 1, OtpAlgorithm::Sha1, Digits::SIX)?.expose(), "287082");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the secret has fewer than 128 or more than 512 bits.
pub fn hotp(secret: &[u8], counter: u64, algorithm: OtpAlgorithm, digits: Digits) -> Result<SecretString, SecretError> {
    Ok(Generator::new(secret, algorithm, digits)?.code(counter))
}

/// How many counters a check looks at in one go: RFC 4226 §7.4 wants the look-ahead limited, an attacker gains by each.
const WIDEST_WINDOW: u16 = 100;

/// The secret shared with a hardware token that counts its button presses (RFC 4226).
///
/// The server keeps the next counter that it expects. A token whose button was pressed without a login is ahead of it, so a
/// check looks ahead by a few counters; a token that is far ahead is found by two codes in a row.
///
/// ```
/// use countersign_mfa_otp::{Digits, HotpSecret, OtpAlgorithm};
///
/// # fn main() -> Result<(), countersign_mfa_otp::SecretError> {
/// let secret = HotpSecret::from_bytes(b"12345678901234567890", OtpAlgorithm::Sha1, Digits::SIX)?;
/// let next = secret.check("359152", 0, 5); // the code of counter 2, while 0 was expected
/// assert_eq!(next, Some(3)); // store it: everything before is spent
/// assert_eq!(secret.check("359152", 3, 5), None);
/// # Ok(())
/// # }
/// ```
pub struct HotpSecret(Generator);

impl HotpSecret {
    /// A new secret of 160 bits from the operating system's randomness: SHA-1, six digits.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> Result<Self, RandomError> {
        Self::generate_with(&SystemRandom, OtpAlgorithm::Sha1, Digits::SIX)
    }

    /// A new secret of 160 bits from `random`.
    ///
    /// # Errors
    /// When the source fails.
    pub fn generate_with(random: &dyn Random, algorithm: OtpAlgorithm, digits: Digits) -> Result<Self, RandomError> {
        Generator::random(random, algorithm, digits).map(Self)
    }

    /// A secret that exists already.
    ///
    /// # Errors
    /// When it has fewer than 128 or more than 512 bits.
    pub fn from_bytes(secret: &[u8], algorithm: OtpAlgorithm, digits: Digits) -> Result<Self, SecretError> {
        Generator::new(secret, algorithm, digits).map(Self)
    }

    /// A secret as people type it: base32 (RFC 4648 §6) in either case, spaces, hyphens and padding allowed.
    ///
    /// # Errors
    /// When it is not base32, or has fewer than 128 or more than 512 bits.
    pub fn from_base32(text: &str, algorithm: OtpAlgorithm, digits: Digits) -> Result<Self, SecretError> {
        let bytes = base32::decode(text).ok_or(SecretError::NotBase32)?;
        Self::from_bytes(&bytes, algorithm, digits)
    }

    /// Reads an `otpauth://hotp/` URI, for import.
    ///
    /// # Errors
    /// A cause for each thing that can be wrong with it.
    pub fn from_otpauth_uri(uri: &str) -> Result<ImportedHotp, OtpauthError> {
        otpauth::read_hotp(uri)
    }

    /// Which counter to expect after this code: the one after the newest match among `counter` and the `window` counters that
    /// follow. Nothing if the code is wrong (RFC 4226 §7.2, §7.4).
    ///
    /// The caller stores the answer by compare-and-set before it lets anybody in: the code is then spent. All counters are
    /// compared, in constant time. A window of more than 100 is taken as 100.
    #[must_use]
    pub fn check(&self, code: &str, counter: u64, window: u16) -> Option<u64> {
        let last = counter.saturating_add(window.min(WIDEST_WINDOW).into());
        self.0.newest_match(code, counter..=last, None)?.checked_add(1)
    }

    /// Which counter to expect after two consecutive codes, looked for over a wider window (RFC 4226 §7.4): for a token that
    /// has run ahead further than [`HotpSecret::check`] looks. A window of more than 100 is taken as 100.
    #[must_use]
    pub fn resynchronise(&self, first: &str, second: &str, counter: u64, window: u16) -> Option<u64> {
        let last = counter.saturating_add(window.min(WIDEST_WINDOW).into());
        self.0.newest_pair((first, second), counter..=last, None)?.checked_add(2)
    }

    /// How many digits a code has.
    #[must_use]
    pub const fn digits(&self) -> Digits {
        self.0.digits()
    }

    /// The code of `counter`: for tests, and for programs that are the token.
    #[must_use]
    pub fn code(&self, counter: u64) -> SecretString {
        self.0.code(counter)
    }

    /// The secret in base32, upper case, without padding.
    #[must_use]
    pub fn base32(&self) -> SecretString {
        base32::encode(self.0.secret())
    }

    /// The secret for reading aloud and typing: base32 in groups of four.
    #[must_use]
    pub fn base32_grouped(&self) -> SecretString {
        base32::encode_grouped(self.0.secret())
    }

    /// The `otpauth://hotp/` URI that a QR code carries, starting at `counter`. It *is* the secret: show it once.
    #[must_use]
    pub fn otpauth_uri(&self, issuer: &str, account: &str, counter: u64) -> SecretString {
        otpauth::write_hotp(&self.0, issuer, account, counter)
    }

    /// The form for storage: serialise it into an *encrypted* record and nowhere else.
    #[must_use]
    pub fn to_stored(&self) -> StoredHotp {
        StoredHotp::new(&self.base32(), self.0.algorithm(), self.0.digits())
    }

    /// The secret of a stored form.
    ///
    /// # Errors
    /// When the stored secret or a parameter is out of range.
    pub fn from_stored(stored: &StoredHotp) -> Result<Self, SecretError> {
        Self::from_base32(stored.secret(), stored.algorithm(), stored.digits())
    }
}

impl fmt::Debug for HotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HotpSecret(..)")
    }
}
