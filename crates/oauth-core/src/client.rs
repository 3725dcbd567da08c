//! Clients: who may ask for tokens, and what each may ask for (RFC 6749 §2, RFC 7591 §2).

use std::fmt;

use countersign_primitives::{Id, Requirement, SecretString};
use countersign_tokens::{CryptoProvider, Ring};
use serde::{Deserialize, Serialize};

use crate::client_secret::estimated_bits;
use crate::redirect_uri::{self, VerifiedRedirect};
use crate::{ClientKeys, ConfigError, Members, Preset, ScopeSet, TokenFormat};

/// The name of a client (RFC 6749 §2.2): 1 to 256 visible ASCII characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ClientId(String);

impl ClientId {
    /// Reads a `client_id`. Returns none when it is empty, too long or holds other characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let holds = (1..=256).contains(&text.len()) && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        holds.then(|| Self(text.to_owned()))
    }

    /// The text on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientId({})", self.0)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ClientId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a client_id"))
    }
}

/// The `token_endpoint_auth_method` of a client (RFC 7591 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAuthenticationMethod {
    /// `none`: a public client.
    None,
    /// `client_secret_basic` (RFC 6749 §2.3.1).
    SecretBasic,
    /// `client_secret_post` (RFC 6749 §2.3.1).
    SecretPost,
    /// `private_key_jwt` (OpenID Connect Core §9, RFC 7523).
    PrivateKeyJwt,
}

impl ClientAuthenticationMethod {
    /// Every method.
    pub const ALL: &'static [Self] = &[Self::None, Self::SecretBasic, Self::SecretPost, Self::PrivateKeyJwt];

    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SecretBasic => "client_secret_basic",
            Self::SecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// The method of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|method| method.as_str() == name)
    }

    /// Whether the client keeps a secret that the server knows by its hash.
    #[must_use]
    pub const fn uses_secret(self) -> bool {
        matches!(self, Self::SecretBasic | Self::SecretPost)
    }
}

/// When a client's user is asked for consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConsentRule {
    /// Asked once for each scope, and remembered where the client can be told from an impostor.
    #[default]
    Remembered,
    /// Asked every time.
    Always,
    /// Never asked: the client belongs to whoever runs the server.
    Implied,
}

/// A client's record.
///
/// ```
/// use countersign_oauth_core::Client;
///
/// let shop = Client::public("shop").redirect_uri("https://shop.example.com/callback").scope("openid email");
/// assert_eq!(shop.id(), "shop");
/// ```
pub struct Client {
    id: String,
    instance: Id,
    unused: bool,
    method: ClientAuthenticationMethod,
    secret_hash: Option<[u8; 32]>,
    weak_secret: bool,
    keys: Option<ClientKeys>,
    preset: Option<Box<Preset>>,
    redirect_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
    scope: Option<String>,
    grant_types: Vec<String>,
    token_format: TokenFormat,
    introspects: Vec<String>,
    name: Option<String>,
    uri: Option<String>,
    logo_uri: Option<String>,
    policy_uri: Option<String>,
    tos_uri: Option<String>,
    requires: Requirement,
    consent: ConsentRule,
    members: Members,
}

impl Client {
    fn new(id: String, method: ClientAuthenticationMethod) -> Self {
        Self {
            id,
            instance: Id::from_bytes([0; 16]),
            unused: false,
            method,
            secret_hash: None,
            weak_secret: false,
            keys: None,
            preset: None,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            scope: None,
            grant_types: vec!["authorization_code".to_owned(), "refresh_token".to_owned()],
            token_format: TokenFormat::default(),
            introspects: Vec::new(),
            name: None,
            uri: None,
            logo_uri: None,
            policy_uri: None,
            tos_uri: None,
            requires: Requirement::NONE,
            consent: ConsentRule::default(),
            members: Members::default(),
        }
    }

    /// A client that can keep no secret: an app, a page, a command (RFC 6749 §2.1). It always uses PKCE.
    #[must_use]
    pub fn public(client_id: impl Into<String>) -> Self {
        Self::new(client_id.into(), ClientAuthenticationMethod::None)
    }

