//! Works that are compared: the store's calls and the driver's, in turn, by several callers at once.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_primitives::{Id, SystemRandom, UnixTime};
use countersign_storage_traits::{Batch, Expect, Key, Kind, Store, Version};

use crate::cost::{self, Spent};

pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
pub(crate) const LATER: UnixTime = UnixTime::from_secs(1_900_000_000);
/// As long as a sealed grant.
pub(crate) const PAYLOAD: [u8; 500] = [7; 500];
/// How long callers work before it is another work's turn.
const SLICE: Duration = Duration::from_millis(300);

pub(crate) fn key(caller: u128, number: u128) -> Key {
    Key::new(Id::from_bytes((caller + 1).to_be_bytes()), Kind(200), Id::from_bytes(number.to_be_bytes()))
}

pub(crate) fn batch(caller: u128, records: u128, expect: Expect) -> Batch {
    let mut batch = Batch::new(key(caller, 0).partition, NOW, &SystemRandom).unwrap();
    for number in 0..records {
        batch.put(key(caller, number), expect, LATER, Vec::new(), &PAYLOAD[..]);
    }
    batch
}

type Call<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What one caller does again and again. `caller` has a partition of its own.
pub(crate) trait Caller: Send {
    fn call(&mut self) -> Call<'_>;
}

pub(crate) type Callers = Vec<Box<dyn Caller>>;

/// A caller of the store.
pub(crate) struct Ours<S> {
    store: Arc<S>,
    caller: u128,
    /// How many records a commit writes; none: it reads one.
    records: u128,
    version: Version,
}

impl<S: Store> Ours<S> {
    /// With the records that it is to overwrite or read.
    pub(crate) async fn new(store: &Arc<S>, caller: u128, records: u128) -> Self {
        let seed = batch(caller, 3, Expect::Any);
        store.commit(&seed).await.unwrap();
        Self { store: Arc::clone(store), caller, records, version: seed.id() }
    }
}

impl<S: Store> Caller for Ours<S> {
    fn call(&mut self) -> Call<'_> {
        Box::pin(async move {
            if self.records == 0 {
                let found = self.store.get(&[key(self.caller, 0)], NOW).await.unwrap();
                assert!(found[0].is_some());
                return;
            }
            let next = batch(self.caller, self.records, Expect::At(self.version));
            self.store.commit(&next).await.unwrap();
            self.version = next.id();
        })
    }
}

/// What callers did together in one slice.
async fn slice(mut callers: Callers, servers: &[u32]) -> (Spent, Callers) {
    let (start, before) = (Instant::now(), cost::own() + cost::of(servers));
    let tasks: Vec<_> = callers
        .drain(..)
        .map(|mut caller| {
            tokio::spawn(async move {
                let mut calls = 0;
                while start.elapsed() < SLICE {
                    caller.call().await;
                    calls += 1;
                }
                (calls, caller)
            })
        })
        .collect();
    let mut calls = 0;
    for task in tasks {
        let (done, caller) = task.await.unwrap();
        calls += done;
        callers.push(caller);
    }
    (Spent { calls, time: start.elapsed(), cpu: cost::own() + cost::of(servers) - before }, callers)
}

/// The store's calls and the driver's in turn, so often. Prints name, rate and CPU time as parts of the driver's, and microseconds
/// of CPU time of a call, ours and the driver's.
pub(crate) async fn compare(
    name: &str,
    mut ours: Callers,
    mut lone: Callers,
    servers: &dyn Fn() -> Vec<u32>,
    rounds: usize,
) {
    let (mut of_ours, mut of_lone, mut rates) = (Spent::default(), Spent::default(), Vec::new());
    for round in 0..=rounds {
        // Connections are made as they are needed.
        let servers = servers();
        let (alone, callers) = slice(lone, &servers).await;
        lone = callers;
        let (here, callers) = slice(ours, &servers).await;
        ours = callers;
        // In the first, statements are prepared and caches filled.
        if round > 0 {
            rates.push(here.rate() / alone.rate().max(1e-9));
            (of_ours, of_lone) = (of_ours.plus(here), of_lone.plus(alone));
        }
    }
    rates.sort_by(f64::total_cmp);
    let middle = rates.get(rates.len() / 2).copied().unwrap_or_default();
    let (ours, lone) = (of_ours.cpu_of_call(), of_lone.cpu_of_call());
    println!("{name}\t{middle:.3}\t{:.3}\t{ours:.1}\t{lone:.1}", lone / ours.max(1e-9));
}
