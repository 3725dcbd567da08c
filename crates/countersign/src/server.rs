//! The server with every part's builder methods in one place.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_accounts::Accounts;
use countersign_events::EventSink;
use countersign_mfa::oauth::{Login, MfaApi};
use countersign_mfa::{
    Factor, FirstMethod, FirstMethods, Limits, LoginHook, MessageBudget, MessageTexts, Mfa, PasswordCost,
    PasswordPolicy, Policy, Presenter, Push, StoredAccounts,
};
use countersign_oauth_core::{
    Client, Clients, ConfigError, Extension, Grant, Preset, Registration, Resource, Scope, ServerBuilder as CoreBuilder,
};
use countersign_oidc::{ClaimsSource, Logout, Oidc};
use countersign_outbound::{Channel, MessageSender};
use countersign_primitives::{AcrTable, BoxError, Clock, Requirement, SignedIn, WorkPool};
use countersign_storage_traits::{MasterKey, RootKey, Store};
use http::Request;
use serde_json::{Map, Value};

use crate::logout;
use crate::subjects::SharedSubjects;

/// An authorization server with everything that this crate's features bring. It is
/// [`countersign_oauth_core::Server`] and does all that it does; a cheap clone.
#[derive(Clone)]
pub struct Server {
    core: countersign_oauth_core::Server,
    stored_accounts: Option<StoredAccounts>,
    mfa: Option<Mfa>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}

impl Deref for Server {
    type Target = countersign_oauth_core::Server;

    fn deref(&self) -> &Self::Target {
        &self.core
    }
}

impl Server {
    /// Begins a server: its issuer, where it keeps things, and the key under which they are sealed.
    ///
    /// OpenID Connect is always part of it; a login is, once it has accounts ([`ServerBuilder::stored_accounts`] or
    /// [`ServerBuilder::accounts`]). Without them the host owns `/authorize` and says who is signed in.
    #[must_use]
    pub fn builder(issuer: impl Into<String>, store: impl Store + 'static, key: MasterKey) -> ServerBuilder {
        ServerBuilder {
            core: countersign_oauth_core::Server::builder(issuer, store, key),
            oidc: Oidc::new(),
            users: Users::TheHosts,
            factors: Vec::new(),
            push: None,
            senders: Vec::new(),
            texts: None,
            budget: MessageBudget::default(),
            hooks: Vec::new(),
            notices: true,
            fresh_factor: None,
            first_factors: FirstMethods::default(),
            password_policy: PasswordPolicy::new(),
            policy: None,
            limits: Limits::default(),
            cost: PasswordCost::default(),
            presenter: None,
            login_page: None,
            logout_page: None,
            logout_by_host: false,
            pool: None,
            mfa_api: None,
            required: Vec::new(),
        }
    }

    /// The accounts that this server keeps itself, where it does.
    #[must_use]
    pub fn stored_accounts(&self) -> Option<&StoredAccounts> {
        self.stored_accounts.as_ref()
    }

    /// Answers a logout request, or says what the host must do for the answer (OpenID Connect RP-Initiated Logout 1.0 §2): for a host
    /// with sessions of its own, at `/logout` by GET and POST. See [`countersign_oidc::end_session`] and
    /// [`ServerBuilder::logout_by_host`].
    ///
    /// ```no_run
    /// # use bytes::Bytes;
    /// # use countersign::{Logout, Server, SignedIn};
    /// # async fn logout(server: Server, request: http::Request<Bytes>, who: Option<SignedIn>) -> http::Response<Bytes> {
    /// match server.end_session(request, who).await {
    ///     Logout::NeedsConfirmation(ask) => ask.page("<form method=post action=...>"), // posts to ask.action("/logout")
    ///     Logout::SignedOut(done) => done.reply("<h1>You are signed out</h1>"), // the host ends its own session first
    ///     Logout::Stayed(stayed) => stayed.page("<h1>You are still signed in</h1>"),
    ///     Logout::Refused(refusal) => refusal.page("<h1>This link does not work</h1>"),
    ///     Logout::Done(reply) => reply,
    /// }
    /// # }
    /// ```
    pub async fn end_session(&self, request: Request<Bytes>, who: Option<SignedIn>) -> Logout {
        countersign_oidc::end_session(&self.core, request, who).await
    }

