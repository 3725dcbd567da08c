//! Sealing anew as a part of the due work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use countersign_primitives::{Id, SystemRandom, UnixTime};
use countersign_storage_traits::testkit::{Call, CommitFault, Fault, FaultScript, Faulty, Planted, block_on};
use countersign_storage_traits::{
    Batch, CommitError, Encrypted, Expect, Instrumented, Key, Kind, MasterKey, Resealing, Store, StoreMetrics,
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const HOUR: Duration = Duration::from_secs(3_600);
const DORMANT: u32 = 500;
const EXPIRING: u32 = 70;

fn master(number: u8) -> MasterKey {
    MasterKey::from_bytes([number; 32])
}

fn sealed<S: Store>(store: S, number: u8) -> Encrypted<S> {
    Encrypted::new(store, &master(number), "https://id.example.com", Arc::new(SystemRandom))
}

/// A node after the change: it seals under the second key, and opens what the first sealed.
fn changed<S: Store>(store: S) -> Encrypted<S> {
    sealed(store, 2).replaces(&master(1))
}

fn key(number: u32) -> Key {
    let id = Id::from_bytes(u128::from(number).to_be_bytes());
    Key::new(id, Kind(200), id)
}

fn payload(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn put(store: &dyn Store, number: u32, expires_at: UnixTime) {
    let mut batch = Batch::new(key(number).partition, NOW, &SystemRandom).unwrap();
    batch.put(key(number), Expect::Any, expires_at, Vec::new(), payload(number));
    block_on(store.commit(&batch)).unwrap();
}

/// What the first key sealed: records that never expire, and some that do within an hour.
fn furnished() -> Arc<Planted> {
    let store = Arc::new(Planted::new(Fault::None));
    let before = sealed(Arc::clone(&store), 1);
    (0..DORMANT).for_each(|number| put(&before, number, UnixTime::MAX));
    let expiry = |number: u32| NOW.plus(Duration::from_secs(u64::from(number - DORMANT + 1)) * 50);
    (DORMANT..DORMANT + EXPIRING).for_each(|number| put(&before, number, expiry(number)));
    store
}

/// Works until the walk is over; how many steps that took.
fn walk<S: Store>(node: &Encrypted<S>, now: UnixTime) -> u32 {
    for step in 1.. {
        if block_on(node.reseal_due(now)).unwrap().unwrap() > now {
            return step;
        }
    }
    unreachable!("a walk ends")
}

/// All that never expires opens under the second key alone, and says what it said.
fn assert_all_anew(store: &Arc<Planted>) {
    let after = sealed(Arc::clone(store), 2);
    for number in 0..DORMANT {
        let record = block_on(after.get(&[key(number)], NOW)).unwrap().remove(0).unwrap();
        assert_eq!(record.payload, payload(number));
    }
}

#[test]
fn due_work_seals_dormant_records_anew_in_bounded_steps_and_tells_when_the_earlier_key_can_go() {
    let (store, script, metrics) = (furnished(), FaultScript::new(), Arc::new(StoreMetrics::new()));
    let counted = Faulty::new(Arc::clone(&store), script.clone());
    let node = changed(Instrumented::new(counted, metrics.clone()));
    assert_eq!(node.resealing(), Some(Resealing::default()), "nothing is known yet");
    let mut steps = 0;
    while node.resealing().unwrap().left.is_none() {
        script.restart();
        let due = block_on(node.reseal_due(NOW)).unwrap().unwrap();
        assert!(script.commits() <= 128, "{} commits in one step", script.commits());
        steps += 1;
        assert_eq!(due > NOW, node.resealing().unwrap().left.is_some(), "it is due again at once until it is over");
    }
    assert!(steps >= 4, "{steps} steps");
    let found = node.resealing().unwrap();
    let last = NOW.plus(Duration::from_secs(u64::from(EXPIRING)) * 50);
    assert_eq!((found.left, found.needed_until, found.walked_at), (Some(EXPIRING.into()), Some(last), Some(NOW)));
    assert!(!found.is_over());
    assert_eq!(metrics.snapshot().resealing, found, "the gauge of who watches the store");
    assert_all_anew(&store);

    // Between walks it rests; when what was left has expired, it says so.
    script.restart();
    let due = block_on(node.reseal_due(NOW.plus(Duration::from_secs(600)))).unwrap().unwrap();
    assert!(script.calls(Call::Scan) == 0 && due == last, "{due:?}");
    walk(&node, last);
    let found = node.resealing().unwrap();
    assert!(found.is_over() && found.needed_until.is_none(), "{found:?}");
    assert_eq!(metrics.snapshot().resealing, found);
}

#[test]
fn without_an_earlier_key_nothing_is_walked() {
    let script = FaultScript::new();
    let node = sealed(Faulty::new(furnished(), script.clone()), 1).also_opens(&master(2));
    assert_eq!(block_on(node.reseal_due(NOW)).unwrap(), None);
    assert_eq!((node.resealing(), script.calls(Call::Scan)), (None, 0));
}

#[test]
fn promise_3_two_nodes_seal_anew_beside_writers_and_undo_no_write() {
    let store = furnished();
    let (done, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let counters = [1_000, 1_001, 1_002];
    let before = sealed(Arc::clone(&store), 1);
    for number in counters {
        let mut batch = Batch::new(key(number).partition, NOW, &SystemRandom).unwrap();
        batch.put(key(number), Expect::Absent, UnixTime::MAX, Vec::new(), 0_u64.to_be_bytes().to_vec());
        block_on(before.commit(&batch)).unwrap();
    }
    std::thread::scope(|scope| {
        // One writer has not changed its key yet, so that there is always something to do.
        let nodes = [sealed(Arc::clone(&store), 1).also_opens(&master(2)), changed(Arc::clone(&store))];
        for node in nodes {
            let (done, written) = (&done, &written);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    for number in counters {
                        let Some(record) = block_on(node.get(&[key(number)], NOW)).unwrap().remove(0) else {
                            panic!("a record that never expires is gone");
                        };
                        let count = u64::from_be_bytes(record.payload.as_ref().try_into().unwrap()) + 1;
                        let mut batch = Batch::new(key(number).partition, NOW, &SystemRandom).unwrap();
                        let expect = Expect::At(record.version);
                        batch.put(key(number), expect, UnixTime::MAX, Vec::new(), count.to_be_bytes().to_vec());
                        match block_on(node.commit(&batch)) {
                            Ok(()) => drop(written.fetch_add(1, Ordering::SeqCst)),
                            Err(CommitError::Conflict(_)) => {}
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                }
            });
        }
        let sealers: Vec<_> = (0..2)
            .map(|_| {
                let node = changed(Arc::clone(&store));
                scope.spawn(move || {
                    for round in 0..5_u32 {
                        walk(&node, NOW.plus(2 * HOUR * round));
                    }
                })
            })
            .collect();
        sealers.into_iter().for_each(|sealer| sealer.join().unwrap());
        done.store(true, Ordering::SeqCst);
    });
    let node = changed(Arc::clone(&store));
    let counted = counters.map(|number| {
        let record = block_on(node.get(&[key(number)], NOW)).unwrap().remove(0).unwrap();
        u64::from_be_bytes(record.payload.as_ref().try_into().unwrap())
    });
    assert_eq!(counted.iter().sum::<u64>(), written.load(Ordering::SeqCst), "every write that was answered is there");
    assert!(written.load(Ordering::SeqCst) > 100);
    assert_all_anew(&store);
}

#[test]
fn a_walk_that_ended_anywhere_is_begun_anew_and_does_nothing_twice() {
    for steps in 0..5 {
        let store = furnished();
        let killed = changed(Arc::clone(&store));
        for _ in 0..steps {
            block_on(killed.reseal_due(NOW)).unwrap();
        }
        drop(killed);
        let script = FaultScript::new();
        let node = changed(Faulty::new(Arc::clone(&store), script.clone()));
        walk(&node, NOW);
        assert!(script.commits() <= DORMANT, "{steps}: {}", script.commits());
        assert!(steps == 0 || script.commits() < DORMANT, "what was done is not done again");
        assert_all_anew(&store);
    }
}

#[test]
fn promise_14_a_step_that_fails_is_told_and_made_again() {
    let (store, script) = (furnished(), FaultScript::new());
    let node = changed(Faulty::new(Arc::clone(&store), script.clone()));
    script.fail(Call::Scan, 2);
    for (number, fault) in CommitFault::ALL.into_iter().enumerate() {
        script.fail_commit(u32::try_from(number).unwrap() * 7 + 3, fault);
    }
    block_on(node.reseal_due(NOW)).unwrap();
    assert!(block_on(node.reseal_due(NOW)).is_err());
    walk(&node, NOW);
    // What could not be written is counted as left, and seen to within a minute.
    let found = node.resealing().unwrap();
    assert!(found.left > Some(EXPIRING.into()) && found.needed_until.is_none(), "{found:?}");
    walk(&node, NOW.plus(Duration::from_secs(60)));
    assert!(node.resealing().unwrap().needed_until.is_some());
    assert_all_anew(&store);
}
