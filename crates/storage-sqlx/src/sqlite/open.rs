//! Finding out what a file is before anything is written to it.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use countersign_primitives::BoxError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::error::{BUSY, CORRUPT, Emptied, Finding, NOTADB, is};
use crate::{OpenError, SqlOptions};

/// Where a database lies, and how it is opened.
#[derive(Debug)]
pub(super) struct Place {
    /// None: in memory.
    pub(super) path: Option<PathBuf>,
    pub(super) options: SqlOptions,
}

/// Marks our files (<https://www.sqlite.org/fileformat.html#application_id>): "CSGN".
const APPLICATION_ID: i32 = 0x4353_474e;
/// The newest schema that this version knows.
const SCHEMA: i32 = 1;
const PAGE: u64 = 4_096;
/// A file of no more pages than that (64 MB) is looked through at the start; what is wrong in a larger one is found as it is read.
const LOOKED_THROUGH: i32 = 16_384;

/// Why a database was not made ready.
enum Trouble {
    /// SQLite says so.
    Database(sqlx::Error),
    /// Its content is none for us.
    Content(OpenError),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// What a file was found to be.
enum Content {
    Nothing,
    Ours,
}

impl Place {
    /// Reads what follows `sqlite:` in a URL: `FILE`, `//FILE` or `:memory:`.
    pub(super) fn parse(name: &str, options: SqlOptions) -> Result<Self, OpenError> {
        let name = name.strip_prefix("//").unwrap_or(name);
        if name == ":memory:" {
            return Ok(Self { path: None, options });
        }
        // A file name of SQLite's own making (`:…`, `file:…`) or with parameters would mean something else to SQLite.
        if name.is_empty() || name.starts_with(':') || name.starts_with("file:") || name.contains(['?', '\0']) {
            return Err(OpenError::Url);
        }
        Ok(Self { path: Some(name.into()), options })
    }

    pub(super) fn unavailable(&self, source: impl Into<BoxError>) -> OpenError {
        OpenError::Unavailable { path: self.name(), source: source.into() }
    }

    pub(super) fn name(&self) -> PathBuf {
        self.path.clone().unwrap_or_else(|| ":memory:".into())
    }

    pub(super) async fn connect(&self) -> Result<SqliteConnection, sqlx::Error> {
        self.connect_by(SqliteConnectOptions::new()).await
    }

    async fn connect_by(&self, options: SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
        let options = options
            .busy_timeout(self.options.busy_timeout)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(false)
            .pragma("fullfsync", "ON") // macOS: a plain fsync does not reach the disk there
            .pragma("checkpoint_fullfsync", "ON")
            .pragma("wal_autocheckpoint", "4000") // 16 MB: fewer, larger checkpoints stand less in the way of commits
            .disable_statement_logging();
        let options = match &self.path {
            Some(path) => options.filename(path),
            None => options.in_memory(true),
        };
        let options = match self.options.max_size {
            Some(bytes) => options.pragma("max_page_count", (bytes / PAGE).max(1).to_string()),
            None => options,
        };
        options.connect().await
    }

    /// Opens the database for its writer, and makes the tables when it is new.
    pub(super) async fn prepare(&self) -> Result<SqliteConnection, OpenError> {
        self.create_file().map_err(|source| self.unavailable(source))?;
        let deadline = Instant::now() + self.options.busy_timeout;
        loop {
            match self.try_prepare().await {
                // SQLite waits for most locks by itself, but not for the one that changing the journal mode takes.
                Err(Trouble::Database(error)) if is(&error, &[BUSY]) && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(Trouble::Database(error)) if is(&error, &[NOTADB]) => {
                    return Err(OpenError::NotADatabase { path: self.name() });
                }
                Err(Trouble::Database(error)) if is(&error, &[CORRUPT]) => return Err(self.damaged(error)),
                Err(Trouble::Database(error)) => return Err(self.unavailable(error)),
                Err(Trouble::Content(error)) => return Err(error),
                Ok(connection) => return Ok(connection),
            }
        }
    }

