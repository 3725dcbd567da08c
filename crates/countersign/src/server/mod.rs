//! The server with every part's builder methods in one place.

mod build;
mod settings;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_accounts::Accounts;
use countersign_mfa::oauth::{AdminApi, MfaApi};
use countersign_mfa::{
    AuthenticatorMetadata, FirstMethods, Limits, LoginHook, MessageBudget, MessageTexts, Mfa, PasswordCost,
    PasswordPolicy, PluggedFactor, Policy, Presenter, Push, StoredAccounts,
};
use countersign_oauth_core::ServerBuilder as CoreBuilder;
use countersign_oidc::{Logout, Oidc};
use countersign_outbound::{Channel, MessageSender};
use countersign_primitives::{Requirement, SignedIn, Subject, WorkPool};
use countersign_storage_traits::{MasterKey, Store};
use http::Request;

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
            metadata: None,
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
            admin_api: None,
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

    /// What a user looks after: factors, devices, sessions, applications, and what happened of late; what `/account` shows. None for a
    /// server without a login of its own, whose users the host looks after.
    ///
    /// ```
    /// # async fn example(server: countersign::Server) -> Result<(), countersign::Refusal> {
    /// if let Some(account) = server.account("u-1") {
    ///     account.end_other_sessions(None).await?; // the help desk signs the user out everywhere
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn account(&self, subject: impl Into<Subject>) -> Option<countersign_mfa::oauth::Account> {
        self.mfa.as_ref().map(|mfa| countersign_mfa::oauth::Account::of(&self.core, mfa, subject))
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
    factors: Vec<PluggedFactor>,
    push: Option<Push>,
    metadata: Option<AuthenticatorMetadata>,
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
    admin_api: Option<AdminApi>,
    /// What is required where, to be compared with what the factors reach.
    required: Vec<(String, Requirement)>,
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}
