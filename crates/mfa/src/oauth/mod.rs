//! The login as an extension of `countersign-oauth-core`: `/authorize`, and `/login/{id}` as pages and as JSON steps.
//!
//! It is a caller of [`Server::authorize`](countersign_oauth_core::Server::authorize) like any host with a login of its own: it
//! says who is signed in, and acts on the
//! [`Outcome`](countersign_oauth_core::Outcome). A login has the id of the interaction that it serves, and lives in a record of
//! its own beside it.

mod account;
mod admin;
mod api;
mod authorize;
mod cookies;
mod help_desk;
mod links;
mod login;
mod pages;
mod push;
mod related_origins;
mod reply;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_oauth_core::{
    At, AuthorizationRequest, Cause, Client, Config, EndReason, Ended, Extension, Gathered, Grant, Hook, Issuer,
    Issuing, Params, Refusal, Resource, Route, Scope, Server, Unmet, Wanted,
};
use countersign_primitives::{Remembered, Requirement, SignedIn, Subject, UnixTime};
use countersign_storage_traits::Batch;
use http::Method;
use serde_json::{Map, Value};

pub use account::Account;
pub use admin::AdminApi;
pub use api::MfaApi;
pub use help_desk::{HelpDesk, HelpDeskError};

use crate::{Mfa, Presenter};

/// The login of a server, to be added by `ServerBuilder::extension`.
///
/// With a [`Presenter`] it shows pages; with [`Login::login_page`] it sends the browser to a front end of the host's own, which
/// reads the steps as JSON.
#[derive(Clone)]
pub struct Login {
    mfa: Mfa,
    presenter: Option<Arc<dyn Presenter>>,
    login_page: Option<String>,
    has_account_pages: bool,
    api: Option<MfaApi>,
    admin: Option<AdminApi>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("mfa", &self.mfa).finish_non_exhaustive()
    }
}

impl Login {
    /// Logins by this engine. It must stand on the server's own sealed store, and on its subjects.
    #[must_use]
    pub fn new(mfa: Mfa) -> Self {
        Self { mfa, presenter: None, login_page: None, has_account_pages: true, api: None, admin: None }
    }

    /// Makes pages of the steps.
    #[must_use]
    pub fn presenter(mut self, presenter: Arc<dyn Presenter>) -> Self {
        self.presenter = Some(presenter);
        self
    }

    /// Whether users look after their factors, devices, sessions and applications at `/account`. Default: yes, where this server signs them
    /// in by its accounts.
    #[must_use]
    pub fn account_pages(mut self, are_there: bool) -> Self {
        self.has_account_pages = are_there;
        self
    }

    /// Sends the browser to a page of the host's own, with `?login=ID`. The page reads and answers the steps at `/login/ID` as
    /// JSON, from the issuer's origin.
    #[must_use]
    pub fn login_page(mut self, path: impl Into<String>) -> Self {
        self.login_page = Some(path.into());
        self
    }
}

impl Login {
    /// Serves the MFA API too: second factors by plain calls, for clients whose grant types name its grants. With it come the
    /// password grants, where a preset has them ([`Preset::password_grant`](countersign_oauth_core::Preset::password_grant)).
    #[must_use]
    pub fn mfa_api(mut self, api: MfaApi) -> Self {
        self.api = Some(api);
        self
    }

    /// Serves the admin API too: factors, policies and users by plain calls, for administrators.
    #[must_use]
    pub fn admin_api(mut self, api: AdminApi) -> Self {
        self.admin = Some(api);
        self
    }

    /// How long an `mfa_token` lives.
    fn api_token_lifetime(&self) -> std::time::Duration {
        self.api.clone().unwrap_or_default().lifetime()
    }

    /// What is done by links, where mails can be sent.
    fn link_routes(&self, shared: &Arc<Self>) -> Vec<Route> {
        let own = || Arc::clone(shared);
        let mut routes = Vec::new();
        if self.mfa.0.first_factors.password && self.mfa.0.accounts.is_some() {
            routes.extend([
                Route::new(Method::GET, "/password/change", links::ShowChange(own())),
                Route::new(Method::POST, "/password/change", links::ChangePassword(own())),
            ]);
        }
        if self.mfa.0.may_reset() {
            routes.extend([
                Route::new(Method::GET, "/password/forgot", links::ShowForgot(own())),
                Route::new(Method::POST, "/password/forgot", links::AskForReset(own())),
                Route::new(Method::GET, "/password/reset", links::ShowReset(own())),
                Route::new(Method::POST, "/password/reset", links::ResetPassword(own())),
            ]);
        }
        if self.mfa.0.not_me_links {
            routes.extend([
                Route::new(Method::GET, "/not-me", links::ShowNotMe(own())),
                Route::new(Method::POST, "/not-me", links::EndEverything(own())),
            ]);
        }
        if self.mfa.0.can_verify_email() {
            routes.extend([
                Route::new(Method::GET, "/verify-email", links::ShowVerify(own())),
                Route::new(Method::POST, "/verify-email", links::VerifyEmail(own())),
            ]);
        }
        routes.into_iter().map(Route::needs_peer).collect()
    }
}

