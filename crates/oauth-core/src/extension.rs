//! The one door for OpenID Connect, MFA and strangers.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_primitives::{Id, Remembered, Requirement, SignedIn, Subject, UnixTime};
use countersign_storage_traits::Batch;
use http::request::Parts;
use serde_json::{Map, Value};

use crate::records::{AuthorizationRequest, GrantRecord};
use crate::{
    Client, Config, Gathered, Issuer, Params, Peer, Preset, Refusal, Resource, Route, Scope, ScopeSet, Server,
};

/// A part of the protocol that is plugged in: OpenID Connect and the login are two of them, and use nothing else.
///
/// Every method has a default that does nothing. A server asks each extension in the order in which they were added.
#[async_trait]
pub trait Extension: Send + Sync + fmt::Debug {
    /// Its name, for logs and errors.
    fn name(&self) -> &'static str;

    /// Which of the hooks below it has. All, unless it says otherwise; a server calls only those, which keeps the token path short.
    fn hooks(&self) -> &'static [Hook] {
        Hook::ALL
    }

    /// The paths it answers.
    fn routes(&self, config: &Config) -> Vec<Route> {
        let _ = config;
        Vec::new()
    }

    /// The grants it serves at the token endpoint.
    fn grants(&self) -> Vec<Arc<dyn Grant>> {
        Vec::new()
    }

    /// The scopes it brings.
    fn scopes(&self) -> Vec<Scope> {
        Vec::new()
    }

    /// The resources it brings: what access tokens may be for.
    fn resources(&self, issuer: &Issuer) -> Vec<Resource> {
        let _ = issuer;
        Vec::new()
    }

    /// The response types it adds, such as `code id_token`. Each begins with `code`; what it adds to the answer comes from
    /// [`Extension::respond`].
    fn response_types(&self) -> &'static [&'static str] {
        &[]
    }

    /// What it tells in the metadata (RFC 8414). A member set twice is a [`ConfigError`](crate::ConfigError).
    fn metadata(&self, config: &Config, out: &mut Gathered) {
        let _ = (config, out);
    }

    /// The members of a client's metadata that [`Extension::register`] reads.
    fn client_members(&self) -> &'static [&'static str] {
        &[]
    }

    /// Reads its members from a client's metadata (RFC 7591 §2).
    ///
    /// # Errors
    /// When a member is malformed or asks for what is not served; the client is then not registered.
    fn register(&self, config: &Config, asked: &Map<String, Value>, client: Client) -> Result<Client, Refusal> {
        let _ = (config, asked);
        Ok(client)
    }

    /// Reads its parameters from an authorization request, and may demand more of the user.
    ///
    /// # Errors
    /// The request is then refused, and the client told at its redirect URI.
    async fn validate(&self, at: &At<'_>, params: &Params, request: &mut AuthorizationRequest) -> Result<(), Refusal> {
        let _ = (at, params, request);
        Ok(())
    }

    /// Another name for the subject towards this client, in every token and answer (pairwise identifiers).
    fn subject(&self, client: &Client, subject: &Subject) -> Option<Subject> {
        let _ = (client, subject);
        None
    }

    /// What this user must prove, beside what client and scopes demand: a policy over groups and users. The core checks it, at
    /// every authorization request and every grant.
    ///
    /// # Errors
    /// Nothing is then issued.
    async fn demand(&self, at: &At<'_>, who: &SignedIn, wanted: Wanted<'_>) -> Result<Requirement, Refusal> {
        let _ = (at, who, wanted);
        Ok(Requirement::NONE)
    }

    /// A grant falls short of what is required of it, and is about to be refused: another refusal than the plain one, where the
    /// client can do something about it.
    ///
    /// # Errors
    /// When it cannot be said; the answer is this error.
    async fn unmet(&self, at: &At<'_>, unmet: &Unmet<'_>) -> Result<Option<Refusal>, Refusal> {
        let _ = (at, unmet);
        Ok(None)
    }

    /// Whether a browser that a login was remembered in is remembered still. Its mark in a [`SignedIn`] stands in for a second factor only
    /// where an extension says so, at every authorization request and every grant; nobody asks for a login without such a mark.
    ///
    /// # Errors
    /// Nothing is then issued.
    async fn vouches(&self, at: &At<'_>, subject: &Subject, device: Remembered) -> Result<bool, Refusal> {
        let _ = (at, subject, device);
        Ok(false)
    }

    /// The gate before anything is issued, for every grant: a refusal here is the last word.
    ///
    /// # Errors
    /// Nothing is then issued.
    async fn admit(&self, at: &At<'_>, issuing: &Issuing<'_>) -> Result<(), Refusal> {
        let _ = (at, issuing);
        Ok(())
    }

    /// Adds members to the answer of the token endpoint, or of the authorization endpoint for a response type of its own.
    ///
    /// # Errors
    /// Nothing is then issued.
    async fn respond(&self, at: &At<'_>, issued: &Issued<'_>, out: &mut Gathered) -> Result<(), Refusal> {
        let _ = (at, issued, out);
        Ok(())
    }

    /// Adds to the batch that ends a grant, so that what must follow is not lost in a crash.
    ///
    /// # Errors
    /// The grant is then ended without this extension's share, and the failure is an event.
    async fn ended(&self, at: &At<'_>, ended: &Ended<'_>, batch: &mut Batch) -> Result<(), Refusal> {
        let _ = (at, ended, batch);
        Ok(())
    }

    /// One bounded round of due work; says when to be called again.
    async fn work(&self, server: &Server, now: UnixTime) -> Option<UnixTime> {
        let _ = (server, now);
        None
    }
}

