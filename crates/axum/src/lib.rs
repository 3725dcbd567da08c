//! Countersign behind axum: a router that knows no path.
//!
//! Which paths there are is the server's business: [`router`] asks it, and answers nothing else, so it merges with a host's
//! own routes and leaves the fallback to the host.
//!
//! ```
//! use std::net::SocketAddr;
//!
//! use axum::{Router, routing::get};
//! use countersign_oauth_core::Server;
//!
//! fn app(server: &Server) -> axum::extract::connect_info::IntoMakeServiceWithConnectInfo<Router, SocketAddr> {
//!     let app = Router::new().route("/", get(async || "home")).merge(countersign_axum::router(server));
//!     app.into_make_service_with_connect_info() // guesses are counted by address
//! }
//! ```
//!
//! A host whose login and sessions are its own takes the request whole by [`Raw`] and calls `Server::authorize`.
//!
//! # Behind a proxy
//!
//! The peer's address is that of the connection, as axum's `ConnectInfo` tells it. Behind a proxy that is the proxy: put a
//! middleware before this router that reads the header which your proxy sets (and which nobody else can), and inserts a
//! [`Peer`] into the request's extensions. A peer that is there is never replaced. Without either, login and token routes
//! answer 500 and log the cure.
//!
//! # What this crate does not do
//!
//! Listen, speak TLS, or time slow clients out. Those are the host's server's.
//!
//! # Features
//!
//! None.
//!
//! # Where next
//!
//! [`root_router`] and [`mounted_router`] for an issuer with a path below a host that nests its routes; `Server` of
//! `countersign-oauth-core` for what is served.

mod body;
mod raw;
mod router;

pub use countersign_oauth_core::Peer;
pub use raw::{Raw, RawRejection};
pub use router::{mounted_router, root_router, router};
