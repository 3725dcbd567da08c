//! Reading a logout request (OpenID Connect RP-Initiated Logout 1.0 §2): every part is verified before anything is shown, ended or
//! redirected to.

use std::fmt;
use std::sync::Arc;

use countersign_oauth_core::{Cause, Client, Params, Peer, Refusal, Server, VerifiedRedirect, with_query};
use countersign_primitives::{Id, SessionId, SignedIn, UnixTime};
use countersign_storage_traits::{Batch, Expect, Key, Kind, Stored};
use http::StatusCode;
use http::request::Parts;
use serde::{Deserialize, Serialize};

const SECTION: &str = "OpenID Connect RP-Initiated Logout 1.0 §2";

/// A logout request that passed every check. It is kept while its user is asked, and never changes after.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct LogoutRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<Named>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redirect_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<Hint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ui_locales: Option<String>,
}

/// The client, and which record of its name.
#[derive(Clone, Serialize, Deserialize)]
struct Named {
    id: String,
    instance: Id,
}

/// Whom, and which session, an ID token of ours speaks of.
#[derive(Clone, Serialize, Deserialize)]
struct Hint {
    sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<SessionId>,
    #[serde(skip)]
    audience: Vec<String>,
}

/// Shows nothing of the user, nor the client's state.
impl fmt::Debug for LogoutRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutRequest")
            .field("client", &self.client.as_ref().map(|client| &client.id))
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

impl Stored for LogoutRequest {
    const KIND: Kind = Kind(48);
}

/// A request with the client that sent it, found just now.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) request: LogoutRequest,
    pub(super) client: Option<Arc<Client>>,
}

impl Verified {
    /// Reads the parameters. `logout_hint` is not used: who is signed in here, and who is named by a hint that we signed, decides.
    pub(super) async fn read(server: &Server, params: &Params) -> Result<Self, Refusal> {
        if params.repeated().is_some() {
            return Err(Cause::RepeatedParameter.into());
        }
        let hint = match params.get("id_token_hint") {
            Some(token) => Some(Hint::read(server, token).await?),
            None => None,
        };
        let client = client(server, params.get("client_id"), hint.as_ref()).await?;
        let redirect = match (params.get("post_logout_redirect_uri"), &client) {
            (None, _) => None,
            (Some(asked), Some(client)) => Some(client.verify_post_logout_redirect(asked).ok_or_else(redirect_uri)?),
            (Some(_), None) => return Err(redirect_uri()),
        };
        let request = LogoutRequest {
            client: client.as_ref().map(|client| Named { id: client.id().to_owned(), instance: client.instance_id() }),
            // Without a place to bring it to, state means nothing.
            state: params.get("state").filter(|_| redirect.is_some()).map(str::to_owned),
            redirect_uri: redirect.map(|redirect| redirect.as_str().to_owned()),
            hint,
            ui_locales: params.get("ui_locales").map(str::to_owned),
        };
        Ok(Self { request, client })
    }

    /// A request that waits for its user.
    pub(super) async fn stored(server: &Server, id: Id) -> Result<Self, Refusal> {
        let found = server.store().find::<LogoutRequest>(key(id), server.now()).await?;
        let request = found.ok_or(Cause::UnknownInteraction)?.value;
        let client = match &request.client {
            None => None,
            Some(named) => {
                let client = server.client(&named.id).await?;
                Some(client.filter(|client| client.instance_id() == named.instance).ok_or_else(unknown_client)?)
            }
        };
        Ok(Self { request, client })
    }

    /// Keeps a request until its user has answered; returns what names it.
    pub(super) async fn keep(&self, server: &Server, parts: &Parts) -> Result<Id, Refusal> {
        server.admit_kept_request(Peer::of(parts)).await?;
        let (id, now) = (server.random().id()?, server.now());
        let mut batch = Batch::new(id, now, server.random())?;
        let until: UnixTime = now.plus(server.config().preset().lifetimes.login);
        batch.put_value(key(id), Expect::Absent, until, &self.request)?;
        server.store().commit_surely(&batch).await?;
        Ok(id)
    }

    /// Whether the request's ID token names this user in this session: then nobody need be asked.
    pub(super) fn names(&self, server: &Server, who: &SignedIn) -> bool {
        let (Some(hint), Some(client)) = (&self.request.hint, &self.client) else { return false };
        hint.sub == server.subject_for(client, who.subject()).as_str()
            && hint.sid.is_some()
            && hint.sid.as_ref() == who.session_id()
    }

    /// Whether an ID token of ours came with it.
    pub(super) fn has_hint(&self) -> bool {
        self.request.hint.is_some()
    }

    /// Where the browser goes after the sign-out, with `state` (§3). Registered then and still.
    pub(super) fn back(&self) -> Option<String> {
        let asked = self.request.redirect_uri.as_deref()?;
        let redirect: VerifiedRedirect = self.client.as_ref()?.verify_post_logout_redirect(asked)?;
        Some(match &self.request.state {
            Some(state) => with_query(redirect.as_str(), &[("state", state)]),
            None => redirect.as_str().to_owned(),
        })
    }

    pub(super) fn ui_locales(&self) -> Option<&str> {
        self.request.ui_locales.as_deref()
    }
}

impl Hint {
    /// An ID token of ours. An expired one will do, since sessions outlive them; so will one of a key that no longer signs.
    async fn read(server: &Server, token: &str) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Session {
            #[serde(default)]
            sid: Option<SessionId>,
        }
        let verified = server.verify_own(token, &countersign_tokens::Expect::typ_if_any(&["JWT"])).await?;
        let checked = verified.and_then(|verified| {
            let claims = verified.registered()?;
            claims.check_issuer(server.config().issuer().as_str())?;
            let sub = claims.require_subject()?.to_owned();
            let audience = claims.audiences().map(str::to_owned).collect();
            Ok(Self { sub, audience, sid: verified.claims::<Session>()?.sid })
        });
        checked.map_err(|error| {
            refusal("id_token_hint is no ID token of this server").cause("oidc.logout_hint", SECTION).source(error)
        })
    }
}

/// The client that is named, by the hint or by `client_id`; where both are there they agree.
async fn client(server: &Server, named: Option<&str>, hint: Option<&Hint>) -> Result<Option<Arc<Client>>, Refusal> {
    let id = match (named, hint.map(|hint| hint.audience.as_slice())) {
        (Some(named), Some(audience)) if !audience.iter().any(|one| one == named) => {
            let refused = refusal("id_token_hint was not issued to this client_id");
            return Err(refused.cause("oidc.logout_hint_client", SECTION));
        }
        (Some(named), _) => named,
        (None, Some([one])) => one,
        // Whom a token of several clients was issued to cannot be told.
        (None, Some(_)) => return Err(unknown_client()),
        (None, None) => return Ok(None),
    };
    server.client(id).await?.map(Some).ok_or_else(unknown_client)
}

fn key(id: Id) -> Key {
    Key::root(LogoutRequest::KIND, id)
}

fn refusal(description: &'static str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "invalid_request", description)
}

fn unknown_client() -> Refusal {
    refusal("the client is not known").cause("oidc.logout_client", SECTION)
}

fn redirect_uri() -> Refusal {
    let description = "post_logout_redirect_uri is not registered for this client";
    refusal(description).cause("oidc.logout_redirect_uri", "OpenID Connect RP-Initiated Logout 1.0 §3")
}
