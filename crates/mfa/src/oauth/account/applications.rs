//! Applications that were let in: seen, and disconnected.

use countersign_oauth_core::{Cause, Refusal};
use serde_json::{Value, json};

use super::{Done, Sent, Visit, seconds};

pub(super) async fn show(visit: &Visit<'_>) -> Result<Value, Refusal> {
    let config = visit.server().config();
    let listed = visit.account().applications().await?;
    let applications = listed.iter().map(|one| {
        let scopes = one.scope.iter().map(|token| {
            let description = config.scope(token).map(|scope| scope.description().to_owned());
            json!({ "scope": token, "description": description })
        });
        json!({
            "id": one.client_id,
            "name": one.name,
            "uri": one.uri,
            "scopes": scopes.collect::<Vec<_>>(),
            "since": seconds(one.since),
            "active": one.is_active,
        })
    });
    Ok(json!({ "applications": applications.collect::<Vec<_>>() }))
}

pub(super) async fn change(visit: &mut Visit<'_>, sent: &Sent) -> Result<Done, Refusal> {
    if sent.action != "disconnect" {
        return Err(Cause::MalformedParameters.into());
    }
    let there = visit.account().disconnect(sent.id()).await?;
    Ok(if there { Done::Yes("disconnected") } else { Done::Gone })
}