    /// The login engine, where the server has one: to look after users' factors, say.
    #[must_use]
    pub fn mfa(&self) -> Option<&Mfa> {
        self.mfa.as_ref()
    }
}

enum Users {
    /// The host has a login of its own.
    TheHosts,
    /// The server keeps them.
    Stored,
    /// The host has a table of them.
    Table(Arc<dyn Accounts>),
}

/// Assembles a [`Server`]. What is wrong with it is told by [`ServerBuilder::build`], with place and cure.
pub struct ServerBuilder {
    core: CoreBuilder,
    oidc: Oidc,
    users: Users,
    factors: Vec<Box<dyn Factor>>,
    push: Option<Push>,
    senders: Vec<(Channel, Box<dyn MessageSender>)>,
    texts: Option<MessageTexts>,
    budget: MessageBudget,
    hooks: Vec<Box<dyn LoginHook>>,
    notices: bool,
    fresh_factor: Option<Duration>,
    first_factors: FirstMethods,
    password_policy: PasswordPolicy,
    policy: Option<Policy>,
    limits: Limits,
    cost: PasswordCost,
    presenter: Option<Arc<dyn Presenter>>,
    login_page: Option<String>,
    logout_page: Option<String>,
    logout_by_host: bool,
    pool: Option<Arc<dyn WorkPool>>,
    mfa_api: Option<MfaApi>,
    /// What is required where, to be compared with what the factors reach.
    required: Vec<(String, Requirement)>,
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}

/// What OAuth and OpenID Connect need.
impl ServerBuilder {
    /// The switches, all at once. By default [`Preset::oauth21`].
    #[must_use]
    pub fn preset(mut self, preset: Preset) -> Self {
        self.core = self.core.preset(preset);
        self
    }

    /// Remembers clients that registered themselves for so long, at most 5 s, instead of reading one from the store at every request.
    /// Off by default. What is changed or deleted on this node holds at once; on another node it is noticed within that time.
    #[must_use]
    pub fn cache_clients(mut self, staleness: Duration) -> Self {
        self.core = self.core.cache_clients(staleness);
        self
    }

    /// Also opens what the next master key seals: the first step of a change of the key, see `docs/operations.md`.
    #[must_use]
    pub fn next_master_key(mut self, next: &MasterKey) -> Self {
        self.core = self.core.next_master_key(next);
        self
    }

    /// Opens what an earlier master key sealed, and seals it anew: the second step.
    #[must_use]
    pub fn earlier_master_key(mut self, earlier: &MasterKey) -> Self {
        self.core = self.core.earlier_master_key(earlier);
        self
    }

    /// A scope that clients may ask for.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.required.push((format!("scope {:?}", scope.token()), scope.requirement().clone()));
        self.core = self.core.scope(scope);
        self
    }

    /// A resource that access tokens may be for.
    #[must_use]
    pub fn resource(mut self, resource: Resource) -> Self {
        self.required.push((format!("resource {:?}", resource.uri()), resource.requirement().clone()));
        self.core = self.core.resource(resource);
        self
    }

    /// A client.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.required.push((format!("client {:?}", client.id()), client.requirement().clone()));
        self.core = self.core.client(client);
        self
    }

    /// A client by its metadata (RFC 7591 §2), and what its users must prove.
    #[must_use]
    pub fn client_metadata(self, metadata: Map<String, Value>, requires: Requirement) -> Self {
        self.client_metadata_with(metadata, requires, |client| client)
    }

    /// As [`ServerBuilder::client_metadata`], with what else metadata cannot say.
    #[must_use]
    pub fn client_metadata_with(
        mut self,
        metadata: Map<String, Value>,
        requires: Requirement,
        adjust: impl FnOnce(Client) -> Client + Send + 'static,
    ) -> Self {
        let name = metadata.get("client_id").and_then(Value::as_str).unwrap_or("?");
        self.required.push((format!("client {name:?}"), requires.clone()));
        self.core = self.core.client_metadata(metadata, |client| adjust(client.requires(requires)));
        self
    }

    /// The host's own table of clients, asked after those that are named here.
    #[must_use]
    pub fn clients(mut self, clients: impl Clients + 'static) -> Self {
        self.core = self.core.clients(clients);
        self
    }

    /// Who may register clients (RFC 7591). Nobody, by default.
    #[must_use]
    pub fn registration(mut self, registration: Registration) -> Self {
        self.core = self.core.registration(registration);
        self
    }

    /// Where further claims come from.
    #[must_use]
    pub fn claims(mut self, source: impl ClaimsSource + 'static) -> Self {
        self.oidc = self.oidc.claims(source);
        self
    }

    /// A part of the protocol.
    #[must_use]
    pub fn extension(mut self, extension: impl Extension + 'static) -> Self {
        self.core = self.core.extension(extension);
        self
    }

    /// A grant of the host's own.
    #[must_use]
    pub fn grant(mut self, grant: impl Grant + 'static) -> Self {
        self.core = self.core.grant(grant);
        self
    }

    /// Who hears of what happens. A closure over [`Event`](countersign_events::Event) will do.
    #[must_use]
    pub fn events(mut self, sink: impl EventSink + 'static) -> Self {
        self.core = self.core.events(sink);
        self
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.core = self.core.clock(clock);
        self
    }

    /// The `acr` values, and which satisfies which.
    #[must_use]
    pub fn acr_table(mut self, table: AcrTable) -> Self {
        self.core = self.core.acr_table(table);
        self
    }

    /// How many authorization requests that wait for their users one address may begin within the lifetime of a login.
    #[must_use]
    pub fn requests_per_address(mut self, requests: u32) -> Self {
        self.core = self.core.requests_per_address(requests);
        self
    }

    /// The longest body that a request may have.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.core = self.core.body_limit(bytes);
        self
    }
}

