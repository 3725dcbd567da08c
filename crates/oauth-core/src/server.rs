//! An authorization server as a value, and how requests find their endpoint.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use countersign_accounts::Accounts;
use countersign_events::{Event, EventKind, Events};
use countersign_primitives::{Clock, Id, Random, UnixTime};
use countersign_storage_traits::{Cursor, Encrypted, Resealed, Store, StoreError};
use countersign_tokens::{CryptoProvider, JwtError, RefreshTokens, Verified};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use crate::builder::ServerBuilder;
use crate::client_table::ClientTable;
use crate::extension::{Extension, Grant, Hook};
use crate::grants::BUILT_IN;
use crate::health::Worked;
use crate::keys::Keys;
use crate::secrets::Secrets;
use crate::transport::{Peer, Route, answer};
use crate::{Cause, Client, ClientId, Config, Refusal};

/// An authorization server: an issuer, its clients, its keys, and where it keeps what it must not forget.
///
/// A cheap clone. It has no sockets, no timers and no global state; several issuers live in one process and share nothing.
/// See [`Server::builder`].
#[derive(Clone)]
pub struct Server(pub(crate) Arc<Assembled>);

/// What a server is made of.
pub(crate) struct Assembled {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    /// The same without a memory.
    pub(crate) sealed: Arc<Encrypted<Arc<dyn Store>>>,
    pub(crate) crypto: Arc<dyn CryptoProvider>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clients: ClientTable,
    pub(crate) accounts: Option<Arc<dyn Accounts>>,
    pub(crate) events: Events,
    pub(crate) extensions: Vec<Arc<dyn Extension>>,
    pub(crate) grants: Vec<Arc<dyn Grant>>,
    pub(crate) routes: Vec<Route>,
    pub(crate) keys: Keys,
    pub(crate) secrets: Secrets,
    pub(crate) refresh_tokens: RefreshTokens,
    pub(crate) cookie_name: String,
    pub(crate) metadata: (Bytes, String),
    pub(crate) worked: Worked,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.config().issuer())
    }
}

impl Server {
    /// Begins a server: its issuer, where it keeps things, and the key under which they are sealed.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "the host hands the key over: nothing keeps it after this call")]
    pub fn builder(
        issuer: impl Into<String>,
        store: impl Store + 'static,
        master: countersign_storage_traits::MasterKey,
    ) -> ServerBuilder {
        ServerBuilder::new(issuer.into(), store, &master)
    }

