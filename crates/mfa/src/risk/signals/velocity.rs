use async_trait::async_trait;
use countersign_primitives::BoxError;

use crate::risk::{Finding, RiskSignal, RiskSituation};

/// `velocity`, 20: from the address (an IPv6 subscriber's /64) many accounts were tried within an hour, right or wrong: somebody tries
/// stolen passwords. An office behind one address looks alike, so it counts little. Loopback is not counted.
#[derive(Debug, Clone, Copy)]
pub struct Velocity {
    accounts: u32,
}

impl Default for Velocity {
    /// 20 accounts.
    fn default() -> Self {
        Self::of_accounts(20)
    }
}

impl Velocity {
    /// So many accounts are many.
    #[must_use]
    pub fn of_accounts(accounts: u32) -> Self {
        Self { accounts: accounts.max(1) }
    }
}

#[async_trait]
impl RiskSignal for Velocity {
    fn name(&self) -> &str {
        "velocity"
    }

    fn weight(&self) -> u8 {
        20
    }

    async fn look(&self, at: &RiskSituation<'_>) -> Result<Finding, BoxError> {
        let accounts = at.accounts_at_address();
        let why = format!("{accounts} accounts tried from the address within an hour");
        Ok(if accounts >= self.accounts { Finding::risk(why) } else { Finding::nothing(why) })
    }
}
