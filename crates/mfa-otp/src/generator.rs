//! The engine of HOTP and TOTP alike: TOTP is HOTP over a counter of time steps (RFC 6238 §4.2).

use std::ops::RangeInclusive;

use countersign_primitives::{Random, RandomError, SecretString};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater};
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

use crate::{Digits, OtpAlgorithm};

/// The fewest bytes of a secret: 128 bits (RFC 4226 §4, R6).
const SHORTEST_SECRET: usize = 16;
/// The most bytes of a secret: the output of SHA-512, the longest that RFC 6238 §5.1 asks for.
const LONGEST_SECRET: usize = 64;
/// The bytes of a secret made here: 160 bits, recommended by RFC 4226 §4, R6.
const GENERATED_SECRET: usize = 20;

/// Takes out what people type between digits: white space and hyphens. Nothing else changes; digits of other scripts
/// are not turned into ASCII, and the check refuses them.
///
/// Call it at the edge, where the form is read. The checks themselves want exactly the digits.
///
/// ```
/// assert_eq!(countersign_mfa_otp::normalise(" 492 039 ").expose(), "492039");
/// ```
#[must_use]
pub fn normalise(typed: &str) -> SecretString {
    let mut kept = String::with_capacity(typed.len());
    kept.extend(typed.chars().filter(|character| !is_separator(*character)));
    SecretString::new(kept)
}

