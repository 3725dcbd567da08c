//! The PostgreSQL dialect.

mod call;
mod commit;
mod error;
mod migrate;
mod open;
mod pool;
mod read;
mod scan;
mod statement;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use countersign_storage_traits::Capabilities;

use self::error::Place;
use self::open::{Dialect, inspect, own_parameters, parse};
use self::pool::Pool;
use self::write::FROM_THE_START;
use crate::{OpenError, SqlOptions};

pub use self::error::{ServerError, ServerTrouble};
pub use self::migrate::{Migration, POSTGRES_MIGRATIONS};

/// A PostgreSQL database, or one that speaks its protocol.
#[derive(Debug, Clone)]
pub(crate) struct Postgres {
    pool: Arc<Pool>,
    place: Place,
    capabilities: Capabilities,
    call_timeout: Duration,
    /// Whether statements are prepared on their connections.
    prepared: bool,
    /// Whether a batch is one statement, or a transaction of several.
    one_statement: bool,
    committed: Arc<AtomicU64>,
    /// How far sweeps have come with records, and with counters.
    swept_to: Arc<[AtomicI64; 2]>,
}

impl Postgres {
    pub(crate) async fn open(url: &str, options: &SqlOptions) -> Result<Self, OpenError> {
        let mut options = options.clone();
        let (connect, place) = parse(&own_parameters(url, &mut options)?, &options)?;
        let pool = Pool::new(connect, place.clone(), options.connections, options.acquire_timeout);
        let mut lease = pool.take().await?;
        let server = inspect(&mut lease.connection, &place).await?;
        migrate::prepare(&mut lease.connection, &place, server.dialect, options.migrate).await?;
        pool.put_back(lease);
        Ok(Self {
            pool: Arc::new(pool),
            place,
            capabilities: server.capabilities,
            call_timeout: options.call_timeout,
            prepared: !options.pooler,
            one_statement: server.dialect == Dialect::Postgres && !options.transactions,
            committed: Arc::default(),
            swept_to: Arc::new([AtomicI64::new(FROM_THE_START), AtomicI64::new(FROM_THE_START)]),
        })
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    pub(crate) fn transactions(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }
}
