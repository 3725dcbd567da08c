//! The refresh token grant (RFC 6749 §6), with rotation and a single successor (RFC 9700 §4.14.2).
//!
//! A refresh token has no record of its own. It names its grant and its generation and bears a tag that proves it was ours;
//! the grant keeps the hash of the current token and, while the grace lasts, of the one before, with the successor sealed
//! under a key that only the presented token holds. So a lost answer is made good with the same successor, while an old token
//! is known as reuse for ever, and a forged one can end nothing.

use std::time::Duration;

use countersign_events::{Event, EventKind};
use countersign_primitives::{Requirement, SecretString, SignedIn, UnixTime};
use countersign_storage_traits::{Batch, Found, Key};
use countersign_tokens::RefreshToken;
use serde_json::Map;

use super::{Conflict, Redemption, check_standing, grant_end, narrowed_resources, refresh_end};
use crate::config::Rotation;
use crate::extension::At;
use crate::records::{self, EndReason, GrantRecord, Previous, RefreshState};
use crate::{Cause, Params, Refusal, Resource, ScopeSet};

/// Exchanges a refresh token for new tokens.
pub(crate) async fn redeem(at: &At<'_>, form: &Params) -> Result<Redemption, Refusal> {
    let presented = form.get("refresh_token").ok_or(Cause::MissingParameter)?;
    let token = at.server.refresh_tokens().open(presented);
    let token = token.map_err(|error| Refusal::from(Cause::MalformedRefreshToken).source(error))?;
    let key = Key::root(records::GRANT, token.grant);
    let grant = at.server.store().find::<GrantRecord>(key, at.now).await?.ok_or(Cause::UnknownRefreshToken)?;
    if grant.value.client_id.as_str() != at.client.id() {
        return Err(Cause::RefreshTokenClient.into());
    }
    check_standing(at, &grant.value).await?;
    let who = at.server.as_vouched(at, grant.value.who()).await?;
    let scope = narrowed_scope(at, form, &grant.value, who.as_deref())?;
    let resources = resources_in_reach(at, form, &grant.value, who.as_deref())?;
    let required = owners_require(at, &scope);
    let turn = turn(at, &token, &grant).await?;

    let mut batch = Batch::new(token.grant, at.now, at.server.random())?;
    let mut next = grant.value.clone();
    let refresh_token = match turn {
        Turn::Rotate { state, successor } => {
            next.refresh = Some(state);
            batch.put_value(key, grant.unchanged(), grant_end(at, &next), &next)?;
            successor
        }
        // Nothing changes, but the grant must still be as it was read when the answer leaves.
        Turn::Again { successor } => {
            batch.check(key, grant.unchanged());
            successor
        }
        Turn::Keep { state } => {
            let ends = state.expires_at;
            next.refresh = Some(state);
            if ends.since(grant.expires_at) >= WORTH_NOTING {
                batch.put_value(key, grant.unchanged(), grant_end(at, &next), &next)?;
            } else {
                batch.check(key, grant.unchanged());
            }
            SecretString::new(presented)
        }
    };
    Ok(Redemption {
        grant_id: token.grant,
        grant: next,
        scope,
        resources,
        batch,
        refresh_token: Some(refresh_token),
        access_token: None,
        once: None,
        conflict: Conflict::Again,
        proofs_at: at.now,
        required,
        ends: UnixTime::MAX,
        by_login: false,
        members: Map::new(),
    })
}

/// What becomes of the presented token.
enum Turn {
    /// It is spent, and this is its successor.
    Rotate { state: RefreshState, successor: SecretString },
    /// It was spent moments ago, and its successor was not used yet: the same successor again.
    Again { successor: SecretString },
    /// It stays in use, for longer.
    Keep { state: RefreshState },
}

/// A token that stays is not noted again for less than this: parallel requests would contend for nothing.
const WORTH_NOTING: Duration = Duration::from_secs(60);

async fn turn(at: &At<'_>, token: &RefreshToken, grant: &Found<GrantRecord>) -> Result<Turn, Refusal> {
    let refresh_tokens = at.server.refresh_tokens();
    let state = grant.value.refresh.as_ref().ok_or(Cause::UnknownRefreshToken)?;
    let hash = refresh_tokens.hash(token);
    let expired = at.now >= state.expires_at;
    if token.generation == state.generation && state.hash.matches(&hash) {
        return match (expired, rotates(at)) {
            (true, _) => Err(Cause::UnknownRefreshToken.into()),
            (false, true) => rotate(at, token, state, &grant.value),
            (false, false) => {
                let expires_at = refresh_end(at, grant.value.started_at);
                Ok(Turn::Keep { state: RefreshState { expires_at, ..state.clone() } })
            }
        };
    }
    let previous = state.previous.as_ref().filter(|previous| previous.hash.matches(&hash));
    if let Some(previous) = previous.filter(|previous| !expired && at.now < previous.until) {
        let successor = refresh_tokens.open_successor(token, &previous.successor);
        let successor = successor.map_err(|error| Refusal::from(Cause::StoreFailed).source(error))?;
        return Ok(Turn::Again { successor: refresh_tokens.seal(&successor) });
    }
    // The tag is true and the token is not the current one: it was spent before.
    Err(reused(at, grant).await)
}

