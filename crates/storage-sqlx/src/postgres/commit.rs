//! Commits: one statement each, and a transaction where a database forbids that.

use countersign_primitives::UnixTime;
use countersign_storage_traits::{Batch, Change, CommitError, Expect, Index, Judgement, Key, Op, Standing};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::Postgres;
use super::call::{Failure, Repeat, Work};
use super::read::key;
use super::statement::{Statement, Value};
use crate::encode;

const UPDATE_AT: &str = "UPDATE countersign_record SET version = $2, expires = $3, payload = $4 \
     WHERE k = $1 AND expires > $5 AND version = $6";
const UPDATE_PRESENT: &str = "UPDATE countersign_record SET version = $2, expires = $3, payload = $4 \
     WHERE k = $1 AND expires > $5";
/// A batch of one record that may be created keeps away from those that rely on its absence (`countersign_commit` says how).
macro_rules! insert {
    ($from:literal, $when:literal) => {
        concat!(
            "INSERT INTO countersign_record AS r (k, version, expires, payload, list1, list2, list3, list4) \
             SELECT $1, $2, $3, $4, $6, $7, $8, $9 ",
            $from,
            "ON CONFLICT (k) DO UPDATE SET version = excluded.version, expires = excluded.expires, payload = excluded.payload, \
             list1 = CASE WHEN r.expires > $5 THEN r.list1 ELSE excluded.list1 END, \
             list2 = CASE WHEN r.expires > $5 THEN r.list2 ELSE excluded.list2 END, \
             list3 = CASE WHEN r.expires > $5 THEN r.list3 ELSE excluded.list3 END, \
             list4 = CASE WHEN r.expires > $5 THEN r.list4 ELSE excluded.list4 END ",
            $when
        )
    };
}
const INSERT_ABSENT: &str = insert!("FROM pg_advisory_xact_lock_shared($10) ", "WHERE r.expires <= $5");
const INSERT_ANY: &str = insert!("FROM pg_advisory_xact_lock_shared($10) ", "");
const UPSERT: &str = insert!("", "");
const DELETE: &str = "DELETE FROM countersign_record WHERE k = $1";
const STANDING: &str = "SELECT k, version, expires FROM countersign_record WHERE k = ANY($1)";
const LOCKED: &str = "SELECT k, version, expires FROM countersign_record WHERE k = ANY($1) ORDER BY k FOR UPDATE";
const COMMIT: &str = "SELECT countersign_commit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

