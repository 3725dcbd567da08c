//! A server's worth of parts, cheap and held still.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use countersign_accounts::{Account, Accounts};
use countersign_events::{Event, Events};
use countersign_mfa::{
    Answer, BrowserMarks, Caller, Done, Existing, FirstEnrolment, LoginError, LoginId, LoginRequest, Mfa, MfaBuilder,
    PasswordCost, PasswordHasher, Policy, Step, StoredAccounts, Totp,
};
use countersign_mfa_otp::{TotpParameters, TotpSecret};
use countersign_primitives::{Clock, Id, ManualClock, PoolFull, Requirement, Subject, UnixTime, WorkPool};
use countersign_storage_memory::MemoryStore;
use countersign_storage_traits::{
    Batch, Capabilities, Charge, Charged, CommitError, Cursor, Health, Index, Key, Kind, MasterKey, Page, Record,
    Store, StoreError, Swept,
};

pub(crate) const REALM: &str = "https://id.example.com";
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
pub(crate) const CHEAP: PasswordCost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1 };

pub(crate) fn key() -> MasterKey {
    MasterKey::from_bytes([7; 32])
}

/// Runs jobs on the spot and counts them; or has no room.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    pub(crate) runs: AtomicUsize,
    pub(crate) full: std::sync::atomic::AtomicBool,
}

#[async_trait]
impl WorkPool for Pool {
    async fn run(&self, job: Box<dyn FnOnce() + Send>) -> Result<(), PoolFull> {
        if self.full.load(Ordering::SeqCst) {
            return Err(PoolFull);
        }
        self.runs.fetch_add(1, Ordering::SeqCst);
        job();
        Ok(())
    }
}

/// Where a store stops: at this commit, before it is written or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Before(u64),
    After(u64),
}

/// A store that stops answering at a chosen commit, as a process that is killed there. It counts commits until then.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crashing {
    inner: MemoryStore,
    commits: Arc<AtomicU64>,
    charges: Arc<AtomicU64>,
    gets: Arc<AtomicU64>,
    stop: Arc<Mutex<Option<Stop>>>,
    unreadable: Arc<Mutex<Option<Kind>>>,
}

impl Crashing {
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// How often counters were touched.
    pub(crate) fn charges(&self) -> u64 {
        self.charges.load(Ordering::SeqCst)
    }

    /// How often records were read.
    pub(crate) fn gets(&self) -> u64 {
        self.gets.load(Ordering::SeqCst)
    }

    /// Stops at a commit from now on; or goes on for good.
    pub(crate) fn stop(&self, stop: Option<Stop>) {
        self.commits.store(0, Ordering::SeqCst);
        *self.stop.lock().unwrap() = stop;
    }

    /// Fails to read records of a kind from now on; or reads all again.
    pub(crate) fn fail_to_read(&self, kind: Option<Kind>) {
        *self.unreadable.lock().unwrap() = kind;
    }

    fn dead() -> StoreError {
        StoreError::unavailable("the process was killed here")
    }
}

#[async_trait]
impl Store for Crashing {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        if keys.iter().any(|key| Some(key.kind) == *self.unreadable.lock().unwrap()) {
            return Err(Self::dead());
        }
        let found = self.inner.get(keys, now).await;
        tokio::task::yield_now().await; // lets racers read the same version
        found
    }
    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let at = self.commits.fetch_add(1, Ordering::SeqCst);
        let stop = *self.stop.lock().unwrap();
        match stop {
            Some(Stop::Before(n)) if at >= n => Err(CommitError::Refused(Self::dead())),
            Some(Stop::After(n)) if at == n => {
                self.inner.commit(batch).await?;
                Err(CommitError::Refused(Self::dead())) // the caller never hears of it
            }
            Some(Stop::After(n)) if at > n => Err(CommitError::Refused(Self::dead())),
            _ => self.inner.commit(batch).await,
        }
    }
    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        self.inner.list(index, after, limit, now).await
    }
    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        self.charges.fetch_add(1, Ordering::SeqCst);
        let charged = self.inner.charge(charges, now).await;
        tokio::task::yield_now().await; // lets racers read the same counters
        charged
    }
    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        self.inner.sweep(now, limit).await
    }
    async fn health(&self) -> Result<Health, StoreError> {
        self.inner.health().await
    }
}

