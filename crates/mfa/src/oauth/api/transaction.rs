//! `mfa_token`: stands for a login that a client drives, until it is done.

use std::sync::Arc;

use countersign_oauth_core::{Client, Refusal, ScopeSet, Server};
use countersign_primitives::{Id, UnixTime};
use countersign_tokens::{Handle, HandleHash, HandleKind};
use http::header;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::refusals;
use crate::login::record::Login as Record;
use crate::login::{Course, LoginId};
use crate::oauth::Login;
use crate::{Caller, Languages};

const KIND: HandleKind = HandleKind::new("cs_mfa");

/// What a login keeps of the token request that it serves. The token itself is kept by its hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Transaction {
    token: HandleHash,
    pub(super) until: UnixTime,
    client_instance: Id,
    pub(super) scope: ScopeSet,
    pub(super) resources: Vec<String>,
    /// Whether a refresh token comes with it.
    pub(super) refreshable: bool,
    /// The grant whose refresh token fell short.
    pub(super) grant: Option<Id>,
}

impl Transaction {
    /// A transaction under this name, and the token that stands for it.
    pub(super) fn begin(
        login: &Login,
        server: &Server,
        (id, client): (LoginId, &Client),
        (scope, resources): (ScopeSet, Vec<String>),
    ) -> Result<(Self, Handle), Refusal> {
        let token = Handle::generate(KIND, id.0, server.random())?;
        let refreshable = is_refreshable(&scope);
        let transaction = Self {
            token: token.hash(server.crypto()),
            until: server.now().plus(login.api_token_lifetime()),
            client_instance: client.instance_id(),
            scope,
            resources,
            refreshable,
            grant: None,
        };
        Ok((transaction, token))
    }

    /// The same for tokens of these.
    pub(super) fn with_terms(self, (scope, resources): (ScopeSet, Vec<String>)) -> Self {
        let refreshable = is_refreshable(&scope);
        Self { scope, resources, refreshable, ..self }
    }

    /// As a login keeps it.
    pub(super) fn to_context(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The transaction that a login keeps, if it is one that a client drives.
    pub(super) fn of(context: &Value) -> Option<Self> {
        Self::deserialize(context).ok()
    }

    /// The same for a grant that fell short: what comes of it is refreshed as that was, and stands while that does.
    pub(super) fn of_grant(self, grant: Id) -> Self {
        Self { grant: Some(grant), refreshable: true, ..self }
    }
}

/// Whether a refresh token comes with tokens of this scope.
fn is_refreshable(scope: &ScopeSet) -> bool {
    scope.contains("offline_access") || !scope.contains("openid")
}

/// A transaction that a request named by its token.
pub(super) struct Open {
    pub(super) id: LoginId,
    pub(super) client: Arc<Client>,
    pub(super) caller: Caller,
    pub(super) record: Record,
    pub(super) transaction: Transaction,
}

impl Open {
    /// Opens the transaction of a token: ours, in time, and of a client that is still the same.
    pub(super) async fn by_token(login: &Login, server: &Server, parts: &Parts, token: &str) -> Result<Self, Refusal> {
        let handle = Handle::parse(KIND, token).map_err(|error| refusals::malformed_token().source(error))?;
        let id = LoginId(handle.id());
        // What is well formed was ours once.
        let record = login.mfa.login_named(id).await.map_err(refusals::failed)?.ok_or_else(refusals::expired_token)?;
        let transaction = Transaction::of(&record.context).filter(|_| record.course == Course::Called);
        let transaction = transaction.ok_or_else(refusals::malformed_token)?;
        if !transaction.token.matches(&handle.hash(server.crypto())) {
            return Err(refusals::malformed_token());
        }
        if server.now() >= transaction.until {
            return Err(refusals::expired_token());
        }
        let client = match record.client_id.as_deref() {
            Some(client_id) => server.client(client_id).await?,
            None => None,
        };
        let same = |client: &Arc<Client>| client.instance_id() == transaction.client_instance;
        let client = client.filter(same).ok_or_else(refusals::malformed_token)?;
        let caller = caller(&client, parts);
        Ok(Self { id, client, caller, record, transaction })
    }

    /// The same for a request whose client is known: another client's token is none.
    pub(super) fn of_client(self, client: &Client) -> Result<Self, Refusal> {
        if self.client.id() == client.id() { Ok(self) } else { Err(refusals::malformed_token()) }
    }
}

/// Whether a text looks like a token of this kind.
pub(super) fn is_token(text: &str) -> bool {
    text.starts_with("cs_mfa_")
}

/// A client that calls, from where it calls.
pub(super) fn caller(client: &Client, parts: &Parts) -> Caller {
    let accepted = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let caller = Caller::of_client(client.id()).languages(accepted.map(Languages::accept).unwrap_or_default());
    match countersign_oauth_core::Peer::of(parts) {
        Some(peer) => caller.address(peer.address()),
        None => caller,
    }
}
