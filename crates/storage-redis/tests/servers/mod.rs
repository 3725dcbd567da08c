//! Servers of one's own: started on free ports with folders that are thrown away, and stopped with the value, even when a
//! test panics or its process is killed.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Kills the server when it is told to or when the test process ends, however it ends: its end of the pipe closes with it.
/// Then nobody is left to remove the folder either.
const WATCH: &str =
    r#""$@" & pid=$!; echo "pid $pid"; read word; kill -9 $pid 2> /dev/null; wait; [ "$word" ] || rm -rf "$0""#;

/// A folder of its own, gone with the value.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("countersign-redis-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// A running redis-server or redis-sentinel.
#[derive(Debug)]
pub(crate) struct Redis {
    pub(crate) port: u16,
    program: &'static str,
    settings: Vec<String>,
    running: Option<Running>,
    folder: Folder,
}

#[derive(Debug)]
struct Running {
    watch: Child,
    pid: u32,
}

impl Running {
    /// Starts a program and waits for the line that says it is ready; none if it ended before.
    fn start(program: &str, arguments: &[String], folder: &Folder, ready: &str) -> Option<Self> {
        let mut watch = Command::new("sh");
        watch.args(["-c", WATCH]).arg(&folder.0).arg(program).args(arguments);
        watch.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut running = Self { watch: watch.spawn().unwrap(), pid: 0 };
        let (tell, told) = mpsc::channel();
        let output = BufReader::new(running.watch.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Nobody listens any more once the server is ready; its output is read on all the same.
                let _ = tell.send(line);
            }
        });
        let deadline = Instant::now() + PATIENCE;
        let next = || told.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok();
        running.pid = next()?.strip_prefix("pid ")?.parse().ok()?;
        loop {
            match next() {
                Some(line) if line.contains(ready) || line.contains("Sentinel ID is") => {
                    return Some(running);
                }
                Some(line) if line.contains("Address already in use") || line.contains("FATAL") => {
                    running.stop();
                    return None;
                }
                Some(_) => {}
                None => {
                    running.stop();
                    panic!("{program} did not get ready");
                }
            }
        }
    }

    fn stop(&mut self) {
        if let Some(mut pipe) = self.watch.stdin.take() {
            pipe.write_all(b"stop\n").ok();
        }
        self.watch.wait().ok();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port that is free at the moment.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Redis {
    /// A server without persistence, with the settings given: `["--appendonly", "yes"]`.
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::start_program("redis-server", settings)
    }

    fn start_program(program: &'static str, settings: &[&str]) -> Self {
        for _ in 0..10 {
            let settings = settings.iter().map(|&word| word.to_owned()).collect();
            let mut server = Self { port: free_port(), program, settings, running: None, folder: Folder::new() };
            if server.try_run() {
                return server;
            }
        }
        panic!("ten ports were taken by others");
    }

    /// A sentinel that watches a master.
    pub(crate) fn sentinel(name: &str, master: &Self, quorum: u32) -> Self {
        Self::sentinel_with(name, master.port, quorum, "")
    }

    /// A sentinel with further lines in its configuration.
    pub(crate) fn sentinel_with(name: &str, master: u16, quorum: u32, lines: &str) -> Self {
        for _ in 0..10 {
            let folder = Folder::new();
            let port = free_port();
            let config = folder.0.join("sentinel.conf");
            let text = format!(
                "port {port}\nbind 127.0.0.1\nsentinel monitor {name} 127.0.0.1 {master} {quorum}\n\
                 sentinel down-after-milliseconds {name} 500\nsentinel failover-timeout {name} 3000\n{lines}"
            );
            fs::write(&config, text).unwrap();
            let settings = vec![config.display().to_string()];
            let mut server = Self { port, program: "redis-sentinel", settings, running: None, folder };
            if server.try_run() {
                return server;
            }
        }
        panic!("ten ports were taken by others");
    }

    fn try_run(&mut self) -> bool {
        self.try_run_until("Ready to accept connections")
    }

    /// Starts the program and waits until it says so.
    fn try_run_until(&mut self, ready: &str) -> bool {
        let arguments = if self.program == "redis-sentinel" {
            self.settings.clone()
        } else {
            let own = [
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--dir",
                &self.folder.0.display().to_string(),
                "--save",
                "",
                "--databases",
                "400",
                "--repl-diskless-sync-delay",
                "0",
                "--enable-protected-configs",
                "yes",
            ]
            .map(str::to_owned);
            own.into_iter().chain(self.settings.iter().cloned()).collect()
        };
        let program = std::env::var("COUNTERSIGN_TEST_REDIS_SERVER").unwrap_or_else(|_| self.program.to_owned());
        let program = if self.program == "redis-server" { program } else { self.program.to_owned() };
        self.running = Running::start(&program, &arguments, &self.folder, ready);
        self.running.is_some()
    }

    /// Starts it again on its port and folder, after [`Redis::kill`].
    pub(crate) fn restart(&mut self) {
        assert!(self.try_run(), "its port is free again");
    }

    /// As [`Redis::restart`], but back as soon as it listens: it may still read its files.
    pub(crate) fn restart_unready(&mut self) {
        assert!(self.try_run_until("Server initialized"), "its port is free again");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.signal("-KILL");
        self.running = None;
    }

    /// Sends a signal: `-STOP`, `-CONT`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.running.as_ref().unwrap().pid.to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// What `redis-cli` prints for a command.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-h", "127.0.0.1", "-p", &port]).args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Waits until `redis-cli` prints something with `wanted` in it.
    pub(crate) fn wait_for(&self, words: &[&str], wanted: &str) {
        until(&format!("{words:?} shows {wanted}"), || self.ask(words).contains(wanted));
    }

    /// A replica of this server that has caught up.
    pub(crate) fn replica(&self, settings: &[&str]) -> Self {
        let port = self.port.to_string();
        let replica = Self::start(&[&["--replicaof", "127.0.0.1", &port], settings].concat());
        replica.wait_for(&["INFO", "replication"], "master_link_status:up");
        self.wait_for(&["INFO", "replication"], &format!("port={},state=online", replica.port));
        replica
    }
}

