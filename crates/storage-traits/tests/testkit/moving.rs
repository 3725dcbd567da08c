//! A store is moved whole, or it is told that it was not.

use std::sync::Arc;
use std::time::Duration;

use countersign_primitives::{Clock, Id, ManualClock, SystemRandom, UnixTime};
use countersign_storage_traits::testkit::{Call, Fault, FaultScript, Faulty, Planted, block_on};
use countersign_storage_traits::{
    Batch, Charge, CounterKey, Encrypted, Expect, Index, Item, Key, Kind, MasterKey, Move, MoveError, Moved, Part,
    Progress, Scan, Store, StoreError, Tally,
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

fn clock() -> ManualClock {
    ManualClock::at(NOW)
}

fn key(number: u8) -> Key {
    Key::new(Id::from_bytes([number % 7; 16]), Kind(200 + number % 3), Id::from_bytes([number; 16]))
}

fn put(store: &dyn Store, number: u8, expiry: UnixTime) {
    let indexes = (0..number % 5).map(|name| Index { name, value: Id::from_bytes([number % 4; 16]) }).collect();
    let mut batch = Batch::new(key(number).partition, NOW, &SystemRandom).unwrap();
    batch.put(key(number), Expect::Any, expiry, indexes, vec![number; usize::from(number)]);
    block_on(store.commit(&batch)).unwrap();
}

/// 40 records that live, one that lives for ever, three that went long ago, two counters.
fn furnished() -> Planted {
    let store = Planted::new(Fault::None);
    (0..40).for_each(|number| put(&store, number, NOW.plus(HOUR)));
    put(&store, 40, UnixTime::MAX);
    (41..44).for_each(|number| put(&store, number, NOW.minus(HOUR)));
    for (counter, add) in [(1, 3), (2, 9)] {
        let charge = Charge { counter: CounterKey(Id::from_bytes([counter; 16])), add, limit: 10, window: HOUR };
        block_on(store.charge(&[charge], NOW)).unwrap();
    }
    store
}

/// Everything that a store holds, in order; but for what has expired, and for marks.
fn held(store: &dyn Scan) -> Vec<Item> {
    let page = |part| block_on(store.scan(part, None, u16::MAX)).unwrap().items;
    let is_mark = |item: &Item| matches!(item, Item::Record { key, .. } if key.kind == mark().kind);
    Part::ALL.into_iter().flat_map(page).filter(|item| item.expires_at() > NOW && !is_mark(item)).collect()
}

fn moved(source: &dyn Scan, target: &dyn Scan) -> Result<Moved, MoveError> {
    block_on(Move::new(source, target, &clock(), &SystemRandom).at_once(7, 10).run(|_| {}))
}

#[test]
fn everything_is_moved_byte_for_byte() {
    let (source, target) = (furnished(), Planted::new(Fault::None));
    let before = held(&source);
    let moved = moved(&source, &target).unwrap();
    assert_eq!(held(&target), before);
    assert_eq!(held(&source), before, "the source is only read, but for its mark");
    let entries = before.iter().filter(|item| matches!(item, Item::Entry { .. })).count() as u64;
    assert_eq!(moved.compared, Tally { records: 41, entries, counters: 2 });
    // Three records, and what stood in lists of them.
    assert_eq!(moved.expired, 3 + (41..44).map(|number| number % 5).sum::<u64>());
    // The digest is of what is there: back again it is the same, however the pages fall.
    let third = Planted::new(Fault::None);
    let back = block_on(Move::new(&target, &third, &clock(), &SystemRandom).at_once(1, 10).run(|_| {})).unwrap();
    assert_eq!((back.digest, back.expired), (moved.digest, 0));
}

#[test]
fn a_target_that_holds_anything_is_refused_and_left_as_it_is() {
    let source = furnished();
    let with_record = Planted::new(Fault::None);
    put(&with_record, 1, NOW.minus(HOUR));
    let with_counter = Planted::new(Fault::None);
    let charge = Charge { counter: CounterKey(Id::from_bytes([9; 16])), add: 1, limit: 10, window: HOUR };
    block_on(with_counter.charge(&[charge], NOW)).unwrap();
    for target in [with_record, with_counter] {
        let before = Part::ALL.map(|part| block_on(target.scan(part, None, 9)).unwrap());
        assert!(matches!(moved(&source, &target), Err(MoveError::NotEmpty)));
        assert_eq!(Part::ALL.map(|part| block_on(target.scan(part, None, 9)).unwrap()), before);
    }
}

#[test]
fn an_empty_source_is_told_and_the_target_stays_usable() {
    let (source, target) = (Planted::new(Fault::None), Planted::new(Fault::None));
    assert!(matches!(moved(&source, &target), Err(MoveError::Empty)));
    moved(&furnished(), &target).unwrap();
}

#[test]
fn a_move_that_died_at_any_call_is_ended_by_another_and_no_server_starts_before() {
    let source = furnished();
    let (master, random) = (MasterKey::from_bytes([7; 32]), Arc::new(SystemRandom));
    let whole = Planted::new(Fault::None);
    let digest = moved(&source, &whole).unwrap().digest;
    for (call, most) in [(Call::Restore, 13), (Call::Commit, 13), (Call::Scan, 20)] {
        let mut died = 0;
        for number in 1..=most {
            let (target, script) = (Arc::new(Planted::new(Fault::None)), FaultScript::new());
            script.fail(call, number);
            let failing = Faulty::new(Arc::clone(&target), script);
            match moved(&source, &failing) {
                Ok(_) => continue,
                Err(MoveError::Target(StoreError::Unavailable(_))) => died += 1,
                Err(error) => panic!("{error}"),
            }
            let sealed = Encrypted::new(Arc::clone(&target), &master, "https://id.example.com", random.clone());
            let begun = block_on(target.get(&[mark()], NOW)).unwrap()[0].is_some();
            assert_eq!(matches!(block_on(sealed.root_key(NOW)), Err(StoreError::HalfMoved)), begun);
            if begun {
                assert_eq!(moved(&source, &*target).unwrap().digest, digest, "{call:?} {number}");
                assert_eq!(held(&*target), held(&source));
                block_on(sealed.root_key(NOW)).unwrap();
            }
        }
        assert!(died > 5, "{call:?} died {died} times");
    }
}

/// Where a move leaves its mark, as the example of a half moved store tells it.
fn mark() -> Key {
    Key::root(Kind(81), Id::from_bytes(*b"countersign move"))
}

#[test]
fn a_half_moved_store_is_no_source() {
    let (source, half, script) = (furnished(), Arc::new(Planted::new(Fault::None)), FaultScript::new());
    script.fail(Call::Restore, 3);
    assert!(moved(&source, &Faulty::new(Arc::clone(&half), script)).is_err());
    assert!(matches!(moved(&*half, &Planted::new(Fault::None)), Err(MoveError::SourceUnfinished)));
}

#[test]
fn a_source_that_is_used_meanwhile_is_told() {
    type Use = fn(&Planted);
    let delete: Use = |store| {
        let mut batch = Batch::new(key(3).partition, NOW, &SystemRandom).unwrap();
        block_on(store.commit(batch.delete(key(3), Expect::Any))).unwrap();
    };
    let changes: [(Use, (u64, u64)); 3] = [
        (|store| put(store, 5, UnixTime::MAX), (1, 1)),
        (|store| put(store, 80, NOW.plus(HOUR)), (1, 0)),
        (delete, (0, 4)),
    ];
    for (change, told) in changes {
        let (source, target, mut changed) = (furnished(), Planted::new(Fault::None), false);
        let outcome = block_on(Move::new(&source, &target, &clock(), &SystemRandom).run(|progress| {
            // Everything was read once, and is about to be compared.
            if matches!(progress, Progress::Copied(Tally { counters: 2, .. })) && !changed {
                changed = true;
                change(&source);
            }
        }));
        match outcome {
            Err(MoveError::Differs { missing, extra }) => assert_eq!((missing, extra), told),
            other => panic!("{other:?}"),
        }
        let sealed =
            Encrypted::new(target, &MasterKey::from_bytes([7; 32]), "https://id.example.com", Arc::new(SystemRandom));
        assert!(matches!(block_on(sealed.root_key(NOW)), Err(StoreError::HalfMoved)));
    }
}

#[test]
fn of_two_moves_into_one_target_the_later_goes_on_alone() {
    let (source, target, mut begun) = (furnished(), Planted::new(Fault::None), false);
    let first = block_on(Move::new(&source, &target, &clock(), &SystemRandom).at_once(7, 10).run(|_| {
        if !begun {
            begun = true;
            moved(&source, &target).unwrap();
            // A server that starts now changes what the first move would write again.
            put(&target, 39, UnixTime::MAX);
        }
    }));
    assert!(matches!(first, Err(MoveError::TakenOver)), "{first:?}");
    let record = block_on(target.get(&[key(39)], NOW)).unwrap().remove(0).unwrap();
    assert_eq!(record.expires_at, UnixTime::MAX, "and it stays");
}

#[test]
fn a_comparison_that_took_long_is_made_again() {
    let (source, target, clock) = (furnished(), Planted::new(Fault::None), clock());
    let mut slow = 3;
    let moved = block_on(Move::new(&source, &target, &clock, &SystemRandom).run(|progress| {
        if matches!(progress, Progress::Compared { .. }) && slow > 0 {
            slow -= 1;
            clock.advance(Duration::from_secs(200));
        }
    }));
    assert_eq!(moved.unwrap().compared.records, 41, "{:?}", clock.now());
}

#[test]
fn a_target_that_writes_something_else_or_tells_too_little_is_found_out() {
    for fault in [Fault::RestoreWithNewVersion, Fault::WalkBorderMissed] {
        let (source, target) = (furnished(), Planted::new(fault));
        let outcome = moved(&source, &target);
        assert!(matches!(outcome, Err(MoveError::Differs { .. })), "{fault:?}: {outcome:?}");
    }
}