fn rotates(at: &At<'_>) -> bool {
    match at.server.config().preset_of(at.client).rotation {
        Rotation::Always => true,
        Rotation::PublicClients => at.client.is_public(),
    }
}

fn rotate(at: &At<'_>, token: &RefreshToken, state: &RefreshState, grant: &GrantRecord) -> Result<Turn, Refusal> {
    let refresh_tokens = at.server.refresh_tokens();
    let successor = token.successor(at.server.random())?;
    let sealed = refresh_tokens.seal_successor(token, &successor, at.server.random());
    let sealed = sealed.map_err(|error| Refusal::from(Cause::RandomFailed).source(error))?;
    let grace = at.server.config().preset().lifetimes.refresh_token_grace;
    let state = RefreshState {
        generation: successor.generation,
        hash: refresh_tokens.hash(&successor),
        expires_at: refresh_end(at, grant.started_at),
        previous: Some(Previous { hash: state.hash, successor: sealed, until: at.now.plus(grace) }),
    };
    Ok(Turn::Rotate { state, successor: refresh_tokens.seal(&successor) })
}

/// A spent token in an otherwise valid request: the whole grant ends.
async fn reused(at: &At<'_>, grant: &Found<GrantRecord>) -> Refusal {
    if let Err(refusal) = at.server.end_grant(at.client, grant, EndReason::RefreshTokenReused).await {
        return refusal;
    }
    let cause = Cause::RefreshTokenReused;
    let mut event = Event::new(EventKind::RefreshTokenReused, at.now).with_client_id(at.client.id());
    if let Some(who) = grant.value.who() {
        event = event.with_subject(who.subject());
    }
    at.server.event(&event.with_grant(grant.key.id).with_cause(cause.id(), cause.section()));
    cause.into()
}

/// The resources of the answer. One whose requirement the login no longer meets is left out when nobody asked for it by name; asked
/// for by name, or where none is left, it refuses the request, where requirements are checked for every grant (promise 8).
fn resources_in_reach(
    at: &At<'_>,
    form: &Params,
    grant: &GrantRecord,
    who: Option<&SignedIn>,
) -> Result<Vec<String>, Refusal> {
    let resources = narrowed_resources(at, form, grant)?;
    if form.get("resource").or(form.get("audience")).is_some() || resources.is_empty() {
        return Ok(resources);
    }
    let config = at.server.config();
    let met = |uri: &&String| {
        let requirement = config.resource(uri).map_or(&Requirement::NONE, Resource::requirement);
        is_met(at, who, requirement)
    };
    let left: Vec<String> = resources.iter().filter(met).cloned().collect();
    Ok(if left.is_empty() { resources } else { left })
}

fn is_met(at: &At<'_>, who: Option<&SignedIn>, requirement: &Requirement) -> bool {
    match who {
        Some(who) => requirement.met_by(who, at.server.config().acr_table(), at.now),
        None => requirement.is_none(),
    }
}

/// What the owners of these scopes require, whatever resources the token is for.
fn owners_require(at: &At<'_>, scope: &ScopeSet) -> Requirement {
    let config = at.server.config();
    let owners = scope.iter().flat_map(|token| config.owners(token));
    owners.fold(Requirement::NONE, |sum, owner| sum.and(owner.requirement(), config.acr_table()))
}

/// The scopes of the answer: those asked for, within the grant (RFC 6749 §6). A scope whose requirement the login no longer
/// meets, or that of the resource that owns it, is left out when nobody asked for it by name. When somebody did, or none is left, it
/// refuses the request, where requirements are checked for every grant (promise 8).
fn narrowed_scope(
    at: &At<'_>,
    form: &Params,
    grant: &GrantRecord,
    who: Option<&SignedIn>,
) -> Result<ScopeSet, Refusal> {
    let config = at.server.config();
    // A scope that this server no longer knows is no longer issued.
    let known = |token: &str| config.scope(token).is_some();
    let met = |token: &str| {
        config.scope(token).is_some_and(|scope| is_met(at, who, scope.requirement()))
            && config.owners(token).all(|resource| is_met(at, who, resource.requirement()))
    };
    let Some(asked) = form.get("scope") else {
        let left = grant.scope.filtered(met);
        let left = if left.is_empty() { grant.scope.filtered(known) } else { left };
        let nothing_left = left.is_empty() && !grant.scope.is_empty();
        return if nothing_left { Err(Cause::GrantRequirement.into()) } else { Ok(left) };
    };
    let asked = ScopeSet::parse(asked).map_err(|error| Refusal::from(Cause::Scope).source(error))?;
    if !asked.is_subset(&grant.scope) {
        return Err(Cause::Scope.into());
    }
    if asked.iter().all(known) { Ok(asked) } else { Err(Cause::GrantRequirement.into()) }
}
