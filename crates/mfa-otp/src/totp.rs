//! TOTP: codes from the time (RFC 6238).

use std::fmt;

use countersign_primitives::{Random, RandomError, SecretString, SystemRandom, UnixTime};

use crate::generator::Generator;
use crate::otpauth::{self, ImportedTotp, OtpauthError};
use crate::{Drift, SecretError, StoredTotp, TotpParameters, base32};

/// The secret shared with an authenticator app (RFC 6238).
///
/// It is wiped when dropped, redacted in `Debug`, and has no `Clone`, `PartialEq` or `Serialize`: [`TotpSecret::to_stored`] is
/// the one way into a record.
pub struct TotpSecret {
    generator: Generator,
    parameters: TotpParameters,
}

impl TotpSecret {
    /// A new secret of 160 bits (RFC 4226 §4, R6) from the operating system's randomness, with the default parameters.
    ///
    /// It can fail, for a system without randomness has no weaker source to fall back to.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> Result<Self, RandomError> {
        Self::generate_with(&SystemRandom, TotpParameters::default())
    }

    /// A new secret of 160 bits from `random`, with these parameters.
    ///
    /// # Errors
    /// When the source fails.
    pub fn generate_with(random: &dyn Random, parameters: TotpParameters) -> Result<Self, RandomError> {
        let generator = Generator::random(random, parameters.algorithm(), parameters.digits())?;
        Ok(Self { generator, parameters })
    }

    /// A secret that exists already.
    ///
    /// # Errors
    /// When it has fewer than 128 or more than 512 bits.
    pub fn from_bytes(secret: &[u8], parameters: TotpParameters) -> Result<Self, SecretError> {
        let generator = Generator::new(secret, parameters.algorithm(), parameters.digits())?;
        Ok(Self { generator, parameters })
    }

    /// A secret as people type it: base32 (RFC 4648 §6) in either case, spaces, hyphens and padding allowed.
    ///
    /// # Errors
    /// When it is not base32, or has fewer than 128 or more than 512 bits.
    pub fn from_base32(text: &str, parameters: TotpParameters) -> Result<Self, SecretError> {
        let bytes = base32::decode(text).ok_or(SecretError::NotBase32)?;
        Self::from_bytes(&bytes, parameters)
    }

    /// Reads an `otpauth://totp/` URI, for import.
    ///
    /// # Errors
    /// A cause for each thing that can be wrong with it.
    pub fn from_otpauth_uri(uri: &str) -> Result<ImportedTotp, OtpauthError> {
        otpauth::read_totp(uri)
    }

    /// Which step the code belongs to, if it is right now and newer than `last_step` (RFC 6238 §5.2).
    ///
    /// The caller stores the answer as the account's last step, by compare-and-set, before it lets anybody in; the code is then
    /// spent, and so is every older one. Codes used at enrolment count too. `last_step` is `None` only for a secret of which
    /// no code was ever accepted.
    ///
    /// The code must be exactly the digits: [`normalise`](crate::normalise) comes first. All steps of the window are compared,
    /// in constant time; where two share a code, the newest unused one is taken.
    ///
    /// ```
    /// use countersign_mfa_otp::{TotpParameters, TotpSecret};
    /// use countersign_primitives::UnixTime;
    ///
    /// # fn main() -> Result<(), countersign_mfa_otp::SecretError> {
    /// let secret = TotpSecret::from_bytes(b"12345678901234567890", TotpParameters::default())?;
    /// let now = UnixTime::from_secs(59);
    /// assert_eq!(secret.check("287082", now, None), Some(1));
    /// assert_eq!(secret.check("287082", now, Some(1)), None);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn check(&self, code: &str, now: impl Into<UnixTime>, last_step: Option<u64>) -> Option<u64> {
        self.check_with_drift(code, now, 0, last_step)
    }

    /// [`TotpSecret::check`] for a device whose clock is known to be `drift` steps ahead (or, if negative, behind).
    ///
    /// RFC 6238 §6: what is learnt of the device's clock is kept with it, and the window moves there. [`Drift`] learns it with
    /// care, so that a device that loses a second a day stays in step for years.
    ///
    /// ```
    /// use countersign_mfa_otp::{Drift, TotpParameters, TotpSecret};
    /// use countersign_primitives::UnixTime;
    ///
    /// # fn main() -> Result<(), countersign_mfa_otp::SecretError> {
    /// let secret = TotpSecret::from_bytes(b"12345678901234567890", TotpParameters::default())?;
    /// # let (now, last, drift) = (UnixTime::from_secs(59), None, Drift::NONE);
    /// if let Some(step) = secret.check_with_drift("287082", now, drift.steps(), last) {
    ///     let drift = drift.learn(step, secret.step_at(now), 10); // keep both: the step is spent
    /// #   assert_eq!(drift.steps(), 0);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn check_with_drift(
        &self,
        code: &str,
        now: impl Into<UnixTime>,
        drift: i32,
        last_step: Option<u64>,
    ) -> Option<u64> {
        let middle = self.step_at(now).saturating_add_signed(drift.into());
        let skew = u64::from(self.parameters.skew());
        let window = middle.saturating_sub(skew)..=middle.saturating_add(skew);
        self.generator.newest_match(code, window, last_step)
    }

    /// The step of the second of two codes in a row, looked for up to `most` steps either side: for a device whose clock is
    /// further off than its window (RFC 6238 §6, in the way of RFC 4226 §7.4). Both must be newer than `last_step`. The answer is
    /// spent as that of [`TotpSecret::check`] is; [`Drift::of`] its distance from [`TotpSecret::step_at`] is the device's.
    /// More than [`Drift::MOST`] steps are taken as that many.
    #[must_use]
    pub fn resynchronise(
        &self,
        (first, second): (&str, &str),
        now: impl Into<UnixTime>,
        most: u8,
        last_step: Option<u64>,
    ) -> Option<u64> {
        let (here, most) = (self.step_at(now), u64::from(most.min(Drift::MOST)));
        // The first code is one step older than the second, which the device shows now.
        let window = here.saturating_sub(most + 1)..=here.saturating_add(most).saturating_sub(1);
        self.generator.newest_pair((first, second), window, last_step)?.checked_add(1)
    }

    /// The step that `now` lies in: `T` of RFC 6238 §4.2.
    #[must_use]
    pub fn step_at(&self, now: impl Into<UnixTime>) -> u64 {
        now.into().as_secs() / u64::from(self.parameters.period()) // never zero: a period has five seconds at least
    }

    /// The code that an app shows at `now`: for tests, and for programs that are the app.
    #[must_use]
    pub fn code_at(&self, now: impl Into<UnixTime>) -> SecretString {
        self.generator.code(self.step_at(now))
    }

    /// Everything but the secret.
    #[must_use]
    pub const fn parameters(&self) -> TotpParameters {
        self.parameters
    }

    /// The secret for typing, in base32: upper case, without padding.
    #[must_use]
    pub fn base32(&self) -> SecretString {
        base32::encode(self.generator.secret())
    }

    /// The secret for reading aloud and typing: base32 in groups of four.
    #[must_use]
    pub fn base32_grouped(&self) -> SecretString {
        base32::encode_grouped(self.generator.secret())
    }

    /// The `otpauth://totp/` URI that a QR code carries. It *is* the secret: show it once, over TLS, and store it nowhere.
    ///
    /// `issuer` is what the app shows as the service, `account` the user's name there; neither should be empty. Both are
    /// percent-encoded as RFC 3986 has it: a space is `%20`, a colon `%3A`.
    #[must_use]
    pub fn otpauth_uri(&self, issuer: &str, account: &str) -> SecretString {
        otpauth::write_totp(&self.generator, self.parameters, issuer, account)
    }

    /// The form for storage: serialise it into an *encrypted* record and nowhere else.
    #[must_use]
    pub fn to_stored(&self) -> StoredTotp {
        StoredTotp::new(&self.base32(), self.parameters)
    }

    /// The secret of a stored form.
    ///
    /// # Errors
    /// When the stored secret or a parameter is out of range.
    pub fn from_stored(stored: &StoredTotp) -> Result<Self, SecretError> {
        Self::from_base32(stored.secret(), stored.parameters()?)
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(..)")
    }
}
