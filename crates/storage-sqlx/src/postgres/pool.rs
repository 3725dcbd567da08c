//! A bounded number of connections.
//!
//! Not the driver's own pool: that one asks the server for a sign of life after each use, which would be a second round
//! trip, and while a server is down it waits in silence where a caller would rather hear so at once.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

use super::error::{Place, ServerError, ServerTrouble};

/// Firewalls forget a silent connection after some minutes.
const MAX_IDLE: Duration = Duration::from_secs(240);
/// So that the server's memory for a connection is freed now and then, and a change of address is noticed.
const MAX_AGE: Duration = Duration::from_secs(1_800);

pub(super) struct Pool {
    connect: PgConnectOptions,
    place: Place,
    idle: Mutex<Vec<Idle>>,
    turns: Semaphore,
    acquire_timeout: Duration,
}

struct Idle {
    connection: PgConnection,
    made: Instant,
    since: Instant,
}

/// A connection in use. Dropped, it is closed; [`Pool::put_back`] keeps it for the next.
pub(super) struct Lease<'a> {
    pub(super) connection: PgConnection,
    made: Instant,
    /// Whether others used it before: then it may have died unseen.
    pub(super) used_before: bool,
    _turn: SemaphorePermit<'a>,
}

impl Pool {
    pub(super) fn new(connect: PgConnectOptions, place: Place, size: usize, acquire_timeout: Duration) -> Self {
        Self { connect, place, idle: Mutex::default(), turns: Semaphore::new(size), acquire_timeout }
    }

    /// Takes an idle connection or makes one.
    pub(super) async fn take(&self) -> Result<Lease<'_>, ServerError> {
        let deadline = tokio::time::Instant::now() + self.acquire_timeout;
        let Ok(Ok(turn)) = timeout_at(deadline, self.turns.acquire()).await else {
            return Err(self.place.trouble(ServerTrouble::Busy));
        };
        if let Some(Idle { connection, made, .. }) = self.pop() {
            return Ok(Lease { connection, made, used_before: true, _turn: turn });
        }
        match timeout_at(deadline, self.connect.connect()).await {
            Ok(Ok(connection)) => Ok(Lease { connection, made: Instant::now(), used_before: false, _turn: turn }),
            Ok(Err(error)) => Err(self.place.while_connecting(error)),
            Err(_) => Err(self.place.trouble(ServerTrouble::Unreachable)),
        }
    }

    /// Keeps a connection that is as good as before.
    pub(super) fn put_back(&self, lease: Lease<'_>) {
        let Lease { connection, made, _turn, .. } = lease;
        let idle = Idle { connection, made, since: Instant::now() };
        self.idle().push(idle);
        // The turn ends here, after the push: whoever gets it finds the connection.
    }

    /// Closes what is idle: after one connection died, the others are likely dead too.
    pub(super) fn forget_idle(&self) {
        let forgotten = std::mem::take(&mut *self.idle());
        drop(forgotten);
    }

    /// The one that was used last. What is too old is closed.
    fn pop(&self) -> Option<Idle> {
        let (now, mut idle) = (Instant::now(), self.idle());
        idle.retain(|idle| now.duration_since(idle.since) < MAX_IDLE && now.duration_since(idle.made) < MAX_AGE);
        idle.pop()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("place", &self.place).finish_non_exhaustive()
    }
}
