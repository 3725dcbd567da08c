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
//! # What this crate does not do
//! Decide who is sent what, and how often: that is `countersign-mfa`'s, with its budgets. Carry anything: adapters do.
//!
//! # Features
//! None.
//!
//! # Where next
//! `countersign-mfa` has the factors that send codes.

mod message;

pub use message::{Channel, Message, MessageSender, Purpose, SendError};