#[async_trait]
impl Extension for Login {
    fn name(&self) -> &'static str {
        "login"
    }

    fn hooks(&self) -> &'static [Hook] {
        use Hook::{Admit, Demand, Ended, Unmet, Validate, Vouch, Work};
        match (self.api.is_some(), self.admin.is_some()) {
            (false, false) => &[Demand, Vouch, Ended, Work],
            (true, false) => &[Demand, Vouch, Ended, Work, Validate, Unmet],
            (false, true) => &[Demand, Vouch, Ended, Work, Admit],
            (true, true) => &[Demand, Vouch, Ended, Work, Validate, Unmet, Admit],
        }
    }

    fn grants(&self) -> Vec<Arc<dyn Grant>> {
        if self.api.is_some() { MfaApi::grants(self) } else { Vec::new() }
    }

    fn scopes(&self) -> Vec<Scope> {
        let mut scopes = if self.api.is_some() { MfaApi::scopes() } else { Vec::new() };
        scopes.extend(self.admin.iter().flat_map(AdminApi::scopes));
        scopes
    }

    fn resources(&self, issuer: &Issuer) -> Vec<Resource> {
        let mut resources = if self.api.is_some() { MfaApi::resources(issuer) } else { Vec::new() };
        if self.admin.is_some() {
            resources.extend(AdminApi::resources(issuer));
        }
        resources
    }

    fn client_members(&self) -> &'static [&'static str] {
        if self.api.is_some() { MfaApi::client_members() } else { &[] }
    }

    fn register(&self, _: &Config, asked: &Map<String, Value>, client: Client) -> Result<Client, Refusal> {
        if self.api.is_some() { MfaApi::register(asked, client) } else { Ok(client) }
    }

    async fn validate(&self, at: &At<'_>, _: &Params, request: &mut AuthorizationRequest) -> Result<(), Refusal> {
        if self.api.is_some() { MfaApi::validate(at, request) } else { Ok(()) }
    }

    /// Scopes of administration are for administrators alone.
    async fn admit(&self, at: &At<'_>, issuing: &Issuing<'_>) -> Result<(), Refusal> {
        match &self.admin {
            Some(api) => api.admit(at, issuing).await,
            None => Ok(()),
        }
    }

    async fn unmet(&self, at: &At<'_>, unmet: &Unmet<'_>) -> Result<Option<Refusal>, Refusal> {
        match &self.api {
            Some(api) => api.unmet(self, at, unmet).await,
            None => Ok(None),
        }
    }

    fn routes(&self, _: &Config) -> Vec<Route> {
        let shared = Arc::new(self.clone());
        let authorize = Arc::new(authorize::Authorize(Arc::clone(&shared)));
        let mut routes = vec![
            Route::shared(Method::GET, "/authorize", authorize.clone()).needs_peer(),
            Route::shared(Method::POST, "/authorize", authorize).needs_peer(),
            Route::new(Method::GET, "/login/{id}", login::ReadStep(Arc::clone(&shared))).needs_peer(),
            Route::new(Method::POST, "/login/{id}", login::AnswerStep(Arc::clone(&shared))).needs_peer(),
        ];
        routes.extend(self.mfa.0.push.iter().flat_map(push::routes));
        routes.extend(related_origins::route(&self.mfa));
        routes.extend(self.link_routes(&shared));
        if self.has_account_pages {
            routes.extend(account::routes(&shared));
        }
        if self.api.is_some() {
            routes.extend(MfaApi::routes(&shared));
        }
        if self.admin.is_some() {
            routes.extend(AdminApi::routes(&shared));
        }
        routes
    }

    /// What a login here can reach (OpenID Connect Discovery §3).
    fn metadata(&self, _: &Config, out: &mut Gathered) {
        let values: Vec<_> = self.mfa.acr_values().iter().map(|acr| acr.as_str().to_owned()).collect();
        out.add("acr_values_supported", values);
    }

    /// A refresh token that was used twice was in other hands than its client's (RFC 9700 §4.14): its user is told, and proves a second
    /// factor for a time. A code that comes twice says less: a callback page that is loaded again sends it.
    async fn ended(&self, _: &At<'_>, ended: &Ended<'_>, _: &mut Batch) -> Result<(), Refusal> {
        if let (EndReason::RefreshTokenReused, Some(who)) = (ended.reason, ended.grant.who()) {
            self.mfa.report_token_reuse(who.subject()).await.map_err(reply::refusal)?;
        }
        Ok(())
    }

    async fn work(&self, _: &Server, now: UnixTime) -> Option<UnixTime> {
        self.mfa.work(now).await
    }

    async fn vouches(&self, _: &At<'_>, subject: &Subject, device: Remembered) -> Result<bool, Refusal> {
        self.mfa.0.remembers(subject, device.device).await.map_err(reply::refusal)
    }

    /// What the policy asks of this user, at the authorization endpoint and at every grant.
    async fn demand(&self, at: &At<'_>, who: &SignedIn, wanted: Wanted<'_>) -> Result<Requirement, Refusal> {
        let account = match at.server.accounts() {
            Some(accounts) => accounts.by_subject(who.subject()).await,
            None => Ok(None),
        };
        let account = account.map_err(|error| Refusal::from(Cause::LookupFailed).source(error))?;
        let (mfa, subject, client) = (&self.mfa.0, who.subject(), Some(at.client.id()));
        let asked = match wanted.interactive {
            true => mfa.asked_of_user(subject, account.as_ref(), client).await,
            false => mfa.asked_of_grant(subject, account.as_ref(), client).await,
        };
        let asked = asked.map_err(reply::refusal)?;
        let table = at.server.config().acr_table();
        let asked = asked.and(&mfa.run_time.settings().asked_for(wanted.scope.iter(), table), table);
        if self.api.is_none() || !MfaApi::is_wanted(at.server.config().issuer(), wanted.scope, wanted.resources) {
            return Ok(asked);
        }
        let has_factor =
            self.mfa.0.has_factor_or_contact(who.subject(), account.as_ref()).await.map_err(reply::refusal)?;
        Ok(asked.and(&MfaApi::demand(has_factor), at.server.config().acr_table()))
    }
}
