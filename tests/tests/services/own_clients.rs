//! Clients that sign with a key of their own, and clients that register themselves, by libraries that others wrote.

use countersign_tests::{Quickstart, node_client, python_client};
use serde_json::{Value, json};

use crate::WAYS;

const REDIRECT_URI: &str = "https://client.example/callback";

/// The key of RFC 7515, Appendix A.3.
fn private_key() -> Value {
    json!({
        "kty": "EC",
        "crv": "P-256",
        "kid": "appendix-a-3",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    })
}

fn jwks() -> Value {
    let mut key = private_key();
    key.as_object_mut().unwrap().remove("d");
    json!({ "keys": [key] })
}

fn settings(quickstart: &Quickstart, method: &str) -> Value {
    json!({
        "issuer": quickstart.issuer(),
        "client_id": "robot",
        "private_key": private_key(),
        "method": method,
        "redirect_uri": REDIRECT_URI,
        "username": "alice",
        "password": "alice-password",
    })
}

/// A quickstart that knows the client `robot` by its key.
fn provider(switches: &[&str]) -> Quickstart {
    let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    let toml = format!(
        r#"
        [[client]]
        client_id = "robot"
        token_endpoint_auth_method = "private_key_jwt"
        token_endpoint_auth_signing_alg = "ES256"
        jwks = {{ keys = [{{ kty = "EC", crv = "P-256", kid = "appendix-a-3", x = "{x}", y = "{y}" }}] }}
        redirect_uris = ["{REDIRECT_URI}"]
        preset = "oidc"
        "#
    );
    Quickstart::configured(&toml, switches)
}

#[test]
fn authlib_signs_in_with_a_key_of_its_own() {
    for way in WAYS {
        let quickstart = provider(way);
        let answer = python_client("authlib_client.py", &settings(&quickstart, "private_key_jwt"));
        assert_eq!(answer["userinfo"]["sub"], answer["claims"]["sub"], "{answer}");
    }
}

#[test]
fn openid_client_signs_in_with_a_key_of_its_own() {
    for way in WAYS {
        let quickstart = provider(way);
        let answer = node_client("openid_client.mjs", &settings(&quickstart, "private_key_jwt"));
        assert_eq!(answer["userinfo"]["sub"], answer["claims"]["sub"], "{answer}");
    }
}

#[test]
fn openid_client_registers_itself_signs_in_and_leaves() {
    let quickstart = provider(&[]);
    for method in ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"] {
        let mut settings = settings(&quickstart, method);
        settings["register"] = if method == "private_key_jwt" { json!({ "jwks": jwks() }) } else { json!({}) };
        let answer = node_client("openid_client.mjs", &settings);
        assert_eq!(answer["userinfo"]["sub"], answer["claims"]["sub"], "{answer}");
    }
}
