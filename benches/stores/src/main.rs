//! What the stores are measured with. `cargo xtask bench` runs this program and judges what it prints; `cargo xtask soak` runs the
//! large backlogs. docs/performance.md tells what each figure rests on.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a measurement that cannot be made ends the program; counts here are far below 2^53"
)]

mod backlog;
mod cost;
mod live;
mod postgres;
mod redis;
#[path = "../../../crates/storage-redis/tests/servers/mod.rs"]
mod servers;
mod works;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: countersign-store-benches COMMAND

  postgres ROUNDS           the store on PostgreSQL against the driver alone; prints for 1 and 8 callers and each work the name,
                            the rate and the CPU time of ours as a part of the driver's, and the microseconds of a call of ours
                            and of the driver, both of client and server together
  redis ROUNDS              the same on Redis
  sweep STORE RECORDS       a backlog that goes beside traffic, in memory, sqlite, postgres, redis or redis-cluster; prints
                            records, seconds, and what commits took without and beside it: median, 99th part, longest, in
                            microseconds
  live STORE RECORDS        how many bytes the process holds with so many live records in memory or sqlite, and per record";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number: Option<usize> = words.last().and_then(|word| word.parse().ok());
    match (words.as_slice(), number) {
        (["postgres", _], Some(rounds)) => postgres::report(rounds),
        (["redis", _], Some(rounds)) => redis::report(rounds),
        (["sweep", store, _], Some(records)) => backlog::report(store, records),
        (["live", store, _], Some(records)) => live::report(store, records),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
