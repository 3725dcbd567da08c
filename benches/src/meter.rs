//! Three things that can be measured: instructions, by a function that callgrind finds; allocations; CPU time.

use std::alloc::System;
use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Something to be measured: rounds that are prepared first and then spent.
pub(crate) trait Subject {
    fn name(&self) -> &'static str;

    /// Makes what so many rounds need.
    fn prepare(&mut self, rounds: usize);

    /// Spends everything that was prepared.
    fn run(&mut self);
}

/// A subject of two closures: one makes the input of a round, the other is the round.
pub(crate) fn subject<I: 'static>(
    name: &'static str,
    make: impl FnMut() -> I + 'static,
    round: impl FnMut(I) + 'static,
) -> Box<dyn Subject> {
    struct Of<I, M, R> {
        name: &'static str,
        make: M,
        round: R,
        inputs: Vec<I>,
    }
    impl<I, M: FnMut() -> I, R: FnMut(I)> Subject for Of<I, M, R> {
        fn name(&self) -> &'static str {
            self.name
        }

        fn prepare(&mut self, rounds: usize) {
            self.inputs = (0..rounds).map(|_| (self.make)()).collect();
        }

        fn run(&mut self) {
            self.inputs.drain(..).for_each(&mut self.round);
        }
    }
    Box::new(Of { name, make, round, inputs: Vec::new() })
}

/// What callgrind counts is what happens in here, and nothing else.
#[inline(never)]
pub(crate) fn measured(work: &mut dyn FnMut()) {
    black_box(work)();
    black_box(());
}

/// What a piece of work allocated.
pub(crate) struct Allocations {
    calls: usize,
    bytes: usize,
}

impl Allocations {
    pub(crate) fn calls_of(&self, rounds: usize) -> String {
        per_round(self.calls, rounds)
    }

    pub(crate) fn bytes_of(&self, rounds: usize) -> String {
        per_round(self.bytes, rounds)
    }
}

/// With one decimal: a table that grows now and then allocates a little less than once a round.
fn per_round(sum: usize, rounds: usize) -> String {
    let tenths = (sum * 10 + rounds / 2) / rounds.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// How often the work asked for memory, a buffer that grew counting as once more.
pub(crate) fn allocations(work: impl FnOnce()) -> Allocations {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    Allocations { calls: change.allocations + change.reallocations, bytes: change.bytes_allocated }
}

/// How much is allocated now.
pub(crate) fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

/// How long this thread was on a processor.
pub(crate) fn cpu_time(work: impl FnOnce()) -> Duration {
    let now = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
    };
    let before = now();
    work();
    now().saturating_sub(before)
}
