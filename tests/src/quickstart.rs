//! The quickstart as a user starts it: a process, its switches, its line that says it is ready.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::process::Process;
use crate::scratch::Scratch;
use crate::trust::{Trusted, trust};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running quickstart on a port and in a data folder of its own; it ends, and its data goes, with this value.
#[derive(Debug)]
pub struct Quickstart {
    process: Process,
    issuer: String,
    outbox: PathBuf,
    data: PathBuf,
    switches: Vec<String>,
    /// Where it listens, unless its issuer says so.
    address: Option<String>,
    scratch: Scratch,
    /// Its own authority, where it serves by `--tls self-signed`.
    trusted: Option<Trusted>,
}

impl Quickstart {
    /// Starts it with these switches beside `--listen` and `--data`, and waits until it serves.
    #[must_use]
    #[track_caller]
    pub fn start(switches: &[&str]) -> Self {
        Self::launch(Scratch::new(), None, switches)
    }

    /// One of several nodes behind one issuer: it listens on a port that the issuer does not name.
    #[must_use]
    #[track_caller]
    pub fn node(issuer: &str, port: u16, toml: &str, switches: &[&str]) -> Self {
        let scratch = Scratch::new();
        let file = scratch.file("quickstart.toml", toml);
        let file = file.to_string_lossy();
        let address = format!("localhost:{port}");
        Self::launch(scratch, Some(address), &[&["--config", &file, "--issuer", issuer], switches].concat())
    }

    /// The same by HTTPS, with a certificate of its own, which everything here then trusts.
    #[must_use]
    #[track_caller]
    pub fn secure(switches: &[&str]) -> Self {
        Self::start(&[&["--tls", "self-signed"], switches].concat())
    }

    /// The same with a configuration file of this text.
    #[must_use]
    #[track_caller]
    pub fn configured(toml: &str, switches: &[&str]) -> Self {
        let scratch = Scratch::new();
        let file = scratch.file("quickstart.toml", toml);
        let file = file.to_string_lossy();
        Self::launch(scratch, None, &[&["--config", &file], switches].concat())
    }

    #[track_caller]
    fn launch(scratch: Scratch, address: Option<String>, switches: &[&str]) -> Self {
        let data = scratch.path().join("data").to_string_lossy().into_owned();
        let switches: Vec<String> = [&["--data", &data], switches].concat().into_iter().map(str::to_owned).collect();
        let (process, [issuer, outbox, data]) = serve(&scratch, address.as_deref().unwrap_or("localhost:0"), &switches);
        let authority = Path::new(&data).join("tls/ca.pem");
        let trusted = (issuer.starts_with("https://") && authority.exists()).then(|| trust(&issuer, &authority));
        Self { process, issuer, outbox: outbox.into(), data: data.into(), switches, address, scratch, trusted }
    }

    /// Ends it as an operator does, and starts it again at the same address with the same data.
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Kills it where it stands (SIGKILL), and starts it again at the same address with the same data.
    #[track_caller]
    pub fn crash(&mut self) {
        self.process.kill();
        self.start_again();
    }

    /// Kills it where it stands; [`Quickstart::start_again`] brings it back.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again at the same address with the same data.
    #[track_caller]
    pub fn start_again(&mut self) {
        let own = || self.issuer.split_once("://").unwrap_or_default().1.to_owned();
        let address = self.address.clone().unwrap_or_else(own);
        let (process, [issuer, ..]) = serve(&self.scratch, &address, &self.switches);
        assert_eq!(issuer, self.issuer, "another issuer after the restart");
        self.process = process;
    }

    /// Ends it as an operator does; [`Quickstart::start_again`] brings it back.
    #[track_caller]
    pub fn stop(&mut self) {
        self.process.terminate();
        let status = self.process.wait(PATIENCE);
        assert!(status.success(), "it ended with {status}:\n{}", self.process.output());
    }

    /// Gives a switch another value, from the next start on.
    pub fn switch(&mut self, name: &str, value: &str) {
        match self.switches.iter().position(|switch| switch == name) {
            Some(at) => value.clone_into(&mut self.switches[at + 1]),
            None => self.switches.extend([name.to_owned(), value.to_owned()]),
        }
    }

    /// The status and output of one of its commands, run to its end in its folder.
    #[must_use]
    #[track_caller]
    pub fn run(&self, words: &[&str]) -> (Option<i32>, String) {
        let mut process = Process::start(Self::command(self.scratch.path()).args(words));
        (process.wait(PATIENCE).code(), process.output())
    }

