//! What a PostgreSQL server's errors mean.

use std::fmt;
use std::io;
use std::sync::Arc;

use countersign_primitives::BoxError;
use countersign_storage_traits::StoreError;
use sqlx::postgres::PgDatabaseError;

/// A database server did not do what was asked. Says what and where; the password and the rows at stake are in none of it.
#[derive(Debug, thiserror::Error)]
#[error("the PostgreSQL server at {place} {trouble}")]
pub struct ServerError {
    place: Arc<str>,
    trouble: ServerTrouble,
    #[source]
    source: Option<BoxError>,
}

impl ServerError {
    /// Host, port and database.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What the trouble is.
    #[must_use]
    pub fn trouble(&self) -> ServerTrouble {
        self.trouble
    }
}

/// What the trouble with a database server is, and its cure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerTrouble {
    /// No connection comes about.
    #[error("cannot be reached: see that it runs, and that host and port are right")]
    Unreachable,
    /// The connection broke.
    #[error("closed the connection")]
    Disconnected,
    /// It takes too long.
    #[error("did not answer in time")]
    Slow,
    /// Something else listens there.
    #[error("does not speak PostgreSQL's protocol: see that host and port are right")]
    NotPostgres,
    /// The user, its password or the address that it comes from is refused.
    #[error("refuses this user: see that name and password are right, and that pg_hba.conf lets it in from here")]
    Credentials,
    /// There is no database of this name.
    #[error("has no such database: create it first")]
    NoDatabase,
    /// `sslmode` asks for TLS and the server has none.
    #[error("offers no TLS, which sslmode asks for: switch it on there")]
    NoTls,
    /// The TLS handshake fails.
    #[error("could not be trusted, or did not agree on TLS: see sslmode, sslrootcert and the host's name")]
    Tls,
    /// The tables were made by a newer version of this crate.
    #[error("has schema {found}, and this version knows {known}: run the newer version")]
    Newer {
        /// The schema's number in the database.
        found: i32,
        /// The newest number that this version knows.
        known: i32,
    },
    /// The tables are not there, or older, and the options say not to make them.
    #[error("has schema {found}, and this version needs {known}: run the migrations")]
    NotMigrated {
        /// The schema's number in the database; 0: none.
        found: i32,
        /// The number that this version needs.
        known: i32,
    },
    /// Tables or functions are not as this crate made them.
    #[error("has tables of the names countersign_… that are not as this crate made them")]
    Damaged,
    /// The user lacks a right.
    #[error("refuses a permission: let this user create and use tables and functions in its schema")]
    Permission,
    /// There is no room for what was to be written.
    #[error("has no room left on its disk")]
    DiskFull,
    /// It takes no writes.
    #[error("is read-only or a standby: name the primary")]
    ReadOnly,
    /// It takes no more connections.
    #[error("takes no more connections: raise its max_connections, or have fewer in each store")]
    TooManyConnections,
    /// A pooler stands before it, and the store was not told.
    #[error("is behind a pooler that keeps nothing of a connection: write pooler=true in the URL")]
    Pooler,
    /// It is starting or shutting down.
    #[error("is starting or shutting down")]
    NotReady,
    /// All connections of this store are in use, and none came free in time.
    #[error("has all of this store's connections busy: allow more, or expect less")]
    Busy,
    /// Others changed the same rows again and again until the time was up.
    #[error("could not put this transaction in order with others in time")]
    Contention,
    /// Something else.
    #[error("failed")]
    Failed,
}

/// What the server said. Its details and hints are left away: they may quote rows.
#[derive(Debug, thiserror::Error)]
#[error("{message} (SQLSTATE {code})")]
struct Said {
    code: String,
    message: String,
}

/// A text of the driver's own.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Driver(String);

/// Where a server is: host, port, database. Makes its errors.
#[derive(Clone)]
pub(super) struct Place(pub(super) Arc<str>);

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Place {
    pub(super) fn trouble(&self, trouble: ServerTrouble) -> ServerError {
        ServerError { place: Arc::clone(&self.0), trouble, source: None }
    }

    /// What an error means while a connection is made.
    pub(super) fn while_connecting(&self, error: sqlx::Error) -> ServerError {
        let trouble = match &error {
            sqlx::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => ServerTrouble::Disconnected,
            // What rustls refuses comes so.
            sqlx::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => ServerTrouble::Tls,
            sqlx::Error::Io(_) => ServerTrouble::Unreachable,
            sqlx::Error::Tls(reason) if reason.to_string().contains("does not support") => ServerTrouble::NoTls,
            sqlx::Error::Tls(_) => ServerTrouble::Tls,
            sqlx::Error::Protocol(_) => ServerTrouble::NotPostgres,
            other => meaning(other),
        };
        self.with_source(trouble, error)
    }

    /// What an error means once there is a connection.
    pub(super) fn error(&self, error: sqlx::Error) -> ServerError {
        self.with_source(meaning(&error), error)
    }

    fn with_source(&self, trouble: ServerTrouble, error: sqlx::Error) -> ServerError {
        let source: BoxError = match error {
            sqlx::Error::Io(error) => error.into(),
            sqlx::Error::Tls(error) => error,
            error => match state(&error) {
                Some(said) => Said { code: said.code().to_owned(), message: said.message().to_owned() }.into(),
                None => Driver(error.to_string()).into(),
            },
        };
        ServerError { place: Arc::clone(&self.0), trouble, source: Some(source) }
    }
}

/// What the server itself said, if it did.
pub(super) fn state(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
}

/// Its SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>), or nothing.
pub(super) fn code(error: &sqlx::Error) -> &str {
    state(error).map_or("", PgDatabaseError::code)
}

fn meaning(error: &sqlx::Error) -> ServerTrouble {
    match code(error) {
        "28P01" | "28000" => ServerTrouble::Credentials,
        "3D000" => ServerTrouble::NoDatabase,
        "42501" => ServerTrouble::Permission,
        "53100" => ServerTrouble::DiskFull,
        "25006" => ServerTrouble::ReadOnly,
        "53300" => ServerTrouble::TooManyConnections,
        "57P01" | "57P02" | "57P03" => ServerTrouble::NotReady,
        "57014" | "55P03" => ServerTrouble::Slow,
        "40001" | "40P01" => ServerTrouble::Contention,
        // An unknown table, column, function or schema; types that do not fit.
        "42P01" | "42703" | "42883" | "3F000" | "42804" => ServerTrouble::Damaged,
        // A statement that was prepared on another connection, or is there already.
        "26000" | "42P05" => ServerTrouble::Pooler,
        "08P01" if state(error).is_some_and(|said| said.message().contains("startup parameter")) => {
            ServerTrouble::Pooler
        }
        code if code.starts_with("08") => ServerTrouble::Disconnected,
        "" if matches!(error, sqlx::Error::Io(_)) => ServerTrouble::Disconnected,
        _ => ServerTrouble::Failed,
    }
}

impl From<ServerError> for StoreError {
    fn from(error: ServerError) -> Self {
        match error.trouble {
            ServerTrouble::Newer { .. } | ServerTrouble::NotMigrated { .. } | ServerTrouble::Damaged => {
                Self::Schema(error.into())
            }
            _ => Self::unavailable(error),
        }
    }
}
