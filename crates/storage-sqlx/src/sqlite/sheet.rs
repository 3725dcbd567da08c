//! A group of batches, judged in memory one after the other and written together.
//!
//! Every statement is a journey to SQLite's thread and back, so a group makes few of them: one reads what stands under all
//! its keys, and what the batches have made of it goes back in rows by the dozen. The writer holds the lock throughout, so
//! the sheet is the truth.

use std::collections::HashMap;

use bytes::Bytes;
use countersign_storage_traits::{Batch, Change, CommitError, Index, Judgement, Key, Op, Standing};
use sqlx::{Row as _, SqliteConnection};

use super::open::run;
use super::read::{WIDEST, by_keys, key_column, widest_for};
use crate::encode;

/// Statements for 32, 16, 4 and 1 rows at once.
macro_rules! by_rows {
    ($before:literal, $row:literal, $between:literal) => {
        [
            (32, concat!($before, by_rows!(@four by_rows!(@eight $row, $between), $between))),
            (16, concat!($before, by_rows!(@four by_rows!(@four $row, $between), $between))),
            (4, concat!($before, by_rows!(@four $row, $between))),
            (1, concat!($before, $row)),
        ]
    };
    (@four $row:expr, $between:literal) => {
        concat!($row, $between, $row, $between, $row, $between, $row)
    };
    (@eight $row:expr, $between:literal) => {
        concat!(
            $row, $between, $row, $between, $row, $between, $row, $between, $row, $between, $row, $between, $row,
            $between, $row
        )
    };
}

const STANDING: [(usize, &str); 4] = by_keys!("SELECT k, version, expires, lists FROM rec WHERE k IN (", ")");
/// The same, on the journey that begins the transaction.
const BEGIN_STANDING: [(usize, &str); 4] =
    by_keys!("BEGIN IMMEDIATE; SELECT k, version, expires, lists FROM rec WHERE k IN (", ")");
const DELETE: [(usize, &str); 4] = by_keys!("DELETE FROM rec WHERE k IN (", ")");
const PUT: [(usize, &str); 4] =
    by_rows!("INSERT OR REPLACE INTO rec (k, version, expires, lists, payload) VALUES ", "(?,?,?,?,?)", ",");
const ENLIST: [(usize, &str); 4] = by_rows!("INSERT OR IGNORE INTO ix (name, value, k) VALUES ", "(?,?,?)", ",");
/// Several statements on one journey: for a list of rows SQLite would read the whole table.
const DELIST: [(usize, &str); 4] = by_rows!("", "DELETE FROM ix WHERE name = ? AND value = ? AND k = ?", ";");

/// What the database holds under the keys of a group, and what is to become of it.
#[derive(Default)]
pub(super) struct Sheet {
    lines: HashMap<Key, Line>,
}

#[derive(Default)]
struct Line {
    /// The lists that the database has the record in.
    written: Vec<Index>,
    /// The record as the batches so far leave it.
    row: Option<Row>,
    changed: bool,
}

pub(super) struct Row {
    pub(super) standing: Standing,
    pub(super) lists: Vec<Index>,
    /// Known only once a batch has put it.
    pub(super) payload: Bytes,
}

