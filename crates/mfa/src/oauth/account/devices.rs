//! Remembered devices: seen, and forgotten.

use countersign_oauth_core::{Cause, Refusal};
use serde_json::{Value, json};

use super::{Done, Sent, Visit, seconds};

pub(super) async fn show(visit: &Visit<'_>) -> Result<Value, Refusal> {
    let inner = &visit.login().mfa.0;
    let listed = visit.account().devices().await?;
    let here = inner.known_devices(visit.who.subject(), &visit.caller);
    let devices = listed.iter().map(|device| {
        json!({
            "id": device.id.to_string(),
            "browser": device.browser,
            "address": device.address,
            "since": seconds(device.since),
            "last_used": seconds(device.last_used),
            "until": seconds(device.until),
            "here": here.contains(&device.id),
        })
    });
    Ok(json!({ "devices": devices.collect::<Vec<_>>() }))
}

pub(super) async fn change(visit: &mut Visit<'_>, sent: &Sent) -> Result<Done, Refusal> {
    let account = visit.account();
    match sent.action.as_str() {
        "forget" => {
            let Ok(id) = sent.id().parse() else { return Ok(Done::Gone) };
            let there = account.forget_device(id).await?;
            Ok(if there { Done::Yes("forgotten") } else { Done::Gone })
        }
        "forget_all" => {
            account.forget_devices().await?;
            Ok(Done::Yes("all_forgotten"))
        }
        _ => Err(Cause::MalformedParameters.into()),
    }
}
