//! How a host makes a client.

use countersign_primitives::{Id, Requirement, SecretString};
use countersign_tokens::{CryptoProvider, Ring};

use super::{Client, ClientAuthenticationMethod, ConsentRule};
use crate::client_secret::estimated_bits;
use crate::{ClientKeys, Members, Preset, TokenFormat};

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
}
