//! The quickstart with a real browser and with clients that others wrote.
//!
//! `cargo xtask test` installs what these tests need and runs them; see `docs/testing.md`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod harness;
