//! Fetching, keeping and taking up.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use countersign_events::{Event, EventKind, Events};
use countersign_mfa_webauthn::{Metadata, MetadataError, TrustPolicy};
use countersign_primitives::{Id, Random, UnixTime, WorkPool, compute};
use countersign_storage_traits::{Batch, CommitError, Expect, Found, Key, Store, StoreError};
use http::{Request, StatusCode, header};

use super::record::{Head, Issue, Piece};
use super::{AuthenticatorMetadata, MetadataState, MetadataUpdateError};
use crate::keys::{Keys, METADATA, METADATA_PIECE};

/// A node that fetches and does not come back is waited for this long.
const TURN: Duration = Duration::from_secs(10 * 60);
/// An issue that is overdue is asked for again after this; so is what failed often.
const AGAIN: Duration = Duration::from_secs(6 * 3600);
/// The first failure is followed by another attempt after this; each further one doubles it.
const FIRST_AGAIN: Duration = Duration::from_secs(10 * 60);
/// How often an issue that is overdue is told.
const TOLD_EVERY: Duration = Duration::from_secs(24 * 3600);
/// What a tag of the server's may have; a longer one is not kept.
const MAX_ETAG: usize = 256;

/// The metadata of one engine.
pub(crate) struct Keeper {
    pub(crate) settings: AuthenticatorMetadata,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Arc<Keys>,
    /// Where a BLOB is verified and read, which takes a while; at once where there is none.
    pub(crate) pool: Option<Arc<dyn WorkPool>>,
    pub(crate) events: Events,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) held: RwLock<Held>,
}

/// What this node has in memory.
#[derive(Default)]
pub(crate) struct Held {
    known: Option<(Issue, Arc<Metadata>)>,
    /// An issue that this node cannot use: not looked at again.
    refused: Option<Id>,
    told: Option<UnixTime>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keeper").field(&self.settings).finish()
    }
}

/// What a request came back with.
enum Answer {
    Unchanged,
    New { text: String, etag: Option<String> },
}

impl Keeper {
    /// One round of due work; says when the next one is due.
    pub(crate) async fn work(&self, now: UnixTime) -> UnixTime {
        let next = match self.round(now).await {
            Ok(next) => next,
            Err(error) => {
                self.failed(&error, now);
                now.plus(FIRST_AGAIN)
            }
        };
        self.tell_if_outdated(now);
        next
    }