    async fn try_prepare(&self) -> Result<SqliteConnection, Trouble> {
        if self.path.is_some() {
            self.examine().await?;
        }
        let mut connection = self.connect().await?;
        // Readers then never wait for the writer.
        run(&mut connection, "PRAGMA journal_mode = WAL").await?;
        // Looked at again under the lock: another process may have made the tables meanwhile.
        run(&mut connection, "BEGIN IMMEDIATE").await?;
        match self.look(&mut connection).await? {
            Content::Nothing => create_tables(&mut connection).await?,
            // SQLite opens a file that may only be read without a word, and this write, which changes nothing, is the first that it refuses.
            Content::Ours => run(&mut connection, "DELETE FROM rec WHERE 0").await?,
        }
        run(&mut connection, "COMMIT").await?;
        Ok(connection)
    }

    /// Looks before anything is set, for even the journal mode would be written into the file; and by a connection that can write
    /// nothing, for any other would move the log into the file as it ends.
    async fn examine(&self) -> Result<(), Trouble> {
        if self.was_emptied() {
            return Err(Trouble::Content(self.damaged(Emptied)));
        }
        let mut connection = self.connect_by(SqliteConnectOptions::new().read_only(true)).await?;
        run(&mut connection, "BEGIN").await?;
        if let Content::Ours = self.look(&mut connection).await?
            && number(&mut connection, "PRAGMA page_count").await? <= LOOKED_THROUGH
        {
            let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await?;
            if found != "ok" {
                return Err(Trouble::Content(self.damaged(Finding(found))));
            }
        }
        run(&mut connection, "COMMIT").await?;
        Ok(connection.close().await?)
    }

    /// Whether the file is empty and its log is not: SQLite would take it for a new one, and throw the log away. A new file has its first
    /// page before it has a log.
    fn was_emptied(&self) -> bool {
        let length = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
        self.path.as_ref().is_some_and(|path| {
            let mut log = path.clone().into_os_string();
            log.push("-wal");
            length(path) == 0 && length(log.as_ref()) > 0
        })
    }

    fn damaged(&self, source: impl Into<BoxError>) -> OpenError {
        OpenError::Damaged { path: self.name(), source: source.into() }
    }

    /// Makes an empty file that its owner alone may read, unless there is one. SQLite gives the files beside it the same mode.
    fn create_file(&self) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// Says what the database is; inside a transaction, so that it is one moment's answer.
    async fn look(&self, connection: &mut SqliteConnection) -> Result<Content, Trouble> {
        let application: i32 = number(connection, "PRAGMA application_id").await?;
        let schema: i32 = number(connection, "PRAGMA user_version").await?;
        let tables: i32 = number(connection, "SELECT count(*) FROM sqlite_master").await?;
        match (application, schema) {
            (0, 0) if tables == 0 => Ok(Content::Nothing),
            (APPLICATION_ID, SCHEMA) => Ok(Content::Ours),
            (APPLICATION_ID, found) if found > SCHEMA => {
                Err(Trouble::Content(OpenError::Newer { path: self.name(), found, known: SCHEMA }))
            }
            _ => Err(Trouble::Content(OpenError::Foreign { path: self.name() })),
        }
    }
}

async fn create_tables(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    const STATEMENTS: [&str; 7] = [
        "CREATE TABLE rec (k BLOB NOT NULL PRIMARY KEY, version INTEGER NOT NULL, expires INTEGER NOT NULL, \
         lists BLOB NOT NULL, payload BLOB NOT NULL) WITHOUT ROWID",
        "CREATE INDEX rec_expires ON rec (expires)",
        "CREATE TABLE ix (name INTEGER NOT NULL, value BLOB NOT NULL, k BLOB NOT NULL, \
         PRIMARY KEY (name, value, k)) WITHOUT ROWID",
        "CREATE TABLE counter (k BLOB NOT NULL PRIMARY KEY, count INTEGER NOT NULL, resets INTEGER NOT NULL) \
         WITHOUT ROWID",
        "CREATE INDEX counter_resets ON counter (resets)",
        "PRAGMA application_id = 0x4353474e",
        "PRAGMA user_version = 1",
    ];
    for statement in STATEMENTS {
        run(connection, statement).await?;
    }
    Ok(())
}

pub(super) async fn run(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(statement).execute(connection).await.map(|_| ())
}

async fn number(connection: &mut SqliteConnection, query: &'static str) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar(query).fetch_one(connection).await
}
