//! Which files are opened, and what becomes of them.

use std::fs;
use std::io::{BufRead as _, BufReader};

use countersign_storage_sqlx::{OpenError, SqlStore};
use countersign_storage_traits::testkit::block_on;
use countersign_storage_traits::{CommitError, Expect, Store};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::folder::Folder;
use crate::{NOW, batch, key, read};

async fn execute(folder: &Folder, name: &str, statements: &[&'static str]) {
    let options = SqliteConnectOptions::new().filename(folder.0.join(name)).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    for statement in statements {
        sqlx::query(*statement).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn promise_3_what_was_answered_is_there_after_reopening() {
    let folder = Folder::new();
    let url = folder.url("store.db");
    for round in 0..5 {
        let store = SqlStore::open(&url).await.unwrap();
        for number in 0..10 {
            store.commit(&batch(round * 10 + number, Expect::Absent, "answered")).await.unwrap();
        }
        drop(store);
        let store = SqlStore::open(&url).await.unwrap();
        for number in 0..(round + 1) * 10 {
            assert!(read(&store, number).await.is_some(), "record {number} of round {round}");
        }
    }
}

#[tokio::test]
async fn promise_3_what_was_answered_is_in_the_files_at_once() {
    let folder = Folder::new();
    let store = SqlStore::open(&folder.url("store.db")).await.unwrap();
    for number in 0..20 {
        store.commit(&batch(number, Expect::Absent, "answered")).await.unwrap();
        // As after a kill: the files as they are now, without the process that wrote them.
        let copy = Folder::new();
        for name in ["store.db", "store.db-wal"] {
            fs::copy(folder.0.join(name), copy.0.join(name)).unwrap();
        }
        let survivor = SqlStore::open(&copy.url("store.db")).await.unwrap();
        for number in 0..=number {
            assert!(read(&survivor, number).await.is_some(), "record {number}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn promise_4_the_files_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let store = SqlStore::open(&folder.url("store.db")).await.unwrap();
    store.commit(&batch(1, Expect::Absent, "private")).await.unwrap();
    for entry in fs::read_dir(&folder.0).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = Folder::new();
    let content = b"Dear diary, this is not a database. ".repeat(200);
    fs::write(folder.0.join("diary.txt"), &content).unwrap();
    let error = SqlStore::open(&folder.url("diary.txt")).await.unwrap_err();
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
    assert!(error.to_string().contains("diary.txt"));
    assert_eq!(fs::read(folder.0.join("diary.txt")).unwrap(), content);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing was put beside it");
}

#[tokio::test]
async fn another_programs_database_is_refused_and_left_alone() {
    let folder = Folder::new();
    execute(&folder, "shop.db", &["CREATE TABLE orders (id INTEGER PRIMARY KEY)", "INSERT INTO orders VALUES (7)"])
        .await;
    execute(&folder, "marked.db", &["PRAGMA application_id = 77"]).await;
    execute(&folder, "versioned.db", &["PRAGMA user_version = 12"]).await;
    for name in ["shop.db", "marked.db", "versioned.db"] {
        let before = fs::read(folder.0.join(name)).unwrap();
        let error = SqlStore::open(&folder.url(name)).await.unwrap_err();
        assert!(matches!(error, OpenError::Foreign { .. }), "{name}: {error:?}");
        assert!(error.to_string().contains(name));
        assert_eq!(fs::read(folder.0.join(name)).unwrap(), before, "{name} is untouched");
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let folder = Folder::new();
    drop(SqlStore::open(&folder.url("store.db")).await.unwrap());
    execute(&folder, "store.db", &["PRAGMA user_version = 2"]).await;
    let error = SqlStore::open(&folder.url("store.db")).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1, .. }), "{error:?}");
}

#[tokio::test]
async fn a_url_of_another_sort_is_refused() {
    for url in
        ["", "auth.db", "mysql://localhost/x", "sqlite:", "sqlite:a.db?mode=ro", "sqlite:file:a.db", "sqlite::temp:"]
    {
        let error = SqlStore::open(url).await.unwrap_err();
        assert!(matches!(error, OpenError::Url), "{url}: {error:?}");
    }
    let error = SqlStore::open("sqlite:/no/such/folder/store.db").await.unwrap_err();
    assert!(matches!(error, OpenError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("/no/such/folder/store.db"));
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_1_two_processes_that_make_the_file_at_once_share_it() {
    let folder = Folder::new();
    let url = folder.url("store.db");
    let openers: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn({
                let url = url.clone();
                async move { SqlStore::open(&url).await }
            })
        })
        .collect();
    let mut stores = Vec::new();
    for opener in openers {
        stores.push(opener.await.unwrap().unwrap());
    }
    stores[0].commit(&batch(1, Expect::Absent, "shared")).await.unwrap();
    for store in &stores {
        assert!(read(store, 1).await.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_1_of_64_racers_over_two_stores_on_one_file_one_wins() {
    let folder = Folder::new();
    let url = folder.url("store.db");
    let stores = [SqlStore::open(&url).await.unwrap(), SqlStore::open(&url).await.unwrap()];
    for round in 0..5 {
        let seed = batch(round, Expect::Absent, "seed");
        stores[0].commit(&seed).await.unwrap();
        let racers: Vec<_> = (0..64)
            .map(|racer| {
                let (store, version) = (stores[racer % 2].clone(), seed.id());
                tokio::spawn(async move { store.commit(&batch(round, Expect::At(version), "won")).await })
            })
            .collect();
        let mut wins = 0;
        for racer in racers {
            match racer.await.unwrap() {
                Ok(()) => wins += 1,
                Err(CommitError::Conflict(lost)) => assert_eq!(lost, key(round)),
                Err(error) => panic!("a race is won or lost: {error:?}"),
            }
        }
        assert_eq!(wins, 1);
    }
}

#[tokio::test]
async fn a_store_in_memory_is_its_own_and_says_that_it_forgets() {
    let (one, other) =
        (SqlStore::open("sqlite::memory:").await.unwrap(), SqlStore::open("sqlite::memory:").await.unwrap());
    one.commit(&batch(1, Expect::Absent, "mine")).await.unwrap();
    assert!(read(&one.clone(), 1).await.is_some() && read(&other, 1).await.is_none());
    assert!(!one.capabilities().durable);
    let folder = Folder::new();
    let file = SqlStore::open(&folder.url("store.db")).await.unwrap();
    assert!(file.capabilities().durable && file.capabilities().shared);
    assert!(file.get(&[], NOW).await.unwrap().is_empty());
}

/// Names the database in the process that the next test kills.
const VICTIM: &str = "COUNTERSIGN_TEST_VICTIM";

#[test]
fn promise_3_what_was_answered_survives_a_killed_process() {
    if let Ok(url) = std::env::var(VICTIM) {
        write_until_killed(&url);
    }
    let folder = Folder::new();
    let this = "files::promise_3_what_was_answered_survives_a_killed_process";
    let mut victim = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", this, "--nocapture"])
        .env(VICTIM, folder.url("store.db"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let mut answered = Vec::new();
    let mut take =
        |line: String| answered.extend(line.strip_prefix("answered ").and_then(|number| number.parse::<u32>().ok()));
    lines.by_ref().take(300).for_each(|line| take(line.unwrap()));
    victim.kill().unwrap(); // SIGKILL, in the middle of a transaction
    victim.wait().unwrap();
    lines.for_each(|line| take(line.unwrap_or_default()));
    let store = block_on(SqlStore::open(&folder.url("store.db"))).unwrap();
    assert!(answered.len() > 200, "{}", answered.len());
    for number in answered {
        assert!(block_on(read(&store, number)).is_some(), "record {number} was answered");
    }
}

fn write_until_killed(url: &str) -> ! {
    let store = block_on(SqlStore::open(url)).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8_u32 {
            let store = &store;
            scope.spawn(move || {
                for round in 0.. {
                    let number = round * 8 + writer;
                    block_on(store.commit(&batch(number, Expect::Absent, "answered"))).unwrap();
                    println!("answered {number}");
                }
            });
        }
    });
    unreachable!("the writers go on until they are killed")
}
