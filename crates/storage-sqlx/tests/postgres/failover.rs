//! A primary that is replaced by its standby.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_storage_sqlx::{ServerTrouble, SqlOptions, SqlStore};
use countersign_storage_traits::{CommitError, Expect, Store as _, StoreError};
use countersign_tests::{Postgres, Relay};
use tokio::runtime::Runtime;

use crate::durability::logged_by;
use crate::{NOW, batch, charge, key, pair, read, trouble_of};

/// A store that finds its server by an address that can be led elsewhere.
fn by_address(server: &Postgres, options: SqlOptions) -> (Relay, Runtime, SqlStore) {
    let (relay, runtime) = (Relay::new(), Runtime::new().unwrap());
    relay.lead_to(&[&server.address()]);
    let url = server.url().replace(&server.address(), &format!("127.0.0.1:{}", relay.port()));
    let store = runtime.block_on(SqlStore::open_with(&url, options)).unwrap();
    (relay, runtime, store)
}

/// Writes pairs, each once, and notes which were answered and what the others were told.
async fn write_pairs(store: &SqlStore, writer: u32, stop: &AtomicBool, answered: &Mutex<Vec<u32>>) -> u32 {
    let mut round = 0;
    while !stop.load(Ordering::SeqCst) {
        let number = round * 8 + writer;
        match store.commit(&pair(number)).await {
            Ok(()) => answered.lock().unwrap().push(number),
            Err(
                CommitError::Refused(StoreError::Unavailable(_)) | CommitError::Unknown(StoreError::Unavailable(_)),
            ) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("pair {number}: {error:?}"),
        }
        round += 1;
    }
    round * 8
}

