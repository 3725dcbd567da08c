//! What is remembered, for how long, and what never is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use countersign_primitives::{Id, UnixTime};
use countersign_storage_traits::testkit::{Call, CommitFault, Fault, FaultScript, Faulty, Planted, block_on};
use countersign_storage_traits::{
    Batch, Cached, Capabilities, Charge, Charged, CommitError, Cursor, Expect, Health, Index, Key, Kind, Page, Record,
    Store, StoreError, Swept, Version,
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const LATER: UnixTime = UnixTime::from_secs(1_800_003_600);
const NAMED: Kind = Kind(200);
const OTHER: Kind = Kind(201);
const STALENESS: Duration = Duration::from_secs(5);

type Node = Cached<Faulty<Arc<Planted>>>;

fn key(kind: Kind, number: u8) -> Key {
    Key::new(Id::from_bytes([1; 16]), kind, Id::from_bytes([number; 16]))
}

/// A key in a partition of its own.
fn apart(number: u16) -> Key {
    let mut id = [0; 16];
    id[14..].copy_from_slice(&number.to_be_bytes());
    Key::root(NAMED, Id::from_bytes(id))
}

/// A node on this database, and the script that counts its reads.
fn node(database: &Arc<Planted>, staleness: Duration) -> (Node, FaultScript) {
    let script = FaultScript::new();
    (Cached::new(Faulty::new(Arc::clone(database), script.clone()), [NAMED], staleness), script)
}

fn alone() -> (Node, FaultScript) {
    node(&Arc::new(Planted::new(Fault::None)), STALENESS)
}

fn put(store: &dyn Store, keys: &[Key], version: u64, expires_at: UnixTime) {
    let mut batch = Batch::with_id(keys[0].partition, NOW, Version::new(version));
    for key in keys {
        batch.put(*key, Expect::Any, expires_at, Vec::new(), version.to_string());
    }
    block_on(store.commit(&batch)).unwrap();
}

fn delete(store: &dyn Store, key: Key, version: u64) {
    block_on(store.commit(Batch::with_id(key.partition, NOW, Version::new(version)).delete(key, Expect::Any))).unwrap();
}

/// The versions that are read; 0 stands for absent.
fn versions(store: &dyn Store, keys: &[Key], now: UnixTime) -> Vec<u64> {
    let records = block_on(store.get(keys, now)).unwrap();
    records.into_iter().map(|record| record.map_or(0, |record| record.version.number())).collect()
}

fn version(store: &dyn Store, key: Key, now: UnixTime) -> u64 {
    versions(store, &[key], now)[0]
}

#[test]
fn a_record_of_a_named_kind_is_read_once() {
    let (node, script) = alone();
    put(&node, &[key(NAMED, 1)], 1, LATER);
    for _ in 0..10 {
        assert_eq!(version(&node, key(NAMED, 1), NOW), 1);
    }
    assert_eq!((script.calls(Call::Get), node.kept()), (1, 1));
    node.clear();
    assert_eq!((version(&node, key(NAMED, 1), NOW), script.calls(Call::Get)), (1, 2));
}

#[test]
fn promise_12_a_kind_that_was_not_named_is_read_every_time() {
    let (node, script) = alone();
    put(&node, &[key(NAMED, 1), key(OTHER, 1)], 1, LATER);
    for _ in 0..3 {
        assert_eq!(version(&node, key(OTHER, 1), NOW), 1);
        assert_eq!(versions(&node, &[key(NAMED, 1), key(OTHER, 1)], NOW), [1, 1]);
    }
    assert_eq!((script.calls(Call::Get), node.kept()), (6, 0));
}

#[test]
fn absence_is_never_remembered() {
    let database = Arc::new(Planted::new(Fault::None));
    let ((one, script), (other, _)) = (node(&database, STALENESS), node(&database, STALENESS));
    assert_eq!(version(&one, key(NAMED, 1), NOW), 0);
    put(&other, &[key(NAMED, 1)], 1, LATER);
    assert_eq!(version(&one, key(NAMED, 1), NOW), 1, "seen at once, from another node too");
    assert_eq!(script.calls(Call::Get), 2);
}

#[test]
fn promise_12_another_nodes_change_is_seen_within_the_stated_time() {
    for (asked, kept) in [(2_000, 2_000), (5_000, 5_000), (3_600_000, 5_000)] {
        let database = Arc::new(Planted::new(Fault::None));
        let asked = Duration::from_millis(asked);
        let ((one, _), (other, _)) = (node(&database, asked), node(&database, asked));
        put(&one, &[key(NAMED, 1)], 1, LATER);
        assert_eq!(version(&one, key(NAMED, 1), NOW), 1);
        delete(&other, key(NAMED, 1), 2);
        assert_eq!(version(&other, key(NAMED, 1), NOW), 0, "at once where it was committed");
        assert_eq!(version(&one, key(NAMED, 1), NOW.plus(Duration::from_millis(kept - 1))), 1);
        assert_eq!(version(&one, key(NAMED, 1), NOW.plus(Duration::from_millis(kept))), 0);
    }
}

#[test]
fn a_read_from_memory_does_not_prolong_what_is_kept() {
    let database = Arc::new(Planted::new(Fault::None));
    let ((one, _), (other, _)) = (node(&database, STALENESS), node(&database, STALENESS));
    put(&one, &[key(NAMED, 1)], 1, LATER);
    assert_eq!(version(&one, key(NAMED, 1), NOW), 1);
    put(&other, &[key(NAMED, 1)], 2, LATER);
    let seen = [1, 2, 3, 4, 5].map(|after| version(&one, key(NAMED, 1), NOW.plus(Duration::from_secs(after))));
    assert_eq!(seen, [1, 1, 1, 1, 2]);
}

#[test]
fn a_clock_that_goes_back_is_a_miss() {
    let (node, script) = alone();
    put(&node, &[key(NAMED, 1)], 1, LATER);
    version(&node, key(NAMED, 1), NOW);
    version(&node, key(NAMED, 1), NOW.minus(Duration::from_millis(1)));
    assert_eq!(script.calls(Call::Get), 2);
}

#[test]
fn what_was_read_under_a_clock_far_ahead_does_not_come_back_when_that_time_comes() {
    let database = Arc::new(Planted::new(Fault::None));
    let ((one, _), (other, _)) = (node(&database, STALENESS), node(&database, STALENESS));
    let ahead = NOW.plus(Duration::from_secs(600));
    put(&one, &[key(NAMED, 1)], 1, LATER);
    assert_eq!(version(&one, key(NAMED, 1), ahead), 1);
    version(&one, apart(7), NOW); // the clock was set right, and another record was asked for
    put(&other, &[key(NAMED, 1)], 2, LATER);
    assert_eq!(version(&one, key(NAMED, 1), ahead), 2);
}

#[test]
fn an_expired_record_is_absent_also_from_memory() {
    let (node, _) = alone();
    let expiry = NOW.plus(Duration::from_secs(2));
    put(&node, &[key(NAMED, 1)], 1, expiry);
    assert_eq!(version(&node, key(NAMED, 1), NOW), 1);
    assert_eq!(version(&node, key(NAMED, 1), expiry.minus(Duration::from_millis(1))), 1);
    assert_eq!(version(&node, key(NAMED, 1), expiry), 0);
}

#[test]
fn what_was_swept_is_gone() {
    let (node, _) = alone();
    put(&node, &[key(NAMED, 1)], 1, LATER);
    assert_eq!(version(&node, key(NAMED, 1), NOW), 1);
    assert_eq!(block_on(node.sweep(LATER.plus(Duration::from_secs(121)), 10)).unwrap().removed, 1);
    assert_eq!(version(&node, key(NAMED, 1), NOW), 0);
}

#[test]
fn several_keys_are_one_view_or_read_anew() {
    let database = Arc::new(Planted::new(Fault::None));
    let ((one, script), (other, _)) = (node(&database, STALENESS), node(&database, STALENESS));
    let pair = [key(NAMED, 1), key(NAMED, 2)];
    put(&one, &pair, 1, LATER);
    assert_eq!(version(&one, pair[0], NOW), 1);
    put(&other, &pair, 2, LATER);
    assert_eq!(version(&one, pair[1], NOW), 2);
    assert_eq!(versions(&one, &pair, NOW), [2, 2], "each is kept, but of two views");
    assert_eq!(script.calls(Call::Get), 3);
    assert_eq!(versions(&one, &pair, NOW), [2, 2]);
    assert_eq!(script.calls(Call::Get), 3, "one read brought both");
    assert_eq!(versions(&one, &[pair[0], key(NAMED, 3), pair[1]], NOW), [2, 0, 2]);
    assert_eq!(script.calls(Call::Get), 4, "one is not kept, so all are read");
}

#[test]
fn it_is_bounded_and_the_oldest_goes() {
    for capacity in [0, 1, 16, 64] {
        let (node, script) = alone();
        let node = node.capacity(capacity);
        let bound = capacity.next_multiple_of(16);
        for number in 0..256 {
            put(&node, &[apart(number)], 1, LATER);
            version(&node, apart(number), NOW.plus(Duration::from_millis(number.into())));
            assert!(node.kept() <= bound, "{} of {bound}", node.kept());
        }
        assert_eq!(node.kept(), bound);
        let (end, before) = (NOW.plus(Duration::from_millis(256)), script.calls(Call::Get));
        for number in 256 - u16::try_from(bound).unwrap()..256 {
            version(&node, apart(number), end);
        }
        assert_eq!(script.calls(Call::Get), before, "the latest are kept");
        version(&node, apart(0), end);
        assert_eq!(script.calls(Call::Get), before + 1, "the first is not");
    }
}

#[test]
fn promise_14_a_store_that_is_down_is_told_and_nothing_is_kept_of_it() {
    let (node, script) = alone();
    put(&node, &[key(NAMED, 1)], 1, LATER);
    script.down();
    assert!(matches!(block_on(node.get(&[key(NAMED, 1)], NOW)), Err(StoreError::Unavailable(_))));
    script.up();
    version(&node, key(NAMED, 1), NOW);
    script.down();
    let old = NOW.plus(STALENESS);
    assert!(block_on(node.get(&[key(NAMED, 1)], old)).is_err(), "no longer than stated, also when the store is away");
}

#[test]
fn promise_3_a_commit_whatever_becomes_of_it_leaves_nothing_old_behind() {
    for fault in CommitFault::ALL {
        let (node, script) = alone();
        put(&node, &[key(NAMED, 1)], 1, LATER);
        version(&node, key(NAMED, 1), NOW);
        script.fail_commit(2, fault);
        let mut batch = Batch::with_id(key(NAMED, 1).partition, NOW, Version::new(2));
        batch.put(key(NAMED, 1), Expect::Present, LATER, Vec::new(), "2");
        assert!(block_on(node.commit(&batch)).is_err());
        let written = fault == CommitFault::LostAnswer;
        assert_eq!(version(&node, key(NAMED, 1), NOW), if written { 2 } else { 1 });
        block_on(node.commit(&batch)).unwrap();
        assert_eq!(version(&node, key(NAMED, 1), NOW), 2);
    }
}

#[test]
fn a_conflict_with_another_node_has_the_record_read_anew() {
    let database = Arc::new(Planted::new(Fault::None));
    let ((one, _), (other, _)) = (node(&database, STALENESS), node(&database, STALENESS));
    put(&one, &[key(NAMED, 1)], 1, LATER);
    let mut expected = version(&one, key(NAMED, 1), NOW);
    put(&other, &[key(NAMED, 1)], 2, LATER);
    let mut commit = |id| {
        let mut batch = Batch::with_id(key(NAMED, 1).partition, NOW, Version::new(id));
        batch.put(key(NAMED, 1), Expect::At(Version::new(expected)), LATER, Vec::new(), "");
        let outcome = block_on(one.commit(&batch));
        expected = version(&one, key(NAMED, 1), NOW);
        outcome
    };
    assert!(matches!(commit(3), Err(CommitError::Conflict(_))));
    commit(4).unwrap();
}

/// While a commit is under way nothing is answered from memory and nothing kept; also when its caller drops it.
#[test]
fn a_commit_under_way_has_its_partition_read_from_the_store() {
    let (node, script) = alone();
    put(&node, &[key(NAMED, 1), key(NAMED, 2)], 1, LATER);
    versions(&node, &[key(NAMED, 1), key(NAMED, 2)], NOW);
    script.delay(1);
    let mut batch = Batch::with_id(key(NAMED, 1).partition, NOW, Version::new(2));
    batch.put(key(NAMED, 1), Expect::Any, LATER, Vec::new(), "2");
    let mut commit = node.commit(&batch);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(commit.as_mut().poll(&mut context).is_pending());
    let before = script.calls(Call::Get);
    for number in [1, 2, 1, 2] {
        assert_eq!(version(&node, key(NAMED, number), NOW), 1);
    }
    assert_eq!(script.calls(Call::Get), before + 4);
    drop(commit);
    version(&node, key(NAMED, 1), NOW);
    version(&node, key(NAMED, 1), NOW);
    assert_eq!(script.calls(Call::Get), before + 5, "and after it, memory serves again");
}

/// A reader that has read before the commit, and keeps what it read after it, must not bring it back.
#[test]
fn promise_12_a_read_that_a_commit_overtook_is_not_kept() {
    let (node, script) = alone();
    put(&node, &[key(NAMED, 1)], 1, LATER);
    script.delay(1); // the reader has looked into memory, and waits at the store's door
    let keys = [key(NAMED, 1)];
    let mut read = node.get(&keys, NOW);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(read.as_mut().poll(&mut context).is_pending());
    script.delay(0);
    put(&node, &keys, 2, LATER);
    assert!(read.as_mut().poll(&mut context).is_ready());
    assert_eq!(node.kept(), 0);
    assert_eq!(version(&node, keys[0], NOW), 2);
}

/// Ends the readers however the writer ends.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Its answers to reads are long on their way, so that commits overtake them.
#[derive(Debug)]
struct Laggard(Planted);

#[async_trait]
impl Store for Laggard {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        let records = self.0.get(keys, now).await;
        (0..4).for_each(|_| std::thread::yield_now());
        records
    }
    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        self.0.commit(batch).await
    }
    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        self.0.list(index, after, limit, now).await
    }
    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        self.0.charge(charges, now).await
    }
    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        self.0.sweep(now, limit).await
    }
    async fn health(&self) -> Result<Health, StoreError> {
        self.0.health().await
    }
}

#[test]
fn promise_12_with_many_readers_an_answered_commit_is_never_unseen_again() {
    let node = Cached::new(Laggard(Planted::new(Fault::None)), [NAMED], STALENESS);
    let answered = AtomicU64::new(1);
    let done = AtomicBool::new(false);
    let pair = [key(NAMED, 1), key(NAMED, 2)];
    put(&node, &pair, 1, LATER);
    std::thread::scope(|scope| {
        for reader in 0..6 {
            let (node, answered, done) = (&node, &answered, &done);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    let at_least = answered.load(Ordering::SeqCst);
                    let seen =
                        if reader % 2 == 0 { versions(node, &pair, NOW) } else { versions(node, &pair[..1], NOW) };
                    assert!(seen[0] >= at_least, "{seen:?} after {at_least}");
                    assert_eq!(seen[0], *seen.last().unwrap(), "one view");
                }
            });
        }
        let _ends = Done(&done);
        for number in 2..2_000 {
            put(&node, &pair, number, LATER);
            answered.store(number, Ordering::SeqCst);
            assert_eq!(version(&node, pair[0], NOW), number);
        }
    });
}