/// The hooks of an [`Extension`] that a server calls while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// [`Extension::validate`].
    Validate,
    /// [`Extension::subject`].
    Subject,
    /// [`Extension::demand`].
    Demand,
    /// [`Extension::unmet`].
    Unmet,
    /// [`Extension::vouches`].
    Vouch,
    /// [`Extension::admit`].
    Admit,
    /// [`Extension::respond`].
    Respond,
    /// [`Extension::ended`].
    Ended,
    /// [`Extension::work`].
    Work,
}

impl Hook {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Validate,
        Self::Subject,
        Self::Demand,
        Self::Unmet,
        Self::Vouch,
        Self::Admit,
        Self::Respond,
        Self::Ended,
        Self::Work,
    ];
}

/// Where a hook is called.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The server.
    pub server: &'a Server,
    /// The client.
    pub client: &'a Client,
    /// The time by which this request is judged.
    pub now: UnixTime,
}

/// What a user is asked for, or a grant.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Wanted<'a> {
    /// The scopes.
    pub scope: &'a ScopeSet,
    /// The resources that were named; those that own the scopes are meant where none was.
    pub resources: &'a [String],
    /// The user is there and can be asked for more: at the authorization endpoint, and not where a grant is redeemed.
    pub interactive: bool,
}

/// A grant that falls short of what is required.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Unmet<'a> {
    /// The grant type.
    pub grant_type: &'a str,
    /// The token request.
    pub parts: &'a Parts,
    /// The grant that the tokens would be issued under, and its name.
    pub grant: (Id, &'a GrantRecord),
    /// For whom, and how they signed in.
    pub who: &'a SignedIn,
    /// What the tokens would be for.
    pub wanted: Wanted<'a>,
    /// What is required of them.
    pub requirement: &'a Requirement,
}

/// What is about to be issued.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Issuing<'a> {
    /// The grant type, or `authorization` at the authorization endpoint.
    pub grant_type: &'a str,
    /// For whom, and how they signed in; none where a client acts for itself.
    pub who: Option<&'a SignedIn>,
    /// The scopes to be issued.
    pub scope: &'a ScopeSet,
    /// What these scopes and the client require together; met already.
    pub requirement: &'a Requirement,
}

/// What is issued, and not yet released.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Issued<'a> {
    /// The grant type, or `authorization` at the authorization endpoint.
    pub grant_type: &'a str,
    /// The grant.
    pub grant: &'a GrantRecord,
    /// The subject as this client sees it.
    pub subject: Option<&'a Subject>,
    /// The scopes of the tokens.
    pub scope: &'a ScopeSet,
    /// The access token, at the token endpoint.
    pub access_token: Option<&'a str>,
    /// The code, at the authorization endpoint.
    pub code: Option<&'a str>,
    /// The response type, at the authorization endpoint.
    pub response_type: Option<&'a str>,
}

/// A grant that is being ended.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Ended<'a> {
    /// The grant as it was.
    pub grant: &'a GrantRecord,
    /// Why.
    pub reason: crate::records::EndReason,
}

/// A grant of one's own: it says for whom to issue, and the engine does the rest. It authenticates the client, checks scope
/// and [`Requirement`], spends what is to be spent once, and issues.
#[async_trait]
pub trait Grant: Send + Sync {
    /// Its `grant_type`: for one's own an absolute URI (RFC 6749 §4.5).
    fn grant_type(&self) -> &str;

    /// Whether it is served under these switches: metadata tells it under the server's, and a client uses it under its own.
    fn serves(&self, preset: &Preset) -> bool {
        let _ = preset;
        true
    }

    /// Why a client may not use it although its record says so: told at the start of a client that the host named, and
    /// `unauthorized_client` to any other.
    fn objection(&self, client: &Client) -> Option<&'static str> {
        let _ = client;
        None
    }

    /// Checks the request and says for whom to issue. Must spend nothing itself: see [`Issue::once`].
    ///
    /// # Errors
    /// The request is then refused.
    async fn redeem(&self, request: &GrantRequest<'_>) -> Result<Issue, Refusal>;
}

