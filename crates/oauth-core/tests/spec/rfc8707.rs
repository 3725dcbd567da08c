//! RFC 8707: resource indicators.

use countersign_oauth_core::Outcome;

use crate::kit::*;

const OTHER: &str = "https://other.example.com/";

fn tokens(kit: &Kit, form: &Form, more: &[(&str, &str)]) -> Answer {
    let code = kit.code_for(form, alice(kit));
    let form = more.iter().fold(redemption("app", &code), |form, (name, value)| form.also(name, value));
    kit.token("app", &form)
}

#[test]
fn rfc8707_2_a_resource_is_one_that_is_known() {
    let kit = Kit::new();
    for unknown in ["https://unknown.example.com/", "https://api.example.com", "https://api.example.com/#x", "/", "x"] {
        for name in ["resource", "audience"] {
            let form = authorization("app", "read").also(name, unknown);
            assert_eq!(told(kit.authorize(&mut Jar::default(), &form, Some(alice(&kit)))), "invalid_target");
            let code = kit.code("app", "read");
            kit.token("app", &redemption("app", &code).also(name, unknown)).is_error(400, "invalid_target");
            kit.redeem("app", &code).ok();
        }
    }
}

#[test]
fn rfc8707_2_several_resources_may_be_named() {
    let kit = Kit::new();
    let form = authorization("app", "read write").also("resource", API).also("resource", OTHER).also("audience", API);
    assert_eq!(tokens(&kit, &form, &[]).ok().claims()["aud"], serde_json::json!([API, OTHER]));
}

#[test]
fn rfc8707_2_2_a_token_request_may_ask_for_less_and_never_for_more() {
    let kit = Kit::new();
    let both = authorization("app", "read write").also("resource", API).also("resource", OTHER);
    let one = tokens(&kit, &both, &[("resource", OTHER)]).ok();
    assert_eq!(one.claims()["aud"], OTHER);
    // A refresh is for all that was granted, or for the part that it names.
    let refreshed = kit.refresh("app", one.text("refresh_token")).ok();
    assert_eq!(refreshed.claims()["aud"], serde_json::json!([API, OTHER]));
    let form = Form::new().with("grant_type", "refresh_token").with("refresh_token", refreshed.text("refresh_token"));
    assert_eq!(kit.token("app", &form.with("audience", API)).ok().claims()["aud"], API);

    let narrow = authorization("app", "read write").also("resource", API);
    tokens(&kit, &narrow, &[("resource", OTHER)]).is_error(400, "invalid_target");
    tokens(&kit, &narrow, &[("resource", API), ("resource", OTHER)]).is_error(400, "invalid_target");
}

#[test]
fn rfc8707_2_without_a_resource_the_owner_of_the_scope_is_meant_else_the_issuer() {
    let kit = Kit::new();
    assert_eq!(kit.tokens("app", "read").claims()["aud"], API);
    assert_eq!(kit.tokens("app", "write").claims()["aud"], ISSUER);
    assert_eq!(kit.tokens("app", "openid read").claims()["aud"], serde_json::json!([API, ISSUER]));
    let own = authorization("app", "openid").also("resource", ISSUER);
    assert_eq!(tokens(&kit, &own, &[]).ok().claims()["aud"], ISSUER);
}

#[test]
fn rfc8707_2_a_resource_may_be_repeated_and_the_request_goes_on() {
    let kit = Kit::new();
    let form = authorization("app", "read").also("resource", API).also("resource", API);
    assert!(matches!(kit.authorize(&mut Jar::default(), &form, Some(alice(&kit))), Outcome::Done(_)));
}
