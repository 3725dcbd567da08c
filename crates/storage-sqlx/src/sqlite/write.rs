//! What the writer does inside a transaction.

use countersign_primitives::UnixTime;
use countersign_storage_traits::{
    Batch, Change, Charge, Charged, CommitError, Counter, Index, Judgement, Key, Op, SWEEP_MARGIN, Standing, Swept,
};
use sqlx::{Row as _, SqliteConnection};

use super::read::{by_keys, key_column, widest_for};
use crate::encode;

const STANDING: [(usize, &str); 3] = by_keys!("SELECT k, version, expires, lists FROM rec WHERE k IN (", ")");
const UPDATE: &str = "UPDATE rec SET version = ?, expires = ?, payload = ? WHERE k = ?";
const INSERT: &str = "INSERT OR REPLACE INTO rec (version, expires, payload, k, lists) VALUES (?, ?, ?, ?, ?)";
const DELETE: &str = "DELETE FROM rec WHERE k = ?";
const ENLIST: &str = "INSERT OR IGNORE INTO ix (name, value, k) VALUES (?, ?, ?)";
const DELIST: &str = "DELETE FROM ix WHERE name = ? AND value = ? AND k = ?";
const COUNTER: &str = "SELECT count, resets FROM counter WHERE k = ?";
const COUNT: &str = "INSERT OR REPLACE INTO counter (k, count, resets) VALUES (?, ?, ?)";
const SWEEPABLE: &str = "SELECT k, lists FROM rec WHERE expires < ? ORDER BY expires, k LIMIT ?";
const SWEEP: &str = "DELETE FROM rec WHERE k IN (SELECT k FROM rec WHERE expires < ? ORDER BY expires, k LIMIT ?)";
const SWEEP_COUNTERS: &str = "DELETE FROM counter WHERE k IN (SELECT k FROM counter WHERE resets < ? LIMIT ?)";

/// A record as it stands, with its lists.
struct Held {
    key: Key,
    standing: Standing,
    lists: Vec<Index>,
}

/// Judges a batch by what stands, and writes it if it may be. All checks precede the first write, so that a batch which is
/// refused leaves nothing, and the transaction goes on with the next. The outer error is the database's.
pub(super) async fn commit(
    connection: &mut SqliteConnection,
    batch: &Batch,
) -> Result<Result<(), CommitError>, sqlx::Error> {
    let held = standing(connection, batch.ops()).await?;
    let find = |key: &Key| held.iter().find(|held| held.key == *key);
    match batch.judge(|key| find(key).map(|held| held.standing)) {
        Err(conflict) => return Ok(Err(conflict)),
        Ok(Judgement::AlreadyDone) => return Ok(Ok(())),
        Ok(Judgement::Apply) => {}
    }
    for op in batch.ops() {
        apply(connection, batch, op, find(&op.key)).await?;
    }
    Ok(Ok(()))
}

async fn standing(connection: &mut SqliteConnection, ops: &[Op]) -> Result<Vec<Held>, sqlx::Error> {
    let (width, statement) = widest_for(STANDING, ops.len());
    let mut query = sqlx::query(statement);
    for place in 0..width {
        query = query.bind(ops.get(place).map(|op| op.key.to_bytes().to_vec()));
    }
    let mut held = Vec::with_capacity(ops.len());
    for row in query.fetch_all(connection).await? {
        let standing =
            Standing { version: encode::version_from(row.try_get(1)?), expires_at: encode::time_from(row.try_get(2)?) };
        held.push(Held { key: key_column(&row)?, standing, lists: encode::lists_from(row.try_get(3)?) });
    }
    Ok(held)
}

async fn apply(
    connection: &mut SqliteConnection,
    batch: &Batch,
    op: &Op,
    held: Option<&Held>,
) -> Result<(), sqlx::Error> {
    let key = op.key.to_bytes().to_vec();
    match &op.change {
        Change::Check => Ok(()),
        Change::Delete => {
            let Some(held) = held else { return Ok(()) };
            delist(connection, held.key, &held.lists).await?;
            sqlx::query(DELETE).bind(key).execute(connection).await.map(|_| ())
        }
        Change::Put { expires_at, indexes, payload } => {
            let lives = held.is_some_and(|held| held.standing.is_live(batch.now()));
            let query = sqlx::query(if lives { UPDATE } else { INSERT })
                .bind(encode::version(batch.id()))
                .bind(encode::time(*expires_at))
                .bind(payload.to_vec())
                .bind(key);
            if lives {
                return query.execute(connection).await.map(|_| ());
            }
            if let Some(expired) = held {
                delist(connection, expired.key, &expired.lists).await?;
            }
            query.bind(encode::lists(indexes)).execute(&mut *connection).await?;
            enlist(connection, op.key, indexes).await
        }
    }
}

async fn enlist(connection: &mut SqliteConnection, key: Key, lists: &[Index]) -> Result<(), sqlx::Error> {
    in_lists(connection, ENLIST, key, lists).await
}

async fn delist(connection: &mut SqliteConnection, key: Key, lists: &[Index]) -> Result<(), sqlx::Error> {
    in_lists(connection, DELIST, key, lists).await
}

async fn in_lists(
    connection: &mut SqliteConnection,
    statement: &'static str,
    key: Key,
    lists: &[Index],
) -> Result<(), sqlx::Error> {
    for list in lists {
        let query = sqlx::query(statement).bind(i64::from(list.name)).bind(list.value.as_bytes().to_vec());
        query.bind(key.to_bytes().to_vec()).execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) async fn charge(
    connection: &mut SqliteConnection,
    charges: &[Charge],
    now: UnixTime,
) -> Result<Vec<Charged>, sqlx::Error> {
    let mut answers = Vec::with_capacity(charges.len());
    for charge in charges {
        let key = charge.counter.0.as_bytes().to_vec();
        let row = sqlx::query(COUNTER).bind(key.clone()).fetch_optional(&mut *connection).await?;
        let held = match row {
            None => None,
            Some(row) => {
                let count: i64 = row.try_get(0)?;
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                Some(Counter { count, resets_at: encode::time_from(row.try_get(1)?) })
            }
        };
        let (changed, charged) = charge.apply(held, now);
        if let Some(counter) = changed {
            let query = sqlx::query(COUNT).bind(key).bind(i64::from(counter.count));
            query.bind(encode::time(counter.resets_at)).execute(&mut *connection).await?;
        }
        answers.push(charged);
    }
    Ok(answers)
}

/// Removes what expired before the margin, within the writer's transaction: nothing can be renewed between look and deletion.
pub(super) async fn sweep(connection: &mut SqliteConnection, now: UnixTime, limit: u32) -> Result<Swept, sqlx::Error> {
    let latest = encode::time(now.minus(SWEEP_MARGIN));
    let rows = sqlx::query(SWEEPABLE).bind(latest).bind(i64::from(limit)).fetch_all(&mut *connection).await?;
    for row in &rows {
        delist(connection, key_column(row)?, &encode::lists_from(row.try_get(1)?)).await?;
    }
    let records = sqlx::query(SWEEP).bind(latest).bind(i64::from(limit)).execute(&mut *connection).await?;
    let records = u32::try_from(records.rows_affected()).unwrap_or(limit);
    let room = limit.saturating_sub(records);
    let counters = sqlx::query(SWEEP_COUNTERS).bind(latest).bind(i64::from(room)).execute(connection).await?;
    let removed = records + u32::try_from(counters.rows_affected()).unwrap_or(room);
    Ok(Swept { removed, more: removed >= limit && limit > 0 })
}
