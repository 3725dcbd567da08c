//! The one thread that writes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use countersign_primitives::UnixTime;
use countersign_storage_traits::{
    Batch, Charge, Charged, CommitError, Cursor, Index, Item, Key, Page, Part, Record, ScanPage, StoreError, Swept,
};
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::error::{BUSY, SharedError, StillRead, closed, is, shared_error, store_error};
use super::open::{Place, run};
use super::sheet::Sheet;
use super::{scan, write};

/// Less than any disk takes to make a transaction durable.
const PATIENCE: Duration = Duration::from_micros(200);

/// What is asked of the writer. It answers every job; an asker who has gone away changes nothing.
pub(super) enum Job {
    Commit {
        batch: Batch,
        answer: oneshot::Sender<Result<(), CommitError>>,
    },
    Charge {
        charges: Vec<Charge>,
        now: UnixTime,
        answer: oneshot::Sender<Result<Vec<Charged>, StoreError>>,
    },
    Sweep {
        now: UnixTime,
        limit: u32,
        answer: oneshot::Sender<Result<Swept, StoreError>>,
    },
    Read {
        read: Read,
        answer: oneshot::Sender<Result<ReadAnswer, StoreError>>,
    },
    Restore {
        items: Vec<Item>,
        answer: oneshot::Sender<Result<(), StoreError>>,
    },
    /// The last one; what comes after it finds nobody.
    Close {
        answer: oneshot::Sender<Result<(), StoreError>>,
    },
}

/// What readers ask.
pub(super) enum Read {
    Get { keys: Vec<Key>, now: UnixTime },
    List { index: Index, after: Option<Cursor>, limit: u16, now: UnixTime },
    Backlog,
    Scan { part: Part, after: Vec<u8>, limit: u16 },
}

/// What they are answered.
pub(super) enum ReadAnswer {
    Records(Vec<Option<Record>>),
    Page(Page),
    Backlog(u64),
    Scan(ScanPage),
}

/// What a job came to inside a transaction that is not yet on disk.
enum Outcome {
    Commit(Result<(), CommitError>),
    Charge(Vec<Charged>),
    Sweep(Swept),
    Read(ReadAnswer),
    Restored,
}

/// How a transaction failed.
enum Failure {
    /// Before it was to be committed: surely nothing was written.
    Undone(sqlx::Error),
    /// While it was committed: nobody knows.
    Unknown(sqlx::Error),
}

/// Starts the thread. It ends when the last clone of the store is gone.
pub(super) fn start(
    place: Arc<Place>,
    connection: SqliteConnection,
    queue: mpsc::Receiver<Job>,
    transactions: Arc<AtomicU64>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let writer = Writer { place, connection: Some(connection), transactions };
    thread::Builder::new()
        .name("countersign-sqlite".to_owned())
        .spawn(move || runtime.block_on(writer.serve(queue)))?;
    Ok(())
}

struct Writer {
    place: Arc<Place>,
    /// None after it broke, until the next job opens another.
    connection: Option<SqliteConnection>,
    transactions: Arc<AtomicU64>,
}

/// Steps of sweeps that wait. Each has a transaction of its own, so that no commit waits for more than the one under way; and
/// after each, others have as much time as it took, those of other processes too.
#[derive(Default)]
struct Sweeps {
    waiting: VecDeque<Job>,
    /// Not before then is the next one due.
    rested_at: Option<Instant>,
}

impl Sweeps {
    fn take_from(&mut self, group: &mut Vec<Job>) {
        self.waiting.extend(group.extract_if(.., |job| matches!(job, Job::Sweep { .. })));
    }

    /// How long until the next step is due; none when none waits.
    fn due_in(&self) -> Option<Duration> {
        let rest = |at: Instant| at.saturating_duration_since(Instant::now());
        self.waiting.front().map(|_| self.rested_at.map_or(Duration::ZERO, rest))
    }

    fn pop_due(&mut self) -> Option<Job> {
        if self.due_in()? == Duration::ZERO { self.waiting.pop_front() } else { None }
    }
}

