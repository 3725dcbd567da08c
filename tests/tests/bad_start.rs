//! Starts that cannot succeed: each ends with a message that names the thing, and leaves every file as it was.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use countersign_tests::{Process, Quickstart, Scratch};

const PATIENCE: Duration = Duration::from_secs(60);
/// The same at each start: each issuer has keys of its own in the store.
const ISSUER: [&str; 2] = ["--issuer", "http://localhost:4000"];

/// A data folder that has served once and was left in order.
struct Used {
    scratch: Scratch,
    key: String,
}

impl Used {
    #[track_caller]
    fn new() -> Self {
        let scratch = Scratch::new();
        let output = serve(&scratch);
        assert!(output.contains("key.created"), "{output}");
        let key = fs::read_to_string(scratch.path().join("data/master.key")).unwrap().trim().to_owned();
        assert!(key.len() >= 43, "a key to look for");
        Self { scratch, key }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join("data").join(name)
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.path(name)).unwrap();
        change(&mut bytes);
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Starts it, and sees that it fails with status 1 and these words, tells no key and changes no file.
    #[track_caller]
    fn fails(&self, switches: &[&str], words: &[&str]) {
        let before = files(self.scratch.path());
        let (status, output) =
            Quickstart::refused(self.scratch.path(), &[&["--data", "data"], &ISSUER[..], switches].concat());
        self.check(&before, status, &output, words);
    }

    #[track_caller]
    fn check(&self, before: &BTreeMap<PathBuf, Vec<u8>>, status: Option<i32>, output: &str, words: &[&str]) {
        assert_eq!(status, Some(1), "{output}");
        let told = output.lines().find(|line| line.contains("quickstart: ")).unwrap_or_default();
        assert!(words.iter().all(|word| told.contains(word)), "{words:?} in {output}");
        assert!(!output.contains(&self.key) && !output.contains("panicked"), "{output}");
        let after = files(self.scratch.path());
        assert!(before.keys().eq(after.keys()), "{:?} {:?}", before.keys(), after.keys());
        for (path, bytes) in before {
            assert!(after[path] == *bytes, "{} was changed", path.display());
        }
    }
}

/// Starts it in this folder, and ends it as an operator does once it serves; what it printed.
#[track_caller]
fn serve(scratch: &Scratch) -> String {
    let mut command = Quickstart::command(scratch.path());
    let mut process = Process::start(command.args(["--listen", "localhost:0", "--data", "data"]).args(ISSUER));
    process.wait_for(PATIENCE, |line| line.starts_with("ready ").then_some(()));
    process.terminate();
    assert!(process.wait(PATIENCE).success(), "{}", process.output());
    process.output()
}

/// The bytes of every file below a folder, without those that SQLite makes beside a database while it is open.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !name.ends_with("-wal") && !name.ends_with("-shm") {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

/// A database of ours without a table (<https://www.sqlite.org/fileformat.html#the_database_header>).
fn empty_database(user_version: u8) -> Vec<u8> {
    let mut page = vec![0; 4_096];
    page[..16].copy_from_slice(b"SQLite format 3\0");
    page[16..24].copy_from_slice(&[0x10, 0, 1, 1, 0, 64, 32, 32]); // pages of 4 KiB, a rollback journal
    page[27] = 1; // change counter
    page[31] = 1; // one page
    page[47] = 4; // schema format
    page[59] = 1; // UTF-8
    page[63] = user_version;
    page[68..72].copy_from_slice(b"CSGN");
    page[95] = 1; // the change counter for which the size holds
    page[100] = 13; // a leaf without a cell
    page[105] = 0x10; // its content begins at the page's end
    page
}

/// The same program where no file may grow: to it the disk is full.
fn on_a_full_disk(folder: &Path) -> (Option<i32>, String) {
    let program = Quickstart::command(folder);
    let mut command = Command::new("sh");
    // Without the trap the first write would end it by a signal instead of an error.
    command.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""]).arg(program.get_program());
    for (name, _) in program.get_envs() {
        command.env_remove(name);
    }
    command.current_dir(folder).args(["--listen", "localhost:0", "--data", "data"]).args(ISSUER);
    let mut process = Process::start(&mut command);
    (process.wait(PATIENCE).code(), process.output())
}

/// The same program by a user whom permissions bind, ended once it serves. The superuser may write anywhere.
fn as_an_ordinary_user(scratch: &Scratch) -> (Option<i32>, String) {
    let mut command = Quickstart::command(scratch.path());
    if fs::metadata(Scratch::new().path()).unwrap().uid() == 0 {
        let program = scratch.path().join("program");
        fs::copy(command.get_program(), &program).unwrap(); // where that user can reach it
        command = Command::new(program);
        command.env_clear().current_dir(scratch.path()).uid(NOBODY).gid(NOBODY);
        give_away(scratch.path());
    }
    let mut process = Process::start(command.args(["--listen", "localhost:0", "--data", "data"]).args(ISSUER));
    let serves = process.wait_for(PATIENCE, |line| {
        let failed = line.contains("quickstart: ");
        (failed || line.starts_with("ready ")).then_some(!failed)
    });
    if serves {
        process.terminate();
    }
    let status = process.wait(PATIENCE).code();
    fs::remove_file(scratch.path().join("program")).ok();
    (status, process.output())
}

