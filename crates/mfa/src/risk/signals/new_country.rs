use async_trait::async_trait;
use countersign_primitives::BoxError;

use crate::risk::{Finding, Place, RiskSignal, RiskSituation, Seen};

/// `new_country`, 30: the user never signed in from the country of the address in the last 90 days, and did from others. Addresses of no
/// known country are a country of their own.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewCountry;

#[async_trait]
impl RiskSignal for NewCountry {
    fn name(&self) -> &str {
        "new_country"
    }

    fn weight(&self) -> u8 {
        30
    }

    async fn look(&self, at: &RiskSituation<'_>) -> Result<Finding, BoxError> {
        let place = at.place()?;
        let country = place.as_ref().and_then(Place::country).unwrap_or("no known country");
        Ok(match at.country() {
            Seen::Nothing => Finding::nothing(format!("{country}; there is nothing to compare with")),
            Seen::Before => Finding::nothing(format!("{country}, as before")),
            Seen::Never => Finding::risk(format!("{country}, where the user never signed in from")),
        })
    }
}
