//! A store that fails by a script, for tests of what stands above a store.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use countersign_primitives::UnixTime;

use crate::{
    Batch, Capabilities, Charge, Charged, CommitError, Cursor, Health, Index, Item, Key, Page, Part, Record, Scan,
    ScanPage, Store, StoreError, Swept,
};

/// How a commit fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFault {
    /// Nothing is written, and the caller is told so.
    Refused,
    /// Nothing is written, and the caller does not know: the request was lost on its way.
    LostRequest,
    /// All is written, and the caller does not know: the answer was lost on its way.
    LostAnswer,
}

impl CommitFault {
    /// Every way, for tests that try each.
    pub const ALL: [Self; 3] = [Self::Refused, Self::LostRequest, Self::LostAnswer];
}

/// A call of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// [`Store::get`]
    Get,
    /// [`Store::commit`]
    Commit,
    /// [`Store::list`]
    List,
    /// [`Store::charge`]
    Charge,
    /// [`Store::sweep`]
    Sweep,
    /// [`Store::health`]
    Health,
    /// [`Scan::scan`]
    Scan,
    /// [`Scan::restore`]
    Restore,
}

/// What is to fail, and when. Calls are counted from one, each sort for itself, since the script was made or
/// [`FaultScript::restart`]ed. Clones share the script.
///
/// To stop a flow before and after each of its commits, run it once to count them, and then once for each:
///
/// ```
/// use countersign_storage_traits::testkit::{CommitFault, Fault, FaultScript, Faulty, Planted};
///
/// let script = FaultScript::new();
/// let store = Faulty::new(Planted::new(Fault::None), script.clone());
/// // … the flow, undisturbed …
/// for commit in 1..=script.commits() {
///     for fault in CommitFault::ALL {
///         script.restart();
///         script.crash_at_commit(commit, fault);
///         // … the flow, which now ends there …
///         script.restart();
///         // … what a user does next …
///     }
/// }
/// # drop(store);
/// ```
#[derive(Debug, Clone, Default)]
pub struct FaultScript(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    calls: [u32; 8],
    failing: Vec<(Call, u32)>,
    commits: Vec<(u32, CommitFault)>,
    crash_at: Option<(u32, CommitFault)>,
    crashed: bool,
    down: bool,
    delay: u32,
}

impl FaultScript {
    /// A script without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The `number`th commit from the start fails like this; the next ones work.
    pub fn fail_commit(&self, number: u32, fault: CommitFault) {
        self.lock().commits.push((number, fault));
    }

    /// The `number`th commit from the start fails like this, and after it every call fails, as if the process had died.
    pub fn crash_at_commit(&self, number: u32, fault: CommitFault) {
        self.lock().crash_at = Some((number, fault));
    }

    /// The `number`th call of this sort from the start fails.
    pub fn fail(&self, call: Call, number: u32) {
        match call {
            Call::Commit => self.fail_commit(number, CommitFault::Refused),
            call => self.lock().failing.push((call, number)),
        }
    }

    /// Every call fails from now on, until [`FaultScript::up`].
    pub fn down(&self) {
        self.lock().down = true;
    }

    /// Calls work again.
    pub fn up(&self) {
        let mut script = self.lock();
        (script.down, script.crashed) = (false, false);
    }

    /// Every call gives way to other tasks this many times before it starts, so that races open wide.
    pub fn delay(&self, turns: u32) {
        self.lock().delay = turns;
    }

    /// How many commits were asked for, failed ones included.
    #[must_use]
    pub fn commits(&self) -> u32 {
        self.calls(Call::Commit)
    }

    /// How many calls of this sort were made, failed ones included.
    #[must_use]
    pub fn calls(&self, call: Call) -> u32 {
        self.lock().calls[call as usize]
    }

    /// Counts from one again, and forgets every fault.
    pub fn restart(&self) {
        *self.lock() = Script::default();
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pass(&self, call: Call) -> Result<(), StoreError> {
        self.wait().await;
        let mut script = self.lock();
        let number = script.count(call);
        if script.down || script.crashed || script.failing.contains(&(call, number)) {
            return Err(fault());
        }
        Ok(())
    }

    async fn wait(&self) {
        let mut turns = self.lock().delay;
        poll_fn(|context| {
            if turns == 0 {
                return Poll::Ready(());
            }
            turns -= 1;
            std::thread::yield_now();
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

impl Script {
    fn count(&mut self, call: Call) -> u32 {
        let calls = &mut self.calls[call as usize];
        *calls += 1;
        *calls
    }

    fn commit_fault(&mut self) -> Option<CommitFault> {
        let number = self.count(Call::Commit);
        if self.down || self.crashed {
            return Some(CommitFault::Refused);
        }
        if let Some((_, fault)) = self.crash_at.filter(|(at, _)| *at == number) {
            self.crashed = true;
            return Some(fault);
        }
        self.commits.iter().find(|(at, _)| *at == number).map(|(_, fault)| *fault)
    }
}

fn fault() -> StoreError {
    StoreError::unavailable("a fault of the script")
}

/// A store that fails when its [`FaultScript`] says so.
#[derive(Clone)]
pub struct Faulty<S> {
    store: S,
    script: FaultScript,
}

impl<S: Store> Faulty<S> {
    /// `store`, with the faults of `script`.
    #[must_use]
    pub fn new(store: S, script: FaultScript) -> Self {
        Self { store, script }
    }

    /// The script, to add to it.
    #[must_use]
    pub fn script(&self) -> &FaultScript {
        &self.script
    }

    /// The store without faults.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.store
    }
}

impl<S: fmt::Debug> fmt::Debug for Faulty<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("store", &self.store).finish_non_exhaustive()
    }
}

#[async_trait]
impl<S: Store> Store for Faulty<S> {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        self.script.pass(Call::Get).await?;
        self.store.get(keys, now).await
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        self.script.wait().await;
        let planned = self.script.lock().commit_fault();
        match planned {
            None => self.store.commit(batch).await,
            Some(CommitFault::Refused) => Err(CommitError::Refused(fault())),
            Some(CommitFault::LostRequest) => Err(CommitError::Unknown(fault())),
            Some(CommitFault::LostAnswer) => {
                self.store.commit(batch).await?;
                Err(CommitError::Unknown(fault()))
            }
        }
    }

    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        self.script.pass(Call::List).await?;
        self.store.list(index, after, limit, now).await
    }

    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        self.script.pass(Call::Charge).await?;
        self.store.charge(charges, now).await
    }

    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        self.script.pass(Call::Sweep).await?;
        self.store.sweep(now, limit).await
    }

    async fn health(&self) -> Result<Health, StoreError> {
        self.script.pass(Call::Health).await?;
        self.store.health().await
    }
    fn as_scan(&self) -> Option<&dyn Scan> {
        self.store.as_scan().map(|_| self as &dyn Scan)
    }
}

#[async_trait]
impl<S: Store> Scan for Faulty<S> {
    async fn scan(&self, part: Part, after: Option<Cursor>, limit: u16) -> Result<ScanPage, StoreError> {
        self.script.pass(Call::Scan).await?;
        let store: &dyn Store = &self.store;
        store.scannable()?.scan(part, after, limit).await
    }

    async fn restore(&self, items: &[Item]) -> Result<(), StoreError> {
        self.script.pass(Call::Restore).await?;
        let store: &dyn Store = &self.store;
        store.scannable()?.restore(items).await
    }
}
