//! What the start says of settings that lose what was answered.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use countersign_storage_sqlx::SqlStore;
use countersign_storage_traits::{Capabilities, Store as _};
use countersign_tests::Postgres;
use tokio::runtime;

/// What is logged at the start of a store on a server with these settings.
fn logged(settings: &[&str], parameters: &str) -> String {
    logged_by(&Postgres::start_with(settings), parameters).0
}

/// What is logged at the start of a store on a server, and what the store then says that it can.
pub(crate) fn logged_by(server: &Postgres, parameters: &str) -> (String, Capabilities) {
    let log = Log::default();
    let guard = tracing::subscriber::set_default(log.clone());
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(SqlStore::open(&format!("{}{parameters}", server.url()))).unwrap();
    drop(guard);
    let lines = log.0.lock().unwrap().clone();
    assert!(!lines.contains("postgres-password"), "no log has a password: {lines}");
    (lines, store.capabilities())
}

#[test]
fn promise_3_the_start_warns_of_what_would_be_lost() {
    assert_eq!(logged(&[], ""), "", "settings that keep everything are worth no line");
    let careless = logged(&["fsync=off", "full_page_writes=off", "synchronous_commit=off"], "");
    for setting in ["fsync is off", "full_page_writes is off", "synchronous_commit is off"] {
        assert!(careless.contains(setting), "{setting}: {careless}");
    }
    // What one's own URL says counts too.
    let asked_for = logged(&[], "?options[synchronous_commit]=off");
    assert!(asked_for.contains("synchronous_commit is off") && !asked_for.contains("fsync is off"), "{asked_for}");
}

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
