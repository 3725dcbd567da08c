//! Counting what a store does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_primitives::UnixTime;

use crate::{Health, Operation, Outcome, Resealing, StoreObserver, Swept};

/// Up to what each bucket of the histogram reaches; longer calls are only in the count of all.
const BUCKETS: [Duration; 12] = [
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// What a store did since the start: calls by operation and outcome, how long they took, and the backlog that it last told of.
///
/// A call adds to three atomic numbers: no lock, no allocation, no global state. [`StoreMetrics::snapshot`] reads them all. To
/// answer a scrape of Prometheus:
///
/// ```
/// use std::fmt::Write;
/// use std::sync::Arc;
///
/// use countersign_storage_traits::testkit::{Fault, Planted, block_on};
/// use countersign_storage_traits::{Instrumented, Store, StoreMetrics, StoreSnapshot};
///
/// fn prometheus(snapshot: &StoreSnapshot) -> Result<String, std::fmt::Error> {
///     let mut text = String::from("# TYPE store_calls_total counter\n");
///     for of in &snapshot.operations {
///         for (outcome, count) in of.outcomes() {
///             let (operation, outcome) = (of.operation.name(), outcome.name());
///             writeln!(text, "store_calls_total{{operation=\"{operation}\",outcome=\"{outcome}\"}} {count}")?;
///         }
///     }
///     text += "# TYPE store_call_duration_seconds histogram\n";
///     for of in &snapshot.operations {
///         let operation = of.operation.name();
///         for (upto, count) in of.buckets() {
///             let upto = upto.as_secs_f64();
///             writeln!(text, "store_call_duration_seconds_bucket{{operation=\"{operation}\",le=\"{upto}\"}} {count}")?;
///         }
///         let (count, sum) = (of.count, of.took.as_secs_f64());
///         writeln!(text, "store_call_duration_seconds_bucket{{operation=\"{operation}\",le=\"+Inf\"}} {count}")?;
///         writeln!(text, "store_call_duration_seconds_sum{{operation=\"{operation}\"}} {sum}")?;
///         writeln!(text, "store_call_duration_seconds_count{{operation=\"{operation}\"}} {count}")?;
///     }
///     writeln!(text, "# TYPE store_swept_total counter\nstore_swept_total {}", snapshot.swept)?;
///     if let Some(backlog) = snapshot.backlog {
///         writeln!(text, "# TYPE store_sweep_backlog gauge\nstore_sweep_backlog {backlog}")?;
///     }
///     if let Some(left) = snapshot.resealing.left {
///         writeln!(text, "# TYPE store_under_earlier_key gauge\nstore_under_earlier_key {left}")?;
///     }
///     Ok(text)
/// }
///
/// let metrics = Arc::new(StoreMetrics::new());
/// let store = Instrumented::new(Planted::new(Fault::None), metrics.clone());
/// block_on(store.health())?;
/// let text = prometheus(&metrics.snapshot())?;
/// assert!(text.contains("store_calls_total{operation=\"health\",outcome=\"ok\"} 1\n"));
/// assert!(text.contains("store_call_duration_seconds_bucket{operation=\"health\",le=\"+Inf\"} 1\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct StoreMetrics {
    operations: [Counts; Operation::ALL.len()],
    swept: AtomicU64,
    /// [`UNKNOWN`] while none is known.
    backlog: AtomicU64,
    /// What is left of a change of the master key, until when the earlier key is needed (ms), and when that was found (ms); [`UNKNOWN`]
    /// for what is not known.
    resealing: [AtomicU64; 3],
}

const UNKNOWN: u64 = u64::MAX;

#[derive(Debug, Default)]
struct Counts {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    /// One more than [`BUCKETS`], for what took longer.
    latency: [AtomicU64; BUCKETS.len() + 1],
    nanoseconds: AtomicU64,
}

