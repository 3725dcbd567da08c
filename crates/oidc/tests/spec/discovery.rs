//! OpenID Connect Discovery 1.0 and RFC 8414.

use bytes::Bytes;
use countersign_oauth_core::{Client, Server};
use countersign_oidc::Oidc;
use countersign_primitives::{Clock, ManualClock, UnixTime};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::MasterKey;
use http::{Request, StatusCode};
use serde_json::json;

use crate::kit::{ISSUER, Kit, json, wait};

#[test]
fn oidc_discovery_3_the_document_names_what_is_served() {
    let kit = Kit::new();
    let document = json(&kit.get("/.well-known/openid-configuration", None));
    assert_eq!(document["issuer"], ISSUER);
    assert_eq!(document["userinfo_endpoint"], format!("{ISSUER}/userinfo"));
    assert_eq!(document["jwks_uri"], format!("{ISSUER}/.well-known/jwks.json"));
    assert_eq!(document["subject_types_supported"], json!(["public"]));
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["ES256"]));
    assert_eq!(document["response_types_supported"], json!(["code"]));
    // What is left out would mean yes (OpenID Connect Discovery §3).
    assert_eq!(document["request_uri_parameter_supported"], false);
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
}

#[test]
fn promise_10_every_endpoint_that_the_document_names_answers() {
    let kit = Kit::new();
    let document = json(&kit.get("/.well-known/openid-configuration", None));
    let paths: Vec<_> = kit.server.routes().iter().map(|route| format!("{ISSUER}{}", route.path())).collect();
    for (member, value) in document.as_object().unwrap() {
        let endpoint = member.ends_with("_endpoint") || member == "jwks_uri";
        // The host owns `/authorize` where no login is plugged in.
        if endpoint && member != "authorization_endpoint" {
            assert!(paths.contains(&value.as_str().unwrap().to_owned()), "{member}");
        }
    }
}

#[test]
fn rfc8414_3_both_documents_are_one_and_are_cached() {
    let kit = Kit::new();
    let one = kit.get("/.well-known/openid-configuration", None);
    let other = kit.get("/.well-known/oauth-authorization-server", None);
    assert_eq!(one.body(), other.body());
    assert_eq!(one.headers()["access-control-allow-origin"], "*");
    let again = Request::get(format!("{ISSUER}/.well-known/openid-configuration"))
        .header("if-none-match", &one.headers()["etag"])
        .body(Bytes::new())
        .unwrap();
    assert_eq!(wait(kit.server.handle(again)).status(), StatusCode::NOT_MODIFIED);
}

#[test]
fn rfc8414_3_1_an_issuer_with_a_path_serves_both_forms_of_both_documents() {
    let issuer = "https://id.example.com/tenant/one";
    let server = Server::builder(issuer, MemoryStore::new(), MasterKey::from_bytes([7; 32]))
        .extension(Oidc::new())
        .client(Client::public("shop").redirect_uri("https://rp.example/cb"))
        .build();
    let server = wait(server).unwrap();
    for path in [
        "/tenant/one/.well-known/openid-configuration",
        "/tenant/one/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration/tenant/one",
        "/.well-known/oauth-authorization-server/tenant/one",
    ] {
        let request = Request::get(format!("https://id.example.com{path}")).body(Bytes::new()).unwrap();
        let answer = wait(server.handle(request));
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(json(&answer)["issuer"], issuer, "{path}");
    }
}

impl Kit {
    pub(crate) fn clock_now(&self) -> UnixTime {
        self.clock.now()
    }
}

#[test]
fn oidc_registration_2_members_that_cannot_be_served_are_refused_at_start() {
    let clock = ManualClock::at(UnixTime::from_secs(1_700_000_000));
    let build = |member: &str, value: serde_json::Value| {
        let mut metadata = serde_json::Map::new();
        metadata.insert("client_id".to_owned(), json!("other"));
        metadata.insert("redirect_uris".to_owned(), json!(["https://rp.example/cb"]));
        metadata.insert(member.to_owned(), value);
        wait(crate::kit::builder(&clock, Oidc::new()).client_metadata(metadata, |client| client).build())
    };
    assert!(build("subject_type", json!("public")).is_ok());
    assert!(build("default_max_age", json!(60)).is_ok());
    let places = json!(["https://rp.example/out", "http://localhost:8000/out", "com.example.app:/out"]);
    assert!(build("post_logout_redirect_uris", places).is_ok());
    for (member, value) in [
        ("subject_type", json!("pairwise")),
        ("id_token_signed_response_alg", json!("none")),
        ("id_token_signed_response_alg", json!("RS256")),
        ("default_max_age", json!("soon")),
        ("require_auth_time", json!("yes")),
        ("post_logout_redirect_uris", json!("https://rp.example/out")),
        ("post_logout_redirect_uris", json!(["http://rp.example/out"])),
        ("post_logout_redirect_uris", json!(["https://rp.example/out#x"])),
        ("post_logout_redirect_uris", json!(["javascript:alert(1)"])),
        ("post_logout_redirect_uris", json!([7])),
        ("post_logout_redirect_uris", json!(vec!["https://rp.example/out"; 33])),
        ("unheard_of", json!(1)),
    ] {
        let error = build(member, value).unwrap_err().to_string();
        assert!(error.contains("\"other\""), "{member}: {error}");
    }
}
