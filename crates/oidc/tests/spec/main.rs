//! OpenID Connect, section by section.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod discovery;
mod id_token;
mod kit;
mod registration;
mod rp_initiated_logout;
mod signing_out;
mod userinfo;
