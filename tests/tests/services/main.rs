//! The quickstart with a real browser and with clients that others wrote.
//!
//! `cargo xtask test` installs what these tests need and runs them; see `docs/testing.md`.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod account;
mod console;
mod cookbook;
mod delivery;
mod harness;
mod links_by_mail;
mod login;
mod logout;
mod mfa_api;
mod own_clients;
mod own_tokens;
mod pages;
mod passkeys;
mod person;
mod push;
mod relying_parties;
mod sent_codes;

/// The switches of each way to serve: plain HTTP on loopback, and HTTPS with a certificate that clients are told to trust.
const WAYS: [&[&str]; 2] = [&[], &["--tls", "self-signed"]];
