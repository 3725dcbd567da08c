//! What a user has here: sessions, and applications that were let in. For a user's own pages, and for a host's help desk.

use std::collections::BTreeMap;
use std::net::IpAddr;

use countersign_primitives::{SessionId, SignedIn, Subject, UnixTime};
use countersign_storage_traits::{Batch, Expect, Found, Index, Key};

use crate::records::{self, ConsentRecord, EndReason, GrantRecord, SessionRecord, Withdrawn, index};
use crate::{Cause, Client, ClientId, Refusal, ScopeSet, Server};

/// How many records are read at once, and how often: no user has more that is alive.
const PAGE: u16 = 128;
const PAGES: usize = 16;

/// How often a list is gone over again for what was begun while it was read.
const ROUNDS: usize = 3;

/// A session of a user, as he may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its id: the `sid` of ID tokens.
    pub id: SessionId,
    /// What its browser called itself: `Firefox on Linux`.
    pub browser: Option<String>,
    /// Where it was begun from.
    pub address: Option<IpAddr>,
    /// When it began.
    pub began_at: UnixTime,
    /// When it was last used, to within five minutes.
    pub seen_at: UnixTime,
}

/// An application that a user let in, as he may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// The client.
    pub client_id: String,
    /// What it is called.
    pub name: String,
    /// Its home page.
    pub uri: Option<String>,
    /// What it may do.
    pub scope: ScopeSet,
    /// Since when.
    pub since: UnixTime,
    /// Whether it may act at present; otherwise it is only not asked about again.
    pub is_active: bool,
}

