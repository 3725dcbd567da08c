//! `build` names place and cure.

use countersign::mfa::{Policy, Totp};
use countersign::{Client, ConfigError, MasterKey, Requirement, Scope, Server, ServerBuilder};
use countersign_storage_memory::MemoryStore;

use crate::support::{ISSUER, greenfield, key};

async fn refused(builder: ServerBuilder) -> String {
    builder.build().await.unwrap_err().to_string()
}

fn complete() -> ServerBuilder {
    greenfield(ISSUER, MemoryStore::new(), key())
}

#[tokio::test]
async fn what_no_factor_reaches_is_told_with_its_place() {
    let scope = Scope::new("vault", "Open the vault").requires(Requirement::PHISHING_RESISTANT);
    let error = refused(complete().scope(scope)).await;
    assert!(error.contains("scope \"vault\" requires phr") && error.contains("add one"), "{error}");
    let client =
        Client::public("bank").redirect_uri("https://bank.example/cb").requires(Requirement::PHISHING_RESISTANT);
    let error = refused(complete().client(client)).await;
    assert!(error.contains("client \"bank\" requires phr"), "{error}");
    let error = refused(complete().policy(Policy::never().group("admin", Requirement::PHISHING_RESISTANT))).await;
    assert!(error.contains("phr"), "{error}");
}

#[tokio::test]
async fn what_belongs_to_a_login_needs_users() {
    let server = || Server::builder(ISSUER, MemoryStore::new(), key());
    for builder in
        [server().factor(Totp::new("Example")), server().policy(Policy::always()), server().login_page("/app/login")]
    {
        let error = refused(builder).await;
        assert!(error.contains("stored_accounts()"), "{error}");
    }
    assert!(server().build().await.is_ok(), "a host with a login of its own");
}

#[tokio::test]
async fn a_scope_that_is_not_there_is_told_with_its_client() {
    let client = Client::public("typo").redirect_uri("https://typo.example/cb").scope("openid ordres:read");
    let error = refused(complete().client(client)).await;
    assert!(error.contains("typo") && error.contains("ordres:read"), "{error}");
}

#[tokio::test]
async fn a_store_of_another_master_key_is_not_opened() {
    let store = MemoryStore::new();
    greenfield(ISSUER, store.clone(), key()).build().await.unwrap();
    let error = greenfield(ISSUER, store.clone(), MasterKey::from_bytes([8; 32])).build().await.unwrap_err();
    assert!(matches!(error, ConfigError::MasterKey), "{error}");
    assert!(error.to_string().contains("the key that it was written with"), "{error}");
    assert!(greenfield(ISSUER, store, key()).build().await.is_ok(), "and nothing was spoilt");
}

#[tokio::test]
async fn an_issuer_that_browsers_cannot_trust_is_refused() {
    for issuer in ["http://id.example.com", "https://id.example.com?x", "https://u@id.example.com", "nonsense"] {
        let error = refused(greenfield(issuer, MemoryStore::new(), key())).await;
        assert!(error.contains("issuer"), "{issuer}: {error}");
    }
}
