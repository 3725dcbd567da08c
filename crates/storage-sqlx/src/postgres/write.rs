//! Counters, and the broom.

use std::sync::atomic::Ordering;

use countersign_primitives::UnixTime;
use countersign_storage_traits::{Charge, Charged, Counter, SWEEP_MARGIN, StoreError, Swept};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::Postgres;
use super::call::{Repeat, Work};
use super::commit::{begin, end};
use super::statement::{Statement, Value};
use crate::encode;

const CHARGE: &str = "SELECT admitted, shown, until FROM countersign_charge($1, $2, $3, $4, $5)";
const COUNTER: &str = "SELECT count, resets FROM countersign_counter WHERE k = $1 FOR UPDATE";
const COUNT: &str = "INSERT INTO countersign_counter (k, count, resets) VALUES ($1, $2, $3) \
     ON CONFLICT (k) DO UPDATE SET count = excluded.count, resets = excluded.resets";
/// The keys are picked once, and locked: nothing can be renewed between pick and deletion. What others hold is left to the next
/// sweep. An array makes the planner look each key up rather than read the table. Where the last statement ended the next one
/// begins, for until the table is vacuumed the index leads through all that has gone.
macro_rules! sweep {
    ($table:literal, $ends:literal) => {
        concat!(
            "WITH gone AS (DELETE FROM ",
            $table,
            " WHERE k = ANY(ARRAY(SELECT k FROM ",
            $table,
            " WHERE ",
            $ends,
            " >= $3 AND ",
            $ends,
            " < $1 ORDER BY ",
            $ends,
            " LIMIT $2 FOR UPDATE SKIP LOCKED)) AND ",
            $ends,
            " < $1 RETURNING ",
            $ends,
            " AS ended) SELECT count(*), coalesce(max(ended), $3) FROM gone"
        )
    };
}
const SWEEPS: [&str; 2] = [sweep!("countersign_record", "expires"), sweep!("countersign_counter", "resets")];
/// How many rows one statement of a sweep takes, so that nothing waits long behind it.
const SWEEP_STEP: u32 = 256;
/// Before any time.
pub(super) const FROM_THE_START: i64 = i64::MIN;

impl Postgres {
    pub(crate) async fn charge(&self, charges: &[Charge], now: UnixTime) -> Result<Vec<Charged>, StoreError> {
        if charges.is_empty() {
            return Ok(Vec::new());
        }
        // Racing calls lock in one order. Charges of one counter keep theirs.
        let mut order: Vec<usize> = (0..charges.len()).collect();
        order.sort_by_key(|&place| charges[place].counter);
        let sorted: Vec<Charge> = order.iter().map(|&place| charges[place]).collect();
        // Counted twice is strict; taken back twice would be lax.
        let refunds = charges.iter().any(|charge| charge.add < 0);
        let repeat = if refunds { Repeat::Unsafe } else { Repeat::Safe };
        let charged = if self.one_statement {
            self.charge_in_one(repeat, &sorted, now).await?
        } else {
            self.call(repeat, &Counting { charges: &sorted, now }).await?
        };
        let mut answers: Vec<(usize, Charged)> = order.into_iter().zip(charged).collect();
        answers.sort_by_key(|(place, _)| *place);
        Ok(answers.into_iter().map(|(_, charged)| charged).collect())
    }

    async fn charge_in_one(
        &self,
        repeat: Repeat,
        charges: &[Charge],
        now: UnixTime,
    ) -> Result<Vec<Charged>, StoreError> {
        let numbers = |number: fn(&Charge, UnixTime) -> i64| {
            Value::Numbers(charges.iter().map(|charge| number(charge, now)).collect())
        };
        let statement = Statement::new(
            CHARGE,
            [
                Value::Number(encode::time(now)),
                Value::Many(charges.iter().map(|charge| Some(&charge.counter.0.as_bytes()[..])).collect()),
                numbers(|charge, _| charge.add.into()),
                numbers(|charge, _| charge.limit.into()),
                numbers(|charge, now| encode::time(now.plus(charge.window))),
            ],
        );
        let rows = self.rows(repeat, &statement).await?;
        Ok(rows.iter().map(charged).collect::<Result<_, _>>().map_err(|error| self.place.error(error))?)
    }