    /// Answers a request, whatever it holds: 404 for a path that is not this server's.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let mut response = self.dispatch(request).await;
        answer::put(&mut response, header::X_CONTENT_TYPE_OPTIONS, const { HeaderValue::from_static("nosniff") });
        response
    }

    async fn dispatch(&self, request: Request<Bytes>) -> Response<Bytes> {
        let Some(route) = self.route_of(&request).filter(|_| self.is_our_host(&request)) else {
            return self.without_route(&request);
        };
        let response = self.dispatch_to(route, request).await;
        if route.allows_any_origin() { any_origin(response) } else { response }
    }

    /// The route that answers a request: none to a question of a browser about other origins.
    fn route_of(&self, request: &Request<Bytes>) -> Option<&Route> {
        let path = request.uri().path();
        let asked = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let mut found = self.0.routes.iter().filter(|route| route.matches(path));
        if *asked == Method::OPTIONS && found.clone().any(Route::allows_any_origin) {
            return None;
        }
        found.find(|route| route.method() == asked)
    }

    /// Answers a request that no route takes.
    fn without_route(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path();
        let found: Vec<&Route> = self.0.routes.iter().filter(|route| route.matches(path)).collect();
        if found.is_empty() {
            return answer::refusal(&Cause::UnknownPath.into());
        }
        if !self.is_our_host(request) {
            return answer::refusal(&Cause::ForeignHost.into());
        }
        let open: Vec<&Route> = found.iter().copied().filter(|route| route.allows_any_origin()).collect();
        if request.method() == Method::OPTIONS && !open.is_empty() {
            return any_origin(preflight(&open));
        }
        let response = wrong_method(&found);
        if open.is_empty() { response } else { any_origin(response) }
    }

    async fn dispatch_to(&self, route: &Route, request: Request<Bytes>) -> Response<Bytes> {
        if request.body().len() > self.config().body_limit() {
            return answer::refusal(&Cause::BodyTooLarge.into());
        }
        if route.demands_peer() && request.extensions().get::<Peer>().is_none() {
            let refusal = Refusal::from(Cause::NoPeer);
            self.note_refusal(EventKind::Failure, &refusal, None);
            tracing::error!(
                "the address of the peer is not known: serve with connection info, or put `Peer` into the request's extensions"
            );
            return answer::refusal(&refusal);
        }
        route.endpoint().answer(self, request).await
    }

    /// Whether the request was sent to the issuer's host: nothing is ever built from `Host`, and nothing answers for another.
    fn is_our_host(&self, request: &Request<Bytes>) -> bool {
        let mut lines = request.headers().get_all(header::HOST).iter();
        let named = match (lines.next(), lines.next()) {
            (Some(host), None) => host.to_str().unwrap_or_default(),
            (None, _) => request.uri().authority().map_or("", |authority| authority.as_str()),
            (Some(_), Some(_)) => return false,
        };
        let issuer = self.config().issuer();
        let default_port = if issuer.is_https() { ":443" } else { ":80" };
        let named = named.strip_suffix(default_port).unwrap_or(named);
        let own = issuer.authority();
        named.eq_ignore_ascii_case(own.strip_suffix(default_port).unwrap_or(own))
    }

    /// One bounded round of due work: signing keys are rotated when it is time, expired records are swept, what an
    /// earlier master key sealed is sealed anew, and extensions do theirs. Safe on every node at once.
    ///
    /// Returns when to call again: within a minute, and sooner where something is due sooner.
    ///
    /// # Errors
    /// When the store fails; call again a little later.
    pub async fn work(&self, now: impl Into<UnixTime>) -> Result<UnixTime, Refusal> {
        const EVERY: std::time::Duration = std::time::Duration::from_secs(60);
        const AT_MOST: u32 = 1_000;
        let now = now.into();
        let keys = self.keys().work(now).await;
        let swept = self.store().sweep(now, AT_MOST).await;
        let resealed = self.0.sealed.reseal_due(now).await;
        let mut next = now.plus(EVERY);
        for extension in self.extensions_with(Hook::Work) {
            if let Some(due) = extension.work(self, now).await {
                next = next.min(due);
            }
        }
        // Each does what it can; the first failure is told once all have.
        let next = keys?.map_or(next, |due| next.min(due));
        let next = resealed?.map_or(next, |due| next.min(due));
        let next = if swept?.more { now } else { next.max(now) };
        self.0.worked.note(now);
        Ok(next)
    }

    /// A step of sealing anew what an earlier master key sealed and nobody reads ([`Encrypted::reseal`]), for who would rather have it done at
    /// once than by [`Server::work`]; the first step begins without a cursor, and each tells where the next goes on.
    ///
    /// # Errors
    /// When the store fails or cannot be walked; the same step may be made again.
    ///
    /// ```
    /// # use countersign_oauth_core::Server;
    /// # use countersign_storage_traits::StoreError;
    /// # async fn example(server: Server) -> Result<(), StoreError> {
    /// let mut step = server.reseal(None, 256).await?;
    /// while step.next.is_some() {
    ///     step = server.reseal(step.next, 256).await?;
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn reseal(&self, after: Option<Cursor>, limit: u16) -> Result<Resealed, StoreError> {
        self.0.sealed.reseal(after, limit, self.now()).await
    }

    /// The paths this server answers, for a router that knows none.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.0.routes
    }

    /// What it was built with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.0.clock.now()
    }

    /// The store, with every payload sealed: for an extension's own records.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    /// The source of randomness.
    #[must_use]
    pub fn random(&self) -> &dyn Random {
        &*self.0.random
    }

    /// The cryptographic library.
    #[must_use]
    pub fn crypto(&self) -> &dyn CryptoProvider {
        &*self.0.crypto
    }

    /// The host's users, where the server knows them.
    #[must_use]
    pub fn accounts(&self) -> Option<&Arc<dyn Accounts>> {
        self.0.accounts.as_ref()
    }

    /// An id that follows from another, the same for the same label and id: so that a step that is repeated after a crash makes
    /// the same record.
    #[must_use]
    pub fn derived_id(&self, label: &str, from: Id) -> Id {
        self.secrets().id(label, &[&from.to_string()])
    }

    /// The name of a cookie of this issuer's: with `__Host-` over https, and a tag, so that two issuers on one host differ.
    #[must_use]
    pub fn cookie_named(&self, name: &str) -> String {
        self.0.cookie_name.replacen("countersign", name, 1)
    }

    /// Tells the host that something happened.
    pub fn event(&self, event: &Event) {
        self.0.events.record(event);
    }

    /// Whether anybody hears of events: making one for nobody is work for nothing.
    pub(crate) fn is_heard(&self) -> bool {
        !self.0.events.is_empty()
    }

    /// The signing algorithm of the issuer's tokens.
    #[must_use]
    pub fn signing_algorithm(&self) -> countersign_tokens::SigningAlgorithm {
        self.keys().algorithm()
    }

    /// The signing keys: rotation, revocation, and what there is.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// Verifies a JWT that this issuer signed. The caller checks the claims.
    ///
    /// # Errors
    /// When the keys cannot be read; what is wrong with the token is the inner [`JwtError`].
    pub async fn verify_own(
        &self,
        token: &str,
        expect: &countersign_tokens::Expect<'_>,
    ) -> Result<Result<Verified, JwtError>, Refusal> {
        self.keys().verify(token, expect).await
    }

    pub(crate) fn secrets(&self) -> &Secrets {
        &self.0.secrets
    }

    pub(crate) fn refresh_tokens(&self) -> &RefreshTokens {
        &self.0.refresh_tokens
    }

    pub(crate) fn cookie_name(&self) -> &str {
        &self.0.cookie_name
    }

    pub(crate) fn metadata(&self) -> (&Bytes, &str) {
        (&self.0.metadata.0, &self.0.metadata.1)
    }

    pub(crate) fn extensions_with(&self, hook: Hook) -> impl Iterator<Item = &dyn Extension> {
        self.0.extensions.iter().map(AsRef::as_ref).filter(move |extension| extension.hooks().contains(&hook))
    }

    /// Whether this client may use a grant type, by what is served under its switches and by its record.
    pub(crate) fn check_grant_type(&self, client: &Client, grant_type: &str) -> Result<(), Cause> {
        let custom = self.custom_grant(grant_type);
        let served = match custom {
            Some(grant) => grant.serves(self.config().preset_of(client)),
            None => BUILT_IN.contains(&grant_type),
        };
        if !served {
            return Err(Cause::UnsupportedGrantType);
        }
        let allowed = client.may_use(grant_type) && custom.and_then(|grant| grant.objection(client)).is_none();
        if allowed { Ok(()) } else { Err(Cause::UnauthorizedClient) }
    }

    pub(crate) fn custom_grant(&self, grant_type: &str) -> Option<&dyn Grant> {
        self.0.grants.iter().find(|grant| grant.grant_type() == grant_type).map(AsRef::as_ref)
    }

    /// A client by its id; none when there is none. It may be a stranger's: nothing of it is shown or followed unchecked.
    ///
    /// # Errors
    /// When the host's table or the store fails.
    pub async fn client(&self, client_id: &str) -> Result<Option<Arc<Client>>, Refusal> {
        match ClientId::parse(client_id) {
            Some(id) => self.find_client(&id).await,
            None => Ok(None),
        }
    }

    pub(crate) async fn find_client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, Refusal> {
        let found = self.0.clients.find(id).await;
        match found.map_err(|error| Refusal::from(Cause::LookupFailed).source(error))? {
            Some(client) => Ok(Some(client)),
            None => self.find_registered(id).await,
        }
    }

    /// Tells of a refusal: who, why, and by which section. What failed on our side goes to the log as well.
    pub fn note_refusal(&self, kind: EventKind, refusal: &Refusal, client: Option<&str>) {
        let kind = if refusal.is_failure() { EventKind::Failure } else { kind };
        let mut event = Event::new(kind, self.now()).with_cause(refusal.cause_id(), refusal.section());
        if let Some(client) = client.or(refusal.client()) {
            event = event.with_client_id(client);
        }
        self.event(&event);
        if refusal.is_failure() {
            let reason = refusal.source_error().map(ToString::to_string);
            tracing::error!(cause = refusal.cause_id(), reason, source = ?refusal.source_error(), "a request failed on our side");
        }
    }
}

