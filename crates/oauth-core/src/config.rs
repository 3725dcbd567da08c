//! Every option: its default, the reason, the section.

use std::time::Duration;

use countersign_primitives::{Acr, AcrTable, Requirement};
use countersign_tokens::{RotationPolicy, SigningAlgorithm};

use crate::{Cause, Client, ConfigError, Issuer, Registration, Scope, ScopeSet};

/// Who must use PKCE (RFC 7636, RFC 9700 §2.1.1). A challenge that was sent is enforced in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pkce {
    /// Everybody.
    Required,
    /// Public clients; a confidential one may leave it out, as OpenID certification asks.
    OptionalForConfidential,
}

/// Which refresh tokens are replaced at each use (RFC 9700 §4.14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// All of them.
    Always,
    /// Those of public clients alone; others keep theirs.
    PublicClients,
}

/// Whom a client's assertion may be for (RFC 7523 §3): one string, never an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssertionAudience {
    /// The issuer, as rfc7523bis wants it: no other server can lead a client to make one that is good here.
    Issuer,
    /// Also the token endpoint or the endpoint called, as OpenID Connect Core §9 advises.
    IssuerOrEndpoint,
}

/// What access tokens look like (RFC 6749 §1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenFormat {
    /// A JWT (RFC 9068): a resource server checks it by itself, and hears of no revocation before its end.
    #[default]
    Jwt,
    /// A handle that says nothing, and is looked up by introspection (RFC 7662): revoked, it is dead everywhere at once.
    Opaque,
}

/// How long things live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifetimes {
    /// An authorization code: as short as a redirect takes (RFC 6749 §4.1.2 advises at most ten minutes).
    pub code: Duration,
    /// An access token: short, since a resource server that only checks signatures sees it live to its end.
    pub access_token: Duration,
    /// An ID token: read once, at login.
    pub id_token: Duration,
    /// A refresh token that is not used.
    pub refresh_token_idle: Duration,
    /// A refresh token, however often it is used.
    pub refresh_token_absolute: Duration,
    /// How long a client that lost the answer may repeat a refresh and get the same successor.
    pub refresh_token_grace: Duration,
    /// A login, from the authorization request to its answer.
    pub login: Duration,
    /// A single sign-on session that is not used.
    pub session_idle: Duration,
    /// A single sign-on session, however often it is used.
    pub session_absolute: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const DAY: u64 = 86_400;
        Self {
            code: Duration::from_secs(60),
            access_token: Duration::from_secs(15 * MINUTE),
            id_token: Duration::from_secs(15 * MINUTE),
            refresh_token_idle: Duration::from_secs(30 * DAY),
            refresh_token_absolute: Duration::from_secs(180 * DAY),
            refresh_token_grace: Duration::from_secs(30),
            login: Duration::from_secs(15 * MINUTE),
            session_idle: Duration::from_secs(DAY),
            session_absolute: Duration::from_secs(14 * DAY),
        }
    }
}

/// When the signing key changes. How long they are kept follows from the lifetimes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRotation {
    /// How long a key signs. 90 days: long enough not to trouble caches, short enough that rotation is practised.
    pub every: Duration,
    /// How long a key is published before it signs. A day, since some verifiers cache a set for a day whatever its `max-age`
    /// says, and two minutes for nodes that are behind; at least [`RotationPolicy::MIN_PUBLISH_AHEAD`], 7 minutes.
    pub publish_ahead: Duration,
}

impl Default for KeyRotation {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self { every: Duration::from_secs(90 * DAY), publish_ahead: Duration::from_secs(DAY + 120) }
    }
}

