//! Single sign-on sessions of the kit's own login. A host with sessions of its own has no use for them.

use std::time::Duration;

use countersign_events::{Event, EventKind};
use countersign_primitives::{Id, SignedIn, Subject, UnixTime};
use countersign_storage_traits::{Batch, CommitError, Expect, Found, Key};

use crate::browser::Gain;
use crate::records::{self, SessionRecord, SubjectState};
use crate::{Browser, Cause, Refusal, Server};

/// How far apart two notes of a session's use lie, at most.
const SEEN_EVERY: Duration = Duration::from_secs(300);

/// The part of the idle limit that lies between two notes, where that is less: a short limit moves with use too.
const SEEN_PART: u32 = 10;

/// How often a change of a session is judged anew when another writer was first.
const ATTEMPTS: usize = 4;

impl Server {
    /// Who is signed in in this browser: the session lives, its user's epoch is the present one, and the account is usable.
    ///
    /// # Errors
    /// When the store or the host's accounts fail.
    pub async fn signed_in(&self, browser: &Browser) -> Result<Option<SignedIn>, Refusal> {
        let Some(id) = browser.session() else { return Ok(None) };
        let Some(found) = self.live_session(id, browser).await? else { return Ok(None) };
        self.note_use(&found).await;
        Ok(Some(found.value.who))
    }

    /// Whether a session is alive, of a subject whose epoch is this. The limits are those of today, whatever they were when the record was
    /// written.
    pub(crate) fn is_live(&self, session: &SessionRecord, epoch: u64) -> bool {
        !session.ended && self.now() < self.session_end(session) && session.epoch == epoch
    }

    async fn live_session(&self, id: Id, browser: &Browser) -> Result<Option<Found<SessionRecord>>, Refusal> {
        let key = Key::root(records::SESSION, id);
        let Some(found) = self.store().find::<SessionRecord>(key, self.now()).await? else { return Ok(None) };
        let session = &found.value;
        let holds = session.browser == browser.id()
            && self.is_live(session, self.epoch(session.who.subject()).await?)
            && self.is_usable(session.who.subject()).await?;
        Ok(holds.then_some(found))
    }

    /// Notes that a session was used, so that it does not end for idleness. Losing the note to another writer loses nothing.
    async fn note_use(&self, found: &Found<SessionRecord>) {
        let now = self.now();
        let idle = self.config().preset().lifetimes.session_idle;
        if now.since(found.value.seen_at) < SEEN_EVERY.min(idle / SEEN_PART) {
            return;
        }
        let session = SessionRecord { seen_at: now, ..found.value.clone() };
        let Ok(mut batch) = Batch::new(found.key.partition, now, self.random()) else { return };
        if batch.put_value(found.key, found.unchanged(), self.session_end(&session), &session).is_ok() {
            let _ = self.store().commit(&batch).await;
        }
    }

    fn session_end(&self, session: &SessionRecord) -> UnixTime {
        let lifetimes = &self.config().preset().lifetimes;
        session.created_at.plus(lifetimes.session_absolute).min(session.seen_at.plus(lifetimes.session_idle))
    }

    /// Begins a session, or strengthens the one that the same user has in this browser. The cookie gets a new value.
    ///
    /// `id` is drawn or derived by the login; beginning it again with the same id makes the same session.
    ///
    /// # Errors
    /// When the store fails, or the id is another browser's or user's.
    pub async fn start_session(&self, browser: &mut Browser, id: Id, who: SignedIn) -> Result<SignedIn, Refusal> {
        let present = match browser.session() {
            Some(present) => self.live_session(present, browser).await?,
            None => None,
        };
        if let Some(found) = present.as_ref().filter(|found| found.value.who.subject() == who.subject()) {
            return self.strengthen(browser, found.clone(), who).await;
        }
        let now = self.now();
        let who = who.session(id);
        let session = SessionRecord {
            epoch: self.epoch(who.subject()).await?,
            index: self.secrets().subject_partition(who.subject()),
            browser: browser.id(),
            created_at: now,
            seen_at: now,
            ended: false,
            who,
            seen_from: browser.seen_from(),
        };
        let key = Key::root(records::SESSION, id);
        let mut batch = Batch::new(id, now, self.random())?;
        batch.put_value(key, Expect::Absent, self.session_end(&session), &session)?;
        let who = match self.store().commit_surely(&batch).await {
            Ok(()) => session.who,
            Err(CommitError::Conflict(_)) => match self.live_session(id, browser).await? {
                Some(found) if found.value.who.subject() == session.who.subject() => found.value.who,
                _ => return Err(Cause::UnknownInteraction.into()),
            },
            Err(error) => return Err(error.into()),
        };
        self.gain(browser, &Gain::Session(Some(id))).await?;
        // Whoever was signed in here before is signed out, now that somebody else is signed in.
        if let Some(before) = present.filter(|before| before.key.id != id) {
            self.session_ended(before.key.id).await?;
        }
        self.event(&Event::new(EventKind::SessionStarted, now).with_subject(who.subject()).with_session(id));
        Ok(who)
    }

