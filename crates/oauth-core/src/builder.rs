//! Assembling a server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_accounts::Accounts;
use countersign_events::{EventSink, Events};
use countersign_primitives::{AcrTable, Clock, Random, SystemClock, SystemRandom};
use countersign_storage_traits::{Cached, Encrypted, MasterKey, RootKey, Store, StoreError};
use countersign_tokens::{CryptoProvider, RefreshTokens, Ring};
use http::Method;
use serde_json::{Map, Value};

use crate::client_metadata;
use crate::client_table::{ClientTable, Clients};
use crate::config::{Config, Preset, Resource};
use crate::endpoints::introspect::IntrospectionEndpoint;
use crate::endpoints::metadata::{self, JwksEndpoint, MetadataEndpoint};
use crate::endpoints::register::{ConfigurationEndpoint, RegistrationEndpoint};
use crate::endpoints::revoke::RevocationEndpoint;
use crate::endpoints::{entity_tag, token::TokenEndpoint};
use crate::extension::{Extension, Grant};
use crate::grants::BUILT_IN;
use crate::health::Worked;
use crate::keys::{KeyParts, Keys};
use crate::records;
use crate::secrets::Secrets;
use crate::server::{Assembled, Server};
use crate::subjects::SubjectRecords;
use crate::transport::Route;
use crate::{Client, ConfigError, Issuer, Registration, Scope};

/// What a host adds to a client that came by its metadata.
type Adjust = Box<dyn FnOnce(Client) -> Client + Send>;

/// Assembles a [`Server`]. What is wrong with it is told by [`ServerBuilder::build`], with place and cure.
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use countersign_oauth_core::{Client, Preset, Scope, Server};
/// use countersign_storage_memory::MemoryStore;
/// use countersign_storage_traits::MasterKey;
///
/// let server = Server::builder("https://id.example.com", MemoryStore::new(), MasterKey::from_bytes([7; 32]))
///     .preset(Preset::oauth21())
///     .scope(Scope::new("orders:read", "See your orders"))
///     .client(Client::public("shop").redirect_uri("https://shop.example.com/callback"))
///     .build()
///     .await?;
/// # Ok(()) }
/// ```
pub struct ServerBuilder {
    issuer: String,
    store: Arc<Encrypted<Arc<dyn Store>>>,
    root: Option<RootKey>,
    preset: Preset,
    acr: AcrTable,
    scopes: Vec<Scope>,
    resources: Vec<Resource>,
    clients: Vec<Client>,
    client_metadata: Vec<(Map<String, Value>, Adjust)>,
    more_clients: Option<Arc<dyn Clients>>,
    accounts: Option<Arc<dyn Accounts>>,
    extensions: Vec<Arc<dyn Extension>>,
    grants: Vec<Arc<dyn Grant>>,
    events: Events,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    crypto: Arc<dyn CryptoProvider>,
    body_limit: usize,
    registration: Registration,
    requests_per_address: u32,
    cached_clients: Option<Duration>,
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl ServerBuilder {
    pub(crate) fn new(issuer: String, store: impl Store + 'static, master: &MasterKey) -> Self {
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let store: Arc<dyn Store> = Arc::new(store);
        let store = Encrypted::new(store, master, &issuer, Arc::clone(&random));
        Self {
            issuer,
            store: Arc::new(store),
            root: None,
            preset: Preset::default(),
            acr: AcrTable::default(),
            scopes: Vec::new(),
            resources: Vec::new(),
            clients: Vec::new(),
            client_metadata: Vec::new(),
            more_clients: None,
            accounts: None,
            extensions: Vec::new(),
            grants: Vec::new(),
            events: Events::none(),
            clock: Arc::new(SystemClock),
            random,
            crypto: Arc::new(Ring),
            body_limit: Config::BODY_LIMIT,
            registration: Registration::closed(),
            requests_per_address: Config::REQUESTS_PER_ADDRESS,
            cached_clients: None,
        }
    }

    /// The switches, all at once. By default [`Preset::oauth21`].
    #[must_use]
    pub fn preset(mut self, preset: Preset) -> Self {
        self.preset = preset;
        self
    }

    /// The `acr` values, and which satisfies which.
    #[must_use]
    pub fn acr_table(mut self, table: AcrTable) -> Self {
        self.acr = table;
        self
    }

    /// A scope that clients may ask for.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scopes.push(scope);
        self
    }

