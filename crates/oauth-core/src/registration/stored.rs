//! The records of registered clients: made, found, changed and ended.

use std::sync::Arc;

use countersign_events::{Event, EventKind};
use countersign_primitives::UnixTime;
use countersign_storage_traits::{Batch, CommitError, Expect, Found, Index, Key};
use countersign_tokens::{Handle, HandleHash, HandleKind};
use serde_json::{Map, Value};

use super::{Asked, metadata};
use crate::records::{ClientRecord, EndReason, GrantRecord, index};
use crate::{Cause, Client, ClientId, Refusal, Server};

/// A client secret that was made here.
const SECRET_HANDLE: HandleKind = HandleKind::new("cs_client");

/// A registration access token (RFC 7592 §1.1).
pub(crate) const TOKEN_HANDLE: HandleKind = HandleKind::new("cs_registration");

/// How often a change is judged anew when another writer was first.
const ATTEMPTS: usize = 3;

/// How long a tombstone stays: longer than anything in flight.
const TOMBSTONE: std::time::Duration = std::time::Duration::from_secs(86_400);

/// How many grants of a deleted client are ended at once. All are dead already, by the client's instance; what is left over goes
/// when its time is over.
const ENDED_AT_ONCE: u16 = 256;

/// A registration that was written: its record, and what is told once.
pub(crate) struct Registered {
    pub(crate) record: ClientRecord,
    pub(crate) secret: Option<Handle>,
}

impl Server {
    /// Registers a client. Its id, its secret and its registration access token are made here, and kept as hashes.
    pub(crate) async fn register_client(&self, asked: Asked) -> Result<(Registered, Handle), Refusal> {
        let now = self.now();
        let client_id = ClientId::parse(&self.random().id()?.to_string()).ok_or(Cause::StoreFailed)?;
        let instance = self.random().id()?;
        let secret = self.new_secret(&asked)?;
        let token = Handle::generate(TOKEN_HANDLE, instance, self.random())?;
        let record = ClientRecord {
            client_id,
            instance,
            secret: secret.as_ref().map(|secret| self.secret_hash(secret)),
            token: token.hash(self.crypto()),
            metadata: asked.metadata,
            issued_at: now,
            used: false,
            deleted: false,
            index: self.secrets().registered_clients(),
        };
        let key = self.secrets().registered_client(record.client_id.as_str());
        let mut batch = Batch::new(key.partition, now, self.random())?;
        let until = now.plus(self.config().registration().unused_period());
        batch.put_value(key, Expect::Absent, until, &record)?;
        self.store().commit_surely(&batch).await?;
        self.event(&Event::new(EventKind::ClientRegistered, now).with_client_id(record.client_id.as_str()));
        Ok((Registered { record, secret }, token))
    }

    /// The record that a registration access token is for. Unknown, deleted and foreign look alike.
    pub(crate) async fn registration(&self, client_id: &str, token: &Handle) -> Result<Found<ClientRecord>, Refusal> {
        let found = self.registered(client_id).await?.ok_or(Cause::RegistrationToken)?;
        let shown = token.hash(self.crypto());
        if found.value.token.matches(&shown) { Ok(found) } else { Err(Cause::RegistrationToken.into()) }
    }

    /// Replaces a client's metadata, all of it or nothing, if nobody else changed or deleted the client meanwhile.
    pub(crate) async fn update_registration(
        &self,
        found: &Found<ClientRecord>,
        asked: Asked,
    ) -> Result<Registered, Refusal> {
        let now = self.now();
        let keeps = found.value.secret.filter(|_| asked.method.uses_secret());
        let secret = if keeps.is_some() { None } else { self.new_secret(&asked)? };
        let hash = secret.as_ref().map(|secret| self.secret_hash(secret));
        let record = ClientRecord { metadata: asked.metadata, secret: keeps.or(hash), ..found.value.clone() };
        let mut batch = Batch::new(found.key.partition, now, self.random())?;
        batch.put_value(found.key, found.unchanged(), found.expires_at, &record)?;
        match self.store().commit_surely(&batch).await {
            Ok(()) => {}
            // Whoever came first has decided: the client reads again and sends anew, or finds itself deleted.
            Err(CommitError::Conflict(_)) if self.registered(record.client_id.as_str()).await?.is_none() => {
                return Err(Cause::RegistrationToken.into());
            }
            Err(error) => return Err(error.into()),
        }
        self.event(&Event::new(EventKind::ClientUpdated, now).with_client_id(record.client_id.as_str()));
        Ok(Registered { record, secret })
    }

