//! The MFA API of the quickstart by plain calls: the client `demo-legacy` of the demo, and one of the operator's own in a file.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use countersign_mfa_otp::{TotpParameters, TotpSecret};
use countersign_tests::{Http, MfaApiClient, Quickstart, text_of};
use serde_json::json;

const OTP: &str = "http://auth0.com/oauth/grant-type/mfa-otp";
const OOB: &str = "http://auth0.com/oauth/grant-type/mfa-oob";
const SECRET: &str = "N4hVb1mSxQy7cKp0TzWf9RgJ3uLdEa6o";

fn app(secret: &str) -> String {
    let secret = TotpSecret::from_base32(secret, TotpParameters::default()).unwrap();
    secret.code_at(std::time::SystemTime::now()).expose().to_owned()
}

/// SMS first, then an authenticator app, as the guides of such services have it.
fn walk(demo: &MfaApiClient, redirect_uri: &str) {
    let token = demo.mfa_token();
    let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "+4915112345623" });
    let given = demo.post("/mfa/associate", Some(&token), body);
    assert_eq!(given.status, 200, "{}", given.body);
    assert_eq!(given.json()["recovery_codes"].as_array().unwrap().len(), 10);
    let body = json!({
        "grant_type": OOB, "mfa_token": token, "oob_code": text_of(&given, "oob_code"), "binding_code": demo.code(),
    });
    // As widely copied examples have it: the token in the header too.
    let tokens = demo.post("/oauth/token", Some(&token), body);
    assert_eq!(tokens.status, 200, "{}", tokens.body);
    assert!(!text_of(&tokens, "id_token").is_empty() && !text_of(&tokens, "refresh_token").is_empty());

    let own = demo.own_token(redirect_uri, "openid enroll read:authenticators remove:authenticators");
    let given = demo.post("/mfa/associate", Some(&own), json!({ "authenticator_types": ["otp"] }));
    assert_eq!(given.status, 200, "{}", given.body);
    let secret = text_of(&given, "secret");
    let body = json!({ "grant_type": OTP, "mfa_token": own, "otp": app(&secret) });
    let confirmed = demo.post("/oauth/token", Some(&own), body);
    assert_eq!(text_of(&confirmed, "scope"), "enroll read:authenticators remove:authenticators");

    // Both are there now, and either does.
    let reply = demo.password();
    let challenge = reply.json()["mfa_requirements"]["challenge"].clone();
    assert!(challenge.as_array().unwrap().contains(&json!({ "type": "otp" })), "{challenge}");
    let own = text_of(&confirmed, "access_token");
    let bearer = format!("Bearer {own}");
    let listed = Http::new().get(&demo.quickstart().url("/mfa/authenticators"), &[("authorization", bearer.as_str())]);
    let kinds: Vec<_> = listed.json().as_array().unwrap().iter().map(|one| one["authenticator_type"].clone()).collect();
    assert_eq!(kinds, ["oob", "recovery-code", "otp"], "{}", listed.body);
}

#[test]
fn mfa_api_sms_first_and_then_an_app_by_plain_calls_of_the_demos_client() {
    let quickstart = Quickstart::start(&["--throttle", "off"]);
    let redirect_uri = quickstart.url("/demo/callback");
    let demo = MfaApiClient::new(quickstart, json!({ "client_id": "demo-legacy" }));
    walk(&demo, &redirect_uri);
}

fn configured(more: &str) -> String {
    format!(
        r#"
        [[client]]
        client_id = "own"
        client_secret = "{SECRET}"
        token_endpoint_auth_method = "client_secret_post"
        redirect_uris = ["https://own.example/cb"]
        scope = "openid payments offline_access enroll read:authenticators remove:authenticators"
        grant_types = ["authorization_code", "refresh_token", "password",
            "http://auth0.com/oauth/grant-type/mfa-otp", "http://auth0.com/oauth/grant-type/mfa-oob"]
        preset = "legacy"
        mfa_number_matching = true
        {more}
        [[scope]]
        name = "payments"
        description = "Make payments"
        requires = {{ acr = "mfa" }}
        [mfa]
        policy = "never"
        factors = ["totp", "sms", "recovery_code"]
        first_enrolment = "this_login"
        [lifetimes]
        mfa_token = "5m"
        "#
    )
}

#[test]
fn mfa_api_a_client_of_the_operators_own_is_set_up_in_the_file() {
    let quickstart = Quickstart::configured(&configured("first_party = true"), &["--throttle", "off"]);
    let demo = MfaApiClient::new(quickstart, json!({ "client_id": "own", "client_secret": SECRET }));
    walk(&demo, "https://own.example/cb");
}
