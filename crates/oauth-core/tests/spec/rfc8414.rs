//! RFC 8414: authorization server metadata.

use countersign_storage_memory::MemoryStore;
use http::Method;
use serde_json::json;

use crate::kit::*;

#[test]
fn rfc8414_2_metadata_says_what_is_served() {
    let kit = Kit::new();
    let answer = kit.get("/.well-known/oauth-authorization-server").ok();
    assert_eq!(
        (answer.header("content-type"), answer.header("access-control-allow-origin")),
        ("application/json", "*")
    );
    assert_eq!(
        answer.json,
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://id.example.com/authorize",
            "token_endpoint": "https://id.example.com/oauth/token",
            "jwks_uri": "https://id.example.com/.well-known/jwks.json",
            "scopes_supported": ["read", "write", "openid", "offline_access", "pay", "fresh"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256", "EdDSA", "ES384", "PS256", "RS256"],
            "revocation_endpoint": "https://id.example.com/oauth/revoke",
            "revocation_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
            "revocation_endpoint_auth_signing_alg_values_supported": ["ES256", "EdDSA", "ES384", "PS256", "RS256"],
            "introspection_endpoint": "https://id.example.com/oauth/introspect",
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
            "introspection_endpoint_auth_signing_alg_values_supported": ["ES256", "EdDSA", "ES384", "PS256", "RS256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        })
    );
}

#[test]
fn promise_10_every_endpoint_and_mode_that_metadata_names_is_there() {
    let kit = Kit::new();
    let metadata = kit.get("/.well-known/oauth-authorization-server").ok().json;
    for mode in metadata["response_modes_supported"].as_array().unwrap() {
        let form = authorization("app", "read").with("response_mode", mode.as_str().unwrap());
        assert_eq!(name(&kit.authorize(&mut Jar::default(), &form, Some(alice(&kit)))), "done");
    }
    for scope in metadata["scopes_supported"].as_array().unwrap() {
        let form = authorization("app", scope.as_str().unwrap());
        assert!(redirect(kit.authorize(&mut Jar::default(), &form, Some(alice_mfa(&kit)))).get("code").is_some());
    }
    let path = |member: &str| metadata[member].as_str().unwrap().strip_prefix(ISSUER).unwrap().to_owned();
    assert_eq!(kit.get(&path("jwks_uri")).status, 200);
    for member in ["token_endpoint", "revocation_endpoint", "introspection_endpoint"] {
        assert_eq!(kit.get(&path(member)).status, 405, "{member}");
        // Each method that it names is one that the endpoint takes, and none else.
        for method in ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"] {
            let named = metadata[format!("{member}_auth_methods_supported")].as_array().unwrap();
            assert_eq!(named.contains(&json!(method)), method != "none" || member != "introspection_endpoint");
        }
    }
    // Without a login of the kit's own, the host answers /authorize.
    assert_eq!(kit.get(&path("authorization_endpoint")).status, 404);
}

#[test]
fn rfc8414_3_1_an_issuer_with_a_path_is_found_in_both_forms() {
    let kit = Kit::over("https://id.example.com/tenant/one", MemoryStore::new(), |builder| builder);
    for path in
        ["/tenant/one/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/tenant/one"]
    {
        assert_eq!(kit.get(path).ok().text("issuer"), "https://id.example.com/tenant/one");
    }
    assert_eq!(kit.get("/.well-known/oauth-authorization-server").status, 404);
    assert_eq!(kit.get("/tenant/one/.well-known/jwks.json").status, 200);
}

#[test]
fn rfc9110_15_4_5_an_unchanged_document_is_not_sent_again() {
    let kit = Kit::new();
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/jwks.json"] {
        let first = kit.get(path).ok();
        let etag = first.header("etag").to_owned();
        assert_eq!(first.header("cache-control"), "public, max-age=300");
        for (known, status) in [(etag.as_str(), 304), ("\"other\"", 200), ("*", 304)] {
            let request = request(Method::GET, path).header("if-none-match", known).body(bytes::Bytes::new()).unwrap();
            let answer = kit.handle(request);
            assert_eq!((answer.status.as_u16(), answer.header("etag")), (status, etag.as_str()));
            assert_eq!(answer.body.is_empty(), status == 304);
        }
    }
}