/// The switches of a server, all at once: a plain value that a host can read and change.
///
/// ```
/// use countersign_oauth_core::Preset;
/// use std::time::Duration;
///
/// let mut preset = Preset::oidc();
/// preset.lifetimes.access_token = Duration::from_secs(300);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preset {
    /// The preset's name, for logs.
    pub name: &'static str,
    /// Who must use PKCE.
    pub pkce: Pkce,
    /// Which refresh tokens are replaced at each use.
    pub rotation: Rotation,
    /// Whether the token request must repeat a redirect URI that the authorization request had (RFC 6749 §4.1.3). OAuth 2.1
    /// dropped the parameter; one that is sent is compared in either case.
    pub repeat_redirect_uri: bool,
    /// Whom a client's assertion may be for (RFC 7523 §3).
    pub assertion_audience: AssertionAudience,
    /// What tokens are signed with. ES256: small, fast, and read by every library.
    pub signing_algorithm: SigningAlgorithm,
    /// Whether clients that belong to whoever runs the server may send their users' passwords (RFC 6749 §4.3), which OAuth 2.1
    /// dropped: the client sees the password, and no passkey works. Only with a login that serves it, and only for clients whose
    /// consent is implied.
    pub password_grant: bool,
    /// When the key that they are signed with changes.
    pub key_rotation: KeyRotation,
    /// How long things live.
    pub lifetimes: Lifetimes,
}

impl Default for Preset {
    fn default() -> Self {
        Self::oauth21()
    }
}

impl Preset {
    /// OAuth 2.1: PKCE from everybody. The default.
    #[must_use]
    pub fn oauth21() -> Self {
        Self {
            name: "oauth21",
            pkce: Pkce::Required,
            rotation: Rotation::Always,
            repeat_redirect_uri: false,
            assertion_audience: AssertionAudience::Issuer,
            password_grant: false,
            signing_algorithm: SigningAlgorithm::Es256,
            key_rotation: KeyRotation::default(),
            lifetimes: Lifetimes::default(),
        }
    }

    /// What OpenID certification asks for: a confidential client may leave PKCE out, and address its assertions to the endpoint.
    #[must_use]
    pub fn oidc() -> Self {
        Self {
            name: "oidc",
            pkce: Pkce::OptionalForConfidential,
            repeat_redirect_uri: true,
            assertion_audience: AssertionAudience::IssuerOrEndpoint,
            ..Self::oauth21()
        }
    }

    /// As [`Preset::oidc`], for clients that cannot be changed any more: those that belong to whoever runs the server may use the
    /// password grant. The log says so at the start.
    #[must_use]
    pub fn legacy() -> Self {
        Self { name: "legacy", password_grant: true, ..Self::oidc() }
    }

    /// The times of a key's life: published until the longest token it signed is over, remembered as long as a session that an
    /// ID token names may last.
    pub(crate) fn rotation_policy(&self) -> RotationPolicy {
        let KeyRotation { every, publish_ahead } = self.key_rotation;
        let longest_token = self.lifetimes.access_token.max(self.lifetimes.id_token);
        RotationPolicy { every, publish_ahead, longest_token, remember: self.lifetimes.session_absolute }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong =
            |what: &str, cure: &str| Err(ConfigError::Unreachable { what: what.to_owned(), cure: cure.to_owned() });
        if self.rotation_policy().check().is_err() {
            return wrong(
                "keys would sign before caches can know them",
                "let key_rotation.publish_ahead be 7 minutes or more",
            );
        }
        if self.key_rotation.every < self.key_rotation.publish_ahead {
            return wrong(
                "a key would be followed before it signs",
                "let key_rotation.every be no shorter than key_rotation.publish_ahead",
            );
        }
        Ok(())
    }
}

/// A protected resource: what access tokens are meant for (RFC 8707).
///
/// A request that names no resource gets tokens for the resources that own the granted scopes, else for the issuer itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    uri: String,
    scopes: Vec<String>,
    token_format: TokenFormat,
    requires: Requirement,
    login_only: Option<Duration>,
}

