//! Tables: who makes them, and which are left alone.

use countersign_storage_sqlx::{POSTGRES_MIGRATIONS, ServerTrouble, SqlOptions, SqlStore};
use countersign_storage_traits::{Expect, Store as _, StoreError};

use crate::{SERVER, batch, read, refused, trouble, trouble_of};

/// The schema that a URL names.
fn schema(url: &str) -> &str {
    url.rsplit_once('=').unwrap().1
}

#[tokio::test]
async fn nodes_that_start_together_make_the_tables_once() {
    let url = SERVER.fresh_schema();
    let nodes: Vec<_> = (0..16)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { SqlStore::open(&url).await })
        })
        .collect();
    for (number, node) in (0_u32..).zip(nodes) {
        node.await.unwrap().unwrap().commit(&batch(number, Expect::Absent, "there")).await.unwrap();
    }
    let steps =
        format!("SELECT string_agg(version::text, ',' ORDER BY version) FROM {}.countersign_schema", schema(&url));
    assert_eq!(SERVER.sql("countersign", &steps), "1,2");
    let tables = format!(
        "SELECT count(*), bool_and(tablename LIKE 'countersign\\_%') FROM pg_tables WHERE schemaname = '{}'",
        schema(&url)
    );
    assert_eq!(SERVER.sql("countersign", &tables), "3|t", "none but ours, under names of our own");
}

#[tokio::test]
async fn tables_made_by_hand_are_used_and_missing_ones_are_asked_for() {
    let url = SERVER.fresh_schema();
    let by_hand = SqlOptions::default().migrate(false);
    let error = SqlStore::open_with(&url, by_hand.clone()).await.unwrap_err();
    assert_eq!(trouble(&error), ServerTrouble::NotMigrated { found: 0, known: 2 });
    for step in POSTGRES_MIGRATIONS {
        SERVER.sql("countersign", &format!("SET search_path = {}; {}", schema(&url), step.sql));
    }
    let store = SqlStore::open_with(&url, by_hand).await.unwrap();
    store.commit(&batch(1, Expect::Absent, "there")).await.unwrap();
    assert!(read(&SqlStore::open(&url).await.unwrap(), 1).await.is_some());
}

#[tokio::test]
async fn an_older_schema_is_brought_forward_with_what_is_in_it() {
    let url = SERVER.fresh_schema();
    let first = POSTGRES_MIGRATIONS[0].sql;
    SERVER.sql("countersign", &format!("SET search_path = {}; {first}", schema(&url)));
    let old = SqlStore::open_with(&url, SqlOptions::default().migrate(false)).await.unwrap_err();
    assert_eq!(trouble(&old), ServerTrouble::NotMigrated { found: 1, known: 2 });
    let row = "INSERT INTO countersign_record (k, version, expires, payload) \
               VALUES (decode('01010101010101010101010101010101c800000000000000000000000000000007', 'hex'), 5, 1800003600000, 'old')";
    SERVER.sql("countersign", &format!("SET search_path = {}; {row}", schema(&url)));
    let store = SqlStore::open(&url).await.unwrap();
    assert_eq!(read(&store, 7).await.unwrap().payload, "old");
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let url = SERVER.fresh_schema();
    let store = SqlStore::open(&url).await.unwrap();
    SERVER.sql("countersign", &format!("INSERT INTO {}.countersign_schema (version) VALUES (3)", schema(&url)));
    assert_eq!(refused(&url).await, ServerTrouble::Newer { found: 3, known: 2 });
    let error = store.health().await.unwrap_err();
    assert!(matches!(error, StoreError::Schema(_)), "{error:?}");
    assert_eq!(trouble_of(&error), ServerTrouble::Newer { found: 3, known: 2 });
    let steps = format!("SELECT count(*) FROM {}.countersign_schema", schema(&url));
    assert_eq!(SERVER.sql("countersign", &steps), "3", "nothing was noted");
}

#[tokio::test]
async fn tables_that_are_gone_or_another_programs_are_an_error_and_never_a_wrong_answer() {
    let url = SERVER.fresh_schema();
    let store = SqlStore::open(&url).await.unwrap();
    SERVER.sql("countersign", &format!("DROP TABLE {}.countersign_record", schema(&url)));
    let error = store.get(&[crate::key(1)], crate::NOW).await.unwrap_err();
    assert!(matches!(error, StoreError::Schema(_)), "{error:?}");
    assert_eq!(trouble_of(&error), ServerTrouble::Damaged);

    let url = SERVER.fresh_schema();
    SERVER.sql("countersign", &format!("CREATE TABLE {}.countersign_schema (name text)", schema(&url)));
    assert_eq!(refused(&url).await, ServerTrouble::Damaged);
}
