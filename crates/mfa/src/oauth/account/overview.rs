//! The rooms, and how much stands in each.

use countersign_oauth_core::Refusal;
use serde_json::{Value, json};

use super::{Visit, factors};

pub(super) async fn show(visit: &Visit<'_>) -> Result<Value, Refusal> {
    let (server, subject) = (visit.server(), visit.who.subject());
    let authenticators = factors::listed(visit).await?;
    let codes = authenticators.iter().find_map(|one| one.codes_left);
    let factors = authenticators.iter().filter(|one| one.codes_left.is_none()).count();
    let devices = visit.login().mfa.remembered_devices().list(subject).await.map_err(super::failed)?;
    Ok(json!({
        "factors": factors,
        "recovery_codes": codes,
        "devices": devices.len(),
        "sessions": server.sessions_of(subject).await?.len(),
        "applications": server.connections_of(subject).await?.len(),
    }))
}
