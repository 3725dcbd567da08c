//! How a planted store is walked and filled, and what a fault makes of that.

use async_trait::async_trait;
use bytes::Bytes;
use countersign_primitives::{Clock as _, SystemClock};

use crate::{Counter, Cursor, Item, Part, Record, Scan, ScanPage, StoreError, Version};

use super::planted::{Fault, Planted, Row, State};

#[async_trait]
impl Scan for Planted {
    async fn scan(&self, part: Part, after: Option<Cursor>, limit: u16) -> Result<ScanPage, StoreError> {
        let limit = usize::from(limit.max(1));
        let all = self.all(&self.lock(), part);
        let offset = match after.as_ref().map(|cursor| cursor.0.as_ref()) {
            None => 0,
            Some(bytes) if self.is(Fault::WalkByOffset) => usize::from_be_bytes(bytes.try_into().unwrap_or_default()),
            Some(place) => all.partition_point(|(at, _)| at.as_slice() <= place),
        };
        let skipped = usize::from(self.is(Fault::WalkBorderMissed) && after.is_some());
        let rest = all.get(offset + skipped..).unwrap_or_default();
        let page = &rest[..rest.len().min(limit)];
        let next = page.last().filter(|_| rest.len() > limit).map(|(at, _)| match self.fault {
            Fault::WalkByOffset => Cursor(Bytes::copy_from_slice(&(offset + limit).to_be_bytes())),
            _ => Cursor(Bytes::copy_from_slice(at)),
        });
        Ok(ScanPage { items: page.iter().map(|(_, item)| item.clone()).collect(), next, unread: 0 })
    }

    async fn restore(&self, items: &[Item]) -> Result<(), StoreError> {
        let mut state = self.lock();
        for item in items {
            self.restore_one(&mut state, item);
        }
        Ok(())
    }
}

impl Planted {
    /// Everything of a part, in an order that no change moves.
    fn all(&self, state: &State, part: Part) -> Vec<(Vec<u8>, Item)> {
        let kept = |item: &Item| !self.is(Fault::WalkWithoutExpired) || item.expires_at() > SystemClock.now();
        let mut items: Vec<(Vec<u8>, Item)> = match part {
            Part::Lists => {
                let rows = state.rows.iter().chain(state.gone.iter().map(|(key, row)| (key, row)));
                let entries = rows.flat_map(|(key, row)| {
                    row.indexes.iter().map(move |index| {
                        let at = [&[index.name], &index.value.as_bytes()[..], &key.to_bytes()].concat();
                        (at, Item::Entry { index: *index, key: *key, expires_at: row.record.expires_at })
                    })
                });
                entries.collect()
            }
            Part::Counters => {
                let counters = state.counters.iter().map(|(counter, (count, resets_at))| {
                    let shows = Counter { count: u32::try_from(*count).unwrap_or_default(), resets_at: *resets_at };
                    (counter.0.as_bytes().to_vec(), Item::Counter { counter: *counter, shows })
                });
                counters.collect()
            }
            Part::Records | Part::RecordsOf(_) => {
                let wanted =
                    state.rows.iter().filter(|(key, _)| self.is(Fault::WalkIgnoresKind) || part.wants(key.kind));
                let record = wanted.map(|(key, row)| {
                    (key.to_bytes().to_vec(), Item::Record { key: *key, record: row.record.clone() })
                });
                record.collect()
            }
        };
        items.retain(|(_, item)| kept(item));
        items.sort_by(|(one, _), (other, _)| one.cmp(other));
        items
    }

    fn restore_one(&self, state: &mut State, item: &Item) {
        match item {
            Item::Record { key, record } => {
                let held = state.rows.get(key);
                if held.is_some() && self.is(Fault::RestoreKeepsWhatIsThere) {
                    return;
                }
                let indexes = held.filter(|_| !self.is(Fault::RestoreForgetsLists)).map(|row| row.indexes.clone());
                let version = match self.fault {
                    Fault::RestoreWithNewVersion => Version::new(record.version.number() ^ 1),
                    _ => record.version,
                };
                let record = Record { version, ..record.clone() };
                state.rows.insert(*key, Row { record, indexes: indexes.unwrap_or_default() });
            }
            Item::Entry { index, key, .. } => {
                if let Some(row) = state.rows.get_mut(key).filter(|row| !row.indexes.contains(index)) {
                    row.indexes.push(*index);
                }
            }
            Item::Counter { counter, shows } => {
                let before = if self.is(Fault::RestoreAddsCounters) {
                    state.counters.get(counter).map_or(0, |(count, _)| *count)
                } else {
                    0
                };
                state.counters.insert(*counter, (before + i64::from(shows.count), shows.resets_at));
            }
        }
    }
}
