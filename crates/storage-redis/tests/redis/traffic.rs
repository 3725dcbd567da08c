//! Writers that go on while servers change under them, and remember what they were answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use countersign_primitives::SystemRandom;
use countersign_storage_redis::RedisStore;
use countersign_storage_traits::{Batch, CommitError, Expect, Key, Kind, Store as _, Version};
use tokio::task::JoinHandle;

use crate::{fresh_id, later, now};

/// Writers, each on a partition of its own.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU32>,
    writers: Vec<JoinHandle<Written>>,
}

/// What one writer was told.
pub(crate) struct Written {
    root: Key,
    /// The versions that the root may be at: that of the last answered commit, and those of commits whose outcome nobody knows.
    versions: Vec<Version>,
    /// Records that answered commits made.
    pub(crate) made: Vec<Key>,
    pub(crate) failed: u32,
}

impl Traffic {
    pub(crate) fn start(store: &RedisStore, writers: usize) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let writers = (0..writers)
            .map(|_| tokio::spawn(write(store.clone(), Arc::clone(&stop), Arc::clone(&answered))))
            .collect();
        Self { stop, answered, writers }
    }

    /// Waits until so many more commits were answered.
    pub(crate) fn wait_for(&self, more: u32) {
        let wanted = self.answered.load(Ordering::SeqCst) + more;
        crate::servers::until("commits go on", || self.answered.load(Ordering::SeqCst) >= wanted);
    }

    /// How many commits were answered so far.
    pub(crate) fn answered(&self) -> u32 {
        self.answered.load(Ordering::SeqCst)
    }

    pub(crate) async fn stop(self) -> Vec<Written> {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Vec::new();
        for writer in self.writers {
            all.push(writer.await.unwrap());
        }
        all
    }
}

/// Rotates a root record, and makes one beside it in each commit.
async fn write(store: RedisStore, stop: Arc<AtomicBool>, answered: Arc<AtomicU32>) -> Written {
    let partition = fresh_id();
    let root = Key::root(Kind(200), partition);
    let mut written = Written { root, versions: Vec::new(), made: Vec::new(), failed: 0 };
    let mut expect = Expect::Absent;
    while !stop.load(Ordering::SeqCst) {
        let mut batch = Batch::new(partition, now(), &SystemRandom).unwrap();
        let made = Key::new(partition, Kind(201), fresh_id());
        batch.put(root, expect, later(), Vec::new(), "root").put(made, Expect::Absent, later(), Vec::new(), "made");
        match store.commit(&batch).await {
            Ok(()) => {
                written.versions = vec![batch.id()];
                written.made.push(made);
                expect = Expect::At(batch.id());
                answered.fetch_add(1, Ordering::SeqCst);
            }
            Err(CommitError::Refused(_)) => written.failed += 1,
            Err(CommitError::Unknown(_)) => {
                written.failed += 1;
                written.versions.push(batch.id());
                // Looks what became of it, as a client that comes again does.
                loop {
                    match store.get(&[root], now()).await {
                        Ok(found) => {
                            expect = found[0].as_ref().map_or(Expect::Absent, |found| Expect::At(found.version));
                            break;
                        }
                        Err(_) if stop.load(Ordering::SeqCst) => break,
                        Err(_) => {}
                    }
                }
            }
            // Nobody else writes here: only what it does not know of may have been first.
            Err(CommitError::Conflict(key)) => {
                let found = store.get(&[root], now()).await.unwrap();
                let version = found[0].as_ref().map(|found| found.version);
                let known = version.is_none_or(|version| written.versions.contains(&version));
                assert!(known && written.versions.len() > 1, "a conflict at {key:?} out of nothing: {version:?}");
                expect = version.map_or(Expect::Absent, Expect::At);
            }
            Err(error) => panic!("{error}"),
        }
    }
    written
}

/// That everything that was answered is there.
pub(crate) async fn assert_kept(store: &RedisStore, all: &[Written]) {
    for written in all {
        let found = store.get(&[written.root], now()).await.unwrap().remove(0);
        if !written.made.is_empty() {
            let version = found.map(|found| found.version);
            assert!(version.is_some_and(|version| written.versions.contains(&version)), "the last rotation is there");
        }
        for keys in written.made.chunks(64) {
            let found = store.get(keys, now()).await.unwrap();
            assert!(found.iter().all(Option::is_some), "every record of an answered commit is there");
        }
    }
}
