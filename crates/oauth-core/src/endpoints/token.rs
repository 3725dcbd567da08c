//! The token endpoint (RFC 6749 §3.2). A request goes one way, with no way back: read, authenticate, check by grant, admit,
//! sign, commit once, release. The store's answer to the commit decides who won.

use async_trait::async_trait;
use bytes::Bytes;
use countersign_events::{Event, EventKind};
use countersign_storage_traits::{Batch, CommitError, Expect};
use http::request::Parts;
use http::{Request, Response};

use super::{client_refused, read_form_or_json};
use crate::client_authentication::{self, AuthenticatedClient};
use crate::extension::At;
use crate::grants::{self, Conflict, Redemption, authorization_code};
use crate::transport::Endpoint;
use crate::{Cause, Params, Refusal, Server};

/// How often a request is judged anew when another writer moved its record.
const ATTEMPTS: usize = 3;

pub(crate) struct TokenEndpoint;

#[async_trait]
impl Endpoint for TokenEndpoint {
    async fn answer(&self, server: &Server, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let mut client = None;
        match token(server, &parts, &body, &mut client).await {
            Ok(answer) => answer,
            Err(refusal) => client_refused(server, EventKind::TokenRefused, client.as_ref(), &refusal),
        }
    }
}

async fn token(
    server: &Server,
    parts: &Parts,
    body: &Bytes,
    authenticated: &mut Option<AuthenticatedClient>,
) -> Result<Response<Bytes>, Refusal> {
    let form = read_form_or_json(parts, body)?;
    let client = client_authentication::authenticate(server, parts, &form).await?;
    let client = authenticated.insert(client);
    let grant_type = form.get("grant_type").ok_or(Cause::MissingGrantType)?;
    server.check_grant_type(client, grant_type)?;
    for _ in 0..ATTEMPTS {
        let at = At { server, client, now: server.now() };
        let redemption = grants::redeem(&at, grant_type, (parts, &form)).await?;
        if let Some(answer) = issue(&at, grant_type, (parts, &form), redemption).await? {
            return Ok(answer);
        }
    }
    Err(Cause::Contention.into())
}

/// Signs, commits and releases. None means that the record moved on and the request must be judged anew.
async fn issue(
    at: &At<'_>,
    grant_type: &str,
    (parts, form): (&Parts, &Params),
    mut redemption: Redemption,
) -> Result<Option<Response<Bytes>>, Refusal> {
    let prepared = at.server.prepare(at, (grant_type, parts), &mut redemption).await?;
    at.server.keep_registered(at.client).await?;
    if let Some((key, until)) = redemption.once {
        spend_once(at, key, until).await?;
    }
    match at.server.store().commit_surely(&redemption.batch).await {
        Ok(()) => {
            announce(at, &redemption);
            Ok(Some(prepared.release()))
        }
        Err(CommitError::Conflict(_)) => match redemption.conflict {
            Conflict::CodeReplay => Err(authorization_code::lost_race(at, form).await),
            Conflict::Again => Ok(None),
        },
        Err(error) => Err(error.into()),
    }
}

/// Files something that serves once. Whoever comes second is refused; nobody learns more.
async fn spend_once(
    at: &At<'_>,
    key: countersign_storage_traits::Key,
    until: countersign_primitives::UnixTime,
) -> Result<(), Refusal> {
    let mut batch = Batch::new(key.partition, at.now, at.server.random())?;
    batch.put(key, Expect::Absent, until, Vec::new(), Bytes::new());
    match at.server.store().commit_surely(&batch).await {
        Ok(()) => Ok(()),
        Err(CommitError::Conflict(_)) => {
            Err(Refusal::invalid_grant("this was used before").cause("grant.once", "promise 1"))
        }
        Err(error) => Err(error.into()),
    }
}

fn announce(at: &At<'_>, redemption: &Redemption) {
    if !at.server.is_heard() {
        return;
    }
    let kind = match redemption.conflict {
        Conflict::CodeReplay => EventKind::GrantStarted,
        Conflict::Again => EventKind::TokenIssued,
    };
    let mut event = Event::new(kind, at.now).with_client_id(at.client.id()).with_grant(redemption.grant_id);
    if let Some(who) = redemption.grant.who() {
        event = event.with_subject(who.subject());
    }
    at.server.event(&event);
}
