//! One call: a connection, a statement, and what to do when that fails.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use countersign_storage_traits::{CommitError, StoreError};
use sqlx::postgres::{PgConnection, PgRow};
use tokio::time::{Instant, timeout_at};

use super::Postgres;
use super::error::{ServerError, ServerTrouble, code};
use super::statement::Statement;

/// How often a call starts anew after its connection died: once for a connection that was idle, once more for the new one.
const RECONNECTS: u32 = 2;
/// The longest pause before a transaction that lost against others is repeated.
const MAX_PAUSE: Duration = Duration::from_millis(64);

/// Whether the same call may be made again when nobody knows what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    Safe,
    Unsafe,
}

/// What a call does on its connection, as often as it must.
pub(super) trait Work: Sync {
    type Answer: Send;

    fn run(
        &self,
        connection: &mut PgConnection,
        prepared: bool,
    ) -> impl Future<Output = Result<Self::Answer, sqlx::Error>> + Send;
}

/// A statement whose rows are wanted.
struct Reading<'s>(&'s Statement<'s>);

impl Work for Reading<'_> {
    type Answer = Vec<PgRow>;

    async fn run(&self, connection: &mut PgConnection, prepared: bool) -> Result<Vec<PgRow>, sqlx::Error> {
        self.0.rows(connection, prepared).await
    }
}

/// A statement of which it is wanted how many rows it wrote.
struct Writing<'s>(&'s Statement<'s>);

impl Work for Writing<'_> {
    type Answer = u64;

    async fn run(&self, connection: &mut PgConnection, prepared: bool) -> Result<u64, sqlx::Error> {
        self.0.execute(connection, prepared).await
    }
}

/// How a call failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Surely nothing was written.
    Refused(ServerError),
    /// Nobody knows.
    Unknown(ServerError),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) | Failure::Unknown(error) => error.into(),
        }
    }
}

impl From<Failure> for CommitError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => Self::Refused(error.into()),
            Failure::Unknown(error) => Self::Unknown(error.into()),
        }
    }
}

/// What an error says about the call that met it.
enum Fate {
    /// Others were in the way; it did nothing, and may succeed now.
    Repeat,
    /// The server ended the connection before it did anything.
    Ended,
    /// It did nothing, and will not. The connection lives.
    Refused,
    /// The server takes no writes: the connection leads to the wrong one.
    WrongServer,
    /// The connection broke, or the server does not know itself.
    Unknown,
}

fn fate(error: &sqlx::Error) -> Fate {
    match code(error) {
        "40001" | "40P01" => Fate::Repeat,
        "57P01" | "57P02" | "57P03" => Fate::Ended,
        "25006" => Fate::WrongServer,
        // A pooler whose server's connection broke says so by a code of class 08: what it had passed on may have been done.
        code if code.is_empty() || code == "40003" || code.starts_with("08") => Fate::Unknown,
        _ => Fate::Refused,
    }
}

impl Postgres {
    pub(super) async fn rows(&self, repeat: Repeat, statement: &Statement<'_>) -> Result<Vec<PgRow>, Failure> {
        self.call(repeat, &Reading(statement)).await
    }

    pub(super) async fn execute(&self, repeat: Repeat, statement: &Statement<'_>) -> Result<u64, Failure> {
        self.call(repeat, &Writing(statement)).await
    }

    /// Does `work` on a connection. What others were in the way of is repeated until the time is up; what met a dead connection
    /// is repeated on another, if that is safe.
    pub(super) async fn call<T>(&self, repeat: Repeat, work: &impl Work<Answer = T>) -> Result<T, Failure> {
        let deadline = Instant::now() + self.call_timeout;
        let (mut reconnects, mut pauses, mut perhaps_written) = (0, 0, false);
        // From the first time that an answer was lost, no refusal can say that nothing was written.
        let failed = |perhaps_written: bool, error: ServerError| {
            if perhaps_written { Failure::Unknown(error) } else { Failure::Refused(error) }
        };
        loop {
            let mut lease = self.pool.take().await.map_err(|error| failed(perhaps_written, error))?;
            let error = match timeout_at(deadline, work.run(&mut lease.connection, self.prepared)).await {
                Ok(Ok(answer)) => {
                    self.pool.put_back(lease);
                    return Ok(answer);
                }
                Ok(Err(error)) => error,
                Err(_) => return Err(Failure::Unknown(self.place.trouble(ServerTrouble::Slow))),
            };
            let fate = fate(&error);
            match fate {
                Fate::Refused => {
                    self.pool.put_back(lease);
                    return Err(failed(perhaps_written, self.place.error(error)));
                }
                Fate::Repeat => {
                    self.pool.put_back(lease);
                    let pause = pause(pauses);
                    if Instant::now() + pause >= deadline {
                        return Err(failed(perhaps_written, self.place.error(error)));
                    }
                    tokio::time::sleep(pause).await;
                    pauses += 1;
                    continue;
                }
                Fate::Ended | Fate::WrongServer => {}
                Fate::Unknown => perhaps_written = true,
            }
            let had_served = lease.used_before;
            drop(lease);
            self.pool.forget_idle();
            let again = match fate {
                // Behind the same name another server may be the primary now: a new connection finds it.
                Fate::WrongServer => had_served,
                Fate::Unknown => repeat == Repeat::Safe,
                _ => true,
            };
            if !again || reconnects == RECONNECTS {
                return Err(failed(perhaps_written, self.place.error(error)));
            }
            tracing::debug!(place = ?self.place, "a connection died: the call is made on another");
            reconnects += 1;
        }
    }
}

/// Longer each time, and not the same for all who lost at once.
fn pause(before: u32) -> Duration {
    let most = MAX_PAUSE.min(Duration::from_millis(1 << before.min(6)));
    let noise = RandomState::new().build_hasher().finish();
    most.mul_f64(f64::from(u16::from_be_bytes([noise.to_be_bytes()[0], noise.to_be_bytes()[1]])) / 65_536.0)
}
