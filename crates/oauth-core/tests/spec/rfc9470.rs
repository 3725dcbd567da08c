//! RFC 9470 and requirements: `acr_values`, `max_age`, and what client and scope demand.

use std::sync::{Arc, Mutex};

use countersign_oauth_core::{At, Consent, Extension, Outcome, Refusal, Wanted};
use countersign_primitives::{Acr, Amr, Requirement, SignedIn};

use crate::kit::*;
use crate::rfc6749_authorize::post_consent;

fn ask(kit: &Kit, form: &Form, who: SignedIn) -> Outcome {
    kit.authorize(&mut Jar::default(), form, Some(who))
}

#[test]
fn rfc9470_4_acr_values_ask_for_any_of_them_and_unknown_ones_for_nothing() {
    let kit = Kit::new();
    let phr = || alice_mfa(&kit).acr(Acr::PHR);
    let (mfa, aal1) = (Acr::MFA.as_str(), Acr::AAL1.as_str());
    for (values, weak, middle, strong) in [
        (mfa.to_owned(), "step up", "done", "done"),
        ("phr".to_owned(), "step up", "step up", "done"),
        (format!("phr {mfa}"), "step up", "done", "done"),
        (format!("phr {aal1}"), "done", "done", "done"),
        ("unknown".to_owned(), "done", "done", "done"),
        (format!("unknown  {mfa}"), "step up", "done", "done"),
    ] {
        let form = authorization("app", "read").with("acr_values", &values);
        let outcomes = [alice(&kit), alice_mfa(&kit), phr()].map(|who| name(&ask(&kit, &form, who)));
        assert_eq!(outcomes, [weak, middle, strong], "{values}");
    }
    // Somebody who states no class has reached none.
    let form = authorization("app", "read").with("acr_values", aal1);
    assert_eq!(name(&ask(&kit, &form, SignedIn::new("alice", kit.server.now()))), "step up");
}

#[test]
fn rfc9470_4_the_class_that_was_asked_for_is_the_one_stated() {
    let kit = Kit::new();
    let stated = |client: &str, scope: &str, values: &str| {
        let form = authorization(client, scope).with("acr_values", values);
        kit.redeem(client, &kit.code_for(&form, alice_mfa(&kit))).ok().claims()["acr"].as_str().unwrap().to_owned()
    };
    let (mfa, aal1, aal2) = (Acr::MFA.as_str(), Acr::AAL1.as_str(), Acr::AAL2.as_str());
    assert_eq!(stated("app", "read", aal2), aal2);
    assert_eq!(stated("app", "read", &format!("phr {aal1}")), aal1);
    assert_eq!(stated("app", "read", "unknown"), mfa);
    // A weaker one that the client prefers is not stated where more is required, and never stands in for what was reached.
    assert_eq!(stated("app", "pay", aal1), mfa);
    assert_eq!(stated("bank", "read", &format!("{aal1} {aal2}")), aal2);
}

#[test]
fn rfc9470_4_a_weaker_class_that_is_stated_hides_no_stronger_one_at_refresh() {
    let kit = Kit::new();
    let form = authorization("app", "read pay").with("acr_values", Acr::AAL1.as_str());
    let tokens = kit.redeem("app", &kit.code_for(&form, alice_mfa(&kit))).ok();
    assert_eq!(kit.refresh("app", tokens.text("refresh_token")).ok().text("scope"), "read pay");
}

#[test]
fn rfc9470_5_max_age_is_measured_when_the_request_is_first_seen() {
    let kit = Kit::new();
    let old = alice(&kit);
    kit.advance(100);
    for (age, outcome) in [("100", "done"), ("99", "login"), ("0", "login"), ("9999999999", "done")] {
        let form = authorization("app", "read").with("max_age", age);
        assert_eq!(name(&ask(&kit, &form, old.clone())), outcome, "{age}");
    }
    let mut jar = Jar::default();
    let form = authorization("app", "read").with("max_age", "99");
    let Outcome::NeedsLogin(page) = kit.authorize(&mut jar, &form, Some(old.clone())) else { panic!() };
    assert_eq!(page.proofs_since(), Some(kit.server.now().minus(Duration::from_secs(99))));
    // A login that is young enough stays so while the user is asked other things.
    let fresh = alice(&kit);
    kit.advance(300);
    assert_eq!(name(&kit.come_back(&mut jar, page.return_to(), Some(old))), "login");
    assert_eq!(name(&kit.come_back(&mut jar, page.return_to(), Some(fresh))), "done");
}

#[test]
fn promise_8_a_scope_or_client_that_requires_two_factors_is_not_given_for_one() {
    let kit = Kit::new();
    for (client, scope) in [("app", "read pay"), ("app", "pay"), ("bank", "read"), ("bank", "")] {
        let form = authorization(client, scope);
        let Outcome::NeedsStepUp(page) = ask(&kit, &form, alice(&kit)) else { panic!("{client} {scope}") };
        assert_eq!(page.requirement(), &Requirement::MFA);
        assert_eq!(told(ask(&kit, &form.clone().with("prompt", "none"), alice(&kit))), "interaction_required");
        let code = kit.code_for(&form, alice_mfa(&kit));
        kit.redeem(client, &code).ok();
    }
}

