//! Requests that wait for their user.

use countersign_primitives::{Id, UnixTime};
use countersign_storage_traits::{Batch, Charge, CommitError, CounterKey, Expect, Found, Key};

use super::Pending;
use crate::browser::Gain;
use crate::records::{self, Done, Interaction};
use crate::{Browser, Cause, Peer, Refusal, Server};

/// An interaction as it is stored.
pub(crate) struct Kept {
    pub(crate) found: Found<Interaction>,
    pub(crate) done: Option<Done>,
}

impl Kept {
    pub(crate) fn id(&self) -> Id {
        self.found.key.id
    }
}

fn key(id: Id) -> Key {
    Key::root(records::INTERACTION, id)
}

impl Server {
    /// Reads a stored request for this browser. One that no browser has opened yet becomes this one's.
    pub(crate) async fn pending(&self, browser: &mut Browser, id: Id) -> Result<Pending, Refusal> {
        let found = self.store().find::<Interaction>(key(id), self.now()).await?;
        let mut found = found.ok_or(Cause::UnknownInteraction)?;
        match found.value.browser {
            Some(owner) if browser.is_known() && owner == browser.id() && browser.has_open(id) => {}
            Some(_) => return Err(Cause::UnknownInteraction.into()),
            None => self.claim(browser, &mut found).await?,
        }
        let client = self.find_client(&found.value.request.client_id).await?;
        let client = client.filter(|client| client.instance_id() == found.value.request.client_instance);
        Ok(Pending {
            client: client.ok_or(Cause::AuthorizeUnknownClient)?,
            request: found.value.request.clone(),
            since: found.value.created_at,
            kept: Some(Kept { done: found.value.done.clone(), found }),
        })
    }

    async fn claim(&self, browser: &mut Browser, found: &mut Found<Interaction>) -> Result<(), Refusal> {
        self.gain(browser, &Gain::Interaction(found.key.id)).await?;
        let claimed = Interaction { browser: Some(browser.id()), ..found.value.clone() };
        self.put_interaction(found, claimed).await
    }

    /// Keeps a request until its user has answered; returns what names it.
    pub(crate) async fn keep(&self, browser: &mut Browser, pending: &Pending, bind: bool) -> Result<Id, Refusal> {
        if let Some(kept) = &pending.kept {
            return Ok(kept.id());
        }
        self.admit_kept_request(browser.peer()).await?;
        let id = self.random().id()?;
        if bind {
            self.gain(browser, &Gain::Interaction(id)).await?;
        }
        let interaction = Interaction {
            request: pending.request.clone(),
            browser: bind.then(|| browser.id()),
            created_at: pending.since,
            preference_waived: false,
            declined: false,
            done: None,
        };
        let mut batch = Batch::new(id, self.now(), self.random())?;
        batch.put_value(key(id), Expect::Absent, self.interaction_end(pending.since), &interaction)?;
        self.store().commit_surely(&batch).await?;
        Ok(id)
    }

    /// Counts a request that is about to be kept while its user is asked, by the address that it comes from. Whoever asks needs
    /// no account for it, so the number of records is bounded here (promise 7); an extension that keeps such requests counts them too.
    ///
    /// # Errors
    /// When the address has too many waiting, or the store fails.
    pub async fn admit_kept_request(&self, peer: Option<Peer>) -> Result<(), Refusal> {
        let Some(counted) = peer.and_then(Peer::counted) else { return Ok(()) };
        let counter = CounterKey(self.secrets().id("authorization requests", &[&counted]));
        let (limit, window) = (self.config().requests_per_address(), self.config().preset().lifetimes.login);
        let charged = self.store().charge(&[Charge { counter, add: 1, limit, window }], self.now()).await?;
        match charged.iter().find(|charged| !charged.admitted) {
            None => Ok(()),
            Some(full) => Err(Refusal::from(Cause::AuthorizeThrottled).retry_after(full.resets_at.since(self.now()))),
        }
    }

    /// Notes that none of the preferred `acr_values` is within the user's reach, as the login found. A preference may go unmet
    /// (OpenID Connect Core §3.1.2.1); what client, scopes and policy require may not.
    ///
    /// # Errors
    /// When the store fails, or the request is not this browser's.
    pub async fn waive_acr_values(&self, browser: &mut Browser, interaction: Id) -> Result<(), Refusal> {
        let pending = self.pending(browser, interaction).await?;
        let Some(mut kept) = pending.kept.filter(|kept| !kept.found.value.preference_waived) else { return Ok(()) };
        let waived = Interaction { preference_waived: true, ..kept.found.value.clone() };
        self.put_interaction(&mut kept.found, waived).await
    }

    /// Marks a request as answered by no, before the answer leaves: a request yields one authorization response.
    pub(super) async fn close(&self, kept: &Kept) -> Result<(), Refusal> {
        if kept.done.is_some() {
            return Err(Cause::InteractionDone.into());
        }
        if kept.found.value.declined {
            return Ok(());
        }
        let declined = Interaction { declined: true, ..kept.found.value.clone() };
        self.put_interaction(&mut kept.found.clone(), declined).await
    }

    /// Marks a request as decided. Whoever loses the race reads the winner's decision.
    pub(crate) async fn conclude(&self, kept: &Kept, done: Done) -> Result<Done, Refusal> {
        let mut found = kept.found.clone();
        let concluded = Interaction { done: Some(done.clone()), ..found.value.clone() };
        match self.put_interaction(&mut found, concluded).await {
            Ok(()) => Ok(done),
            Err(refusal) if refusal.cause_id() == Cause::Contention.id() => {
                let found = self.store().find::<Interaction>(kept.found.key, self.now()).await?;
                let winner = found.and_then(|found| found.value.done);
                winner.filter(|winner| winner.subject == done.subject).ok_or_else(|| Cause::InteractionDone.into())
            }
            Err(refusal) => Err(refusal),
        }
    }

    async fn put_interaction(&self, found: &mut Found<Interaction>, value: Interaction) -> Result<(), Refusal> {
        let mut batch = Batch::new(found.key.partition, self.now(), self.random())?;
        batch.put_value(found.key, found.unchanged(), found.expires_at, &value)?;
        match self.store().commit_surely(&batch).await {
            Ok(()) => {
                found.version = batch.id();
                found.value = value;
                Ok(())
            }
            Err(CommitError::Conflict(_)) => Err(Cause::Contention.into()),
            Err(error) => Err(error.into()),
        }
    }

    fn interaction_end(&self, since: UnixTime) -> UnixTime {
        since.plus(self.config().preset().lifetimes.login)
    }
}
