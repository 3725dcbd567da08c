//! What the tests that cross crates share: the quickstart as a process, a browser, foreign clients, a relying party, a database
//! server.
//!
//! Everything here runs the product from outside, over loopback sockets. A helper that cannot do its part fails the test
//! that called it, and says where.

#![expect(clippy::panic, reason = "a helper's failure is the failure of the test that called it")]

mod browser;
mod connection;
mod foreign;
mod http;
mod jar;
mod mfa_api_client;
#[cfg(unix)]
mod pgbouncer;
#[cfg(unix)]
mod postgres;
mod process;
mod quickstart;
mod relay;
mod relying_party;
mod scratch;
mod site;
mod steps;
mod trust;
mod webdriver;
mod wire;

pub use browser::{Authenticator, Browser, Element, PluggedIn};
pub use connection::Connection;
pub use foreign::{cookbook, examples, java_client, node_client, python_client};
pub use http::{Http, Reply};
pub use jar::Jar;
pub use mfa_api_client::{MfaApiClient, text_of};
#[cfg(unix)]
pub use pgbouncer::PgBouncer;
#[cfg(unix)]
pub use postgres::Postgres;
pub use process::Process;
pub use quickstart::Quickstart;
pub use relay::Relay;
pub use relying_party::{Callback, Tokens};
pub use scratch::{Scratch, artifact};
pub use site::{Asked, Page, site};
pub use steps::{CLIENTS, FrontEnd, User, at_once, guesses_at_once};
pub use trust::{Trusted, trust};
pub use wire::Wire;
