//! Clients: who may ask for tokens, and what each may ask for (RFC 6749 §2, RFC 7591 §2).

mod building;
mod check;
mod id;

use std::fmt;

use countersign_primitives::{Id, Requirement};

pub use id::ClientId;

use crate::redirect_uri::{self, VerifiedRedirect};
use crate::{ClientKeys, Members, Preset, ScopeSet, TokenFormat};

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
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.id).field("method", &self.method).finish_non_exhaustive()
    }
}