    /// Deletes a client: from this commit on its grants and tokens are dead, those in flight included (promise 12).
    pub(crate) async fn delete_registration(&self, client_id: &str, token: &Handle) -> Result<(), Refusal> {
        for _ in 0..ATTEMPTS {
            let (found, now) = (self.registration(client_id, token).await?, self.now());
            let tombstone = ClientRecord { deleted: true, metadata: Map::new(), secret: None, ..found.value.clone() };
            let mut batch = Batch::new(found.key.partition, now, self.random())?;
            batch.put_value(found.key, found.unchanged(), now.plus(TOMBSTONE), &tombstone)?;
            match self.store().commit_surely(&batch).await {
                Ok(()) => {
                    self.event(&Event::new(EventKind::ClientDeleted, now).with_client_id(client_id));
                    self.end_grants_of(&self.client_of(&found.value)?, now).await;
                    return Ok(());
                }
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Cause::Contention.into())
    }

    /// Tidies up after a client that is gone. What fails here lives on as a record that opens nothing, until it expires.
    async fn end_grants_of(&self, client: &Client, now: UnixTime) {
        let Some(id) = ClientId::parse(client.id()) else { return };
        let index = Index { name: index::GRANTS_OF_CLIENT, value: self.secrets().client_index(&id) };
        let Ok(page) = self.store().list(&index, None, ENDED_AT_ONCE, now).await else { return };
        for key in page.keys.into_iter().filter(|key| key.kind == crate::records::GRANT) {
            let Ok(Some(grant)) = self.store().find::<GrantRecord>(key, now).await else { continue };
            if grant.value.ended.is_none()
                && let Err(refusal) = self.end_grant(client, &grant, EndReason::Revoked).await
            {
                self.note_refusal(EventKind::Failure, &refusal, Some(client.id()));
            }
        }
    }

    /// A registered or imported client, as any other client.
    pub(crate) async fn find_registered(&self, id: &ClientId) -> Result<Option<Arc<Client>>, Refusal> {
        match self.registered(id.as_str()).await? {
            Some(found) => self.client_of(&found.value).map(|client| Some(Arc::new(client))),
            None => Ok(None),
        }
    }

    /// Notes that something is about to be issued to a client that has had nothing yet, so that it does not expire.
    pub(crate) async fn keep_registered(&self, client: &Client) -> Result<(), Refusal> {
        for _ in 0..ATTEMPTS {
            if !client.is_unused() {
                return Ok(());
            }
            let found = self.registered(client.id()).await?.ok_or(Cause::GrantEnded)?;
            if found.value.used {
                return Ok(());
            }
            let record = ClientRecord { used: true, ..found.value.clone() };
            let mut batch = Batch::new(found.key.partition, self.now(), self.random())?;
            batch.put_value(found.key, found.unchanged(), UnixTime::MAX, &record)?;
            match self.store().commit_surely(&batch).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Cause::Contention.into())
    }

    async fn registered(&self, client_id: &str) -> Result<Option<Found<ClientRecord>>, Refusal> {
        let key: Key = self.secrets().registered_client(client_id);
        let found = self.store().find::<ClientRecord>(key, self.now()).await?;
        Ok(found.filter(|found| !found.value.deleted && found.value.client_id.as_str() == client_id))
    }

    fn client_of(&self, record: &ClientRecord) -> Result<Client, Refusal> {
        let secret = record.secret.map(|hash| *hash.as_bytes());
        let client = metadata::client_of(self, record.client_id.as_str(), &record.metadata, secret);
        // What was registered under other settings and is not served any more is a failure of ours.
        let client = client.map_err(|refusal| Refusal::from(Cause::LookupFailed).source(refusal))?;
        Ok(client.instance(record.instance).unused(!record.used))
    }

    fn new_secret(&self, asked: &Asked) -> Result<Option<Handle>, Refusal> {
        if !asked.method.uses_secret() {
            return Ok(None);
        }
        let id = self.random().id()?;
        Ok(Some(Handle::generate(SECRET_HANDLE, id, self.random())?))
    }

    /// As [`Client::confidential`] hashes a secret: over its text.
    fn secret_hash(&self, secret: &Handle) -> HandleHash {
        HandleHash::from_bytes(self.crypto().sha256(&[secret.to_secret_string().expose().as_bytes()]))
    }
}

impl ClientRecord {
    /// What a client is told of itself: its metadata and its name.
    pub(crate) fn told(&self) -> Map<String, Value> {
        let mut told = self.metadata.clone();
        told.insert("client_id".to_owned(), self.client_id.as_str().into());
        told.insert("client_id_issued_at".to_owned(), self.issued_at.as_secs().into());
        told
    }
}