impl StoreMetrics {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        let unknown = || AtomicU64::new(UNKNOWN);
        let resealing = [unknown(), unknown(), unknown()];
        Self { operations: Default::default(), swept: AtomicU64::new(0), backlog: unknown(), resealing }
    }

    /// All numbers as they are now. Calls that end meanwhile may be in one number and not yet in another.
    #[must_use]
    pub fn snapshot(&self) -> StoreSnapshot {
        let known = |gauge: &AtomicU64| Some(gauge.load(Ordering::Relaxed)).filter(|value| *value != UNKNOWN);
        let [left, needed_until, walked_at] = &self.resealing;
        let time = |gauge| known(gauge).map(UnixTime::from_millis);
        StoreSnapshot {
            operations: Operation::ALL.map(|operation| self.operations[operation as usize].snapshot(operation)),
            swept: self.swept.load(Ordering::Relaxed),
            backlog: known(&self.backlog),
            resealing: Resealing { left: known(left), needed_until: time(needed_until), walked_at: time(walked_at) },
        }
    }
}

impl Default for StoreMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl StoreObserver for StoreMetrics {
    fn called(&self, operation: Operation, took: Duration, outcome: Outcome) {
        let counts = &self.operations[operation as usize];
        let bucket = BUCKETS.iter().position(|upto| took <= *upto).unwrap_or(BUCKETS.len());
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        counts.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        counts.latency[bucket].fetch_add(1, Ordering::Relaxed);
        counts.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    fn swept(&self, swept: &Swept) {
        self.swept.fetch_add(swept.removed.into(), Ordering::Relaxed);
    }

    fn health(&self, health: &Health) {
        self.backlog.store(health.backlog.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    fn resealing(&self, resealing: &Resealing) {
        let millis = |time: Option<UnixTime>| time.map(UnixTime::as_millis);
        let found = [resealing.left, millis(resealing.needed_until), millis(resealing.walked_at)];
        for (gauge, value) in self.resealing.iter().zip(found) {
            gauge.store(value.unwrap_or(UNKNOWN), Ordering::Relaxed);
        }
    }
}

impl Counts {
    fn snapshot(&self, operation: Operation) -> OperationSnapshot {
        let mut count = 0;
        let mut at_most = [0; BUCKETS.len()];
        for (bucket, number) in self.latency.iter().enumerate() {
            count += number.load(Ordering::Relaxed);
            if let Some(at_most) = at_most.get_mut(bucket) {
                *at_most = count;
            }
        }
        OperationSnapshot {
            operation,
            count,
            took: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)),
            outcomes: Outcome::ALL.map(|outcome| self.outcomes[outcome as usize].load(Ordering::Relaxed)),
            at_most,
        }
    }
}

/// What [`StoreMetrics`] had counted at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreSnapshot {
    /// Each operation, in the order of [`Operation::ALL`].
    pub operations: [OperationSnapshot; Operation::ALL.len()],
    /// How many expired records and counters sweeps have removed.
    pub swept: u64,
    /// How many expired records and counters wait for a sweep, by the last answer of [`Store::health`](crate::Store::health)
    /// that knew; counted no further than [`BACKLOG_COUNTED`](crate::BACKLOG_COUNTED).
    pub backlog: Option<u64>,
    /// How far a change of the master key has come, by the last step of this node's due work.
    pub resealing: Resealing,
}

impl StoreSnapshot {
    /// What was counted of one operation.
    #[must_use]
    pub const fn of(&self, operation: Operation) -> &OperationSnapshot {
        &self.operations[operation as usize]
    }
}

/// What was counted of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationSnapshot {
    /// Which one.
    pub operation: Operation,
    /// How many calls ended.
    pub count: u64,
    /// How long they took together.
    pub took: Duration,
    outcomes: [u64; Outcome::ALL.len()],
    at_most: [u64; BUCKETS.len()],
}

impl OperationSnapshot {
    /// How many calls ended in this way.
    #[must_use]
    pub const fn ended(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// How many calls ended in each way.
    pub fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.into_iter().zip(self.outcomes)
    }

    /// The histogram: a duration, and how many calls took at most that long. [`OperationSnapshot::count`] has those that took longer too.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        BUCKETS.into_iter().zip(self.at_most)
    }
}
