//! What readers ask.

use bytes::Bytes;
use countersign_primitives::{Clock as _, SystemClock, UnixTime};
use countersign_storage_traits::{BACKLOG_COUNTED, Cursor, Index, Key, Page, Record, SWEEP_MARGIN};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::open::run;
use super::scan;
use super::writer::{Read, ReadAnswer};
use crate::encode;

/// The widths of key lists, each with the statement for it. A shorter list is filled up with NULL, which equals nothing.
macro_rules! by_keys {
    ($before:literal, $after:literal) => {
        [
            (1, concat!($before, "?", $after)),
            (4, concat!($before, "?,?,?,?", $after)),
            (16, concat!($before, "?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?", $after)),
            (
                64,
                concat!(
                    $before,
                    "?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,",
                    "?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?",
                    $after
                ),
            ),
        ]
    };
}
pub(super) use by_keys;

const GET: [(usize, &str); 4] =
    by_keys!("SELECT k, version, expires, payload FROM rec WHERE k IN (", ") AND expires > ?");
const LIST: &str = "SELECT ix.k FROM ix JOIN rec ON rec.k = ix.k \
     WHERE ix.name = ? AND ix.value = ? AND ix.k > ? AND rec.expires > ? ORDER BY ix.k LIMIT ?";
const BACKLOG: &str = "SELECT min((SELECT count(*) FROM (SELECT 1 FROM rec WHERE expires < ?1 LIMIT ?2)) + \
     (SELECT count(*) FROM (SELECT 1 FROM counter WHERE resets < ?1 LIMIT ?2)), ?2)";

/// The narrowest statement that takes so many keys.
pub(super) fn widest_for(statements: [(usize, &'static str); 4], keys: usize) -> (usize, &'static str) {
    let [.., widest] = statements;
    statements.into_iter().find(|(width, _)| keys <= *width).unwrap_or(widest)
}

/// The greatest number of keys in one statement.
pub(super) const WIDEST: usize = 64;

impl Read {
    pub(super) async fn run(&self, connection: &mut SqliteConnection) -> Result<ReadAnswer, sqlx::Error> {
        match self {
            Self::Get { keys, now } => get(connection, keys, *now).await.map(ReadAnswer::Records),
            Self::List { index, after, limit, now } => {
                list(connection, *index, after.as_ref(), *limit, *now).await.map(ReadAnswer::Page)
            }
            Self::Backlog => backlog(connection).await.map(ReadAnswer::Backlog),
            Self::Scan { part, after, limit } => {
                scan::page(connection, *part, after, *limit).await.map(ReadAnswer::Scan)
            }
        }
    }
}

async fn get(
    connection: &mut SqliteConnection,
    keys: &[Key],
    now: UnixTime,
) -> Result<Vec<Option<Record>>, sqlx::Error> {
    let mut found = Vec::with_capacity(keys.len());
    // One statement is one view; several need a transaction to be one. On an error the connection is given up with it.
    let several = keys.len() > WIDEST;
    if several {
        run(connection, "SAVEPOINT view").await?;
    }
    for keys in keys.chunks(WIDEST) {
        get_some(connection, keys, now, &mut found).await?;
    }
    if several {
        run(connection, "RELEASE view").await?;
    }
    let find = |key: &Key| found.iter().find(|(of, _)| of == key).map(|(_, record)| record.clone());
    Ok(keys.iter().map(find).collect())
}

async fn get_some(
    connection: &mut SqliteConnection,
    keys: &[Key],
    now: UnixTime,
    found: &mut Vec<(Key, Record)>,
) -> Result<(), sqlx::Error> {
    let (width, statement) = widest_for(GET, keys.len());
    let mut query = sqlx::query(statement);
    for place in 0..width {
        query = query.bind(keys.get(place).map(|key| key.to_bytes().to_vec()));
    }
    for row in query.bind(encode::time(now)).fetch_all(connection).await? {
        found.push(record(&row)?);
    }
    Ok(())
}

/// The record in a row of key, version, expiry and payload.
pub(super) fn record(row: &SqliteRow) -> Result<(Key, Record), sqlx::Error> {
    let payload: Vec<u8> = row.try_get(3)?;
    let record = Record {
        version: encode::version_from(row.try_get(1)?),
        expires_at: encode::time_from(row.try_get(2)?),
        payload: Bytes::from(payload),
    };
    Ok((key_column(row)?, record))
}

async fn list(
    connection: &mut SqliteConnection,
    index: Index,
    after: Option<&Cursor>,
    limit: u16,
    now: UnixTime,
) -> Result<Page, sqlx::Error> {
    let after = after.map(|cursor| cursor.0.to_vec()).unwrap_or_default();
    let query = sqlx::query(LIST)
        .bind(i64::from(index.name))
        .bind(index.value.as_bytes().to_vec())
        .bind(after)
        .bind(encode::time(now))
        .bind(i64::from(limit) + 1);
    let rows = query.fetch_all(connection).await?;
    let mut keys = rows.iter().map(key_column).collect::<Result<Vec<_>, _>>()?;
    let more = keys.len() > usize::from(limit);
    keys.truncate(limit.into());
    let next = keys.last().filter(|_| more).map(|last| Cursor(Bytes::copy_from_slice(&last.to_bytes())));
    Ok(Page { keys, next })
}

async fn backlog(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let latest = SystemClock.now().minus(SWEEP_MARGIN);
    let most = BACKLOG_COUNTED.cast_signed();
    let count: i64 = sqlx::query_scalar(BACKLOG).bind(encode::time(latest)).bind(most).fetch_one(connection).await?;
    Ok(count.unsigned_abs())
}

/// The key in a row's first column.
pub(super) fn key_column(row: &SqliteRow) -> Result<Key, sqlx::Error> {
    let bytes: &[u8] = row.try_get(0)?;
    encode::key_from(bytes).ok_or_else(|| sqlx::Error::Decode("a key has 33 bytes".into()))
}