/// 405, and the methods that are served (RFC 9110 §15.5.6).
fn wrong_method(found: &[&Route]) -> Response<Bytes> {
    let mut response = answer::refusal(&Cause::WrongMethod.into());
    let mut allowed: Vec<&str> = found.iter().map(|route| route.method().as_str()).collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    answer::set(&mut response, header::ALLOW, &allowed.join(", "));
    response
}

/// Lets pages of every origin read the answer, without credentials (Fetch §3.2).
fn any_origin(mut response: Response<Bytes>) -> Response<Bytes> {
    const EXPOSED: &str = "WWW-Authenticate, DPoP-Nonce";
    answer::put(&mut response, header::ACCESS_CONTROL_ALLOW_ORIGIN, const { HeaderValue::from_static("*") });
    answer::put(&mut response, header::ACCESS_CONTROL_EXPOSE_HEADERS, const { HeaderValue::from_static(EXPOSED) });
    response
}

/// What a page of another origin may send (Fetch §3.2.3).
fn preflight(found: &[&Route]) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let methods: Vec<&str> = found.iter().map(|route| route.method().as_str()).collect();
    answer::set(&mut response, header::ACCESS_CONTROL_ALLOW_METHODS, &methods.join(", "));
    answer::set(&mut response, header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type, DPoP");
    answer::set(&mut response, header::ACCESS_CONTROL_MAX_AGE, "600");
    response
}