impl Writer {
    async fn serve(mut self, mut queue: mpsc::Receiver<Job>) {
        let most = self.place.options.group;
        let mut group = Vec::with_capacity(most);
        let mut sweeps = Sweeps::default();
        let mut last = 0;
        let closing = loop {
            match sweeps.due_in() {
                None if queue.recv_many(&mut group, most).await == 0 => break None,
                None => gather(&mut queue, &mut group, last),
                // Nobody asked for anything meanwhile, or nobody is left who waits for a sweep.
                Some(due) => match timeout(due, queue.recv_many(&mut group, most)).await {
                    Ok(0) => break None,
                    Ok(_) => gather(&mut queue, &mut group, last),
                    Err(_) => {}
                },
            }
            sweeps.take_from(&mut group);
            let closing = group.extract_if(.., |job| matches!(job, Job::Close { .. })).next();
            if !group.is_empty() {
                last = group.len();
                self.serve_group(&mut group).await;
            }
            if closing.is_some() {
                break closing;
            }
            if let Some(sweep) = sweeps.pop_due() {
                let began = Instant::now();
                self.serve_group(&mut vec![sweep]).await;
                sweeps.rested_at = Some(Instant::now() + began.elapsed());
            }
        };
        let ended = self.end().await;
        match (closing, ended) {
            // An asker who has gone away hears nothing.
            (Some(Job::Close { answer }), ended) => drop(answer.send(ended)),
            (_, Err(error)) => tracing::debug!(%error, "the database was not closed in order"),
            (_, Ok(())) => {}
        }
    }

    /// Moves the log into the file, and closes both. Everything answered is on disk already; this leaves it in one place.
    async fn end(&mut self) -> Result<(), StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.place.connect().await.map_err(|error| store_error(&self.place, error))?,
        };
        let moved: Result<i32, _> =
            sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await;
        connection.close().await.map_err(|error| store_error(&self.place, error))?;
        match moved.map_err(|error| store_error(&self.place, error))? {
            0 => Ok(()),
            _ => Err(StoreError::unavailable(StillRead { path: self.place.name() })),
        }
    }

    /// Does all jobs in one transaction, and answers them.
    async fn serve_group(&mut self, group: &mut Vec<Job>) {
        match self.write(group).await {
            Ok(outcomes) => answer(group, outcomes),
            Err(Failure::Undone(error)) if group.len() > 1 && !is(&error, &[BUSY]) => {
                // One of them may be what fails: each is tried by itself, so that it fails alone.
                for job in std::mem::take(group) {
                    let mut alone = vec![job];
                    match self.write(&alone).await {
                        Ok(outcomes) => answer(&mut alone, outcomes),
                        Err(failure) => fail(&self.place, &mut alone, failure),
                    }
                }
            }
            Err(failure) => fail(&self.place, group, failure),
        }
    }

    /// Writes all jobs in one transaction. Their outcomes count only when this returns them.
    async fn write(&mut self, group: &[Job]) -> Result<Vec<Outcome>, Failure> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.place.connect().await.map_err(Failure::Undone)?,
        };
        let written = transact(&mut connection, group).await;
        match &written {
            Ok(_) => {
                self.transactions.fetch_add(1, Ordering::Relaxed);
                self.connection = Some(connection);
            }
            Err(Failure::Undone(error) | Failure::Unknown(error)) => {
                tracing::warn!(%error, jobs = group.len(), "a transaction failed");
                // SQLite has rolled back by itself after some errors, so this one may fail. A connection to a file is
                // replaced rather than trusted; what is in memory lives with its connection.
                let rolled_back = run(&mut connection, "ROLLBACK").await;
                if self.place.path.is_none() || (is(error, &[BUSY]) && rolled_back.is_ok()) {
                    self.connection = Some(connection);
                }
            }
        }
        written
    }
}

/// Waits a moment for a group as large as the last: its callers have just been answered and may be about to come again, and
/// one transaction for all of them is worth more than the moment. A lone caller never waits.
fn gather(queue: &mut mpsc::Receiver<Job>, group: &mut Vec<Job>, last: usize) {
    let deadline = Instant::now() + PATIENCE;
    while group.len() < last && Instant::now() < deadline {
        match queue.try_recv() {
            Ok(job) => group.push(job),
            Err(mpsc::error::TryRecvError::Empty) => thread::yield_now(),
            Err(mpsc::error::TryRecvError::Disconnected) => return,
        }
    }
}

