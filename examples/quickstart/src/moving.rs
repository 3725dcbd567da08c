//! `quickstart move`: a whole store, from one database to another.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use countersign::store::{Move, MoveError, Moved, Progress, Scan, StoreError};
use countersign::{SystemClock, SystemRandom};

use crate::cli::MoveArgs;
use crate::settings::StoreChoice;
use crate::stores::{Opened, StoreOpenError};

/// A store was not moved. The one to be moved is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MovingError {
    /// A switch names no store.
    #[error("{0} names no store: write sqlite:FILE, postgres://USER:PASSWORD@HOST/DATABASE or redis://HOST:PORT")]
    Store(&'static str),
    /// A switch names a store that ends with its process.
    #[error("{0} memory: holds nothing before a server starts and nothing after it has ended: name a database")]
    Memory(&'static str),
    /// There is no such file.
    #[error("--from {}: there is no such file", .0.display())]
    NoFile(std::path::PathBuf),
    /// `--durable` stands beside a target that is not Redis, or names no replica.
    #[error("--durable says for how many replicas of a Redis server to wait, at least one: leave it out")]
    Durable,
    /// A store cannot be opened.
    #[error(transparent)]
    Open(#[from] StoreOpenError),
    /// The database can be opened, and not walked.
    #[error(transparent)]
    Walk(StoreError),
    /// The mark of an earlier move cannot be lifted.
    #[error("the mark cannot be lifted: {0}")]
    Reopen(#[source] StoreError),
    /// It did not go through.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// What was done cannot be told: nobody reads the output.
    #[error("the store was moved; but that cannot be told: {0}")]
    Tell(io::Error),
}

impl MovingError {
    pub(crate) fn is_a_setting(&self) -> bool {
        match self {
            Self::Store(_) | Self::Memory(_) | Self::NoFile(_) | Self::Durable => true,
            Self::Open(error) => error.is_a_setting(),
            _ => false,
        }
    }
}

/// How often it is told how far the move has come.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Moves a store, tells on the error stream how far it has come, and prints what it did.
///
/// # Errors
/// [`MovingError`] says what is wrong and what to do.
pub async fn move_store(args: &MoveArgs) -> Result<(), MovingError> {
    let from = choice("--from", &args.from)?;
    let to = match &args.to {
        Some(to) if !args.undo => Some(choice("--to", to)?),
        _ => None,
    };
    match &from {
        // Opening it would make it.
        StoreChoice::Sqlite(file) if !file.exists() => return Err(MovingError::NoFile(file.clone())),
        _ => {}
    }
    if args.durable.is_some_and(|least| least == 0 || !matches!(to, Some(StoreChoice::Redis(_)))) {
        return Err(MovingError::Durable);
    }
    let source = Opened::open(&from, None).await?;
    let Some(to) = to else {
        let reopened = Move::reopen(&*source.store, &SystemClock, &SystemRandom).await;
        source.close().await;
        return tell_reopened(&from, reopened.map_err(MovingError::Reopen)?.as_deref()).map_err(MovingError::Tell);
    };
    let target = Opened::open(&to, args.durable).await?;
    let moved = move_all((&source, &from), (&target, &to), args).await;
    source.close().await;
    target.close().await;
    tell(&moved?).map_err(MovingError::Tell)
}

async fn move_all(
    (source, from): (&Opened, &StoreChoice),
    (target, to): (&Opened, &StoreChoice),
    args: &MoveArgs,
) -> Result<Moved, MovingError> {
    let (from, to) = (from.shown(), to.shown());
    let (source, target) = (scannable(source)?, scannable(target)?);
    let moving = Move::new(source, target, &SystemClock, &SystemRandom);
    let moving = moving.named(&to).at_once(args.at_once, COMPARED_AT_ONCE);
    moving.mark().await?;
    let wait = Duration::from_secs(args.wait);
    // Nobody need listen.
    let _ = writeln!(io::stderr(), "marked {from}: servers on it refuse from now on; reading it in {} s", args.wait);
    tokio::time::sleep(wait).await;
    Ok(moving.run(teller(io::stderr())).await?)
}

/// Some 64 MB.
const COMPARED_AT_ONCE: usize = 1 << 20;

fn choice(switch: &'static str, url: &str) -> Result<StoreChoice, MovingError> {
    match StoreChoice::parse(url) {
        None => Err(MovingError::Store(switch)),
        Some(StoreChoice::Memory) => Err(MovingError::Memory(switch)),
        Some(choice) => Ok(choice),
    }
}

fn scannable(opened: &Opened) -> Result<&dyn Scan, MovingError> {
    opened.store.scannable().map_err(MovingError::Walk)
}

/// Tells the first page at once, and later ones now and then.
fn teller(mut out: impl io::Write + Send) -> impl FnMut(Progress) + Send {
    let mut told: Option<Instant> = None;
    move |progress| {
        if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            told = Some(Instant::now());
            // Nobody need listen.
            let _ = writeln!(out, "{progress}");
        }
    }
}

fn tell_reopened(from: &StoreChoice, was_moved_to: Option<&str>) -> io::Result<()> {
    let from = from.shown();
    match was_moved_to {
        Some(to) => writeln!(io::stdout(), "reopened {from}, which was to be found at {to}"),
        None => writeln!(io::stdout(), "{from} has no mark: servers may use it"),
    }
}

fn tell(moved: &Moved) -> io::Result<()> {
    let Moved { compared, expired, digest } = moved;
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(
        io::stdout(),
        "moved records={} entries={} counters={} expired={expired} digest={digest}",
        compared.records,
        compared.entries,
        compared.counters
    )
}
