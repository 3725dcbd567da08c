//! The facade as a host uses it: what `build` refuses, a login by JSON steps, and what two issuers share.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail as the test does")]

mod admin_api;
mod building;
mod challenge;
mod issuers;
mod login;
mod master_key;
mod policy;
mod policy_table;
mod step_up;
mod support;
mod transfer;
mod walks;
