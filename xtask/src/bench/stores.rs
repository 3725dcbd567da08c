//! The rows of the stores: what a call costs against the driver alone, and how a backlog goes beside traffic.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use super::goals::Line;
use crate::command::{Failure, cargo, output, run as run_command};
use crate::project::Project;

const PACKAGE: &str = "countersign-store-benches";
const STORES: [&str; 5] = ["memory", "sqlite", "postgres", "redis", "redis-cluster"];
/// A commit beside two sweepers: what 99 of 100 take at most, in microseconds.
const LONGEST_BESIDE: f64 = 100_000.0;

/// The program that measures, as a release.
pub(super) struct Stores(PathBuf);

impl Stores {
    pub(super) fn build(project: &Project) -> Result<Self, Failure> {
        run_command(cargo(&project.root).args(["build", "--locked", "--release", "--package", PACKAGE]))?;
        Ok(Self(project.target.join("release").join(PACKAGE)))
    }

    fn lines(&self, words: &[&str]) -> Result<BTreeMap<String, Vec<f64>>, Failure> {
        read(&output(Command::new(&self.0).args(words))?)
    }

    /// Everything, with backlogs of so many records.
    pub(super) fn rows(&self, backlog: u32) -> Result<Vec<Line>, Failure> {
        let mut lines = Vec::new();
        for server in ["postgres", "redis"] {
            for (name, figures) in self.lines(&[server, "5"])? {
                lines.push(cost(&name, &figures)?);
            }
        }
        lines.extend(self.sweeps(backlog)?);
        for store in ["memory", "sqlite"] {
            for figures in self.lines(&["live", store, "1000000"])?.values() {
                lines.push(live(store, figures)?);
            }
        }
        Ok(lines)
    }

    pub(super) fn sweeps(&self, backlog: u32) -> Result<Vec<Line>, Failure> {
        let mut lines = Vec::new();
        for store in STORES {
            for figures in self.lines(&["sweep", store, &backlog.to_string()])?.values() {
                lines.push(sweep(store, figures)?);
            }
        }
        Ok(lines)
    }
}

/// That the program runs against every store: a few records, nothing judged but that they go.
pub(super) fn smoke(project: &Project) -> Result<(), Failure> {
    for store in STORES {
        let mut command = cargo(&project.root);
        command.args(["run", "--locked", "--quiet", "--package", PACKAGE, "--", "sweep", store, "2000"]);
        let told = read(&output(&mut command)?)?;
        let figures = told.get(store).ok_or_else(unread)?;
        println!("{}", sweep(store, figures)?.measured_of());
    }
    Ok(())
}

fn unread() -> Failure {
    Failure::Failed("the program that measures the stores prints something else than names and numbers".to_owned())
}

/// A name and numbers a line.
fn read(text: &str) -> Result<BTreeMap<String, Vec<f64>>, Failure> {
    let line = |line: &str| {
        let mut fields = line.split('\t');
        let name = fields.next()?.to_owned();
        Some((name, fields.map(|field| field.parse().ok()).collect::<Option<Vec<f64>>>()?))
    };
    text.lines().map(|text| line(text).ok_or_else(unread)).collect()
}

/// CPU time decides: the rate is that of a machine which others use too.
fn cost(name: &str, figures: &[f64]) -> Result<Line, Failure> {
    let [rate, by_cpu, ours, lone] = figures else { return Err(unread()) };
    // The driver's lone statement for three records judges nothing and locks nothing.
    let told_only = name.contains("three");
    Ok(Line {
        row: name.to_owned(),
        goal: if told_only { "told".to_owned() } else { "at least 0.85 of the driver alone".to_owned() },
        measured: format!("{by_cpu:.2} by CPU time ({ours:.0} µs against {lone:.0}), {rate:.2} by rate"),
        met: told_only || *by_cpu >= 0.85 || *rate >= 0.85,
    })
}

fn sweep(store: &str, figures: &[f64]) -> Result<Line, Failure> {
    let [records, seconds, alone, alone_99, _, beside, beside_99, longest] = figures else { return Err(unread()) };
    let millis = |micros: &f64| micros / 1_000.0;
    Ok(Line {
        row: format!("sweep of {records} records beside traffic, {store}"),
        goal: format!("99 of 100 commits within {:.0} ms", millis(&LONGEST_BESIDE)),
        measured: format!(
            "{:.0} a second; commits: median {:.2} ms (alone {:.2}), 99 of 100 within {:.2} (alone {:.2}), all within {:.0}",
            records / seconds.max(1e-9),
            millis(beside),
            millis(alone),
            millis(beside_99),
            millis(alone_99),
            millis(longest)
        ),
        met: *beside_99 <= LONGEST_BESIDE,
    })
}

fn live(store: &str, figures: &[f64]) -> Result<Line, Failure> {
    let [records, held, each] = figures else { return Err(unread()) };
    Ok(Line {
        row: format!("{records} live records of 500 bytes, {store}"),
        goal: "told".to_owned(),
        measured: format!("{:.0} MiB resident, {each} bytes a record", held / 1_048_576.0),
        met: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_costs_too_much_or_waits_too_long_misses_its_goal() {
        assert!(cost("redis, 8 callers, commit of one", &[0.5, 0.85, 10.0, 8.5]).unwrap().met);
        assert!(cost("redis, 8 callers, commit of one", &[0.85, 0.5, 10.0, 5.0]).unwrap().met);
        assert!(!cost("redis, 8 callers, commit of one", &[0.84, 0.84, 10.0, 8.4]).unwrap().met);
        let waits = |longest| sweep("memory", &[1e6, 10.0, 1.0, 2.0, 3.0, 1.0, longest, 1e9]).unwrap().met;
        assert!(waits(100_000.0) && !waits(100_001.0));
    }

    #[test]
    fn what_is_not_a_name_and_numbers_is_an_error() {
        assert_eq!(read("memory\t1\t2.5\n").unwrap()["memory"], [1.0, 2.5]);
        assert!(read("memory\tx\n").is_err() && sweep("memory", &[1.0]).is_err());
    }
}
