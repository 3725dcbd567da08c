//! Large lists are split into parts on slots of their own.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign_primitives::SystemRandom;
use countersign_storage_redis::{RedisOptions, RedisStore};
use countersign_storage_traits::{Batch, Cursor, Expect, Index, Key, Kind, Store as _, StoreError};

use crate::servers::Redis;
use crate::{fresh_id, later, now, open};

async fn put(store: &RedisStore, index: Index, key: Key, seconds: u64) {
    let mut batch = Batch::new(key.partition, now(), &SystemRandom).unwrap();
    let expiry = now().plus(Duration::from_secs(seconds));
    batch.put(key, Expect::Any, expiry, vec![index], "listed");
    store.commit(&batch).await.unwrap();
}

async fn all(store: &RedisStore, index: Index, limit: u16) -> Vec<Key> {
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(&index, after, limit, now()).await.unwrap();
        assert!(page.keys.len() <= usize::from(limit));
        keys.extend(page.keys);
        after = page.next;
        if after.is_none() {
            return keys;
        }
    }
}

#[tokio::test]
async fn a_large_list_is_split_and_nothing_is_missed() {
    let server = Redis::start(&[]);
    let options = || RedisOptions::default().split_lists_at(8);
    let store = RedisStore::open_with(&server.url(), options()).await.unwrap();
    let index = Index { name: 1, value: fresh_id() };
    let keys: BTreeSet<Key> = (0..200).map(|_| Key::root(Kind(200), fresh_id())).collect();
    for key in &keys {
        put(&store, index, *key, 3_600).await;
    }
    let names = server.ask(&["KEYS", "cs:i:*"]);
    assert!(names.lines().count() > 30, "it lies in many parts: {names}");
    for limit in [1, 7, 64, 1_000] {
        assert_eq!(all(&store, index, limit).await.into_iter().collect::<BTreeSet<_>>(), keys, "pages of {limit}");
    }
    // Another node learns of the split; later expiries are found, and earlier ones are gone.
    let other = RedisStore::open_with(&server.url(), options()).await.unwrap();
    for key in keys.iter().take(100) {
        put(&other, index, *key, 7_200).await;
    }
    let page = store.list(&index, None, 1_000, later().plus(Duration::from_secs(60))).await.unwrap();
    assert_eq!(page.keys.into_iter().collect::<BTreeSet<_>>(), keys.iter().take(100).copied().collect());
}

#[tokio::test]
async fn records_that_never_expire_are_paged_by_their_bytes() {
    let server = Redis::start(&[]);
    let store = open(&server.url()).await;
    let index = Index { name: 2, value: fresh_id() };
    let mut keys = BTreeSet::new();
    for _ in 0..60 {
        let key = Key::root(Kind(200), fresh_id());
        let mut batch = Batch::new(key.partition, now(), &SystemRandom).unwrap();
        batch.put(key, Expect::Absent, countersign_primitives::UnixTime::MAX, vec![index], "for ever");
        store.commit(&batch).await.unwrap();
        keys.insert(key);
    }
    for limit in [1, 7, 59, 60] {
        let listed = all(&store, index, limit).await;
        assert_eq!(listed.len(), 60, "no key twice");
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), keys);
    }
}

#[tokio::test]
async fn an_entry_whose_record_is_missing_stays_for_its_commit_may_be_on_the_way() {
    let server = Redis::start(&[]);
    let store = open(&server.url()).await;
    let (index, key) = (Index { name: 1, value: fresh_id() }, Key::root(Kind(200), fresh_id()));
    put(&store, index, key, 3_600).await;
    let mut delete = Batch::new(key.partition, now(), &SystemRandom).unwrap();
    delete.delete(key, Expect::Any);
    store.commit(&delete).await.unwrap();
    store.sweep(now(), 100).await.unwrap();
    assert_eq!(all(&store, index, 10).await, [key], "a reader looks for itself");
}

#[tokio::test]
async fn a_foreign_cursor_is_refused() {
    let server = Redis::start(&[]);
    let store = open(&server.url()).await;
    let index = Index { name: 1, value: fresh_id() };
    for bytes in [&b""[..], b"x", &[0; 33]] {
        let listed = store.list(&index, Some(Cursor(bytes::Bytes::copy_from_slice(bytes))), 10, now()).await;
        assert!(matches!(listed, Err(StoreError::Cursor)), "{listed:?}");
    }
}