/// What the login needs.
impl ServerBuilder {
    /// The server keeps the users itself, sealed like all it keeps. See [`Server::stored_accounts`].
    #[must_use]
    pub fn stored_accounts(mut self) -> Self {
        self.users = Users::Stored;
        self
    }

    /// The users are in the host's own table.
    #[must_use]
    pub fn accounts(mut self, accounts: impl Accounts + 'static) -> Self {
        self.users = Users::Table(Arc::new(accounts));
        self
    }

    /// A factor beside the password. Recovery codes come with the first.
    #[must_use]
    pub fn factor(mut self, factor: impl Factor + 'static) -> Self {
        self.factors.push(Box::new(factor));
        self
    }

    /// Push to devices that users register, with number matching. Devices call [`Push::path`] below the issuer.
    #[must_use]
    pub fn push(mut self, push: Push) -> Self {
        self.push = Some(push);
        self
    }

    /// Who carries the messages of a channel, in place of the sender that a factor brings along: codes, links for new passwords, links that
    /// sign in, notices. Users wait for it, and how long tells whether there was something to send: put a sender that waits for a network
    /// into one that queues.
    #[must_use]
    pub fn sender(mut self, channel: Channel, sender: impl MessageSender + 'static) -> Self {
        self.senders.push((channel, Box::new(sender)));
        self
    }

    /// What users are sent: the service's name, and texts of the host's own. By default the texts of the kit, for a service that is
    /// called by the issuer's host.
    #[must_use]
    pub fn messages(mut self, texts: MessageTexts) -> Self {
        self.texts = Some(texts);
        self
    }

    /// For how long a factor counts as just proven by whoever changes his own factors or password. Default: 10 minutes.
    #[must_use]
    pub fn fresh_factor(mut self, lasts: Duration) -> Self {
        self.fresh_factor = Some(lasts);
        self
    }

    /// Whether owners are told unasked that their factors changed, that a recovery code was used, or that somebody guesses. Default: yes,
    /// where mails or text messages have a sender.
    #[must_use]
    pub fn notices(mut self, tell: bool) -> Self {
        self.notices = tell;
        self
    }

    /// How many messages go out, and where.
    #[must_use]
    pub fn message_budget(mut self, budget: MessageBudget) -> Self {
        self.budget = budget;
        self
    }

    /// Asks this hook after the first factor of every login: it may deny, require more, or add claims.
    #[must_use]
    pub fn login_hook(mut self, hook: impl LoginHook + 'static) -> Self {
        self.hooks.push(Box::new(hook));
        self
    }

    /// How users may say who they are. By default by a password alone.
    #[must_use]
    pub fn first_factors(mut self, factors: impl IntoIterator<Item = FirstMethod>) -> Self {
        self.first_factors = factors.into_iter().collect();
        self
    }