fn parts<'a>(
    store: &Crashing,
    key: &'a MasterKey,
    users: &StoredAccounts,
    pool: &Arc<Pool>,
    clock: &ManualClock,
    totp: Totp,
) -> MfaBuilder<'a> {
    Mfa::builder(store.clone(), key)
        .realm(REALM)
        .accounts(Arc::new(users.clone()))
        .pool(pool.clone())
        .password_cost(CHEAP)
        .factor(totp)
        .policy(Policy::never().first_enrolment(FirstEnrolment::ThisLogin))
        .clock(Arc::new(clock.clone()))
}

/// The parts, and an engine made of them.
pub(crate) struct Bench {
    pub(crate) mfa: Mfa,
    pub(crate) store: Crashing,
    pub(crate) clock: ManualClock,
    pub(crate) pool: Arc<Pool>,
    pub(crate) users: StoredAccounts,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
    next: AtomicU64,
}

impl Bench {
    /// A second factor only on request, and anybody may set one up in a login.
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(change: impl FnOnce(MfaBuilder<'_>) -> MfaBuilder<'_>) -> Self {
        Self::of(Totp::new("Example"), change).await
    }

    /// The same with an authenticator app of other parameters.
    pub(crate) async fn of(totp: Totp, change: impl FnOnce(MfaBuilder<'_>) -> MfaBuilder<'_>) -> Self {
        let (store, clock) = (Crashing::default(), ManualClock::at(NOW));
        let pool = Arc::new(Pool::default());
        let users = StoredAccounts::open(store.clone(), &key(), REALM).await.unwrap().clock(Arc::new(clock.clone()));
        let hasher = PasswordHasher::new(pool.clone()).cost(CHEAP).unwrap();
        for (subject, name, password) in [("u-1", "alice", "alice-password"), ("u-2", "bob", "bob-password")] {
            let hash = hasher.hash(&password.into()).await.unwrap();
            let account = Account::new(subject).username(name).password_hash(hash).group(format!("{name}s"));
            users.import([account], Existing::Keep).await.unwrap();
        }
        let heard: Arc<Mutex<Vec<Event>>> = Arc::default();
        let events = heard.clone();
        let sink = Events::none().and(move |event: &Event| events.lock().unwrap().push(event.clone()));
        let key = key();
        let builder = parts(&store, &key, &users, &pool, &clock, totp).events(sink);
        let mfa = change(builder).build().await.unwrap();
        pool.runs.store(0, Ordering::SeqCst);
        Self { mfa, store, clock, pool, users, events: heard, next: AtomicU64::new(1) }
    }

    /// Another engine on the same store, as a second node has it.
    pub(crate) async fn engine(&self) -> Mfa {
        self.engine_with(|builder| builder).await
    }

    /// Another engine on the same store, with these changes.
    pub(crate) async fn engine_with(&self, change: impl FnOnce(MfaBuilder<'_>) -> MfaBuilder<'_>) -> Mfa {
        let key = key();
        change(parts(&self.store, &key, &self.users, &self.pool, &self.clock, Totp::new("Example")))
            .build()
            .await
            .unwrap()
    }

    pub(crate) fn id(&self) -> Id {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Id::from_bytes(bytes)
    }

    /// A browser that was never here.
    pub(crate) fn browser(&self) -> Caller {
        Caller::new(self.id())
    }

    /// Begins a login in a browser.
    pub(crate) async fn begin(&self, request: LoginRequest, caller: Caller) -> Login<'_> {
        let id = LoginId(self.id());
        let step = self.mfa.begin(id, request, &caller).await.unwrap();
        Login { bench: self, id, caller, step }
    }

    /// A login with the password proven.
    pub(crate) async fn password(&self, request: LoginRequest, caller: Caller, name: &str) -> Login<'_> {
        let mut login = self.begin(request, caller).await;
        login.answer(&Answer::password(name, format!("{name}-password"))).await;
        login
    }

    /// A login with the password proven, that asks for a second factor.
    pub(crate) async fn second(&self, name: &str) -> Login<'_> {
        self.password(LoginRequest::new().requirement(Requirement::MFA), self.browser(), name).await
    }

