//! Stores on SQLite and PostgreSQL, through sqlx.
//!
//! ```
//! # #[cfg(feature = "sqlite")] {
//! use countersign_primitives::{Id, SystemRandom, UnixTime};
//! use countersign_storage_sqlx::SqlStore;
//! use countersign_storage_traits::{Batch, Expect, Key, Kind, Store};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = SqlStore::open("sqlite::memory:").await?; // or "sqlite:auth.db", or "postgres://…"
//! let (key, now) = (Key::root(Kind(200), Id::from_bytes([1; 16])), UnixTime::from_secs(60));
//! let mut batch = Batch::new(key.partition, now, &SystemRandom)?;
//! batch.put(key, Expect::Absent, UnixTime::from_secs(120), Vec::new(), "payload");
//! store.commit(&batch).await?; // on disk when this returns
//! assert!(store.get(&[key], now).await?[0].is_some());
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! # SQLite
//!
//! One thread writes. It takes all batches that wait, up to 64, into one transaction, and answers them when that transaction
//! is on disk (`journal_mode=WAL`, `synchronous=FULL`): one `fsync` serves them all, so 32 callers get several times the
//! rate of one. Reads have connections of their own and see only what is on disk. A caller who goes away stops nothing: a
//! batch that was handed over is written, or not, as a whole.
//!
//! Several processes on one machine may share the file; each waits for the other's transactions. A file that belongs to
//! another program or to a newer version is refused and left as it is (`OpenError`). New files are readable by their owner
//! alone.
//!
//! # PostgreSQL
//!
//! Any number of machines share a database. `get` and `commit` are one statement and one round trip each: a batch of one record
//! is a plain `UPDATE` or `INSERT`, a larger one a call of a function in the database that checks everything before it writes.
//! What lost against others (SQLSTATE 40001, 40P01) is repeated within, and so is what met a dead connection; a commit whose
//! answer was lost tells its own work by the batch's id. While the server is down a call fails at once, and the first call
//! after it is back makes a new connection.
//!
//! Tables and functions are made at the start, in the first schema of `search_path`, under names that begin with
//! `countersign_`; nodes that start together take turns. They may be made by hand instead: `POSTGRES_MIGRATIONS`, and
//! `SqlOptions::migrate(false)`. A schema of a newer version is an error, and left as it is. A server that would lose what it
//! acknowledged (`fsync` or `synchronous_commit` off) declares less in its capabilities, and the log says so.
//!
//! CockroachDB and YugabyteDB are told by their `version()`, and get a serialisable transaction a batch instead
//! (`SqlOptions::transactions` asks for the same on PostgreSQL, which is how it is tested).
//!
//! # What it does not do
//!
//! Encrypt: wrap it in [`Encrypted`](countersign_storage_traits::Encrypted). Keep SQLite on a network file system, whose locks it
//! cannot trust.
//!
//! # Features
//!
//! | feature | what it adds | |
//! |---|---|---|
//! | `sqlite` | SQLite, built from source: needs a C compiler | default |
//! | `postgres` | PostgreSQL, with TLS by rustls on ring | |
//! | `services` | nothing but tests that start a PostgreSQL server | |
//!
//! # Where next
//!
//! `SqlOptions` has timeouts and numbers of connections. `countersign-storage-traits` has the contract, and the suite that this
//! store passes on either database.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod encode;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod options;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod store;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use options::{OpenError, SqlOptions};
#[cfg(feature = "postgres")]
pub use postgres::{Migration, POSTGRES_MIGRATIONS, ServerError, ServerTrouble};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use store::SqlStore;
