//! The database from end to end, and a database filled with what was found elsewhere: one statement a page.

use std::collections::BTreeMap;

use bytes::Bytes;
use countersign_storage_traits::{Counter, CounterKey, Cursor, Item, Key, Part, Record, ScanPage, StoreError};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::Postgres;
use super::call::Repeat;
use super::read::{key, record};
use super::statement::{Statement, Value};
use crate::encode;

const RECORDS: &str = "SELECT k, version, expires, payload FROM countersign_record WHERE k > $1 ORDER BY k LIMIT $2";
const ENTRIES: &str =
    "SELECT k, expires, list1, list2, list3, list4 FROM countersign_record WHERE k > $1 ORDER BY k LIMIT $2";
const COUNTERS: &str = "SELECT k, count, resets FROM countersign_counter WHERE k > $1 ORDER BY k LIMIT $2";
const RESTORE: &str = "INSERT INTO countersign_record (k, version, expires, payload) \
     SELECT * FROM unnest($1, $2, $3, $4) ON CONFLICT (k) DO UPDATE \
     SET version = excluded.version, expires = excluded.expires, payload = excluded.payload";
/// In the first place that is free; a record stands in a list once.
const ENTER: &str = "UPDATE countersign_record r SET \
     list1 = coalesce(list1, e.list), \
     list2 = CASE WHEN list1 IS NULL THEN list2 ELSE coalesce(list2, e.list) END, \
     list3 = CASE WHEN list1 IS NULL OR list2 IS NULL THEN list3 ELSE coalesce(list3, e.list) END, \
     list4 = CASE WHEN list1 IS NULL OR list2 IS NULL OR list3 IS NULL THEN list4 ELSE coalesce(list4, e.list) END \
     FROM unnest($1, $2) AS e (k, list) WHERE r.k = e.k \
     AND e.list IS DISTINCT FROM list1 AND e.list IS DISTINCT FROM list2 \
     AND e.list IS DISTINCT FROM list3 AND e.list IS DISTINCT FROM list4";
const RESTORE_COUNTERS: &str = "INSERT INTO countersign_counter (k, count, resets) SELECT * FROM unnest($1, $2, $3) \
     ON CONFLICT (k) DO UPDATE SET count = excluded.count, resets = excluded.resets";

impl Postgres {
    pub(crate) async fn scan(&self, part: Part, after: Option<Cursor>, limit: u16) -> Result<ScanPage, StoreError> {
        let after = encode::place(after.as_ref(), encode::key_length(part))?;
        let statement = match part {
            Part::Records | Part::RecordsOf(_) => RECORDS,
            Part::Lists => ENTRIES,
            Part::Counters => COUNTERS,
        };
        let statement = Statement::new(statement, [Value::Bytes(after), Value::Number(limit.into())]);
        let rows = self.rows(Repeat::Safe, &statement).await?;
        Ok(page(part, &rows, limit).map_err(|error| self.place.error(error))?)
    }

    pub(crate) async fn restore(&self, items: &[Item]) -> Result<(), StoreError> {
        let mut records: BTreeMap<[u8; 33], &Record> = BTreeMap::new();
        let mut entries: BTreeMap<[u8; 33], Vec<Vec<u8>>> = BTreeMap::new();
        let mut counters: BTreeMap<CounterKey, Counter> = BTreeMap::new();
        for item in items {
            match item {
                Item::Record { key, record } => drop(records.insert(key.to_bytes(), record)),
                Item::Entry { index, key, .. } => {
                    entries.entry(key.to_bytes()).or_default().push(encode::lists(&[*index]));
                }
                Item::Counter { counter, shows } => drop(counters.insert(*counter, *shows)),
            }
        }
        self.restore_records(&records).await?;
        self.enter(&entries).await?;
        self.restore_counters(&counters).await
    }

    async fn restore_records(&self, records: &BTreeMap<[u8; 33], &Record>) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let statement = Statement::new(
            RESTORE,
            [
                Value::Many(records.keys().map(|key| Some(&key[..])).collect()),
                Value::Numbers(records.values().map(|record| encode::version(record.version)).collect()),
                Value::Numbers(records.values().map(|record| encode::time(record.expires_at)).collect()),
                Value::Many(records.values().map(|record| Some(&record.payload[..])).collect()),
            ],
        );
        self.execute(Repeat::Safe, &statement).await?;
        Ok(())
    }

    /// One statement changes a row once, so records of several lists take as many statements.
    async fn enter(&self, entries: &BTreeMap<[u8; 33], Vec<Vec<u8>>>) -> Result<(), StoreError> {
        let most = entries.values().map(Vec::len).max().unwrap_or_default();
        for turn in 0..most {
            let having = || entries.iter().filter(move |(_, lists)| lists.len() > turn);
            let keys = Value::Many(having().map(|(key, _)| Some(&key[..])).collect());
            let lists = Value::Many(having().map(|(_, lists)| Some(&lists[turn][..])).collect());
            self.execute(Repeat::Safe, &Statement::new(ENTER, [keys, lists])).await?;
        }
        Ok(())
    }

    async fn restore_counters(&self, counters: &BTreeMap<CounterKey, Counter>) -> Result<(), StoreError> {
        if counters.is_empty() {
            return Ok(());
        }
        let statement = Statement::new(
            RESTORE_COUNTERS,
            [
                Value::Many(counters.keys().map(|counter| Some(&counter.0.as_bytes()[..])).collect()),
                Value::Numbers(counters.values().map(|shows| shows.count.into()).collect()),
                Value::Numbers(counters.values().map(|shows| encode::time(shows.resets_at)).collect()),
            ],
        );
        self.execute(Repeat::Safe, &statement).await?;
        Ok(())
    }
}

fn page(part: Part, rows: &[PgRow], limit: u16) -> Result<ScanPage, sqlx::Error> {
    let mut page = ScanPage::default();
    for row in rows {
        match part {
            Part::Records | Part::RecordsOf(_) => {
                let (key, record) = record(row)?;
                page.items.extend(part.wants(key.kind).then_some(Item::Record { key, record }));
            }
            Part::Lists => entries(row, &mut page.items)?,
            Part::Counters => page.items.push(counter(row)?),
        }
    }
    if let Some(last) = rows.last().filter(|_| rows.len() == usize::from(limit)) {
        let last: Vec<u8> = last.try_get(0)?;
        page.next = Some(Cursor(Bytes::from(last)));
    }
    Ok(page)
}

fn entries(row: &PgRow, items: &mut Vec<Item>) -> Result<(), sqlx::Error> {
    let (key, expires_at): (Key, _) = (key(row)?, encode::time_from(row.try_get(1)?));
    for column in 2..6 {
        let list: Option<Vec<u8>> = row.try_get(column)?;
        let indexes = encode::lists_from(&list.unwrap_or_default());
        items.extend(indexes.into_iter().map(|index| Item::Entry { index, key, expires_at }));
    }
    Ok(())
}

fn counter(row: &PgRow) -> Result<Item, sqlx::Error> {
    let bytes: Vec<u8> = row.try_get(0)?;
    let counter = encode::counter_from(&bytes);
    let counter = counter.ok_or_else(|| sqlx::Error::Decode("a counter's key has 16 bytes".into()))?;
    let count: i64 = row.try_get(1)?;
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    Ok(Item::Counter { counter, shows: Counter { count, resets_at: encode::time_from(row.try_get(2)?) } })
}