/// White space, the hyphen and the dashes that keyboards make of it.
pub(crate) fn is_separator(character: char) -> bool {
    character.is_whitespace() || matches!(character, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// A secret ready to compute codes: wiped when dropped.
pub(crate) struct Generator {
    /// A "TOTP" of one-second steps: its time *is* the counter.
    hmac: Totp,
    algorithm: OtpAlgorithm,
    digits: Digits,
}

impl Generator {
    pub(crate) fn new(secret: &[u8], algorithm: OtpAlgorithm, digits: Digits) -> Result<Self, SecretError> {
        if secret.len() < SHORTEST_SECRET {
            return Err(SecretError::TooShort);
        }
        if secret.len() > LONGEST_SECRET {
            return Err(SecretError::TooLong);
        }
        Ok(Self::of_checked(secret, algorithm, digits))
    }

    /// A generator of a new random secret.
    pub(crate) fn random(random: &dyn Random, algorithm: OtpAlgorithm, digits: Digits) -> Result<Self, RandomError> {
        let mut secret = Zeroizing::new([0; GENERATED_SECRET]);
        random.fill(&mut *secret)?;
        Ok(Self::of_checked(&*secret, algorithm, digits))
    }

    fn of_checked(secret: &[u8], algorithm: OtpAlgorithm, digits: Digits) -> Self {
        let hash = match algorithm {
            OtpAlgorithm::Sha1 => Algorithm::SHA1,
            OtpAlgorithm::Sha256 => Algorithm::SHA256,
            OtpAlgorithm::Sha512 => Algorithm::SHA512,
        };
        let hmac = Builder::new()
            .with_secret(secret)
            .with_algorithm(hash)
            .with_digits(digits.get())
            .with_step_duration(1)
            .build_noncompliant(); // "noncompliant" leaves out its own checks; ours are above
        Self { hmac, algorithm, digits }
    }

    pub(crate) fn secret(&self) -> &[u8] {
        self.hmac.secret().as_bytes()
    }

    pub(crate) const fn algorithm(&self) -> OtpAlgorithm {
        self.algorithm
    }

    pub(crate) const fn digits(&self) -> Digits {
        self.digits
    }

    /// The code at `counter` as a number (RFC 4226 §5.3).
    fn value(&self, counter: u64) -> u32 {
        truncate(self.hmac.sign(counter).as_ref()) % self.digits.modulus()
    }

    /// The code at `counter` as it is shown, with leading zeros.
    pub(crate) fn code(&self, counter: u64) -> SecretString {
        let width = usize::from(self.digits.get());
        SecretString::new(format!("{:0width$}", self.value(counter)))
    }

    /// The newest counter of `window` whose code this is and which is greater than `after`.
    ///
    /// Every counter is computed and compared, matching or not, so the time tells neither whether nor where one matched.
    /// Where two share a code the newest is taken: the older would leave the same code good for the other.
    pub(crate) fn newest_match(&self, code: &str, window: RangeInclusive<u64>, after: Option<u64>) -> Option<u64> {
        let given = self.read(code)?;
        let unbounded = Choice::from(u8::from(after.is_none()));
        let after = after.unwrap_or(0);
        let mut matched = Choice::from(0);
        let mut newest = 0_u64;
        for counter in window {
            let hit = self.value(counter).ct_eq(&given) & (counter.ct_gt(&after) | unbounded);
            newest.conditional_assign(&counter, hit);
            matched |= hit;
        }
        bool::from(matched).then_some(newest)
    }

    /// The newest counter of `window` greater than `after` whose code is `first` while the next one's is `second`. Compares all,
    /// as above.
    pub(crate) fn newest_pair(
        &self,
        (first, second): (&str, &str),
        window: RangeInclusive<u64>,
        after: Option<u64>,
    ) -> Option<u64> {
        let (first, second) = (self.read(first)?, self.read(second)?);
        let unbounded = Choice::from(u8::from(after.is_none()));
        let after = after.unwrap_or(0);
        let mut matched = Choice::from(0);
        let mut newest = 0_u64;
        let mut value = self.value(*window.start());
        for counter in window {
            let next = self.value(counter.checked_add(1)?);
            let hit = value.ct_eq(&first) & next.ct_eq(&second) & (counter.ct_gt(&after) | unbounded);
            newest.conditional_assign(&counter, hit);
            matched |= hit;
            value = next;
        }
        bool::from(matched).then_some(newest)
    }

    /// Exactly as many ASCII digits as a code has; the time depends on the caller's text alone.
    fn read(&self, code: &str) -> Option<u32> {
        let digits = code.as_bytes();
        if digits.len() != usize::from(self.digits.get()) || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
    }
}

/// Dynamic truncation to 31 bits (RFC 4226 §5.3). The MACs have 20, 32 or 64 bytes and the offset is at most 15.
fn truncate(mac: &[u8]) -> u32 {
    let offset = usize::from(mac.last().map_or(0, |last| last & 0x0f));
    let chosen = mac.iter().skip(offset).take(4);
    chosen.fold(0, |value, byte| (value << 8) | u32::from(*byte)) & 0x7fff_ffff
}

/// Why a secret was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Fewer than 128 bits (RFC 4226 §4, R6).
    #[error("the secret has fewer than 128 bits")]
    TooShort,
    /// More than 512 bits, the most that any of the hash functions asks for (RFC 6238 §5.1).
    #[error("the secret has more than 512 bits")]
    TooLong,
    /// Not base32 (RFC 4648 §6).
    #[error("the secret is not base32")]
    NotBase32,
    /// One of the parameters stored with the secret is out of range.
    #[error("a parameter of the secret is out of range")]
    Parameter(#[from] crate::ParameterError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generator(digits: Digits) -> Generator {
        Generator::new(b"12345678901234567890", OtpAlgorithm::Sha1, digits).unwrap()
    }

    #[test]
    fn rfc4226_5_4_example_of_truncation() {
        let mac = [
            0x1f, 0x86, 0x98, 0x69, 0x0e, 0x02, 0xca, 0x16, 0x61, 0x85, 0x50, 0xef, 0x7f, 0x19, 0xda, 0x8e, 0x94, 0x5b,
            0x55, 0x5a,
        ];
        assert_eq!(truncate(&mac), 0x50ef_7f19);
        assert_eq!(truncate(&mac) % Digits::SIX.modulus(), 872_921);
    }

    #[test]
    fn every_counter_of_the_window_is_a_candidate_and_the_newest_wins() {
        let generator = generator(Digits::SIX);
        let code = generator.code(7);
        assert_eq!(generator.newest_match(code.expose(), 5..=9, None), Some(7));
        assert_eq!(generator.newest_match(code.expose(), 7..=7, Some(6)), Some(7));
        assert_eq!(generator.newest_match(code.expose(), 5..=9, Some(7)), None);
        assert_eq!(generator.newest_match(code.expose(), 8..=9, None), None);
    }

    #[test]
    fn counter_zero_is_a_match_like_any_other() {
        let generator = generator(Digits::SIX);
        assert_eq!(generator.newest_match(generator.code(0).expose(), 0..=1, None), Some(0));
        assert_eq!(generator.newest_match(generator.code(0).expose(), 0..=1, Some(0)), None);
    }

    #[test]
    fn secrets_of_the_wrong_length_are_refused() {
        let made = |length| Generator::new(&vec![1; length], OtpAlgorithm::Sha1, Digits::SIX).err();
        assert_eq!(made(15), Some(SecretError::TooShort));
        assert_eq!(made(65), Some(SecretError::TooLong));
        assert_eq!((made(16), made(64)), (None, None));
    }

    #[test]
    fn normalising_leaves_what_is_not_a_separator() {
        assert_eq!(normalise("123\u{a0}456").expose(), "123456");
        assert_eq!(normalise("123\u{2013}456\t").expose(), "123456");
        assert_eq!(normalise("12a,4٥6").expose(), "12a,4٥6");
    }
}