    /// A client with a secret, sent by `client_secret_basic` unless [`Client::secret_post`] says otherwise. The secret is
    /// kept as a hash, and refused at start if it could be guessed (under 128 bits).
    #[must_use]
    pub fn confidential(client_id: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        let mut client = Self::new(client_id.into(), ClientAuthenticationMethod::SecretBasic);
        let secret = secret.into();
        client.weak_secret = estimated_bits(secret.expose()) < 128.0;
        client.secret_hash = Some(Ring.sha256(&[secret.expose().as_bytes()]));
        client
    }

    /// A confidential client without users: it asks for tokens of its own by the client credentials grant (RFC 6749 §4.4), and by
    /// no other. A client that also has users adds `client_credentials` to its [`Client::grant_types`].
    ///
    /// ```
    /// use countersign_oauth_core::Client;
    ///
    /// let billing = Client::service("billing", "5f0c9a1e7d3b48a6b2c4d6e8f0a1b3c5").scope("orders:read");
    /// assert!(billing.may_use("client_credentials"));
    /// ```
    #[must_use]
    pub fn service(client_id: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        Self::confidential(client_id, secret).grant_types(["client_credentials"])
    }

    /// An API that asks what the tokens sent to it are worth (RFC 7662), and gets none itself. [`Client::introspects`] says
    /// which it may ask about.
    ///
    /// ```
    /// use countersign_oauth_core::Client;
    ///
    /// let orders = Client::resource_server("orders", "5f0c9a1e7d3b48a6b2c4d6e8f0a1b3c5");
    /// let orders = orders.introspects("https://orders.example.com/");
    /// assert!(orders.may_introspect("https://orders.example.com/"));
    /// ```
    #[must_use]
    pub fn resource_server(client_id: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        Self::confidential(client_id, secret).grant_types([""; 0])
    }

    /// A client whose secret was made here, and is known by its hash alone.
    pub(crate) fn with_secret_hash(client_id: String, hash: [u8; 32]) -> Self {
        let mut client = Self::new(client_id, ClientAuthenticationMethod::SecretBasic);
        client.secret_hash = Some(hash);
        client
    }

    /// A client that signs an assertion with a key of its own (`private_key_jwt`, RFC 7523): no secret is shared.
    #[must_use]
    pub fn with_keys(client_id: impl Into<String>, keys: ClientKeys) -> Self {
        let mut client = Self::new(client_id.into(), ClientAuthenticationMethod::PrivateKeyJwt);
        client.keys = Some(keys);
        client
    }

    /// The secret is sent in the body: `client_secret_post`.
    #[must_use]
    pub fn secret_post(mut self) -> Self {
        self.method = ClientAuthenticationMethod::SecretPost;
        self
    }

    /// Accepts a secret that a person could have chosen. Whoever guesses it, online at the token endpoint or from a copy of
    /// the configuration, is the client. For demonstrations and tests.
    #[must_use]
    pub fn danger_weak_secret(mut self) -> Self {
        self.weak_secret = false;
        self
    }

    /// Whether it has a secret that a person could have chosen, and nobody has accepted that yet.
    #[must_use]
    pub fn has_weak_secret(&self) -> bool {
        self.weak_secret
    }

    /// Switches of its own in place of the server's: who must use PKCE, which refresh tokens rotate, whether the redirect URI is
    /// repeated, whom an assertion may be for. Lifetimes and signing algorithm stay the server's.
    #[must_use]
    pub fn preset(mut self, preset: Preset) -> Self {
        self.preset = Some(Box::new(preset));
        self
    }

