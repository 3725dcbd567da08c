//! Asking a device: one open question a subject, its record first, the nudge after it.

use std::fmt;
use std::sync::Arc;

use countersign_events::{Event, EventKind, Events};
use countersign_outbound::{PushMessage, SendError};
use countersign_primitives::{Clock, Id, Random, RandomError, Subject, UnixTime};
use countersign_storage_traits::{Batch, CommitError, Expect, Found, Key, Store, StoreError};

use super::Push;
use super::budget::{Wait, wait};
use super::records::{CausedBy, Device, OpenPush, PushChallenge};
use crate::keys::{Keys, OPEN_PUSH, PUSH_CHALLENGE};
use crate::{Limits, Method, Subjects};

/// What asking devices takes.
pub(crate) struct PushService {
    pub(crate) settings: Push,
    pub(crate) method: Method,
    pub(crate) realm: String,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) subjects: Arc<dyn Subjects>,
    pub(crate) limits: Limits,
    pub(crate) events: Events,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl fmt::Debug for PushService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushService").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A question as a login asks it.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) id: Id,
    pub(super) expires_at: UnixTime,
    pub(super) asks: PushChallenge,
}

/// Why a device was not nudged.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAsked {
    #[error("another nudge is not welcome yet")]
    TooSoon(Wait),
    #[error("the nudge was not taken")]
    Send(#[source] SendError),
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl PushService {
    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// The path, below the issuer, that devices call.
    #[cfg(feature = "oauth")]
    pub(crate) fn path(&self) -> &str {
        &self.settings.path
    }

    /// Where devices call.
    pub(super) fn endpoint(&self) -> String {
        let own = || format!("{}{}", self.realm.trim_end_matches('/'), self.settings.path);
        self.settings.endpoint.clone().unwrap_or_else(own)
    }

    pub(super) fn place(&self, by: &CausedBy) -> Option<String> {
        let place = self.settings.place.as_ref()?;
        place(by.address?).filter(|text| !text.is_empty())
    }

    /// Asks a device. The same question again, while it is open, is one more nudge.
    pub(super) async fn ask(&self, question: &Question, device: &Device) -> Result<(), NotAsked> {
        let now = self.now();
        let subject = &question.asks.subject;
        let account = self.subjects.partition(subject);
        let paid = match self.pay_nudge(account, &question.asks.caused_by, now).await? {
            Ok(paid) => paid,
            Err(wait) => {
                self.tell(EventKind::PushRefused, subject, "push.too_often");
                return Err(NotAsked::TooSoon(wait));
            }
        };
        if let Err(other) = self.claim(account, question, now).await? {
            self.refund_nudge(paid, now).await?;
            return Err(NotAsked::TooSoon(wait(other.until, now)));
        }
        self.put(question, now).await?;
        let push = PushMessage::new(&device.address, question.id, question.expires_at);
        match self.settings.sender.send(&push).await {
            Ok(()) => {
                self.tell(EventKind::PushSent, subject, "push.sent");
                Ok(())
            }
            Err(error) => {
                self.refund_nudge(paid, now).await?;
                self.release(account, question.id, now).await;
                Err(NotAsked::Send(error))
            }
        }
    }

    /// Makes this question the open one of its subject, unless another login's is that is not to give way.
    async fn claim(&self, account: Id, question: &Question, now: UnixTime) -> Result<Result<(), OpenPush>, StoreError> {
        let key = Key::root(OPEN_PUSH, account);
        let login = question.asks.login;
        let known = question.asks.caused_by.known.is_some();
        let open = OpenPush { challenge: question.id, login, known, until: question.expires_at };
        for _ in 0..2 {
            let found: Option<Found<OpenPush>> = self.store.find(key, now).await?;
            let expect = match found {
                Some(found) if found.value.challenge == question.id => return Ok(Ok(())),
                // The login that asked before asks anew: what it asked is void.
                Some(found) if found.value.login == login => found.unchanged(),
                // A stranger's question does not keep the owner's browser waiting: it is void (promise 6).
                Some(found) if known && !found.value.known => found.unchanged(),
                Some(found) if found.value.until > now => return Ok(Err(found.value)),
                Some(found) => found.unchanged(),
                None => Expect::Absent,
            };
            let mut batch = Batch::new(account, now, &*self.random).map_err(StoreError::unavailable)?;
            batch.put_value(key, expect, open.until, &open)?;
            match self.store.commit_surely(&batch).await {
                Ok(()) => return Ok(Ok(())),
                Err(CommitError::Unknown(error) | CommitError::Refused(error)) => return Err(error),
                Err(_) => {} // another login was first: it is read again
            }
        }
        Ok(Err(OpenPush { until: now, ..open })) // others again and again
    }

    /// Another question may be asked now. If that fails it may when this one's time is over.
    pub(super) async fn release(&self, account: Id, challenge: Id, now: UnixTime) {
        let released: Result<(), CommitError> = async {
            let key = Key::root(OPEN_PUSH, account);
            let found: Option<Found<OpenPush>> = self.store.find(key, now).await.map_err(CommitError::Refused)?;
            if let Some(found) = found.filter(|found| found.value.challenge == challenge) {
                let batch = Batch::new(account, now, &*self.random);
                let mut batch = batch.map_err(|error| CommitError::Refused(StoreError::unavailable(error)))?;
                // Put and not deleted, so that a repeated batch is told from a lost race.
                let over = OpenPush { until: now, ..found.value.clone() };
                batch.put_value(key, found.unchanged(), now, &over).map_err(CommitError::Refused)?;
                self.store.commit_surely(&batch).await?;
            }
            Ok(())
        }
        .await;
        if let Err(error) = released {
            tracing::debug!(%error, "a question to a device stays open until its time is over");
        }
    }

    /// Writes the question, unless it is there already: a nudge that is repeated asks nothing new.
    async fn put(&self, question: &Question, now: UnixTime) -> Result<(), StoreError> {
        let key = Key::root(PUSH_CHALLENGE, question.id);
        let mut batch = Batch::new(question.id, now, &*self.random).map_err(StoreError::unavailable)?;
        batch.put_value(key, Expect::Absent, question.expires_at, &question.asks)?;
        match self.store.commit_surely(&batch).await {
            Ok(()) | Err(CommitError::Conflict(_)) => Ok(()),
            Err(CommitError::Unknown(error) | CommitError::Refused(error)) => Err(error),
            Err(_) => Ok(()),
        }
    }

    pub(super) fn tell(&self, kind: EventKind, subject: &Subject, cause: &'static str) {
        self.tell_of(kind, cause, |event| event.with_subject(subject));
    }

    pub(super) fn tell_of(&self, kind: EventKind, cause: &'static str, fill: impl FnOnce(Event) -> Event) {
        let event = Event::new(kind, self.now()).with_method(self.method.name()).with_cause(cause, super::SECTION);
        self.events.record(&fill(event));
    }
}
