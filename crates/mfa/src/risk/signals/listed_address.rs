use async_trait::async_trait;
use countersign_primitives::BoxError;

use super::by_list;
use crate::risk::{AddressList, Finding, RiskSignal, RiskSituation};

/// `listed_address`, 60: the address stands on a list of bad ones, which the host supplies. So does one that is not known.
#[derive(Debug, Clone)]
pub struct ListedAddress(AddressList);

impl ListedAddress {
    /// By this list.
    #[must_use]
    pub fn new(list: AddressList) -> Self {
        Self(list)
    }
}

#[async_trait]
impl RiskSignal for ListedAddress {
    fn name(&self) -> &str {
        "listed_address"
    }

    fn weight(&self) -> u8 {
        60
    }

    async fn look(&self, at: &RiskSituation<'_>) -> Result<Finding, BoxError> {
        Ok(by_list(&self.0, at, "the address stands on the list of bad ones", "the address stands on no list"))
    }
}
