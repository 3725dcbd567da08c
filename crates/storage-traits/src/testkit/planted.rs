//! A store with one known fault, by which the suite shows that it can fail.

use std::collections::{BTreeMap, HashSet};
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_primitives::{Clock, SystemClock, UnixTime};

use crate::{
    Batch, Capabilities, Change, Charge, Charged, CommitError, CounterKey, Cursor, Expect, Health, Index, Key, Kind,
    Op, Page, Record, SWEEP_MARGIN, Scan, Standing, Store, StoreError, Swept, Version,
};

/// What a planted store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: this one keeps the contract.
    None,
    /// Any version will do where one is expected.
    VersionIgnored,
    /// Every version that the record ever had will do.
    OldVersionsAccepted,
    /// A record may be created twice.
    AbsenceIgnored,
    /// A record need not be there where presence is expected.
    PresenceIgnored,
    /// Reads, lets others write, and then writes.
    ReadThenWrite,
    /// Writes what stands before the failing expectation.
    HalfABatch,
    /// A commit that is dropped leaves half of it.
    HalfWhenDropped,
    /// Names the last failing key.
    LastConflictNamed,
    /// A check counts as a write.
    CheckWrites,
    /// A batch sent again is a lost race.
    RepeatConflicts,
    /// Remembers every batch, and so answers Ok for what has been overwritten.
    RepeatsRememberedForEver,
    /// Does not delete.
    DeletionForgotten,
    /// The server's clock decides.
    BackendClock,
    /// Expiry is no absence in a commit.
    ExpiryIgnored,
    /// A record lives one millisecond too long.
    ExpiryLate,
    /// A later put does not move the expiry.
    ExpiryFixed,
    /// A record that never expires expires.
    ForeverOverflows,
    /// Answers in the order of the keys' bytes.
    GetSorted,
    /// Reads each record by itself.
    TornReads,
    /// Readers see the state before the last commit.
    StaleReads,
    /// Keys of other kinds are the same.
    KindIgnored,
    /// A page leaves out what stands at its border.
    PageBorderMissed,
    /// Pages count from the front, so deletions shift them.
    PagesByOffset,
    /// Whose list it is plays no part.
    ListValueIgnored,
    /// Expired records are listed.
    ExpiredListed,
    /// The latest put says which lists a record is in.
    ListsFollowPuts,
    /// A counter goes one over its limit.
    LimitOffByOne,
    /// Reads the counter, lets others charge, and then writes it.
    ChargeReadThenWrite,
    /// What is refused is counted nevertheless.
    RefusedCounted,
    /// A refund sets the counter to zero.
    RefundResets,
    /// A refund falls below zero.
    RefundBelowZero,
    /// A charge of nothing begins a counter.
    ReadsBegin,
    /// Each charge prolongs the window.
    WindowSlides,
    /// The window runs by the server's clock.
    WindowByBackend,
    /// One refusal refuses all that follow.
    OneRefusalStopsAll,
    /// Sweeps at expiry, without the margin.
    SweepWithoutMargin,
    /// Sweeps what was chosen, renewed or not.
    SweepWithoutLook,
    /// Takes more than its limit.
    SweepUnbounded,
    /// Never says that there is more.
    SweepStopsEarly,
    /// Leaves counters.
    SweepForgetsCounters,
    /// Cuts payloads at 64 KiB.
    PayloadCut,
    /// Keeps payloads as text.
    PayloadAsText,
    /// Takes batches of any shape.
    ShapeUnchecked,
    /// Takes half as many operations as it should.
    SmallBatchesOnly,
    /// A walk leaves out what stands at a page's border.
    WalkBorderMissed,
    /// A walk counts its pages from the front, so deletions shift them.
    WalkByOffset,
    /// A walk leaves out what has expired.
    WalkWithoutExpired,
    /// A walk tells every kind when asked for one.
    WalkIgnoresKind,
    /// A walk tells of the lists of records that have gone.
    WalkTellsGoneEntries,
    /// What is restored gets a version of its own.
    RestoreWithNewVersion,
    /// What is there is not replaced by what is restored.
    RestoreKeepsWhatIsThere,
    /// A restored record leaves the lists that it stood in.
    RestoreForgetsLists,
    /// A restored counter is added to what is there.
    RestoreAddsCounters,
}

