//! Factors: set up ([`super::sign_in::add`]), named, and taken away.

use countersign_oauth_core::{Cause, Refusal};
use serde_json::{Value, json};

use super::{Done, LONGEST_LABEL, Sent, Visit, seconds};
use crate::authenticators::{AuthenticatorInfo, AuthenticatorsError};

pub(super) async fn listed(visit: &Visit<'_>) -> Result<Vec<AuthenticatorInfo>, Refusal> {
    visit.account().factors().await.map_err(failed)
}

pub(super) async fn show(visit: &Visit<'_>) -> Result<Value, Refusal> {
    let listed = listed(visit).await?;
    let factors = listed.iter().filter(|one| one.codes_left.is_none()).map(|one| {
        json!({
            "id": one.id.to_string(),
            "type": one.id.method(),
            "name": one.title,
            "label": one.label,
            "to": one.to,
            "since": seconds(one.enrolled_at),
            "last_used": one.last_used.map(seconds),
        })
    });
    Ok(json!({
        "factors": factors.collect::<Vec<_>>(),
        "fresh": visit.is_fresh().await?,
        "may_add": visit.may_add(listed.len()).await?,
    }))
}

pub(super) async fn change(visit: &mut Visit<'_>, sent: &Sent) -> Result<Done, Refusal> {
    let Ok(id) = sent.id().parse() else { return Ok(Done::Gone) };
    let account = visit.account();
    match sent.action.as_str() {
        "rename" => {
            let label = sent.label.as_deref().unwrap_or_default().trim();
            if label.chars().count() > LONGEST_LABEL || label.chars().any(char::is_control) {
                return Ok(Done::Wrong("invalid"));
            }
            let label = Some(label).filter(|label| !label.is_empty());
            let there = account.rename_factor(&id, label).await.map_err(failed)?;
            Ok(if there { Done::Yes("renamed") } else { Done::Gone })
        }
        "remove" => {
            if !account.remove_factor(&id).await.map_err(failed)? {
                return Ok(Done::Gone);
            }
            // Sessions and grants that may rest on it have ended; whoever took it away goes on.
            visit.keep_session().await?;
            Ok(Done::Yes("removed"))
        }
        _ => Err(Cause::MalformedParameters.into()),
    }
}

pub(super) fn failed(error: AuthenticatorsError) -> Refusal {
    match error {
        AuthenticatorsError::Contended => Cause::Contention.into(),
        AuthenticatorsError::Store(error) => error.into(),
        error => Refusal::from(Cause::StoreFailed).source(error),
    }
}
