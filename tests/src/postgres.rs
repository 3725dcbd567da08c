//! A PostgreSQL server of a test's own.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// Of the server's superuser, `countersign`.
pub(crate) const PASSWORD: &str = "postgres-password";

/// A running server on a free port of 127.0.0.1, in a folder of its own. Both go with this value; and also, should the test's process
/// end in any other way, with that.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    user: Option<(u32, u32)>,
    folder: PathBuf,
    port: u16,
    settings: Vec<String>,
    server: Mutex<Child>,
    janitor: Child,
}

impl Postgres {
    /// Starts a server with its usual settings, durable ones.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with further settings, each `name=value`.
    #[must_use]
    #[track_caller]
    pub fn start_with(settings: &[&str]) -> Self {
        let programs = programs();
        let user = unprivileged_user();
        let (folder, janitor) = housed(user);
        init(&programs, user, &folder);
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        let (port, server) = start_anywhere(&programs, user, &folder, &settings);
        let postgres = Self { programs, user, folder, port, settings, server: Mutex::new(server), janitor };
        postgres.wait_until_ready();
        postgres.sql("postgres", "CREATE DATABASE countersign");
        postgres
    }

    /// The URL of its database `countersign`, which the user `countersign` owns.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("countersign", PASSWORD, "countersign")
    }

    /// The URL of a schema of its own in that database: its tables are nobody else's.
    #[must_use]
    #[track_caller]
    pub fn fresh_schema(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.sql("countersign", &format!("CREATE SCHEMA {name}"));
        format!("{}?options[search_path]={name}", self.url())
    }

    /// The URL for a user, a password and a database of the caller's choice.
    #[must_use]
    pub fn url_of(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Everything that it has written to its log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.folder.join("log")).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// Writes a file that the server may read, and no other user.
    #[must_use]
    #[track_caller]
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        done(name, fs::write(&path, text));
        done(name, own(&path, self.user, 0o600));
        path
    }

    /// Runs SQL by `psql` and returns what it prints, a line a row.
    #[track_caller]
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let output = self.psql(database).args(["-c", sql]).output();
        let output = done("psql", output);
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// `psql` for this server, without its words.
    fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            "countersign",
            "-d",
            database,
        ])
        .args(["-p", &self.port.to_string()])
        .env("PGPASSWORD", PASSWORD)
        .stdin(Stdio::null());
        psql
    }

    /// A standby that follows this server and has caught up, with a copy of its data.
    #[must_use]
    #[track_caller]
    pub fn standby(&self) -> Self {
        let (folder, janitor) = housed(self.user);
        let mut copy = command(self.programs.join("pg_basebackup"), self.user);
        copy.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "countersign", "-D"])
            .arg(folder.join("data"));
        copy.args(["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]);
        let output = done("pg_basebackup", copy.env("PGPASSWORD", PASSWORD).stdin(Stdio::null()).output());
        assert!(output.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&output.stderr));
        let (port, server) = start_anywhere(&self.programs, self.user, &folder, &self.settings);
        let standby = Self {
            programs: self.programs.clone(),
            user: self.user,
            folder,
            port,
            settings: self.settings.clone(),
            server: Mutex::new(server),
            janitor,
        };
        standby.wait_until_ready();
        self.wait_for_standby("async");
        standby
    }

    /// Makes the one standby of this server `sync` or `async`, and waits until it is.
    #[track_caller]
    pub fn wait_for_standby(&self, state: &str) {
        if state == "sync" {
            self.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
            self.sql("postgres", "SELECT pg_reload_conf()");
        }
        let end = Instant::now() + PATIENCE;
        let wanted = format!("streaming {state}");
        while self.sql("postgres", "SELECT state || ' ' || sync_state FROM pg_stat_replication") != wanted {
            assert!(Instant::now() < end, "no standby is {wanted}:\n{}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes a standby the primary.
    #[track_caller]
    pub fn promote(&self) {
        assert_eq!(self.sql("postgres", "SELECT pg_promote()"), "t", "promoted");
    }

    /// Kills it where it stands (SIGKILL), for good: its processes end, and nothing is tidied up.
    #[track_caller]
    pub fn kill(&self) {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        signal("KILL", server.id());
        done("the server's end", server.wait());
        // It would be taken for a server that still ends.
        done("the mark of a running server", fs::remove_file(self.folder.join("data/postmaster.pid")));
    }

    /// Ends it as a crash of the machine would (immediate mode: nothing is tidied up, all connections break), and leaves it down.
    #[track_caller]
    pub fn crash(&self) {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        signal("QUIT", server.id());
        done("the server's end", server.wait());
    }

    /// Ends it as an operator does (fast mode: what is under way is broken off), and leaves it down.
    #[track_caller]
    pub fn stop(&self) {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        signal("INT", server.id());
        done("the server's end", server.wait());
    }

    /// Starts it again at the same port with the same data, and waits until it serves.
    #[track_caller]
    pub fn resume(&self) {
        let server = launch(&self.programs, self.user, &self.folder, self.port, &self.settings);
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = server;
        self.wait_until_ready();
    }

    #[track_caller]
    fn wait_until_ready(&self) {
        let end = Instant::now() + PATIENCE;
        while !quiet(self.psql("postgres").args(["-c", "SELECT 1"])).status().is_ok_and(|status| status.success()) {
            assert!(Instant::now() < end, "the PostgreSQL server does not come up:\n{}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.janitor.stdin.take());
        self.server.lock().unwrap_or_else(PoisonError::into_inner).wait().ok();
        self.janitor.wait().ok();
    }
}

/// The folder with `initdb`, `postgres` and `psql`: the one that `cargo xtask test` names, or the newest of Debian's.
#[track_caller]
fn programs() -> PathBuf {
    if let Some(folder) = std::env::var_os("COUNTERSIGN_TEST_POSTGRES") {
        return folder.into();
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |name: &OsStr| name.to_str().and_then(|name| name.parse::<u32>().ok());
    let found = versions.filter(|version| version.path().join("bin/initdb").is_file());
    match found.max_by_key(|version| number(&version.file_name())) {
        Some(version) => version.path().join("bin"),
        None => panic!("no PostgreSQL server: install it, or run the tests by `cargo xtask test`, which does"),
    }
}

/// PostgreSQL refuses to run as root: then another user runs it, by preference its own.
pub(crate) fn unprivileged_user() -> Option<(u32, u32)> {
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout.trim_ascii() != b"0" {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let find = |name: &str| {
        let mut fields = users.lines().find(|line| line.split(':').next() == Some(name))?.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody"))
}

pub(crate) fn command(program: impl AsRef<OsStr>, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    // Wherever the test runs, another user may not be able to.
    command.current_dir("/").env("LC_ALL", "C");
    command
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::null()).stderr(Stdio::null())
}

/// A folder for a server, and who ends the server and removes the folder when this process ends, however that is.
#[track_caller]
fn housed(user: Option<(u32, u32)>) -> (PathBuf, Child) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("countersign-postgres-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    done("the server's folder", make_folder(&folder, user));
    // It waits for the end of its input, which comes with the end of this process.
    let script = "cat >/dev/null; kill -QUIT $(head -n 1 \"$1/data/postmaster.pid\") 2>/dev/null; \
                  while [ -e \"$1/data/postmaster.pid\" ]; do sleep 0.1; done; rm -rf \"$1\"";
    let mut janitor = command(OsStr::new("sh"), user);
    janitor.args(["-c", script, "janitor"]).arg(&folder).stdin(Stdio::piped());
    (folder, done("the janitor", quiet(&mut janitor).spawn()))
}

pub(crate) fn make_folder(folder: &Path, user: Option<(u32, u32)>) -> io::Result<()> {
    fs::create_dir(folder)?;
    own(folder, user, 0o700)
}

fn own(path: &Path, user: Option<(u32, u32)>, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    match user {
        Some((user, group)) => std::os::unix::fs::chown(path, Some(user), Some(group)),
        None => Ok(()),
    }
}

#[track_caller]
fn init(programs: &Path, user: Option<(u32, u32)>, folder: &Path) {
    let password = folder.join("password");
    done("the password", fs::write(&password, PASSWORD).and_then(|()| own(&password, user, 0o600)));
    let mut initdb = command(programs.join("initdb"), user);
    initdb.args(["--no-sync", "--no-locale", "--encoding=UTF8", "--username=countersign", "--auth=scram-sha-256"]);
    initdb.arg("--pgdata").arg(folder.join("data")).arg("--pwfile").arg(&password);
    let output = done("initdb", initdb.output());
    assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
}

/// A port that was free may be another's a moment later: then another is taken.
#[track_caller]
fn start_anywhere(programs: &Path, user: Option<(u32, u32)>, folder: &Path, settings: &[String]) -> (u16, Child) {
    for _ in 0..5 {
        let port = free_port();
        let mut server = launch(programs, user, folder, port, settings);
        let end = Instant::now() + PATIENCE;
        while matches!(server.try_wait(), Ok(None)) && Instant::now() < end {
            // Its eighth line is written when it listens.
            let told = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
            if told.lines().nth(7).is_some() {
                return (port, server);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    panic!("the PostgreSQL server does not start:\n{log}");
}

#[track_caller]
pub(crate) fn free_port() -> u16 {
    done("a free port", TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr())).port()
}

#[track_caller]
fn launch(programs: &Path, user: Option<(u32, u32)>, folder: &Path, port: u16, settings: &[String]) -> Child {
    let log = done("the log", fs::File::options().create(true).append(true).open(folder.join("log")));
    let errors = done("the log", log.try_clone());
    let mut server = command(programs.join("postgres"), user);
    server.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string(), "-k", ""]);
    for setting in ["listen_addresses=127.0.0.1", "max_connections=200"] {
        server.args(["-c", setting]);
    }
    for setting in settings {
        server.args(["-c", setting]);
    }
    done("the server", server.stdin(Stdio::null()).stdout(log).stderr(errors).spawn())
}

#[track_caller]
fn signal(name: &str, process: u32) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status();
    assert!(sent.is_ok_and(|status| status.success()), "the server could not be told to end");
}

#[track_caller]
pub(crate) fn done<T>(what: &str, outcome: io::Result<T>) -> T {
    match outcome {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error}"),
    }
}
