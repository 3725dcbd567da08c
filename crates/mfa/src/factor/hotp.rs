//! Codes of a hardware token with a button (RFC 4226).

use async_trait::async_trait;
use countersign_mfa_otp::{Digits, HotpSecret, OtpAlgorithm, StoredHotp, normalise};
use countersign_primitives::Amr;
use serde::{Deserialize, Serialize};

use super::{Challenge, Enrolled, Enrolment, Factor, FactorError, Method, Occasion, Prompt, Verdict, in_a_row};
use crate::Answer;

/// The name of the method.
pub(crate) const HOTP: &str = "hotp";

/// Codes of a token that counts the presses of its button (RFC 4226). Each counts once, and so does every one before it.
///
/// A token whose button was pressed idly is ahead of the server: a code is looked for among the next few counters. One that is
/// further ahead is found by two codes in a row, typed into the same field (§7.4). Guesses are limited as those at every factor
/// are ([`Limits`](crate::Limits), §7.3).
///
/// Users set it up by a QR code, as an authenticator app; seeds of tokens that were bought come by
/// [`Authenticators::import_hotp`](crate::Authenticators::import_hotp).
///
/// ```
/// use countersign_mfa::{Factor, Hotp};
///
/// assert_eq!(Hotp::new("Example").look_ahead(3).method().name(), "hotp");
/// ```
#[derive(Debug, Clone)]
pub struct Hotp {
    issuer: String,
    algorithm: OtpAlgorithm,
    digits: Digits,
    look_ahead: u16,
    resynchronisation: u16,
}

impl Hotp {
    /// Codes for the service of this name, which an app shows beside them.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            algorithm: OtpAlgorithm::default(),
            digits: Digits::default(),
            look_ahead: 5,
            resynchronisation: 100,
        }
    }

    /// How many digits the codes have whose secrets are made from now on. Default: six.
    #[must_use]
    pub fn digits(mut self, digits: Digits) -> Self {
        self.digits = digits;
        self
    }

    /// The hash function of the secrets made from now on. Default: SHA-1, the only one that RFC 4226 knows.
    #[must_use]
    pub fn algorithm(mut self, algorithm: OtpAlgorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// How many counters after the expected one a single code is looked for: 100 at most. Default: 5, since each makes a guess
    /// likelier (RFC 4226 §7.4).
    #[must_use]
    pub fn look_ahead(mut self, counters: u16) -> Self {
        self.look_ahead = counters;
        self
    }

    /// How many counters after the expected one two codes in a row are looked for: 100 at most. 0 for no resynchronisation.
    /// Default: 100; two codes are as hard to guess as one of twice the digits.
    #[must_use]
    pub fn resynchronisation(mut self, counters: u16) -> Self {
        self.resynchronisation = counters;
        self
    }

    /// The counter to expect after this answer, if it is right.
    fn next(&self, secret: &HotpSecret, code: &str, counter: u64) -> Option<u64> {
        match in_a_row(code, secret.digits()) {
            Some((first, second)) if self.resynchronisation > 0 => {
                secret.resynchronise(first, second, counter, self.resynchronisation)
            }
            _ => secret.check(code, counter, self.look_ahead),
        }
    }
}

/// The seed, and the counter that is expected next: all before it are spent (RFC 4226 §7.2).
#[derive(Debug, Serialize, Deserialize)]
struct HotpState {
    seed: StoredHotp,
    counter: u64,
}

/// The state of a seed that another system made.
pub(crate) fn imported_hotp(secret: &HotpSecret, counter: u64) -> impl Serialize {
    HotpState { seed: secret.to_stored(), counter }
}

#[async_trait]
impl Factor for Hotp {
    fn method(&self) -> Method {
        Method::new(HOTP, "Token with a button").amr([Amr::Otp])
    }

    async fn enrol(&self, at: &Occasion<'_>) -> Result<Enrolment, FactorError> {
        let secret = HotpSecret::generate_with(at.random(), self.algorithm, self.digits)?;
        let uri = secret.otpauth_uri(&self.issuer, at.account(), 0);
        let prompt = Prompt::authenticator_app(secret.base32_grouped().expose(), uri.expose());
        Enrolment::new(prompt, &HotpState { seed: secret.to_stored(), counter: 0 })
    }

    async fn challenge(&self, _: &Occasion<'_>, enrolled: &Enrolled<'_>) -> Result<Challenge, FactorError> {
        let state: HotpState = enrolled.state()?;
        let secret = HotpSecret::from_stored(&state.seed).map_err(FactorError::state)?;
        Ok(Challenge::plain(Prompt::none().digits(secret.digits().get())))
    }

    async fn verify(
        &self,
        _: &Occasion<'_>,
        enrolled: &Enrolled<'_>,
        _: &Challenge,
        answer: &Answer,
    ) -> Result<Verdict, FactorError> {
        let HotpState { seed, counter } = enrolled.state()?;
        let secret = HotpSecret::from_stored(&seed).map_err(FactorError::state)?;
        let Some(code) = answer.code_text() else { return Ok(Verdict::rejected()) };
        match self.next(&secret, normalise(code).expose(), counter) {
            Some(counter) => Verdict::spending(&HotpState { seed, counter }),
            None => Ok(Verdict::rejected()),
        }
    }
}