    /// A resource that access tokens may be for.
    #[must_use]
    pub fn resource(mut self, resource: Resource) -> Self {
        self.resources.push(resource);
        self
    }

    /// A client.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// A client by its metadata (RFC 7591 §2): from a file, say. Members that no part of the server reads are an error.
    /// `adjust` adds what metadata cannot say, such as [`Client::requires`].
    #[must_use]
    pub fn client_metadata(
        mut self,
        metadata: Map<String, Value>,
        adjust: impl FnOnce(Client) -> Client + Send + 'static,
    ) -> Self {
        self.client_metadata.push((metadata, Box::new(adjust)));
        self
    }

    /// Who may register clients (RFC 7591). Nobody, by default.
    #[must_use]
    pub fn registration(mut self, registration: Registration) -> Self {
        self.registration = registration;
        self
    }

    /// The host's own table of clients, asked after those that are named here.
    #[must_use]
    pub fn clients(mut self, clients: impl Clients + 'static) -> Self {
        self.more_clients = Some(Arc::new(clients));
        self
    }

    /// The host's users. Grants of an account that is gone or barred are dead.
    #[must_use]
    pub fn accounts(mut self, accounts: Arc<dyn Accounts>) -> Self {
        self.accounts = Some(accounts);
        self
    }

    /// A part of the protocol.
    #[must_use]
    pub fn extension(mut self, extension: impl Extension + 'static) -> Self {
        self.extensions.push(Arc::new(extension));
        self
    }

    /// A grant of the host's own.
    #[must_use]
    pub fn grant(mut self, grant: impl Grant + 'static) -> Self {
        self.grants.push(Arc::new(grant));
        self
    }