    pub(crate) async fn sweep(&self, now: UnixTime, limit: u32) -> Result<Swept, StoreError> {
        let latest = encode::time(now.minus(SWEEP_MARGIN));
        let mut removed = 0;
        for (statement, swept_to) in SWEEPS.into_iter().zip(&*self.swept_to) {
            while removed < limit {
                let (step, from) = (SWEEP_STEP.min(limit - removed), swept_to.load(Ordering::Relaxed));
                let (swept, to) = self.sweep_step(statement, latest, step, from).await?;
                removed += swept.min(step);
                swept_to.store(if swept < step { FROM_THE_START } else { to }, Ordering::Relaxed);
                // Before where it began there may be what others held then, or what came late.
                if swept < step && from == FROM_THE_START {
                    break;
                }
            }
        }
        Ok(Swept { removed, more: removed >= limit && limit > 0 })
    }

    /// How many rows went, and the latest of their times.
    async fn sweep_step(
        &self,
        statement: &'static str,
        latest: i64,
        step: u32,
        from: i64,
    ) -> Result<(u32, i64), StoreError> {
        let values = [Value::Number(latest), Value::Number(step.into()), Value::Number(from)];
        let rows = self.rows(Repeat::Safe, &Statement::new(statement, values)).await?;
        let read = |row: &PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
        let (swept, to): (i64, i64) = rows
            .first()
            .map_or(Err(sqlx::Error::RowNotFound), read)
            .map_err(|error| StoreError::from(self.place.error(error)))?;
        Ok((u32::try_from(swept).unwrap_or(u32::MAX), to))
    }
}

/// Charges as a serialisable transaction.
struct Counting<'a> {
    charges: &'a [Charge],
    now: UnixTime,
}

impl Work for Counting<'_> {
    type Answer = Vec<Charged>;

    async fn run(&self, connection: &mut PgConnection, prepared: bool) -> Result<Vec<Charged>, sqlx::Error> {
        begin(connection).await?;
        let charged = self.count(connection, prepared).await;
        end(connection, charged).await
    }
}

impl Counting<'_> {
    async fn count(&self, connection: &mut PgConnection, prepared: bool) -> Result<Vec<Charged>, sqlx::Error> {
        let mut answers = Vec::with_capacity(self.charges.len());
        for charge in self.charges {
            let key = Value::Bytes(charge.counter.0.as_bytes());
            let held = Statement::new(COUNTER, [key.clone()]).rows(connection, prepared).await?;
            let held = held.first().map(counter).transpose()?;
            let (changed, charged) = charge.apply(held, self.now);
            if let Some(counter) = changed {
                let (count, resets) = (counter.count.into(), encode::time(counter.resets_at));
                let values = [key, Value::Number(count), Value::Number(resets)];
                Statement::new(COUNT, values).execute(connection, prepared).await?;
            }
            answers.push(charged);
        }
        Ok(answers)
    }
}

fn charged(row: &PgRow) -> Result<Charged, sqlx::Error> {
    let shown: i64 = row.try_get(1)?;
    Ok(Charged {
        admitted: row.try_get(0)?,
        count: u32::try_from(shown).unwrap_or(u32::MAX),
        resets_at: encode::time_from(row.try_get(2)?),
    })
}

fn counter(row: &PgRow) -> Result<Counter, sqlx::Error> {
    let count: i64 = row.try_get(0)?;
    Ok(Counter { count: u32::try_from(count).unwrap_or(u32::MAX), resets_at: encode::time_from(row.try_get(1)?) })
}
