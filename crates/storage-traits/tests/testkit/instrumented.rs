//! Metrics tell what happened, and change nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_primitives::{Id, SystemRandom, UnixTime};
use countersign_storage_traits::testkit::{Call, CommitFault, Fault, FaultScript, Faulty, Planted, block_on};
use countersign_storage_traits::{
    Batch, Charge, CommitError, CounterKey, Encrypted, Expect, Health, Index, Instrumented, Key, Kind, MasterKey,
    Operation, Outcome, Part, Store, StoreError, StoreMetrics, StoreObserver,
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const KEY: Key = Key::root(Kind(200), Id::from_bytes([1; 16]));
const INDEX: Index = Index { name: 1, value: Id::from_bytes([9; 16]) };
const CHARGE: Charge =
    Charge { counter: CounterKey(Id::from_bytes([8; 16])), add: 1, limit: 1, window: Duration::from_secs(60) };

fn measured<S: Store>(store: S) -> (Instrumented<S>, Arc<StoreMetrics>) {
    let metrics = Arc::new(StoreMetrics::new());
    (Instrumented::new(store, metrics.clone()), metrics)
}

fn batch(expect: Expect) -> Batch {
    let mut batch = Batch::new(KEY.partition, NOW, &SystemRandom).unwrap();
    batch.put(KEY, expect, UnixTime::MAX, Vec::new(), "x");
    batch
}

/// What was counted, as operation, outcome and number; nothing else was.
fn counted(metrics: &StoreMetrics) -> Vec<(Operation, Outcome, u64)> {
    let all = metrics.snapshot().operations;
    let each = all.iter().flat_map(|of| of.outcomes().map(move |(outcome, number)| (of.operation, outcome, number)));
    each.filter(|(.., number)| *number > 0).collect()
}

#[test]
fn every_operation_is_counted_by_itself() {
    let (store, metrics) = measured(Planted::new(Fault::None));
    block_on(store.get(&[KEY], NOW)).unwrap();
    block_on(store.commit(&batch(Expect::Absent))).unwrap();
    block_on(store.list(&INDEX, None, 10, NOW)).unwrap();
    for admitted in [true, false] {
        assert_eq!(block_on(store.charge(&[CHARGE], NOW)).unwrap()[0].admitted, admitted);
    }
    block_on(store.sweep(NOW, 10)).unwrap();
    block_on(store.health()).unwrap();
    let walked = store.as_scan().unwrap();
    let page = block_on(walked.scan(Part::Records, None, 10)).unwrap();
    block_on(walked.restore(&page.items)).unwrap();
    let number = |operation| if operation == Operation::Charge { 2 } else { 1 };
    assert_eq!(counted(&metrics), Operation::ALL.map(|operation| (operation, Outcome::Ok, number(operation))));
}

#[test]
fn promise_14_every_way_to_fail_is_counted_under_its_own_name() {
    let script = FaultScript::new();
    let (store, metrics) = measured(Faulty::new(Planted::new(Fault::None), script.clone()));
    block_on(store.commit(&batch(Expect::Absent))).unwrap();
    assert!(matches!(block_on(store.commit(&batch(Expect::Absent))), Err(CommitError::Conflict(KEY))));
    for fault in CommitFault::ALL {
        script.restart();
        script.fail_commit(1, fault);
        assert!(block_on(store.commit(&batch(Expect::Any))).is_err());
    }
    assert!(block_on(store.commit(&Batch::new(KEY.partition, NOW, &SystemRandom).unwrap())).is_err(), "empty");
    script.fail(Call::Get, 1);
    assert!(matches!(block_on(store.get(&[KEY], NOW)), Err(StoreError::Unavailable(_))));
    assert_eq!(
        counted(&metrics),
        [
            (Operation::Get, Outcome::Unavailable, 1),
            (Operation::Commit, Outcome::Ok, 1),
            (Operation::Commit, Outcome::Conflict, 1),
            (Operation::Commit, Outcome::Unknown, 2),
            (Operation::Commit, Outcome::Unavailable, 1),
            (Operation::Commit, Outcome::Refused, 1),
        ]
    );
}

#[test]
fn a_damaged_record_and_a_wrong_master_key_have_names_of_their_own() {
    let below = Arc::new(Planted::new(Fault::None));
    let sealed = |number| {
        let master = MasterKey::from_bytes([number; 32]);
        measured(Encrypted::new(Arc::clone(&below), &master, "https://id.example.com", Arc::new(SystemRandom)))
    };
    let ((one, _), (other, metrics)) = (sealed(1), sealed(2));
    block_on(one.commit(&batch(Expect::Absent))).unwrap();
    assert!(block_on(other.get(&[KEY], NOW)).is_err());
    assert_eq!(counted(&metrics), [(Operation::Get, Outcome::WrongKey, 1)]);
    let corrupt = StoreError::Corrupt { key: KEY, reason: "a test" };
    assert_eq!(Outcome::from(&corrupt), Outcome::Corrupt);
    assert_eq!(Outcome::from(&CommitError::Refused(corrupt)), Outcome::Corrupt);
}

#[test]
fn a_call_that_nobody_waits_for_is_counted_as_dropped() {
    let script = FaultScript::new();
    script.delay(1);
    let (store, metrics) = measured(Faulty::new(Planted::new(Fault::None), script));
    let batch = batch(Expect::Absent);
    let mut call = store.commit(&batch);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(call.as_mut().poll(&mut context).is_pending());
    assert_eq!(counted(&metrics), []);
    drop(call);
    assert_eq!(counted(&metrics), [(Operation::Commit, Outcome::Dropped, 1)]);
}

#[test]
fn the_histogram_counts_each_call_in_every_bucket_that_reaches_it() {
    let metrics = StoreMetrics::new();
    for micros in [1, 100, 101, 3_000, 5_000_000, 5_000_001] {
        metrics.called(Operation::Get, Duration::from_micros(micros), Outcome::Ok);
    }
    let snapshot = metrics.snapshot();
    let get = snapshot.of(Operation::Get);
    let buckets: Vec<_> = get.buckets().map(|(upto, count)| (upto.as_micros(), count)).collect();
    assert_eq!(buckets[..2], [(100, 2), (250, 3)]);
    assert_eq!(buckets[4..6], [(2_500, 3), (5_000, 4)]);
    assert_eq!(buckets.last(), Some(&(5_000_000, 5)));
    assert_eq!((get.count, get.took, get.ended(Outcome::Ok)), (6, Duration::from_micros(10_003_202 + 1), 6));
    assert_eq!(snapshot.of(Operation::Commit).count, 0);
}

#[test]
fn the_backlog_is_the_last_that_the_store_told_of() {
    let metrics = StoreMetrics::new();
    assert_eq!(metrics.snapshot().backlog, None);
    for (told, shown) in [(Some(12), Some(12)), (Some(0), Some(0)), (None, None)] {
        let health = Health::of("test");
        metrics.health(&told.map_or(health.clone(), |backlog| health.backlog(backlog)));
        assert_eq!(metrics.snapshot().backlog, shown);
    }
}

#[test]
fn many_threads_lose_no_count() {
    let (store, metrics) = measured(Planted::new(Fault::None));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..200).for_each(|_| drop(block_on(store.get(&[KEY], NOW)).unwrap())));
        }
    });
    assert_eq!(counted(&metrics), [(Operation::Get, Outcome::Ok, 1_600)]);
    assert_eq!(metrics.snapshot().of(Operation::Get).count, 1_600);
}

