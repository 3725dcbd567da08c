//! What an answered commit survives, by the server's settings.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_storage_redis::{OpenError, RedisOptions, RedisStore};
use countersign_storage_traits::{CommitError, Expect, Store as _, StoreError};

use crate::servers::Redis;
use crate::traffic::{Traffic, assert_kept};
use crate::{batch, open, read, told};

const ALWAYS: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

#[tokio::test(flavor = "multi_thread")]
async fn promise_3_what_was_answered_survives_kill_9_with_appendfsync_always() {
    let mut server = Redis::start(ALWAYS);
    let store = open(&server.url()).await;
    assert!(store.capabilities().durable);
    for _ in 0..3 {
        let traffic = Traffic::start(&store, 8);
        tokio::task::block_in_place(|| traffic.wait_for(100));
        server.kill();
        let written = traffic.stop().await;
        server.restart();
        assert_kept(&store, &written).await;
    }
}

#[tokio::test]
async fn promise_3_capabilities_promise_what_the_settings_keep() {
    for (settings, durable) in [
        (&[][..], false),
        (&["--appendonly", "yes"], false),
        (&["--appendonly", "yes", "--appendfsync", "no"], false),
        (ALWAYS, true),
    ] {
        let server = Redis::start(settings);
        let promised = open(&server.url()).await.capabilities();
        assert_eq!(promised.durable, durable, "{settings:?}");
        assert!(promised.shared && !promised.survives_failover);
    }
}

#[tokio::test]
async fn promise_3_the_start_warns_of_what_would_be_lost() {
    for (settings, warning) in
        [(&[][..], "the append-only file is off"), (&["--appendonly", "yes"], "the last second"), (ALWAYS, "")]
    {
        let server = Redis::start(settings);
        let log = Log::default();
        let guard = tracing::subscriber::set_default(log.clone());
        open(&server.url()).await;
        drop(guard);
        let lines = log.0.lock().unwrap().clone();
        assert!(lines.contains(warning) && lines.is_empty() == warning.is_empty(), "{settings:?}: {lines}");
    }
    let master = Redis::start(ALWAYS);
    let _replica = master.replica(&[]);
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    open(&master.url()).await;
    assert!(log.0.lock().unwrap().contains("replicas follow behind"));
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_3_a_durable_store_answers_when_a_replica_has_it() {
    let mut master = Redis::start(ALWAYS);
    let replica = master.replica(&["--appendonly", "yes"]);
    let options = RedisOptions::default().durable(1).timeout(Duration::from_secs(3));
    let store = RedisStore::open_with(&master.url(), options).await.unwrap();
    assert!(store.capabilities().durable && store.capabilities().survives_failover);
    for number in 0..20 {
        store.commit(&batch(number, Expect::Absent, "kept")).await.unwrap();
    }
    // A replica that hangs confirms nothing, so nothing is promised; the same batch again is Ok when it is back.
    replica.signal("-STOP");
    let unsure = batch(20, Expect::Absent, "unsure");
    let outcome = store.commit(&unsure).await;
    assert!(matches!(outcome, Err(CommitError::Unknown(StoreError::Unavailable(_)))), "{outcome:?}");
    let cause = told(&outcome.unwrap_err());
    assert!(cause.contains("did not confirm") || cause.contains("in time"), "{cause}");
    replica.signal("-CONT");
    crate::servers::until("the replica is back", || {
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(store.commit(&unsure)).is_ok())
    });
    // The master is lost, and the replica takes its place.
    master.kill();
    assert_eq!(replica.ask(&["REPLICAOF", "NO", "ONE"]), "OK");
    let store = open(&replica.url()).await;
    for number in 0..=20 {
        assert!(read(&store, number).await.is_some(), "commit {number} was answered and is there");
    }
}

#[tokio::test]
async fn promise_3_durable_is_refused_where_settings_cannot_keep_it() {
    let durable = async |server: &Redis| {
        let opened = RedisStore::open_with(&server.url(), RedisOptions::default().durable(1)).await;
        let error = opened.unwrap_err();
        assert!(matches!(error, OpenError::NotDurable { .. }), "{error:?}");
        error.to_string()
    };
    let lone = Redis::start(ALWAYS);
    assert!(durable(&lone).await.contains("fewer replicas"));
    let forgetful = Redis::start(&[]);
    let _replica = forgetful.replica(&[]);
    assert!(durable(&forgetful).await.contains("append-only file is off"));
    let lazy = Redis::start(&["--appendonly", "yes"]);
    let _replica = lazy.replica(&["--appendonly", "yes"]);
    if lazy.ask(&["COMMAND", "INFO", "WAITAOF"]).is_empty() {
        assert!(durable(&lazy).await.contains("appendfsync always"));
    } else {
        let options = RedisOptions::default().durable(1);
        let store = RedisStore::open_with(&lazy.url(), options).await.unwrap();
        store.commit(&batch(1, Expect::Absent, "on both disks")).await.unwrap();
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Line<'a>(&'a mut String);
        impl tracing::field::Visit for Line<'_> {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                write!(self.0, "{field}={value:?} ").unwrap();
            }
        }
        event.record(&mut Line(&mut self.0.lock().unwrap()));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
