use async_trait::async_trait;
use countersign_primitives::BoxError;

use super::by_list;
use crate::risk::{AddressList, Finding, RiskSignal, RiskSituation};

/// `anonymous_network`, 30: the address is an exit of an anonymous network (Tor, open proxies, VPNs), by a list that the host supplies.
/// So is one that is not known. Many who use them have good reasons: it asks for a second factor and no more.
#[derive(Debug, Clone)]
pub struct AnonymousNetwork(AddressList);

impl AnonymousNetwork {
    /// By this list.
    #[must_use]
    pub fn new(list: AddressList) -> Self {
        Self(list)
    }
}

#[async_trait]
impl RiskSignal for AnonymousNetwork {
    fn name(&self) -> &str {
        "anonymous_network"
    }

    fn weight(&self) -> u8 {
        30
    }

    async fn look(&self, at: &RiskSituation<'_>) -> Result<Finding, BoxError> {
        Ok(by_list(&self.0, at, "the address is an exit of an anonymous network", "no exit of an anonymous network"))
    }
}