    /// One more redirect URI, compared byte for byte.
    #[must_use]
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uris.push(uri.into());
        self
    }

    /// One more place that the browser may be sent to after a sign-out, compared byte for byte (OpenID Connect RP-Initiated Logout
    /// 1.0 §3.1). It follows the rules of redirect URIs.
    #[must_use]
    pub fn post_logout_redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.post_logout_redirect_uris.push(uri.into());
        self
    }

    /// The scopes it may ask for, separated by spaces. Left out, it may ask for every public one.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// The grant types it may use (RFC 7591 §2); by default the code and the refresh token.
    #[must_use]
    pub fn grant_types(mut self, types: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.grant_types = types.into_iter().map(Into::into).collect();
        self
    }

    /// What its access tokens look like, whatever they are for. A resource that wants opaque ones gets them from every client.
    #[must_use]
    pub fn token_format(mut self, format: TokenFormat) -> Self {
        self.token_format = format;
        self
    }

    /// One more resource whose tokens it may ask about, whoever holds them (RFC 7662 §2.1). Tokens that were issued to the client
    /// itself it may always ask about; others look to it as if they were not there.
    #[must_use]
    pub fn introspects(mut self, resource: impl Into<String>) -> Self {
        self.introspects.push(resource.into());
        self
    }

    /// Its name, as the consent page shows it.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Its home page.
    #[must_use]
    pub fn uri(mut self, uri: impl Into<String>) -> Self {
        self.uri = Some(uri.into());
        self
    }

    /// Its logo.
    #[must_use]
    pub fn logo_uri(mut self, uri: impl Into<String>) -> Self {
        self.logo_uri = Some(uri.into());
        self
    }

    /// Where it says what it does with the data of its users.
    #[must_use]
    pub fn policy_uri(mut self, uri: impl Into<String>) -> Self {
        self.policy_uri = Some(uri.into());
        self
    }

    /// Its terms of service.
    #[must_use]
    pub fn tos_uri(mut self, uri: impl Into<String>) -> Self {
        self.tos_uri = Some(uri.into());
        self
    }

    /// What its users must prove, whatever it asks for.
    #[must_use]
    pub fn requires(mut self, requirement: Requirement) -> Self {
        self.requires = requirement;
        self
    }

    /// When its users are asked for consent.
    #[must_use]
    pub fn consent(mut self, rule: ConsentRule) -> Self {
        self.consent = rule;
        self
    }

    /// Tells this record from an earlier one of the same name: grants of another instance are dead.
    #[must_use]
    pub fn instance(mut self, instance: Id) -> Self {
        self.instance = instance;
        self
    }

    /// Whether it registered itself and nothing was issued to it yet.
    pub(crate) fn unused(mut self, unused: bool) -> Self {
        self.unused = unused;
        self
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.unused
    }

    /// A member that an extension keeps with the client.
    #[must_use]
    pub fn member<M: crate::Member>(mut self, member: &M) -> Self {
        self.members.set(member);
        self
    }

    /// Its name on the wire.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Which record of this name it is.
    #[must_use]
    pub fn instance_id(&self) -> Id {
        self.instance
    }

    /// How it authenticates.
    #[must_use]
    pub fn method(&self) -> ClientAuthenticationMethod {
        self.method
    }

    /// Whether it can keep no secret.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.method == ClientAuthenticationMethod::None
    }

    /// The redirect URIs it registered.
    #[must_use]
    pub fn redirect_uris(&self) -> &[String] {
        &self.redirect_uris
    }

    /// Where the browser may be sent after a sign-out.
    #[must_use]
    pub fn post_logout_redirect_uris(&self) -> &[String] {
        &self.post_logout_redirect_uris
    }

    /// The name to show for it: its own, else its id.
    #[must_use]
    pub fn display_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }

    /// Its home page.
    #[must_use]
    pub fn home_page(&self) -> Option<&str> {
        self.uri.as_deref()
    }

    /// Its logo.
    #[must_use]
    pub fn logo(&self) -> Option<&str> {
        self.logo_uri.as_deref()
    }

    /// Where it says what it does with the data of its users.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        self.policy_uri.as_deref()
    }

    /// Its terms of service.
    #[must_use]
    pub fn terms(&self) -> Option<&str> {
        self.tos_uri.as_deref()
    }

    /// The keys that it signs with.
    #[must_use]
    pub fn keys(&self) -> Option<&ClientKeys> {
        self.keys.as_ref()
    }

    /// Its own switches, where it has some.
    #[must_use]
    pub fn own_preset(&self) -> Option<&Preset> {
        self.preset.as_deref()
    }

    /// What its users must prove.
    #[must_use]
    pub fn requirement(&self) -> &Requirement {
        &self.requires
    }

    /// When its users are asked for consent.
    #[must_use]
    pub fn consent_rule(&self) -> ConsentRule {
        self.consent
    }

    /// What extensions keep with it.
    #[must_use]
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// Whether it may use this grant type.
    #[must_use]
    pub fn may_use(&self, grant_type: &str) -> bool {
        self.grant_types.iter().any(|own| own == grant_type)
    }

    /// What its access tokens look like.
    #[must_use]
    pub fn format_of_tokens(&self) -> TokenFormat {
        self.token_format
    }

    /// Whether it may ask about tokens for this resource.
    #[must_use]
    pub fn may_introspect(&self, resource: &str) -> bool {
        self.introspects.iter().any(|own| own == resource)
    }

    /// The resources whose tokens it may ask about.
    #[must_use]
    pub fn introspected(&self) -> &[String] {
        &self.introspects
    }

    /// The scopes its record names; none when every public scope is open to it.
    #[must_use]
    pub fn scopes(&self) -> Option<ScopeSet> {
        self.scope.as_deref().map(|scope| scope.split_ascii_whitespace().collect())
    }

    /// Whether its record names this scope; none when it names none at all.
    pub(crate) fn names_scope(&self, token: &str) -> Option<bool> {
        let named = |scope: &str| scope.split_ascii_whitespace().any(|own| own == token);
        self.scope.as_deref().map(named)
    }

    /// Whether a program on the user's machine could pose as it: it cannot authenticate, and its answers go to an address or
    /// scheme that any program may claim (RFC 8252 §8.6). Consent to such a client is never remembered.
    #[must_use]
    pub(crate) fn could_be_posed_as(&self, redirect: &VerifiedRedirect) -> bool {
        self.is_public() && redirect_uri::is_loopback_or_private(redirect.as_str())
    }

    /// The redirect URI that a request asks for, if it is registered; the only one where none was asked for.
    pub(crate) fn verify_redirect(&self, asked: Option<&str>) -> Option<VerifiedRedirect> {
        let registered = self.redirect_uris.iter().map(String::as_str);
        match (asked, self.redirect_uris.as_slice()) {
            (Some(asked), _) => VerifiedRedirect::verify(registered, asked),
            (None, [only]) => VerifiedRedirect::verify(registered, only),
            (None, _) => None,
        }
    }

    /// The place to go to after a sign-out that a request asks for, if exactly that is registered (OpenID Connect RP-Initiated Logout
    /// 1.0 §3): byte for byte, the port of a loopback address included.
    #[must_use]
    pub fn verify_post_logout_redirect(&self, asked: &str) -> Option<VerifiedRedirect> {
        VerifiedRedirect::verify_exactly(self.post_logout_redirect_uris.iter().map(String::as_str), asked)
    }

    pub(crate) fn secret_hash(&self) -> Option<&[u8; 32]> {
        self.secret_hash.as_ref()
    }

    /// RFC 6749 §4.4: the grant is for clients that authenticate; and where users must prove something, nobody is there to.
    fn check_client_credentials(&self) -> Result<(), String> {
        if !self.may_use("client_credentials") {
            return Ok(());
        }
        if self.is_public() {
            return Err("the client credentials grant is for clients that authenticate (RFC 6749 §4.4)".to_owned());
        }
        if self.requires.is_none() {
            return Ok(());
        }
        Err("its users must prove something, and in the client credentials grant there is no user; give the grant to a client \
             of its own"
            .to_owned())
    }

    fn check_links(&self) -> Result<(), String> {
        check_link("client_uri", self.uri.as_deref())?;
        check_link("logo_uri", self.logo_uri.as_deref())?;
        check_link("policy_uri", self.policy_uri.as_deref())?;
        check_link("tos_uri", self.tos_uri.as_deref())
    }

    /// Checks a record that the host wrote by hand.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |problem: String| Err(ConfigError::Client { client_id: self.id.clone(), problem });
        if ClientId::parse(&self.id).is_none() {
            return wrong("a client_id is 1 to 256 visible ASCII characters".to_owned());
        }
        if self.method.uses_secret() && self.secret_hash.is_none() {
            return wrong("this authentication method needs a secret".to_owned());
        }
        if self.method == ClientAuthenticationMethod::PrivateKeyJwt && self.keys.is_none() {
            return wrong("private_key_jwt needs keys: use `Client::with_keys`, or the member jwks".to_owned());
        }
        self.check_links().or_else(wrong)?;
        if self.weak_secret {
            return wrong(
                "its secret could be guessed; use 128 random bits or more, such as 32 random hexadecimal digits"
                    .to_owned(),
            );
        }
        for uri in &self.redirect_uris {
            if let Err(error) = redirect_uri::check_redirect_uri(uri) {
                return wrong(format!("redirect URI {uri:?}: {error}"));
            }
        }
        for uri in &self.post_logout_redirect_uris {
            if let Err(error) = redirect_uri::check_redirect_uri(uri) {
                return wrong(format!("post-logout redirect URI {uri:?}: {error}"));
            }
        }
        if self.may_use("authorization_code") && self.redirect_uris.is_empty() {
            return wrong("the authorization code grant needs a redirect URI".to_owned());
        }
        self.check_client_credentials().or_else(wrong)?;
        if self.is_public() && !self.introspects.is_empty() {
            return wrong("a client that introspects authenticates (RFC 7662 §2.1)".to_owned());
        }
        if self.scope.as_deref().is_some_and(|scope| ScopeSet::parse(scope).is_err()) {
            return wrong("its scope does not follow RFC 6749 §3.3".to_owned());
        }
        Ok(())
    }
}

