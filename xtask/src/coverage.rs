//! `docs/coverage.md` names a test for each promise, attack and section; here it is held to that.

use std::collections::HashMap;

use crate::command::Failure;
use crate::project::{Project, TrackedFile};

pub(crate) const TABLE: &str = "docs/coverage.md";

/// Fails when a row names no test, or one that does not exist.
pub(crate) fn check(project: &Project) -> Result<(), Failure> {
    let files = project.tracked_files()?;
    let table = files.iter().find(|file| file.path == TABLE);
    let table = table.ok_or_else(|| Failure::Missing(format!("{TABLE} is not tracked by git")))?;
    let rows = rows(&table.text);
    let problems = problems(&rows, &Tests::find(project, &files));
    for problem in &problems {
        eprintln!("{TABLE}:{problem}");
    }
    if problems.is_empty() {
        println!("{} rows, and every test they name exists", rows.len());
        return Ok(());
    }
    Err(Failure::Failed(format!("{} problems in {TABLE}", problems.len())))
}

/// A row of a table: where it stands, what it claims, the tests it names.
#[derive(Debug, PartialEq, Eq)]
struct Row<'a> {
    line: usize,
    claim: &'a str,
    tests: Vec<&'a str>,
}

/// The lines below a table's `|---|` line: where they stand, and their cells.
pub(crate) fn body(document: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    let mut in_body = false;
    document.lines().map(str::trim).zip(1..).filter_map(move |(line, number)| {
        if !line.starts_with('|') {
            in_body = false;
        } else if line.chars().all(|letter| "|-: ".contains(letter)) {
            in_body = true;
        } else if in_body {
            return Some((number, cells(line)));
        }
        None
    })
}

/// The first cells of all rows.
pub(crate) fn claims(document: &str) -> impl Iterator<Item = &str> {
    body(document).filter_map(|(_, cells)| cells.first().copied())
}

fn rows(document: &str) -> Vec<Row<'_>> {
    let named = body(document).filter_map(|(line, cells)| {
        let (claim, last) = (*cells.first()?, cells.last()?);
        // What stands in backticks is every second piece.
        Some(Row { line, claim, tests: last.split('`').skip(1).step_by(2).collect() })
    });
    named.collect()
}

/// The cells of `| a | b |`; `\|` does not divide.
fn cells(line: &str) -> Vec<&str> {
    let mut cells = Vec::new();
    let mut start = 1;
    for (at, _) in line.match_indices('|').skip(1) {
        if !line[..at].ends_with('\\') {
            cells.push(line[start..at].trim());
            start = at + 1;
        }
    }
    if !line[start..].trim().is_empty() {
        cells.push(line[start..].trim());
    }
    cells
}

fn problems(rows: &[Row<'_>], tests: &Tests<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for Row { line, claim, tests: named } in rows {
        if named.is_empty() {
            problems.push(format!("{line}: \"{claim}\" names no test"));
        }
        let unknown = named.iter().filter(|name| !tests.has(name));
        problems.extend(unknown.map(|name| format!("{line}: \"{claim}\" names `{name}`, which does not exist")));
    }
    problems
}

/// Every function that could be a test, by name, with the files that have one.
#[derive(Debug, Default)]
pub(crate) struct Tests<'a> {
    functions: HashMap<&'a str, Vec<&'a TrackedFile>>,
    /// A crate as a path names it (`countersign_mfa`, or its folder's name), and its folder.
    crates: Vec<(String, String)>,
}

impl<'a> Tests<'a> {
    pub(crate) fn find(project: &Project, files: &'a [TrackedFile]) -> Self {
        let mut tests = Self::default();
        for package in &project.packages {
            let folder = package.folder.to_string_lossy().replace('\\', "/");
            let short = folder.rsplit('/').next().unwrap_or_default().replace('-', "_");
            tests.crates.push((package.name.replace('-', "_"), format!("{folder}/")));
            tests.crates.push((short, format!("{folder}/")));
        }
        files.iter().for_each(|file| tests.read(file));
        tests
    }

    fn read(&mut self, file: &'a TrackedFile) {
        let keyword = match file.path.rsplit_once('.') {
            Some((_, "rs")) => "fn ",
            Some((_, "py")) => "def ",
            Some((_, "mjs" | "js")) => "function ",
            _ => return,
        };
        for line in file.text.lines().map(str::trim_start).filter(|line| !line.starts_with(['/', '#'])) {
            let Some((_, rest)) = line.split_once(keyword) else { continue };
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
            if end > 0 && rest[end..].starts_with(['(', '<']) {
                self.functions.entry(&rest[..end]).or_default().push(file);
            }
        }
    }

