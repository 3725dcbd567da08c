//! The MFA API by client libraries that others wrote, unmodified: `@auth0/auth0-auth-js`, over HTTPS as it demands, and auth0-java.

use countersign_tests::{MfaApiClient, Quickstart, java_client, node_client};
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
    grant_types = ["authorization_code", "refresh_token", "password", "http://auth0.com/oauth/grant-type/password-realm",
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

/// Runs the client's two parts: what a login does, and what an access token of the API's own is for.
fn both_parts(switches: &[&str], client: impl Fn(&Value) -> Value) {
    let quickstart = Quickstart::configured(CLIENT, &[&["--throttle", "off"], switches].concat());
    let plain = MfaApiClient::new(quickstart, json!({ "client_id": "own", "client_secret": SECRET }));
    let part = |part: &str, access_token: Value| {
        let settings = json!({
            "part": part, "issuer": plain.quickstart().issuer(), "outbox": plain.quickstart().outbox(),
            "client_id": "own", "client_secret": SECRET, "username": "alice", "password": "alice-password",
            "access_token": access_token,
        });
        assert_eq!(client(&settings)["ok"], true);
    };
    part("login", Value::Null);
    plain.skip_codes();
    let own = plain.own_token(REDIRECT_URI, "openid enroll read:authenticators remove:authenticators");
    part("own token", json!(own));
}

#[test]
fn mfa_api_auth0_auth_js_enrols_challenges_verifies_lists_and_deletes() {
    both_parts(&["--tls", "self-signed"], |settings| node_client("auth0_mfa.mjs", settings));
}

#[test]
fn mfa_api_auth0_java_signs_in_enrols_challenges_verifies_lists_and_deletes() {
    both_parts(&[], |settings| java_client("Auth0Mfa", settings));
}
