//! Damaged files.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};

use countersign_storage_sqlx::{OpenError, SqlStore};
use countersign_storage_traits::{CommitError, Expect, Store, StoreError};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::folder::Folder;
use crate::{NOW, batch, key};

const PAGE: u64 = 4_096;

/// A database with 200 records in its file and one more in its log.
async fn furnished(folder: &Folder) -> SqlStore {
    let store = SqlStore::open(&folder.url("store.db")).await.unwrap();
    for number in 0..200 {
        store.commit(&batch(number, Expect::Absent, vec![1; 500])).await.unwrap();
    }
    let mut checkpoint = SqliteConnectOptions::new().filename(folder.0.join("store.db")).connect().await.unwrap();
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut checkpoint).await.unwrap();
    drop(checkpoint);
    store.commit(&batch(200, Expect::Absent, "in the log")).await.unwrap();
    store
}

/// Both files of a database, as they are.
fn bytes(folder: &Folder) -> [Vec<u8>; 2] {
    ["store.db", "store.db-wal"].map(|name| fs::read(folder.0.join(name)).unwrap())
}

fn overwrite(folder: &Folder, from: u64, length: u64) {
    let mut file = OpenOptions::new().write(true).open(folder.0.join("store.db")).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    file.write_all(&vec![0xa5; usize::try_from(length).unwrap()]).unwrap();
}

#[tokio::test]
async fn promise_14_a_damaged_file_is_told_with_the_cure_and_left_as_it_is() {
    let whole = Folder::new();
    let _running = furnished(&whole).await;
    let pages = bytes(&whole)[0].len() as u64 / PAGE;
    assert!(pages > 20, "{pages} pages");
    type Damage = fn(&Folder, u64);
    let cut_short: Damage = |folder, pages| {
        let file = OpenOptions::new().write(true).open(folder.0.join("store.db")).unwrap();
        file.set_len(pages / 2 * PAGE).unwrap();
    };
    let emptied: Damage = |folder, _| fs::write(folder.0.join("store.db"), "").unwrap();
    let one_page: Damage = |folder, pages| overwrite(folder, pages / 2 * PAGE, PAGE);
    let all_but_the_first: Damage = |folder, pages| overwrite(folder, PAGE, (pages - 1) * PAGE);
    for (name, damage) in [
        ("cut short", cut_short),
        ("emptied", emptied),
        ("one page", one_page),
        ("all pages but the first", all_but_the_first),
    ] {
        let folder = Folder::new();
        for name in ["store.db", "store.db-wal"] {
            fs::copy(whole.0.join(name), folder.0.join(name)).unwrap();
        }
        damage(&folder, pages);
        let before = bytes(&folder);
        let error = SqlStore::open(&folder.url("store.db")).await.unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{name}: {error:?}");
        let told = error.to_string();
        assert!(told.contains("store.db is damaged") && told.contains(".backup"), "{name}: {told}");
        assert!(bytes(&folder) == before, "{name}: neither the file nor its log was written to");
    }
}

#[tokio::test]
async fn promise_14_a_file_that_is_damaged_while_it_is_open_is_an_error_and_never_a_wrong_answer() {
    let folder = Folder::new();
    let store = furnished(&folder).await;
    let length = fs::metadata(folder.0.join("store.db")).unwrap().len();
    overwrite(&folder, PAGE, length - PAGE);
    let read = store.get(&[key(1)], NOW).await;
    assert!(matches!(read, Err(StoreError::Schema(_))), "{read:?}");
    let told = read.unwrap_err().to_string();
    assert!(told.contains("store.db is damaged") && told.contains("put a backup in its place"), "{told}");
    let commit = store.commit(&batch(1, Expect::Any, "over it")).await;
    assert!(matches!(commit, Err(CommitError::Refused(StoreError::Schema(_)))), "{commit:?}");
    let again = store.get(&[key(1)], NOW).await;
    assert!(again.is_err(), "it answers errors, time and again: {again:?}");
}

#[tokio::test]
async fn a_file_without_its_header_is_refused() {
    let folder = Folder::new();
    drop(SqlStore::open(&folder.url("store.db")).await.unwrap());
    fs::write(folder.0.join("short.db"), b"SQLite format 3\0and then no more").unwrap();
    let error = SqlStore::open(&folder.url("short.db")).await.unwrap_err();
    assert!(matches!(error, OpenError::NotADatabase { .. } | OpenError::Damaged { .. }), "{error:?}");
}
