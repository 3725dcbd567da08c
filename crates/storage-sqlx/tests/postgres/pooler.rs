//! Behind PgBouncer.

use std::time::Duration;

use countersign_storage_sqlx::{ServerTrouble, SqlOptions, SqlStore};
use countersign_storage_traits::{CommitError, Expect, Store as _, StoreError};
use countersign_tests::{PgBouncer, Postgres, Relay};

use crate::{NOW, SERVER, batch, charge, key, pair, read, refused, trouble_of};

#[tokio::test]
async fn a_pooler_that_the_store_was_not_told_of_is_named_with_the_cure() {
    let pooler = PgBouncer::before(&SERVER, &SERVER.address(), "transaction", &[]);
    let url = pooler.fresh_schema();
    assert_eq!(refused(&url).await, ServerTrouble::Pooler);
    assert!(ServerTrouble::Pooler.to_string().contains("pooler=true"));
    SqlStore::open(&format!("{url}?pooler=true")).await.unwrap();
    SqlStore::open_with(&url, SqlOptions::default().pooler(true)).await.unwrap().health().await.unwrap();
}

#[tokio::test]
async fn promise_1_what_a_pooler_cannot_tell_of_is_looked_up_and_done_once() {
    let server = Postgres::start();
    let relay = Relay::new();
    relay.lead_to(&[&server.address()]);
    let pooler = PgBouncer::before(&server, &format!("127.0.0.1:{}", relay.port()), "transaction", &[]);
    let store = SqlStore::open(&format!("{}?pooler=true", pooler.fresh_schema())).await.unwrap();
    store.commit(&batch(1, Expect::Absent, "one")).await.unwrap();
    for (number, lost) in [(2, batch(2, Expect::Absent, "lost")), (20, pair(10))] {
        relay.lose_an_answer();
        store.commit(&lost).await.unwrap();
        assert_eq!(read(&store, number).await.unwrap().version, lost.id());
    }
    let charged = store.charge(&[charge(7, 5)], NOW).await.unwrap()[0];
    assert_eq!(charged.count, 5);
    // A refund that was done twice would give guesses away: whoever asked is told that nobody knows.
    relay.lose_an_answer();
    let refund = store.charge(&[charge(7, -1)], NOW).await;
    assert!(matches!(refund, Err(StoreError::Unavailable(_))), "{refund:?}");
    assert_eq!(store.charge(&[charge(7, 0)], NOW).await.unwrap()[0].count, 4, "it was done once");
    assert_eq!(relay.lost(), 3);
}

#[tokio::test]
async fn promise_14_a_pooler_or_its_server_that_is_down_is_unavailable_and_service_returns_by_itself() {
    let server = Postgres::start();
    let pooler = PgBouncer::before(&server, &server.address(), "transaction", &[]);
    let options = SqlOptions::default().pooler(true).call_timeout(Duration::from_secs(2));
    let store = SqlStore::open_with(&pooler.fresh_schema(), options).await.unwrap();
    store.commit(&batch(1, Expect::Absent, "before")).await.unwrap();

    pooler.kill();
    let error = store.commit(&batch(2, Expect::Absent, "meanwhile")).await.unwrap_err();
    assert!(matches!(error, CommitError::Refused(_) | CommitError::Unknown(_)), "{error:?}");
    assert!(matches!(trouble_of(&error), ServerTrouble::Unreachable | ServerTrouble::Disconnected), "{error:?}");
    pooler.resume();
    store.commit(&batch(2, Expect::Absent, "after")).await.unwrap();

    server.crash();
    let error = store.commit(&batch(3, Expect::Absent, "meanwhile")).await.unwrap_err();
    assert!(matches!(error, CommitError::Refused(_) | CommitError::Unknown(_)), "{error:?}");
    assert!(matches!(store.get(&[key(1)], NOW).await, Err(StoreError::Unavailable(_))));
    server.resume();
    let again = batch(3, Expect::Absent, "after");
    // The pooler tries the server again once a second.
    while store.commit(&again).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(read(&store, 3).await.unwrap().version, again.id());
    assert!(read(&store, 1).await.is_some() && read(&store, 2).await.is_some());
}
