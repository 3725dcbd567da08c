//! What the performance budget is measured with. `cargo xtask bench` runs this program, natively and under callgrind, and
//! judges what it prints; docs/performance.md tells what each figure rests on.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot be made ends the program"
)]

mod host;
mod memory;
mod meter;
mod sqlite;
mod subjects;

use std::process::ExitCode;

use meter::Subject;

const USAGE: &str = "\
Usage: countersign-benches COMMAND

  counts ROUNDS [NAME…]   does everything ROUNDS times, each time inside one function that callgrind can tell apart;
                          prints a name, the allocations of a round and their bytes
  times ROUNDS [NAME…]    prints a name and the nanoseconds of CPU time of a round: of many passes the best
  names                   prints the names
  memory                  prints what is held in memory: idle, with 100,000 live tokens, after they are gone
  sqlite FOLDER           prints numbers of callers and the durable commits a second that they get together";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match (words.as_slice(), words.get(1).and_then(|rounds| rounds.parse().ok())) {
        (["counts", _, names @ ..], Some(rounds)) => counts(rounds, names),
        (["times", _, names @ ..], Some(rounds)) => times(rounds, names),
        (["names"], _) => chosen(&[]).iter().for_each(|subject| println!("{}", subject.name())),
        (["memory"], _) => memory::report(),
        (["sqlite", folder], _) => sqlite::report(folder.as_ref()),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Each subject on its own, so that a part of callgrind's profile belongs to one line here.
fn counts(rounds: usize, names: &[&str]) {
    for mut subject in chosen(names) {
        // What is made once, such as a table that grows or a static that is set, is no part of a round.
        subject.prepare(rounds);
        subject.run();
        subject.prepare(rounds);
        let spent = meter::allocations(|| meter::measured(&mut || subject.run()));
        println!("{}\t{}\t{}", subject.name(), spent.calls_of(rounds), spent.bytes_of(rounds));
    }
}

/// All subjects in turn, pass after pass: what disturbs the machine disturbs them all.
fn times(rounds: usize, names: &[&str]) {
    const PASSES: usize = 12;
    let mut subjects = chosen(names);
    let mut best = vec![u128::MAX; subjects.len()];
    for _ in 0..PASSES {
        for (subject, best) in subjects.iter_mut().zip(&mut best) {
            subject.prepare(rounds);
            *best = (*best).min(meter::cpu_time(|| meter::measured(&mut || subject.run())).as_nanos());
        }
    }
    for (subject, best) in subjects.iter().zip(best) {
        println!("{}\t{}", subject.name(), best / rounds.max(1) as u128);
    }
}

fn chosen(names: &[&str]) -> Vec<Box<dyn Subject>> {
    let mut subjects = subjects::all();
    subjects.retain(|subject| names.is_empty() || names.contains(&subject.name()));
    subjects
}