    /// Whether a `name`, a `krate::module::name` or a `file.py::name` exists.
    pub(crate) fn has(&self, reference: &str) -> bool {
        let (path, name) = reference.rsplit_once("::").unwrap_or(("", reference));
        let Some(files) = self.functions.get(name) else { return false };
        match path.split("::").collect::<Vec<_>>()[..] {
            [""] => files.iter().any(|file| file.path.ends_with(".rs")),
            [file] if file.contains('.') => files.iter().any(|found| is_file(&found.path, file)),
            [first, ref modules @ ..] => self.crates.iter().filter(|(name, _)| name == first).any(|(_, folder)| {
                let inside = |file: &&&TrackedFile| file.path.starts_with(folder);
                files.iter().filter(inside).any(|file| modules.iter().all(|module| is_within(file, module)))
            }),
            [] => false,
        }
    }
}

fn is_file(path: &str, name: &str) -> bool {
    path == name || path.strip_suffix(name).is_some_and(|folder| folder.ends_with('/'))
}

/// Whether the file is, lies in or declares the module.
fn is_within(file: &TrackedFile, module: &str) -> bool {
    let in_path = file.path.trim_end_matches(".rs").split('/').any(|part| part == module);
    in_path || file.text.contains(&format!("mod {module} {{"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::project::Package;

    const HEAD: &str = "| promise | what | test |\n|---|:-:|---|\n";

    /// A workspace with one crate, `countersign-demo` in `crates/demo`, and one Python client.
    fn verdict(rows_below_the_head: &str) -> Vec<String> {
        let file = |path: &str, text: &str| TrackedFile { path: path.into(), text: text.into() };
        let files = [
            file(
                "crates/demo/src/lib.rs",
                "mod tests {\n    #[test]\n    fn promise_1_once() {}\n}\n// fn commented() {}",
            ),
            file("crates/demo/tests/spec/rfc7636.rs", "#[tokio::test]\nasync fn rfc7636_4_6_mismatch_is_refused() {}"),
            file("tests/clients/python/flow.py", "def code_replay_is_refused(provider):"),
        ];
        let package =
            Package { name: "countersign-demo".into(), folder: PathBuf::from("crates/demo"), features: vec![] };
        let project = Project { root: PathBuf::new(), target: PathBuf::new(), packages: vec![package] };
        problems(&rows(&format!("{HEAD}{rows_below_the_head}")), &Tests::find(&project, &files))
    }

    #[test]
    fn tests_that_exist_pass_in_every_form() {
        let row = "| 1 | once | `promise_1_once`, `countersign_demo::tests::promise_1_once`; \
             `demo::spec::rfc7636::rfc7636_4_6_mismatch_is_refused` and `flow.py::code_replay_is_refused` |\n";
        assert_eq!(verdict(row), [""; 0]);
    }

    #[test]
    fn a_test_that_does_not_exist_fails() {
        for absent in [
            "promise_2_gone",
            "commented",
            "code_replay_is_refused",
            "other::promise_1_once",
            "demo::missing::promise_1_once",
            "flow.py::promise_1_once",
            "low.py::code_replay_is_refused",
        ] {
            let problems = verdict(&format!("| 1 | once | `promise_1_once` `{absent}` |\n"));
            assert_eq!(problems, [format!("3: \"1\" names `{absent}`, which does not exist")]);
        }
    }

    #[test]
    fn a_row_without_a_test_fails() {
        assert_eq!(verdict("| 3 | durable | later |\n"), ["3: \"3\" names no test"]);
        assert_eq!(verdict("| 3 | `promise_1_once` | |\n"), ["3: \"3\" names no test"]);
    }

    #[test]
    fn heads_and_text_between_tables_are_no_rows() {
        let document =
            format!("# Coverage\n\nA `word` | here.\n\n{HEAD}| 1 | a \\| b | `x` `y` |\n\n{HEAD}| 2 | c | |");
        let found = rows(&document);
        assert_eq!(found[0], Row { line: 7, claim: "1", tests: vec!["x", "y"] });
        assert_eq!(found[1], Row { line: 11, claim: "2", tests: vec![] });
        assert_eq!(found.len(), 2);
    }
}
