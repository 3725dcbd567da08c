//! How the server finds what it is asked for.

use std::time::Duration;

use countersign_primitives::{Id, SystemRandom};
use countersign_storage_sqlx::{SqlOptions, SqlStore};
use countersign_storage_traits::{Batch, Expect, Index, Key, Store};
use countersign_tests::Postgres;

use crate::{LATER, NOW, batch, charge, key, pair};

/// Enough that reading a table from end to end is never the cheapest way.
const ROWS: &str = "\
    INSERT INTO countersign_record (k, version, expires, list1, list2, payload) \
    SELECT sha256(n::text::bytea) || '\\x00'::bytea, n, 1900000000000 + n * 7919 % 100000, \
           CASE WHEN n % 3 = 0 THEN '\\x01'::bytea || substr(sha256((n / 50)::text::bytea), 1, 16) END, \
           CASE WHEN n % 5 = 0 THEN '\\x02'::bytea || substr(sha256((n / 40)::text::bytea), 1, 16) END, \
           sha512(n::text::bytea) FROM generate_series(1, 60000) n; \
    INSERT INTO countersign_counter (k, count, resets) \
    SELECT substr(sha256(n::text::bytea), 1, 16), 1, 1900000000000 + n FROM generate_series(1, 60000) n; \
    ANALYZE countersign_record; ANALYZE countersign_counter";

async fn ask_everything(store: &SqlStore, round: u32) {
    let list = Index { name: 1, value: Id::from_bytes([1; 16]) };
    let created = batch(round, Expect::Absent, "created");
    store.commit(&created).await.unwrap();
    store.commit(&batch(round, Expect::Any, "put")).await.unwrap();
    store.commit(&batch(round, Expect::Present, "put again")).await.unwrap();
    let stale = store.commit(&batch(round, Expect::At(created.id()), "too late")).await;
    assert!(stale.is_err());
    store.commit(&pair(1_000 + round)).await.unwrap();
    let mut all = batch(2 * (1_000 + round), Expect::Present, "kept");
    all.check(key(5), Expect::Any)
        .check(key(900_000), Expect::Absent)
        .delete(key(2 * (1_000 + round) + 1), Expect::Present);
    all.put(key(800_000 + round), Expect::Any, LATER, vec![list], "listed");
    store.commit(&all).await.unwrap();
    let mut checks = Batch::new(key(0).partition, NOW, &SystemRandom).unwrap();
    checks.check(key(round), Expect::Present);
    store.commit(&checks).await.unwrap();
    let mut delete = Batch::new(key(0).partition, NOW, &SystemRandom).unwrap();
    delete.delete(key(round), Expect::Any);
    store.commit(&delete).await.unwrap();
    store.get(&[key(1)], NOW).await.unwrap();
    let keys: Vec<Key> = (0..16).map(key).collect();
    store.get(&keys, NOW).await.unwrap();
    let page = store.list(&list, None, 1, NOW).await.unwrap();
    store.list(&list, page.next, 100, NOW).await.unwrap();
    store
        .charge(&[charge(round.into(), 1), charge(u128::from(round) + 1, 1), charge(round.into(), -1)], NOW)
        .await
        .unwrap();
    store.sweep(NOW.plus(Duration::from_secs(100_000_100)), 300).await.unwrap();
    store.health().await.unwrap();
}

#[tokio::test]
async fn every_lookup_goes_by_an_index() {
    let server = Postgres::start_with(&[
        "fsync=off",
        "session_preload_libraries=auto_explain",
        "auto_explain.log_min_duration=0",
        "auto_explain.log_nested_statements=on",
        // Plans that do not know the values, as they are after the first few calls: the worse ones.
        "plan_cache_mode=force_generic_plan",
        "log_min_messages=log",
    ]);
    drop(SqlStore::open(&server.url()).await.unwrap());
    server.sql("countersign", ROWS);
    let told_before = server.log().len();
    for options in [SqlOptions::default(), SqlOptions::default().pooler(true), SqlOptions::default().transactions(true)]
    {
        let store = SqlStore::open_with(&server.url(), options).await.unwrap();
        for round in 0..7 {
            ask_everything(&store, round).await;
        }
    }
    let log = server.log()[told_before..].to_owned();
    let by_index = |index: &str| {
        log.lines().any(|line| line.contains(&format!(" on {index} ")) || line.contains(&format!("using {index} ")))
    };
    assert!(
        log.contains("countersign_commit") && log.contains("countersign_charge"),
        "statements within functions show too"
    );
    for index in [
        "countersign_record_pkey",
        "countersign_record_expires",
        "countersign_record_list1",
        "countersign_record_list2",
        "countersign_record_list3",
        "countersign_record_list4",
        "countersign_counter_pkey",
        "countersign_counter_resets",
    ] {
        assert!(by_index(index), "{index} is used");
    }
    let sequential = |line: &&str| {
        line.contains("Seq Scan on countersign_record") || line.contains("Seq Scan on countersign_counter")
    };
    let sequential: Vec<_> = log.lines().filter(sequential).collect();
    assert!(sequential.is_empty(), "{sequential:#?}");
    let plans = log.matches("plan:").count();
    assert!(plans > 300, "{plans} plans were looked at");
}
