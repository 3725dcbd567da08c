//! What happens when two extensions are in each other's way.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_oauth_core::{
    At, Config, ConfigError, Extension, Gathered, Grant, Hook, Refusal, Route, Scope, ServerBuilder, Wanted,
};
use countersign_primitives::{Requirement, SignedIn};
use countersign_storage_memory::MemoryStore;
use http::Method;

use crate::extension::{BADGE, Badges, Paint, Palette};
use crate::kit::*;

/// An extension that is in another's way.
#[derive(Debug, Clone, Copy)]
struct Clash(&'static str);

#[async_trait]
impl Extension for Clash {
    fn name(&self) -> &'static str {
        "clash"
    }
    fn hooks(&self) -> &'static [Hook] {
        &[]
    }
    fn routes(&self, _: &Config) -> Vec<Route> {
        match self.0 {
            "route" => vec![Route::new(Method::GET, "/paint/{other}", Palette)],
            "own route" => vec![Route::new(Method::POST, "/oauth/token", Palette)],
            _ => Vec::new(),
        }
    }
    fn grants(&self) -> Vec<Arc<dyn Grant>> {
        if self.0 == "grant" { vec![Arc::new(Badges)] } else { Vec::new() }
    }
    fn scopes(&self) -> Vec<Scope> {
        if self.0 == "scope" { vec![Scope::new("paint", "Paint")] } else { Vec::new() }
    }
    fn response_types(&self) -> &'static [&'static str] {
        match self.0 {
            "response type" => &["code proof"],
            "token" => &["token"],
            _ => &[],
        }
    }
    fn metadata(&self, _: &Config, out: &mut Gathered) {
        match self.0 {
            "member" => out.add("paint_endpoint", "x"),
            "own member" => out.add("issuer", "https://evil.example"),
            "twice" => ["a", "a"].into_iter().for_each(|name| out.add(name, 1)),
            _ => {}
        }
    }
    async fn demand(&self, _: &At<'_>, _: &SignedIn, _: Wanted<'_>) -> Result<Requirement, Refusal> {
        panic!("a hook that is not declared is not called")
    }
}

#[test]
fn extension_two_that_clash_are_a_mistake_that_is_told_at_start() {
    let build = |clash: &'static str, more: fn(ServerBuilder) -> ServerBuilder| {
        let builder = builder(ISSUER, MemoryStore::new()).extension(Paint::default()).extension(Clash(clash));
        block_on(more(builder).build()).unwrap_err()
    };
    let same = |builder| builder;
    assert!(matches!(build("route", same), ConfigError::RouteTwice { path } if path == "/paint/{other}"));
    assert!(matches!(build("own route", same), ConfigError::RouteTwice { path } if path == "/oauth/token"));
    assert!(matches!(build("grant", same), ConfigError::GrantTwice { grant_type } if grant_type == BADGE));
    assert!(matches!(build("", |builder| builder.grant(Badges)), ConfigError::GrantTwice { .. }));
    assert!(matches!(build("scope", same), ConfigError::Scope { scope, .. } if scope == "paint"));
    assert!(matches!(build("response type", same), ConfigError::Unreachable { .. }));
    assert!(matches!(build("token", same), ConfigError::Unreachable { .. }));
    assert!(matches!(build("member", same), ConfigError::MetadataTwice { member } if member == "paint_endpoint"));
    assert!(matches!(build("own member", same), ConfigError::MetadataTwice { member } if member == "issuer"));
    assert!(matches!(build("twice", same), ConfigError::MetadataTwice { member } if member == "clash"));
}

#[test]
fn extension_hooks_that_are_not_declared_are_not_called() {
    let kit = Kit::with(|builder| builder.extension(Clash("")));
    kit.tokens("app", "read");
}
