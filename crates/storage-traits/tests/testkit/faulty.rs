//! The store that fails by a script does what the script says.

use std::sync::Arc;

use countersign_primitives::{Id, SystemRandom, UnixTime};
use countersign_storage_traits::testkit::{Call, CommitFault, Fault, FaultScript, Faulty, Planted, block_on};
use countersign_storage_traits::{Batch, CommitError, Expect, Key, Kind, Store, StoreError};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const KEY: Key = Key::root(Kind(200), Id::from_bytes([1; 16]));

fn batch(expect: Expect) -> Batch {
    let mut batch = Batch::new(KEY.partition, NOW, &SystemRandom).unwrap();
    batch.put(KEY, expect, UnixTime::MAX, Vec::new(), "");
    batch
}

fn written(store: &dyn Store) -> bool {
    block_on(store.get(&[KEY], NOW)).unwrap()[0].is_some()
}

#[test]
fn a_commit_fails_before_or_after_it_is_applied() {
    for (fault, applied) in
        [(CommitFault::Refused, false), (CommitFault::LostRequest, false), (CommitFault::LostAnswer, true)]
    {
        let script = FaultScript::new();
        let store = Faulty::new(Planted::new(Fault::None), script.clone());
        script.fail_commit(1, fault);
        let outcome = block_on(store.commit(&batch(Expect::Absent)));
        match fault {
            CommitFault::Refused => assert!(matches!(outcome, Err(CommitError::Refused(_)))),
            _ => assert!(matches!(outcome, Err(CommitError::Unknown(_)))),
        }
        assert_eq!(written(store.inner()), applied, "{fault:?}");
        assert_eq!(script.commits(), 1);
    }
}

#[test]
fn promise_1_an_unknown_outcome_is_settled_by_the_same_batch() {
    for fault in [CommitFault::LostRequest, CommitFault::LostAnswer] {
        let script = FaultScript::new();
        let store: Arc<dyn Store> = Arc::new(Faulty::new(Planted::new(Fault::None), script.clone()));
        script.fail_commit(1, fault);
        script.fail_commit(2, fault);
        block_on(store.commit_surely(&batch(Expect::Absent))).unwrap();
        assert!(written(&*store));
        assert_eq!(script.commits(), 3);
    }
}

#[test]
fn a_conflict_is_no_lost_answer() {
    let script = FaultScript::new();
    let store = Faulty::new(Planted::new(Fault::None), script.clone());
    block_on(store.commit(&batch(Expect::Absent))).unwrap();
    script.fail_commit(2, CommitFault::LostAnswer);
    assert!(matches!(block_on(store.commit(&batch(Expect::Absent))), Err(CommitError::Conflict(KEY))));
}

#[test]
fn after_a_crash_nothing_works_until_the_restart() {
    let script = FaultScript::new();
    let store = Faulty::new(Planted::new(Fault::None), script.clone());
    script.crash_at_commit(1, CommitFault::LostAnswer);
    assert!(matches!(block_on(store.commit(&batch(Expect::Absent))), Err(CommitError::Unknown(_))));
    assert!(matches!(block_on(store.commit(&batch(Expect::Any))), Err(CommitError::Refused(_))));
    assert!(matches!(block_on(store.get(&[KEY], NOW)), Err(StoreError::Unavailable(_))));
    assert!(block_on(store.charge(&[], NOW)).is_err() && block_on(store.health()).is_err());
    script.restart();
    assert!(written(&store), "what was written before the crash is there");
}

#[test]
fn single_calls_fail_by_number() {
    let script = FaultScript::new();
    let store = Faulty::new(Planted::new(Fault::None), script.clone());
    script.fail(Call::Charge, 2);
    let outcomes: Vec<_> = (0..3).map(|_| block_on(store.charge(&[], NOW)).is_ok()).collect();
    assert_eq!(outcomes, [true, false, true]);
    script.down();
    assert!(block_on(store.sweep(NOW, 1)).is_err());
    script.up();
    assert!(block_on(store.sweep(NOW, 1)).is_ok());
    assert_eq!(script.calls(Call::Sweep), 2);
}
