//! `docs/threats.md` says where each threat is stopped and which row of the coverage table shows it; here it is held to that.

use std::collections::HashSet;

use crate::command::Failure;
use crate::coverage::{self, Tests};
use crate::project::{Project, TrackedFile};

const TABLE: &str = "docs/threats.md";
/// What may stand in place of a row that shows it. What follows says why.
const EXCUSES: [&str; 3] = ["not in this version: ", "not done: ", "left to the host: "];

/// Fails when a row names a file that does not exist, a row of the coverage table or a test that does not exist, or nothing.
pub(crate) fn check(project: &Project) -> Result<(), Failure> {
    let files = project.tracked_files()?;
    let text = |path: &str| {
        let file = files.iter().find(|file| file.path == path);
        file.map(|file| file.text.as_str()).ok_or_else(|| Failure::Missing(format!("{path} is not tracked by git")))
    };
    let tests = Tests::find(project, &files);
    let claims: HashSet<&str> = coverage::claims(text(coverage::TABLE)?).collect();
    let rows = rows(text(TABLE)?);
    let problems: Vec<_> = rows.iter().flat_map(|row| row.problems(&files, &claims, &tests)).collect();
    for problem in &problems {
        eprintln!("{TABLE}:{problem}");
    }
    if problems.is_empty() {
        println!("{} rows, and everything they name exists", rows.len());
        return Ok(());
    }
    Err(Failure::Failed(format!("{} problems in {TABLE}", problems.len())))
}

/// A row: where it stands, which threat, the files that stop it, what shows it.
struct Row<'a> {
    line: usize,
    threat: &'a str,
    places: &'a str,
    shown: &'a str,
}

fn rows(document: &str) -> Vec<Row<'_>> {
    let body = coverage::body(document);
    body.filter_map(|(line, cells)| match cells[..] {
        [threat, _, places, shown] => Some(Row { line, threat, places, shown }),
        [threat, ..] => Some(Row { line, threat, places: "", shown: "" }),
        [] => None,
    })
    .collect()
}

impl Row<'_> {
    fn problems(&self, files: &[TrackedFile], claims: &HashSet<&str>, tests: &Tests<'_>) -> Vec<String> {
        let Self { line, threat, .. } = self;
        let mut problems = Vec::new();
        for place in quoted(self.places).filter(|place| !is_there(files, place)) {
            problems.push(format!("{line}: {threat} names `{place}`, which does not exist"));
        }
        if EXCUSES.iter().any(|excuse| self.shown.starts_with(excuse)) {
            return problems;
        }
        if quoted(self.places).next().is_none() {
            problems.push(format!("{line}: {threat} says neither where it is stopped nor why not"));
        }
        for test in quoted(self.shown).filter(|test| !tests.has(test)) {
            problems.push(format!("{line}: {threat} names the test `{test}`, which does not exist"));
        }
        // The first piece names a row or a test; further ones do or are remarks.
        let first = self.shown.split(';').next().unwrap_or_default().trim();
        if !first.starts_with('`') && !claims.contains(first.trim_start_matches("promise ")) {
            problems.push(format!("{line}: {threat} is shown by {first:?}, which is no row of {}", coverage::TABLE));
        }
        problems
    }
}

/// What stands in backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Whether a file is tracked, or a folder (with a slash at its end) holds one that is.
fn is_there(files: &[TrackedFile], place: &str) -> bool {
    files.iter().any(|file| file.path == place || place.ends_with('/') && file.path.starts_with(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(row: &str) -> Vec<String> {
        let file = |path: &str, text: &str| TrackedFile { path: path.into(), text: text.into() };
        let files = [file("crates/demo/src/limits/row.rs", "fn promise_6_it_holds() {}")];
        let project = Project { root: "".into(), target: "".into(), packages: Vec::new() };
        let tests = Tests::find(&project, &files);
        let document = format!("| a | b | c | d |\n|---|---|---|---|\n{row}\n");
        rows(&document).iter().flat_map(|row| row.problems(&files, &["6", "Attack 1"].into(), &tests)).collect()
    }

    #[test]
    fn rows_that_name_what_exists_pass() {
        for row in [
            "| 1 | guessing | `crates/demo/src/limits/row.rs` | Attack 1; a remark |",
            "| 1 | guessing | `crates/demo/src/limits/` | promise 6 |",
            "| 1 | guessing | `crates/demo/src/limits/row.rs` | `promise_6_it_holds`; a remark |",
            "| 1 | guessing | - | not in this version: passkeys |",
        ] {
            assert_eq!(verdict(row), [""; 0], "{row}");
        }
    }

    #[test]
    fn rows_that_name_what_does_not_exist_or_nothing_fail() {
        for row in [
            "| 1 | guessing | `crates/demo/src/gone.rs` | promise 6 |",
            "| 1 | guessing | `crates/demo/src/lim` | promise 6 |",
            "| 1 | guessing | `crates/demo/src/limits/` | promise 7 |",
            "| 1 | guessing | `crates/demo/src/limits/` | |",
            "| 1 | guessing | `crates/demo/src/limits/` | `promise_6_gone` |",
            "| 1 | guessing | - | promise 6 |",
            "| 1 | guessing | not in this version |",
        ] {
            assert!(!verdict(row).is_empty(), "{row}");
        }
    }
}