impl Server {
    /// The sessions of a user that are alive, the one used last first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sessions_of(&self, subject: &Subject) -> Result<Vec<SessionInfo>, Refusal> {
        let mut sessions: Vec<_> = self.live_sessions(subject).await?.into_iter().map(info).collect();
        sessions.sort_by_key(|session| std::cmp::Reverse(session.seen_at));
        Ok(sessions)
    }

    /// Ends a session of this user, from this moment, and says whether it was one: whoever knows another's session cannot end it so.
    ///
    /// # Errors
    /// When the store fails; the session may then go on, so call again.
    pub async fn end_session_of(&self, subject: &Subject, session: &SessionId) -> Result<bool, Refusal> {
        let live = self.live_sessions(subject).await?;
        let is_theirs = live.iter().any(|found| SessionId::from(found.key.id) == *session);
        if is_theirs {
            self.session_ended(session.clone()).await?;
        }
        Ok(is_theirs)
    }

    /// Ends every session of this user but one, and says how many. Sessions that begin while it is at work end too.
    ///
    /// # Errors
    /// When the store fails; some may then go on, so call again.
    pub async fn end_sessions_of(&self, subject: &Subject, but: Option<&SessionId>) -> Result<usize, Refusal> {
        let mut ended = 0;
        for _ in 0..ROUNDS {
            let live = self.live_sessions(subject).await?;
            let ids = live.iter().map(|found| SessionId::from(found.key.id));
            let others: Vec<_> = ids.filter(|id| Some(id) != but).collect();
            if others.is_empty() {
                break;
            }
            for session in others {
                self.session_ended(session).await?;
                ended += 1;
            }
        }
        Ok(ended)
    }

    async fn live_sessions(&self, subject: &Subject) -> Result<Vec<Found<SessionRecord>>, Refusal> {
        let (epoch, now) = (self.epoch(subject).await?, self.now());
        let mut live = Vec::new();
        for key in self.listed(index::SESSIONS_OF_SUBJECT, subject).await? {
            if key.kind == records::SESSION
                && let Some(found) = self.store().find::<SessionRecord>(key, now).await?
                && self.is_live(&found.value, epoch)
                && found.value.who.subject() == subject
            {
                live.push(found);
            }
        }
        Ok(live)
    }

    /// The applications that a user let in: those that may act, and those that are only not asked about again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn connections_of(&self, subject: &Subject) -> Result<Vec<Connection>, Refusal> {
        let mut all: BTreeMap<String, Connection> = BTreeMap::new();
        for found in self.live_grants(subject).await? {
            let grant = found.value;
            self.connect(&mut all, grant.client_id(), (&grant.scope, grant.started_at, true)).await?;
        }
        let (epoch, now) = (self.epoch(subject).await?, self.now());
        for key in self.listed(index::CONSENTS_OF_SUBJECT, subject).await? {
            if key.kind == records::CONSENT
                && let Some(found) = self.store().find::<ConsentRecord>(key, now).await?
                && found.value.epoch == epoch
                && let Some(client) = self.named(&found.value.client_id).await?
                && client.instance_id() == found.value.client_instance
            {
                let given = (&found.value.scope, found.value.given_at, false);
                self.connect(&mut all, &found.value.client_id, given).await?;
            }
        }
        Ok(all.into_values().collect())
    }

    async fn named(&self, client_id: &str) -> Result<Option<std::sync::Arc<Client>>, Refusal> {
        match ClientId::parse(client_id) {
            Some(id) => self.find_client(&id).await,
            None => Ok(None),
        }
    }

    async fn connect(
        &self,
        all: &mut BTreeMap<String, Connection>,
        client_id: &str,
        (scope, since, is_active): (&ScopeSet, UnixTime, bool),
    ) -> Result<(), Refusal> {
        if let Some(known) = all.get_mut(client_id) {
            known.scope = known.scope.union(scope);
            known.since = known.since.min(since);
            known.is_active |= is_active;
            return Ok(());
        }
        let Some(client) = self.named(client_id).await? else { return Ok(()) };
        let connection = Connection {
            client_id: client_id.to_owned(),
            name: client.display_name().to_owned(),
            uri: client.home_page().map(str::to_owned),
            scope: scope.clone(),
            since,
            is_active,
        };
        all.insert(client_id.to_owned(), connection);
        Ok(())
    }

    async fn live_grants(&self, subject: &Subject) -> Result<Vec<Found<GrantRecord>>, Refusal> {
        let now = self.now();
        let mut live = Vec::new();
        for key in self.listed(index::GRANTS_OF_SUBJECT, subject).await? {
            if key.kind != records::GRANT {
                continue;
            }
            let Some(found) = self.store().find::<GrantRecord>(key, now).await? else { continue };
            let theirs = found.value.who().map(SignedIn::subject) == Some(subject);
            if theirs
                && let Some(client) = self.find_client(&found.value.client_id).await?
                && self.stands(&client, &found.value).await?
            {
                live.push(found);
            }
        }
        Ok(live)
    }

    /// Takes back what a user allowed an application: from this moment its grants are dead, codes and requests in flight included, and the
    /// user is asked anew. Says whether there was anything.
    ///
    /// # Errors
    /// When the store fails; call again to do the rest.
    pub async fn disconnect(&self, subject: &Subject, client_id: &str) -> Result<bool, Refusal> {
        let client_id = ClientId::parse(client_id).ok_or(Cause::UnknownClient)?;
        let theirs = |found: &Found<GrantRecord>| {
            found.value.client_id == client_id && found.value.who().map(SignedIn::subject) == Some(subject)
        };
        let (now, consent) = (self.now(), self.secrets().consent_key(subject, &client_id));
        let consented = self.store().find::<ConsentRecord>(consent, now).await?.is_some();
        let Some(client) = self.find_client(&client_id).await? else { return Ok(false) };
        // The barrier first: whatever began before it is dead, whether the list below finds it or not (promise 12).
        let lifetimes = &self.config().preset().lifetimes;
        let hangs_on = lifetimes.refresh_token_absolute.max(lifetimes.access_token) + lifetimes.code;
        let mut batch = Batch::new(consent.partition, now, self.random())?;
        batch.delete(consent, Expect::Any);
        batch.put_value(
            self.secrets().withdrawn_key(consent),
            Expect::Any,
            now.plus(hangs_on),
            &Withdrawn { at: now },
        )?;
        self.store().commit_surely(&batch).await?;
        let mut ended = false;
        for key in self.listed(index::GRANTS_OF_SUBJECT, subject).await? {
            if key.kind == records::GRANT
                && let Some(found) = self.store().find::<GrantRecord>(key, now).await?
                && theirs(&found)
                && found.value.ended.is_none()
            {
                self.end_grant(&client, &found, EndReason::Withdrawn).await?;
                ended = true;
            }
        }
        Ok(consented || ended)
    }

    /// The keys in a list of a user's, each once.
    async fn listed(&self, name: u8, subject: &Subject) -> Result<Vec<Key>, Refusal> {
        let list = Index { name, value: self.secrets().subject_partition(subject) };
        let (mut keys, mut after) = (Vec::new(), None);
        for _ in 0..PAGES {
            let page = self.store().list(&list, after, PAGE, self.now()).await?;
            keys.extend(page.keys);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }
}

fn info(found: Found<SessionRecord>) -> SessionInfo {
    let session = found.value;
    SessionInfo {
        id: found.key.id.into(),
        browser: session.seen_from.as_ref().and_then(|from| from.browser.clone()),
        address: session.seen_from.as_ref().and_then(|from| from.address),
        began_at: session.created_at,
        seen_at: session.seen_at,
    }
}
