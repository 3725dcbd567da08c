//! The grants of the token endpoint: a file a grant, all shaped alike. Each checks everything and prepares a batch; none
//! commits, and none signs.

pub(crate) mod authorization_code;
mod client_credentials;
mod custom;
pub(crate) mod refresh_token;

use countersign_primitives::{Id, Requirement, SecretString, UnixTime};
use countersign_storage_traits::{Batch, Key};
use countersign_tokens::{Handle, RefreshToken};
use http::request::Parts;
use serde_json::{Map, Value};

use crate::extension::At;
use crate::records::{GrantRecord, RefreshState};
use crate::{Cause, Params, Refusal, ScopeSet};

/// The grants of the core's own, by their `grant_type`.
pub(crate) const BUILT_IN: [&str; 3] = ["authorization_code", "refresh_token", "client_credentials"];

/// A grant that was checked and is ready to be issued: nothing is spent yet.
pub(crate) struct Redemption {
    pub(crate) grant_id: Id,
    pub(crate) grant: GrantRecord,
    /// What the tokens of this answer may do: the grant's scopes, or fewer.
    pub(crate) scope: ScopeSet,
    /// The resources that this answer's access token is for.
    pub(crate) resources: Vec<String>,
    /// What is spent and made, in the grant's partition.
    pub(crate) batch: Batch,
    pub(crate) refresh_token: Option<SecretString>,
    /// An opaque access token that stands in the grant's own record already.
    pub(crate) access_token: Option<Handle>,
    /// Something that serves once, filed in a partition of its own before the batch.
    pub(crate) once: Option<(Key, UnixTime)>,
    /// What a conflict of the batch means.
    pub(crate) conflict: Conflict,
    /// Requirements with an age are measured against this time.
    pub(crate) proofs_at: UnixTime,
    /// What is required beside what scopes and resources of the answer are.
    pub(crate) required: Requirement,
    /// The access token ends then, if not before.
    pub(crate) ends: UnixTime,
    /// The user signed in for this very grant.
    pub(crate) by_login: bool,
    /// Further members of the answer.
    pub(crate) members: Map<String, Value>,
}

/// What it means that another writer was first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// The code was spent: this request is a replay.
    CodeReplay,
    /// The record moved on: read it again and judge anew.
    Again,
}

/// Checks a token request by its grant.
pub(crate) async fn redeem(
    at: &At<'_>,
    grant_type: &str,
    (parts, form): (&Parts, &Params),
) -> Result<Redemption, Refusal> {
    match grant_type {
        "authorization_code" => authorization_code::redeem(at, form).await,
        "refresh_token" => refresh_token::redeem(at, form).await,
        "client_credentials" => client_credentials::redeem(at, form),
        other => custom::redeem(at, other, (parts, form)).await,
    }
}

/// The resources that an access token shall be for (RFC 8707 §2.2): those of the request, within those of the grant.
fn narrowed_resources(at: &At<'_>, form: &Params, grant: &GrantRecord) -> Result<Vec<String>, Refusal> {
    let asked = at.server.requested_resources(form)?;
    if asked.is_empty() {
        return Ok(grant.resources.clone());
    }
    let open = at.server.config().audience(&grant.resources, &grant.scope);
    if asked.iter().all(|resource| open.contains(resource)) { Ok(asked) } else { Err(Cause::Target.into()) }
}

/// Whether everything that a grant rests on still stands: the subject's epoch, the account, the client's instance, and the session
/// of a grant without `offline_access` (promise 12).
pub(crate) async fn check_standing(at: &At<'_>, grant: &GrantRecord) -> Result<(), Refusal> {
    if grant.ended.is_some() || grant.client_instance != at.client.instance_id() {
        return Err(Cause::GrantEnded.into());
    }
    let Some(who) = grant.who() else { return Ok(()) };
    let footing = at.server.footing(who.subject(), grant).await?;
    if footing.session_ended {
        return Err(Cause::SessionEnded.into());
    }
    if footing.withdrawn || footing.epoch != grant.epoch || !at.server.is_usable(who.subject()).await? {
        return Err(Cause::GrantEnded.into());
    }
    Ok(())
}

/// When a grant's record may go: after the last token that could be issued or used under it.
pub(crate) fn grant_end(at: &At<'_>, grant: &GrantRecord) -> UnixTime {
    let tokens_end = at.now.plus(at.server.config().preset().lifetimes.access_token);
    grant.refresh.as_ref().map_or(tokens_end, |refresh| refresh.expires_at.max(tokens_end))
}

/// When a refresh token that is issued or used now ends: idle for too long, at the latest at an end that no use moves.
fn refresh_end(at: &At<'_>, started_at: UnixTime) -> UnixTime {
    let lifetimes = &at.server.config().preset().lifetimes;
    at.now.plus(lifetimes.refresh_token_idle).min(started_at.plus(lifetimes.refresh_token_absolute))
}

/// The first refresh token of a grant, where it has one.
fn first_refresh_token(at: &At<'_>, id: Id, grant: &mut GrantRecord) -> Result<Option<SecretString>, Refusal> {
    if !grant.refreshable {
        return Ok(None);
    }
    let token = RefreshToken::first(id, at.server.random())?;
    grant.refresh = Some(RefreshState {
        generation: token.generation,
        hash: at.server.refresh_tokens().hash(&token),
        expires_at: refresh_end(at, grant.started_at),
        previous: None,
    });
    Ok(Some(at.server.refresh_tokens().seal(&token)))
}
