//! OpenID Connect as an extension of `countersign-oauth-core`: ID tokens, userinfo, discovery, sign-out.
//!
//! ```
//! # futures_util::FutureExt::now_or_never(async {
//! use bytes::Bytes;
//! use countersign_oauth_core::{Client, Preset, Server};
//! use countersign_oidc::Oidc;
//! use countersign_storage_memory::MemoryStore;
//! use countersign_storage_traits::MasterKey;
//!
//! let server = Server::builder("https://id.example.com", MemoryStore::new(), MasterKey::from_bytes([7; 32]))
//!     .preset(Preset::oidc())
//!     .extension(Oidc::new())
//!     .client(Client::public("shop").redirect_uri("https://shop.example.com/callback").scope("openid email"))
//!     .build()
//!     .await?;
//! let request = http::Request::get("https://id.example.com/.well-known/openid-configuration").body(Bytes::new())?;
//! let discovery: serde_json::Value = serde_json::from_slice(server.handle(request).await.body())?;
//! assert_eq!(discovery["userinfo_endpoint"], "https://id.example.com/userinfo");
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).expect("ready")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It brings the scopes `openid`, `profile`, `email`, `address`, `phone` and `offline_access`, the endpoint `/userinfo`, the
//! document `/.well-known/openid-configuration`, and an ID token in every token response whose scope has `openid`. It uses
//! the one door that any extension has, and nothing else.
//!
//! Claims come from the host's accounts, from the login
//! ([`SignedIn::with_claims`](countersign_primitives::SignedIn::with_claims)), and from a [`ClaimsSource`] where there is more to
//! tell.
//!
//! Sign-out at a client's wish is served where somebody answers at `/logout`: the host, by [`end_session`] and
//! [`Oidc::logout_by_host`], or this extension for the kit's own sessions, by [`Oidc::logout`].
//!
//! # What this crate does not do
//! Front- and back-channel logout, the `claims` parameter (but for what it says of `acr`), request objects, pairwise subjects, encrypted tokens. Discovery says so.
//!
//! # Features
//! None.
//!
//! # Where next
//! `countersign-mfa` brings a login; `countersign` has it all in one dependency.

mod acr;
mod claims;
mod client;
mod id_token;
mod logout;
mod userinfo;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_oauth_core::{
    At, AuthorizationRequest, Client, Config, Extension, Gathered, Hook, Issued, MetadataEndpoint, Params, Refusal,
    Route, Scope,
};
use http::Method;
use serde_json::{Map, Value, json};

pub use claims::{ClaimsSource, StandardScope};
pub use logout::{Logout, LogoutAsk, LogoutPages, SignedOut, Stayed, end_session};

/// OpenID Connect.
#[derive(Clone, Default)]
pub struct Oidc {
    sources: Vec<Arc<dyn ClaimsSource>>,
    logout: Option<logout::Served>,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oidc({} claims sources)", self.sources.len())
    }
}

impl Oidc {
    /// OpenID Connect, with the claims that the host's accounts hold.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Also asks this source for claims, when they are needed.
    #[must_use]
    pub fn claims(mut self, source: impl ClaimsSource + 'static) -> Self {
        self.sources.push(Arc::new(source));
        self
    }

    /// Serves `/logout` for sessions of the kit's own, with these pages (OpenID Connect RP-Initiated Logout 1.0).
    #[must_use]
    pub fn logout(mut self, pages: impl LogoutPages + 'static) -> Self {
        self.logout = Some(logout::Served::Here(Arc::new(pages)));
        self
    }

    /// The host serves `/logout` itself, by a route that calls [`end_session`]: discovery says so.
    #[must_use]
    pub fn logout_by_host(mut self) -> Self {
        self.logout = Some(logout::Served::ByHost);
        self
    }
}

#[async_trait]
impl Extension for Oidc {
    fn name(&self) -> &'static str {
        "oidc"
    }

    fn hooks(&self) -> &'static [Hook] {
        &[Hook::Validate, Hook::Respond]
    }

    fn routes(&self, _: &Config) -> Vec<Route> {
        let userinfo = Arc::new(userinfo::Userinfo::new(self.sources.clone()));
        let mut routes = vec![
            Route::shared(Method::GET, "/userinfo", userinfo.clone()).cors(),
            Route::shared(Method::POST, "/userinfo", userinfo).cors(),
            Route::new(Method::GET, "/.well-known/openid-configuration", MetadataEndpoint).cors(),
        ];
        if let Some(logout::Served::Here(pages)) = &self.logout {
            let endpoint = Arc::new(logout::LogoutEndpoint(Arc::clone(pages)));
            let route = |method| Route::shared(method, logout::PATH, endpoint.clone()).needs_peer();
            routes.extend([Method::GET, Method::POST].map(route));
        }
        routes
    }

    fn scopes(&self) -> Vec<Scope> {
        let standard = StandardScope::ALL.iter().map(|scope| Scope::new(scope.token(), scope.description()));
        standard.collect()
    }

    fn metadata(&self, config: &Config, out: &mut Gathered) {
        out.add("userinfo_endpoint", config.issuer().url("/userinfo"));
        if self.logout.is_some() {
            out.add("end_session_endpoint", config.issuer().url(logout::PATH));
        }
        out.add("subject_types_supported", json!(["public"]));
        out.add("id_token_signing_alg_values_supported", json!([config.preset().signing_algorithm.as_str()]));
        out.add("claim_types_supported", json!(["normal"]));
        out.add("claims_supported", json!(claims::supported()));
        out.add("claims_parameter_supported", false);
        out.add("request_parameter_supported", false);
        out.add("request_uri_parameter_supported", false);
        out.add("prompt_values_supported", json!(["none", "login", "consent", "select_account"]));
    }

    fn client_members(&self) -> &'static [&'static str] {
        client::MEMBERS
    }

    fn register(&self, config: &Config, asked: &Map<String, Value>, client: Client) -> Result<Client, Refusal> {
        client::register(config, asked, client)
    }

    async fn validate(&self, at: &At<'_>, params: &Params, request: &mut AuthorizationRequest) -> Result<(), Refusal> {
        client::apply_default_max_age(at.client, request);
        id_token::validate(at, params, request).await
    }

    async fn respond(&self, at: &At<'_>, issued: &Issued<'_>, out: &mut Gathered) -> Result<(), Refusal> {
        if issued.scope.contains("openid")
            && issued.access_token.is_some()
            && let Some(token) = id_token::sign(at, issued).await?
        {
            out.add("id_token", token);
        }
        Ok(())
    }
}