/// A token request, as a [`Grant`] sees it: the client is authenticated already.
#[derive(Debug)]
pub struct GrantRequest<'a> {
    pub(crate) at: At<'a>,
    pub(crate) params: &'a Params,
    pub(crate) parts: &'a Parts,
}

impl GrantRequest<'_> {
    /// A parameter that must be there.
    ///
    /// # Errors
    /// `invalid_request` when it is not.
    pub fn param(&self, name: &str) -> Result<&str, Refusal> {
        self.params.get(name).ok_or_else(|| crate::Cause::MissingParameter.into())
    }

    /// A parameter that may be there.
    #[must_use]
    pub fn optional_param(&self, name: &str) -> Option<&str> {
        self.params.get(name)
    }

    /// The request's head: its headers, and what the adapter added.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        self.parts
    }

    /// Who is at the other end of the connection.
    #[must_use]
    pub fn peer(&self) -> Option<Peer> {
        Peer::of(self.parts)
    }

    /// The scopes and resources that are asked for: each known, open to this client, and within reach of a grant.
    ///
    /// # Errors
    /// `invalid_scope` or `invalid_target` when one is not.
    pub fn terms(&self) -> Result<(ScopeSet, Vec<String>), Refusal> {
        let (server, params) = (self.at.server, self.params);
        let scope = server.requested_scope(params.get("scope"), self.at.client)?;
        let resources = server.requested_resources(params)?;
        let audience = server.config().audience(&resources, &scope);
        if server.config().login_only(&audience).is_some() {
            return Err(crate::Cause::Target.into());
        }
        Ok((scope, resources))
    }

    /// What must be proven for a token of these, by the client, the scopes and the resources that it is for.
    #[must_use]
    pub fn requirement(&self, (scope, resources): &(ScopeSet, Vec<String>)) -> Requirement {
        let config = self.at.server.config();
        config.requirement_for(resources, scope).and(self.at.client.requirement(), config.acr_table())
    }

    /// Whether a grant of this client's, and all that it rests on, still stands.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn stands(&self, grant: Id) -> Result<bool, Refusal> {
        let key = countersign_storage_traits::Key::root(crate::records::GRANT, grant);
        let found = self.at.server.store().find::<GrantRecord>(key, self.at.now).await?;
        match found.filter(|found| found.value.client_id() == self.at.client.id()) {
            Some(found) => self.at.server.stands(self.at.client, &found.value).await,
            None => Ok(false),
        }
    }

    /// The authenticated client.
    #[must_use]
    pub fn client(&self) -> &Client {
        self.at.client
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &Server {
        self.at.server
    }

    /// The time by which this request is judged.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.at.now
    }
}

/// For whom a [`Grant`] issues.
#[derive(Debug)]
pub struct Issue {
    pub(crate) who: SignedIn,
    pub(crate) once: Option<(String, UnixTime)>,
    pub(crate) refresh: bool,
    pub(crate) of: Option<(ScopeSet, Vec<String>)>,
    pub(crate) epoch: Option<u64>,
    pub(crate) ends: Option<UnixTime>,
    pub(crate) by_login: bool,
    pub(crate) members: Map<String, Value>,
}

impl Issue {
    /// Issues to somebody who proved who they are.
    #[must_use]
    pub fn to(who: SignedIn) -> Self {
        Self {
            who,
            once: None,
            refresh: false,
            of: None,
            epoch: None,
            ends: None,
            by_login: false,
            members: Map::new(),
        }
    }

    /// What the request showed serves once: a second request that shows it before `expires` is refused. The engine sees to it,
    /// under any concurrency.
    #[must_use]
    pub fn once(mut self, serial: impl Into<String>, expires: impl Into<UnixTime>) -> Self {
        self.once = Some((serial.into(), expires.into()));
        self
    }

    /// With a refresh token, if the client may use one.
    #[must_use]
    pub fn refreshable(mut self) -> Self {
        self.refresh = true;
        self
    }

    /// For scopes and resources that were settled before this request. It may ask for fewer of them, and for no others.
    #[must_use]
    pub fn of(mut self, scope: ScopeSet, resources: Vec<String>) -> Self {
        self.of = Some((scope, resources));
        self
    }

    /// What was proven was proven under this epoch of the subject: if that was ended since, nothing is issued (promise 12). Without it
    /// the present one is meant.
    #[must_use]
    pub fn under_epoch(mut self, epoch: u64) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// Its access token ends at this time, if it does not end before.
    #[must_use]
    pub fn ends(mut self, at: UnixTime) -> Self {
        self.ends = Some(at);
        self
    }

    /// The user is present and proved who it is for this very request: tokens for a resource that wants a login of its own
    /// ([`Resource::login_only`]) may be issued.
    #[must_use]
    pub fn by_login(mut self) -> Self {
        self.by_login = true;
        self
    }

    /// A further member of the answer.
    #[must_use]
    pub fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }
}
