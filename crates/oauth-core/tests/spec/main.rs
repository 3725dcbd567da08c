//! The specifications, a module each and a test a claim, over the server as a host calls it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail as the test does")]

mod account;
mod cached_clients;
mod extension;
mod extension_clash;
mod faults;
mod health;
mod host_login;
mod json_requests;
mod key_rotation;
mod kit;

mod login_only;
mod oidc_core_prompt;
mod opaque;
mod open_requests;
mod promise_12;
mod promises;
mod properties;
mod requirements;
mod rfc6265;
mod rfc6749;
mod rfc6749_4_4;
mod rfc6749_authorize;
mod rfc6750;
mod rfc7009;
mod rfc7523;
mod rfc7591;
mod rfc7592;
mod rfc7636;
mod rfc7662;
mod rfc8252;
mod rfc8414;
mod rfc8707;
mod rfc9068;
mod rfc9110;
mod rfc9207;
mod rfc9470;
mod rfc9700;
mod session_end;
mod sessions;