    /// The status and output of a start that is refused, with its switches and these.
    #[must_use]
    #[track_caller]
    pub fn serve_once(&self, switches: &[&str]) -> (Option<i32>, String) {
        let mut all: Vec<&str> = self.switches.iter().map(String::as_str).collect();
        for pair in switches.chunks(2) {
            if let Some(at) = all.iter().position(|switch| *switch == pair[0]) {
                all.drain(at..at + 2);
            }
        }
        Self::refused(self.scratch.path(), &[&all, switches].concat())
    }

    /// The folder that it was started in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// The status and output of a start that is refused, in this folder, and on a free port unless the switches say another.
    #[must_use]
    #[track_caller]
    pub fn refused(folder: &Path, switches: &[&str]) -> (Option<i32>, String) {
        let mut command = Self::command(folder);
        if !switches.contains(&"--listen") {
            command.args(["--listen", "localhost:0"]);
        }
        let mut process = Process::start(command.args(switches));
        (process.wait(PATIENCE).code(), process.output())
    }

    /// The program, in this folder and with nothing from the environment; its switches are the caller's.
    #[must_use]
    #[track_caller]
    pub fn command(folder: &Path) -> Command {
        let mut command = Command::new(program());
        // Each switch is a variable too, and the developer may have set some.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("COUNTERSIGN_")) {
            command.env_remove(name);
        }
        command.current_dir(folder);
        command
    }

    /// The issuer, without a slash at its end.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// An address of the issuer's: `path` begins with `/`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// The folder to which messages go.
    #[must_use]
    pub fn outbox(&self) -> &Path {
        &self.outbox
    }

    /// What was sent so far, the oldest first.
    #[must_use]
    #[track_caller]
    pub fn messages(&self) -> Vec<Value> {
        let entries = match std::fs::read_dir(&self.outbox) {
            Ok(entries) => entries.filter_map(Result::ok).map(|entry| entry.path()),
            Err(error) => panic!("{}: {error}", self.outbox.display()),
        };
        let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect();
        files.sort_unstable();
        let read = |path: PathBuf| serde_json::from_slice(&std::fs::read(path).ok()?).ok();
        files.into_iter().filter_map(read).collect()
    }

    /// The folder that keeps everything.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The certificate of its own authority, which a client must be told to trust; nothing where it serves without.
    #[must_use]
    pub fn authority(&self) -> Option<&Path> {
        self.trusted.as_ref().map(Trusted::authority)
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

#[track_caller]
fn serve(scratch: &Scratch, address: &str, switches: &[String]) -> (Process, [String; 3]) {
    let mut process = Process::start(Quickstart::command(scratch.path()).args(["--listen", address]).args(switches));
    let announced = process.wait_for(PATIENCE, ready);
    (process, announced)
}

/// Reads `ready issuer=… outbox=… data=…`.
fn ready(line: &str) -> Option<[String; 3]> {
    let (issuer, rest) = line.strip_prefix("ready issuer=")?.split_once(" outbox=")?;
    let (outbox, data) = rest.split_once(" data=")?;
    Some([issuer, outbox, data].map(str::to_owned))
}

/// The quickstart's program, built with the features that its users get. Nothing is done when it is built already.
#[track_caller]
fn program() -> &'static Path {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    match PROGRAM.get_or_init(build) {
        Some(program) => program,
        None => panic!("`cargo build --package quickstart` failed; run it to see why"),
    }
}

fn build() -> Option<PathBuf> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--package", "quickstart", "--message-format", "json"]);
    // What cargo tells this program of its own package is none of that build's business; some build scripts would run anew.
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_a_package(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    let output =
        command.current_dir(env!("CARGO_MANIFEST_DIR")).output().ok().filter(|output| output.status.success())?;
    let messages = String::from_utf8(output.stdout).ok()?;
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    programs.find(|program| program.file_stem().is_some_and(|name| name == "quickstart"))
}

fn is_of_a_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_is_read_whole() {
        let line = "ready issuer=http://localhost:4000 outbox=/data/my outbox data=/data";
        assert_eq!(ready(line).unwrap(), ["http://localhost:4000", "/data/my outbox", "/data"]);
        assert!(ready("ready").is_none() && ready("listening").is_none());
    }
}
