//! Sessions: seen, and ended.

use countersign_oauth_core::{Cause, Refusal};
use serde_json::{Value, json};

use super::{Done, Sent, Visit, seconds};

pub(super) async fn show(visit: &Visit<'_>) -> Result<Value, Refusal> {
    let listed = visit.account().sessions().await?;
    let sessions = listed.iter().map(|session| {
        json!({
            "id": session.id.as_str(),
            "browser": session.browser,
            "address": session.address,
            "since": seconds(session.began_at),
            "last_used": seconds(session.seen_at),
            "here": visit.who.session_id() == Some(&session.id),
        })
    });
    Ok(json!({ "sessions": sessions.collect::<Vec<_>>() }))
}

pub(super) async fn change(visit: &mut Visit<'_>, sent: &Sent) -> Result<Done, Refusal> {
    let account = visit.account();
    match sent.action.as_str() {
        "end" => {
            let there = account.end_session(&sent.id().into()).await?;
            Ok(if there { Done::Yes("session_ended") } else { Done::Gone })
        }
        "end_others" => {
            account.end_other_sessions(visit.who.session_id()).await?;
            Ok(Done::Yes("sessions_ended"))
        }
        // Somebody else is signed in: everything ends, this session too, and the next login proves a factor.
        "not_me" => {
            account.not_me().await?;
            Ok(Done::SignedOut)
        }
        _ => Err(Cause::MalformedParameters.into()),
    }
}
