//! How many durable commits SQLite takes in a second: one caller, eight, thirty-two.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use countersign::store::{Batch, Expect, Key, Kind, SqlStore, Store as _};
use countersign::{Random, SystemRandom, UnixTime};

use crate::host::START;

/// Prints a number of callers and their commits a second, in `folder`, which must be on a disk.
pub(crate) fn report(folder: &Path) {
    std::fs::remove_dir_all(folder).ok();
    std::fs::create_dir_all(folder).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let url = format!("sqlite:{}", folder.join("store.db").display());
    let store = Arc::new(runtime.block_on(SqlStore::open(url.as_str())).unwrap());
    // In turn, so that a slow moment of the disk is shared; of three passes the best.
    let mut best = [0; 3];
    for _ in 0..3 {
        for (callers, best) in [1, 8, 32].into_iter().zip(&mut best) {
            *best = u64::max(*best, runtime.block_on(commits_per_second(&store, callers)));
        }
    }
    for (callers, rate) in [1, 8, 32].into_iter().zip(best) {
        println!("{callers}\t{rate}");
    }
}

async fn commits_per_second(store: &Arc<SqlStore>, callers: usize) -> u64 {
    const LASTS: Duration = Duration::from_millis(700);
    let done = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (store, done) = (Arc::clone(store), Arc::clone(&done));
            tokio::spawn(async move {
                while start.elapsed() < LASTS {
                    commit(&store).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    done.load(Ordering::Relaxed) * 1_000 / milliseconds
}

/// A new record of a grant's size.
async fn commit(store: &SqlStore) {
    let random: &dyn Random = &SystemRandom;
    let id = random.id().unwrap();
    let mut batch = Batch::new(id, START, &SystemRandom).unwrap();
    batch.put(Key::root(Kind(200), id), Expect::Absent, UnixTime::MAX, Vec::new(), vec![7; 500]);
    store.commit(&batch).await.unwrap();
}
