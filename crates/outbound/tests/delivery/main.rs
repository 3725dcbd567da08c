//! Messages on their way: in the background, again, and over HTTP to a server on loopback.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod client;
mod hook;
mod queue;
