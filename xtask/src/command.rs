//! Running other programs, and the ways in which that ends.

use std::fmt;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// Why a command of this program ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It ran, and the answer is no.
    Failed(String),
    /// It was asked for something that it does not know.
    Usage(&'static str),
    /// A program or package is missing and could not be installed.
    Missing(String),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Missing(_) => 3,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(what) => write!(f, "failed: {what}"),
            Self::Usage(usage) => f.write_str(usage),
            Self::Missing(what) => write!(f, "missing: {what}"),
        }
    }
}

/// `cargo`, the one that started this program, in the workspace's root.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// Says what is run and runs it to its end.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    announce(command);
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if status.success() { Ok(()) } else { Err(Failure::Failed(format!("{} ({status})", line(command)))) }
}

/// Whether the command runs and succeeds; what it prints is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What the command prints; its errors go to the terminal.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| not_started(command, &error))?;
    if !output.status.success() {
        return Err(Failure::Failed(format!("{} ({})", line(command), output.status)));
    }
    String::from_utf8(output.stdout).map_err(|_| Failure::Failed(format!("{}: output is not UTF-8", line(command))))
}

/// Runs the command and hands over each line as it is printed; the answer is whether it succeeded.
pub(crate) fn each_line(command: &mut Command, mut heard: impl FnMut(&str)) -> Result<bool, Failure> {
    announce(command);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| not_started(command, &error))?;
    let mut lines = child.stdout.take().map(BufReader::new);
    let mut text = Vec::new();
    while let Some(lines) = &mut lines {
        text.clear();
        match lines.read_until(b'\n', &mut text) {
            Ok(0) => break,
            Ok(_) => heard(String::from_utf8_lossy(&text).trim_end_matches('\n')),
            Err(error) => return Err(Failure::Failed(format!("{}: {error}", line(command)))),
        }
    }
    let status = child.wait().map_err(|error| not_started(command, &error))?;
    Ok(status.success())
}

fn announce(command: &Command) {
    println!("$ {}", line(command));
}

/// The command as a person would type it: the program by its name alone.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let words = program.file_name().into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn not_started(command: &Command, error: &io::Error) -> Failure {
    let what = format!("{}: {error}", command.get_program().to_string_lossy());
    if error.kind() == io::ErrorKind::NotFound { Failure::Missing(what) } else { Failure::Failed(what) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_a_failure_and_an_absent_one_is_missing() {
        assert!(run(Command::new("sh").args(["-c", "exit 0"])).is_ok());
        assert!(matches!(run(Command::new("sh").args(["-c", "exit 7"])), Err(Failure::Failed(_))));
        assert!(matches!(run(&mut Command::new("no-such-program-anywhere")), Err(Failure::Missing(_))));
    }

    #[test]
    fn lines_arrive_whole_and_the_outcome_is_told() {
        let mut heard = Vec::new();
        let passed = each_line(Command::new("sh").args(["-c", "printf 'a\\nb c\\nend'; exit 1"]), |line| {
            heard.push(line.to_owned());
        });
        assert!(!passed.unwrap());
        assert_eq!(heard, ["a", "b c", "end"]);
    }
}
