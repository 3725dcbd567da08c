//! RFC 6749 §4.4: client credentials.

use countersign_events::EventKind;
use countersign_oauth_core::{Client, ConfigError, Scope, Server, TokenFormat};
use countersign_primitives::Requirement;
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::MasterKey;
use serde_json::json;

use crate::kit::*;

#[test]
fn rfc6749_4_4_a_client_gets_a_token_of_its_own_and_nothing_else() {
    let kit = with_services();
    let answer = kit.own_token("billing", &[("scope", "read")]).ok();
    assert_eq!(
        answer.json.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>(),
        ["access_token", "expires_in", "scope", "token_type"]
    );
    assert_eq!((answer.text("token_type"), answer.text("scope")), ("Bearer", "read"));
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
    let mut claims = answer.claims();
    claims["jti"].take();
    let now = START.as_secs();
    // RFC 9068 §2.2: the subject is the client; nobody signed in, so there is no auth_time, acr or amr.
    assert_eq!(
        claims,
        json!({"iss": ISSUER, "sub": "billing", "aud": API, "exp": now + 900, "iat": now, "jti": null,
            "client_id": "billing", "scope": "read"})
    );
    let event = kit.events(EventKind::TokenIssued).pop().unwrap();
    assert_eq!((event.client_id(), event.subject()), (Some("billing"), None));
}

#[test]
fn rfc6749_4_4_3_without_a_scope_it_gets_what_its_record_names_and_no_user_must_give() {
    let kit = with_services();
    assert_eq!(kit.own_token("billing", &[]).ok().text("scope"), "read write");
    // A record that names no scope opens none that nobody asked for.
    let answer = kit.own_token("bare", &[]).ok();
    assert!(answer.json.get("scope").is_none(), "{}", answer.json);
    assert_eq!(answer.claims()["aud"], ISSUER);
}

#[test]
fn rfc6749_4_4_scopes_that_only_a_user_can_give_are_refused() {
    let kit = with_services();
    for scope in ["openid", "offline_access", "pay", "fresh", "read openid", "read pay"] {
        kit.own_token("billing", &[("scope", scope)]).is_error(400, "invalid_scope");
        assert_eq!(kit.cause(), "client_credentials.user_scope", "{scope}");
    }
    for scope in ["unknown", "inner", "read  write", "read\"", "READ"] {
        kit.own_token("billing", &[("scope", scope)]).is_error(400, "invalid_scope");
        assert_eq!(kit.cause(), "request.scope", "{scope}");
    }
}

#[test]
fn rfc6749_4_4_it_is_for_confidential_clients_that_registered_it() {
    let kit = with_services();
    let form = || Form::new().with("grant_type", "client_credentials");
    for client in ["app", "web", "post"] {
        kit.token(client, &form()).is_error(400, "unauthorized_client");
    }
    // Without the secret, or with another, nobody gets that far.
    kit.post_token(&form().with("client_id", "billing").encode(), &[]).is_error(401, "invalid_client");
    let wrong = basic("billing", "0f0c9a1e7d3b48a6b2c4d6e8f0a1b3c5");
    kit.post_token(&form().encode(), &[wrong]).is_error(401, "invalid_client");
    // And a service has no other grant.
    for grant_type in ["authorization_code", "refresh_token"] {
        kit.post_token(&Form::new().with("grant_type", grant_type).with("code", "x").encode(), &[service("billing")])
            .is_error(400, "unauthorized_client");
    }
}

#[test]
fn rfc6749_4_4_a_record_that_contradicts_it_is_a_mistake_told_at_start() {
    let build = |client: Client| {
        let builder = Server::builder(ISSUER, MemoryStore::new(), MasterKey::from_bytes([7; 32]));
        block_on(builder.scope(Scope::new("read", "Read")).client(client).build())
    };
    for (client, problem) in [
        (Client::public("a").grant_types(["client_credentials"]), "clients that authenticate"),
        (Client::service("a", SECRET).requires(Requirement::MFA), "there is no user"),
    ] {
        match build(client).unwrap_err() {
            ConfigError::Client { client_id, problem: told } => {
                assert!(client_id == "a" && told.contains(problem), "{told}");
            }
            other => panic!("{other}"),
        }
    }
    assert!(build(Client::service("a", SECRET)).is_ok(), "a service needs no redirect URI");
}

#[test]
fn promise_8_an_extension_that_admits_nobody_admits_no_service() {
    let kit = Kit::with(|builder| services(builder).extension(Closed));
    kit.own_token("billing", &[]).is_error(403, "access_denied");
    assert!(kit.events(EventKind::TokenIssued).is_empty());
}

#[test]
fn rfc8707_2_a_service_asks_for_the_resource_that_it_means() {
    let kit = with_services();
    let other = "https://other.example.com/";
    assert_eq!(kit.own_token("billing", &[("resource", other)]).ok().claims()["aud"], other);
    assert_eq!(
        kit.own_token("billing", &[("resource", API), ("audience", other)]).ok().claims()["aud"],
        json!([API, other])
    );
    for unknown in ["https://unknown.example.com/", "https://api.example.com", "x"] {
        kit.own_token("billing", &[("resource", unknown)]).is_error(400, "invalid_target");
    }
}

#[test]
fn promise_12_a_service_that_was_made_anew_revives_no_token() {
    let store = MemoryStore::new();
    let with = |instance: u8| {
        Kit::over(ISSUER, store.clone(), |builder| {
            let instance = countersign_primitives::Id::from_bytes([instance; 16]);
            builder.client(Client::service("billing", SECRET).token_format(TokenFormat::Opaque).instance(instance))
        })
    };
    let token = with(1).own_token("billing", &[]).ok();
    assert!(with(1).access(token.text("access_token")).is_ok());
    assert_eq!(with(2).access(token.text("access_token")).unwrap_err().error(), "invalid_token");
}

#[test]
fn promise_14_a_store_that_is_down_gives_a_service_nothing() {
    let kit = with_services();
    kit.script.down();
    let answer = kit.own_token("billing", &[]);
    answer.is_error(503, "temporarily_unavailable");
    assert_eq!((answer.header("retry-after"), answer.header("cache-control")), ("1", "no-store"));
    kit.script.up();
    kit.own_token("billing", &[]).ok();
}

#[test]
fn rfc6749_4_4_one_commit_and_one_record_make_a_token() {
    let store = MemoryStore::new();
    let kit = Kit::over(ISSUER, store.clone(), services);
    for client in ["billing", "vault"] {
        let before = store.len();
        kit.script.restart();
        kit.own_token(client, &[]).ok();
        assert_eq!((kit.script.commits(), store.len() - before), (1, 1), "{client}");
    }
}
