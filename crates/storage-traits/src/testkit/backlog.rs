//! A backlog of expired records, two sweepers, and traffic that goes on.

use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use countersign_primitives::{Id, SystemRandom, UnixTime};

use crate::{Batch, Expect, Index, Key, Store, Version};

use super::runner::{complete, install, race};
use super::scene::{HOUR, KIND, SECOND, Scene, TICK, fresh_id};

/// How many records a sweep of this is asked for: what a server asks for in one round of its work.
const LIMIT: u32 = 1_000;
const SWEEPERS: usize = 2;
const WRITERS: usize = 4;
/// Records of one partition, and of one batch.
const TOGETHER: usize = 16;
/// Of so many partitions of the backlog, the records of one are made anew while the sweepers are about.
const RENEWED: usize = 25;
/// How many commits of a writer are timed before the sweepers come.
const ALONE: usize = 200;

/// What [`sweep_beside_traffic`] saw.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sweeping {
    /// How many records the sweepers say that they removed.
    pub removed: u64,
    /// How many calls of [`Store::sweep`] that took.
    pub calls: u32,
    /// How many records the largest call removed.
    pub largest: u32,
    /// From the first call until the backlog was gone.
    pub took: Duration,
    /// What commits took before the sweepers came.
    pub alone: Latencies,
    /// What commits took beside them.
    pub beside: Latencies,
}

/// What calls took, from the shortest to the longest.
#[derive(Debug, Clone)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    fn of(calls: impl IntoIterator<Item = Vec<Duration>>) -> Self {
        let mut all: Vec<Duration> = calls.into_iter().flatten().collect();
        all.sort_unstable();
        Self(all)
    }

    /// How many calls there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// What so many hundredths of the calls took at most: 50 is the median. Zero when there were none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let at = (self.0.len() * percent.min(100)).div_ceil(100).saturating_sub(1);
        self.0.get(at).copied().unwrap_or_default()
    }
}

/// Leaves `backlog` expired records, has two sweepers remove them while writers go on and make some of them anew, and proves
/// that nothing live went, nothing expired stayed, and no call took more than it was asked for.
///
/// A guarantee of the suite calls it with a small backlog; an adapter's own tests and measurements with as large a one as they
/// like. Stores that need a runtime call it within [`with_runner`].
///
/// # Panics
/// When any of that does not hold.
pub async fn sweep_beside_traffic(store: &dyn Store, backlog: usize) -> Sweeping {
    let scene = Scene::new(store);
    let partitions: Vec<Id> = (0..backlog.div_ceil(TOGETHER)).map(|_| fresh_id()).collect();
    fill(&scene, &partitions);
    let writers: Vec<Writer> = (0..WRITERS).map(|_| Writer::new(scene.later())).collect();
    let stopped = |commits| commits == ALONE;
    let (writers, alone): (Vec<_>, Vec<_>) =
        race(WRITERS, |number| writers[number].clone().write(store, stopped)).into_iter().unzip();

    let start = Instant::now();
    let counted = Counted::default();
    let written = race(SWEEPERS + WRITERS + 1, |racer| {
        let (scene, partitions, writers, counted) = (&scene, &partitions, &writers, &counted);
        async move {
            if racer < SWEEPERS {
                counted.sweep(store, scene.later()).await;
                return None;
            }
            if racer == SWEEPERS {
                renew(scene, partitions).await;
                return None;
            }
            let writer = writers[racer - SWEEPERS - 1].clone();
            // At least a few, for a small backlog may be gone before they have begun.
            let over = |commits| commits >= 20 && counted.swept.load(Ordering::SeqCst) == SWEEPERS;
            Some(writer.write(store, over).await)
        }
    });
    // What one sweeper held was not the other's to take; and what was expired before the renewal may have been anybody's.
    counted.sweep(store, scene.later()).await;
    let took = start.elapsed();
    let (writers, beside): (Vec<_>, Vec<_>) = written.into_iter().flatten().unzip();
    for writer in &writers {
        writer.assert_kept(store).await;
    }
    assert_gone(&scene, &partitions);
    Sweeping {
        removed: counted.removed.into_inner(),
        calls: counted.calls.into_inner(),
        largest: counted.largest.into_inner(),
        took,
        alone: Latencies::of(alone),
        beside: Latencies::of(beside),
    }
}

/// Makes `runner` what runs the futures of this thread and of the races that they start, and runs `future` by it: for what the
/// suite offers beside its guarantees.
pub fn with_runner<T>(
    runner: impl Fn(Pin<&mut dyn Future<Output = ()>>) + Send + Sync + 'static,
    future: impl Future<Output = T>,
) -> T {
    complete(&install(runner), future)
}

/// The records of the backlog, which live for a second.
fn fill(scene: &Scene<'_>, partitions: &[Id]) {
    const FILLERS: usize = 8;
    race(FILLERS, |filler| async move {
        for partition in partitions.iter().skip(filler).step_by(FILLERS) {
            let batch = of_partition(*partition, scene.now, Expect::Absent, scene.now.plus(SECOND));
            scene.done(&batch).await;
        }
    });
}