    /// Which passwords users may choose. By default [`PasswordPolicy::new`].
    #[must_use]
    pub fn password_policy(mut self, policy: PasswordPolicy) -> Self {
        self.password_policy = policy;
        self
    }

    /// When a second factor is asked. By default only on request.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// How often somebody may guess.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Serves the MFA API: second factors by plain calls, for clients whose grant types name its grants; and, under a preset that has
    /// them, the password grants. Off by default.
    #[must_use]
    pub fn mfa_api(mut self, api: MfaApi) -> Self {
        self.mfa_api = Some(api);
        self
    }

    /// What a password hash costs.
    #[must_use]
    pub fn password_cost(mut self, cost: PasswordCost) -> Self {
        self.cost = cost;
        self
    }

    /// What makes pages of the login's steps. By default the pages of feature `pages`.
    #[must_use]
    pub fn pages(mut self, presenter: impl Presenter + 'static) -> Self {
        self.presenter = Some(Arc::new(presenter));
        self
    }

    /// Sends the browser to a page of the host's own, with `?login=ID`, for the steps of a login. The page reads and answers
    /// them at `/login/ID` as JSON, from the issuer's origin.
    #[must_use]
    pub fn login_page(mut self, path: impl Into<String>) -> Self {
        self.login_page = Some(path.into());
        self
    }

    /// Sends the browser to a page of the host's own, with `?logout=ID`, when it must be asked whether to sign out. The page reads and
    /// answers `/logout?request=ID` as JSON, from the issuer's origin.
    #[must_use]
    pub fn logout_page(mut self, path: impl Into<String>) -> Self {
        self.logout_page = Some(path.into());
        self
    }

    /// The host serves `/logout` by a route of its own, which calls [`Server::end_session`]: discovery says so. With a login of
    /// this server's own there is no need to.
    #[must_use]
    pub fn logout_by_host(mut self) -> Self {
        self.logout_by_host = true;
        self
    }

    /// Where passwords are hashed. By default tokio's blocking threads, with feature `tokio`.
    #[must_use]
    pub fn pool(mut self, pool: impl WorkPool + 'static) -> Self {
        self.pool = Some(Arc::new(pool));
        self
    }

    /// Checks everything and assembles the server. Makes the signing keys of an issuer that has none.
    ///
    /// # Errors
    /// [`ConfigError`] names place and cure.
    pub async fn build(mut self) -> Result<Server, ConfigError> {
        let subjects = Arc::new(SharedSubjects(self.core.subject_records().await?));
        let root = self.core.root_key().await?;
        let stored = matches!(self.users, Users::Stored).then(|| {
            let accounts = StoredAccounts::in_sealed(self.core.sealed_store(), &root, self.core.issuer());
            accounts.clock(self.core.shared_clock()).subjects(subjects.clone())
        });
        let accounts: Option<Arc<dyn Accounts>> = match (&stored, std::mem::replace(&mut self.users, Users::TheHosts)) {
            (Some(stored), _) => Some(Arc::new(stored.clone())),
            (None, Users::Table(accounts)) => Some(accounts),
            (None, _) => None,
        };
        let Some(accounts) = accounts else { return self.build_without_login().await };
        let mfa = self.login_engine(Arc::clone(&accounts), subjects, &root).await?;
        self.check_reachable(&mfa)?;
        let login = match self.presenter.take().or_else(default_presenter) {
            Some(presenter) => Login::new(mfa.clone()).presenter(presenter),
            None => Login::new(mfa.clone()),
        };
        let login = match self.login_page.take() {
            Some(path) => login.login_page(path),
            None => login,
        };
        let login = match self.mfa_api.take() {
            Some(api) => login.mfa_api(api),
            None => login,
        };
        let oidc = if self.logout_by_host {
            self.oidc.logout_by_host()
        } else {
            self.oidc.logout(logout::Pages { login: login.clone(), page: self.logout_page.take() })
        };
        let core = self.core.accounts(accounts).extension(oidc).extension(login).build().await?;
        Ok(Server { core, stored_accounts: stored, mfa: Some(mfa) })
    }