    /// What is known on this node, if anything is.
    pub(crate) fn state(&self, now: UnixTime) -> Option<MetadataState> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.known.as_ref().map(|(issue, metadata)| MetadataState {
            number: metadata.number(),
            models: metadata.len(),
            fetched: issue.fetched,
            next_update: metadata.next_update(),
            outdated: metadata.is_outdated(now),
        })
    }

    /// `policy`, minding what is known. While nothing is, nothing can be judged, and a policy without metadata would be a weaker one.
    ///
    /// # Errors
    /// When the store fails, or nothing is known.
    pub(crate) async fn mind(&self, policy: &TrustPolicy, now: UnixTime) -> Result<TrustPolicy, MetadataUpdateError> {
        if self.known().is_none() {
            let head = self.head(now).await?;
            self.take_up(head.as_ref().and_then(|head| head.value.issue.as_ref()), now).await?;
        }
        let metadata = self.known().ok_or(MetadataUpdateError::Incomplete)?;
        Ok(policy.clone().metadata(metadata))
    }

    fn known(&self) -> Option<Arc<Metadata>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.known.as_ref().map(|(_, metadata)| Arc::clone(metadata))
    }

    async fn round(&self, now: UnixTime) -> Result<UnixTime, MetadataUpdateError> {
        let head = self.head(now).await?;
        let issue = head.as_ref().and_then(|head| head.value.issue.clone());
        let whole = match self.take_up(issue.as_ref(), now).await {
            Err(MetadataUpdateError::Incomplete) => false,
            taken => taken.map(|()| true)?,
        };
        let (version, head) = match head {
            Some(Found { version, value, .. }) => (Expect::At(version), value),
            None => (Expect::Absent, Head::default()),
        };
        // What is not whole in the store is fetched before its time, but not once a minute where that fails.
        if head.due > now && (whole || head.failures > 0) {
            return Ok(head.due);
        }
        let turn = Head { due: now.plus(TURN), ..head.clone() };
        let Some(version) = self.put(version, &turn, now).await? else {
            return Ok(now.plus(TURN)); // another node's turn
        };
        let (after, failed) = match self.fetch(issue.as_ref(), whole, now).await {
            Ok(Some(fetched)) => (Head { due: due_after(&fetched, now), failures: 0, issue: Some(fetched) }, None),
            Ok(None) => {
                let due = issue.as_ref().map_or(now, |issue| due_after(issue, now));
                (Head { due, failures: 0, issue: issue.clone() }, None)
            }
            Err(error) => {
                let failures = head.failures.saturating_add(1);
                (Head { due: now.plus(pause(failures)), failures, issue: issue.clone() }, Some(error))
            }
        };
        let settled = self.put(version, &after, now).await?.is_some();
        // Where a turn took too long and another node's came, what this one stored is nobody's.
        let unneeded =
            if settled { issue.filter(|old| after.issue.as_ref() != Some(old)) } else { after.issue.clone() };
        if let Some(unneeded) = unneeded {
            self.remove(&unneeded, now).await;
        }
        match failed {
            Some(error) => self.failed(&error, now),
            None if settled => self.take_up(after.issue.as_ref(), now).await?,
            None => {}
        }
        Ok(after.due)
    }

    async fn head(&self, now: UnixTime) -> Result<Option<Found<Head>>, StoreError> {
        self.store.find(self.head_key(), now).await
    }

    /// Each source has its own, since their numbers tell nothing of each other.
    fn head_key(&self) -> Key {
        Key::root(METADATA, self.keys.id("metadata", &[self.settings.source.host().as_bytes()]))
    }

    fn piece_key(&self, issue: Id, number: u16) -> Key {
        Key::root(METADATA_PIECE, self.keys.id("metadata piece", &[issue.as_bytes(), &number.to_be_bytes()]))
    }

    /// Writes the record if it is as it was read; nothing if it is not.
    async fn put(&self, expect: Expect, head: &Head, now: UnixTime) -> Result<Option<Expect>, MetadataUpdateError> {
        let key = self.head_key();
        let mut batch = Batch::new(key.partition, now, &*self.random).map_err(StoreError::from)?;
        batch.put_value(key, expect, UnixTime::MAX, head)?;
        match self.store.commit_surely(&batch).await {
            Ok(()) => Ok(Some(Expect::At(batch.id()))),
            Err(CommitError::Conflict(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks for the BLOB, and stores a new one; nothing if what is known, and whole in the store, has not changed.
    async fn fetch(
        &self,
        known: Option<&Issue>,
        whole: bool,
        now: UnixTime,
    ) -> Result<Option<Issue>, MetadataUpdateError> {
        let (text, etag) = match self.ask(known.filter(|_| whole)).await? {
            Answer::Unchanged => return Ok(None),
            Answer::New { text, etag } => (text, etag),
        };
        let (text, metadata) = self.verify(text, now).await?;
        let number = metadata.number();
        // By the record that this turn holds, not by what this node happens to have in memory.
        if let Some(known) = known.map(|issue| issue.number).filter(|known| number < *known) {
            return Err(MetadataUpdateError::Refused(MetadataError::RolledBack { known, received: number }));
        }
        let id = self.random.id().map_err(StoreError::from)?;
        let expires = Issue::pieces_expire(metadata.next_update(), now);
        let mut pieces = 0_u16;
        for piece in text.as_bytes().chunks(Piece::MAX) {
            let piece = Piece(String::from_utf8_lossy(piece).into_owned());
            let key = self.piece_key(id, pieces);
            let mut batch = Batch::new(key.partition, now, &*self.random).map_err(StoreError::from)?;
            batch.put_value(key, Expect::Absent, expires, &piece)?;
            self.store.commit_surely(&batch).await?;
            pieces = pieces.saturating_add(1);
        }
        Ok(Some(Issue { id, number, fetched: now, next_update: metadata.next_update(), pieces, etag }))
    }

    async fn ask(&self, known: Option<&Issue>) -> Result<Answer, MetadataUpdateError> {
        let mut request = Request::get(&self.settings.address);
        let etag = known.and_then(|issue| issue.etag.as_deref());
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let request = request
            .body(Bytes::new())
            .map_err(|error| MetadataUpdateError::Fetch(countersign_outbound::FetchError::connection(error)))?;
        let answer = self.settings.fetcher.fetch(request).await.map_err(MetadataUpdateError::Fetch)?;
        match answer.status() {
            StatusCode::OK => {
                let tag = answer.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
                let etag = tag.filter(|tag| tag.len() <= MAX_ETAG).map(str::to_owned);
                let text = std::str::from_utf8(answer.body())
                    .map_err(|_| MetadataUpdateError::Refused(MetadataError::Signature))?;
                Ok(Answer::New { text: text.trim().to_owned(), etag })
            }
            StatusCode::NOT_MODIFIED if etag.is_some() => Ok(Answer::Unchanged),
            status => Err(MetadataUpdateError::Status(status)),
        }
    }

    /// Verifies a BLOB as of the time it was fetched at.
    async fn verify(&self, text: String, fetched: UnixTime) -> Result<(String, Metadata), MetadataUpdateError> {
        let source = self.settings.source.clone();
        let job = move || {
            let verified = source.verify(&text, fetched, None);
            (text, verified)
        };
        let (text, verified) = match &self.pool {
            Some(pool) => compute(&**pool, job).await?,
            None => job(),
        };
        Ok((text, verified.map_err(MetadataUpdateError::Refused)?))
    }

    /// Has this node use an issue that the store has.
    async fn take_up(&self, issue: Option<&Issue>, now: UnixTime) -> Result<(), MetadataUpdateError> {
        let Some(issue) = issue else { return Ok(()) };
        {
            let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
            let (number, id) = held.known.as_ref().map_or((0, None), |(known, _)| (known.number, Some(known.id)));
            // A store that was set back to an earlier day has what this node knows to be old.
            if id == Some(issue.id) || held.refused == Some(issue.id) || issue.number < number {
                return Ok(());
            }
        }
        let text = self.text(issue, now).await?;
        let verified = self.verify(text, issue.fetched).await;
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        match verified {
            Ok((_, metadata)) => {
                held.known = Some((issue.clone(), Arc::new(metadata)));
                held.told = None;
                drop(held);
                self.tell(EventKind::MetadataUpdated, "metadata.taken_up", now);
                Ok(())
            }
            Err(error) => {
                if matches!(error, MetadataUpdateError::Refused(_)) {
                    held.refused = Some(issue.id);
                }
                Err(error)
            }
        }
    }

    async fn text(&self, issue: &Issue, now: UnixTime) -> Result<String, MetadataUpdateError> {
        let mut text = String::new();
        for number in 0..issue.pieces {
            let piece = self.store.find::<Piece>(self.piece_key(issue.id, number), now).await?;
            text.push_str(&piece.ok_or(MetadataUpdateError::Incomplete)?.value.0);
        }
        Ok(text)
    }

    /// Removes the pieces of an issue that serves no more. What fails here goes when it expires.
    async fn remove(&self, issue: &Issue, now: UnixTime) {
        for number in 0..issue.pieces {
            let key = self.piece_key(issue.id, number);
            let Ok(mut batch) = Batch::new(key.partition, now, &*self.random) else { return };
            batch.delete(key, Expect::Any);
            if let Err(error) = self.store.commit_surely(&batch).await {
                tracing::warn!(%error, "a piece of old metadata was not removed; it goes when it expires");
                return;
            }
        }
    }

    fn failed(&self, error: &MetadataUpdateError, now: UnixTime) {
        tracing::warn!(cause = error.id(), error = error as &dyn std::error::Error, "metadata of authenticators");
        self.tell(EventKind::MetadataRefused, error.id(), now);
    }

    fn tell_if_outdated(&self, now: UnixTime) {
        {
            let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
            let outdated = held.known.as_ref().is_some_and(|(_, metadata)| metadata.is_outdated(now));
            if !outdated || held.told.is_some_and(|told| now < told.plus(TOLD_EVERY)) {
                return;
            }
            held.told = Some(now);
        }
        tracing::warn!("the metadata of authenticators is overdue: models that were revoked since are not known");
        self.tell(EventKind::MetadataOutdated, "metadata.outdated", now);
    }

    fn tell(&self, kind: EventKind, cause: &'static str, now: UnixTime) {
        self.events.record(&Event::new(kind, now).with_cause(cause, "FIDO MDS 3.0 §3.2"));
    }
}

/// No earlier than the issue says.
fn due_after(issue: &Issue, now: UnixTime) -> UnixTime {
    if issue.next_update > now { issue.next_update } else { now.plus(AGAIN) }
}

fn pause(failures: u32) -> Duration {
    FIRST_AGAIN.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(AGAIN)
}