/// A batch with all records of a partition, each in a list.
fn of_partition(partition: Id, now: UnixTime, expect: Expect, expiry: UnixTime) -> Batch {
    let mut batch = Batch::new(partition, now, &SystemRandom).expect("the system has randomness");
    let list = Index { name: 1, value: partition };
    for key in keys_of(partition) {
        batch.put(key, expect, expiry, vec![list], vec![7; 100]);
    }
    batch
}

fn keys_of(partition: Id) -> impl Iterator<Item = Key> {
    (0..TOGETHER).map(move |number| Key::new(partition, KIND, Id::from_bytes((number as u128).to_be_bytes())))
}

/// Makes records anew that have expired, from the far end, so that it meets the sweepers on the way.
async fn renew(scene: &Scene<'_>, partitions: &[Id]) {
    for partition in partitions.iter().step_by(RENEWED).rev() {
        scene.done(&of_partition(*partition, scene.later(), Expect::Absent, lasting(scene.later()))).await;
    }
}

/// Beyond what any sweeper here takes.
fn lasting(now: UnixTime) -> UnixTime {
    now.plus(2 * HOUR)
}

fn assert_gone(scene: &Scene<'_>, partitions: &[Id]) {
    const LOOKERS: usize = 4;
    race(LOOKERS, |looker| async move {
        for (number, partition) in partitions.iter().enumerate().skip(looker).step_by(LOOKERS) {
            let keys: Vec<Key> = keys_of(*partition).collect();
            // At a time when they still lived.
            let found = scene.read_all(&keys, scene.now.plus(TICK)).await;
            let there = found.iter().flatten().count();
            let list = Index { name: 1, value: *partition };
            if number % RENEWED == 0 {
                assert_eq!(there, TOGETHER, "what was made anew beside the sweepers stays");
                assert_eq!(scene.list(&list, 100, scene.later()).await.len(), TOGETHER, "and stays listed");
            } else {
                assert_eq!(there, 0, "what has expired goes, however many sweepers there are");
            }
        }
    });
}

/// What the sweepers count together.
#[derive(Default)]
struct Counted {
    removed: AtomicU64,
    calls: AtomicU32,
    largest: AtomicU32,
    /// How many of them found nothing more.
    swept: AtomicUsize,
}

impl Counted {
    async fn sweep(&self, store: &dyn Store, now: UnixTime) {
        loop {
            let swept = store.sweep(now, LIMIT).await.expect("the store can be swept");
            assert!(swept.removed <= LIMIT, "a sweep takes at most as many as asked: {swept:?}");
            self.removed.fetch_add(swept.removed.into(), Ordering::SeqCst);
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.largest.fetch_max(swept.removed, Ordering::SeqCst);
            if !swept.more {
                self.swept.fetch_add(1, Ordering::SeqCst);
                return;
            }
        }
    }
}

/// One who rotates a record and makes another in each commit, as a grant and its tokens are.
#[derive(Clone)]
struct Writer {
    partition: Id,
    now: UnixTime,
    version: Option<Version>,
    made: u32,
}

impl Writer {
    fn new(now: UnixTime) -> Self {
        Self { partition: fresh_id(), now, version: None, made: 0 }
    }

    fn root(&self) -> Key {
        Key::new(self.partition, KIND, self.partition)
    }

    fn made(&self, number: u32) -> Key {
        Key::new(self.partition, KIND, Id::from_bytes(u128::from(number).to_be_bytes()))
    }

    /// Commits until it is over; answers how it stands, and what each commit took.
    async fn write(mut self, store: &dyn Store, over: impl Fn(usize) -> bool) -> (Self, Vec<Duration>) {
        let mut took = Vec::new();
        while !over(took.len()) {
            let mut batch = Batch::new(self.partition, self.now, &SystemRandom).expect("the system has randomness");
            let expect = self.version.map_or(Expect::Absent, Expect::At);
            batch.put(self.root(), expect, lasting(self.now), Vec::new(), vec![7; 400]);
            batch.put(self.made(self.made), Expect::Absent, lasting(self.now), Vec::new(), vec![7; 400]);
            let start = Instant::now();
            store.commit(&batch).await.expect("commits go on beside the sweepers");
            took.push(start.elapsed());
            self.version = Some(batch.id());
            self.made += 1;
        }
        (self, took)
    }

    async fn assert_kept(&self, store: &dyn Store) {
        let numbers: Vec<u32> = (0..self.made).collect();
        for numbers in numbers.chunks(64) {
            let keys: Vec<Key> = numbers.iter().map(|number| self.made(*number)).collect();
            let found = store.get(&keys, self.now).await.expect("the store can be read");
            assert!(found.iter().all(Option::is_some), "what lives stays");
        }
        let root = store.get(&[self.root()], self.now).await.expect("the store can be read").remove(0);
        assert_eq!(root.map(|root| root.version), self.version, "and stays as it was written");
    }
}
