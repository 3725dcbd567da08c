//! What happened to the account of late.

use countersign_oauth_core::Refusal;
use serde_json::{Value, json};

use super::{Visit, seconds};

pub(super) async fn show(visit: &Visit<'_>) -> Result<Value, Refusal> {
    let listed = visit.account().events().await?;
    let events = listed.iter().map(|event| {
        json!({
            "at": seconds(event.at),
            "type": event.what.name(),
            "about": event.about,
            "browser": event.browser,
            "address": event.address,
        })
    });
    Ok(json!({ "events": events.collect::<Vec<_>>() }))
}
