//! A suite that cannot fail proves nothing: each planted fault is found by the guarantee that it breaks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use countersign_storage_traits::testkit::{Fault, GUARANTEES, Planted, block_on};

/// A fault that shows only in a race may hide for a round on a busy machine; in so many it does not.
const ROUNDS: usize = 60;

fn keeps(fault: Fault, name: &str) -> bool {
    let guarantee = GUARANTEES.iter().find(|guarantee| guarantee.name == name).expect("there is such a guarantee");
    (0..ROUNDS).all(|_| {
        let store = Planted::new(fault);
        catch_unwind(AssertUnwindSafe(|| block_on(guarantee.prove(&store)))).is_ok()
    })
}

macro_rules! planted {
    ($($fault:ident => $($guarantee:ident),+;)*) => {
        $(
            #[test]
            #[expect(non_snake_case, reason = "named after the fault")]
            fn $fault() {
                $(assert!(!keeps(Fault::$fault, stringify!($guarantee)), "{} must fail", stringify!($guarantee));)+
            }
        )*

        const FOUND_BY: &[&str] = &[$($(stringify!($guarantee)),+),*];
    };
}

planted! {
    VersionIgnored => one_commit_wins_a_version, expectations_hold_as_they_say, a_record_made_anew_is_another_one;
    OldVersionsAccepted => one_commit_wins_a_version, an_overwritten_repeat_conflicts, a_record_made_anew_is_another_one;
    AbsenceIgnored => an_absent_record_is_created_once, expectations_hold_as_they_say, nothing_is_issued_after_the_end;
    PresenceIgnored => expectations_hold_as_they_say, a_batch_is_applied_whole_or_not_at_all;
    ReadThenWrite => one_commit_wins_a_version, an_absent_record_is_created_once, an_expired_record_is_replaced_once;
    HalfABatch => a_batch_is_applied_whole_or_not_at_all;
    HalfWhenDropped => a_dropped_commit_leaves_all_or_nothing, racing_batches_never_mix;
    LastConflictNamed => a_conflict_names_the_first_failing_key;
    CheckWrites => a_check_writes_nothing, present_lets_children_be_written_side_by_side;
    RepeatConflicts => a_repeated_batch_is_ok, a_batch_that_races_with_itself_is_ok, a_repeated_delete_is_ok;
    RepeatsRememberedForEver => an_overwritten_repeat_conflicts;
    DeletionForgotten => a_repeated_delete_is_ok, a_record_made_anew_is_another_one;
    BackendClock => an_expired_record_is_absent, the_callers_clock_decides, a_batch_is_judged_by_its_own_time;
    ExpiryIgnored => an_expired_record_is_absent, an_expired_record_is_replaced_once;
    ExpiryLate => an_expired_record_is_absent;
    ExpiryFixed => a_record_lives_as_long_as_its_last_put_says;
    ForeverOverflows => expiries_at_the_ends_of_time_are_kept;
    GetSorted => get_answers_in_order;
    TornReads => get_sees_a_partition_at_one_moment;
    StaleReads => an_answered_commit_is_seen_at_once;
    KindIgnored => keys_are_told_apart;
    PageBorderMissed => a_list_is_paged, a_list_misses_nothing_while_others_write;
    PagesByOffset => a_list_survives_deletes_between_pages;
    ListValueIgnored => a_list_holds_what_was_committed;
    ExpiredListed => an_expired_record_is_absent;
    ListsFollowPuts => lists_are_fixed_at_creation;
    LimitOffByOne => a_charge_never_passes_its_limit;
    ChargeReadThenWrite => a_charge_never_passes_its_limit;
    RefusedCounted => a_refused_charge_is_not_counted;
    RefundResets => a_refund_never_falls_below_zero, extreme_charges_do_not_overflow;
    RefundBelowZero => a_refund_never_falls_below_zero;
    ReadsBegin => a_charge_of_nothing_reads;
    WindowSlides => a_window_runs_by_the_callers_clock, a_charge_of_nothing_reads;
    WindowByBackend => a_window_runs_by_the_callers_clock;
    OneRefusalStopsAll => charges_stand_each_by_itself;
    SweepWithoutMargin => a_sweep_takes_only_what_expired_long_ago;
    SweepWithoutLook => a_sweep_keeps_what_is_renewed, two_sweepers_clear_a_backlog_beside_traffic;
    SweepUnbounded => a_sweep_is_bounded;
    SweepStopsEarly => a_sweep_is_bounded;
    SweepForgetsCounters => a_sweep_takes_counters;
    PayloadCut => payloads_come_back_byte_for_byte;
    PayloadAsText => payloads_come_back_byte_for_byte;
    ShapeUnchecked => wrong_shapes_are_refused;
    SmallBatchesOnly => a_full_batch_goes_through;
    WalkBorderMissed => a_walk_tells_everything;
    WalkByOffset => a_walk_survives_deletes_between_pages, a_walk_misses_nothing_while_others_write;
    WalkWithoutExpired => a_walk_tells_everything;
    WalkIgnoresKind => a_walk_tells_one_kind;
    WalkTellsGoneEntries => a_walk_tells_everything;
    RestoreWithNewVersion => what_is_restored_is_the_same;
    RestoreKeepsWhatIsThere => what_is_restored_is_the_same;
    RestoreForgetsLists => what_is_restored_is_the_same;
    RestoreAddsCounters => what_is_restored_is_the_same;
}

/// What no single fault breaks: each of these would take a store that is wrong in a way of its own.
const WITHOUT_A_FAULT: [&str; 2] = ["a_repeat_never_undoes_a_later_write", "a_working_store_is_healthy"];

#[test]
fn every_guarantee_has_a_fault_that_breaks_it() {
    for guarantee in GUARANTEES {
        let found = FOUND_BY.contains(&guarantee.name) || WITHOUT_A_FAULT.contains(&guarantee.name);
        assert!(found, "{guarantee:?}");
    }
}
