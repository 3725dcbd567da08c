//! Programs that a test starts and that must not outlive it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A running program, its output read line by line; killed when this value goes.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts the program.
    #[must_use]
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => panic!("{name}: {error}"),
        };
        let lines = Arc::default();
        let readers = [collect(child.stdout.take(), &lines), collect(child.stderr.take(), &lines)];
        Self { name, child, lines, readers: readers.into_iter().flatten().collect() }
    }

    /// Waits for a line that `wanted` accepts, and returns what it makes of it.
    #[track_caller]
    pub fn wait_for<T>(&mut self, patience: Duration, wanted: impl Fn(&str) -> Option<T>) -> T {
        let end = Instant::now() + patience;
        loop {
            // All that it said is read before its silence is judged.
            let read = self.readers.iter().all(JoinHandle::is_finished);
            let ended = self.child.try_wait().ok().flatten().filter(|_| read);
            if let Some(found) = self.lines().iter().find_map(|line| wanted(line)) {
                return found;
            }
            if let Some(status) = ended {
                panic!("{} ended early with {status}:\n{}", self.name, self.output());
            }
            assert!(Instant::now() < end, "{} did not say what was waited for:\n{}", self.name, self.output());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the program's end, and for the end of what it says.
    #[track_caller]
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let end = Instant::now() + patience;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if self.readers.iter().all(JoinHandle::is_finished) => return status,
                Ok(_) => {}
                Err(error) => panic!("{}: {error}", self.name),
            }
            assert!(Instant::now() < end, "{} did not end:\n{}", self.name, self.output());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks the program to end (SIGTERM).
    #[track_caller]
    pub fn terminate(&self) {
        let sent = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{} could not be told to end", self.name);
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// Everything it has printed, on both streams.
    #[must_use]
    pub fn output(&self) -> String {
        self.lines().join("\n")
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn collect(stream: Option<impl Read + Send + 'static>, lines: &Arc<Mutex<Vec<String>>>) -> Option<JoinHandle<()>> {
    let lines = Arc::clone(lines);
    let stream = BufReader::new(stream?);
    Some(thread::spawn(move || {
        for line in stream.lines().map_while(Result::ok) {
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn lines_are_waited_for_and_the_status_is_told() {
        let mut process = Process::start(Command::new("sh").args(["-c", "echo starting >&2; echo ready at=7; exit 3"]));
        let at = process.wait_for(PATIENCE, |line| line.strip_prefix("ready at=").map(str::to_owned));
        assert_eq!(at, "7");
        assert_eq!(process.wait(PATIENCE).code(), Some(3));
    }

    #[test]
    fn a_process_ends_with_its_value() {
        let mut process = Process::start(Command::new("sh").args(["-c", "echo $$; exec sleep 600"]));
        let id = process.wait_for(PATIENCE, |line| Some(line.to_owned()));
        drop(process);
        let alive = Command::new("sh").args(["-c", &format!("kill -0 {id} 2>/dev/null")]).status().unwrap();
        assert!(!alive.success());
    }

    #[test]
    #[should_panic(expected = "ended early")]
    fn a_program_that_ends_is_not_waited_for() {
        Process::start(Command::new("sh").args(["-c", "exit 1"])).wait_for(PATIENCE, |_| None::<()>);
    }
}
