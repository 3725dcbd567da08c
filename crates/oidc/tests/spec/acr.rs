//! OpenID Connect Core 1.0 §5.5.1.1: an `acr` that a client calls essential, or prefers.

use countersign_oauth_core::Outcome;
use countersign_primitives::{Acr, Amr, SignedIn};
use serde_json::{Value, json};

use crate::kit::{Kit, claims, parameter};

fn asking(kit: &Kit, claims: &Value, who: SignedIn) -> Outcome {
    kit.authorize(&format!("scope=openid&{}", encoded(claims)), Some(who))
}

fn encoded(claims: &Value) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("claims", &claims.to_string()).finish()
}

fn password(kit: &Kit) -> SignedIn {
    SignedIn::new("u-1", kit.server.now()).amr([Amr::Pwd]).acr(Acr::AAL1).session("sid-1")
}

fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done(_) => "done",
        Outcome::NeedsStepUp(_) => "step up",
        Outcome::NeedsLogin(_) => "login",
        _ => "other",
    }
}

#[test]
fn oidc_core_5_5_1_1_an_essential_acr_is_a_requirement_and_any_of_its_values_will_do() {
    let kit = Kit::new();
    let (mfa, aal1) = (Acr::MFA.as_str(), Acr::AAL1.as_str());
    for (asked, by_password, by_two) in [
        (json!({"essential": true, "value": mfa}), "step up", "done"),
        (json!({"essential": true, "values": ["urn:unknown", mfa]}), "step up", "done"),
        (json!({"essential": true, "values": [aal1, mfa]}), "done", "done"),
        (json!({"essential": true}), "done", "done"),
        (json!({"essential": true, "values": ["phr"]}), "step up", "step up"),
        (json!({"essential": false, "values": [mfa]}), "step up", "done"),
        (json!({"essential": false, "value": "urn:unknown"}), "done", "done"),
        (Value::Null, "done", "done"),
    ] {
        for place in ["id_token", "userinfo"] {
            let claims = json!({place: {"acr": asked, "email": {"essential": true}}});
            let outcomes = [password(&kit), kit.alice()].map(|who| name(&asking(&kit, &claims, who)));
            assert_eq!(outcomes, [by_password, by_two], "{claims}");
        }
    }
    // Somebody whose login states no class at all has none of any value.
    let stateless = SignedIn::new("u-1", kit.server.now()).session("sid-1");
    assert_eq!(name(&asking(&kit, &json!({"id_token": {"acr": {"essential": true}}}), stateless)), "step up");
}

#[test]
fn oidc_core_5_5_1_1_an_essential_acr_that_nobody_can_reach_fails_at_once() {
    let kit = Kit::new();
    let claims = json!({"id_token": {"acr": {"essential": true, "values": ["urn:unknown"]}}});
    let Outcome::Done(reply) = asking(&kit, &claims, kit.alice()) else { panic!("the client is told") };
    assert_eq!(parameter(&reply, "error").as_deref(), Some("unmet_authentication_requirements"));
}

#[test]
fn oidc_core_5_5_1_1_an_essential_acr_cannot_be_waived_as_a_preference_can() {
    let kit = Kit::new();
    let must = json!({"id_token": {"acr": {"essential": true, "value": Acr::MFA.as_str()}}});
    let Outcome::NeedsStepUp(ask) = asking(&kit, &must, password(&kit)) else { panic!("a step-up") };
    assert_eq!(ask.requirement().acr_value(), Some(&Acr::MFA));
    assert_eq!(ask.acr_values(), [Acr::MFA]);
}

#[test]
fn oidc_core_5_5_1_1_the_value_that_was_asked_for_is_the_one_that_the_id_token_states() {
    let kit = Kit::new();
    let claims_asked = json!({"id_token": {"acr": {"essential": true, "values": [Acr::AAL2.as_str()]}}});
    let tokens = kit.tokens(&format!("scope=openid&{}", encoded(&claims_asked)), kit.alice());
    assert_eq!(claims(&tokens["id_token"])["acr"], Acr::AAL2.as_str());
}

#[test]
fn promise_8_an_essential_acr_takes_nothing_from_what_client_and_scope_require() {
    let kit = Kit::new();
    let weak = json!({"id_token": {"acr": {"essential": true, "value": Acr::AAL1.as_str()}}});
    let both = format!("scope=openid&acr_values=phr&{}", encoded(&weak));
    assert_eq!(name(&kit.authorize(&both, Some(password(&kit)))), "done", "the parameter names what will do");
    let age = format!("scope=openid&max_age=10&{}", encoded(&weak));
    let old = password(&kit);
    kit.advance(11);
    assert_eq!(name(&kit.authorize(&age, Some(old))), "login");
}

#[test]
fn promise_7_claims_that_are_no_json_are_refused() {
    let kit = Kit::new();
    for bad in ["{", "7", "{\"id_token\":{\"acr\":1}}", "{\"id_token\":1}", "{\"id_token\":{\"acr\":{},\"acr\":{}}}"] {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("claims", bad).finish();
        let Outcome::Done(reply) = kit.authorize(&format!("scope=openid&{query}"), Some(kit.alice())) else {
            panic!("{bad}")
        };
        assert_eq!(parameter(&reply, "error").as_deref(), Some("invalid_request"), "{bad}");
    }
}
