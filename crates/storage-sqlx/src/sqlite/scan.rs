//! The database from end to end, and a database filled with what was found elsewhere.

use std::collections::BTreeMap;

use bytes::Bytes;
use countersign_storage_traits::{Counter, Cursor, Index, Item, Key, Part, ScanPage, Standing};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::read::{WIDEST, by_keys, key_column, record, widest_for};
use super::sheet::{Row, enlist, put};
use super::write::COUNT;
use crate::encode;

const RECORDS: &str = "SELECT k, version, expires, payload FROM rec WHERE k > ? ORDER BY k LIMIT ?";
const ENTRIES: &str = "SELECT k, expires, lists FROM rec WHERE k > ? ORDER BY k LIMIT ?";
const COUNTERS: &str = "SELECT k, count, resets FROM counter WHERE k > ? ORDER BY k LIMIT ?";
const LISTS: [(usize, &str); 4] = by_keys!("SELECT k, lists FROM rec WHERE k IN (", ")");
const RELIST: &str = "UPDATE rec SET lists = ? WHERE k = ?";

/// A page of a walk: so many rows in the order of their keys, and what of them is asked for.
pub(super) async fn page(
    connection: &mut SqliteConnection,
    part: Part,
    after: &[u8],
    limit: u16,
) -> Result<ScanPage, sqlx::Error> {
    let statement = match part {
        Part::Records | Part::RecordsOf(_) => RECORDS,
        Part::Lists => ENTRIES,
        Part::Counters => COUNTERS,
    };
    let query = sqlx::query(statement).bind(after.to_vec()).bind(i64::from(limit));
    let rows = query.fetch_all(connection).await?;
    let mut page = ScanPage::default();
    for row in &rows {
        match part {
            Part::Records | Part::RecordsOf(_) => {
                let (key, record) = record(row)?;
                page.items.extend(part.wants(key.kind).then_some(Item::Record { key, record }));
            }
            Part::Lists => page.items.extend(entries(row)?),
            Part::Counters => page.items.push(counter(row)?),
        }
    }
    if let Some(last) = rows.last().filter(|_| rows.len() == usize::from(limit)) {
        page.next = Some(Cursor(Bytes::copy_from_slice(last.try_get(0)?)));
    }
    Ok(page)
}

fn entries(row: &SqliteRow) -> Result<impl Iterator<Item = Item>, sqlx::Error> {
    let (key, expires_at) = (key_column(row)?, encode::time_from(row.try_get(1)?));
    let lists = encode::lists_from(row.try_get(2)?);
    Ok(lists.into_iter().map(move |index| Item::Entry { index, key, expires_at }))
}

fn counter(row: &SqliteRow) -> Result<Item, sqlx::Error> {
    let counter = encode::counter_from(row.try_get(0)?);
    let counter = counter.ok_or_else(|| sqlx::Error::Decode("a counter's key has 16 bytes".into()))?;
    let count: i64 = row.try_get(1)?;
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    Ok(Item::Counter { counter, shows: Counter { count, resets_at: encode::time_from(row.try_get(2)?) } })
}

/// Writes items as they are, within the writer's transaction.
pub(super) async fn restore(connection: &mut SqliteConnection, items: &[Item]) -> Result<(), sqlx::Error> {
    let (mut rows, mut entries) = (BTreeMap::new(), Vec::new());
    for item in items {
        match item {
            Item::Record { key, record } => drop(rows.insert(*key, record)),
            Item::Entry { index, key, .. } => entries.push((*index, *key)),
            Item::Counter { counter, shows } => {
                let query = sqlx::query(COUNT).bind(counter.0.as_bytes().to_vec()).bind(i64::from(shows.count));
                query.bind(encode::time(shows.resets_at)).execute(&mut *connection).await?;
            }
        }
    }
    let mut held = lists(connection, rows.keys().copied().collect()).await?;
    let rows: Vec<(Key, Row)> = rows
        .into_iter()
        .map(|(key, record)| {
            let lists = held.remove(&key).unwrap_or_default();
            (key, Row { standing: Standing::from(record), lists, payload: record.payload.clone() })
        })
        .collect();
    put(connection, &rows.iter().map(|(key, row)| (*key, row)).collect::<Vec<_>>()).await?;
    enter(connection, entries).await
}

/// Enters records that are there in more lists.
async fn enter(connection: &mut SqliteConnection, entries: Vec<(Index, Key)>) -> Result<(), sqlx::Error> {
    let mut keys: Vec<Key> = entries.iter().map(|(_, key)| *key).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut held = lists(connection, keys).await?;
    let mut fresh = BTreeMap::new();
    for (index, key) in entries {
        let Some(lists) = held.get_mut(&key).filter(|lists| !lists.contains(&index)) else { continue };
        lists.push(index);
        fresh.entry(key).or_insert_with(Vec::new).push((index, key));
    }
    for key in fresh.keys() {
        let query = sqlx::query(RELIST).bind(held.get(key).map(|lists| encode::lists(lists)));
        query.bind(key.to_bytes().to_vec()).execute(&mut *connection).await?;
    }
    enlist(connection, &fresh.into_values().flatten().collect::<Vec<_>>()).await
}

/// The lists of those records that are there.
async fn lists(connection: &mut SqliteConnection, keys: Vec<Key>) -> Result<BTreeMap<Key, Vec<Index>>, sqlx::Error> {
    let mut held = BTreeMap::new();
    for keys in keys.chunks(WIDEST) {
        let (width, statement) = widest_for(LISTS, keys.len());
        let mut query = sqlx::query(statement);
        for place in 0..width {
            query = query.bind(keys.get(place).map(|key| key.to_bytes().to_vec()));
        }
        for row in query.fetch_all(&mut *connection).await? {
            held.insert(key_column(&row)?, encode::lists_from(row.try_get(1)?));
        }
    }
    Ok(held)
}