#[test]
fn names_are_told_apart_and_stay() {
    assert_eq!(
        Operation::ALL.map(Operation::name),
        ["get", "commit", "list", "charge", "sweep", "health", "scan", "restore"]
    );
    let names = ["ok", "conflict", "unknown", "unavailable", "corrupt", "wrong_key", "refused", "dropped"];
    assert_eq!(Outcome::ALL.map(Outcome::name), names);
}

/// An observer of a host's own hears of every call, with the time that it took.
#[test]
fn an_observer_of_ones_own_is_told() {
    #[derive(Debug, Default)]
    struct Heard(Mutex<Vec<(Operation, Outcome)>>);
    impl StoreObserver for Heard {
        fn called(&self, operation: Operation, took: Duration, outcome: Outcome) {
            assert!(took > Duration::ZERO);
            self.0.lock().unwrap().push((operation, outcome));
        }
    }
    let heard = Arc::new(Heard::default());
    let store = Instrumented::new(Planted::new(Fault::None), heard.clone());
    block_on(store.get(&[KEY], NOW)).unwrap();
    block_on(store.health()).unwrap();
    assert_eq!(*heard.0.lock().unwrap(), [(Operation::Get, Outcome::Ok), (Operation::Health, Outcome::Ok)]);
}

#[test]
fn what_sweeps_removed_is_counted() {
    let (store, metrics) = measured(Planted::new(Fault::None));
    for id in 0..25 {
        let key = Key::new(KEY.partition, KEY.kind, Id::from_bytes([id; 16]));
        let mut batch = Batch::new(key.partition, NOW, &SystemRandom).unwrap();
        batch.put(key, Expect::Absent, NOW.plus(Duration::from_secs(1)), Vec::new(), "short-lived");
        block_on(store.commit(&batch)).unwrap();
    }
    let later = NOW.plus(Duration::from_secs(3_600));
    while block_on(store.sweep(later, 10)).unwrap().more {}
    assert_eq!(metrics.snapshot().swept, 25);
}
