//! Resources whose tokens come from a login alone, and grants whose terms were settled before.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_oauth_core::{
    At, Client, ConfigError, ConsentRule, Extension, Grant, GrantRequest, Hook, Issue, Preset, Refusal, Resource,
    Scope, ScopeSet, ServerBuilder, Unmet,
};
use countersign_primitives::{Acr, Amr, Requirement, SignedIn, Subject};
use countersign_storage_memory::MemoryStore;
use http::StatusCode;

use crate::kit::*;

const KEYS: &str = "https://keys.example.com/";
const BELL: &str = "urn:example:params:oauth:grant-type:bell";

/// Somebody rings, and gets what was settled before.
#[derive(Debug)]
struct Bell;

#[async_trait]
impl Grant for Bell {
    fn grant_type(&self) -> &'static str {
        BELL
    }
    fn serves(&self, preset: &Preset) -> bool {
        preset.password_grant
    }
    fn objection(&self, client: &Client) -> Option<&'static str> {
        (client.consent_rule() != ConsentRule::Implied).then_some("the bell is for those who live here")
    }
    async fn redeem(&self, request: &GrantRequest<'_>) -> Result<Issue, Refusal> {
        assert_eq!(request.peer().unwrap().address().to_string(), "192.0.2.1");
        let who = SignedIn::new("alice", request.now()).amr([Amr::Pwd]).acr(Acr::AAL1);
        let issue = Issue::to(who).member("rung", true);
        Ok(match request.param("settled")? {
            "nothing" => issue,
            "scopes" => issue.of(ScopeSet::parse("openid read").unwrap(), Vec::new()).refreshable(),
            "short" => issue.ends(request.now().plus(Duration::from_secs(30))),
            "old" => issue.under_epoch(7),
            "login" => issue.of(ScopeSet::parse("keys").unwrap(), vec![KEYS.to_owned()]).by_login(),
            "refreshed login" => {
                issue.of(ScopeSet::parse("keys").unwrap(), vec![KEYS.to_owned()]).by_login().refreshable()
            }
            _ => return Err(Refusal::invalid_request("?")),
        })
    }
}

/// What a refresh falls short of becomes a refusal that says more.
#[derive(Debug)]
struct Porter;

#[async_trait]
impl Extension for Porter {
    fn name(&self) -> &'static str {
        "porter"
    }
    fn hooks(&self) -> &'static [Hook] {
        &[Hook::Unmet]
    }
    fn grants(&self) -> Vec<Arc<dyn Grant>> {
        vec![Arc::new(Bell)]
    }
    fn scopes(&self) -> Vec<Scope> {
        vec![Scope::new("keys", "Change the locks").hidden()]
    }
    fn resources(&self, issuer: &countersign_oauth_core::Issuer) -> Vec<Resource> {
        assert_eq!(issuer.as_str(), ISSUER);
        vec![Resource::new(KEYS).scope("keys").login_only(Duration::from_secs(600))]
    }
    async fn unmet(&self, _: &At<'_>, unmet: &Unmet<'_>) -> Result<Option<Refusal>, Refusal> {
        let refusal = Refusal::new(StatusCode::FORBIDDEN, "bell_required", "ring the bell");
        let asked = unmet.requirement == &Requirement::MFA && unmet.who.subject().as_str() == "alice";
        Ok((asked && unmet.grant_type == "refresh_token").then(|| refusal.cause("porter.bell", "docs/bell.md")))
    }
}

fn housed(builder: ServerBuilder) -> ServerBuilder {
    let everything = "openid offline_access read pay keys";
    let client = Client::public("house").redirect_uri("https://house.example.com/cb").scope(everything);
    let client = client.grant_types(["authorization_code", "refresh_token", BELL]).consent(ConsentRule::Implied);
    let house = client.preset(Preset::legacy());
    let robot = Client::service("robot", SECRET).scope("keys read");
    builder.extension(Porter).client(house).client(robot)
}

fn bell(settled: &str) -> Form {
    Form::new().with("grant_type", BELL).with("settled", settled)
}

#[test]
fn a_resource_of_logins_alone_has_tokens_of_its_own_lifetime_and_no_refresh_token() {
    let kit = Kit::with(housed);
    for scope in ["keys", "openid offline_access keys"] {
        let tokens = kit.tokens("house", scope);
        assert_eq!((&tokens.json["expires_in"], tokens.json.get("refresh_token")), (&600.into(), None), "{scope}");
        let claims = tokens.claims();
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 600);
        assert!(claims["aud"] == KEYS || claims["aud"][0] == KEYS, "{claims}");
    }
    let form = authorization("house", "openid").with("resource", KEYS);
    let named = kit.redeem("house", &kit.code_for(&form, alice(&kit))).ok();
    assert_eq!((named.json.get("refresh_token"), &named.json["expires_in"]), (None, &600.into()));
    assert_eq!(kit.tokens("house", "read").json["expires_in"], 900);
}

