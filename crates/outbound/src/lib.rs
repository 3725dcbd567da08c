//! What an authorization server sends out, as contracts that a host implements or takes from an adapter.
//!
//! A [`Message`] goes to a user over a [`Channel`]: a code to type, a link to open, or a note that something happened. Who
//! carries it is a [`MessageSender`]: an SMTP server, a gateway for text messages, or whatever the host has.
//!
//! ```
//! use async_trait::async_trait;
//! use countersign_outbound::{Message, MessageSender, SendError};
//!
//! #[derive(Debug)]
//! struct Printer; // a sender for trying things out
//!
//! #[async_trait]
//! impl MessageSender for Printer {
//!     async fn send(&self, message: &Message) -> Result<(), SendError> {
//!         println!("{} to {}: {}", message.channel(), message.to(), message.text());
//!         Ok(())
//!     }
//! }
//! ```
//!
//! A [`Fetcher`] makes one HTTP request to an address that the operator configured; adapters that speak HTTP are built on it, and
//! bring no client of their own.
//!
//! A [`PushMessage`] nudges a device about something that waits for it; a [`PushSender`] carries it.
//!
//! # What this crate does not do
//! Decide who is sent what, and how often: that is `countersign-mfa`'s, with its budgets. Fetch from addresses that strangers chose.
//! Carry anything without a feature: adapters do.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `hook` | `HttpHook`, a sender that hands messages to an address of the host's as signed JSON |
//! | `reqwest` | `HttpClient`, a [`Fetcher`] over reqwest with rustls on ring |
//! | `tokio` | `Queued`, which sends in the background so that nobody waits, and `Retrying`, which tries again |
//!
//! # Where next
//! `countersign-mfa` has the factors that send codes, `countersign-delivery-smtp` and `countersign-delivery-twilio` carry them.

#[cfg(feature = "reqwest")]
mod client;
mod fetch;
#[cfg(feature = "hook")]
mod hook;
mod message;
mod push;
#[cfg(feature = "tokio")]
mod queued;
#[cfg(feature = "tokio")]
mod retry;

#[cfg(feature = "reqwest")]
pub use client::{HttpClient, HttpClientError};
pub use fetch::{FetchError, FetchLimits, Fetcher};
#[cfg(feature = "hook")]
pub use hook::{HookError, HttpHook};
pub use message::{Channel, Message, MessageSender, Purpose, SendError};
pub use push::{PushMessage, PushSender};
#[cfg(feature = "tokio")]
pub use queued::{Queue, Queued};
#[cfg(feature = "tokio")]
pub use retry::{Retries, Retrying};
