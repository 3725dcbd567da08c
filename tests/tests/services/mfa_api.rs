//! The MFA API by a client library that others wrote, `@auth0/auth0-auth-js`, unmodified, over HTTPS as it demands.

use countersign_tests::{MfaApiClient, Quickstart, node_client};
use serde_json::{Value, json};

const SECRET: &str = "N4hVb1mSxQy7cKp0TzWf9RgJ3uLdEa6o";
const REDIRECT_URI: &str = "https://own.example/cb";

const CLIENT: &str = r#"
    [[client]]
    client_id = "own"
    client_secret = "N4hVb1mSxQy7cKp0TzWf9RgJ3uLdEa6o"
    token_endpoint_auth_method = "client_secret_post"
    redirect_uris = ["https://own.example/cb"]
    scope = "openid payments offline_access enroll read:authenticators remove:authenticators"
    grant_types = ["authorization_code", "refresh_token", "http://auth0.com/oauth/grant-type/password-realm",
        "http://auth0.com/oauth/grant-type/mfa-otp", "http://auth0.com/oauth/grant-type/mfa-oob",
        "http://auth0.com/oauth/grant-type/mfa-recovery-code"]
    preset = "legacy"
    first_party = true
    [[scope]]
    name = "payments"
    description = "Make payments"
    requires = { acr = "mfa" }
    [mfa]
    policy = "never"
    factors = ["totp", "sms", "recovery_code"]
    first_enrolment = "this_login"
"#;

#[test]
fn mfa_api_auth0_auth_js_enrols_challenges_verifies_lists_and_deletes() {
    let quickstart = Quickstart::configured(CLIENT, &["--throttle", "off", "--tls", "self-signed"]);
    let plain = MfaApiClient::new(quickstart, json!({ "client_id": "own", "client_secret": SECRET }));
    let part = |part: &str, access_token: Value| {
        let settings = json!({
            "part": part, "issuer": plain.quickstart().issuer(), "outbox": plain.quickstart().outbox(),
            "client_id": "own", "client_secret": SECRET, "username": "alice", "password": "alice-password",
            "access_token": access_token,
        });
        assert_eq!(node_client("auth0_mfa.mjs", &settings)["ok"], true);
    };
    part("login", Value::Null);
    plain.skip_codes();
    let own = plain.own_token(REDIRECT_URI, "openid enroll read:authenticators remove:authenticators");
    part("own token", json!(own));
}
