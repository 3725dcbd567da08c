use async_trait::async_trait;
use countersign_primitives::BoxError;

use crate::risk::{Finding, RiskSignal, RiskSituation};

/// `recent_failures`, 20: guesses at the account's password or codes failed within an hour, whoever made them.
#[derive(Debug, Clone, Copy)]
pub struct RecentFailures {
    failures: u32,
}

impl Default for RecentFailures {
    /// Five: nobody mistypes so often.
    fn default() -> Self {
        Self::after(5)
    }
}

impl RecentFailures {
    /// So many are too many.
    #[must_use]
    pub fn after(failures: u32) -> Self {
        Self { failures: failures.max(1) }
    }
}

#[async_trait]
impl RiskSignal for RecentFailures {
    fn name(&self) -> &str {
        "recent_failures"
    }

    fn weight(&self) -> u8 {
        20
    }

    async fn look(&self, at: &RiskSituation<'_>) -> Result<Finding, BoxError> {
        let failures = at.failures();
        let why = format!("{failures} guesses failed within an hour");
        Ok(if failures >= self.failures { Finding::risk(why) } else { Finding::nothing(why) })
    }
}