impl Postgres {
    pub(crate) async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let committed = match batch.ops() {
            _ if !self.one_statement => self.commit_in_transaction(batch).await,
            [one] if one.change != Change::Check => self.commit_one(batch, one).await,
            ops if ops.iter().all(|op| op.change == Change::Check) => self.check(batch).await,
            _ => self.commit_by_function(batch).await,
        };
        self.committed.fetch_add(committed.is_ok().into(), std::sync::atomic::Ordering::Relaxed);
        committed
    }

    /// Nothing is to be written: a look decides.
    async fn check(&self, batch: &Batch) -> Result<(), CommitError> {
        let keys: Vec<_> = batch.ops().iter().map(|op| op.key.to_bytes()).collect();
        let statement = Statement::new(STANDING, [all(&keys)]);
        let rows = self.rows(Repeat::Safe, &statement).await?;
        let standings = standings(&rows).map_err(|error| self.refused(error))?;
        batch.judge(|key| find(&standings, key)).map(|_| ())
    }

    async fn commit_one(&self, batch: &Batch, op: &Op) -> Result<(), CommitError> {
        let key = op.key.to_bytes();
        let row = Row::new(batch, op, &key);
        let (now, guard) = (Value::Number(encode::time(batch.now())), Value::Number(guard(&op.key)));
        let statement = match (&op.change, op.expect) {
            (Change::Put { .. }, Expect::At(version)) => {
                let version = Value::Number(encode::version(version));
                Statement::new(UPDATE_AT, row.update(now).chain([version]).collect::<Vec<_>>())
            }
            (Change::Put { .. }, Expect::Present) => {
                Statement::new(UPDATE_PRESENT, row.update(now).collect::<Vec<_>>())
            }
            (Change::Put { .. }, Expect::Absent) => {
                Statement::new(INSERT_ABSENT, row.insert(now).chain([guard]).collect::<Vec<_>>())
            }
            (Change::Put { .. }, Expect::Any) => {
                Statement::new(INSERT_ANY, row.insert(now).chain([guard]).collect::<Vec<_>>())
            }
            // A deletion that stands alone expects nothing: the batch was checked for that.
            _ => {
                self.execute(Repeat::Safe, &Statement::new(DELETE, [Value::Bytes(&key)])).await?;
                return Ok(());
            }
        };
        if self.execute(Repeat::Safe, &statement).await? > 0 {
            return Ok(());
        }
        // Somebody was first: perhaps this same batch, whose answer was lost.
        let rows = self.rows(Repeat::Safe, &Statement::new(STANDING, [Value::Many(vec![Some(&key)])])).await?;
        let standings = standings(&rows).map_err(|error| self.refused(error))?;
        let mine = find(&standings, &op.key).is_some_and(|standing| standing.version == batch.id());
        if mine { Ok(()) } else { Err(CommitError::Conflict(op.key)) }
    }

    async fn commit_by_function(&self, batch: &Batch) -> Result<(), CommitError> {
        let mut sorted: Vec<(usize, &Op)> = batch.ops().iter().enumerate().collect();
        sorted.sort_by_key(|(_, op)| op.key);
        let keys: Vec<_> = sorted.iter().map(|(_, op)| op.key.to_bytes()).collect();
        let rows: Vec<_> = sorted.iter().zip(&keys).map(|((_, op), key)| Row::new(batch, op, key)).collect();
        let numbers = |number: &dyn Fn(usize, &Op) -> i64| {
            Value::Numbers(sorted.iter().map(|(place, op)| number(*place, op)).collect())
        };
        let lists = |at: usize| Value::Many(rows.iter().map(|row| row.list(at)).collect());
        let statement = Statement::new(
            COMMIT,
            [
                Value::Number(encode::version(batch.id())),
                Value::Number(encode::time(batch.now())),
                Value::Number(guard(&sorted[0].1.key)),
                Value::Number(guards(batch)),
                all(&keys),
                numbers(&|place, _| i64::try_from(place).unwrap_or(i64::MAX) + 1),
                numbers(&|_, op| expectation(op.expect)),
                numbers(&|_, op| if let Expect::At(version) = op.expect { encode::version(version) } else { 0 }),
                numbers(&|_, op| change(&op.change)),
                Value::Numbers(rows.iter().map(|row| row.expires).collect()),
                lists(0),
                lists(1),
                lists(2),
                lists(3),
                Value::Many(rows.iter().map(|row| Some(row.payload)).collect()),
            ],
        );
        let answer = self.rows(Repeat::Safe, &statement).await?;
        let failed = answer.first().map_or(Err(sqlx::Error::RowNotFound), |row| row.try_get::<i64, _>(0));
        // It has run: an answer that cannot be read leaves open what it says.
        let failed = failed.map_err(|error| CommitError::Unknown(self.place.error(error).into()))?;
        let place = usize::try_from(failed).unwrap_or_default();
        match place.checked_sub(1).and_then(|place| batch.ops().get(place)) {
            Some(op) => Err(CommitError::Conflict(op.key)),
            None => Ok(()),
        }
    }

    /// For databases that have no such function, or forbid several writes to one table in one statement.
    async fn commit_in_transaction(&self, batch: &Batch) -> Result<(), CommitError> {
        match self.call(Repeat::Safe, &Transaction(batch)).await {
            Ok(judged) => judged.map_err(CommitError::Conflict),
            Err(failure) => Err(failure.into()),
        }
    }

    fn refused(&self, error: sqlx::Error) -> CommitError {
        Failure::Refused(self.place.error(error)).into()
    }
}

/// A batch as a serialisable transaction: what was read is still so when it is committed, and others who are in the way make the
/// database ask for a repetition.
struct Transaction<'a>(&'a Batch);

impl Work for Transaction<'_> {
    /// The key whose expectation failed first, if one did.
    type Answer = Result<(), Key>;

    async fn run(&self, connection: &mut PgConnection, prepared: bool) -> Result<Self::Answer, sqlx::Error> {
        begin(connection).await?;
        let judged = self.judge_and_write(connection, prepared).await;
        end(connection, judged).await
    }
}