    async fn strengthen(
        &self,
        browser: &mut Browser,
        mut found: Found<SessionRecord>,
        who: SignedIn,
    ) -> Result<SignedIn, Refusal> {
        let id = found.key.id;
        let who = who.session(id);
        for _ in 0..ATTEMPTS {
            let now = self.now();
            let seen_from = browser.seen_from().or_else(|| found.value.seen_from.clone());
            let session = SessionRecord { who: who.clone(), seen_at: now, seen_from, ..found.value.clone() };
            let mut batch = Batch::new(found.key.partition, now, self.random())?;
            batch.put_value(found.key, found.unchanged(), self.session_end(&session), &session)?;
            match self.store().commit_surely(&batch).await {
                Ok(()) => {
                    self.gain(browser, &Gain::Session(Some(id))).await?;
                    return Ok(who);
                }
                // Another tab used the session meanwhile, or ended it.
                Err(CommitError::Conflict(_)) => {
                    found = self.live_session(id, browser).await?.ok_or(Cause::UnknownInteraction)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Cause::Contention.into())
    }

    /// Gives the browser's cookie a new value because a login in it has proven something (no fixed value survives a factor).
    ///
    /// # Errors
    /// When the store fails.
    pub async fn renew_cookie(&self, browser: &mut Browser) -> Result<(), Refusal> {
        self.gain(browser, &Gain::Factor).await
    }

    /// The epoch of a subject: whatever remembers an older one is dead.
    pub(crate) async fn epoch(&self, subject: &Subject) -> Result<u64, Refusal> {
        let key = self.secrets().subject_key(subject);
        let state = self.store().find::<SubjectState>(key, self.now()).await?;
        Ok(state.map_or(0, |found| found.value.epoch))
    }

    /// Ends everything of a subject from this moment: grants, sessions and remembered consent, requests in flight included.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke_subject(&self, subject: impl Into<Subject>) -> Result<(), Refusal> {
        let subject = subject.into();
        let key = self.secrets().subject_key(&subject);
        for _ in 0..8 {
            let now = self.now();
            let found = self.store().find::<SubjectState>(key, now).await?;
            let epoch = found.as_ref().map_or(0, |found| found.value.epoch).saturating_add(1);
            let expect = found.as_ref().map_or(Expect::Absent, Found::unchanged);
            let mut batch = Batch::new(key.partition, now, self.random())?;
            batch.put_value(key, expect, UnixTime::MAX, &SubjectState { epoch })?;
            match self.store().commit_surely(&batch).await {
                Ok(()) => {
                    self.event(&Event::new(EventKind::SubjectRevoked, now).with_subject(subject));
                    return Ok(());
                }
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Cause::Contention.into())
    }

    /// Whether an account may be issued to. Without a table of accounts the host answers for that.
    pub(crate) async fn is_usable(&self, subject: &Subject) -> Result<bool, Refusal> {
        if !subject.is_valid() {
            return Ok(false);
        }
        match self.accounts() {
            None => Ok(true),
            Some(accounts) => {
                let account = accounts.by_subject(subject).await;
                let account = account.map_err(|error| Refusal::from(Cause::LookupFailed).source(error))?;
                Ok(account.is_some_and(|account| !account.is_disabled()))
            }
        }
    }
}
