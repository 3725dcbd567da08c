//! What the writer does inside a transaction, apart from commits.

use countersign_primitives::UnixTime;
use countersign_storage_traits::{Charge, Charged, Counter, SWEEP_MARGIN, Swept};
use sqlx::{Row as _, SqliteConnection};

use super::read::key_column;
use super::sheet;
use crate::encode;

const COUNTER: &str = "SELECT count, resets FROM counter WHERE k = ?";
pub(super) const COUNT: &str = "INSERT OR REPLACE INTO counter (k, count, resets) VALUES (?, ?, ?)";
/// The inner query reads nothing but the index of expiries.
const SWEEP: &str = "DELETE FROM rec WHERE k IN (SELECT k FROM rec WHERE expires < ? ORDER BY expires LIMIT ?) \
     RETURNING k, lists";
const SWEEP_COUNTERS: &str = "DELETE FROM counter WHERE k IN (SELECT k FROM counter WHERE resets < ? LIMIT ?)";

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
    let rows = sqlx::query(SWEEP).bind(latest).bind(i64::from(limit)).fetch_all(&mut *connection).await?;
    let mut entries = Vec::new();
    for row in &rows {
        let key = key_column(row)?;
        entries.extend(encode::lists_from(row.try_get(1)?).into_iter().map(|list| (list, key)));
    }
    sheet::delist(connection, &entries).await?;
    let records = u32::try_from(rows.len()).unwrap_or(limit);
    let room = limit.saturating_sub(records);
    if room == 0 {
        return Ok(Swept { removed: records, more: limit > 0 });
    }
    let counters = sqlx::query(SWEEP_COUNTERS).bind(latest).bind(i64::from(room)).execute(connection).await?;
    let removed = records + u32::try_from(counters.rows_affected()).unwrap_or(room);
    Ok(Swept { removed, more: removed >= limit })
}
