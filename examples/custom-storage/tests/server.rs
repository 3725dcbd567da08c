//! A whole server on the adapter, and what becomes of its file.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod folder;

use bytes::Bytes;
use countersign::store::{Store as _, StoreError};
use countersign::{Client, ConfigError, MasterKey, Server};
use custom_storage::RedbStore;
use folder::Folder;

async fn server(folder: &Folder, key: u8) -> Result<Server, ConfigError> {
    let store = RedbStore::open(folder.file("store.redb")).unwrap();
    Server::builder("https://id.example.com", store, MasterKey::from_bytes([key; 32]))
        .client(Client::public("shop").redirect_uri("https://shop.example.com/callback"))
        .build()
        .await
}

async fn key_set(server: &Server) -> Bytes {
    let request = http::Request::get("https://id.example.com/.well-known/jwks.json").body(Bytes::new()).unwrap();
    server.handle(request).await.into_body()
}

#[tokio::test]
async fn promise_3_a_server_finds_its_keys_again() {
    let folder = Folder::new();
    let first = key_set(&server(&folder, 7).await.unwrap()).await;
    assert!(first.starts_with(br#"{"keys":[{"#), "{first:?}");
    assert_eq!(key_set(&server(&folder, 7).await.unwrap()).await, first);
}

#[tokio::test]
async fn another_master_key_is_told_and_nothing_is_overwritten() {
    let folder = Folder::new();
    let first = key_set(&server(&folder, 7).await.unwrap()).await;
    assert!(matches!(server(&folder, 8).await, Err(ConfigError::MasterKey)));
    assert_eq!(key_set(&server(&folder, 7).await.unwrap()).await, first);
}

#[tokio::test]
async fn a_file_that_is_open_already_or_none_of_ours_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    let store = RedbStore::open(folder.file("store.redb")).unwrap();
    assert!(matches!(RedbStore::open(folder.file("store.redb")), Err(StoreError::Unavailable(_))));
    drop(store);
    std::fs::write(folder.file("letter.txt"), "Dear all, this is no database.").unwrap();
    assert!(RedbStore::open(folder.file("letter.txt")).is_err());
    assert_eq!(std::fs::read(folder.file("letter.txt")).unwrap(), b"Dear all, this is no database.");
}

#[test]
fn only_a_file_is_declared_durable() {
    let folder = Folder::new();
    assert!(RedbStore::open(folder.file("store.redb")).unwrap().capabilities().durable);
    assert!(!RedbStore::in_memory().unwrap().capabilities().durable);
}
