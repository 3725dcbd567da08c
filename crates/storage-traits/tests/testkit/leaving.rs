//! A store that was moved is used no more.

use std::sync::Arc;
use std::time::Duration;

use countersign_primitives::{Clock, Id, ManualClock, SystemRandom, UnixTime};
use countersign_storage_traits::testkit::{Call, CommitFault, Fault, FaultScript, Faulty, Planted, block_on};
use countersign_storage_traits::{
    Batch, Charge, CommitError, CounterKey, Encrypted, Expect, Index, Key, Kind, MasterKey, Move, MoveError, Store,
    StoreError,
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const HOUR: Duration = Duration::from_secs(3_600);
const TARGET: &str = "postgres://db.example.com/auth";

type Watched = Faulty<Arc<Planted>>;

/// A server's store, sealed and counted, with one record in it.
struct Node {
    below: Arc<Planted>,
    script: FaultScript,
    store: Encrypted<Watched>,
    clock: ManualClock,
}

impl Node {
    fn new() -> Self {
        let (below, script) = (Arc::new(Planted::new(Fault::None)), FaultScript::new());
        let watched = Faulty::new(Arc::clone(&below), script.clone());
        let master = MasterKey::from_bytes([7; 32]);
        let store = Encrypted::new(watched, &master, "https://id.example.com", Arc::new(SystemRandom));
        let this = Self { below, script, store, clock: ManualClock::at(NOW) };
        block_on(this.store.root_key(NOW)).unwrap();
        this.commit().unwrap();
        this
    }

    fn now(&self) -> UnixTime {
        self.clock.now()
    }

    fn get(&self) -> Result<(), StoreError> {
        block_on(self.store.get(&[key(1)], self.now())).map(|found| assert!(found.len() == 1 && found[0].is_some()))
    }

    fn commit(&self) -> Result<(), CommitError> {
        let mut batch = Batch::new(key(1).partition, self.now(), &SystemRandom).unwrap();
        batch.put(key(1), Expect::Any, self.now().plus(HOUR), Vec::new(), "payload");
        block_on(self.store.commit(&batch))
    }

    fn charge(&self) -> Result<(), StoreError> {
        let charge = Charge { counter: CounterKey(key(9).id), add: 1, limit: 1_000, window: HOUR };
        block_on(self.store.charge(&[charge], self.now())).map(drop)
    }

    fn list(&self) -> Result<(), StoreError> {
        let index = Index { name: 1, value: key(9).id };
        block_on(self.store.list(&index, None, 10, self.now())).map(drop)
    }

    fn sweep(&self) -> Result<(), StoreError> {
        block_on(self.store.sweep(self.now(), 10)).map(drop)
    }

    fn moved_to(&self, target: &Planted) -> Result<(), MoveError> {
        self.moved_to_named(target, TARGET)
    }

    fn moved_to_named(&self, target: &Planted, name: &str) -> Result<(), MoveError> {
        block_on(Move::new(&*self.below, target, &self.clock, &SystemRandom).named(name).run(|_| {})).map(drop)
    }

    fn reopen(&self) -> Option<Arc<str>> {
        block_on(Move::reopen(&*self.below, &self.clock, &SystemRandom)).unwrap()
    }
}

fn key(number: u8) -> Key {
    Key::new(Id::from_bytes([number; 16]), Kind(200), Id::from_bytes([number; 16]))
}

fn is_away(error: &StoreError) -> bool {
    matches!(error, StoreError::MovedAway { to } if **to == *TARGET)
}

#[test]
fn promise_3_a_running_server_notices_within_seconds_that_its_store_was_moved_and_writes_no_more() {
    let node = Node::new();
    node.get().unwrap();
    node.moved_to(&Planted::new(Fault::None)).unwrap();
    node.clock.advance(Duration::from_millis(3_999));
    node.get().unwrap(); // it looks every four seconds, and a move waits for longer than that
    node.clock.advance(Duration::from_millis(1));
    let error = node.get().unwrap_err();
    assert!(is_away(&error), "{error:?}");
    let told = error.to_string();
    assert!(told.contains(TARGET) && told.contains("Move::reopen") && told.contains("move --undo"), "{told}");
    assert!(matches!(node.commit(), Err(CommitError::Refused(error)) if is_away(&error)));
    for outcome in [node.charge(), node.list(), node.sweep(), block_on(node.store.health()).map(drop)] {
        assert!(is_away(&outcome.unwrap_err()));
    }
    assert!(node.clock.now() < NOW.plus(Move::NOTICED), "a move waits for longer");
}

#[test]
fn promise_3_a_write_that_no_read_went_before_is_refused_too() {
    type Write = fn(&Node) -> bool;
    let writes: [(&str, Write); 4] = [
        ("commit", |node| matches!(node.commit(), Err(CommitError::Refused(error)) if is_away(&error))),
        ("charge", |node| matches!(node.charge(), Err(error) if is_away(&error))),
        ("list", |node| matches!(node.list(), Err(error) if is_away(&error))),
        ("sweep", |node| matches!(node.sweep(), Err(error) if is_away(&error))),
    ];
    for (name, is_refused) in writes {
        let node = Node::new();
        node.moved_to(&Planted::new(Fault::None)).unwrap();
        node.clock.advance(Duration::from_secs(4));
        let before = [Call::Commit, Call::Charge, Call::List, Call::Sweep].map(|call| node.script.calls(call));
        assert!(is_refused(&node), "{name}");
        let after = [Call::Commit, Call::Charge, Call::List, Call::Sweep].map(|call| node.script.calls(call));
        assert_eq!(before, after, "{name} does not reach the store");
    }
}

#[test]
fn promise_14_a_write_is_refused_while_nobody_can_tell_whether_the_store_was_moved() {
    let node = Node::new();
    node.clock.advance(Duration::from_secs(4));
    node.script.restart();
    node.script.fail(Call::Get, 1);
    assert!(matches!(node.commit(), Err(CommitError::Refused(StoreError::Unavailable(_)))));
    assert_eq!(node.script.commits(), 0);
    node.commit().unwrap();
}

#[test]
fn looking_for_the_mark_costs_no_journey_where_anything_is_read() {
    let node = Node::new();
    node.script.restart();
    for _ in 0..50 {
        node.get().unwrap();
        node.commit().unwrap();
        node.charge().unwrap();
        node.clock.advance(Duration::from_millis(500));
    }
    let calls = [Call::Get, Call::Commit, Call::Charge].map(|call| node.script.calls(call));
    assert_eq!(calls, [50, 50, 50], "25 s of traffic, and no call of its own");
    // Where nothing is read, one in four seconds.
    node.script.restart();
    for _ in 0..50 {
        node.commit().unwrap();
        node.clock.advance(Duration::from_millis(500));
    }
    assert!(node.script.calls(Call::Get) <= 7, "{}", node.script.calls(Call::Get));
}

#[test]
fn no_server_starts_on_a_store_that_was_moved_until_its_mark_is_lifted() {
    let node = Node::new();
    node.moved_to(&Planted::new(Fault::None)).unwrap();
    assert!(is_away(&block_on(node.store.root_key(node.now())).unwrap_err()));
    node.clock.advance(Duration::from_secs(4));
    assert!(node.get().is_err());
    assert_eq!(node.reopen().as_deref(), Some(TARGET));
    block_on(node.store.root_key(node.now())).unwrap();
    // The server that ran all along serves again.
    node.clock.advance(Duration::from_secs(4));
    node.get().unwrap();
    node.commit().unwrap();
    assert_eq!(node.reopen(), None, "nothing more to lift");
}

#[test]
fn a_move_that_fails_leaves_its_source_in_use() {
    let node = Node::new();
    // What stands in the way at the target is told before the source is marked.
    let taken = Planted::new(Fault::None);
    let mut batch = Batch::new(key(5).partition, NOW, &SystemRandom).unwrap();
    batch.put(key(5), Expect::Absent, NOW.plus(HOUR), Vec::new(), "mine");
    block_on(taken.commit(&batch)).unwrap();
    assert!(matches!(node.moved_to(&taken), Err(MoveError::NotEmpty)));
    node.clock.advance(Duration::from_secs(4));
    node.get().unwrap();
    // What fails on the way lifts the mark.
    let script = FaultScript::new();
    script.fail(Call::Restore, 1);
    let failing = Faulty::new(Planted::new(Fault::None), script);
    let moving = Move::new(&*node.below, &failing, &node.clock, &SystemRandom).named(TARGET);
    assert!(matches!(block_on(moving.run(|_| {})), Err(MoveError::Target(_))));
    node.clock.advance(Duration::from_secs(4));
    node.get().unwrap();
    node.commit().unwrap();
}

#[test]
fn a_move_that_was_killed_leaves_its_mark_and_only_a_move_to_the_same_target_goes_on() {
    let node = Node::new();
    // It was killed after it had marked both.
    let target = Planted::new(Fault::None);
    block_on(Move::new(&*node.below, &target, &node.clock, &SystemRandom).named(TARGET).mark()).unwrap();
    node.clock.advance(Duration::from_secs(4));
    assert!(is_away(&node.get().unwrap_err()));
    let elsewhere = node.moved_to_named(&Planted::new(Fault::None), "redis://cache.example.com");
    assert!(matches!(elsewhere, Err(MoveError::SourceMoved { to }) if *to == *TARGET));
    node.moved_to(&target).unwrap();
    assert!(is_away(&node.get().unwrap_err()));
}

#[test]
fn a_mark_whose_answer_was_lost_is_there_once_and_goes_with_the_move() {
    for fault in CommitFault::ALL {
        let (node, script) = (Node::new(), FaultScript::new());
        let source = Faulty::new(Arc::clone(&node.below), script.clone());
        script.fail_commit(1, fault);
        let target = Planted::new(Fault::None);
        let moving = Move::new(&source, &target, &node.clock, &SystemRandom).named(TARGET);
        let moved = block_on(moving.run(|_| {}));
        assert_eq!(moved.is_err(), fault == CommitFault::Refused, "{fault:?}: {moved:?}");
        node.clock.advance(Duration::from_secs(4));
        assert_eq!(node.get().is_err(), moved.is_ok(), "{fault:?}");
    }
}

#[test]
fn a_store_that_was_moved_away_and_emptied_can_be_moved_into() {
    let (node, there) = (Node::new(), Planted::new(Fault::None));
    node.moved_to(&there).unwrap();
    let mut batch = Batch::new(key(1).partition, node.now(), &SystemRandom).unwrap();
    batch.delete(key(1), Expect::Any);
    block_on(node.below.commit(&batch)).unwrap();
    let walk = block_on(node.below.as_scan().unwrap().scan(countersign_storage_traits::Part::Records, None, 100));
    for item in walk.unwrap().items {
        let countersign_storage_traits::Item::Record { key, .. } = item else { continue };
        if key.kind != Kind(81) {
            let mut batch = Batch::new(key.partition, node.now(), &SystemRandom).unwrap();
            batch.delete(key, Expect::Any);
            block_on(node.below.commit(&batch)).unwrap();
        }
    }
    block_on(Move::new(&there, &*node.below, &node.clock, &SystemRandom).named("back again").run(|_| {})).unwrap();
    node.clock.advance(Duration::from_secs(4));
    node.get().unwrap();
    block_on(node.store.root_key(node.now())).unwrap();
}
