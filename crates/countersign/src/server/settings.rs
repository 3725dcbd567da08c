//! What a host says of its server, part by part.

use std::sync::Arc;
use std::time::Duration;

use countersign_accounts::Accounts;
use countersign_events::EventSink;
use countersign_mfa::oauth::{AdminApi, MfaApi};
use countersign_mfa::{
    AuthenticatorMetadata, FirstMethod, IntoFactor, Limits, LoginHook, MessageBudget, MessageTexts, PasswordCost,
    PasswordPolicy, Policy, Presenter, Push,
};
use countersign_oauth_core::{Client, Clients, Extension, Grant, Preset, Registration, Resource, Scope};
use countersign_oidc::ClaimsSource;
use countersign_outbound::{Channel, MessageSender};
use countersign_primitives::{AcrTable, Clock, Requirement, WorkPool};
use countersign_storage_traits::MasterKey;
use serde_json::{Map, Value};

use super::{ServerBuilder, Users};

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
    /// The server keeps the users itself, sealed like all it keeps. See [`Server::stored_accounts`](super::Server::stored_accounts).
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
    pub fn factor(mut self, factor: impl IntoFactor) -> Self {
        self.factors.push(factor.into_factor());
        self
    }

    /// Push to devices that users register, with number matching. Devices call [`Push::path`] below the issuer.
    #[must_use]
    pub fn push(mut self, push: Push) -> Self {
        self.push = Some(push);
        self
    }

    /// Where metadata of authenticators comes from, for security keys whose models must be known. It is fetched as due work
    /// ([`Server::work`](countersign_oauth_core::Server::work)), one node for all, and kept in the store.
    #[must_use]
    pub fn authenticator_metadata(mut self, metadata: AuthenticatorMetadata) -> Self {
        self.metadata = Some(metadata);
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

    /// Serves the admin API: factors, policies and users by plain calls, for administrators who have proven a second factor. Off by
    /// default.
    #[must_use]
    pub fn admin_api(mut self, api: AdminApi) -> Self {
        self.required.extend(api.required());
        self.admin_api = Some(api);
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

    /// The host serves `/logout` by a route of its own, which calls [`Server::end_session`](super::Server::end_session): discovery says so. With a login of
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
}
