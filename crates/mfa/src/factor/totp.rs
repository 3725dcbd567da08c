//! Codes of an authenticator app (RFC 6238).

use async_trait::async_trait;
use countersign_mfa_otp::{Drift, StoredTotp, TotpParameters, TotpSecret, normalise};
use countersign_primitives::{Amr, UnixTime};
use serde::{Deserialize, Serialize};

use super::{Challenge, Enrolled, Enrolment, Factor, FactorError, Method, Occasion, Prompt, Verdict, in_a_row};
use crate::Answer;

/// The name of the method.
pub(crate) const TOTP: &str = "totp";

/// Codes of an authenticator app (RFC 6238). Each counts once, the ones used at enrolment too.
///
/// A device whose clock is off is remembered with how far it is off, and its codes are looked for there (§6). One that is further
/// off than its window is found by two codes in a row, typed into the same field.
///
/// ```
/// use countersign_mfa::{Factor, Totp};
///
/// assert_eq!(Totp::new("Example").method().name(), "totp");
/// ```
#[derive(Debug, Clone)]
pub struct Totp {
    issuer: String,
    parameters: TotpParameters,
    max_drift: u8,
}

impl Totp {
    /// Codes for the service of this name, which the app shows beside them.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), parameters: TotpParameters::default(), max_drift: 10 }
    }

    /// Other parameters for the secrets made from now on. Default: SHA-1, six digits, 30 seconds, one step either side, which
    /// every app can do.
    #[must_use]
    pub fn parameters(mut self, parameters: TotpParameters) -> Self {
        self.parameters = parameters;
        self
    }

    /// How far the clock of a device may be off, in steps, and still be followed. Default: 10, which are five minutes; at most
    /// [`Drift::MOST`]. 0 follows none, and takes no two codes in a row. The window stays as wide as it was.
    #[must_use]
    pub fn max_drift(mut self, steps: u8) -> Self {
        self.max_drift = steps.min(Drift::MOST);
        self
    }

    /// What the state is after this answer, if it is right.
    fn after(&self, secret: &TotpSecret, code: &str, state: &TotpState, now: UnixTime) -> Option<(u64, Drift)> {
        let (here, most) = (secret.step_at(now), self.max_drift);
        if let Some(pair) = in_a_row(code, secret.parameters().digits()).filter(|_| most > 0) {
            let step = secret.resynchronise(pair, now, most, state.last_step)?;
            let off = i64::try_from(step).ok()?.checked_sub(i64::try_from(here).ok()?)?;
            return Some((step, Drift::of(off, most)));
        }
        let drift = state.drift.within(most);
        let step = secret.check_with_drift(code, now, drift.steps(), state.last_step)?;
        Some((step, drift.learn(step, here, most)))
    }
}

/// The seed, how far its device's clock is off, and the newest step of which a code was accepted: that one and all older ones
/// are spent (RFC 6238 §5.2), wherever the window moves.
#[derive(Debug, Serialize, Deserialize)]
struct TotpState {
    seed: StoredTotp,
    last_step: Option<u64>,
    #[serde(default)]
    drift: Drift,
}

impl TotpState {
    fn new(secret: &TotpSecret) -> Self {
        Self { seed: secret.to_stored(), last_step: None, drift: Drift::NONE }
    }
}

/// The state of a seed that another system made.
pub(crate) fn imported_totp(secret: &TotpSecret) -> impl Serialize {
    TotpState::new(secret)
}

#[async_trait]
impl Factor for Totp {
    fn method(&self) -> Method {
        Method::new(TOTP, "Authenticator app").amr([Amr::Otp])
    }

    async fn enrol(&self, at: &Occasion<'_>) -> Result<Enrolment, FactorError> {
        let secret = TotpSecret::generate_with(at.random(), self.parameters)?;
        let uri = secret.otpauth_uri(&self.issuer, at.account());
        let prompt = Prompt::authenticator_app(secret.base32_grouped().expose(), uri.expose());
        Enrolment::new(prompt, &TotpState::new(&secret))
    }

    async fn challenge(&self, _: &Occasion<'_>, enrolled: &Enrolled<'_>) -> Result<Challenge, FactorError> {
        let state: TotpState = enrolled.state()?;
        let secret = TotpSecret::from_stored(&state.seed).map_err(FactorError::state)?;
        Ok(Challenge::plain(Prompt::none().digits(secret.parameters().digits().get())))
    }

    async fn verify(
        &self,
        at: &Occasion<'_>,
        enrolled: &Enrolled<'_>,
        _: &Challenge,
        answer: &Answer,
    ) -> Result<Verdict, FactorError> {
        let state: TotpState = enrolled.state()?;
        let secret = TotpSecret::from_stored(&state.seed).map_err(FactorError::state)?;
        let Some(code) = answer.code_text() else { return Ok(Verdict::rejected()) };
        match self.after(&secret, normalise(code).expose(), &state, at.now()) {
            Some((step, drift)) => Verdict::spending(&TotpState { last_step: Some(step), drift, ..state }),
            None => Ok(Verdict::rejected()),
        }
    }
}
