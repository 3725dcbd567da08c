//! The one door for OpenID Connect, MFA and strangers.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_primitives::{Requirement, SignedIn, Subject, UnixTime};
use countersign_storage_traits::Batch;
use serde_json::{Map, Value};

use crate::records::{AuthorizationRequest, GrantRecord};
use crate::{Client, Config, Gathered, Params, Refusal, Route, Scope, ScopeSet, Server};

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
    async fn demand(&self, at: &At<'_>, who: &SignedIn) -> Result<Requirement, Refusal> {
        let _ = (at, who);
        Ok(Requirement::NONE)
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
    pub const ALL: &'static [Self] =
        &[Self::Validate, Self::Subject, Self::Demand, Self::Admit, Self::Respond, Self::Ended, Self::Work];
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
}

impl Issue {
    /// Issues to somebody who proved who they are.
    #[must_use]
    pub fn to(who: SignedIn) -> Self {
        Self { who, once: None, refresh: false }
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
}