    /// A host with a login of its own: it owns `/authorize`.
    async fn build_without_login(self) -> Result<Server, ConfigError> {
        let own_pages = self.login_page.is_some() || self.logout_page.is_some();
        let parts_of_a_login = self.policy.is_some() || self.presenter.is_some() || own_pages;
        if !self.factors.is_empty() || self.push.is_some() || !self.hooks.is_empty() || parts_of_a_login {
            return Err(ConfigError::Unreachable {
                what: "factors, hooks, a policy or pages".to_owned(),
                cure: "they belong to a login, which needs users: add stored_accounts() or accounts(…)".to_owned(),
            });
        }
        let oidc = if self.logout_by_host { self.oidc.logout_by_host() } else { self.oidc };
        let core = self.core.extension(oidc).build().await?;
        Ok(Server { core, stored_accounts: None, mfa: None })
    }

    async fn login_engine(
        &mut self,
        accounts: Arc<dyn Accounts>,
        subjects: Arc<SharedSubjects>,
        root: &RootKey,
    ) -> Result<Mfa, ConfigError> {
        let core = &self.core;
        let mut mfa = Mfa::builder_sealed(core.sealed_store(), root)
            .realm(core.issuer())
            .accounts(accounts)
            .subjects(subjects)
            .acr_table(core.known_acr().clone())
            .clock(core.shared_clock())
            .random(core.shared_random())
            .events(core.shared_events())
            .limits(std::mem::take(&mut self.limits))
            .password_cost(self.cost)
            .policy(self.policy.take().unwrap_or_default());
        mfa = mfa.message_budget(std::mem::take(&mut self.budget)).notices(self.notices);
        if let Some(lasts) = self.fresh_factor {
            mfa = mfa.fresh_factor(lasts);
        }
        if let Some(texts) = self.texts.take() {
            mfa = mfa.messages(texts);
        }
        for (channel, sender) in self.senders.drain(..) {
            mfa = mfa.sender(channel, sender);
        }
        if let Some(pool) = self.pool.take().or_else(default_pool) {
            mfa = mfa.pool(pool);
        }
        for factor in self.factors.drain(..) {
            mfa = mfa.factor(factor);
        }
        if let Some(push) = self.push.take() {
            mfa = mfa.push(push);
        }
        for hook in self.hooks.drain(..) {
            mfa = mfa.login_hook(hook);
        }
        if let Some(page) = &self.login_page {
            let own = if page.starts_with('/') { origin(core.issuer()) } else { "" };
            mfa = mfa.login_page(format!("{own}{page}"));
        }
        mfa = mfa.first_factors_as(self.first_factors).password_policy(self.password_policy.clone());
        mfa.build().await.map_err(|error| extension_error("the login", error))
    }

    /// What a client, scope or resource requires must be within reach of some factor.
    fn check_reachable(&self, mfa: &Mfa) -> Result<(), ConfigError> {
        for (place, requirement) in &self.required {
            let Some(need) = requirement.acr_value() else { continue };
            if !mfa.reaches(requirement) {
                return Err(ConfigError::Unreachable {
                    what: format!("{place} requires {}", need.as_str()),
                    cure: "no factor here reaches it: add one that does".to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// The origin of an issuer (RFC 6454 §4).
fn origin(issuer: &str) -> &str {
    let after_scheme = issuer.find("://").map_or(0, |at| at + 3);
    let end = issuer.get(after_scheme..).and_then(|rest| rest.find('/')).map_or(issuer.len(), |at| after_scheme + at);
    issuer.get(..end).unwrap_or(issuer)
}

fn extension_error(extension: &'static str, error: impl Into<BoxError>) -> ConfigError {
    ConfigError::Extension { extension, source: error.into() }
}

#[cfg(feature = "tokio")]
fn default_pool() -> Option<Arc<dyn WorkPool>> {
    Some(Arc::new(crate::TokioPool::default()))
}

#[cfg(not(feature = "tokio"))]
fn default_pool() -> Option<Arc<dyn WorkPool>> {
    None
}

#[cfg(feature = "pages")]
fn default_presenter() -> Option<Arc<dyn Presenter>> {
    Some(Arc::new(countersign_pages::Pages::new("Sign in")))
}

#[cfg(not(feature = "pages"))]
fn default_presenter() -> Option<Arc<dyn Presenter>> {
    None
}
