//! The end of a session, and of what hangs on it: one commit is the barrier, and cleaning comes after (promise 12).

use countersign_events::{Event, EventKind};
use countersign_primitives::{Id, SessionId, SignedIn, Subject, UnixTime};
use countersign_storage_traits::{Batch, Expect, Found, Index, Key};

use crate::browser::Gain;
use crate::records::{self, EndReason, EndedSession, GrantRecord, SessionRecord, SubjectState, Withdrawn, index};
use crate::{Browser, Cause, Refusal, Server};

/// How many grants are read at once, and how often, when a session's are ended. All are dead already, by the session's mark.
const PAGE: u16 = 128;
const PAGES: usize = 16;

/// How much longer the mark of an ended session lasts than what hangs on the session.
const MARGIN: std::time::Duration = std::time::Duration::from_secs(15 * 60);

/// What a grant rests on.
pub(crate) struct Footing {
    pub(crate) epoch: u64,
    pub(crate) session_ended: bool,
    pub(crate) withdrawn: bool,
}

impl Server {
    /// Ends a session by its `sid`, from this moment: of its grants, those without `offline_access` are dead, requests in flight
    /// included, and nobody is signed in by it.
    ///
    /// A host with sessions of its own calls this when it ends one, with the id that it gave to
    /// [`SignedIn::session`]. Ending a session twice does no harm.
    ///
    /// ```no_run
    /// # async fn host(server: countersign_oauth_core::Server) -> Result<(), countersign_oauth_core::Refusal> {
    /// server.session_ended("7f3a").await?; // the help desk signed the user out
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the store fails; the session may then go on, so call again.
    pub async fn session_ended(&self, session: impl Into<SessionId> + Send) -> Result<(), Refusal> {
        let (session, now) = (session.into(), self.now());
        let (found, marked) = self.session_and_mark(&session).await?;
        let id = self.secrets().session_record(&session);
        let mut batch = Batch::new(id, now, self.random())?;
        if let Some(found) = &found {
            let ended = SessionRecord { ended: true, ..found.value.clone() };
            batch.put_value(found.key, Expect::Any, found.expires_at, &ended)?;
        }
        let lifetimes = &self.config().preset().lifetimes;
        let hangs_on = lifetimes.refresh_token_absolute.max(lifetimes.access_token) + lifetimes.code + MARGIN;
        let mark = Key::root(records::ENDED_SESSION, id);
        batch.put_value(mark, Expect::Any, now.plus(hangs_on), &EndedSession { at: now })?;
        self.store().commit_surely(&batch).await?;
        if !marked {
            let event = Event::new(EventKind::SessionEnded, now).with_session(session.clone());
            self.event(&match &found {
                Some(found) => event.with_subject(found.value.who.subject()),
                None => event,
            });
        }
        self.end_grants_of_session(&session, now).await;
        Ok(())
    }

    /// Ends the session that this browser has, if it has one, from this moment; the cookie gets a new value.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn drop_session(&self, browser: &mut Browser) -> Result<(), Refusal> {
        let Some(id) = browser.session() else { return Ok(()) };
        let found = self.store().find::<SessionRecord>(Key::root(records::SESSION, id), self.now()).await?;
        if found.is_some_and(|found| found.value.browser == browser.id()) {
            self.session_ended(id).await?;
        }
        match self.gain(browser, &Gain::Session(None)).await {
            // Other tabs were first with the cookie. The session has ended all the same, and whatever value it has leads nowhere.
            Err(refusal) if [Cause::UnknownInteraction.id(), Cause::Contention.id()].contains(&refusal.cause_id()) => {
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Whether `who` rests on a session that has ended, or, where it is this browser's own, is gone or of another epoch than the one
    /// read after it: what was ended meanwhile must not live on in a new grant (promise 12).
    pub(crate) async fn has_outlived_its_session(
        &self,
        browser: &Browser,
        who: &SignedIn,
        epoch: u64,
    ) -> Result<bool, Refusal> {
        let Some(session) = who.session_id() else { return Ok(false) };
        let (found, marked) = self.session_and_mark(session).await?;
        let own = browser.session().is_some_and(|id| SessionId::from(id) == *session);
        let gone = || found.is_none_or(|found| found.value.ended || found.value.epoch != epoch);
        Ok(marked || own && gone())
    }

    /// Whether a session was ended, the kit's own or a host's.
    pub(crate) async fn session_has_ended(&self, session: &SessionId) -> Result<bool, Refusal> {
        let found = self.store().find::<EndedSession>(self.secrets().ended_session(session), self.now()).await?;
        Ok(found.is_some())
    }

    /// What a grant rests on beside its client and its account, in one reading: the epoch of its subject, whether its session was ended, and
    /// whether its user took it back.
    pub(crate) async fn footing(&self, subject: &Subject, grant: &GrantRecord) -> Result<Footing, Refusal> {
        let subject = self.secrets().subject_key(subject);
        let (session, withdrawn) = (grant.ends_with(), grant.withdrawn_key());
        let mut keys = Vec::with_capacity(3);
        keys.push(subject);
        keys.extend(withdrawn);
        keys.extend(session.map(|session| self.secrets().ended_session(session)));
        let mut records = self.store().get(&keys, self.now()).await?.into_iter();
        let state = records.next().flatten().map(|record| Found::<SubjectState>::decode(subject, &record));
        let mark = withdrawn.and_then(|key| records.next().flatten().map(|record| (key, record)));
        let mark = mark.map(|(key, record)| Found::<Withdrawn>::decode(key, &record)).transpose()?;
        Ok(Footing {
            epoch: state.transpose()?.map_or(0, |found| found.value.epoch),
            session_ended: records.next().flatten().is_some(),
            withdrawn: mark.is_some_and(|mark| grant.started_at <= mark.value.at),
        })
    }

    /// The record of a session, where it is the kit's own, and whether it was ended; in one view.
    async fn session_and_mark(&self, session: &SessionId) -> Result<(Option<Found<SessionRecord>>, bool), Refusal> {
        let id: Id = self.secrets().session_record(session);
        let key = Key::root(records::SESSION, id);
        let mut records =
            self.store().get(&[key, Key::root(records::ENDED_SESSION, id)], self.now()).await?.into_iter();
        let found = records.next().flatten().map(|record| Found::decode(key, &record)).transpose()?;
        Ok((found, records.next().flatten().is_some()))
    }

    /// Tidies up after a session. What fails here lives on as a record that opens nothing, until it expires.
    async fn end_grants_of_session(&self, session: &SessionId, now: UnixTime) {
        let index = Index { name: index::GRANTS_OF_SESSION, value: self.secrets().session_index(session.as_str()) };
        let mut after = None;
        for _ in 0..PAGES {
            let Ok(page) = self.store().list(&index, after, PAGE, now).await else { return };
            for key in page.keys.into_iter().filter(|key| key.kind == records::GRANT) {
                if let Err(refusal) = self.end_with_session(key, now).await {
                    self.note_refusal(EventKind::Failure, &refusal, None);
                }
            }
            after = page.next;
            if after.is_none() {
                return;
            }
        }
    }

    async fn end_with_session(&self, key: Key, now: UnixTime) -> Result<(), Refusal> {
        let found = self.store().find::<GrantRecord>(key, now).await?;
        let Some(grant) = found.filter(|grant| grant.value.ended.is_none() && grant.value.ends_with().is_some()) else {
            return Ok(());
        };
        match self.find_client(&grant.value.client_id).await? {
            Some(client) => self.end_grant(&client, &grant, EndReason::SessionEnded).await,
            // It died with its client.
            None => Ok(()),
        }
    }
}
