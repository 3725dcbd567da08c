//! Where records live: opened, and put away in good order.

use std::sync::Arc;

use countersign::store::{MemoryStore, OpenError, RedisOpenError, RedisOptions, RedisStore, SqlStore, Store};

use crate::settings::StoreChoice;

/// A store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreOpenError {
    /// A file, or a database on PostgreSQL.
    #[error(transparent)]
    Sql(#[from] OpenError),
    /// A Redis server.
    #[error(transparent)]
    Redis(#[from] RedisOpenError),
}

impl StoreOpenError {
    pub(crate) fn is_a_setting(&self) -> bool {
        match self {
            Self::Sql(error) => matches!(error, OpenError::Url | OpenError::Feature { .. }),
            // Refused for what its URL says, before any server was asked.
            Self::Redis(error) => matches!(
                error,
                RedisOpenError::Url
                    | RedisOpenError::File { .. }
                    | RedisOpenError::NoAuthorities
                    | RedisOpenError::ClientCertificate
            ),
        }
    }
}

/// A store that is open.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    /// What is to be left in order at the end.
    file: Option<SqlStore>,
}

impl Opened {
    /// Opens what was chosen; on Redis, `durable` says for how many replicas every commit waits.
    ///
    /// # Errors
    /// [`StoreOpenError`] says what is wrong, and the cure.
    pub(crate) async fn open(choice: &StoreChoice, durable: Option<u32>) -> Result<Self, StoreOpenError> {
        let store: Arc<dyn Store> = match choice {
            StoreChoice::Memory => Arc::new(MemoryStore::new()),
            StoreChoice::Sqlite(file) => {
                let store = SqlStore::open(&format!("sqlite:{}", file.display())).await?;
                return Ok(Self { store: Arc::new(store.clone()), file: Some(store) });
            }
            StoreChoice::Postgres(url) => Arc::new(SqlStore::open(url.expose()).await?),
            StoreChoice::Redis(url) => {
                let options = RedisOptions::default();
                let options = if let Some(replicas) = durable { options.durable(replicas) } else { options };
                Arc::new(RedisStore::open_with(url.expose(), options).await?)
            }
        };
        Ok(Self { store, file: None })
    }

    /// Leaves a file whole by itself. When that cannot be done nothing is lost, and the log says what belongs together.
    pub(crate) async fn close(&self) {
        if let Some(file) = &self.file
            && let Err(error) = file.close().await
        {
            let reason = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, reason, "a copy of the store needs the file -wal beside it too");
        }
    }
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.store.fmt(f)
    }
}