async fn transact(connection: &mut SqliteConnection, group: &[Job]) -> Result<Vec<Outcome>, Failure> {
    let outcomes = perform(connection, group).await.map_err(Failure::Undone)?;
    match run(connection, "COMMIT").await {
        Ok(()) => Ok(outcomes),
        // Readers of a database without a write-ahead log held it up: the transaction is still open, and is rolled back.
        Err(error) if is(&error, &[BUSY]) => Err(Failure::Undone(error)),
        Err(error) => Err(Failure::Unknown(error)),
    }
}

/// Begins the transaction and does everything but commit it: commits first, for they are written together; then the rest, one
/// by one. All jobs of a group were asked for at once, so no asker can tell their order.
async fn perform(connection: &mut SqliteConnection, group: &[Job]) -> Result<Vec<Outcome>, sqlx::Error> {
    let batches = group.iter().filter_map(|job| match job {
        Job::Commit { batch, .. } => Some(batch),
        _ => None,
    });
    let mut sheet = Sheet::begin(connection, batches.clone()).await?;
    let mut commits: VecDeque<_> = batches.map(|batch| sheet.commit(batch)).collect();
    sheet.write(connection).await?;
    let mut outcomes = Vec::with_capacity(group.len());
    for job in group {
        outcomes.push(match job {
            // There is an answer for each; were there none, nobody would know.
            Job::Commit { .. } => {
                Outcome::Commit(commits.pop_front().unwrap_or_else(|| Err(CommitError::Unknown(closed()))))
            }
            Job::Charge { charges, now, .. } => Outcome::Charge(write::charge(connection, charges, *now).await?),
            Job::Sweep { now, limit, .. } => Outcome::Sweep(write::sweep(connection, *now, *limit).await?),
            Job::Read { read, .. } => Outcome::Read(read.run(connection).await?),
            Job::Restore { items, .. } => {
                scan::restore(connection, items).await?;
                Outcome::Restored
            }
            Job::Close { .. } => continue, // never among them: the writer ends by it
        });
    }
    Ok(outcomes)
}

fn answer(group: &mut Vec<Job>, outcomes: Vec<Outcome>) {
    for (job, outcome) in group.drain(..).zip(outcomes) {
        // An asker who has gone away hears nothing.
        let _gone = match (job, outcome) {
            (Job::Commit { answer, .. }, Outcome::Commit(outcome)) => answer.send(outcome).is_err(),
            (Job::Charge { answer, .. }, Outcome::Charge(charged)) => answer.send(Ok(charged)).is_err(),
            (Job::Sweep { answer, .. }, Outcome::Sweep(swept)) => answer.send(Ok(swept)).is_err(),
            (Job::Read { answer, .. }, Outcome::Read(read)) => answer.send(Ok(read)).is_err(),
            (Job::Restore { answer, .. }, Outcome::Restored) => answer.send(Ok(())).is_err(),
            _ => false, // each job has an outcome of its own sort
        };
    }
}

fn fail(place: &Place, group: &mut Vec<Job>, failure: Failure) {
    let (error, unknown) = match failure {
        Failure::Undone(error) => (error, false),
        Failure::Unknown(error) => (error, true),
    };
    let error = SharedError(Arc::new(error));
    for job in group.drain(..) {
        let cause = shared_error(place, &error);
        let _gone = match job {
            Job::Commit { answer, .. } if unknown => answer.send(Err(CommitError::Unknown(cause))).is_err(),
            Job::Commit { answer, .. } => answer.send(Err(CommitError::Refused(cause))).is_err(),
            Job::Charge { answer, .. } => answer.send(Err(cause)).is_err(),
            Job::Sweep { answer, .. } => answer.send(Err(cause)).is_err(),
            Job::Read { answer, .. } => answer.send(Err(cause)).is_err(),
            Job::Restore { answer, .. } | Job::Close { answer } => answer.send(Err(cause)).is_err(),
        };
    }
}
