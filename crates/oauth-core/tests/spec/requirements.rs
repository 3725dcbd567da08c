//! What stands on the thing that it protects: client, scope, resource (promise 8). What a request asks for is in `rfc9470`.

use countersign_oauth_core::{
    At, ConfigError, Extension, Grant, GrantRequest, Issue, Outcome, Refusal, Resource, Scope, Wanted,
};
use countersign_primitives::{Acr, AcrClass, AcrTable, Amr, Id, Remembered, Requirement, SignedIn, Subject, UnixTime};
use countersign_storage_memory::MemoryStore;

use crate::kit::*;

const VAULT: &str = "https://vault.example.com/";
const LEDGER: &str = "https://ledger.example.com/";

/// One resource asks for two factors, another for a login of the last five minutes.
fn kit() -> Kit {
    Kit::with(|builder| {
        let five_minutes = Requirement::NONE.max_age(Duration::from_secs(300));
        builder
            .scope(Scope::new("vault", "Open the vault"))
            .scope(Scope::new("ledger", "Read the ledger"))
            .resource(Resource::new(VAULT).scope("vault").requires(Requirement::MFA))
            .resource(Resource::new(LEDGER).scope("ledger").requires(five_minutes))
    })
}

fn ask(kit: &Kit, form: &Form, who: SignedIn) -> Outcome {
    kit.authorize(&mut Jar::default(), form, Some(who))
}

#[test]
fn promise_8_a_resource_requires_what_it_says_however_it_is_meant() {
    let kit = kit();
    let by_name = |name: &str| authorization("app", "read").also(name, VAULT);
    let beside = authorization("app", "read").also("resource", API).also("audience", VAULT);
    for form in [authorization("app", "vault"), by_name("resource"), by_name("audience"), beside] {
        let Outcome::NeedsStepUp(page) = ask(&kit, &form, alice(&kit)) else { panic!("{form:?}") };
        assert_eq!(page.requirement(), &Requirement::MFA);
        assert_eq!(told(ask(&kit, &form.clone().with("prompt", "none"), alice(&kit))), "interaction_required");
        kit.redeem("app", &kit.code_for(&form, alice_mfa(&kit))).ok();
    }
    // A scope that it owns, for another resource alone: the token does not open it.
    let elsewhere = authorization("app", "vault").also("resource", API);
    assert_eq!(name(&ask(&kit, &elsewhere, alice(&kit))), "done");
}

#[test]
fn promise_8_what_a_resource_requires_is_checked_when_the_code_is_redeemed() {
    // The policy of the server that redeems is stricter than that of the one that issued.
    let store = MemoryStore::new();
    let lax = Kit::over(ISSUER, store.clone(), |builder| builder.resource(Resource::new(VAULT)));
    let strict = Kit::over(ISSUER, store, |builder| builder.resource(Resource::new(VAULT).requires(Requirement::MFA)));
    let form = authorization("app", "read").also("resource", API).also("resource", VAULT);
    let code = lax.code_for(&form, alice(&lax));
    strict.redeem("app", &code).is_error(400, "invalid_grant");
    assert_eq!(strict.cause(), "grant.requirement");
    // Nothing was spent, and for the other resource alone it is good.
    strict.token("app", &redemption("app", &code).with("resource", API)).ok();
}

#[test]
fn promise_8_a_resource_whose_proof_has_aged_is_not_refreshed() {
    let kit = kit();
    let form = authorization("app", "read ledger").also("resource", API).also("resource", LEDGER);
    let tokens = kit.redeem("app", &kit.code_for(&form, alice(&kit))).ok();
    kit.advance(301);
    let refresh = Form::new().with("grant_type", "refresh_token").with("refresh_token", tokens.text("refresh_token"));
    kit.token("app", &refresh.clone().with("resource", LEDGER)).is_error(400, "invalid_grant");
    kit.token("app", &refresh.clone().with("scope", "ledger")).is_error(400, "invalid_grant");
    let less = kit.token("app", &refresh).ok();
    assert_eq!((less.text("scope"), &less.claims()["aud"]), ("read", &serde_json::json!(API)));
    // Where the resource was meant by its scope, the scope goes.
    let tokens = kit.tokens("app", "read ledger");
    kit.advance(301);
    let less = kit.refresh("app", tokens.text("refresh_token")).ok();
    assert_eq!((less.text("scope"), &less.claims()["aud"]), ("read", &serde_json::json!(API)));
    // Where it was all there was, nothing is issued.
    let form = authorization("app", "read").also("resource", LEDGER);
    let tokens = kit.redeem("app", &kit.code_for(&form, alice(&kit))).ok();
    kit.advance(301);
    kit.refresh("app", tokens.text("refresh_token")).is_error(400, "invalid_grant");
}