impl Resource {
    /// A resource by its absolute URI, which becomes the `aud` of its tokens.
    #[must_use]
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            scopes: Vec::new(),
            token_format: TokenFormat::default(),
            requires: Requirement::NONE,
            login_only: None,
        }
    }

    /// A scope that belongs to it.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// What its tokens look like. One that is for several resources is opaque if one of them, or the client, wants it so.
    #[must_use]
    pub fn token_format(mut self, format: TokenFormat) -> Self {
        self.token_format = format;
        self
    }

    /// What must be proven for every token that is for it, whatever its scopes: named by the request, or meant because it owns
    /// a scope.
    ///
    /// ```
    /// use countersign_oauth_core::Resource;
    /// use countersign_primitives::Requirement;
    ///
    /// let ledger = Resource::new("https://ledger.example.com/").scope("ledger:read").requires(Requirement::MFA);
    /// assert_eq!(ledger.requirement(), &Requirement::MFA);
    /// ```
    #[must_use]
    pub fn requires(mut self, requirement: Requirement) -> Self {
        self.requires = requirement;
        self
    }

    /// Its tokens come from a login of their own: by the authorization code grant and for nothing else beside it, no longer than
    /// `lifetime`, never with a refresh token, and never by a refresh or by a grant without a user's presence. For what changes an
    /// account.
    ///
    /// ```
    /// use countersign_oauth_core::Resource;
    /// use std::time::Duration;
    ///
    /// let keys = Resource::new("https://keys.example.com/").scope("keys:change").login_only(Duration::from_secs(600));
    /// assert_eq!(keys.uri(), "https://keys.example.com/");
    /// ```
    #[must_use]
    pub fn login_only(mut self, lifetime: Duration) -> Self {
        self.login_only = Some(lifetime);
        self
    }

    /// What must be proven for a token that is for it.
    #[must_use]
    pub fn requirement(&self) -> &Requirement {
        &self.requires
    }

    /// The URI.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Whether a scope belongs to it.
    #[must_use]
    pub fn owns(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }

    fn check(&self, table: &AcrTable) -> Result<(), ConfigError> {
        if self.requires.acr_value().is_some_and(|acr| table.strength(acr).is_none()) {
            let problem = "it requires an acr that this server's table does not know";
            return Err(ConfigError::Resource { uri: self.uri.clone(), problem });
        }
        let absolute = self.uri.split_once(':').is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
        if absolute && !self.uri.contains('#') && self.uri.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(());
        }
        let problem = "a resource is an absolute URI without a fragment (RFC 8707 §2)";
        Err(ConfigError::Resource { uri: self.uri.clone(), problem })
    }
}

/// What a server was built with.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) issuer: Issuer,
    pub(crate) preset: Preset,
    pub(crate) acr: AcrTable,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) body_limit: usize,
    pub(crate) response_types: Vec<&'static str>,
    pub(crate) grant_types: Vec<String>,
    pub(crate) registration: Registration,
    pub(crate) requests_per_address: u32,
}

impl Config {
    /// The longest body that a request may have, by default.
    pub const BODY_LIMIT: usize = 64 * 1024;
    /// How many requests of one address may wait for their users, by default: more than people behind one address begin in a
    /// quarter of an hour, and no more than two megabytes of a store.
    pub const REQUESTS_PER_ADDRESS: u32 = 1_000;

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.preset.check()?;
        if self.registration.has_weak_token() {
            return Err(ConfigError::Unreachable {
                what: "the initial access token could be guessed".to_owned(),
                cure: "use 128 random bits or more, such as 32 random hexadecimal digits".to_owned(),
            });
        }
        for (at, scope) in self.scopes.iter().enumerate() {
            let wrong = |problem| Err(ConfigError::Scope { scope: scope.token().to_owned(), problem });
            if scope.token().contains(' ') || ScopeSet::parse(scope.token()).is_err() {
                return wrong("a scope token follows RFC 6749 §3.3: visible ASCII without quote and backslash");
            }
            if self.scopes[..at].iter().any(|earlier| earlier.token() == scope.token()) {
                return wrong("the scope is declared twice");
            }
            if scope.requirement().acr_value().is_some_and(|acr| self.acr.strength(acr).is_none()) {
                return wrong("it requires an acr that this server's table does not know");
            }
            let two_factors = |acr| self.acr.satisfies(acr, &Acr::MFA);
            if scope.is_admin() && !scope.requirement().acr_value().is_some_and(two_factors) {
                return wrong("it opens administration and requires less than a second factor");
            }
        }
        self.resources.iter().try_for_each(|resource| resource.check(&self.acr))
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The switches.
    #[must_use]
    pub fn preset(&self) -> &Preset {
        &self.preset
    }

    /// The switches that hold for a client: its own preset's, else the server's. Lifetimes and signing algorithm are always
    /// those of [`Config::preset`].
    #[must_use]
    pub fn preset_of<'a>(&'a self, client: &'a Client) -> &'a Preset {
        client.own_preset().unwrap_or(&self.preset)
    }