#[test]
fn promise_13_a_resource_of_logins_alone_stands_alone_and_no_other_grant_reaches_it() {
    let kit = Kit::with(housed);
    for form in [
        authorization("house", "keys read"),
        authorization("house", "read").with("resource", KEYS).also("resource", API),
    ] {
        assert_eq!(told(kit.authorize(&mut Jar::default(), &form, Some(alice(&kit)))), "invalid_target");
    }
    assert_eq!(
        told(kit.authorize(&mut Jar::default(), &authorization("app", "keys"), Some(alice(&kit)))),
        "invalid_scope"
    );
    // A refresh token of something else does not lead there.
    let tokens = kit.tokens("house", "openid offline_access read");
    let refresh = Form::new().with("grant_type", "refresh_token").with("refresh_token", tokens.text("refresh_token"));
    kit.token("house", &refresh.clone().with("resource", KEYS)).is_error(400, "invalid_target");
    kit.token("house", &refresh.with("scope", "keys")).is_error(400, "invalid_scope");
    // Neither does a client that acts for itself, nor a grant without a login.
    for (name, value) in [("scope", "keys"), ("resource", KEYS)] {
        kit.own_token("robot", &[(name, value)]).is_error(400, "invalid_target");
    }
    kit.own_token("robot", &[("scope", "read")]).ok();
    kit.token("house", &bell("nothing").with("scope", "keys")).is_error(400, "invalid_target");
    kit.token("house", &bell("nothing").with("audience", KEYS)).is_error(400, "invalid_target");
    kit.token("house", &bell("refreshed login")).is_error(400, "invalid_target");
    assert_eq!(kit.token("house", &bell("login")).ok().json["expires_in"], 600);
}

#[test]
fn extension_grant_issues_what_was_settled_before_and_a_request_may_ask_for_less() {
    let kit = Kit::with(housed);
    let tokens = kit.token("house", &bell("scopes")).ok();
    assert_eq!((tokens.text("scope"), &tokens.json["rung"]), ("openid read", &true.into()));
    let less = kit.token("house", &bell("scopes").with("scope", "read")).ok();
    assert_eq!(less.text("scope"), "read");
    let all = kit.refresh("house", less.text("refresh_token")).ok();
    assert_eq!(all.text("scope"), "openid read", "the grant has it all");
    kit.token("house", &bell("scopes").with("scope", "read pay")).is_error(400, "invalid_scope");
    kit.token("house", &bell("scopes").with("resource", "https://other.example.com/")).is_error(400, "invalid_target");
    let short = kit.token("house", &bell("short").with("scope", "read")).ok();
    assert_eq!(short.json["expires_in"], 30);
}

#[test]
fn promise_12_extension_grant_issues_nothing_for_what_was_proven_before_an_end() {
    let kit = Kit::with(housed);
    kit.token("house", &bell("old").with("scope", "read")).is_error(400, "invalid_grant");
    assert_eq!(kit.cause(), "grant.ended");
    for _ in 0..7 {
        block_on(kit.server.revoke_subject(&Subject::new("alice"))).unwrap();
    }
    kit.token("house", &bell("old").with("scope", "read")).ok();
}

#[test]
fn extension_unmet_says_what_a_refresh_falls_short_of_once_the_token_is_known_to_be_good() {
    let store = MemoryStore::new();
    let house = |requirement: Requirement| {
        Kit::over(ISSUER, store.clone(), |builder| {
            let client = Client::public("home").redirect_uri("https://home.example.com/cb").requires(requirement);
            builder.extension(Porter).client(client.consent(ConsentRule::Implied))
        })
    };
    let tokens = house(Requirement::NONE).tokens("home", "openid offline_access read");
    // The requirement of the client rises: the token stays as it is, and the answer says what would help.
    let risen = house(Requirement::MFA);
    for _ in 0..2 {
        risen.refresh("home", tokens.text("refresh_token")).is_error(403, "bell_required");
        assert_eq!(risen.cause(), "porter.bell");
    }
    house(Requirement::NONE).refresh("home", tokens.text("refresh_token")).ok();
    let strict = Kit::with(|builder| {
        let client = Client::public("bank2").redirect_uri("https://bank2.example.com/cb").consent(ConsentRule::Implied);
        builder.extension(Porter).client(client.scope("read fresh offline_access openid"))
    });
    let tokens = strict.tokens("bank2", "offline_access read fresh");
    strict.advance(301);
    let fresh = Form::new().with("grant_type", "refresh_token").with("refresh_token", tokens.text("refresh_token"));
    strict.token("bank2", &fresh.clone().with("scope", "fresh")).is_error(400, "invalid_grant");
    assert_eq!(strict.cause(), "grant.requirement", "an age is not what the porter helps with");
    let next = strict.token("bank2", &fresh.clone().with("scope", "read")).ok();
    strict.refresh("bank2", next.text("refresh_token")).ok();
    // A spent token is a spent token, whatever it asks for (promise 2).
    strict.token("bank2", &fresh.with("scope", "fresh")).is_error(400, "invalid_grant");
    assert_eq!(strict.cause(), "refresh_token.reused");
}

#[test]
fn extension_grant_is_served_and_told_by_preset_and_client() {
    let told = |kit: &Kit| {
        let metadata = kit.get("/.well-known/oauth-authorization-server").ok().json;
        metadata["grant_types_supported"].as_array().unwrap().contains(&BELL.into())
    };
    let kit = Kit::with(housed);
    assert!(!told(&kit), "one client's preset is no business of others");
    assert!(told(&Kit::with(|builder| housed(builder).preset(Preset::legacy()))));
    kit.token("app", &bell("nothing")).is_error(400, "unsupported_grant_type");
    let build = |client: Client| {
        let client = client.redirect_uri("https://x.example.com/cb").grant_types(["authorization_code", BELL]);
        block_on(builder(ISSUER, MemoryStore::new()).extension(Porter).client(client).build()).map(|_| ())
    };
    let problem = |built: Result<(), ConfigError>| match built {
        Err(ConfigError::Client { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    assert!(problem(build(Client::public("x"))).contains("not served under the preset oauth21"));
    assert!(problem(build(Client::public("x").preset(Preset::legacy()))).contains("for those who live here"));
    assert!(build(Client::public("x").preset(Preset::legacy()).consent(ConsentRule::Implied)).is_ok());
}
