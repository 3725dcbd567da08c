use async_trait::async_trait;
use countersign_primitives::BoxError;

use crate::risk::{Finding, PasswordSeen, RiskSignal, RiskSituation};

/// `breached_password`, 40: the password that was typed is in lists of lost ones, as
/// [`PasswordPolicy::breached`](crate::PasswordPolicy::breached) says. Where that cannot be told, the signal fails.
#[derive(Debug, Clone, Copy, Default)]
pub struct BreachedPassword;

impl BreachedPassword {
    pub(crate) const NAME: &str = "breached_password";
}

/// The lists could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("whether the password was lost could not be told")]
struct Untold;

#[async_trait]
impl RiskSignal for BreachedPassword {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn weight(&self) -> u8 {
        40
    }

    async fn look(&self, at: &RiskSituation<'_>) -> Result<Finding, BoxError> {
        Ok(match at.password() {
            PasswordSeen::Lost => Finding::risk("the password was lost elsewhere"),
            PasswordSeen::NotLost => Finding::nothing("the password is in no list of lost ones"),
            PasswordSeen::Unasked => Finding::nothing("no password was typed"),
            PasswordSeen::Untold => return Err(Untold.into()),
        })
    }
}