/// Waits for something that another process does.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A cluster: masters, and replicas of them.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) masters: Vec<Redis>,
    pub(crate) replicas: Vec<Redis>,
    url: String,
}

/// A server that is to be part of a cluster.
struct Node {
    server: Redis,
    /// Where the others talk to it.
    bus: String,
    /// The port that the cluster tells its clients.
    known_by: u16,
}

impl Node {
    fn start(settings: &[&str]) -> Self {
        // The bus listens on a free port too, rather than 10,000 above the server's.
        let bus = free_port().to_string();
        let own = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", &bus];
        let server = Redis::start(&[&own[..], &["--cluster-replica-validity-factor", "0"], settings].concat());
        Self { known_by: server.port, server, bus }
    }
}

impl Cluster {
    /// Three masters that share the slots, each with so many replicas.
    pub(crate) fn start(replicas: usize, settings: &[&str]) -> Self {
        let nodes: Vec<_> = (0..3 + 3 * replicas).map(|_| Node::start(settings)).collect();
        let seeds: Vec<_> = nodes[..3].iter().map(|node| format!("127.0.0.1:{}", node.server.port)).collect();
        Self::meet(nodes, format!("redis-cluster://{}", seeds.join(",")))
    }

    /// Three masters that tell their clients and each other of their ports for TLS alone, with the settings of such a port.
    pub(crate) fn start_by_tls(settings: impl Fn(u16) -> Vec<String>) -> Self {
        let node = || {
            let port = free_port();
            let settings = settings(port);
            let settings: Vec<_> = settings.iter().map(String::as_str).chain(["--tls-cluster", "yes"]).collect();
            Node { known_by: port, ..Node::start(&settings) }
        };
        let nodes: Vec<_> = (0..3).map(|_| node()).collect();
        let seeds: Vec<_> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.known_by)).collect();
        Self::meet(nodes, format!("rediss-cluster://{}", seeds.join(",")))
    }

    /// The first three become masters, the others replicas of theirs.
    fn meet(nodes: Vec<Node>, url: String) -> Self {
        for (at, range) in [("0", "5460"), ("5461", "10922"), ("10923", "16383")].into_iter().enumerate() {
            let master = &nodes[at].server;
            assert_eq!(master.ask(&["CLUSTER", "ADDSLOTSRANGE", range.0, range.1]), "OK");
            assert_eq!(master.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]), "OK");
        }
        for other in &nodes[1..] {
            let port = other.known_by.to_string();
            assert_eq!(nodes[0].server.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &other.bus]), "OK");
        }
        let nodes: Vec<_> = nodes.into_iter().map(|node| node.server).collect();
        let known = format!("cluster_known_nodes:{}", nodes.len());
        for node in &nodes {
            node.wait_for(&["CLUSTER", "INFO"], &known);
        }
        let ids: Vec<_> = nodes[..3].iter().map(|master| master.ask(&["CLUSTER", "MYID"])).collect();
        for (at, replica) in nodes[3..].iter().enumerate() {
            let id = &ids[at % 3];
            until("the replica follows", || replica.ask(&["CLUSTER", "REPLICATE", id]) == "OK");
            replica.wait_for(&["INFO", "replication"], "master_link_status:up");
        }
        for node in &nodes {
            node.wait_for(&["CLUSTER", "INFO"], "cluster_state:ok");
        }
        // A node says it is well before each has heard of all slots.
        for node in &nodes {
            until("every slot has its master", || {
                let slots = node.ask(&["CLUSTER", "SLOTS"]);
                ids.iter().all(|id| slots.contains(id.as_str()))
            });
        }
        let mut masters = nodes;
        let replicas = masters.split_off(3);
        Self { masters, replicas, url }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) fn clear(&self) {
        for master in &self.masters {
            assert_eq!(master.ask(&["FLUSHALL"]), "OK");
        }
    }
}