/// A small store in memory with one [`Fault`]. With [`Fault::None`] it also serves as the plainest example of a store.
#[derive(Debug)]
pub struct Planted {
    pub(super) fault: Fault,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) rows: BTreeMap<Key, Row>,
    before: BTreeMap<Key, Row>,
    pub(super) counters: BTreeMap<CounterKey, (i64, UnixTime)>,
    /// Entries of records that have gone, for the fault that tells them.
    pub(super) gone: Vec<(Key, Row)>,
    batches: HashSet<Version>,
    versions: HashSet<(Key, Version)>,
}

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) record: Record,
    pub(super) indexes: Vec<Index>,
}

/// Lets every other task and thread go first.
async fn step_aside() {
    let mut asked = 0;
    poll_fn(|context| {
        asked += 1;
        std::thread::sleep(Duration::from_micros(50)); // longer than it takes to wake a thread
        if asked > 3 {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Planted {
    /// An empty store with this fault.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self { fault, state: Mutex::default() }
    }

    pub(super) fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, key: &Key) -> Key {
        if self.is(Fault::KindIgnored) { Key { kind: Kind(0), ..*key } } else { *key }
    }

    fn judging_time(&self, now: UnixTime) -> UnixTime {
        match self.fault {
            Fault::BackendClock => SystemClock.now(),
            Fault::ExpiryLate => UnixTime::from_millis(now.as_millis().saturating_sub(1)),
            _ => now,
        }
    }

    fn holds(&self, state: &State, op: &Op, now: UnixTime) -> bool {
        let key = self.place(&op.key);
        let standing = state.rows.get(&key).map(|row| Standing::from(&row.record));
        let now = if self.is(Fault::ExpiryIgnored) { UnixTime::default() } else { self.judging_time(now) };
        let expect = match (self.fault, op.expect) {
            (Fault::VersionIgnored, Expect::At(_)) => Expect::Present,
            (Fault::OldVersionsAccepted, Expect::At(version)) if state.versions.contains(&(key, version)) => {
                Expect::Present
            }
            (Fault::AbsenceIgnored, Expect::Absent) | (Fault::PresenceIgnored, Expect::Present) => Expect::Any,
            (_, expect) => expect,
        };
        expect.holds(standing.as_ref(), now)
    }

    /// Whether the batch is to be written; a repeated one is not.
    fn judge(&self, state: &mut State, batch: &Batch) -> Result<bool, CommitError> {
        let mine = |op: &Op| {
            let row = state.rows.get(&self.place(&op.key));
            op.puts() && row.is_some_and(|row| row.record.version == batch.id())
        };
        let repeated = match self.fault {
            Fault::RepeatConflicts => false,
            Fault::RepeatsRememberedForEver => state.batches.contains(&batch.id()),
            _ => batch.ops().iter().any(mine),
        };
        if repeated {
            return Ok(false);
        }
        let mut failing = batch.ops().iter().filter(|op| !self.holds(state, op, batch.now()));
        let named = if self.is(Fault::LastConflictNamed) { failing.next_back() } else { failing.next() };
        let Some(named) = named.map(|op| op.key) else { return Ok(true) };
        if self.is(Fault::HalfABatch) {
            let before = batch.ops().iter().take_while(|op| op.key != named).cloned().collect::<Vec<_>>();
            self.apply(state, batch, &before);
        }
        Err(CommitError::Conflict(named))
    }

    fn apply(&self, state: &mut State, batch: &Batch, ops: &[Op]) {
        state.batches.insert(batch.id());
        for op in ops {
            let key = self.place(&op.key);
            match &op.change {
                Change::Check if self.is(Fault::CheckWrites) => {
                    if let Some(row) = state.rows.get_mut(&key) {
                        row.record.version = batch.id();
                    }
                }
                Change::Check => {}
                Change::Delete if self.is(Fault::DeletionForgotten) => {}
                Change::Delete => {
                    let gone = state.rows.remove(&key).filter(|_| self.is(Fault::WalkTellsGoneEntries));
                    state.gone.extend(gone.map(|row| (key, row)));
                }
                Change::Put { expires_at, indexes, payload } => {
                    state.versions.insert((key, batch.id()));
                    let record = Record { version: batch.id(), expires_at: *expires_at, payload: self.kept(payload) };
                    self.put(state, key, Row { record, indexes: indexes.clone() }, batch.now());
                }
            }
        }
    }

    fn put(&self, state: &mut State, key: Key, mut row: Row, now: UnixTime) {
        if self.is(Fault::ForeverOverflows) && row.record.expires_at == UnixTime::MAX {
            row.record.expires_at = UnixTime::default();
        }
        if let Some(held) = state.rows.get(&key).filter(|held| held.record.expires_at > now) {
            if !self.is(Fault::ListsFollowPuts) {
                row.indexes.clone_from(&held.indexes);
            }
            if self.is(Fault::ExpiryFixed) {
                row.record.expires_at = held.record.expires_at;
            }
        }
        state.rows.insert(key, row);
    }

    fn kept(&self, payload: &Bytes) -> Bytes {
        match self.fault {
            Fault::PayloadCut => payload.slice(..payload.len().min(65_536)),
            Fault::PayloadAsText => String::from_utf8_lossy(payload).into_owned().into(),
            _ => payload.clone(),
        }
    }

    fn listed(&self, state: &State, index: &Index, now: UnixTime) -> Vec<Key> {
        let stands = |row: &Row| match self.fault {
            Fault::ListValueIgnored => row.indexes.iter().any(|stands| stands.name == index.name),
            _ => row.indexes.contains(index),
        };
        let live = |row: &Row| self.is(Fault::ExpiredListed) || row.record.expires_at > self.judging_time(now);
        state.rows.iter().filter(|(_, row)| stands(row) && live(row)).map(|(key, _)| *key).collect()
    }

    async fn charge_one(&self, charge: &Charge, now: UnixTime) -> Charged {
        let mut held = self.lock().counters.get(&charge.counter).copied();
        if self.is(Fault::ChargeReadThenWrite) {
            step_aside().await;
        }
        let mut state = self.lock();
        if !self.is(Fault::ChargeReadThenWrite) {
            held = state.counters.get(&charge.counter).copied();
        }
        let judged = if self.is(Fault::WindowByBackend) { SystemClock.now() } else { now };
        let anew = (0, now.plus(charge.window));
        let (count, mut resets_at) = held.filter(|(_, resets_at)| *resets_at > judged).unwrap_or(anew);
        let limit = i64::from(charge.limit) + i64::from(self.is(Fault::LimitOffByOne));
        let sum = count + i64::from(charge.add);
        let admitted = charge.add < 0 || sum <= limit;
        let after = match self.fault {
            Fault::RefundResets if charge.add < 0 => 0,
            Fault::RefundBelowZero => {
                if admitted {
                    sum
                } else {
                    count
                }
            }
            Fault::RefusedCounted => sum.max(0),
            _ if admitted => sum.max(0),
            _ => count,
        };
        if self.is(Fault::WindowSlides) {
            resets_at = now.plus(charge.window);
        }
        if after != count || self.is(Fault::WindowSlides) || self.is(Fault::ReadsBegin) {
            state.counters.insert(charge.counter, (after, resets_at));
        }
        Charged { admitted, count: u32::try_from(after.max(0)).unwrap_or(u32::MAX), resets_at }
    }
}

#[async_trait]
impl Store for Planted {
    fn capabilities(&self) -> Capabilities {
        Capabilities::VOLATILE
    }

    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        let now = self.judging_time(now);
        let mut keys: Vec<Key> = keys.iter().map(|key| self.place(key)).collect();
        if self.is(Fault::GetSorted) {
            keys.sort_unstable();
        }
        let find = |rows: &BTreeMap<Key, Row>, key: &Key| {
            rows.get(key).filter(|row| row.record.expires_at > now).map(|row| row.record.clone())
        };
        if self.is(Fault::TornReads) {
            let mut records = Vec::new();
            for key in &keys {
                records.push(find(&self.lock().rows, key));
                step_aside().await;
            }
            return Ok(records);
        }
        let state = self.lock();
        let rows = if self.is(Fault::StaleReads) { &state.before } else { &state.rows };
        Ok(keys.iter().map(|key| find(rows, key)).collect())
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        if !self.is(Fault::ShapeUnchecked) {
            batch.validate()?;
        }
        if self.is(Fault::SmallBatchesOnly) && batch.ops().len() > Batch::MAX_OPS / 2 {
            return Err(CommitError::Refused(StoreError::unavailable("too many")));
        }
        if self.is(Fault::ReadThenWrite) {
            let write = self.judge(&mut self.lock(), batch)?;
            step_aside().await;
            if write {
                self.apply(&mut self.lock(), batch, batch.ops());
            }
            return Ok(());
        }
        if self.is(Fault::HalfWhenDropped) {
            if self.judge(&mut self.lock(), batch)? {
                let (first, rest) = batch.ops().split_at(batch.ops().len() / 2);
                self.apply(&mut self.lock(), batch, first);
                step_aside().await;
                self.apply(&mut self.lock(), batch, rest);
            }
            return Ok(());
        }
        let mut state = self.lock();
        let state = &mut *state;
        if self.judge(state, batch)? {
            if self.is(Fault::StaleReads) {
                state.before.clone_from(&state.rows);
            }
            self.apply(state, batch, batch.ops());
        }
        Ok(())
    }

    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        let all = self.listed(&self.lock(), index, now);
        let limit = usize::from(limit.max(1));
        let offset = match after.as_ref().map(|cursor| cursor.0.as_ref()) {
            None => 0,
            Some(bytes) if self.is(Fault::PagesByOffset) => usize::from_be_bytes(bytes.try_into().unwrap_or_default()),
            Some(bytes) => {
                let bytes = bytes.try_into().map_err(|_| StoreError::Cursor)?;
                all.partition_point(|key| *key <= Key::from_bytes(bytes))
            }
        };
        let skipped = usize::from(self.is(Fault::PageBorderMissed) && after.is_some());
        let rest = all.get(offset + skipped..).unwrap_or_default();
        let keys = rest[..rest.len().min(limit)].to_vec();
        let next = keys.last().filter(|_| rest.len() > limit).map(|last| match self.fault {
            Fault::PagesByOffset => Cursor(Bytes::copy_from_slice(&(offset + limit).to_be_bytes())),
            _ => Cursor(Bytes::copy_from_slice(&last.to_bytes())),
        });
        Ok(Page { keys, next })
    }

    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        let mut answers: Vec<Charged> = Vec::with_capacity(charges.len());
        for charge in charges {
            let stopped = self.is(Fault::OneRefusalStopsAll) && answers.iter().any(|answer| !answer.admitted);
            let charge = if stopped { &Charge { limit: 0, ..*charge } } else { charge };
            answers.push(self.charge_one(charge, now).await);
        }
        Ok(answers)
    }

    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        let latest = if self.is(Fault::SweepWithoutMargin) { now } else { now.minus(SWEEP_MARGIN) };
        let limit = if self.is(Fault::SweepUnbounded) { u32::MAX } else { limit };
        let old = |row: &Row| row.record.expires_at < latest;
        let chosen: Vec<Key> = self.lock().rows.iter().filter(|(_, row)| old(row)).map(|(key, _)| *key).collect();
        let mut swept = Swept::default();
        for key in chosen {
            if self.is(Fault::SweepWithoutLook) {
                step_aside().await;
            }
            if swept.removed == limit {
                swept.more = !self.is(Fault::SweepStopsEarly);
                return Ok(swept);
            }
            let mut state = self.lock();
            if self.is(Fault::SweepWithoutLook) || state.rows.get(&key).is_some_and(old) {
                state.rows.remove(&key);
                swept.removed += 1;
            }
        }
        if !self.is(Fault::SweepForgetsCounters) {
            let mut state = self.lock();
            let room = usize::try_from(limit - swept.removed).unwrap_or(usize::MAX);
            let ended = state.counters.iter().filter(|(_, (_, resets_at))| *resets_at < latest);
            let ended: Vec<CounterKey> = ended.map(|(counter, _)| *counter).collect();
            for counter in ended.iter().take(room) {
                state.counters.remove(counter);
                swept.removed += 1;
            }
            swept.more = ended.len() > room;
        }
        Ok(swept)
    }

    async fn health(&self) -> Result<Health, StoreError> {
        Ok(Health::of("planted"))
    }
    fn as_scan(&self) -> Option<&dyn Scan> {
        Some(self)
    }
}
