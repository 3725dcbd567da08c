use async_trait::async_trait;
use countersign_primitives::BoxError;

use crate::risk::{Finding, RiskSignal, RiskSituation};

/// `compromised`, 20: it was noted lately that somebody else may have got in ([`Mfa::report_compromise`](crate::Mfa::report_compromise)). Beside
/// what the policy asks of everybody for that time, it makes whatever else speaks against the login count sooner.
#[derive(Debug, Clone, Copy, Default)]
pub struct CompromisedAccount;

#[async_trait]
impl RiskSignal for CompromisedAccount {
    fn name(&self) -> &str {
        "compromised"
    }

    fn weight(&self) -> u8 {
        20
    }

    async fn look(&self, at: &RiskSituation<'_>) -> Result<Finding, BoxError> {
        Ok(match at.compromised() {
            Some(_) => Finding::risk("somebody else may have got in lately"),
            None => Finding::nothing("nothing was reported"),
        })
    }
}