    /// Who hears of what happens.
    #[must_use]
    pub fn events(mut self, sink: impl EventSink + 'static) -> Self {
        self.events = self.events.and(sink);
        self
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The cryptographic library.
    #[must_use]
    pub fn crypto(mut self, crypto: impl CryptoProvider + 'static) -> Self {
        self.crypto = Arc::new(crypto);
        self
    }

    /// The longest body that a request may have.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// How many authorization requests that wait for their users one address (an IPv6 subscriber's /64) may begin within the
    /// lifetime of a login; loopback as many as it likes. Each keeps two small records until then, so strangers fill no store.
    /// Default: [`Config::REQUESTS_PER_ADDRESS`].
    #[must_use]
    pub fn requests_per_address(mut self, requests: u32) -> Self {
        self.requests_per_address = requests;
        self
    }

    /// Remembers clients that registered themselves for so long, at most 5 s, instead of reading one from the store at every request.
    /// Off by default: every request then sees the registration as it stands.
    ///
    /// What is changed or deleted on this node holds at once. A client that was changed or deleted on *another* node is noticed here
    /// within that time; until then it may still authenticate here, and users may still sign in to it. What it then gets is worth
    /// nothing at this server once that time has passed. Grants, sessions and keys are never remembered.
    #[must_use]
    pub fn cache_clients(mut self, staleness: Duration) -> Self {
        self.cached_clients = Some(staleness);
        self
    }

    /// The store with every payload sealed: for parts that are assembled beside it.
    #[must_use]
    pub fn sealed_store(&self) -> Arc<dyn Store> {
        Arc::<Encrypted<_>>::clone(&self.store)
    }

    /// The issuer, as given.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Also opens what the next master key seals: the first step of a change of the key, see `docs/operations.md`. To be called
    /// before [`ServerBuilder::sealed_store`].
    #[must_use]
    pub fn next_master_key(mut self, next: &MasterKey) -> Self {
        self.store = Arc::new((*self.store).clone().also_opens(next));
        self
    }

    /// Opens what an earlier master key sealed, and seals it anew: the second step. To be called before
    /// [`ServerBuilder::sealed_store`].
    #[must_use]
    pub fn earlier_master_key(mut self, earlier: &MasterKey) -> Self {
        self.store = Arc::new((*self.store).clone().replaces(earlier));
        self
    }

    /// The root key of this issuer, for parts that are assembled beside the server. They derive keys of their own from it. The
    /// first server on a store makes it.
    ///
    /// # Errors
    /// [`ConfigError::MasterKey`] when the store was sealed under another master key: a key that was lost is told at start, and
    /// not at the first login. Else as the store fails.
    pub async fn root_key(&mut self) -> Result<RootKey, ConfigError> {
        let root = match self.root.take() {
            Some(root) => root,
            None => open_root_key(&self.store, &*self.clock).await?,
        };
        Ok(self.root.insert(root).clone())
    }

    /// The `acr` values, for parts that are assembled beside the server.
    #[must_use]
    pub fn known_acr(&self) -> &AcrTable {
        &self.acr
    }

    /// Where the records of subjects live, for parts that are assembled beside the server.
    ///
    /// # Errors
    /// As [`ServerBuilder::root_key`].
    pub async fn subject_records(&mut self) -> Result<SubjectRecords, ConfigError> {
        let secrets = Secrets::new(&self.root_key().await?, &self.issuer, &*self.crypto);
        Ok(SubjectRecords::new(Arc::new(secrets), self.sealed_store(), Arc::clone(&self.clock)))
    }

    /// The clock, for parts that are assembled beside the server.
    #[must_use]
    pub fn shared_clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// The source of randomness, for parts that are assembled beside the server.
    #[must_use]
    pub fn shared_random(&self) -> Arc<dyn Random> {
        Arc::clone(&self.random)
    }

    /// The listeners, for parts that are assembled beside the server.
    #[must_use]
    pub fn shared_events(&self) -> Events {
        self.events.clone()
    }

    /// Checks everything and assembles the server. Makes the signing keys of an issuer that has none.
    ///
    /// # Errors
    /// [`ConfigError`] names place and cure.
    pub async fn build(self) -> Result<Server, ConfigError> {
        let issuer = Issuer::parse(&self.issuer)?;
        let grants = collect_grants(&self.extensions, self.grants)?;
        let extension_resources: Vec<_> =
            self.extensions.iter().flat_map(|extension| extension.resources(&issuer)).collect();
        let extension_resources = extension_resources.into_iter();
        let config = Config {
            scopes: self.extensions.iter().flat_map(|extension| extension.scopes()).chain(self.scopes).collect(),
            response_types: response_types(&self.extensions)?,
            grant_types: BUILT_IN
                .into_iter()
                .map(str::to_owned)
                .chain(grants.iter().map(|grant| grant.grant_type().to_owned()))
                .collect(),
            issuer,
            preset: self.preset,
            acr: self.acr,
            resources: extension_resources.chain(self.resources).collect(),
            body_limit: self.body_limit,
            registration: self.registration,
            requests_per_address: self.requests_per_address,
        };
        config.check()?;
        let mut clients = self.clients;
        for (metadata, adjust) in self.client_metadata {
            clients.push(adjust(client_metadata::read(&metadata, &self.extensions, &config)?));
        }
        check_clients(&config, &clients, &grants)?;
        let routes = collect_routes(&config, &self.extensions)?;
        let document = Bytes::from(metadata::write(&config, &self.extensions, &grants)?);
        let etag = entity_tag(&*self.crypto, &document);
        let root = match self.root {
            Some(root) => root,
            None => open_root_key(&self.store, &*self.clock).await?,
        };
        let sealed: Arc<dyn Store> = Arc::<Encrypted<_>>::clone(&self.store);
        let store = match self.cached_clients {
            None => sealed,
            Some(staleness) => Arc::new(Cached::new(sealed, [records::CLIENT], staleness)),
        };
        let secrets = Secrets::new(&root, &self.issuer, &*self.crypto);
        let keys = Keys::open(KeyParts {
            key: secrets.key_ring(),
            algorithm: config.preset.signing_algorithm,
            policy: config.preset.rotation_policy(),
            store: Arc::clone(&store),
            crypto: Arc::clone(&self.crypto),
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
            events: self.events.clone(),
        });
        let keys = keys.await?;
        tell_what_the_store_cannot_keep(&*store);
        tell_of_password_grants(&config, &clients);
        let tag_key = root.derive(&self.issuer, "oauth/refresh-token-tag");
        let refresh_tokens = RefreshTokens::new(Arc::clone(&self.crypto), 1, tag_key);
        let cookie_name = cookie_name(&config, &*self.crypto);
        let worked = Worked::at(self.clock.now());
        Ok(Server(Arc::new(Assembled {
            clients: ClientTable::new(clients, self.more_clients)?,
            config,
            store,
            sealed: self.store,
            crypto: self.crypto,
            random: self.random,
            clock: self.clock,
            accounts: self.accounts,
            events: self.events,
            extensions: self.extensions,
            grants,
            routes,
            keys,
            secrets,
            refresh_tokens,
            cookie_name,
            metadata: (document, etag),
            worked,
        })))
    }
}

async fn open_root_key(store: &Encrypted<Arc<dyn Store>>, clock: &dyn Clock) -> Result<RootKey, ConfigError> {
    store.root_key(clock.now()).await.map_err(|error| match error {
        StoreError::WrongKey { .. } => ConfigError::MasterKey,
        error => ConfigError::Store(error),
    })
}

/// A capability that the store lacks is declared, and told at start (promise 3).
fn tell_what_the_store_cannot_keep(store: &dyn Store) {
    if !store.capabilities().durable {
        tracing::warn!(
            "the store is not durable: what it answered may be lost, so a spent code or token may serve again after a crash"
        );
    }
}

/// What is weaker than OAuth 2.1 asks is told at the start.
fn tell_of_password_grants(config: &Config, clients: &[Client]) {
    if config.preset().password_grant {
        tracing::warn!("the password grant is on: clients of your own see their users' passwords");
    }
    let own = |client: &&Client| client.own_preset().is_some_and(|preset| preset.password_grant);
    for client in clients.iter().filter(own) {
        tracing::warn!(client = client.id(), "this client may use the password grant: it sees its users' passwords");
    }
}

/// `__Host-` over https, so that no neighbour on a subdomain can plant it; a tag of the issuer, so that two in one host differ.
fn cookie_name(config: &Config, crypto: &dyn CryptoProvider) -> String {
    let hash = crypto.sha256(&[config.issuer().as_str().as_bytes()]);
    let tag: String = hash[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    let prefix = if config.issuer().is_https() { "__Host-" } else { "" };
    format!("{prefix}countersign-{tag}")
}

fn response_types(extensions: &[Arc<dyn Extension>]) -> Result<Vec<&'static str>, ConfigError> {
    let mut served = vec!["code"];
    for added in extensions.iter().flat_map(|extension| extension.response_types()).copied() {
        if !added.starts_with("code ") || served.contains(&added) {
            let what = format!("the response type {added:?}");
            return Err(ConfigError::Unreachable {
                what,
                cure: "a new one that begins with \"code \" is served".to_owned(),
            });
        }
        served.push(added);
    }
    Ok(served)
}

fn collect_grants(
    extensions: &[Arc<dyn Extension>],
    own: Vec<Arc<dyn Grant>>,
) -> Result<Vec<Arc<dyn Grant>>, ConfigError> {
    let grants: Vec<_> = extensions.iter().flat_map(|extension| extension.grants()).chain(own).collect();
    for (at, grant) in grants.iter().enumerate() {
        let name = grant.grant_type();
        if BUILT_IN.contains(&name) || grants[..at].iter().any(|earlier| earlier.grant_type() == name) {
            return Err(ConfigError::GrantTwice { grant_type: name.to_owned() });
        }
    }
    Ok(grants)
}

fn collect_routes(config: &Config, extensions: &[Arc<dyn Extension>]) -> Result<Vec<Route>, ConfigError> {
    let prefix = config.issuer().path();
    let mut routes = vec![
        Route::new(Method::POST, "/oauth/token", TokenEndpoint).cors().needs_peer(),
        Route::new(Method::POST, "/oauth/revoke", RevocationEndpoint).cors(),
        Route::new(Method::POST, "/oauth/introspect", IntrospectionEndpoint),
        Route::new(Method::GET, "/.well-known/jwks.json", JwksEndpoint).cors(),
        Route::new(Method::GET, "/.well-known/oauth-authorization-server", MetadataEndpoint).cors(),
    ];
    routes.extend(registration_routes(config));
    routes.extend(extensions.iter().flat_map(|extension| extension.routes(config)));
    let mut routes: Vec<Route> = routes.into_iter().map(|route| route.below(prefix)).collect();
    routes.extend(root_forms(prefix, &routes));
    for (at, route) in routes.iter().enumerate() {
        if routes[..at].iter().any(|earlier| earlier.is_same(route)) {
            return Err(ConfigError::RouteTwice { path: route.path().to_owned() });
        }
    }
    Ok(routes)
}

/// Where clients register and look after their registration; nowhere while registration is closed.
fn registration_routes(config: &Config) -> Vec<Route> {
    if config.registration().is_closed() {
        return Vec::new();
    }
    let configuration = Arc::new(ConfigurationEndpoint);
    let own = [Method::GET, Method::PUT, Method::DELETE]
        .map(|method| Route::shared(method, "/oauth/register/{client_id}", configuration.clone()));
    let all = [Route::new(Method::POST, "/oauth/register", RegistrationEndpoint).needs_peer()].into_iter().chain(own);
    // Pages of any origin register themselves only where everybody may.
    if config.registration().is_open() { all.map(Route::cors).collect() } else { all.collect() }
}

/// For an issuer with a path, metadata also stands where RFC 8414 §3.1 wants it: the well-known part before the path.
fn root_forms(prefix: &str, routes: &[Route]) -> Vec<Route> {
    if prefix.is_empty() {
        return Vec::new();
    }
    let documents = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
    let inserted = routes.iter().filter_map(|route| {
        let document = documents.iter().find(|document| route.path() == format!("{prefix}{document}"))?;
        Some(route.moved(format!("{document}{prefix}")))
    });
    inserted.collect()
}

/// What a client asks for must exist.
fn check_clients(config: &Config, clients: &[Client], grants: &[Arc<dyn Grant>]) -> Result<(), ConfigError> {
    for client in clients {
        let wrong = |problem| Err(ConfigError::Client { client_id: client.id().to_owned(), problem });
        let scopes = client.scopes().unwrap_or_default();
        if let Some(unknown) = scopes.iter().find(|token| config.scope(token).is_none()) {
            return wrong(format!("scope {unknown:?} is not declared; add it to the server's scopes"));
        }
        if let Some(unknown) = client.introspected().iter().find(|uri| config.resource(uri).is_none()) {
            return wrong(format!(
                "it introspects {unknown:?}, which is no resource of this server; add it to the resources"
            ));
        }
        for grant in grants.iter().filter(|grant| client.may_use(grant.grant_type())) {
            let preset = config.preset_of(client);
            if !grant.serves(preset) {
                let (grant_type, name) = (grant.grant_type(), preset.name);
                return wrong(format!("the grant type {grant_type:?} is not served under the preset {name}"));
            }
            if let Some(objection) = grant.objection(client) {
                return wrong(objection.to_owned());
            }
        }
        if client.requirement().acr_value().is_some_and(|acr| config.acr.strength(acr).is_none()) {
            return wrong("it requires an acr that this server's table does not know".to_owned());
        }
    }
    Ok(())
}
