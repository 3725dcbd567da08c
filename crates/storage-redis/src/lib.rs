//! A store on Redis or Valkey: one server, Sentinel or Cluster.
//!
//! ```no_run
//! use countersign_primitives::{Id, SystemRandom, UnixTime};
//! use countersign_storage_redis::RedisStore;
//! use countersign_storage_traits::{Batch, Expect, Key, Kind, Store};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = RedisStore::open("redis://127.0.0.1").await?; // or "redis-cluster://a:7000,b:7000,c:7000"
//! let (key, now) = (Key::root(Kind(200), Id::from_bytes([1; 16])), UnixTime::from_secs(1_800_000_000));
//! let mut batch = Batch::new(key.partition, now, &SystemRandom)?;
//! batch.put(key, Expect::Absent, UnixTime::from_secs(1_800_003_600), Vec::new(), "payload");
//! store.commit(&batch).await?;
//! assert!(store.get(&[key], now).await?[0].is_some());
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! A partition of the contract is a hash tag, so all that one commit touches lies in one slot. A commit is one script: it looks
//! at everything first and then writes what cannot fail. What it puts bears the batch's id, so that a commit whose answer was
//! lost is sent again and answers Ok. `get` is one `MGET` a partition. Whether something has expired is judged by the caller's
//! time; the server drops it 120 seconds after its expiry, as rubbish. Counters hold their count and the end of their window, and
//! know the last charges again. Lists are sorted sets on slots of their own, entered before the record is written; one of more than
//! 1,024 entries is split into 64 parts.
//!
//! Each server has a few connections that all callers share, made when needed and replaced when they break. In a cluster the
//! store follows redirections and waits for a slot that moves or whose master fails over; with Sentinel it asks for the new
//! master; all within [`RedisOptions::timeout`].
//!
//! # What outlives what
//!
//! Redis keeps what its settings say, and many of them lose writes that were answered. A lost commit may bring a spent code or a
//! revoked grant back to life, so choose a line of this table on purpose. The store warns at its start of all but the last two.
//!
//! | settings | the server's process dies | its machine dies | its master is replaced by a replica |
//! |---|---|---|---|
//! | `appendonly no` | **all since the last snapshot is lost** | the same | what had not reached the replica is lost |
//! | `appendfsync no` | kept | **all that the system had not written is lost**: some 30 s | the same |
//! | `appendfsync everysec` | kept | **up to a second or two is lost** | the same |
//! | `appendfsync always` | kept | kept | the same |
//! | [`RedisOptions::durable`] | kept | kept | **kept**: commits wait for disk and replicas |
//!
//! [`Capabilities`] says `durable` for the last two lines and `survives_failover` for the last. `min-replicas-to-write` bounds how
//! long a master that was cut off goes on, and what it then loses; it makes nothing durable. Durable commits wait by `WAITAOF` for
//! the disks of both sides where the server knows it (Redis 7.2, Valkey); set `appendfsync always` on replicas too, for with
//! `everysec` a commit waits up to a second. Older servers wait by `WAIT`: the master's disk, and the replica's memory. Charges do
//! not wait: after a fail-over a counter may show a little less.
//!
//! A commit that was not confirmed in time is [`CommitError::Unknown`]: it may have been done. The same batch again is Ok.
//!
//! # What it does not do
//!
//! Encrypt: wrap it in [`Encrypted`](countersign_storage_traits::Encrypted). Work on a server that throws keys away when its memory is
//! full: any `maxmemory-policy` but `noeviction` is an error at the start. Read from replicas: they may not know yet that a grant
//! has ended. Share its keys (`cs:*`) with another program; other keys of the database are left alone.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `tls` | `rediss://`, `rediss-sentinel://`, `rediss-cluster://`: rustls on ring, with the system's authorities or one's own |
//! | `services` | for this crate's own tests: those that start servers |
//!
//! # Where next
//!
//! [`RedisOptions`] has timeouts, connections and durability. `docs/storage.md` in the repository has the commands that an access
//! list must allow; `countersign-storage-traits` the contract, and the suite that this store passes.

