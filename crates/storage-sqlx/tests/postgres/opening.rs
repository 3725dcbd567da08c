//! Which servers are opened, and what is said of those that are not.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use countersign_storage_sqlx::{OpenError, ServerTrouble, SqlOptions, SqlStore};
use countersign_storage_traits::{CommitError, Expect, Store, StoreError};
use countersign_tests::Postgres;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::{LATER, NOW, SERVER, batch, charge, key, refused, trouble, trouble_of};

/// Listens, and answers every connection so.
fn impostor(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut open: Vec<TcpStream> = Vec::new();
        for mut stream in listener.incoming().flatten() {
            stream.write_all(answer).ok();
            open.push(stream);
        }
    });
    format!("postgres://kit:hunter2@{address}/auth")
}

#[tokio::test]
async fn what_listens_elsewhere_is_told_apart() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(refused(&format!("postgres://kit@{free}/auth")).await, ServerTrouble::Unreachable);
    assert_eq!(refused(&impostor(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await, ServerTrouble::NotPostgres);
    assert_eq!(refused(&impostor(b"-ERR unknown command\r\n")).await, ServerTrouble::NotPostgres);
    let options = SqlOptions::default().acquire_timeout(Duration::from_millis(50));
    let silent = SqlStore::open_with(&impostor(b""), options).await.unwrap_err();
    assert_eq!(trouble(&silent), ServerTrouble::Unreachable);
    for url in ["mysql://h/db", "postgres", "sqlite", "postgres://h:port/db", ""] {
        assert!(matches!(SqlStore::open(url).await, Err(OpenError::Url)), "{url}");
    }
}

#[tokio::test]
async fn promise_4_refusals_name_server_and_cure_and_never_the_password() {
    let server = &SERVER;
    server.sql("postgres", "CREATE ROLE guest LOGIN PASSWORD 'guest-password' CONNECTION LIMIT 0");
    server.sql("postgres", "CREATE ROLE tenant LOGIN PASSWORD 'tenant-password'");
    let cases = [
        (server.url_of("countersign", "hunter2", "countersign"), ServerTrouble::Credentials),
        (server.url_of("nobody", "hunter2", "countersign"), ServerTrouble::Credentials),
        (server.url_of("tenant", "tenant-password", "hunter3"), ServerTrouble::NoDatabase),
        (server.url_of("guest", "guest-password", "countersign"), ServerTrouble::TooManyConnections),
        (server.url_of("tenant", "tenant-password", "countersign"), ServerTrouble::Permission),
    ];
    for (url, expected) in cases {
        let error = SqlStore::open(&url).await.unwrap_err();
        assert_eq!(trouble(&error), expected, "{error:?}");
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        let told = format!("{error} {error:?} {source}");
        assert!(told.contains(&server.address()), "{told}");
        assert!(!told.contains("hunter2") && !told.contains("-password"), "{told}");
    }
    let store = SqlStore::open(&server.fresh_schema()).await.unwrap();
    assert!(!format!("{store:?}").contains("postgres-password"), "{store:?}");
}

#[tokio::test]
async fn promise_14_a_server_that_takes_no_writes_is_refused_and_one_that_stops_taking_them_says_so() {
    let server = &SERVER;
    let url = server.fresh_schema();
    let read_only = format!("{url}&options[default_transaction_read_only]=on");
    assert_eq!(refused(&read_only).await, ServerTrouble::ReadOnly);

    server.sql("postgres", "CREATE DATABASE standby");
    let url = server.url_of("countersign", "postgres-password", "standby");
    let store = SqlStore::open(&url).await.unwrap();
    store.commit(&batch(1, Expect::Absent, "before")).await.unwrap();
    server.sql("postgres", "ALTER DATABASE standby SET default_transaction_read_only = on");
    // Connections that were made before know nothing of it. This one ends them.
    server.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'standby'");
    let error = store.commit(&batch(2, Expect::Absent, "meanwhile")).await.unwrap_err();
    assert!(matches!(error, CommitError::Refused(StoreError::Unavailable(_))), "{error:?}");
    assert_eq!(trouble_of(&error), ServerTrouble::ReadOnly);
    assert_eq!(trouble_of(&store.health().await.unwrap_err()), ServerTrouble::ReadOnly);
    assert!(store.get(&[key(1)], NOW).await.unwrap()[0].is_some(), "it still can be read");
    server.sql("postgres", "ALTER DATABASE standby RESET default_transaction_read_only");
    // Nothing needs to be ended: a connection on which a write was refused is not used again.
    store.commit(&batch(2, Expect::Absent, "after")).await.unwrap();
}

/// Where what is large does not fit: the server's own error for a full disk.
const FULL_DISK: &str = "\
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
    RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$; \
    CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON countersign_record FOR EACH ROW \
    WHEN (length(NEW.payload) > 100000) EXECUTE FUNCTION full_disk()";

#[tokio::test]
async fn promise_14_a_full_disk_is_unavailable_and_leaves_nothing_half_written() {
    let server = &SERVER;
    server.sql("postgres", "CREATE DATABASE small");
    for transactions in [false, true] {
        let url = server.url_of("countersign", "postgres-password", "small");
        let store = SqlStore::open_with(&url, SqlOptions::default().transactions(transactions)).await.unwrap();
        if !transactions {
            server.sql("small", FULL_DISK);
        }
        let first = 10 * u32::from(transactions);
        let mut both = batch(first, Expect::Absent, "small");
        both.put(key(first + 1), Expect::Absent, LATER, Vec::new(), vec![7; 200_000]);
        let error = store.commit(&both).await.unwrap_err();
        assert!(matches!(error, CommitError::Refused(StoreError::Unavailable(_))), "{error:?}");
        assert_eq!(trouble_of(&error), ServerTrouble::DiskFull);
        let records = store.get(&[key(first), key(first + 1)], NOW).await.unwrap();
        assert!(records.iter().all(Option::is_none), "the small half of what did not fit is not there");
        store.commit(&batch(first, Expect::Absent, "room")).await.unwrap();
    }
}

#[tokio::test]
async fn promise_14_a_busy_pool_and_a_slow_server_end_a_call_in_time() {
    let server = &SERVER;
    server.sql("postgres", "CREATE DATABASE slow");
    let url = server.url_of("countersign", "postgres-password", "slow");
    let options = SqlOptions::default().connections(1);
    let options = options.acquire_timeout(Duration::from_secs(2)).call_timeout(Duration::from_secs(4));
    let store = SqlStore::open_with(&url, options).await.unwrap();
    store.commit(&batch(1, Expect::Absent, "first")).await.unwrap();
    let mut other = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE countersign_record").execute(&mut other).await.unwrap();
    let (waits, finds_none) = (batch(2, Expect::Absent, "waits"), batch(3, Expect::Absent, "finds no connection"));
    let (waited, found_none) = tokio::join!(store.commit(&waits), store.commit(&finds_none));
    let (waited, found_none) = (waited.unwrap_err(), found_none.unwrap_err());
    assert_eq!(trouble_of(&waited), ServerTrouble::Slow, "{waited:?}");
    assert_eq!(trouble_of(&found_none), ServerTrouble::Busy, "{found_none:?}");
    assert!(matches!(found_none, CommitError::Refused(_)), "{found_none:?}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    store.commit(&finds_none).await.unwrap();
    assert_eq!(store.charge(&[charge(1, 1)], NOW).await.unwrap()[0].count, 1);
}

#[tokio::test]
async fn capabilities_say_what_the_settings_keep() {
    let server = &SERVER;
    let url = server.fresh_schema();
    let kept = SqlStore::open(&url).await.unwrap().capabilities();
    assert!(kept.durable && kept.shared && !kept.survives_failover);
    let lossy = SqlStore::open(&format!("{url}&options[synchronous_commit]=off")).await.unwrap();
    assert!(!lossy.capabilities().durable, "what is acknowledged may be lost");
    let unsynced = Postgres::start_with(&["fsync=off"]);
    assert!(!SqlStore::open(&unsynced.url()).await.unwrap().capabilities().durable);
}

#[tokio::test]
async fn health_tells_the_servers_clock_and_what_waits_for_the_broom() {
    let store = SqlStore::open(&SERVER.fresh_schema()).await.unwrap();
    let health = store.health().await.unwrap();
    let system = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let clock = health.clock.map(countersign_primitives::UnixTime::as_millis).unwrap();
    assert!(u128::from(clock).abs_diff(system.as_millis()) < 5_000, "{health:?}");
    assert_eq!((health.backend, health.backlog), ("PostgreSQL", Some(0)));
}
