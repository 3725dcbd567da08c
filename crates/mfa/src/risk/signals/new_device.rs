use async_trait::async_trait;
use countersign_primitives::BoxError;

use crate::risk::{DeviceSeen, Finding, RiskSignal, RiskSituation};

/// `new_device`, 35: the user never proved two factors with this browser, or not in the last 90 days, or factors or password changed
/// since. A browser is known by a cookie alone, never by what it says of itself; a client without a browser by its id and address.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewDevice;

#[async_trait]
impl RiskSignal for NewDevice {
    fn name(&self) -> &str {
        "new_device"
    }

    fn weight(&self) -> u8 {
        35
    }

    async fn look(&self, at: &RiskSituation<'_>) -> Result<Finding, BoxError> {
        Ok(match at.device() {
            DeviceSeen::TwoFactors => Finding::nothing("the user proved two factors with this browser before"),
            DeviceSeen::OneFactor => Finding::risk("with this browser the user proved one factor alone before"),
            DeviceSeen::Never => Finding::risk("the user did not sign in with this browser before"),
        })
    }
}
