//! The rooms, and how much stands in each.

use countersign_oauth_core::Refusal;
use serde_json::{Value, json};

use super::{Visit, factors};

pub(super) async fn show(visit: &Visit<'_>) -> Result<Value, Refusal> {
    let account = visit.account();
    let authenticators = factors::listed(visit).await?;
    let codes = authenticators.iter().find_map(|one| one.codes_left);
    let factors = authenticators.iter().filter(|one| one.codes_left.is_none()).count();
    Ok(json!({
        "factors": factors,
        "recovery_codes": codes,
        "devices": account.devices().await?.len(),
        "sessions": account.sessions().await?.len(),
        "applications": account.applications().await?.len(),
    }))
}
