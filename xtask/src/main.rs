//! The project's automation: `cargo xtask COMMAND`.

mod bench;
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
  bench [--no-install] [--quick | --record]
                       the performance budget: everything, as a table of goals; with --quick only instructions and
                       allocations, against the recorded figures; with --record they become the recorded ones
  soak                 a million expired records in every store: how fast they go, and what commits take beside that
  ci [--no-install]    test, then bench --quick, then check

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
        ["bench", ref words @ ..] => {
            let (mode, install) = bench_words(words)?;
            bench::run(&Project::load()?, mode, install)
        }
        ["soak"] => bench::soak(&Project::load()?),
        ["ci"] => ci(true),
        ["ci", "--no-install"] => ci(false),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(Failure::Usage(USAGE)),
    }
}

fn bench_words(words: &[&str]) -> Result<(bench::Mode, bool), Failure> {
    let (mut mode, mut install) = (bench::Mode::Full, true);
    for &word in words {
        match word {
            "--quick" if mode == bench::Mode::Full => mode = bench::Mode::Quick,
            "--record" if mode == bench::Mode::Full => mode = bench::Mode::Record,
            "--no-install" if install => install = false,
            _ => return Err(Failure::Usage(USAGE)),
        }
    }
    Ok((mode, install))
}

fn ci(install: bool) -> Result<(), Failure> {
    let project = Project::load()?;
    test::run(&project, install)?;
    bench::run(&project, bench::Mode::Quick, install)?;
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
        for words in [
            &[][..],
            &["tset"],
            &["test", "--install"],
            &["check", "--no-install"],
            &["ci", "test"],
            &["bench", "--slow"],
            &["bench", "--quick", "--record"],
        ] {
            assert!(matches!(refusal(words), Failure::Usage(_)), "{words:?}");
        }
    }
}
