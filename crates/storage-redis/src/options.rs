//! How a store is opened.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_primitives::SecretString;

use crate::ServerError;
use crate::address::SentinelLogin;

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
    pub(crate) loading_timeout: Duration,
    pub(crate) connections: Option<usize>,
    pub(crate) durable: Option<u32>,
    pub(crate) split: u32,
    pub(crate) sentinel: Option<SentinelLogin>,
    #[cfg(feature = "tls")]
    pub(crate) authorities: Option<Vec<u8>>,
    #[cfg(feature = "tls")]
    pub(crate) client_certificate: Option<Arc<(Vec<u8>, SecretString)>>,
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
            loading_timeout: Duration::from_secs(60),
            connections: None,
            durable: None,
            split: 1_024,
            sentinel: None,
            #[cfg(feature = "tls")]
            authorities: None,
            #[cfg(feature = "tls")]
            client_certificate: None,
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

    /// How long opening a store waits for servers that still read their files (`LOADING`), as they do after a restart.
    /// Default: 60 s, which reads some GB; what starts programs gives up after 90 s as a rule. Once the store is open, calls wait for
    /// [`RedisOptions::timeout`] and are refused, until the server has read them.
    #[must_use]
    pub fn loading_timeout(mut self, timeout: Duration) -> Self {
        self.loading_timeout = timeout;
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
    /// In a URL: `?sentinel_user=USER&sentinel_password=PASSWORD`.
    #[must_use]
    pub fn sentinel_password(mut self, user: impl Into<String>, password: SecretString) -> Self {
        self.sentinel = Some(Arc::new((user.into(), password)));
        self
    }

    /// The authorities (certificates in PEM) that `rediss://` trusts, instead of the system's. In a URL: `?cacert=FILE`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(pem.into());
        self
    }

    /// The certificate (in PEM, with those between it and its authority) that the store shows to servers that ask for one
    /// (`tls-auth-clients yes`, which is their default), and its key in PEM. In a URL: `?cert=FILE&key=FILE`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn client_certificate(mut self, chain: impl Into<Vec<u8>>, key: SecretString) -> Self {
        self.client_certificate = Some(Arc::new((chain.into(), key)));
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
}

/// Why a store was not opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL names no store that this crate can open.
    #[error(
        "a store's URL is redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], redis-cluster://HOST:PORT,HOST:PORT or \
         redis-sentinel://HOST:PORT,HOST:PORT/MASTER[?sentinel_user=USER&sentinel_password=PASSWORD]; \
         with TLS it begins with rediss, and may end with ?cacert=FILE and with cert=FILE&key=FILE"
    )]
    Url,
    /// A file that the URL names cannot be read.
    #[error("{} cannot be read: name a file in PEM that this process may read", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no authority to trust.
    #[error(
        "no certificate authority is known: name those of the servers, in PEM (cacert=FILE in the URL), \
         or install the system's (ca-certificates)"
    )]
    NoAuthorities,
    /// The client's certificate or its key cannot be used.
    #[error("the client's certificate and its key are not both PEM, or do not belong together")]
    ClientCertificate,
    /// The URL asks for TLS, which this build does not have.
    #[error("the URL asks for TLS: build with the feature `tls` of countersign-storage-redis")]
    NoTls,
    /// A server cannot be used as it is.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The server is too old.
    #[error("{server} has version {found}, and {needed} is the oldest that will do: update it")]
    Version {
        /// Which server.
        server: String,
        /// Its version.
        found: String,
        /// The oldest version that will do.
        needed: &'static str,
    },
    /// The user may not do all that a store needs.
    #[error("{server} forbids its user {commands}: allow what docs/storage.md lists")]
    Rights {
        /// Which server.
        server: String,
        /// The commands that are forbidden.
        commands: String,
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
