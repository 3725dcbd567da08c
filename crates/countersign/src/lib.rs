//! Assemble your own OAuth 2.1 / OpenID Connect authorization server with multi-factor authentication, behind your own HTTP
//! layer and on your own storage.
//!
//! ```no_run
//! use std::net::SocketAddr;
//!
//! use countersign::mfa::{FirstEnrolment, Policy, Totp};
//! use countersign::{Client, MasterKey, Preset, Scope, Server, pages::Pages, store::SqlStore};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let store = SqlStore::open("sqlite:auth.db").await?;
//!     let server = Server::builder("http://localhost:8080", store, MasterKey::load_or_create("auth.key")?)
//!         .preset(Preset::oidc())
//!         .stored_accounts()
//!         .factor(Totp::new("Example"))
//!         .policy(Policy::always().first_enrolment(FirstEnrolment::ThisLogin))
//!         .pages(Pages::new("Example"))
//!         .scope(Scope::new("orders:read", "See your orders"))
//!         .client(
//!             Client::public("shop").redirect_uri("https://shop.example.com/callback").scope("openid email orders:read"),
//!         )
//!         .build()
//!         .await?;
//!     tokio::spawn(countersign::maintenance(&server));
//!     let app = countersign::axum::router(&server).into_make_service_with_connect_info::<SocketAddr>();
//!     axum::serve(tokio::net::TcpListener::bind("127.0.0.1:8080").await?, app).await?;
//!     Ok(())
//! }
//! ```
//!
//! # The parts
//!
//! Each part is a crate of its own that can be used alone; this one re-exports them.
//!
//! | module | what it is | feature |
//! |---|---|---|
//! | the root | [`Server`], [`Client`], [`Scope`], [`SignedIn`], [`Requirement`]: what most hosts need | |
//! | [`mfa`] | login, policies, factors | |
//! | [`oauth`] | the protocol engine and its [`Extension`] door | |
//! | [`oidc`] | OpenID Connect | |
//! | [`store`] | the storage contract, and the stores | `sqlite`, `postgres`, `redis`, `memory` |
//! | [`pkce`], [`otp`], [`webauthn`], [`tokens`] | pure: PKCE, one-time passwords, passkeys, JOSE | |
//! | [`outbound`] | messages to users, and who carries them | |
//! | `smtp`, `twilio` | mails through an SMTP server; text messages and calls | `smtp`, `twilio` |
//! | `axum` | the router for axum | `axum` |
//! | `legacy-hashes` | bcrypt and scrypt hashes of other systems are checked, and hashed anew at the next login | default |
//! | `pages` | the default pages | `pages` |
//! | `TokioPool`, `maintenance` | tokio's threads and timers | `tokio` |
//!
//! # Features
//!
//! | feature | what it adds | |
//! |---|---|---|
//! | `tokio` | password hashing on tokio's blocking threads (`TokioPool`), the loop of due work (`maintenance`), and messages in the background (`outbound::Queued`) | default |
//! | `axum` | the router for axum; with it `tokio` | default |
//! | `legacy-hashes` | bcrypt and scrypt hashes of other systems are checked, and hashed anew at the next login | default |
//! | `pages` | the default pages, which a login has unless [`ServerBuilder::pages`] is given others | default |
//! | `sqlite` | `store::SqlStore` on SQLite; needs a C compiler and Rust 1.94 | default |
//! | `postgres` | `store::SqlStore` on PostgreSQL; needs Rust 1.94 | |
//! | `redis` | `store::RedisStore`: one server, Sentinel, Cluster; what it can lose stands on its crate's page | |
//! | `redis-tls` | `rediss://` and its kin, by rustls on ring | |
//! | `smtp` | `smtp::Smtp`, a sender of mails, by rustls on ring | |
//! | `twilio` | `twilio::Twilio` and `twilio::TwilioVerify`, senders of text messages and calls over any `outbound::Fetcher` | |
//! | `http-client` | `outbound::HttpClient`, a `Fetcher` over reqwest, by rustls on ring | |
//! | `geoip` | `mfa::risk::GeoDatabase`, where addresses are, by a database in MaxMind's format | |
//! | `http-hook` | `outbound::HttpHook`, messages as signed JSON to an address of yours | |
//! | `memory` | `store::MemoryStore`, for tests | |
//! | `testkit` | `store::testkit`, the suite that proves a storage adapter of one's own: for development dependencies | |
//!
//! # A login of one's own
//!
//! A host with its own login leaves `stored_accounts()` and `accounts(…)` out and calls
//! [`Server::authorize`](oauth::Server::authorize) with what it knows; it then needs neither `mfa` nor `pages`.
//!
//! # What it does not do yet
//!
//! Back-channel logout, pushed requests, DPoP, the device flow and passkeys are not part of this version. The
//! feature table in the repository's README says what is, specification by specification.
//!
//! # Where next
//!
//! `examples/quickstart` in the repository is a whole server to click through; `docs/operations.md` tells what to know before others
//! rely on one.

