//! The suite that proves an adapter (feature `testkit`).
//!
//! Each guarantee of the contract is one small public function over `&dyn Store`; the macro [`testkit!`](crate::testkit!)
//! writes a `#[test]` for each of them, and every test opens a store of its own:
//!
//! ```no_run
//! # use countersign_storage_traits::testkit::{Fault, Planted};
//! # struct Fjall;
//! # impl Fjall { fn temporary() -> Planted { Planted::new(Fault::None) } }
//! countersign_storage_traits::testkit!(Fjall::temporary());
//! ```
//!
//! A store that needs a runtime names it, and may be opened by a future. The runtime must be one that several threads can
//! block on at once, for the races are run on threads:
//!
//! ```no_run
//! # use countersign_storage_traits::testkit::{Fault, Planted, block_on};
//! countersign_storage_traits::testkit!(
//!     open = async { Planted::new(Fault::None) },    // async { SqlStore::open("sqlite::memory:").await.unwrap() }
//!     block_on = |future| block_on(future),          // |future| RUNTIME.block_on(future)
//! );
//! ```
//!
//! Beside the suite stand [`Faulty`], a store that fails by a script, for tests of what stands above a store; and
//! [`Planted`], a store with one known [`Fault`], by which the suite shows that it can fail.

#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a guarantee that does not hold ends the test that asks for it"
)]

mod backlog;
mod charging;
mod clock;
mod commit;
mod dropping;
mod ending;
mod faulty;
mod holding;
mod listing;
mod payload;
mod planted;
mod planted_walk;
mod reading;
mod repeat;
mod report;
mod runner;
mod scene;
mod sweeping;
mod walking;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

pub use backlog::{Latencies, Sweeping, sweep_beside_traffic, with_runner};
pub use charging::*;
pub use clock::*;
pub use commit::*;
pub use dropping::*;
pub use ending::*;
pub use faulty::{Call, CommitFault, FaultScript, Faulty};
pub use holding::Holding;
pub use listing::*;
pub use payload::*;
pub use planted::{Fault, Planted};
pub use reading::*;
pub use repeat::*;
pub use report::{Report, report};
pub use runner::{block_on, run};
pub use sweeping::*;
pub use walking::*;

use crate::Store;

type Proof<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// One guarantee of the contract, and the function that proves it.
#[derive(Clone, Copy)]
pub struct Guarantee {
    /// What is guaranteed: the name of the function and of its test.
    pub name: &'static str,
    prove: fn(&dyn Store) -> Proof<'_>,
}

impl Guarantee {
    /// Panics unless `store` keeps the guarantee.
    pub async fn prove(&self, store: &dyn Store) {
        (self.prove)(store).await;
    }
}

impl fmt::Debug for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guarantee({})", self.name)
    }
}

macro_rules! table {
    ($($name:ident)*) => {
        /// Every guarantee, for suites that do not use the macro.
        pub const GUARANTEES: &[Guarantee] =
            &[$(Guarantee { name: stringify!($name), prove: |store| Box::pin($name(store)) }),*];
    };
}
crate::testkit!(@each [table]);

/// Writes a test for each guarantee of the storage contract.
///
/// `testkit!(STORE)` takes an expression that makes a store; `testkit!(open = FUTURE, block_on = CLOSURE)` one that needs a
/// runtime. The expression is evaluated anew in each test. See the [module](mod@crate::testkit) for both.
#[macro_export]
macro_rules! testkit {
    (@each [$($callback:tt)*] $($argument:tt)*) => {
        $($callback)*! {
            $($argument)*
            one_commit_wins_a_version
            an_absent_record_is_created_once
            an_expired_record_is_replaced_once
            present_lets_children_be_written_side_by_side
            expectations_hold_as_they_say
            a_check_writes_nothing
            a_batch_is_applied_whole_or_not_at_all
            racing_batches_never_mix
            a_conflict_names_the_first_failing_key
            a_repeated_batch_is_ok
            a_batch_that_races_with_itself_is_ok
            a_repeated_delete_is_ok
            an_overwritten_repeat_conflicts
            a_repeat_never_undoes_a_later_write
            a_record_made_anew_is_another_one
            an_expired_record_is_absent
            the_callers_clock_decides
            a_batch_is_judged_by_its_own_time
            a_record_lives_as_long_as_its_last_put_says
            get_answers_in_order
            get_sees_a_partition_at_one_moment
            an_answered_commit_is_seen_at_once
            keys_are_told_apart
            a_list_holds_what_was_committed
            a_list_is_paged
            a_list_survives_deletes_between_pages
            a_list_misses_nothing_while_others_write
            lists_are_fixed_at_creation
            nothing_is_issued_after_the_end
            a_charge_never_passes_its_limit
            a_refused_charge_is_not_counted
            a_refund_never_falls_below_zero
            a_window_runs_by_the_callers_clock
            a_charge_of_nothing_reads
            charges_stand_each_by_itself
            extreme_charges_do_not_overflow
            a_sweep_takes_only_what_expired_long_ago
            a_sweep_is_bounded
            a_sweep_keeps_what_is_renewed
            a_sweep_takes_counters
            two_sweepers_clear_a_backlog_beside_traffic
            payloads_come_back_byte_for_byte
            a_full_batch_goes_through
            expiries_at_the_ends_of_time_are_kept
            wrong_shapes_are_refused
            a_dropped_commit_leaves_all_or_nothing
            a_working_store_is_healthy
            a_walk_tells_everything
            a_walk_tells_one_kind
            a_walk_survives_deletes_between_pages
            a_walk_misses_nothing_while_others_write
            what_is_restored_is_the_same
        }
    };
    (@tests ($open:expr) ($block_on:expr) $($name:ident)*) => {$(
        #[test]
        fn $name() {
            $crate::testkit::run(stringify!($name), $open, $block_on);
        }
    )*};
    (open = $open:expr, block_on = $block_on:expr $(,)?) => {
        $crate::testkit!(@each [$crate::testkit] @tests ($open) ($block_on));
    };
    ($store:expr $(,)?) => {
        $crate::testkit!(open = async { $store }, block_on = |future| $crate::testkit::block_on(future));
    };
}
