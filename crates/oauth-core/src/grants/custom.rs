//! Grants that extensions and hosts bring (RFC 6749 §4.5): they say for whom, the engine does the rest.

use countersign_primitives::{Requirement, UnixTime};
use countersign_storage_traits::{Batch, Expect, Key};
use http::request::Parts;

use super::{Conflict, Redemption, first_refresh_token, grant_end, narrowed_resources};
use crate::extension::{At, GrantRequest};
use crate::records::{self, GrantRecord, index};
use crate::{Cause, ClientId, Members, Params, Refusal, ScopeSet};

pub(crate) async fn redeem(
    at: &At<'_>,
    grant_type: &str,
    (parts, form): (&Parts, &Params),
) -> Result<Redemption, Refusal> {
    let grant = at.server.custom_grant(grant_type).ok_or(Cause::UnsupportedGrantType)?;
    let issue = grant.redeem(&GrantRequest { at: *at, params: form, parts }).await?;
    // A mark that has expired already would be no mark at all.
    if issue.once.as_ref().is_some_and(|(_, until)| *until <= at.now) {
        return Err(Refusal::invalid_grant("this has expired").cause("grant.once_expired", "promise 1"));
    }
    if !at.server.is_usable(issue.who.subject()).await? {
        return Err(Cause::GrantEnded.into());
    }
    if let Some(session) = issue.who.session_id()
        && at.server.session_has_ended(session).await?
    {
        return Err(Cause::SessionEnded.into());
    }
    let id = at.server.random().id()?;
    let client_id = ClientId::parse(at.client.id()).ok_or(Cause::UnknownClient)?;
    let secrets = at.server.secrets();
    let mut indexes = vec![
        (index::GRANTS_OF_SUBJECT, secrets.subject_partition(issue.who.subject())),
        (index::GRANTS_OF_CLIENT, secrets.client_index(&client_id)),
    ];
    if let Some(session) = issue.who.session_id() {
        indexes.push((index::GRANTS_OF_SESSION, secrets.session_index(session.as_str())));
    }
    let epoch = at.server.epoch(issue.who.subject()).await?;
    if issue.epoch.is_some_and(|proven_under| proven_under != epoch) {
        return Err(Cause::GrantEnded.into());
    }
    let (granted, resources) = match issue.of {
        Some(settled) => settled,
        None => (at.server.requested_scope(form.get("scope"), at.client)?, at.server.requested_resources(form)?),
    };
    at.server.config().check_login_only(&resources, &granted)?;
    let scope = narrowed_scope(form, &granted)?;
    let mut record = GrantRecord {
        client_instance: at.client.instance_id(),
        stated_acr: None,
        epoch,
        scope: granted,
        resources,
        members: Members::default(),
        started_at: at.now,
        refreshable: issue.refresh && at.client.may_use("refresh_token"),
        code: None,
        refresh: None,
        ended: None,
        access_token: None,
        indexes,
        client_id,
        who: Some(issue.who),
    };
    let refresh_token = first_refresh_token(at, id, &mut record)?;
    let mut batch = Batch::new(id, at.now, at.server.random())?;
    batch.put_value(Key::root(records::GRANT, id), Expect::Absent, grant_end(at, &record), &record)?;
    Ok(Redemption {
        grant_id: id,
        scope,
        resources: narrowed_resources(at, form, &record)?,
        batch,
        refresh_token,
        access_token: None,
        once: issue.once.map(|(serial, until)| (secrets.once(grant_type, &serial), until)),
        conflict: Conflict::Again,
        proofs_at: at.now,
        required: Requirement::NONE,
        ends: issue.ends.unwrap_or(UnixTime::MAX),
        by_login: issue.by_login,
        members: issue.members,
        grant: record,
    })
}

/// The scopes of this answer: those that the request names, within what was granted.
fn narrowed_scope(form: &Params, granted: &ScopeSet) -> Result<ScopeSet, Refusal> {
    let Some(asked) = form.get("scope") else { return Ok(granted.clone()) };
    let asked = ScopeSet::parse(asked).map_err(|error| Refusal::from(Cause::Scope).source(error))?;
    if asked.is_subset(granted) { Ok(asked) } else { Err(Cause::Scope.into()) }
}