impl Sheet {
    /// Begins a transaction that writes, and reads what stands under the keys of these batches.
    pub(super) async fn begin<'a>(
        connection: &mut SqliteConnection,
        batches: impl Iterator<Item = &'a Batch>,
    ) -> Result<Self, sqlx::Error> {
        let mut keys: Vec<Key> = batches.flat_map(Batch::ops).map(|op| op.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut lines: HashMap<Key, Line> = keys.iter().map(|key| (*key, Line::default())).collect();
        if keys.is_empty() {
            run(connection, "BEGIN IMMEDIATE").await?;
        }
        for (number, keys) in keys.chunks(WIDEST).enumerate() {
            let statements = if number == 0 { BEGIN_STANDING } else { STANDING };
            let (width, statement) = widest_for(statements, keys.len());
            let mut query = sqlx::query(statement);
            for place in 0..width {
                query = query.bind(keys.get(place).map(|key| key.to_bytes().to_vec()));
            }
            for row in query.fetch_all(&mut *connection).await? {
                let standing = Standing {
                    version: encode::version_from(row.try_get(1)?),
                    expires_at: encode::time_from(row.try_get(2)?),
                };
                let lists = encode::lists_from(row.try_get(3)?);
                let row_now = Some(Row { standing, lists: lists.clone(), payload: Bytes::new() });
                lines.insert(key_column(&row)?, Line { written: lists, row: row_now, changed: false });
            }
        }
        Ok(Self { lines })
    }

    /// Judges a batch by what stands after the ones before it, and enters what it does.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        let lines = &self.lines;
        let standing = |key: &Key| lines.get(key).and_then(|line| line.row.as_ref()).map(|row| row.standing);
        if batch.judge(standing)? == Judgement::Apply {
            for op in batch.ops() {
                self.apply(batch, op);
            }
        }
        Ok(())
    }

    fn apply(&mut self, batch: &Batch, op: &Op) {
        let line = self.lines.entry(op.key).or_default();
        match &op.change {
            Change::Check => return,
            Change::Delete => line.row = None,
            Change::Put { expires_at, indexes, payload } => {
                // The lists of a record are fixed while it lives.
                let living = line.row.take().filter(|row| row.standing.is_live(batch.now()));
                line.row = Some(Row {
                    standing: Standing { version: batch.id(), expires_at: *expires_at },
                    lists: living.map_or_else(|| indexes.clone(), |row| row.lists),
                    payload: payload.clone(),
                });
            }
        }
        line.changed = true;
    }

    /// Writes what has changed.
    pub(super) async fn write(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let (mut puts, mut deletes, mut enlisted, mut delisted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (key, line) in self.lines.iter().filter(|(_, line)| line.changed) {
            let lists: &[Index] = line.row.as_ref().map_or(&[], |row| &row.lists);
            match &line.row {
                Some(row) => puts.push((*key, row)),
                None => deletes.push(*key),
            }
            let only = |these: &[Index], those: &[Index]| -> Vec<(Index, Key)> {
                these.iter().filter(|list| !those.contains(list)).map(|list| (*list, *key)).collect()
            };
            enlisted.extend(only(lists, &line.written));
            delisted.extend(only(&line.written, lists));
        }
        delist(connection, &delisted).await?;
        delete(connection, &deletes).await?;
        put(connection, &puts).await?;
        enlist(connection, &enlisted).await
    }
}

pub(super) async fn put(connection: &mut SqliteConnection, rows: &[(Key, &Row)]) -> Result<(), sqlx::Error> {
    let mut rest = rows;
    for (width, statement) in PUT {
        while let Some((rows, after)) = rest.split_at_checked(width) {
            let mut query = sqlx::query(statement);
            for (key, row) in rows {
                query = query
                    .bind(key.to_bytes().to_vec())
                    .bind(encode::version(row.standing.version))
                    .bind(encode::time(row.standing.expires_at))
                    .bind(encode::lists(&row.lists))
                    .bind(row.payload.to_vec());
            }
            query.execute(&mut *connection).await?;
            rest = after;
        }
    }
    Ok(())
}

async fn delete(connection: &mut SqliteConnection, keys: &[Key]) -> Result<(), sqlx::Error> {
    for keys in keys.chunks(WIDEST) {
        let (width, statement) = widest_for(DELETE, keys.len());
        let mut query = sqlx::query(statement);
        for place in 0..width {
            query = query.bind(keys.get(place).map(|key| key.to_bytes().to_vec()));
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) async fn enlist(connection: &mut SqliteConnection, entries: &[(Index, Key)]) -> Result<(), sqlx::Error> {
    by_entries(connection, ENLIST, entries).await
}

pub(super) async fn delist(connection: &mut SqliteConnection, entries: &[(Index, Key)]) -> Result<(), sqlx::Error> {
    by_entries(connection, DELIST, entries).await
}

async fn by_entries(
    connection: &mut SqliteConnection,
    statements: [(usize, &'static str); 4],
    entries: &[(Index, Key)],
) -> Result<(), sqlx::Error> {
    let mut rest = entries;
    for (width, statement) in statements {
        while let Some((entries, after)) = rest.split_at_checked(width) {
            let mut query = sqlx::query(statement);
            for (list, key) in entries {
                query =
                    query.bind(i64::from(list.name)).bind(list.value.as_bytes().to_vec()).bind(key.to_bytes().to_vec());
            }
            query.execute(&mut *connection).await?;
            rest = after;
        }
    }
    Ok(())
}
