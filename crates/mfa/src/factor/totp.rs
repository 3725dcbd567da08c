//! Codes of an authenticator app (RFC 6238).

use async_trait::async_trait;
use countersign_mfa_otp::{StoredTotp, TotpParameters, TotpSecret, normalise};
use countersign_primitives::Amr;
use serde::{Deserialize, Serialize};

use super::{Challenge, Enrolled, Enrolment, Factor, FactorError, Method, Occasion, Prompt, Verdict};
use crate::Answer;

/// Codes of an authenticator app (RFC 6238). Each counts once, the ones used at enrolment too.
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
}

impl Totp {
    /// Codes for the service of this name, which the app shows beside them.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), parameters: TotpParameters::default() }
    }

    /// Other parameters for the secrets made from now on. Default: SHA-1, six digits, 30 seconds, one step either side, which
    /// every app can do.
    #[must_use]
    pub fn parameters(mut self, parameters: TotpParameters) -> Self {
        self.parameters = parameters;
        self
    }
}

/// The seed, and the newest step of which a code was accepted: that one and all older ones are spent (RFC 6238 §5.2).
#[derive(Debug, Serialize, Deserialize)]
struct TotpState {
    seed: StoredTotp,
    last_step: Option<u64>,
}

/// The state of a seed that another system made.
pub(crate) fn imported_totp(secret: &TotpSecret) -> impl Serialize {
    TotpState { seed: secret.to_stored(), last_step: None }
}

#[async_trait]
impl Factor for Totp {
    fn method(&self) -> Method {
        Method::new("totp", "Authenticator app").amr([Amr::Otp])
    }

    async fn enrol(&self, at: &Occasion<'_>) -> Result<Enrolment, FactorError> {
        let secret = TotpSecret::generate_with(at.random(), self.parameters)?;
        let uri = secret.otpauth_uri(&self.issuer, at.account());
        let prompt = Prompt::authenticator_app(secret.base32_grouped().expose(), uri.expose());
        Enrolment::new(prompt, &TotpState { seed: secret.to_stored(), last_step: None })
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
        let TotpState { seed, last_step } = enrolled.state()?;
        let secret = TotpSecret::from_stored(&seed).map_err(FactorError::state)?;
        let Some(code) = answer.code_text() else { return Ok(Verdict::rejected()) };
        match secret.check(normalise(code).expose(), at.now(), last_step) {
            Some(step) => Verdict::spending(&TotpState { seed, last_step: Some(step) }),
            None => Ok(Verdict::rejected()),
        }
    }
}
