//! What readers ask: one statement each, which is one view.

use bytes::Bytes;
use countersign_primitives::{Clock as _, SystemClock, UnixTime};
use countersign_storage_traits::{BACKLOG_COUNTED, Cursor, Health, Index, Key, Page, Record, SWEEP_MARGIN, StoreError};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::Postgres;
use super::call::Repeat;
use super::error::ServerTrouble;
use super::migrate::NEWEST;
use super::statement::{Statement, Value};
use crate::encode;

const GET_ONE: &str = "SELECT k, version, expires, payload FROM countersign_record WHERE k = $1 AND expires > $2";
const GET: &str = "SELECT k, version, expires, payload FROM countersign_record WHERE k = ANY($1) AND expires > $2";
/// A record does not know in which of its four places a list stands.
const LIST: &str = "SELECT k FROM (\
     (SELECT k FROM countersign_record WHERE list1 = $1 AND k > $2 AND expires > $3 ORDER BY k LIMIT $4) UNION ALL \
     (SELECT k FROM countersign_record WHERE list2 = $1 AND k > $2 AND expires > $3 ORDER BY k LIMIT $4) UNION ALL \
     (SELECT k FROM countersign_record WHERE list3 = $1 AND k > $2 AND expires > $3 ORDER BY k LIMIT $4) UNION ALL \
     (SELECT k FROM countersign_record WHERE list4 = $1 AND k > $2 AND expires > $3 ORDER BY k LIMIT $4)\
     ) listed ORDER BY k LIMIT $4";
const HEALTH: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint, \
     coalesce((SELECT max(version) FROM countersign_schema), 0)::bigint, \
     (SELECT count(*) FROM (SELECT 1 FROM countersign_record WHERE expires < $1 ORDER BY expires LIMIT $2) old) + \
     (SELECT count(*) FROM (SELECT 1 FROM countersign_counter WHERE resets < $1 ORDER BY resets LIMIT $2) old), \
     current_setting('transaction_read_only')";

impl Postgres {
    pub(crate) async fn get(&self, keys: &[Key], now: UnixTime) -> Result<Vec<Option<Record>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let bytes: Vec<_> = keys.iter().map(Key::to_bytes).collect();
        let now = Value::Number(encode::time(now));
        let statement = match &bytes[..] {
            [one] => Statement::new(GET_ONE, [Value::Bytes(one), now]),
            many => Statement::new(GET, [Value::Many(many.iter().map(|key| Some(&key[..])).collect()), now]),
        };
        let rows = self.rows(Repeat::Safe, &statement).await?;
        let found = rows.iter().map(record).collect::<Result<Vec<_>, _>>().map_err(|error| self.place.error(error))?;
        let find = |key: &Key| found.iter().find(|(of, _)| of == key).map(|(_, record)| record.clone());
        Ok(keys.iter().map(find).collect())
    }

    pub(crate) async fn list(
        &self,
        index: &Index,
        after: Option<Cursor>,
        limit: u16,
        now: UnixTime,
    ) -> Result<Page, StoreError> {
        let after = after.map(|cursor| cursor.0).unwrap_or_default();
        if !matches!(after.len(), 0 | 33) {
            return Err(StoreError::Cursor);
        }
        let (list, limit) = (encode::lists(&[*index]), limit.max(1));
        let statement = Statement::new(
            LIST,
            [
                Value::Bytes(&list),
                Value::Bytes(&after),
                Value::Number(encode::time(now)),
                Value::Number(i64::from(limit) + 1),
            ],
        );
        let rows = self.rows(Repeat::Safe, &statement).await?;
        let mut keys = rows.iter().map(key).collect::<Result<Vec<_>, _>>().map_err(|error| self.place.error(error))?;
        let more = keys.len() > usize::from(limit);
        keys.truncate(limit.into());
        let next = keys.last().filter(|_| more).map(|last| Cursor(Bytes::copy_from_slice(&last.to_bytes())));
        Ok(Page { keys, next })
    }

    pub(crate) async fn health(&self) -> Result<Health, StoreError> {
        let latest = encode::time(SystemClock.now().minus(SWEEP_MARGIN));
        // How many rows are that old decides whether an index is the way to count them.
        let statement = Statement::new(HEALTH, [Value::Number(latest), Value::Number(BACKLOG_COUNTED.cast_signed())]);
        let rows = self.rows(Repeat::Safe, &statement.planned_anew()).await?;
        let read = |row: &PgRow| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?));
        let row = rows.first().map_or(Err(sqlx::Error::RowNotFound), read);
        let (clock, schema, backlog, read_only): (i64, i64, i64, String) =
            row.map_err(|error| self.place.error(error))?;
        if read_only == "on" {
            return Err(self.place.trouble(ServerTrouble::ReadOnly).into());
        }
        match i32::try_from(schema).unwrap_or(i32::MAX) {
            found if found > NEWEST => Err(self.place.trouble(ServerTrouble::Newer { found, known: NEWEST }).into()),
            found if found < NEWEST => {
                Err(self.place.trouble(ServerTrouble::NotMigrated { found, known: NEWEST }).into())
            }
            _ => {
                let backlog = backlog.unsigned_abs().min(BACKLOG_COUNTED);
                Ok(Health::of("PostgreSQL").clock(encode::time_from(clock)).backlog(backlog))
            }
        }
    }
}

pub(super) fn record(row: &PgRow) -> Result<(Key, Record), sqlx::Error> {
    let payload: Vec<u8> = row.try_get(3)?;
    let record = Record {
        version: encode::version_from(row.try_get(1)?),
        expires_at: encode::time_from(row.try_get(2)?),
        payload: Bytes::from(payload),
    };
    Ok((key(row)?, record))
}

/// The key in a row's first column.
pub(super) fn key(row: &PgRow) -> Result<Key, sqlx::Error> {
    let bytes: Vec<u8> = row.try_get(0)?;
    encode::key_from(&bytes).ok_or_else(|| sqlx::Error::Decode("a key has 33 bytes".into()))
}
