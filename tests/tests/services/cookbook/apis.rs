//! A token without a second factor is refused with what is asked for; the client asks for it, and pays.

use countersign_tests::{Callback, FrontEnd, Quickstart, Tokens, User, cookbook, node_client};
use serde_json::{Value, json};

use super::front_ends::compiled;
use super::{Api, CLIENT, REDIRECT_URI, provider};

const MFA: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

/// Signs in for the API; `more` stands behind the parameters of the authorization request.
fn sign_in(quickstart: &Quickstart, browser: &mut FrontEnd, user: &mut User, more: &str) -> Tokens {
    let (callback, issuer) = (Callback::at(REDIRECT_URI), quickstart.issuer());
    let url = callback.authorization_url(issuer, CLIENT, "openid orders payments");
    let back = user.sign_in(browser, &format!("{url}&resource=https%3A%2F%2Fapi.example%2F{more}"));
    callback.exchange(&back, issuer, CLIENT)
}

/// Pays by the cookbook's shared function, which runs under Node.
fn pay(api: &Api, tokens: &Tokens, amount: u32) -> Value {
    let settings = json!({
        "module": compiled(), "api": api.origin, "amount": amount,
        "access_token": tokens.answer["access_token"], "login": tokens.claims,
    });
    node_client("step_up.mjs", &settings)
}

#[test]
fn rfc9470_4_the_apis_of_the_cookbook_ask_for_a_step_up_and_the_shared_function_carries_it_out() {
    for at in 0..2 {
        let quickstart = provider();
        let api = &Api::both(quickstart.issuer())[at];
        let (mut browser, mut alice) = (FrontEnd::new(quickstart.issuer()), User::alice());
        let tokens = sign_in(&quickstart, &mut browser, &mut alice, "");
        assert_eq!(pay(api, &tokens, 100)["status"], 200, "{}: a small payment needs no more", api.name);

        let asked = pay(api, &tokens, 101);
        assert_eq!(asked["parameters"], json!({ "acr_values": format!("{MFA} phr"), "max_age": 300 }), "{}", api.name);
        assert_eq!(asked["meets"], false, "{}: the page knows it before it asks", api.name);
        let refused = api.pay(tokens.answer["access_token"].as_str().unwrap(), 101);
        assert_eq!(refused.status, 401, "{}: {}", api.name, refused.body);
        let challenge = format!(
            "Bearer error=\"insufficient_user_authentication\", error_description=\"a payment of this size takes a second \
             factor, proven within five minutes\", acr_values=\"{MFA} phr\", max_age=\"300\""
        );
        assert_eq!(refused.header("www-authenticate"), Some(challenge.as_str()), "{}", api.name);
        assert_eq!(refused.header("access-control-expose-headers"), Some("WWW-Authenticate"), "{}", api.name);

        let parameters = &asked["parameters"];
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("acr_values", parameters["acr_values"].as_str().unwrap());
        query.append_pair("max_age", &parameters["max_age"].to_string());
        let tokens = sign_in(&quickstart, &mut browser, &mut alice, &format!("&{}", query.finish()));
        assert_eq!(tokens.claims["acr"], MFA);
        let paid = pay(api, &tokens, 101);
        assert_eq!((&paid["status"], &paid["body"]["paid"]), (&json!(200), &json!(101)), "{}: {paid}", api.name);
        assert_eq!(paid["body"]["by"], tokens.claims["sub"], "{}", api.name);
    }
}

#[test]
fn rfc9470_3_the_shared_function_reads_challenges_and_judges_logins() {
    let errors =
        ["unmet_authentication_requirements", "access_denied", "login_required", "temporarily_unavailable", "x"];
    let settings = json!({ "module": compiled(), "errors": errors });
    assert_eq!(node_client("step_up.mjs", &settings)["ok"], true, "{}", cookbook().display());
}