#[test]
fn promise_8_consent_does_not_stand_in_for_a_factor() {
    let kit = Kit::new();
    let (mut jar, form) = (Jar::default(), authorization("shop", "read pay"));
    let Outcome::NeedsConsent(page) = kit.authorize(&mut jar, &form, Some(alice_mfa(&kit))) else { panic!() };
    // Between page and answer the session became weaker.
    let answer = post_consent(&kit, &jar, &page.action("/consent"), Some(alice(&kit)), Consent::allow_all());
    assert_eq!(name(&answer), "step up");
    // Not even for a consent that leaves the scope out: the request demanded it.
    let answer = post_consent(&kit, &jar, &page.action("/consent"), Some(alice(&kit)), Consent::allow(["read"]));
    assert_eq!(name(&answer), "step up");
}

#[test]
fn promise_8_a_scope_whose_proof_has_aged_is_not_refreshed() {
    let kit = Kit::new();
    let tokens = kit.redeem("app", &kit.code("app", "read fresh")).ok();
    assert_eq!(tokens.text("scope"), "read fresh");
    kit.advance(300);
    let tokens = kit.refresh("app", tokens.text("refresh_token")).ok();
    assert_eq!(tokens.text("scope"), "read fresh");
    kit.advance(1);
    let form = Form::new().with("grant_type", "refresh_token").with("refresh_token", tokens.text("refresh_token"));
    kit.token("app", &form.clone().with("scope", "read fresh")).is_error(400, "invalid_grant");
    assert_eq!(kit.cause(), "grant.requirement");
    let less = kit.token("app", &form).ok();
    assert_eq!((less.text("scope"), less.claims()["scope"].as_str()), ("read", Some("read")));
    // Where nothing is left, nothing is issued.
    let kit = Kit::new();
    let tokens = kit.redeem("app", &kit.code("app", "fresh")).ok();
    kit.advance(301);
    kit.refresh("app", tokens.text("refresh_token")).is_error(400, "invalid_grant");
}

#[test]
fn promise_8_a_code_that_waited_for_its_user_is_measured_as_its_request_was() {
    let kit = Kit::new();
    let (mut jar, form, who) = (Jar::default(), authorization("shop", "fresh"), alice(&kit));
    kit.advance(240);
    let Outcome::NeedsConsent(page) = kit.authorize(&mut jar, &form, Some(who.clone())) else { panic!() };
    kit.advance(120);
    let answer = post_consent(&kit, &jar, &page.action("/consent"), Some(who), Consent::allow_all());
    kit.redeem("shop", redirect(answer).must("code")).ok();
}

#[test]
fn rfc9470_4_a_preference_that_is_out_of_reach_may_be_waived_and_a_requirement_may_not() {
    let kit = Kit::new();
    for (scope, outcome) in [("read", "done"), ("pay", "step up")] {
        let (mut jar, form) = (Jar::default(), authorization("app", scope).with("acr_values", "phr"));
        let Outcome::NeedsStepUp(page) = kit.authorize(&mut jar, &form, Some(alice(&kit))) else { panic!() };
        let waive = |jar: &Jar| {
            let (parts, ()) = jar.request(http::Method::GET, "/").body(()).unwrap().into_parts();
            let mut browser = block_on(kit.server.browser(&parts)).unwrap();
            block_on(kit.server.waive_acr_values(&mut browser, page.interaction()))
        };
        assert!(waive(&Jar::default()).is_err(), "another browser");
        assert_eq!(name(&kit.come_back(&mut jar, page.return_to(), Some(alice(&kit)))), "step up");
        waive(&jar).unwrap();
        assert_eq!(name(&kit.come_back(&mut jar, page.return_to(), Some(alice(&kit)))), outcome);
    }
}

/// Demands what it is told to, as a policy does.
#[derive(Debug, Clone, Default)]
struct Demands(Arc<Mutex<Requirement>>);

#[async_trait::async_trait]
impl Extension for Demands {
    fn name(&self) -> &'static str {
        "demands"
    }
    async fn demand(&self, _: &At<'_>, _: &SignedIn, _: Wanted<'_>) -> Result<Requirement, Refusal> {
        Ok(self.0.lock().unwrap().clone())
    }
}

#[test]
fn promise_8_what_a_policy_demands_is_checked_at_every_grant() {
    let demands = Demands::default();
    let kit = Kit::with(|builder| builder.extension(demands.clone()));
    let (code, tokens) = (kit.code("app", "read"), kit.tokens("app", "read"));
    *demands.0.lock().unwrap() = Requirement::MFA;
    assert_eq!(name(&ask(&kit, &authorization("app", "read"), alice(&kit))), "step up");
    kit.redeem("app", &code).is_error(400, "invalid_grant");
    assert_eq!(kit.cause(), "grant.requirement");
    kit.refresh("app", tokens.text("refresh_token")).is_error(400, "invalid_grant");
    // Nothing was spent.
    *demands.0.lock().unwrap() = Requirement::NONE;
    kit.redeem("app", &code).ok();
    kit.refresh("app", tokens.text("refresh_token")).ok();
}

#[test]
fn promise_8_aal2_does_not_outlive_its_day() {
    let kit = Kit::new();
    let form = authorization("app", "read").with("acr_values", Acr::AAL2.as_str());
    let who = alice_mfa(&kit).proof(Amr::Hwk, kit.server.now());
    kit.advance(86_400);
    assert_eq!(name(&ask(&kit, &form, who.clone())), "done");
    kit.advance(1);
    assert_eq!(name(&ask(&kit, &form, who)), "step up");
}