#[derive(Debug)]
struct Badges;

#[async_trait::async_trait]
impl Grant for Badges {
    fn grant_type(&self) -> &'static str {
        "urn:example:badge"
    }
    async fn redeem(&self, request: &GrantRequest<'_>) -> Result<Issue, Refusal> {
        Ok(Issue::to(SignedIn::new("alice", request.now()).amr([Amr::Hwk]).acr(Acr::AAL1)))
    }
}

#[test]
fn promise_8_a_grant_of_the_hosts_own_cannot_pass_by_a_resource_or_a_scope_of_administration() {
    let kit = Kit::with(|builder| {
        let client = countersign_oauth_core::Client::public("kiosk").redirect_uri("https://kiosk.example.com/cb");
        builder
            .scope(Scope::admin("users", "Change users"))
            .scope(Scope::new("vault", "Open the vault"))
            .resource(Resource::new(VAULT).scope("vault").requires(Requirement::MFA))
            .client(client.grant_types(["urn:example:badge"]).scope("read vault users"))
            .grant(Badges)
    });
    let form = |scope: &str| Form::new().with("grant_type", "urn:example:badge").with("scope", scope);
    kit.token("kiosk", &form("read")).ok();
    for scope in ["vault", "users", "read users"] {
        kit.token("kiosk", &form(scope)).is_error(400, "invalid_grant");
        assert_eq!(kit.cause(), "grant.requirement", "{scope}");
    }
}

#[test]
fn promise_8_a_scope_of_administration_requires_two_factors_and_stands_in_no_metadata() {
    let kit = Kit::with(|builder| {
        let client = countersign_oauth_core::Client::public("console").redirect_uri("https://console.example.com/cb");
        builder
            .scope(Scope::admin("users:write", "Change users"))
            .client(client.consent(countersign_oauth_core::ConsentRule::Implied).scope("read users:write"))
    });
    let Outcome::NeedsStepUp(page) = ask(&kit, &authorization("console", "users:write"), alice(&kit)) else { panic!() };
    assert_eq!(page.requirement(), &Requirement::MFA.never_remembered());
    kit.redeem("console", &kit.code_for(&authorization("console", "users:write"), alice_mfa(&kit))).ok();
    assert_eq!(told(ask(&kit, &authorization("app", "users:write"), alice_mfa(&kit))), "invalid_scope");
    let metadata = kit.get("/.well-known/oauth-authorization-server").ok();
    let scopes = metadata.json["scopes_supported"].as_array().unwrap();
    assert!(scopes.iter().all(|scope| scope != "users:write"), "{scopes:?}");
}

#[test]
fn promise_8_a_scope_of_administration_is_lowered_by_a_method_of_that_name_alone() {
    let admin = || Scope::admin("users:write", "Change users");
    let minute = Duration::from_secs(60);
    for (asked, required) in [
        (Requirement::NONE, Requirement::MFA),
        (Requirement::at_least(Acr::AAL1), Requirement::MFA),
        (Requirement::NONE.max_age(minute), Requirement::MFA.max_age(minute)),
        (Requirement::PHISHING_RESISTANT, Requirement::PHISHING_RESISTANT),
    ] {
        assert_eq!(admin().requires(asked).requirement(), &required.never_remembered());
    }
    assert_eq!(admin().danger_without_second_factor().requirement(), &Requirement::NONE);
    // A class of the host's own must be one of two factors, and known.
    let weak = AcrClass { value: Acr::from_static("urn:example:weak"), strength: 1, max_age: None };
    for (table, problem) in
        [(AcrTable::default(), "does not know"), (AcrTable::new([weak]), "less than a second factor")]
    {
        let scope = admin().requires(Requirement::at_least(Acr::new("urn:example:weak")));
        let builder = builder(ISSUER, MemoryStore::new()).acr_table(table).scope(scope);
        let error = block_on(builder.build()).unwrap_err();
        assert!(matches!(error, ConfigError::Scope { .. }) && error.to_string().contains(problem), "{error}");
    }
}

/// Says of every remembered browser that it is one, or that it is not, or cannot say.
#[derive(Debug)]
struct Devices(Option<bool>);

