//! The rows of the budget: what is compared with what, and whether the goal is met.

use std::collections::{BTreeMap, BTreeSet};

use super::Bench;
use super::figures::{Figure, Figures};
use super::stores::Stores;
use crate::command::{Failure, cargo, output};
use crate::project::Project;

/// An operation whose cost is compared with the sum of others.
struct Ratio {
    row: &'static str,
    ours: &'static str,
    over: &'static [&'static str],
    at_most: f64,
    allocations_at_most: Option<f64>,
    instructions_at_most: Option<u64>,
}

const fn ratio(row: &'static str, ours: &'static str, over: &'static [&'static str], at_most: f64) -> Ratio {
    Ratio { row, ours, over, at_most, allocations_at_most: None, instructions_at_most: None }
}

const RATIOS: [Ratio; 10] = [
    Ratio { allocations_at_most: Some(2.0), ..ratio("issue a JWT", "jwt-issue", &["signature"], 1.05) },
    Ratio { allocations_at_most: Some(6.0), ..ratio("verify a JWT", "jwt-verify", &["verification"], 1.05) },
    Ratio {
        instructions_at_most: Some(40_000),
        ..ratio("client credentials, opaque", "client-credentials-opaque", &["limit-client-credentials"], 1.5)
    },
    ratio("client credentials, ES256", "client-credentials-jwt", &["limit-client-credentials-jwt", "signature"], 1.15),
    ratio("introspection, opaque", "introspection", &["limit-introspection"], 1.5),
    ratio("code, PKCE, ID token", "code", &["limit-code", "signature", "signature"], 1.3),
    ratio("refresh, ID token", "refresh", &["limit-refresh", "signature", "signature"], 1.3),
    ratio("discovery", "discovery", &["limit-discovery"], 1.05),
    ratio("key set", "jwks", &["limit-jwks"], 1.05),
    ratio("passkey assertion", "passkey-assertion", &["assertion-limit"], 1.05),
];

/// A line of the table.
pub(super) struct Line {
    pub(super) row: String,
    pub(super) goal: String,
    pub(super) measured: String,
    pub(super) met: bool,
}

impl Line {
    pub(super) fn measured_of(&self) -> String {
        format!("{}: {}", self.row, self.measured)
    }
}

/// Measures what else there is, prints the table, and fails when a goal is missed.
pub(super) fn tell(project: &Project, bench: &Bench, figures: &Figures) -> Result<(), Failure> {
    let times = numbers(&bench.lines(&["times", "64"])?)?;
    let mut lines = Vec::new();
    for ratio in &RATIOS {
        lines.push(ratio.line(figures, &times)?);
    }
    lines.push(within("TOTP, three windows", 1.2, of(&times, "totp")?));
    lines.push(within("passkey registration, beyond parsing", 5.0, of(&times, "passkey-registration")?));
    lines.extend(memory(&numbers(&bench.lines(&["memory"])?)?)?);
    let disk = bench.scratch.join("sqlite");
    lines.extend(sqlite(&numbers(&bench.lines(&["sqlite", &disk.to_string_lossy()])?)?)?);
    lines.push(crates(project)?);
    lines.extend(Stores::build(project)?.rows(100_000)?);
    judge(&lines)
}

/// Prints a table of goals, and fails when one is missed.
pub(super) fn judge(lines: &[Line]) -> Result<(), Failure> {
    println!("\n| operation | goal | measured | |\n|---|---|---|---|");
    for Line { row, goal, measured, met } in lines {
        println!("| {row} | {goal} | {measured} | {} |", if *met { "met" } else { "missed" });
    }
    let missed: Vec<&str> = lines.iter().filter(|line| !line.met).map(|line| line.row.as_str()).collect();
    if missed.is_empty() { Ok(()) } else { Err(Failure::Failed(format!("goals missed: {}", missed.join("; ")))) }
}

impl Ratio {
    fn line(&self, figures: &Figures, times: &BTreeMap<String, f64>) -> Result<Line, Failure> {
        let ours = figures.of(self.ours)?;
        let (mut instructions, mut nanoseconds) = (0, 0.0);
        for name in self.over {
            instructions += figures.of(name)?.instructions;
            nanoseconds += of(times, name)?;
        }
        let time = of(times, self.ours)? / nanoseconds.max(1.0);
        let mut goal = format!("{} of {}", self.at_most, self.over.join(" + "));
        if let Some(most) = self.instructions_at_most {
            goal.push_str(&format!(", {most} instructions"));
        }
        if let Some(most) = self.allocations_at_most {
            goal.push_str(&format!(", {most} allocations"));
        }
        let by_instructions = quotient(ours.instructions, instructions);
        let measured = format!(
            "{by_instructions:.2} by instructions ({} of {instructions}), {time:.2} by time; {:.1} allocations",
            ours.instructions, ours.allocations
        );
        Ok(Line { row: self.row.to_owned(), goal, measured, met: self.is_met(&ours, by_instructions) })
    }