/// A link that a page may show: to a web page, so that nothing runs or opens what a client wrote.
fn check_link(member: &str, uri: Option<&str>) -> Result<(), String> {
    let holds = |uri: &str| {
        let (page, _) = uri.split_once('#').unwrap_or((uri, ""));
        page.starts_with("http")
            && redirect_uri::check_redirect_uri(page).is_ok()
            && uri.bytes().all(|b| b.is_ascii_graphic())
    };
    match uri {
        Some(uri) if !holds(uri) => Err(format!("{member} {uri:?}: the https address of a web page is needed")),
        _ => Ok(()),
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.id).field("method", &self.method).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_could_be_guessed_is_refused_at_start() {
        let weak = Client::confidential("shop", "hunter2").redirect_uri("https://rp.example/cb");
        assert!(weak.check().unwrap_err().to_string().contains("could be guessed"));
        let strong =
            Client::confidential("shop", "0123456789abcdef0123456789abcdef").redirect_uri("https://rp.example/cb");
        assert!(strong.check().is_ok());
    }

    #[test]
    fn rfc6749_3_1_2_3_without_a_redirect_uri_the_only_registered_one_counts() {
        let one = Client::public("a").redirect_uri("https://rp.example/cb");
        assert_eq!(one.verify_redirect(None).unwrap().as_str(), "https://rp.example/cb");
        let two = Client::public("a").redirect_uri("https://rp.example/cb").redirect_uri("https://rp.example/cb2");
        assert!(two.verify_redirect(None).is_none());
        assert!(two.verify_redirect(Some("https://rp.example/cb3")).is_none());
    }

    #[test]
    fn rfc9700_2_1_a_redirect_needs_a_uri_that_may_be_registered_wherever_its_client_came_from() {
        for uri in
            ["javascript:alert(1)", "https://rp.example/cb#x", "https://user@rp.example/cb", "http://rp.example/cb"]
        {
            let client = Client::public("a").redirect_uri(uri);
            assert!(client.verify_redirect(Some(uri)).is_none(), "{uri}");
            assert!(client.verify_redirect(None).is_none(), "{uri}");
        }
    }
}