    /// Sets up an authenticator app, and returns it with the recovery codes.
    pub(crate) async fn enrol(&self, name: &str) -> (TotpSecret, Vec<String>) {
        let mut login = self.second(name).await;
        let secret = secret_of(&login.step);
        login.answer(&Answer::enrol(self.code(&secret))).await;
        let codes = codes_of(&login.step);
        login.answer(&Answer::RecoveryCodes).await;
        login.done();
        self.clock.advance(Duration::from_secs(60)); // the code of enrolment is spent
        (secret, codes)
    }

    /// What the app shows now.
    pub(crate) fn code(&self, secret: &TotpSecret) -> String {
        secret.code_at(self.clock.now()).expose().to_owned()
    }

    pub(crate) fn heard(&self) -> Vec<&'static str> {
        self.events.lock().unwrap().iter().map(Event::name).collect()
    }

    pub(crate) async fn subject_of(&self, name: &str) -> Subject {
        self.users.by_login(name).await.unwrap().unwrap().subject().clone()
    }
}

/// A login as its browser sees it.
pub(crate) struct Login<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) id: LoginId,
    pub(crate) caller: Caller,
    pub(crate) step: Step,
}

impl Login<'_> {
    pub(crate) async fn try_answer(&mut self, answer: &Answer) -> Result<&Step, LoginError> {
        self.step = self.bench.mfa.answer(self.id, answer, &self.caller).await?;
        Ok(&self.step)
    }

    pub(crate) async fn answer(&mut self, answer: &Answer) -> &Step {
        self.try_answer(answer).await.unwrap()
    }

    /// Chooses the way of this method, which must be offered.
    pub(crate) async fn choose(&mut self, method: &str) -> &Step {
        let ways = match &self.step {
            Step::Code(step) => &step.or,
            Step::Choose(step) => &step.authenticators,
            Step::Enrol(step) => &step.or,
            Step::Wait(step) => &step.or,
            Step::Webauthn(step) => &step.or,
            other => panic!("nothing to choose: {other:?}"),
        };
        let way = ways.iter().find(|way| way.method == method).unwrap_or_else(|| panic!("no {method} in {ways:?}"));
        let id = way.id.clone();
        self.answer(&Answer::choose(id)).await
    }

    pub(crate) fn done(&self) -> &Done {
        match &self.step {
            Step::Done(done) => done,
            other => panic!("not done: {other:?}"),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.step, Step::Done(_))
    }
}

pub(crate) fn secret_of(step: &Step) -> TotpSecret {
    let Step::Enrol(step) = step else { panic!("not an enrolment: {step:?}") };
    let uri = step.otpauth_uri.as_ref().unwrap().expose();
    assert!(uri.starts_with("otpauth://totp/Example:"), "{uri}");
    TotpSecret::from_base32(step.secret.as_ref().unwrap().expose(), TotpParameters::default()).unwrap()
}

pub(crate) fn codes_of(step: &Step) -> Vec<String> {
    let Step::RecoveryCodes(step) = step else { panic!("no recovery codes: {step:?}") };
    step.codes.iter().map(|code| code.expose().to_owned()).collect()
}

pub(crate) fn from(address: &str, marks: &BrowserMarks, browser: Id) -> Caller {
    Caller::new(browser).address(address.parse::<IpAddr>().unwrap()).marks(marks.clone())
}
