use std::time::Duration;

use async_trait::async_trait;
use countersign_primitives::BoxError;

use crate::risk::{Coordinates, Finding, Place, RiskSignal, RiskSituation};

/// `impossible_travel`, 60: from where the user was last nobody comes here in this time. Half of it, where the user was somewhere
/// within a day and the address is nowhere.
#[derive(Debug, Clone, Copy)]
pub struct ImpossibleTravel {
    km_per_hour: u32,
}

impl Default for ImpossibleTravel {
    /// 1,000 km/h, faster than airliners are from door to door.
    fn default() -> Self {
        Self::faster_than(1_000)
    }
}

impl ImpossibleTravel {
    /// Kilometres that count as no travel: addresses are placed where their providers are.
    const NEAR_KM: f64 = 300.0;
    /// In this time anybody can be anywhere.
    const ANYWHERE: Duration = Duration::from_secs(86_400);

    /// Nobody travels faster than this.
    #[must_use]
    pub fn faster_than(km_per_hour: u32) -> Self {
        Self { km_per_hour }
    }
}

#[async_trait]
impl RiskSignal for ImpossibleTravel {
    fn name(&self) -> &str {
        "impossible_travel"
    }

    fn weight(&self) -> u8 {
        60
    }

    async fn look(&self, at: &RiskSituation<'_>) -> Result<Finding, BoxError> {
        let here = at.place()?.as_ref().and_then(Place::coordinates);
        let Some(last) = at.last_place() else { return Ok(Finding::nothing("there is nothing to compare with")) };
        // A clock that went back makes no time for travels.
        let passed = at.now().since(last.at);
        if passed >= Self::ANYWHERE {
            return Ok(Finding::nothing("the last login is a day or more ago"));
        }
        let Some(here) = here else {
            return Ok(Finding::share(50, "where the address is is not known, and was before"));
        };
        let far = here.distance_km(last.coordinates) - 2.0 * Coordinates::ROUNDING_KM;
        let minutes = passed.as_secs() / 60;
        let within_reach = f64::from(self.km_per_hour) * passed.as_secs_f64() / 3_600.0;
        if far <= Self::NEAR_KM || far <= within_reach {
            return Ok(Finding::nothing("within reach of the last login"));
        }
        Ok(Finding::risk(format!("{far:.0} km or more from a login {minutes} min ago")))
    }
}
