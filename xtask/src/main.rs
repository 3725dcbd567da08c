//! The project's automation: `cargo xtask COMMAND`.

mod check;
mod command;
mod coverage;
mod hygiene;
mod project;
mod services;
mod test;
mod threats;

use std::env;
use std::process::ExitCode;

use command::Failure;
use project::Project;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  test [--no-install]  install what the tests need (as root on Debian) and run every test
  check                formatting, lints, documentation, features, coverage and threats, dependencies
  ci [--no-install]    test, then check

Ends with 0 (passed), 1 (failed), 2 (wrong usage) or 3 (something is missing and was not installed).";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            failure.exit_code()
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["test"] => test::run(&Project::load()?, true),
        ["test", "--no-install"] => test::run(&Project::load()?, false),
        ["check"] => check::run(&Project::load()?),
        ["ci"] => ci(true),
        ["ci", "--no-install"] => ci(false),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(Failure::Usage(USAGE)),
    }
}

fn ci(install: bool) -> Result<(), Failure> {
    let project = Project::load()?;
    test::run(&project, install)?;
    check::run(&project)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(words: &[&str]) -> Failure {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        run(&words).unwrap_err()
    }

    #[test]
    fn what_it_does_not_know_is_wrong_usage() {
        for words in [&[][..], &["tset"], &["test", "--install"], &["check", "--no-install"], &["ci", "test"]] {
            assert!(matches!(refusal(words), Failure::Usage(_)), "{words:?}");
        }
    }
}
