//! Services that ask for tokens of their own, and APIs that ask what tokens are worth, by libraries that others wrote.

use countersign_tests::{Quickstart, node_client, python_client};
use serde_json::{Value, json};

use crate::WAYS;

const SECRET: &str = "N4hVb1mSxQy7cKp0TzWf9RgJ3uLdEa6o";
const RESOURCE: &str = "https://api.example/";

/// A quickstart with a service, an API and a third party, and a resource whose tokens have this format.
fn provider(format: &str, method: &str, switches: &[&str]) -> (Quickstart, Value) {
    let entry = |client_id: &str, more: &str| {
        format!(
            r#"
            [[client]]
            client_id = "{client_id}"
            client_secret = "{SECRET}"
            token_endpoint_auth_method = "{method}"
            {more}
            "#
        )
    };
    let toml = [
        entry("service", "grant_types = [\"client_credentials\"]\nscope = \"orders openid offline_access\""),
        entry("api", &format!("grant_types = []\nintrospects = [\"{RESOURCE}\"]")),
        entry("other", "grant_types = [\"client_credentials\"]"),
        format!(
            r#"
            [[scope]]
            name = "orders"
            description = "See your orders"
            [[resource]]
            uri = "{RESOURCE}"
            token_format = "{format}"
            "#
        ),
    ];
    let quickstart = Quickstart::configured(&toml.concat(), switches);
    let client = |client_id: &str| json!({ "client_id": client_id, "client_secret": SECRET, "method": method });
    let settings = json!({
        "issuer": quickstart.issuer(),
        "resource": RESOURCE,
        "service": client("service"),
        "api": client("api"),
        "other": client("other"),
    });
    (quickstart, settings)
}

/// Both formats, two ways to authenticate, with and without TLS.
fn check(run: impl Fn(&Value) -> Value) {
    for (way, method) in WAYS.into_iter().zip(["client_secret_basic", "client_secret_post"]) {
        for format in ["jwt", "opaque"] {
            let (_quickstart, settings) = provider(format, method, way);
            let answer = run(&settings);
            assert_eq!((&answer["ok"], &answer["opaque"]), (&json!(true), &json!(format == "opaque")), "{answer}");
            assert_eq!(answer["worth"]["sub"], "service", "{answer}");
        }
    }
}

#[test]
fn authlib_asks_for_tokens_of_its_own_asks_what_they_are_worth_and_revokes_them() {
    check(|settings| python_client("authlib_service.py", settings));
}

#[test]
fn openid_client_asks_for_tokens_of_its_own_asks_what_they_are_worth_and_revokes_them() {
    check(|settings| node_client("openid_service.mjs", settings));
}
