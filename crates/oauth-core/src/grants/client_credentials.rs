//! The client credentials grant (RFC 6749 §4.4): a client asks for itself, so there is no user, no refresh token, and no scope
//! that only a user can give.

use countersign_primitives::{Id, Requirement, UnixTime};
use countersign_storage_traits::{Batch, Expect, Key};
use serde_json::Map;

use super::{Conflict, Redemption, grant_end};
use crate::config::TokenFormat;
use crate::extension::At;
use crate::records::{self, GrantRecord};
use crate::{Cause, ClientId, Members, Params, Refusal, ScopeSet};

/// Scopes of OpenID Connect, which speak of a user who signed in.
const OF_USERS: [&str; 2] = ["openid", "offline_access"];

/// Checks what the client asks for, and makes a grant of it that yields this one token. It stands in no list: it ends within the
/// lifetime of an access token, and with its client at once.
pub(crate) fn redeem(at: &At<'_>, form: &Params) -> Result<Redemption, Refusal> {
    // RFC 6749 §4.4: the grant must only be used by clients that authenticate.
    if at.client.is_public() {
        return Err(Cause::UnauthorizedClient.into());
    }
    let client_id = ClientId::parse(at.client.id()).ok_or(Cause::UnknownClient)?;
    let config = at.server.config();
    let scope = scope(at, form)?;
    let audience = config.audience(&at.server.requested_resources(form)?, &scope);
    let id = at.server.random().id()?;
    let access_token = match config.token_format(at.client, &audience) {
        TokenFormat::Opaque => Some(at.server.new_access_token(id)?),
        TokenFormat::Jwt => None,
    };
    let grant = GrantRecord {
        client_id,
        client_instance: at.client.instance_id(),
        who: None,
        stated_acr: None,
        epoch: 0,
        scope,
        resources: audience,
        members: Members::default(),
        started_at: at.now,
        refreshable: false,
        code: None,
        refresh: None,
        ended: None,
        access_token: access_token.as_ref().map(|token| token.hash(at.server.crypto()).as_id()),
        indexes: Vec::new(),
    };
    Ok(Redemption {
        grant_id: id,
        scope: grant.scope.clone(),
        resources: grant.resources.clone(),
        batch: batch(at, id, &grant)?,
        refresh_token: None,
        access_token,
        once: None,
        conflict: Conflict::Again,
        proofs_at: at.now,
        required: Requirement::NONE,
        ends: UnixTime::MAX,
        by_login: false,
        members: Map::new(),
        grant,
    })
}

fn batch(at: &At<'_>, id: Id, grant: &GrantRecord) -> Result<Batch, Refusal> {
    let mut batch = Batch::new(id, at.now, at.server.random())?;
    batch.put_value(Key::root(records::GRANT, id), Expect::Absent, grant_end(at, grant), grant)?;
    Ok(batch)
}

/// The scopes asked for; where none are, all that the client's record names and that it may have for itself (RFC 6749 §3.3).
fn scope(at: &At<'_>, form: &Params) -> Result<ScopeSet, Refusal> {
    let for_itself = |token: &str| {
        let scope = at.server.config().scope(token);
        !OF_USERS.contains(&token) && scope.is_some_and(|scope| scope.requirement().is_none())
    };
    let Some(asked) = form.get("scope") else {
        return Ok(at.client.scopes().map(|own| own.filtered(for_itself)).unwrap_or_default());
    };
    let asked = at.server.requested_scope(Some(asked), at.client)?;
    if asked.iter().all(for_itself) { Ok(asked) } else { Err(Cause::UserScope.into()) }
}
