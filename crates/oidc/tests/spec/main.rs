//! OpenID Connect, section by section.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod acr;
mod discovery;
mod id_token;
mod kit;
mod login_claims;
mod registration;
mod rp_initiated_logout;
mod signing_out;
mod userinfo;
