use async_trait::async_trait;
use countersign_primitives::BoxError;

use crate::risk::{Finding, RiskSignal, RiskSituation};

/// `unusual_hour`, 10: the user signed in often, and never within two hours of this hour of the day. People travel and work late, so it
/// only tips the scales.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnusualHour;

impl UnusualHour {
    /// So many logins make a habit.
    const HABIT: u32 = 20;
    /// Hours that are near to an hour, before and after it.
    const NEAR: usize = 2;
}

#[async_trait]
impl RiskSignal for UnusualHour {
    fn name(&self) -> &str {
        "unusual_hour"
    }

    fn weight(&self) -> u8 {
        10
    }

    async fn look(&self, at: &RiskSituation<'_>) -> Result<Finding, BoxError> {
        let (hours, hour) = (at.hours(), at.hour());
        let all: u32 = hours.iter().copied().map(u32::from).sum();
        if all < Self::HABIT {
            return Ok(Finding::nothing("too few logins to know habits by"));
        }
        let near = (0..=2 * Self::NEAR).map(|step| (hour + 24 - Self::NEAR + step) % 24);
        let usual = near.into_iter().any(|near| hours[near] > 0);
        let why = format!("{hour}:00 UTC");
        Ok(if usual {
            Finding::nothing(why)
        } else {
            Finding::risk(format!("{why}, where the user never signed in at"))
        })
    }
}