impl Transaction<'_> {
    async fn judge_and_write(
        &self,
        connection: &mut PgConnection,
        prepared: bool,
    ) -> Result<Result<(), Key>, sqlx::Error> {
        let Self(batch) = *self;
        let mut sorted: Vec<&Op> = batch.ops().iter().collect();
        sorted.sort_by_key(|op| op.key);
        let keys: Vec<_> = sorted.iter().map(|op| op.key.to_bytes()).collect();
        let held = Statement::new(LOCKED, [all(&keys)]).rows(connection, prepared).await?;
        let standings = standings(&held)?;
        match batch.judge(|key| find(&standings, key)) {
            Ok(Judgement::Apply) => {}
            Err(CommitError::Conflict(key)) => return Ok(Err(key)),
            _ => return Ok(Ok(())), // done already
        }
        let now = Value::Number(encode::time(batch.now()));
        for (op, key) in sorted.into_iter().zip(&keys) {
            let lives = find(&standings, &op.key).is_some_and(|standing| standing.is_live(batch.now()));
            let row = Row::new(batch, op, key);
            let statement = match op.change {
                Change::Check => continue,
                Change::Delete => Statement::new(DELETE, [Value::Bytes(key)]),
                Change::Put { .. } if lives => {
                    Statement::new(UPDATE_PRESENT, row.update(now.clone()).collect::<Vec<_>>())
                }
                Change::Put { .. } => Statement::new(UPSERT, row.insert(now.clone()).collect::<Vec<_>>()),
            };
            statement.execute(connection, prepared).await?;
        }
        Ok(Ok(()))
    }
}

pub(super) async fn begin(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("BEGIN ISOLATION LEVEL SERIALIZABLE").execute(connection).await.map(|_| ())
}

/// Commits what came to an answer, and rolls back the rest.
pub(super) async fn end<T>(connection: &mut PgConnection, outcome: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
    let last = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = sqlx::raw_sql(last).execute(connection).await;
    match outcome {
        Ok(answer) => ended.map(|_| answer),
        // A connection on which the rollback fails too is found out at its next use; the first error tells more.
        Err(error) => Err(error),
    }
}

/// What an operation would write, ready to be bound.
struct Row<'a> {
    key: &'a [u8],
    version: i64,
    expires: i64,
    payload: &'a [u8],
    lists: Vec<u8>,
}

impl<'a> Row<'a> {
    fn new(batch: &Batch, op: &'a Op, key: &'a [u8]) -> Self {
        let none: (UnixTime, &[Index], &[u8]) = (UnixTime::default(), &[], &[]);
        let (expires, lists, payload) = match &op.change {
            Change::Put { expires_at, indexes, payload } => (*expires_at, &indexes[..], &payload[..]),
            Change::Check | Change::Delete => none,
        };
        let (version, expires) = (encode::version(batch.id()), encode::time(expires));
        Self { key, version, expires, payload, lists: encode::lists(lists) }
    }

    fn list(&self, at: usize) -> Option<&[u8]> {
        self.lists.chunks_exact(encode::LIST).nth(at)
    }

    fn update(&self, now: Value<'a>) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let (version, expires) = (Value::Number(self.version), Value::Number(self.expires));
        [Value::Bytes(self.key), version, expires, Value::Bytes(self.payload), now].into_iter()
    }

    fn insert<'b>(&'b self, now: Value<'a>) -> impl Iterator<Item = Value<'b>> + use<'a, 'b> {
        self.update(now).chain((0..4).map(|at| Value::MaybeBytes(self.list(at))))
    }
}

fn all(keys: &[[u8; 33]]) -> Value<'_> {
    Value::Many(keys.iter().map(|key| Some(&key[..])).collect())
}

/// The number of a partition's advisory lock. Partitions that share one only wait for each other.
fn guard(key: &Key) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = *key.partition.as_bytes();
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

fn guards(batch: &Batch) -> i64 {
    let relies = batch.ops().iter().any(|op| op.expect == Expect::Absent && !op.puts());
    let creates = batch.ops().iter().any(|op| op.puts() && matches!(op.expect, Expect::Absent | Expect::Any));
    if relies { 2 } else { creates.into() }
}

fn expectation(expect: Expect) -> i64 {
    match expect {
        Expect::Any => 0,
        Expect::Absent => 1,
        Expect::Present => 2,
        Expect::At(_) => 3,
    }
}

fn change(change: &Change) -> i64 {
    match change {
        Change::Check => 0,
        Change::Put { .. } => 1,
        Change::Delete => 2,
    }
}

fn standings(rows: &[PgRow]) -> Result<Vec<(Key, Standing)>, sqlx::Error> {
    let read = |row: &PgRow| {
        let version = encode::version_from(row.try_get(1)?);
        Ok((key(row)?, Standing { version, expires_at: encode::time_from(row.try_get(2)?) }))
    };
    rows.iter().map(read).collect()
}

fn find(standings: &[(Key, Standing)], key: &Key) -> Option<Standing> {
    standings.iter().find(|(of, _)| of == key).map(|(_, standing)| *standing)
}
