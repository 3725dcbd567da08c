//! The OAuth 2.1 authorization server: endpoints, grants and client authentication.
//!
//! A [`Server`] is a value. A host assembles it from an issuer, a [store](countersign_storage_traits::Store) and a master
//! key, passes it requests, and sends back its answers. It has no sockets, no timers and no global state:
//!
//! ```
//! # countersign_storage_traits::testkit::block_on(async {
//! use bytes::Bytes;
//! use countersign_oauth_core::{Client, Scope, Server};
//! use countersign_storage_memory::MemoryStore;
//! use countersign_storage_traits::MasterKey;
//!
//! let server = Server::builder("https://id.example.com", MemoryStore::new(), MasterKey::from_bytes([7; 32]))
//!     .scope(Scope::new("orders:read", "See your orders"))
//!     .client(Client::public("shop").redirect_uri("https://shop.example.com/callback"))
//!     .build()
//!     .await?;
//! let request = http::Request::get("https://id.example.com/.well-known/jwks.json").body(Bytes::new())?;
//! let answer: http::Response<Bytes> = server.handle(request).await;
//! assert_eq!(answer.status(), 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! Who signs in, and how, is the host's: [`Server::authorize`] is the whole door. It answers the client, or says what is missing:
//!
//! ```
//! use bytes::Bytes;
//! use countersign_oauth_core::{Outcome, Server};
//! use countersign_primitives::SignedIn;
//! use http::{Request, Response};
//!
//! async fn authorize(server: &Server, request: Request<Bytes>, who: Option<SignedIn>) -> Response<Bytes> {
//!     match server.authorize(request, who).await {
//!         Outcome::NeedsLogin(ask) => ask.redirect("/login"), // which leads back by `return_to`
//!         Outcome::NeedsStepUp(ask) => ask.redirect("/second-factor"), // ask.requirement() says what for
//!         Outcome::NeedsConsent(ask) => {
//!             ask.page(format!(r#"<form method="post" action="{}"><button>Allow</button></form>"#, ask.action("/consent")))
//!         }
//!         Outcome::Refused(refusal) => refusal.page("<h1>This link does not work</h1>"), // redirect nowhere
//!         Outcome::Done(reply) => reply,
//!     }
//! }
//! ```
//!
//! | what | where |
//! |---|---|
//! | a server and how it is assembled | [`Server`], [`ServerBuilder`], [`Preset`], [`Config`] |
//! | who may ask | [`Client`], [`Clients`] |
//! | who may register itself | [`Registration`] |
//! | for what | [`Scope`], [`Resource`] |
//! | a request for authorization, and what comes of it | [`Outcome`], [`Ask`], [`Consent`] |
//! | what goes beyond | [`Extension`], [`Grant`], [`Route`] |
//! | why something was refused | [`Refusal`], [`Cause`], [`ConfigError`] |
//!
//! OpenID Connect and the login of `countersign-mfa` are extensions, and use nothing that a stranger could not.
//!
//! # What this crate does not do
//! It shows no pages, checks no passwords and listens on no socket. Pushed requests, DPoP and the device flow are not part of this
//! version; metadata says exactly what is.
//!
//! # Features
//! None.
//!
//! # Where next
//! `countersign-oidc` for ID tokens, `countersign-mfa` for a login, `countersign-axum` for a router, `countersign` for all of it in one
//! dependency.

mod access_token;
mod account;
mod bearer;
mod browser;
mod builder;
mod client;
mod client_authentication;
mod client_keys;
mod client_metadata;
mod client_secret;
mod client_table;
mod config;
mod endpoints;
mod error;
mod extension;
mod grants;
mod health;
mod issue;
mod issuer;
mod json;
mod keys;
mod member;
mod params;
mod records;
mod redirect_uri;
mod registration;
mod revocation;
mod scope;
mod secrets;
mod server;
mod session;
mod session_end;
mod subjects;
mod transport;

pub use account::{Connection, SessionInfo};
pub use bearer::Access;
pub use browser::Browser;
pub use builder::ServerBuilder;
pub use client::{Client, ClientAuthenticationMethod, ClientId, ConsentRule};
pub use client_authentication::AuthenticatedClient;
pub use client_keys::{ClientKeys, ClientKeysError};
pub use client_table::Clients;
pub use config::{AssertionAudience, Config, KeyRotation, Lifetimes, Pkce, Preset, Resource, Rotation, TokenFormat};
pub use endpoints::metadata::MetadataEndpoint;
pub use endpoints::{Ask, AskedScope, Consent, Outcome};
pub use error::{Cause, ConfigError, Refusal};
pub use extension::{At, Ended, Extension, Grant, GrantRequest, Hook, Issue, Issued, Issuing, Unmet, Wanted};
pub use health::{Health, Unhealthy};
pub use issuer::Issuer;
pub use json::read_object as read_json_object;
pub use keys::{KeyInfo, KeyState, Keys, Rotated};
pub use member::{Gathered, Member, Members};
pub use params::{Params, ParamsError};
pub use records::{AuthorizationRequest, EndReason, GrantRecord, Prompt, ResponseMode};
pub use redirect_uri::{RedirectUriError, VerifiedRedirect, check_redirect_uri};
pub use registration::{
    ClientImportError, ClientsPage, GrantInfo, GrantsPage, ImportedClient, RegisteredClients, Registration,
};
pub use scope::{Scope, ScopeError, ScopeSet};
pub use server::Server;
pub use subjects::SubjectRecords;
pub use transport::{Cors, Endpoint, Peer, Route, answer, cookie, is_same_origin, with_query};