#[test]
fn promise_3_a_primary_that_is_killed_and_replaced_by_its_synchronous_standby_loses_nothing_answered() {
    let primary = Postgres::start();
    let standby = primary.standby();
    primary.wait_for_standby("sync");
    let (relay, runtime, store) = by_address(&primary, SqlOptions::default());
    assert!(store.capabilities().survives_failover);
    let (stop, answered) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let wait_for_more = || {
        let before = answered.lock().unwrap().len();
        while answered.lock().unwrap().len() < before + 200 {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let highest = std::thread::scope(|scope| {
        let (runtime, store, stop, answered) = (&runtime, &store, &stop, &answered);
        let writers: Vec<_> = (0..8)
            .map(|writer| scope.spawn(move || runtime.block_on(write_pairs(store, writer, stop, answered))))
            .collect();
        let _stop = StopOnDrop(stop);
        wait_for_more();
        primary.kill();
        let read = runtime.block_on(store.get(&[key(1)], NOW));
        assert!(matches!(read, Err(StoreError::Unavailable(_))), "promise 14: {read:?}");
        // An address that moves too early leads to a standby, which takes no write.
        relay.lead_to(&[&standby.address()]);
        let error = runtime.block_on(store.commit(&pair(1_000_000))).unwrap_err();
        assert_eq!(trouble_of(&error), ServerTrouble::ReadOnly);
        standby.promote();
        wait_for_more();
        stop.store(true, Ordering::SeqCst);
        writers.into_iter().map(|writer| writer.join().unwrap()).max().unwrap_or_default()
    });
    let answered = answered.into_inner().unwrap();
    runtime.block_on(async {
        for number in 0..highest {
            let there = store.get(&[key(2 * number), key(2 * number + 1)], NOW).await.unwrap();
            let there = [there[0].is_some(), there[1].is_some()];
            assert_eq!(there[0], there[1], "pair {number} is whole or not there");
            assert!(there[0] || !answered.contains(&number), "pair {number} was answered");
        }
        assert!(read(&store, 2_000_000).await.is_none(), "what the standby refused is not there");
        store.health().await.unwrap();
    });
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn promise_3_while_no_standby_confirms_a_commit_it_is_not_answered() {
    let primary = Postgres::start();
    let standby = primary.standby();
    primary.wait_for_standby("sync");
    let options = SqlOptions::default().call_timeout(Duration::from_secs(1));
    let (_relay, runtime, store) = by_address(&primary, options);
    runtime.block_on(async {
        store.commit(&pair(1)).await.unwrap();
        standby.stop();
        let unsure = [pair(2), batch(10, Expect::Absent, "alone")];
        for batch in &unsure {
            let outcome = store.commit(batch).await;
            assert!(matches!(outcome, Err(CommitError::Unknown(StoreError::Unavailable(_)))), "{outcome:?}");
        }
        standby.resume();
        for batch in &unsure {
            // Nobody knows until it is asked again: then it was done once.
            let mut outcome = store.commit(batch).await;
            while matches!(outcome, Err(CommitError::Unknown(_))) {
                outcome = store.commit(batch).await;
            }
            outcome.unwrap();
        }
        assert_eq!(read(&store, 10).await.unwrap().version, unsure[1].id());
    });
}

#[test]
fn promise_3_the_start_tells_what_an_asynchronous_standby_may_lose() {
    let primary = Postgres::start();
    let _standby = primary.standby();
    primary.wait_for_standby("async");
    let told = |primary: &Postgres| logged_by(primary, "");
    let (log, capabilities) = told(&primary);
    assert!(log.contains("fail-over") && log.contains("synchronous_standby_names"), "{log}");
    assert!(capabilities.durable && !capabilities.survives_failover);
    primary.wait_for_standby("sync");
    let (log, capabilities) = told(&primary);
    assert_eq!(log, "", "what keeps everything is worth no line");
    assert!(capabilities.survives_failover);
    let (log, capabilities) = logged_by(&primary, "?options[synchronous_commit]=remote_write");
    assert!(log.contains("fail-over") && log.contains("remote_write"), "{log}");
    assert!(!capabilities.survives_failover);
}

#[test]
fn promise_14_a_primary_that_is_made_read_only_refuses_on_open_connections_and_does_nothing_by_half() {
    let server = Postgres::start();
    let (_relay, runtime, store) = by_address(&server, SqlOptions::default());
    runtime.block_on(async {
        store.commit(&pair(1)).await.unwrap();
        store.charge(&[charge(1, 1)], NOW).await.unwrap();
        let backends = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'countersign'";
        assert_ne!(server.sql("postgres", backends), "0", "connections are open");
        server.sql("postgres", "ALTER SYSTEM SET default_transaction_read_only = on");
        server.sql("postgres", "SELECT pg_reload_conf()");
        // A session hears of it at its next command.
        let mut number = 10;
        while store.commit(&batch(number, Expect::Absent, "early")).await.is_ok() {
            number += 1;
        }
        let alone = batch(1_000, Expect::Absent, "alone");
        for outcome in [store.commit(&pair(1_001)).await, store.commit(&alone).await] {
            let error = outcome.unwrap_err();
            assert!(matches!(error, CommitError::Refused(StoreError::Unavailable(_))), "{error:?}");
            assert_eq!(trouble_of(&error), ServerTrouble::ReadOnly);
        }
        let refused = store.charge(&[charge(1, 1)], NOW).await.unwrap_err();
        assert_eq!(trouble_of(&refused), ServerTrouble::ReadOnly);
        assert_eq!(trouble_of(&store.health().await.unwrap_err()), ServerTrouble::ReadOnly);
        for number in [1_000, 2_002, 2_003] {
            assert!(read(&store, number).await.is_none(), "{number}");
        }
        server.sql("postgres", "ALTER SYSTEM RESET default_transaction_read_only");
        server.sql("postgres", "SELECT pg_reload_conf()");
        while store.commit(&alone).await.is_err() {}
        store.commit(&pair(1_001)).await.unwrap();
        assert_eq!(store.charge(&[charge(1, 1)], NOW).await.unwrap()[0].count, 2, "what was refused was not counted");
    });
}