mod help_desk;
mod logout;
#[cfg(feature = "tokio")]
mod maintenance;
#[cfg(feature = "tokio")]
mod pool;
#[cfg(feature = "twilio")]
mod reports;
mod server;
mod subjects;
pub mod transfer;

#[cfg(feature = "tokio")]
pub use maintenance::maintenance;
#[cfg(feature = "tokio")]
pub use pool::TokioPool;
pub use server::{Server, ServerBuilder};

pub use countersign_accounts::{Account, Accounts, PasswordCheck, PasswordHash};
pub use countersign_events::{Event, EventKind, EventSink, Events};
pub use countersign_mfa::StoredAccounts;
pub use countersign_oauth_core::{
    Ask, AssertionAudience, Client, ClientId, ClientKeys, ClientKeysError, Clients, ConfigError, Consent, ConsentRule,
    Extension, Grant, GrantRequest, Health, Issue, KeyInfo, KeyRotation, KeyState, Keys, Lifetimes, Outcome, Peer,
    Pkce, Preset, Refusal, Registration, Resource, Rotation, Scope, ScopeSet, TokenFormat,
};
pub use countersign_oidc::{ClaimsSource, Logout, LogoutAsk, SignedOut, Stayed};
pub use countersign_primitives::{
    Acr, AcrClass, AcrTable, Amr, BoxError, Clock, Id, ManualClock, Proof, Random, RandomError, Requirement,
    SecretBytes, SecretString, SessionId, SignedIn, Subject, SystemClock, SystemRandom, UnixTime, WorkPool,
};
pub use countersign_storage_traits::MasterKey;
pub use countersign_tokens::{PublicJwk, Signature, Signer};

/// Login as a state machine: policies, factors, enrolment.
pub mod mfa {
    pub use countersign_mfa::*;
}

/// The protocol engine, and the door that extensions come in by.
pub mod oauth {
    pub use countersign_oauth_core::*;
}

/// OpenID Connect.
pub mod oidc {
    pub use countersign_oidc::*;
}

/// The storage contract, and the stores that features bring.
pub mod store {
    pub use countersign_primitives::Id;
    #[cfg(feature = "memory")]
    pub use countersign_storage_memory::MemoryStore;
    #[cfg(feature = "redis")]
    pub use countersign_storage_redis::{OpenError as RedisOpenError, RedisOptions, RedisStore};
    #[cfg(feature = "postgres")]
    pub use countersign_storage_sqlx::{Migration, POSTGRES_MIGRATIONS, ServerError, ServerTrouble};
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub use countersign_storage_sqlx::{OpenError, SqlOptions, SqlStore};
    pub use countersign_storage_traits::*;
}

/// PKCE (RFC 7636), for both sides.
pub mod pkce {
    pub use countersign_pkce::*;
}

/// One-time passwords: HOTP, TOTP, delivered and recovery codes.
pub mod otp {
    pub use countersign_mfa_otp::*;
}

/// WebAuthn: passkeys and security keys, as a relying party.
pub mod webauthn {
    pub use countersign_mfa_webauthn::*;
}

/// JOSE, opaque handles and signing keys.
pub mod tokens {
    pub use countersign_tokens::*;
}

/// What is sent out, as contracts: messages to users, and who carries them.
pub mod outbound {
    pub use countersign_outbound::*;
}

/// Mails through an SMTP server.
#[cfg(feature = "smtp")]
pub mod smtp {
    pub use countersign_delivery_smtp::*;
}

/// Text messages and calls through Twilio.
#[cfg(feature = "twilio")]
pub mod twilio {
    pub use countersign_delivery_twilio::*;

    pub use crate::reports::ReportsInStore;
}

/// The router for axum.
#[cfg(feature = "axum")]
pub mod axum {
    pub use countersign_axum::*;
}

/// Accessible default pages for the login.
#[cfg(feature = "pages")]
pub mod pages {
    pub use countersign_pages::*;
}

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// So does what the MFA cookbook shows a host in Rust.
#[cfg(all(doctest, feature = "memory", feature = "tokio"))]
#[doc = include_str!("../../../docs/mfa-cookbook.md")]
struct MfaCookbook;
