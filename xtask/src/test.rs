//! `cargo xtask test`: every test there is, none skipped.

use crate::command::{Failure, cargo, each_line, run as run_command};
use crate::project::Project;
use crate::services::Services;

/// Prepares what the tests need and runs them all, with every feature on, documentation tests included.
pub(crate) fn run(project: &Project, install: bool) -> Result<(), Failure> {
    let services = Services::prepare(project, install)?;
    // The black-box tests start the program as a user gets it: with its own features, not those of the whole workspace.
    run_command(cargo(&project.root).args(["build", "--locked", "--package", "quickstart"]))?;

    let mut command = cargo(&project.root);
    command.args(["test", "--locked", "--workspace", "--all-features", "--no-fail-fast"]).envs(services.environment());
    let mut tally = Tally::default();
    let passed = each_line(&mut command, |line| {
        println!("{line}");
        tally.add(line);
    })?;
    println!("\n{} passed, {} failed", tally.passed, tally.failed);
    tally.judge(passed)
}

/// What the test runners' closing lines add up to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    /// Reads one line such as `test result: ok. 3 passed; 0 failed; 0 ignored; …`; other lines count for nothing.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        for count in counts.split("; ") {
            let Some((number, what)) = count.split_once(' ') else { continue };
            let number: u64 = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    /// A run is good when cargo says so, something ran, and nothing was skipped.
    fn judge(&self, passed: bool) -> Result<(), Failure> {
        if !passed || self.failed > 0 {
            return Err(Failure::Failed("cargo test".into()));
        }
        if self.ignored > 0 {
            return Err(Failure::Failed(format!("{} tests are marked to be skipped; none may be", self.ignored)));
        }
        if self.passed == 0 {
            return Err(Failure::Failed("no test ran".into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.add(line));
        tally
    }

    #[test]
    fn closing_lines_add_up() {
        let tally = tally(&[
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 1 passed; 2 failed; 4 ignored; 0 measured; 0 filtered out; finished in 1.00s",
        ]);
        assert_eq!(tally, Tally { passed: 4, failed: 2, ignored: 4 });
    }

    #[test]
    fn a_run_without_tests_or_with_skipped_ones_is_not_good() {
        assert!(tally(&["test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured"]).judge(true).is_ok());
        assert!(tally(&["test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured"]).judge(false).is_err());
        assert!(tally(&["test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured"]).judge(true).is_err());
        assert!(tally(&[]).judge(true).is_err());
    }
}
