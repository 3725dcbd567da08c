//! Remembered devices: seen, and forgotten.

use countersign_oauth_core::{Cause, Refusal};
use serde_json::{Value, json};

use super::{Done, Sent, Visit, failed, seconds};

pub(super) async fn show(visit: &Visit<'_>) -> Result<Value, Refusal> {
    let inner = &visit.login().mfa.0;
    let listed = visit.login().mfa.remembered_devices().list(visit.who.subject()).await.map_err(failed)?;
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
    let (devices, subject) = (visit.login().mfa.remembered_devices(), visit.who.subject());
    match sent.action.as_str() {
        "forget" => {
            let Ok(id) = sent.id().parse() else { return Ok(Done::Gone) };
            let there = devices.forget(subject, id).await.map_err(failed)?;
            Ok(if there { Done::Yes("forgotten") } else { Done::Gone })
        }
        "forget_all" => {
            devices.forget_all(subject).await.map_err(failed)?;
            Ok(Done::Yes("all_forgotten"))
        }
        _ => Err(Cause::MalformedParameters.into()),
    }
}
