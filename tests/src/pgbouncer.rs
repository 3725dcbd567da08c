//! PgBouncer before a PostgreSQL server.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::postgres::{self, PASSWORD, Postgres, command, done};

const PATIENCE: Duration = Duration::from_secs(60);
/// How many stores of their own there may be behind one pooler.
const STORES: u32 = 128;

/// A running PgBouncer on a free port of 127.0.0.1. It ends with this value, and with the test's process in any case.
#[derive(Debug)]
pub struct PgBouncer {
    folder: PathBuf,
    port: u16,
    watch: Mutex<Child>,
    used: AtomicU32,
}

impl PgBouncer {
    /// Starts one before the server at `target` (its own address, or that of a relay before it), in `mode` `transaction` or
    /// `session`, with further lines of its configuration.
    #[must_use]
    #[track_caller]
    pub fn before(server: &Postgres, target: &str, mode: &str, lines: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("countersign-pgbouncer-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        let user = postgres::unprivileged_user();
        done("the pooler's folder", postgres::make_folder(&folder, user));
        let (host, target_port) = target.rsplit_once(':').unwrap_or((target, "5432"));
        // A start-up parameter for the schema does not pass a pooler, so each store has a user with a schema of its own.
        let databases: String = (0..STORES)
            .map(|at| {
                format!("s{at} = host={host} port={target_port} dbname=countersign user=s{at} password={PASSWORD}\n")
            })
            .collect();
        let roles: String = (0..STORES)
            .map(|at| {
                format!(
                    "CREATE ROLE s{at} LOGIN PASSWORD '{PASSWORD}'; CREATE SCHEMA s{at} AUTHORIZATION s{at}; \
                     ALTER ROLE s{at} SET search_path = s{at}; "
                )
            })
            .collect();
        // Several poolers may stand before one server.
        if server.sql("countersign", "SELECT count(*) FROM pg_roles WHERE rolname = 's0'") == "0" {
            server.sql("countersign", &roles);
        }
        done("the user list", fs::write(folder.join("users"), format!("\"countersign\" \"{PASSWORD}\"\n")));
        for _ in 0..5 {
            let port = postgres::free_port();
            let config = format!(
                "[databases]\n{databases}[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = scram-sha-256\nauth_file = {}\npool_mode = {mode}\nmax_client_conn = 500\n\
                 default_pool_size = 4\nserver_idle_timeout = 2\nserver_login_retry = 1\nquery_wait_timeout = 5\n{}\n",
                folder.join("users").display(),
                lines.join("\n"),
            );
            done("the configuration", fs::write(folder.join("pgbouncer.ini"), config));
            let watch = launch(&folder);
            let bouncer = Self { folder: folder.clone(), port, watch: Mutex::new(watch), used: AtomicU32::new(0) };
            if bouncer.listens() {
                return bouncer;
            }
        }
        panic!("PgBouncer does not start:\n{}", fs::read_to_string(folder.join("log")).unwrap_or_default());
    }

    /// The URL of a schema of its own, through the pooler.
    #[must_use]
    pub fn fresh_schema(&self) -> String {
        let at = self.used.fetch_add(1, Ordering::Relaxed);
        assert!(at < STORES, "more stores behind one pooler than it knows of");
        format!("postgres://countersign:{PASSWORD}@127.0.0.1:{}/s{at}", self.port)
    }

    /// Kills it where it stands (SIGKILL).
    pub fn kill(&self) {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        drop(watch.stdin.take());
        watch.wait().ok();
    }

    /// Starts it again on its port.
    #[track_caller]
    pub fn resume(&self) {
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = launch(&self.folder);
        assert!(self.listens(), "the pooler's port is free again");
    }

    fn listens(&self) -> bool {
        let end = Instant::now() + PATIENCE;
        let ended = || {
            let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
            !matches!(watch.try_wait(), Ok(None))
        };
        while Instant::now() < end && !ended() {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.kill();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Starts it under a shell that kills it when the shell's input ends, and that ends when it does.
#[track_caller]
fn launch(folder: &PathBuf) -> Child {
    let script = "\"$1\" -q \"$2/pgbouncer.ini\" >>\"$2/log\" 2>&1 </dev/null & pid=$!; echo started; \
                  (cat >/dev/null; kill -9 $pid) <&3 2>/dev/null & wait $pid";
    let program = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .chain(["/usr/sbin".into()])
        .map(|folder| folder.join("pgbouncer"))
        .find(|file| file.is_file());
    let Some(program) = program else {
        panic!("no PgBouncer: install it, or run the tests by `cargo xtask test`, which does")
    };
    let mut shell = command("sh", postgres::unprivileged_user());
    shell.args(["-c", &format!("exec 3<&0; {script}"), "pgbouncer"]).arg(program).arg(folder);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut watch = done("the pooler", shell.spawn());
    if let Some(output) = watch.stdout.take() {
        BufReader::new(output).read_line(&mut String::new()).ok();
    }
    watch
}
