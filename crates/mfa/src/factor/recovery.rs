//! Recovery codes: a printed list for the day that every other factor is lost (NIST SP 800-63B-4 §3.1.2).

use std::sync::Arc;

use async_trait::async_trait;
use countersign_mfa_otp::{RecoveryCode, RecoveryCodeHash, RecoveryCodes};
use countersign_primitives::{Amr, Random, Subject};
use serde::{Deserialize, Serialize};

use super::{Challenge, Enrolled, Enrolment, Factor, FactorError, Method, Occasion, Prompt, State, Verdict};
use crate::Answer;
use crate::keys::Keys;
use crate::step::Shown;

/// The method's name.
pub(crate) const RECOVERY_CODE: &str = "recovery_code";

/// Recovery codes. No host plugs them in and nobody enrols them: they come with the first factor.
#[derive(Debug)]
pub(crate) struct RecoveryFactor {
    pub(crate) keys: Arc<Keys>,
    pub(crate) count: u8,
}

/// The codes that are left, each as a keyed hash bound to its owner. A used one is gone.
#[derive(Debug, Serialize, Deserialize)]
struct RecoveryState {
    left: Vec<RecoveryCodeHash>,
}

impl RecoveryFactor {
    /// A new set, to be shown once, and what is kept of it.
    pub(crate) fn generate(&self, random: &dyn Random, subject: &Subject) -> Result<(Vec<Shown>, State), FactorError> {
        let codes = RecoveryCodes::generate(random, self.count)?;
        let left = codes.hashes(self.keys.codes(), subject.as_str().as_bytes());
        Ok((codes.iter().map(|code| Shown::new(code.expose())).collect(), State::write(&RecoveryState { left })?))
    }

    /// How many codes are left.
    pub(crate) fn left(state: &State) -> Result<usize, FactorError> {
        state.read().map(|RecoveryState { left }| left.len())
    }
}

#[async_trait]
impl Factor for RecoveryFactor {
    /// Of the values of RFC 8176 `otp` says best what such a code is: a password that works once. `kba` would say that the
    /// user knows it, which nobody does: it is read from paper, and so proves possession (a look-up secret of NIST).
    fn method(&self) -> Method {
        Method::new(RECOVERY_CODE, "Recovery code").amr([Amr::Otp]).backup()
    }

    async fn enrol(&self, _: &Occasion<'_>) -> Result<Enrolment, FactorError> {
        Err(FactorError::state("recovery codes come with the first factor"))
    }

    /// Where a code that is used is replaced, its successor is drawn here, so that the answer may be repeated.
    async fn challenge(&self, at: &Occasion<'_>, _: &Enrolled<'_>) -> Result<Challenge, FactorError> {
        if !at.replaces_codes {
            return Ok(Challenge::plain(Prompt::none()));
        }
        let code = RecoveryCode::generate(at.random())?;
        let hash = code.hash(self.keys.codes(), at.subject().as_str().as_bytes());
        Ok(Challenge { gives: Some(Shown::new(code.expose())), ..Challenge::new(Prompt::none(), &hash)? })
    }

    async fn verify(
        &self,
        at: &Occasion<'_>,
        enrolled: &Enrolled<'_>,
        challenge: &Challenge,
        answer: &Answer,
    ) -> Result<Verdict, FactorError> {
        let RecoveryState { mut left } = enrolled.state()?;
        let Some(code) = answer.code_text() else { return Ok(Verdict::rejected()) };
        let context = at.subject().as_str().as_bytes();
        match RecoveryCodeHash::find(&left, self.keys.codes(), context, code) {
            Some(position) => {
                left.remove(position);
                left.extend(challenge.state::<Option<RecoveryCodeHash>>()?);
                Verdict::spending(&RecoveryState { left })
            }
            None => Ok(Verdict::rejected()),
        }
    }
}
