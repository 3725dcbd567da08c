//! Clients that are remembered for a few seconds (`ServerBuilder::cache_clients`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use countersign_oauth_core::Registration;
use countersign_primitives::UnixTime;
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::{
    Batch, Capabilities, Charge, Charged, CommitError, Cursor, Health, Index, Key, Kind, Page, Record, Store,
    StoreError, Swept,
};
use http::Method;

use crate::kit::*;
use crate::rfc7591::{asking, tokens};

const CLIENT: Kind = Kind(11);

/// Counts the reads of registered clients.
#[derive(Debug, Default, Clone)]
struct Watched {
    store: MemoryStore,
    reads: Arc<AtomicU32>,
}

impl Watched {
    fn reads(&self) -> u32 {
        self.reads.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Store for Watched {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }
    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        if keys.iter().any(|key| key.kind == CLIENT) {
            self.reads.fetch_add(1, Ordering::SeqCst);
        }
        self.store.get(keys, now).await
    }
    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        self.store.commit(batch).await
    }
    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        self.store.list(index, after, limit, now).await
    }
    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        self.store.charge(charges, now).await
    }
    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        self.store.sweep(now, limit).await
    }
    async fn health(&self) -> Result<Health, StoreError> {
        self.store.health().await
    }
}

/// A node on this store; it remembers clients for so long, if at all.
fn node(store: &Watched, staleness: Option<u64>) -> Kit {
    Kit::over(ISSUER, store.clone(), |builder| {
        let builder = builder.registration(Registration::open());
        match staleness {
            Some(seconds) => builder.cache_clients(Duration::from_secs(seconds)),
            None => builder,
        }
    })
}

fn delete(kit: &Kit, client: &Stranger) {
    assert_eq!(kit.configure(Method::DELETE, &client.path(), &client.token, "").status, 204);
}

/// Refreshes once; the next refresh token.
fn refreshed(kit: &Kit, client: &Stranger, token: &str) -> String {
    kit.refresh(&client.id, token).ok().text("refresh_token").to_owned()
}

/// How often the client is read at the second of two refreshes.
fn reads_at_a_second_refresh(staleness: Option<u64>) -> u32 {
    let store = Watched::default();
    let kit = node(&store, staleness);
    let client = kit.registered(&app());
    let first = tokens(&kit, &client, "openid offline_access");
    let second = refreshed(&kit, &client, first.text("refresh_token"));
    let before = store.reads();
    refreshed(&kit, &client, &second);
    store.reads() - before
}

#[test]
fn a_second_token_request_reads_no_client() {
    assert_eq!(reads_at_a_second_refresh(Some(5)), 0);
}

#[test]
fn without_it_every_request_reads_the_client() {
    assert!(reads_at_a_second_refresh(None) > 0);
}

#[test]
fn promise_12_a_remembered_client_that_is_deleted_on_this_node_is_gone_at_once() {
    let kit = node(&Watched::default(), Some(5));
    let client = kit.registered(&app());
    let first = tokens(&kit, &client, "openid offline_access");
    let second = refreshed(&kit, &client, first.text("refresh_token"));
    delete(&kit, &client);
    kit.refresh(&client.id, &second).is_error(401, "invalid_client");
    assert_eq!(shown(kit.authorize(&mut Jar::default(), &asking(&client, "read"), None)), "authorize.unknown_client");
    assert_eq!(kit.access(first.text("access_token")).unwrap_err().error(), "invalid_token");
}

#[test]
fn promise_12_a_client_that_another_node_deletes_is_unknown_here_within_the_stated_time() {
    // However long is asked for, five seconds are the most.
    for (asked, kept) in [(2, 2), (5, 5), (3_600, 5)] {
        let store = Watched::default();
        let (one, other) = (node(&store, Some(asked)), node(&store, Some(asked)));
        let client = one.registered(&app());
        let first = tokens(&one, &client, "openid offline_access");
        one.advance(10); // nothing older is kept
        let second = refreshed(&one, &client, first.text("refresh_token"));
        delete(&other, &client);
        // Its grants have ended: only the client itself is still remembered.
        one.advance(kept - 1);
        one.refresh(&client.id, &second).is_error(400, "invalid_grant");
        one.advance(1);
        one.refresh(&client.id, &second).is_error(401, "invalid_client");
    }
}

/// What a node hands out in those seconds to a client that is gone is worth nothing after them.
#[test]
fn promise_12_what_a_remembered_client_is_given_after_its_end_is_worth_nothing_after_five_seconds() {
    let store = Watched::default();
    let (one, other) = (node(&store, Some(5)), node(&store, Some(5)));
    let client = one.registered(&app());
    let first = tokens(&one, &client, "openid offline_access");
    one.advance(10);
    let second = refreshed(&one, &client, first.text("refresh_token"));
    delete(&other, &client);
    one.refresh(&client.id, &second).is_error(400, "invalid_grant");
    let late = tokens(&one, &client, "openid offline_access");
    one.advance(5);
    for token in [first.text("access_token"), late.text("access_token")] {
        assert_eq!(one.access(token).unwrap_err().error(), "invalid_token");
    }
    one.refresh(&client.id, late.text("refresh_token")).is_error(401, "invalid_client");
    assert_eq!(shown(one.authorize(&mut Jar::default(), &asking(&client, "read"), None)), "authorize.unknown_client");
}
