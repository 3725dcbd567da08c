//! What a measured call costs in allocations. A file of its own, since the allocator counts for the whole process.

use std::alloc::System;
use std::sync::Arc;
use std::time::Duration;

use countersign_primitives::{Id, UnixTime};
use countersign_storage_traits::testkit::{Fault, Planted, block_on};
use countersign_storage_traits::{Instrumented, Key, Kind, Operation, Outcome, Store, StoreMetrics, StoreObserver};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CALLS: usize = 1_000;
/// What the harness may allocate meanwhile.
const NOISE: usize = 20;

fn allocations(call: impl Fn()) -> usize {
    call();
    let region = Region::new(COUNTED);
    (0..CALLS).for_each(|_| call());
    region.change().allocations
}

#[test]
fn a_measured_call_allocates_no_more_than_its_boxed_future() {
    let metrics = Arc::new(StoreMetrics::new());
    let get = |store: &dyn Store| {
        let key = Key::root(Kind(200), Id::from_bytes([1; 16]));
        assert_eq!(block_on(store.get(&[key], UnixTime::from_secs(1))).unwrap(), [None]);
    };
    let (bare, measured) = (Planted::new(Fault::None), Instrumented::new(Planted::new(Fault::None), metrics.clone()));
    let (without, with) = (allocations(|| get(&bare)), allocations(|| get(&measured)));
    assert!(without >= CALLS, "the allocator counts");
    assert!(with <= without + CALLS + NOISE, "{with} and {without}");
    let counting = allocations(|| metrics.called(Operation::Get, Duration::from_millis(3), Outcome::Ok));
    assert!(counting <= NOISE, "{counting}");
    assert!(allocations(|| drop(metrics.snapshot())) <= NOISE);
}
