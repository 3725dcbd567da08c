//! `cargo xtask bench`: the performance budget, measured and judged.
//!
//! Instructions and allocations are the same on every run, so they are what a change is judged by (`--quick`, in CI): against
//! the figures in `benches/figures.tsv`. Times are only ever told, and compared within one run.

mod figures;
mod goals;
mod stores;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Failure, cargo, output, run as run_command};
use crate::project::Project;
use crate::services;
use figures::{Figure, Figures};

/// What is asked of `cargo xtask bench`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everything, told as a table of goals.
    Full,
    /// Only what is the same on every run, against the recorded figures.
    Quick,
    /// As `Quick`, and what was measured becomes what is recorded.
    Record,
}

/// How often each thing is done under callgrind: enough that a table which grows now and then weighs nothing.
const ROUNDS: u64 = 32;

pub(crate) fn run(project: &Project, mode: Mode, install: bool) -> Result<(), Failure> {
    services::valgrind(install)?;
    run_command(cargo(&project.root).args(["build", "--locked", "--release", "--package", "countersign-benches"]))?;
    let bench =
        Bench { program: project.target.join("release/countersign-benches"), scratch: project.target.join("bench") };
    std::fs::create_dir_all(&bench.scratch).map_err(|error| broken(&bench.scratch, &error))?;
    let measured = bench.figures()?;
    let recorded = project.root.join("benches/figures.tsv");
    match mode {
        Mode::Record => std::fs::write(&recorded, measured.to_string()).map_err(|error| broken(&recorded, &error)),
        Mode::Quick => {
            println!("{measured}");
            let text = std::fs::read_to_string(&recorded).map_err(|error| broken(&recorded, &error))?;
            measured.judge(&Figures::parse(&text)?)?;
            stores::smoke(project)
        }
        Mode::Full => goals::tell(project, &bench, &measured),
    }
}

/// A million expired records in every store, and two sweepers beside traffic.
pub(crate) fn soak(project: &Project) -> Result<(), Failure> {
    goals::judge(&stores::Stores::build(project)?.sweeps(1_000_000)?)
}

/// The program that is measured.
struct Bench {
    program: PathBuf,
    scratch: PathBuf,
}

impl Bench {
    /// The fields of each line that the program prints for these words.
    fn lines(&self, words: &[&str]) -> Result<Vec<Vec<String>>, Failure> {
        let text = output(Command::new(&self.program).args(words))?;
        Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }

    /// Instructions by callgrind, and allocations, of everything that can be measured.
    fn figures(&self) -> Result<Figures, Failure> {
        let mut figures = Figures::default();
        for name in self.lines(&["names"])?.into_iter().flatten() {
            figures.add(name.clone(), self.figure(&name)?);
        }
        Ok(figures)
    }

    fn figure(&self, name: &str) -> Result<Figure, Failure> {
        let (profile, log) = (self.scratch.join("callgrind.out"), self.scratch.join("callgrind.log"));
        let mut command = Command::new("valgrind");
        command.arg("--tool=callgrind").arg("--toggle-collect=*meter*measured*");
        command.arg(format!("--callgrind-out-file={}", profile.display()));
        command.arg(format!("--log-file={}", log.display()));
        let text = output(command.arg(&self.program).args(["counts", &ROUNDS.to_string(), name]))?;
        let log = std::fs::read_to_string(&log).map_err(|error| broken(&log, &error))?;
        let unread = || Failure::Failed(format!("callgrind tells nothing of {name}"));
        let instructions = collected(&log).ok_or_else(unread)? / ROUNDS;
        let allocations = text.trim().split('\t').nth(1).and_then(|calls| calls.parse().ok()).ok_or_else(unread)?;
        Ok(Figure { instructions, allocations })
    }
}

/// The sum in callgrind's closing line: `==1== Collected : 74072924`.
fn collected(log: &str) -> Option<u64> {
    let line = log.lines().rev().find_map(|line| line.split_once("Collected :"))?;
    line.1.trim().parse().ok().filter(|&sum| sum > 0)
}

fn broken(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callgrinds_sum_is_read_and_nothing_counts_as_none() {
        let log = "==1== Events    : Ir\n==1== Collected : 74072924\n==1== \n==1== I   refs:      74,072,924\n";
        assert_eq!(collected(log), Some(74_072_924));
        assert_eq!(collected("==1== Collected : 0\n"), None);
        assert_eq!(collected("valgrind: failed to start tool"), None);
    }
}
