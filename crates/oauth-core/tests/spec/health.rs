//! What a probe is told: of the store, of clocks, and of work that is due (promise 14).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use countersign_oauth_core::{Health, Unhealthy};
use countersign_primitives::{Clock, Id, ManualClock, SystemRandom, UnixTime};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::testkit::Call;
use countersign_storage_traits::{
    self as storage, Batch, Capabilities, Charge, Charged, CommitError, Cursor, Expect, Index, Key, Kind, Page, Record,
    Store, StoreError, Swept,
};

use crate::kit::*;

fn health(kit: &Kit) -> Result<Health, Unhealthy> {
    block_on(kit.server.health())
}

#[test]
fn promise_14_health_fails_when_work_has_not_gone_through_for_ten_minutes() {
    let kit = Kit::new();
    let work = || block_on(kit.server.work(kit.clock.now()));
    assert_eq!(health(&kit).unwrap().worked_at, START);
    kit.advance(599);
    assert!(health(&kit).is_ok());
    kit.advance(1);
    assert!(matches!(health(&kit), Err(Unhealthy::Work { overdue }) if overdue.as_secs() == 600));
    // A round that fails is none.
    kit.script.restart();
    kit.script.fail(Call::Sweep, 1);
    assert!(work().is_err());
    assert!(matches!(health(&kit), Err(Unhealthy::Work { .. })));
    work().unwrap();
    assert_eq!(health(&kit).unwrap().worked_at, kit.clock.now());
}

#[test]
fn a_backlog_is_worked_off_in_bounded_rounds_that_follow_each_other_and_health_tells_it() {
    let kit = Kit::new();
    let backlog = || health(&kit).unwrap().store.backlog;
    let before = backlog();
    for number in 0..2_500_u32 {
        let id = Id::from_bytes(u128::from(number).to_be_bytes());
        let mut batch = Batch::new(id, kit.clock.now(), &SystemRandom).unwrap();
        let expiry = kit.clock.now().plus(Duration::from_secs(1));
        batch.put(Key::root(Kind(200), id), Expect::Absent, expiry, Vec::new(), "short-lived");
        block_on(kit.server.store().commit(&batch)).unwrap();
    }
    assert_eq!(backlog(), before);
    kit.advance(300);
    let now = kit.clock.now();
    let work = || block_on(kit.server.work(now)).unwrap();
    // By the first round the store knows what time it is. A round that leaves something is to be followed by another at once.
    assert_eq!((work(), backlog()), (now, Some(1_500)));
    assert_eq!((work(), backlog()), (now, Some(500)));
    assert!(work() > now, "the backlog is gone");
    assert_eq!(backlog(), Some(0));
}

#[test]
fn promise_14_health_fails_with_the_store() {
    let kit = Kit::new();
    kit.script.down();
    assert!(matches!(health(&kit), Err(Unhealthy::Store(_))));
    kit.script.up();
    assert!(health(&kit).is_ok());
}

#[test]
fn promise_14_health_fails_when_the_stores_clock_is_ten_seconds_off() {
    let (clock, offset) = (ManualClock::at(START), Arc::new(AtomicI64::new(0)));
    let store = Clocked { store: MemoryStore::new(), clock: clock.clone(), offset: Arc::clone(&offset) };
    let server = block_on(builder(ISSUER, store).clock(clock).build()).unwrap();
    for (off, told) in [(0, 0), (1_999, 1_999), (-9_999, 9_999)] {
        offset.store(off, Ordering::Relaxed);
        assert_eq!(block_on(server.health()).unwrap().clock_offset, Some(Duration::from_millis(told)));
    }
    for off in [10_000, -10_000, 3_600_000] {
        offset.store(off, Ordering::Relaxed);
        let unhealthy = block_on(server.health()).unwrap_err();
        assert!(
            matches!(unhealthy, Unhealthy::Clock { offset } if offset.as_millis() == u128::from(off.unsigned_abs()))
        );
    }
}

/// A store with a clock of its own.
#[derive(Debug)]
struct Clocked {
    store: MemoryStore,
    clock: ManualClock,
    offset: Arc<AtomicI64>,
}

#[async_trait]
impl Store for Clocked {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        self.store.get(keys, now).await
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        self.store.commit(batch).await
    }

    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        self.store.list(index, after, limit, now).await
    }

    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        self.store.charge(charges, now).await
    }

    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        self.store.sweep(now, limit).await
    }

    async fn health(&self) -> Result<storage::Health, StoreError> {
        let millis = self.clock.now().as_millis().saturating_add_signed(self.offset.load(Ordering::Relaxed));
        Ok(self.store.health().await?.clock(UnixTime::from_millis(millis)))
    }
}
