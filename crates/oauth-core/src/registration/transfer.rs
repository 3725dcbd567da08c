//! What an export tells of clients and grants, and what an import takes over.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_primitives::UnixTime;
use countersign_storage_traits::{Batch, CommitError, Cursor, Expect, Found, Item, Part, StoreError, Stored};
use countersign_tokens::{Handle, HandleHash};
use serde_json::{Map, Value};

use super::{Asked, TOKEN_HANDLE};
use crate::records::{ClientRecord, GrantRecord};
use crate::{ClientId, Refusal, Server};

/// The clients that registered themselves, or were imported: for a host's own code. See [`Server::registered_clients`].
#[derive(Debug, Clone, Copy)]
pub struct RegisteredClients<'a>(pub(crate) &'a Server);

/// A page of registered clients, each as a JSON object that [`RegisteredClients::import`] reads: the members of RFC 7591 §2, and
/// `client_id`, `client_id_issued_at`, `client_secret_hash`, `registration_access_token_hash`. Hashes are of random secrets of 256
/// bits, so they tell nothing.
#[derive(Debug, Clone, Default)]
pub struct ClientsPage {
    /// So many of them, in no order.
    pub clients: Vec<Map<String, Value>>,
    /// Where to go on; none when this was the last page.
    pub next: Option<Cursor>,
}

/// A page of grants.
#[derive(Debug, Clone, Default)]
pub struct GrantsPage {
    /// So many of them, in no order.
    pub grants: Vec<GrantInfo>,
    /// Where to go on; none when this was the last page.
    pub next: Option<Cursor>,
}

/// A grant as it may be shown: who gave what to whom.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GrantInfo {
    /// What was granted.
    pub grant: GrantRecord,
    /// Until when it can be used, if nobody uses or ends it before.
    pub expires_at: UnixTime,
}

/// What an import did with a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportedClient {
    /// It is new.
    Created,
    /// One of this name was there already, and stayed as it is.
    Kept,
}

/// Why a client was not imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientImportError {
    /// It has no `client_id` that one can have.
    #[error("the member client_id is missing, or is not 1 to 256 visible characters")]
    ClientId,
    /// It is a client that the host names itself.
    #[error("a client of this client_id is among those that the host names itself")]
    TheHosts,
    /// A client of this name was deleted a moment ago, and what was granted to it may still be about.
    #[error("a client of this client_id was deleted within the last day")]
    Deleted,
    /// A hash is not 32 bytes in base64url.
    #[error("the member {0} is not 32 bytes in base64url")]
    Hash(&'static str),
    /// It authenticates with a secret, and there is none.
    #[error("the client authenticates with a secret, and neither client_secret nor client_secret_hash is there")]
    NoSecret,
    /// Its secret could be guessed.
    #[error("client_secret could be guessed: it has fewer than 128 bits")]
    WeakSecret,
    /// What it says of itself is not served.
    #[error("the metadata is refused")]
    Metadata(#[source] Refusal),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] countersign_primitives::RandomError),
}

impl Server {
    /// The clients that registered themselves (RFC 7591), or were imported: to list, export and import them. Those that the host
    /// names itself are not among them.
    #[must_use]
    pub fn registered_clients(&self) -> RegisteredClients<'_> {
        RegisteredClients(self)
    }

    /// Goes over all grants that have not ended, a page at a time: about `limit` records are looked at, so a page may be empty. For
    /// reports and audits: no token can be made of it.
    ///
    /// # Errors
    /// When the store fails, or cannot be walked.
    pub async fn grants_page(&self, after: Option<Cursor>, limit: u16) -> Result<GrantsPage, StoreError> {
        let (found, next) = page::<GrantRecord>(self, after, limit).await?;
        let live = found.into_iter().filter(|found| found.value.ended.is_none());
        let grants = live.map(|found| GrantInfo { grant: found.value, expires_at: found.expires_at }).collect();
        Ok(GrantsPage { grants, next })
    }
}

