//! OpenID Connect, section by section.
#![allow(missing_docs)]

mod discovery;
mod id_token;
mod kit;
mod userinfo;