    /// Instructions decide: they are the same on every run.
    fn is_met(&self, ours: &Figure, by_instructions: f64) -> bool {
        by_instructions <= self.at_most
            && self.instructions_at_most.is_none_or(|most| ours.instructions <= most)
            && self.allocations_at_most.is_none_or(|most| ours.allocations <= most)
    }
}

/// An operation whose goal is a time.
fn within(row: &str, microseconds: f64, nanoseconds: f64) -> Line {
    Line {
        row: row.to_owned(),
        goal: format!("{microseconds} µs"),
        measured: format!("{:.2} µs", nanoseconds / 1_000.0),
        met: nanoseconds <= microseconds * 1_000.0,
    }
}

fn memory(bytes: &BTreeMap<String, f64>) -> Result<Vec<Line>, Failure> {
    const MEBIBYTE: f64 = 1_048_576.0;
    let rows = [
        ("idle server, resident", "idle-resident", 8.0),
        ("100,000 live opaque tokens", "live-tokens", 60.0),
        ("left over after 400,000 tokens came and went", "left-over", 0.1),
    ];
    let line = |(row, name, at_most): (&str, &str, f64)| {
        let mebibytes = of(bytes, name)? / MEBIBYTE;
        let (goal, measured) = (format!("{at_most} MiB"), format!("{mebibytes:.1} MiB"));
        Ok(Line { row: row.to_owned(), goal, measured, met: mebibytes <= at_most })
    };
    rows.into_iter().map(line).collect()
}

fn sqlite(rates: &BTreeMap<String, f64>) -> Result<Vec<Line>, Failure> {
    let alone = of(rates, "1")?.max(1.0);
    let line = |(callers, at_least): (&str, f64)| {
        let times = of(rates, callers)? / alone;
        let measured = format!("{times:.1} times {alone} commits a second");
        let row = format!("SQLite, {callers} callers against one");
        Ok(Line { row, goal: format!("at least {at_least} times"), measured, met: times >= at_least })
    };
    [("8", 2.0), ("32", 4.0)].into_iter().map(line).collect()
}

/// Core, axum's router and the store in memory: how many crates a host takes in.
fn crates(project: &Project) -> Result<Line, Failure> {
    let mut command = cargo(&project.root);
    command.args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    let tree = output(command.args(["-p", "countersign-axum", "-p", "countersign-storage-memory"]))?;
    let crates: BTreeSet<&str> =
        tree.lines().filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty()).collect();
    let measured = format!("{} crates", crates.len());
    Ok(Line { row: "core, axum, memory".to_owned(), goal: "80 crates".to_owned(), measured, met: crates.len() <= 80 })
}

fn numbers(lines: &[Vec<String>]) -> Result<BTreeMap<String, f64>, Failure> {
    let number = |line: &Vec<String>| Some((line.first()?.clone(), line.get(1)?.parse().ok()?));
    let unread = || Failure::Failed("the bench program prints something else than names and numbers".to_owned());
    lines.iter().map(|line| number(line).ok_or_else(unread)).collect()
}

fn of(numbers: &BTreeMap<String, f64>, name: &str) -> Result<f64, Failure> {
    numbers.get(name).copied().ok_or_else(|| Failure::Failed(format!("{name} was not measured")))
}

#[expect(clippy::cast_precision_loss, reason = "a ratio of two counts far below 2^53")]
fn quotient(dividend: u64, divisor: u64) -> f64 {
    dividend as f64 / divisor.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_missed_by_ratio_by_instructions_or_by_allocations() {
        let goal = Ratio {
            instructions_at_most: Some(40_000),
            allocations_at_most: Some(2.0),
            ..ratio("row", "ours", &["limit"], 1.5)
        };
        let figure = |instructions, allocations| Figure { instructions, allocations };
        assert!(goal.is_met(&figure(40_000, 2.0), 1.5));
        assert!(!goal.is_met(&figure(40_000, 2.0), 1.51));
        assert!(!goal.is_met(&figure(40_001, 2.0), 1.5));
        assert!(!goal.is_met(&figure(40_000, 2.1), 1.5));
    }
}