mod access;
mod address;
mod charge;
mod commit;
mod encode;
mod error;
mod examine;
mod link;
mod list;
mod network;
mod options;
mod read;
mod scan;
mod script;
mod slot;
mod sweep;
#[cfg(feature = "tls")]
mod tls;

use std::sync::Arc;

use async_trait::async_trait;
use countersign_primitives::UnixTime;
use countersign_storage_traits::{
    Batch, Capabilities, Charge, Charged, CommitError, Cursor, Health, Index, Item, Key, Page, Part, Record, Scan,
    ScanPage, Store, StoreError, Swept,
};

pub use error::{Cause, ServerError, TlsTrouble};
pub use options::{OpenError, RedisOptions};

use access::Access;
use commit::Assurance;
use network::Network;

/// A store on Redis or Valkey. Clones share its connections.
#[derive(Debug, Clone)]
pub struct RedisStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    network: Network,
    options: RedisOptions,
    /// What every commit waits for.
    assurance: Option<Assurance>,
    capabilities: Capabilities,
    lists: list::Splits,
    passes: sweep::Passes,
}

impl RedisStore {
    /// Opens a store: `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]` for one server,
    /// `redis-sentinel://HOST:PORT,HOST:PORT/MASTER` for a master that sentinels name, `redis-cluster://HOST:PORT,HOST:PORT` for a
    /// cluster of which these are some nodes. With feature `tls`, `rediss://`, `rediss-sentinel://` and `rediss-cluster://`,
    /// which may end with `?cacert=FILE` (whom to trust instead of the system's authorities) and `cert=FILE&key=FILE` (the
    /// client's own certificate). Sentinels that ask for a login get `?sentinel_user=USER&sentinel_password=PASSWORD`; the
    /// user and password before the hosts are for the data. Values are percent-encoded. What the URL says goes before what the
    /// options say.
    ///
    /// Must be called within a tokio runtime, and so must the store's methods.
    ///
    /// # Errors
    /// [`OpenError`] names the server and the cure.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_with(url, RedisOptions::default()).await
    }

    /// Opens a store with options of one's own.
    ///
    /// # Errors
    /// As [`RedisStore::open`].
    pub async fn open_with(url: &str, options: RedisOptions) -> Result<Self, OpenError> {
        let access = Access::new(url, options)?;
        let network = Network::new(&access)?;
        let found = examine::examine(&network, &access.options).await?;
        let inner = Inner {
            network,
            options: access.options,
            assurance: found.assurance,
            capabilities: found.capabilities,
            lists: list::Splits::default(),
            passes: sweep::Passes::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

#[async_trait]
impl Store for RedisStore {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities
    }

    async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        self.inner.get(keys, now).await
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        batch.validate()?;
        self.inner.commit(batch).await
    }

    async fn list(&self, index: &Index, after: Option<Cursor>, limit: u16, now: UnixTime) -> Result<Page, StoreError> {
        self.inner.list(index, after, limit, now).await
    }

    async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        self.inner.charge(charges, now).await
    }

    async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        self.inner.sweep(now, limit).await
    }

    async fn health(&self) -> Result<Health, StoreError> {
        self.inner.health().await
    }
    fn as_scan(&self) -> Option<&dyn Scan> {
        Some(self)
    }
}

/// One server after the other, by `SCAN`, which tells all that stays and may tell it twice. A page may be longer than asked for. A
/// walk ends with [`StoreError::Cursor`] when the server it had come to is no longer a master; slots of a cluster that move meanwhile
/// may be missed, so a store is moved while its cluster rests.
#[async_trait]
impl Scan for RedisStore {
    async fn scan(&self, part: Part, after: Option<Cursor>, limit: u16) -> Result<ScanPage, StoreError> {
        self.inner.scan(part, after, limit.max(1)).await
    }

    async fn restore(&self, items: &[Item]) -> Result<(), StoreError> {
        self.inner.restore(items).await
    }
}