#[async_trait::async_trait]
impl Extension for Devices {
    fn name(&self) -> &'static str {
        "devices"
    }
    async fn vouches(&self, _: &At<'_>, _: &Subject, _: Remembered) -> Result<bool, Refusal> {
        self.0.ok_or_else(|| Refusal::from(countersign_oauth_core::Cause::StoreFailed))
    }
}

#[test]
fn promise_8_the_mark_of_a_remembered_browser_counts_only_where_an_extension_vouches_for_it() {
    let with = |vouches: Option<Option<bool>>| {
        Kit::with(|builder| {
            let builder = builder
                .scope(Scope::new("vault", "Open the vault"))
                .resource(Resource::new(VAULT).scope("vault").requires(Requirement::MFA));
            vouches.into_iter().fold(builder, |builder, word| builder.extension(Devices(word)))
        })
    };
    let marked = |kit: &Kit| {
        let device = Remembered { device: Id::from_bytes([1; 16]), until: UnixTime::MAX };
        alice(kit).acr(Acr::AAL1).on_remembered(Some(device))
    };
    for (vouches, outcome) in [(None, "step up"), (Some(Some(false)), "step up"), (Some(Some(true)), "done")] {
        let kit = with(vouches);
        let got = ask(&kit, &authorization("app", "vault"), marked(&kit));
        assert_eq!(name(&got), outcome, "{vouches:?}");
        // Whoever is asked to step up is told that the mark will not do, so that no login goes round in circles.
        assert!(!matches!(&got, Outcome::NeedsStepUp(page) if !page.requirement().is_never_remembered()));
    }
    // What cannot be asked is no (promise 14).
    let kit = with(Some(None));
    assert_eq!(name(&ask(&kit, &authorization("app", "vault"), marked(&kit))), "refused");
    // It is asked of marks alone.
    assert_eq!(name(&ask(&kit, &authorization("app", "vault"), alice_mfa(&kit))), "done");
}

#[test]
fn a_resource_that_requires_an_unknown_class_is_told_at_start() {
    let vault = Resource::new(VAULT).requires(Requirement::at_least(Acr::new("urn:example:unknown")));
    let error = block_on(builder(ISSUER, MemoryStore::new()).resource(vault).build()).unwrap_err();
    assert!(error.to_string().contains("https://vault.example.com/"), "{error}");
}

/// Demands a class that no table knows.
#[derive(Debug)]
struct Riddle;

#[async_trait::async_trait]
impl Extension for Riddle {
    fn name(&self) -> &'static str {
        "riddle"
    }
    async fn demand(&self, _: &At<'_>, _: &SignedIn, _: Wanted<'_>) -> Result<Requirement, Refusal> {
        Ok(Requirement::at_least(Acr::new("urn:example:unknown")))
    }
}

#[test]
fn promise_14_a_class_that_no_table_ranks_is_no_weaker_demand_but_a_refusal() {
    let kit = Kit::with(|builder| builder.extension(Riddle));
    let outcome = ask(&kit, &authorization("app", "pay"), alice_mfa(&kit));
    assert!(
        matches!(&outcome, Outcome::Refused(refusal) if refusal.cause_id() == "grant.unknown_demand"),
        "{outcome:?}"
    );
}

fn named(kit: &Kit, class: &'static str) -> SignedIn {
    SignedIn::new("alice", kit.server.now()).acr(Acr::from_static(class))
}

#[test]
fn rfc9470_4_classes_of_the_hosts_own_stand_for_the_constants() {
    let class = |value, strength| AcrClass { value: Acr::from_static(value), strength, max_age: None };
    let table = AcrTable::new([class("urn:silver", 1), class("urn:gold", 2)]);
    let kit = Kit::with(|builder| builder.acr_table(table));
    for (scope, values, silver, gold) in [
        ("pay", "", "step up", "done"),
        ("read", "urn:gold", "step up", "done"),
        ("read", "urn:silver", "done", "done"),
        // A name that is not in the table is none that one could ask for.
        ("read", Acr::MFA.as_str(), "done", "done"),
        ("read", "phr", "done", "done"),
    ] {
        let form = authorization("app", scope).with("acr_values", values);
        let outcomes = ["urn:silver", "urn:gold"].map(|class| name(&ask(&kit, &form, named(&kit, class))));
        assert_eq!(outcomes, [silver, gold], "{scope} {values}");
    }
    let form = authorization("app", "pay").with("acr_values", Acr::MFA.as_str());
    let claims = kit.redeem("app", &kit.code_for(&form, named(&kit, "urn:gold"))).ok().claims();
    assert_eq!(claims["acr"], "urn:gold");
}
