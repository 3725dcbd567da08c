//! How a store is opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_primitives::SecretString;
use redis::Client;

use crate::ServerError;

/// What may be chosen when a store is opened. Every value has a default that fits a server and its nodes in one data centre.
///
/// ```
/// use countersign_storage_redis::RedisOptions;
/// use std::time::Duration;
///
/// let options = RedisOptions::default().durable(1).timeout(Duration::from_secs(2));
/// ```
#[derive(Clone)]
pub struct RedisOptions {
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) answer_timeout: Duration,
    pub(crate) connections: Option<usize>,
    pub(crate) durable: Option<u32>,
    pub(crate) split: u32,
    sentinel: Option<Arc<(String, SecretString)>>,
    #[cfg(feature = "tls")]
    authorities: Option<Vec<u8>>,
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("timeout", &self.timeout)
            .field("connections", &self.connections)
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(3),
            connect_timeout: Duration::from_secs(1),
            answer_timeout: Duration::from_secs(1),
            connections: None,
            durable: None,
            split: 1_024,
            sentinel: None,
            #[cfg(feature = "tls")]
            authorities: None,
        }
    }
}

impl RedisOptions {
    /// How long a call may take in all, with every attempt: while a master fails over, calls wait so long for the new one.
    /// Default: 3 s. A single attempt takes at most a third of it.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self.connect_timeout = timeout / 3;
        self.answer_timeout = timeout / 3;
        self
    }

    /// How many connections there are to one server (at least one); each serves many callers at once. Default: 4, and 16 with
    /// [`RedisOptions::durable`], where a connection waits with the commit that it carries.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = Some(connections.max(1));
        self
    }

    /// Has every commit wait until the server's disk and so many replicas have it (at least one): `WAITAOF` where the server
    /// knows it (Redis 7.2, Valkey), else `WAIT` behind `appendfsync always`, without which the store is not opened.
    /// Default: off, and the store says at its start what its servers' settings can lose.
    #[must_use]
    pub fn durable(mut self, replicas: u32) -> Self {
        self.durable = Some(replicas.max(1));
        self
    }

    /// How many entries a list has before it is split into 64 parts on slots of their own. Default: 1,024.
    #[must_use]
    pub fn split_lists_at(mut self, entries: u32) -> Self {
        self.split = entries.max(1);
        self
    }

    /// The user and password that the sentinels ask for; the URL's are for the data. An empty user is the default user.
    #[must_use]
    pub fn sentinel_password(mut self, user: impl Into<String>, password: SecretString) -> Self {
        self.sentinel = Some(Arc::new((user.into(), password)));
        self
    }

    /// The authorities (certificates in PEM) that `rediss://` trusts, instead of the system's.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(pem.into());
        self
    }

    pub(crate) fn lines(&self) -> usize {
        self.connections.unwrap_or(if self.durable.is_some() { 16 } else { 4 })
    }

    pub(crate) fn sentinel_login(&self) -> String {
        let Some(login) = &self.sentinel else { return String::new() };
        let (user, password) = &**login;
        let encode = |text: &str| {
            text.bytes().fold(String::new(), |mut all, byte| {
                all.push_str(&format!("%{byte:02x}"));
                all
            })
        };
        format!("{}:{}@", encode(user), encode(password.expose()))
    }

    /// A client of the driver's. Its errors may repeat the URL, so they are dropped.
    pub(crate) fn client(&self, url: &str) -> Result<Client, OpenError> {
        #[cfg(feature = "tls")]
        if let (true, Some(root)) = (url.starts_with("rediss://"), &self.authorities) {
            let certificates = redis::TlsCertificates { client_tls: None, root_cert: Some(root.clone()) };
            return Client::build_with_tls(url, certificates).map_err(|_| OpenError::Url);
        }
        Client::open(url).map_err(|_| OpenError::Url)
    }
}

/// Why a store was not opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL names no store that this crate can open.
    #[error(
        "a store's URL is redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], redis-cluster://HOST:PORT,HOST:PORT or \
         redis-sentinel://HOST:PORT,HOST:PORT/MASTER; with TLS it begins with rediss"
    )]
    Url,
    /// The URL asks for TLS, which this build does not have.
    #[error("the URL asks for TLS: build with the feature `tls` of countersign-storage-redis")]
    NoTls,
    /// A server cannot be used as it is.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The server is too old.
    #[error("{server} is version {found}: Redis 7.0 or Valkey 7.2 is the oldest that will do")]
    Version {
        /// Which server.
        server: String,
        /// Its version.
        found: String,
    },
    /// The server is part of a cluster.
    #[error("{server} is part of a cluster: write redis-cluster:// in the URL")]
    IsCluster {
        /// Which server.
        server: String,
    },
    /// The server is no part of a cluster.
    #[error("{server} is not part of a cluster: write redis:// in the URL")]
    NotCluster {
        /// Which server.
        server: String,
    },
    /// The server throws records away when its memory is full.
    #[error(
        "{server} has maxmemory-policy {policy} and would throw away grants and keys when its memory is full: \
         set it to noeviction"
    )]
    Evicts {
        /// Which server.
        server: String,
        /// Its policy.
        policy: String,
    },
    /// Commits were to be durable, and this server's settings cannot keep that.
    #[error("{server} cannot make commits durable: {lacks}")]
    NotDurable {
        /// Which server.
        server: String,
        /// What it lacks.
        lacks: &'static str,
    },
    /// The database was written by a newer version of this crate.
    #[error("the database has format {found}, and this version knows {known}: run the newer version")]
    Newer {
        /// The format's number in the database.
        found: u64,
        /// The newest number that this version knows.
        known: u64,
    },
    /// The database's marker is not a number.
    #[error("the key cs:schema is not this store's: name another database")]
    Foreign,
}