impl RegisteredClients<'_> {
    /// Goes over all registered clients, a page at a time: about `limit` records are looked at, so a page may be empty.
    ///
    /// # Errors
    /// When the store fails, or cannot be walked.
    pub async fn page(&self, after: Option<Cursor>, limit: u16) -> Result<ClientsPage, StoreError> {
        let (found, next) = page::<ClientRecord>(self.0, after, limit).await?;
        let clients = found.iter().filter(|found| !found.value.deleted).map(|found| found.value.exported()).collect();
        Ok(ClientsPage { clients, next })
    }

    /// Takes over a client under the name that it has: one that [`RegisteredClients::page`] told, or the metadata of another product's
    /// (RFC 7591 §2) with its `client_secret`, which is kept as a hash. It may what a client may that registered itself. The same import
    /// again changes nothing.
    ///
    /// It gets an instance of its own, so nothing that was ever granted to a client of this name comes to life by it.
    ///
    /// # Errors
    /// [`ClientImportError`] says what is wrong with it.
    pub async fn import(&self, client: &Map<String, Value>) -> Result<ImportedClient, ClientImportError> {
        let server = self.0;
        let client_id = client.get("client_id").and_then(Value::as_str).and_then(ClientId::parse);
        let client_id = client_id.ok_or(ClientImportError::ClientId)?;
        if server.0.clients.names(&client_id) {
            return Err(ClientImportError::TheHosts);
        }
        let asked = Asked::read(server, client).map_err(ClientImportError::Metadata)?;
        let secret = if asked.method.uses_secret() { Some(self.secret(client)?) } else { None };
        let (now, instance) = (server.now(), server.random().id()?);
        let token = match hash(client, "registration_access_token_hash")? {
            Some(hash) => hash,
            // Nobody holds it: the host alone looks after this client.
            None => Handle::generate(TOKEN_HANDLE, instance, server.random())?.hash(server.crypto()),
        };
        let issued_at = client.get("client_id_issued_at").and_then(Value::as_u64).map_or(now, UnixTime::from_secs);
        let index = server.secrets().registered_clients();
        let record = ClientRecord {
            client_id,
            instance,
            metadata: asked.metadata,
            secret,
            token,
            issued_at,
            used: true,
            deleted: false,
            index,
        };
        let key = server.secrets().registered_client(record.client_id.as_str());
        let mut batch = Batch::new(key.partition, now, server.random())?;
        batch.put_value(key, Expect::Absent, UnixTime::MAX, &record)?;
        match server.store().commit_surely(&batch).await {
            Ok(()) => Ok(ImportedClient::Created),
            Err(CommitError::Unknown(error) | CommitError::Refused(error)) => Err(error.into()),
            Err(_) => {
                let held = server.store().find::<ClientRecord>(key, now).await?;
                if held.is_some_and(|held| held.value.deleted) {
                    return Err(ClientImportError::Deleted);
                }
                Ok(ImportedClient::Kept)
            }
        }
    }

    fn secret(&self, client: &Map<String, Value>) -> Result<HandleHash, ClientImportError> {
        if let Some(hash) = hash(client, "client_secret_hash")? {
            return Ok(hash);
        }
        let secret = client.get("client_secret").and_then(Value::as_str).ok_or(ClientImportError::NoSecret)?;
        if crate::client_secret::estimated_bits(secret) < 128.0 {
            return Err(ClientImportError::WeakSecret);
        }
        Ok(HandleHash::from_bytes(self.0.crypto().sha256(&[secret.as_bytes()])))
    }
}

/// A page of the records of one type that live.
async fn page<T: Stored>(
    server: &Server,
    after: Option<Cursor>,
    limit: u16,
) -> Result<(Vec<Found<T>>, Option<Cursor>), StoreError> {
    let page = server.store().scannable()?.scan(Part::RecordsOf(T::KIND), after, limit).await?;
    let (now, mut found) = (server.now(), Vec::new());
    for item in page.items {
        if let Item::Record { key, record } = item
            && record.expires_at > now
        {
            found.push(Found::decode(key, &record)?);
        }
    }
    Ok((found, page.next))
}

impl ClientRecord {
    fn exported(&self) -> Map<String, Value> {
        let mut told = self.told();
        let text = |hash: &HandleHash| Value::from(URL_SAFE_NO_PAD.encode(hash.as_bytes()));
        if let Some(secret) = &self.secret {
            told.insert("client_secret_hash".to_owned(), text(secret));
        }
        told.insert("registration_access_token_hash".to_owned(), text(&self.token));
        told
    }
}

fn hash(client: &Map<String, Value>, member: &'static str) -> Result<Option<HandleHash>, ClientImportError> {
    let Some(value) = client.get(member) else { return Ok(None) };
    let bytes = value.as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.map(|bytes| Some(HandleHash::from_bytes(bytes))).ok_or(ClientImportError::Hash(member))
}
