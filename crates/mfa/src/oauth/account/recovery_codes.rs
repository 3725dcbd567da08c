//! Recovery codes: how many are left, and new ones.

use countersign_oauth_core::{Cause, Refusal};
use serde_json::{Value, json};

use super::factors::{failed, listed};
use super::{Done, Sent, Visit, seconds};
use crate::account_events::By;
use crate::authenticators::AuthenticatorsError;
use crate::step::Shown;

pub(super) async fn show(visit: &Visit<'_>) -> Result<Value, Refusal> {
    let listed = listed(visit).await?;
    let set = listed.iter().find(|one| one.codes_left.is_some());
    let has_factor = listed.iter().any(|one| one.codes_left.is_none());
    Ok(json!({
        "left": set.and_then(|set| set.codes_left),
        "since": set.map(|set| seconds(set.enrolled_at)),
        "may_renew": has_factor && visit.login().mfa.0.recovery.is_some(),
    }))
}

pub(super) async fn change(visit: &mut Visit<'_>, sent: &Sent) -> Result<Done, Refusal> {
    if sent.action != "renew" {
        return Err(Cause::MalformedParameters.into());
    }
    match visit.login().mfa.renew_recovery_codes_by(&visit.who, By::from(&visit.caller)).await {
        Ok(codes) => Ok(Done::Shown(json!({ "codes": codes.iter().map(Shown::expose).collect::<Vec<_>>() }))),
        // Who has no factor has nothing that they would stand in for.
        Err(
            AuthenticatorsError::NoFactor | AuthenticatorsError::NoSuchMethod(_) | AuthenticatorsError::FactorTooOld,
        ) => Ok(Done::Gone),
        Err(error) => Err(failed(error)),
    }
}