const NOBODY: u32 = 65_534;

fn give_away(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give_away(&entry.unwrap().path()));
    }
}

#[test]
fn promise_14_a_start_on_a_full_disk_says_so_and_changes_nothing() {
    let used = Used::new();
    let before = files(used.scratch.path());
    let (status, output) = on_a_full_disk(used.scratch.path());
    used.check(&before, status, &output, &["store.db", "I/O error"]);
    let scratch = Scratch::new();
    let (status, output) = on_a_full_disk(scratch.path());
    assert_eq!(status, Some(1), "{output}");
    assert!(output.contains("master.key cannot be used: File too large"), "{output}");
    assert!(files(scratch.path()).is_empty(), "half a key stays nowhere");
}

#[test]
fn promise_14_a_file_that_is_no_database_is_not_written_over() {
    let used = Used::new();
    used.change("store.db", |bytes| bytes[..100].fill(b'x'));
    used.fails(&[], &["store.db is not a SQLite database", "restore this one from a backup"]);
}

#[test]
fn promise_14_a_damaged_database_is_told_with_the_cure_and_not_written_over() {
    type Damage = fn(&mut Vec<u8>);
    let cut_short: Damage = |bytes| bytes.truncate(bytes.len() / 2);
    let flipped: Damage = |bytes| {
        let at = bytes.len() / 4_096 / 2 * 4_096;
        bytes[at..at + 4_096].iter_mut().for_each(|byte| *byte = !*byte);
    };
    for damage in [cut_short, flipped] {
        let used = Used::new();
        let whole = fs::read(used.path("store.db")).unwrap();
        used.change("store.db", damage);
        used.fails(&[], &["store.db is damaged, and was left as it is", "put a backup in its place", ".backup COPY"]);
        // The cure works.
        fs::write(used.path("store.db"), whole).unwrap();
        let output = serve(&used.scratch);
        assert!(!output.contains("key.created"), "{output}");
    }
}

#[test]
fn promise_14_a_folder_or_a_file_that_may_not_be_written_to_is_told() {
    let used = Used::new();
    let (data, store) = (used.path(""), used.path("store.db"));
    let words = ["store.db cannot be opened", "may be written to"];
    for (path, mode, usual) in [(&data, 0o500, 0o700), (&store, 0o400, 0o600)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let before = files(used.scratch.path());
        let (status, output) = as_an_ordinary_user(&used.scratch);
        fs::set_permissions(path, Permissions::from_mode(usual)).unwrap();
        used.check(&before, status, &output, &words);
    }
    for name in ["store.db-wal", "store.db-shm"] {
        fs::set_permissions(used.path(name), Permissions::from_mode(0o600)).ok(); // they were made with the file's rights
    }
    let (status, output) = as_an_ordinary_user(&used.scratch);
    assert_eq!(status, Some(0), "with its rights it serves: {output}");
}

#[test]
fn promise_14_a_database_of_a_newer_version_is_not_touched() {
    let used = Used::new();
    fs::write(used.path("store.db"), empty_database(99)).unwrap();
    used.fails(&[], &["store.db has schema 99", "run the newer version"]);
}

#[test]
fn promise_4_a_master_key_that_will_not_do_is_told_and_not_replaced() {
    let used = Used::new();
    let key = used.path("master.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    used.fails(&[], &["master.key is open to others than its owner", "chmod 600"]);
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    used.change("master.key", |bytes| bytes.truncate(20));
    used.fails(&[], &["master.key holds no master key", "put the right file there"]);
    fs::write(&key, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
    used.fails(&[], &["written with another master key"]);
    // With the right key everything is as it was: no signing key had to be made anew.
    fs::write(&key, &used.key).unwrap();
    let output = serve(&used.scratch);
    assert!(!output.contains("key.created"), "{output}");
    fs::remove_file(&key).unwrap();
    used.fails(&[], &["master.key is not", "put the key back"]);
    fs::create_dir(&key).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o700)).unwrap();
    used.fails(&[], &["master.key cannot be used: Is a directory"]);
}

#[test]
fn a_port_in_use_and_a_file_for_a_folder_are_told() {
    let used = Used::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    used.fails(&["--listen", &address], &[&address, "in use"]);
    let _ = used.scratch.file("plain", "mine");
    used.fails(&["--outbox", "plain"], &["plain", "cannot make the folder"]);
}