    /// Who may register clients.
    #[must_use]
    pub fn registration(&self) -> &Registration {
        &self.registration
    }

    /// The `acr` values, and which satisfies which.
    #[must_use]
    pub fn acr_table(&self) -> &AcrTable {
        &self.acr
    }

    /// The scopes that this server knows.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// The scope of this token.
    #[must_use]
    pub fn scope(&self, token: &str) -> Option<&Scope> {
        self.scopes.iter().find(|scope| scope.token() == token)
    }

    /// The longest body that a request may have.
    #[must_use]
    pub fn body_limit(&self) -> usize {
        self.body_limit
    }

    /// How many authorization requests that wait for their users one address may begin within the lifetime of a login.
    #[must_use]
    pub fn requests_per_address(&self) -> u32 {
        self.requests_per_address
    }

    /// What must be proven for these scopes, together.
    #[must_use]
    pub fn requirement_of(&self, scopes: &ScopeSet) -> Requirement {
        let known = self.scopes.iter().filter(|scope| scopes.contains(scope.token()));
        known.fold(Requirement::NONE, |sum, scope| sum.and(scope.requirement(), &self.acr))
    }

    /// What must be proven for a token of these scopes: by the scopes, and by the resources that it is for, which are those asked
    /// for, else the owners of the scopes.
    #[must_use]
    pub fn requirement_for(&self, resources: &[String], scopes: &ScopeSet) -> Requirement {
        let meant = self.resources.iter().filter(|resource| {
            if resources.is_empty() {
                scopes.iter().any(|scope| resource.owns(scope))
            } else {
                resources.contains(&resource.uri)
            }
        });
        meant.fold(self.requirement_of(scopes), |sum, resource| sum.and(&resource.requires, &self.acr))
    }

    /// The resources that a scope belongs to.
    pub(crate) fn owners(&self, scope: &str) -> impl Iterator<Item = &Resource> {
        self.resources.iter().filter(move |resource| resource.owns(scope))
    }

    pub(crate) fn resource(&self, uri: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.uri == uri)
    }

    /// How long tokens for this audience may live that come from a login alone; none where it has no such resource.
    pub(crate) fn login_only(&self, audience: &[String]) -> Option<Duration> {
        let meant = self.resources.iter().filter(|resource| audience.contains(&resource.uri));
        meant.filter_map(|resource| resource.login_only).min()
    }

    /// Whether some resource's tokens come from a login alone.
    pub(crate) fn has_login_only(&self) -> bool {
        self.resources.iter().any(|resource| resource.login_only.is_some())
    }

    /// A resource whose tokens come from a login alone stands alone, but for the issuer, where `openid` opens userinfo.
    pub(crate) fn check_login_only(&self, asked: &[String], scopes: &ScopeSet) -> Result<(), Cause> {
        if !self.has_login_only() {
            return Ok(());
        }
        let audience = self.audience(asked, scopes);
        let others = audience.iter().filter(|uri| uri.as_str() != self.issuer.as_str()).count();
        if others > 1 && self.login_only(&audience).is_some() { Err(Cause::Target) } else { Ok(()) }
    }

    /// What a token of this client's for this audience looks like: opaque if the client or one of the resources wants it so.
    pub(crate) fn token_format(&self, client: &Client, audience: &[String]) -> TokenFormat {
        let opaque =
            |resource: &Resource| resource.token_format == TokenFormat::Opaque && audience.contains(&resource.uri);
        if self.resources.iter().any(opaque) { TokenFormat::Opaque } else { client.format_of_tokens() }
    }

    /// What a token of these scopes is for: the resources asked for, else those that own a scope, else the issuer, which also
    /// stands beside any resource where `openid` lets the token open userinfo.
    pub(crate) fn audience(&self, asked: &[String], scopes: &ScopeSet) -> Vec<String> {
        let mut audience: Vec<String> = if asked.is_empty() {
            let owners = self.resources.iter().filter(|resource| scopes.iter().any(|scope| resource.owns(scope)));
            owners.map(|resource| resource.uri.clone()).collect()
        } else {
            asked.to_vec()
        };
        let own = self.issuer.as_str();
        if (audience.is_empty() || scopes.contains("openid")) && !audience.iter().any(|known| known == own) {
            audience.push(own.to_owned());
        }
        audience
    }
}
