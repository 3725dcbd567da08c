//! Measures what grouping is worth: commits a second with 1, 8 and 32 callers, side by side in one run.
//!
//! ```sh
//! cargo run --release -p countersign-storage-sqlx --example grouping -- /path/on/the/disk
//! ```
//!
//! Every commit is durable before it is answered. The callers take turns in short rounds, so that a disk that is slower for a
//! while is slower for all of them; the ratio of the medians is the figure to trust.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use countersign_primitives::{Id, Random, SystemRandom, UnixTime};
use countersign_storage_sqlx::SqlStore;
use countersign_storage_traits::{Batch, Expect, Key, Kind, Store};

const CALLERS: [usize; 3] = [1, 8, 32];
const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(400);
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let file = folder.join(format!("grouping-{}.db", std::process::id()));
    let store = SqlStore::open(&format!("sqlite:{}", file.display())).await?;
    let mut rates = CALLERS.map(|_| Vec::new());
    round(&store, 8).await?; // the first round makes the file
    for _ in 0..ROUNDS {
        for (callers, rates) in CALLERS.iter().zip(&mut rates) {
            rates.push(round(&store, *callers).await?);
        }
    }
    drop(store);
    for end in ["", "-wal", "-shm"] {
        let _absent = std::fs::remove_file(format!("{}{end}", file.display()));
    }
    let medians = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    for (callers, rate) in CALLERS.iter().zip(medians) {
        println!("{callers:>2} callers: {rate:>7.0} commits a second, {:.2} of a lone caller", rate / medians[0]);
    }
    Ok(())
}

/// Commits a second of so many callers, each of whom makes one record after the other.
async fn round(store: &SqlStore, callers: usize) -> Result<f64, Box<dyn Error>> {
    let begin = Instant::now();
    let running: Vec<_> = (0..callers).map(|_| tokio::spawn(caller(store.clone(), begin + ROUND))).collect();
    let mut commits = 0;
    for caller in running {
        commits += caller.await?.map_err(|error| error as Box<dyn Error>)?;
    }
    Ok(f64::from(commits) / begin.elapsed().as_secs_f64())
}

async fn caller(store: SqlStore, until: Instant) -> Result<u32, Box<dyn Error + Send + Sync>> {
    let mut commits = 0;
    while Instant::now() < until {
        let random: &dyn Random = &SystemRandom;
        let partition = random.id()?;
        store.commit(&batch(partition)?).await?;
        commits += 1;
    }
    Ok(commits)
}

/// A record as a grant is: some 400 bytes, in no list.
fn batch(partition: Id) -> Result<Batch, countersign_primitives::RandomError> {
    let mut batch = Batch::new(partition, NOW, &SystemRandom)?;
    let expires_at = NOW.plus(Duration::from_secs(3_600));
    batch.put(Key::root(Kind(1), partition), Expect::Absent, expires_at, Vec::new(), vec![7; 400]);
    Ok(batch)
}
