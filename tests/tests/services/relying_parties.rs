//! OpenID Connect clients that others wrote, against the quickstart over a loopback socket, with and without TLS.
//!
//! What they check stands in their own files under `tests/clients`, a function a claim.

use countersign_tests::{Quickstart, node_client, python_client};
use serde_json::{Value, json};

use crate::WAYS;

const SECRET: &str = "N4hVb1mSxQy7cKp0TzWf9RgJ3uLdEa6o";
const REDIRECT_URI: &str = "https://client.example/callback";
const SIGNED_OUT: &str = "https://client.example/signed-out";

/// A quickstart that knows a client of each kind, and what each tells its program.
fn provider(switches: &[&str]) -> (Quickstart, [Value; 3]) {
    let methods = ["client_secret_basic", "client_secret_post", "none"];
    let entry = |method: &str| {
        let secret = if method == "none" { String::new() } else { format!("client_secret = \"{SECRET}\"") };
        format!(
            r#"
            [[client]]
            client_id = "by-{method}"
            client_name = "By {method}"
            {secret}
            token_endpoint_auth_method = "{method}"
            redirect_uris = ["{REDIRECT_URI}"]
            post_logout_redirect_uris = ["{SIGNED_OUT}"]
            grant_types = ["authorization_code", "refresh_token"]
            response_types = ["code"]
            scope = "openid profile email offline_access"
            "#
        )
    };
    let quickstart = Quickstart::configured(&methods.map(entry).concat(), &[&["--preset", "oidc"], switches].concat());
    let settings = methods.map(|method| {
        json!({
            "issuer": quickstart.issuer(),
            "client_id": format!("by-{method}"),
            "client_secret": if method == "none" { Value::Null } else { json!(SECRET) },
            "method": method,
            "redirect_uri": REDIRECT_URI,
            "post_logout_redirect_uri": SIGNED_OUT,
            "username": "alice",
            "password": "alice-password",
        })
    });
    (quickstart, settings)
}

/// What each program says at its end: the same user, whoever asked.
fn agree(answers: &[Value; 3]) {
    for answer in answers {
        assert_eq!(answer["ok"], true, "{answer}");
        assert_eq!(answer["userinfo"]["sub"], answers[0]["claims"]["sub"], "{answer}");
    }
}

#[test]
fn authlib_signs_in_refreshes_and_sees_attacks_fail() {
    for way in WAYS {
        let (_quickstart, settings) = provider(way);
        agree(&settings.map(|settings| python_client("authlib_client.py", &settings)));
    }
}

#[test]
fn openid_client_signs_in_refreshes_and_sees_attacks_fail() {
    for way in WAYS {
        let (_quickstart, settings) = provider(way);
        agree(&settings.map(|settings| node_client("openid_client.mjs", &settings)));
    }
}
