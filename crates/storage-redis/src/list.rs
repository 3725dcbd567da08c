//! Lists: sets in slots of their own.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use countersign_primitives::UnixTime;
use countersign_storage_traits::{Cursor, Index, Key, Page, SWEEP_MARGIN, StoreError};
use futures_util::future::try_join_all;
use redis::Value;

use crate::error::{Cause, Failure};
use crate::script::{Call, ENLIST, PAGE};
use crate::{Inner, encode};

/// How much longer than its entries the sign of a split stays: entries that end by then need not ask whether there is one.
const SIGN_MARGIN: u64 = 24 * 60 * 60 * 1_000;
/// How many split lists are remembered.
const REMEMBERED: usize = 1_024;
/// The length of a record's key.
const KEY: usize = 33;

/// Lists known to be split, and until when: their entries go straight to the parts.
#[derive(Debug, Default)]
pub(crate) struct Splits(Mutex<HashMap<Index, u64>>);

impl Splits {
    fn covers(&self, index: &Index, latest: u64) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(index).is_some_and(|until| *until >= latest)
    }

    fn learn(&self, index: Index, until: u64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(index, until);
    }
}

/// An entry: its expiry and the record's key.
type Entry = (u64, [u8; KEY]);

/// Where a page ended.
struct Place {
    /// 0 for the list itself, else one of its parts.
    part: u8,
    /// The last entry that was named: its expiry and key.
    after: Option<Entry>,
}

impl Inner {
    /// Enters records into lists, before they are written.
    pub(crate) async fn enlist(&self, lists: BTreeMap<Index, Vec<(Key, UnixTime)>>) -> Result<(), Failure> {
        let work = lists.iter().map(|(index, entries)| self.enlist_in(*index, entries));
        try_join_all(work).await.map(|_| ())
    }

    async fn enlist_in(&self, index: Index, entries: &[(Key, UnixTime)]) -> Result<(), Failure> {
        let latest = entries.iter().map(|(_, expiry)| encode::time(*expiry)).max().unwrap_or_default();
        if !self.lists.covers(&index, latest) {
            let until = self.enter(index, 0, entries).await?;
            if until == 0 {
                return Ok(());
            }
            self.lists.learn(index, until);
        }
        let mut parts: BTreeMap<u8, Vec<(Key, UnixTime)>> = BTreeMap::new();
        for entry in entries {
            parts.entry(encode::part_of(&entry.0)).or_default().push(*entry);
        }
        let work = parts.iter().map(|(part, entries)| self.enter(index, *part, entries));
        try_join_all(work).await.map(|_| ())
    }

    async fn enter(&self, index: Index, part: u8, entries: &[(Key, UnixTime)]) -> Result<u64, Failure> {
        let most = if part == 0 { self.options.split } else { 0 };
        let mut call = Call::new(&ENLIST)
            .key(encode::list_key(&index, part))
            .number(most)
            .number(SWEEP_MARGIN.as_millis())
            .number(SIGN_MARGIN);
        for (key, expiry) in entries {
            call = call.number(encode::time(*expiry)).arg(key.to_bytes());
        }
        match self.network.call(&call, None, true).await?.first() {
            Some(Value::Int(until)) => Ok(until.unsigned_abs()),
            _ => Err(Failure::sent("the server", Cause::Answer)),
        }
    }

    pub(crate) async fn list(
        &self,
        index: &Index,
        after: Option<Cursor>,
        limit: u16,
        now: UnixTime,
    ) -> Result<Page, StoreError> {
        let mut place = match after {
            Some(cursor) => Place::read(&cursor).ok_or(StoreError::Cursor)?,
            None => Place { part: 0, after: None },
        };
        let limit = usize::from(limit.max(1));
        let mut keys = Vec::new();
        loop {
            let wanted = limit - keys.len();
            let (split, mut entries) = self.page(index, &place, wanted + 1, now).await?;
            let more = entries.len() > wanted;
            entries.truncate(wanted);
            if let (true, Some(last)) = (more, entries.last()) {
                place.after = Some(*last);
            }
            // The sign of a split is among the entries, and no record's key.
            keys.extend(entries.iter().filter(|(_, key)| *key != SIGN).map(|(_, key)| Key::from_bytes(key)));
            if more {
                return Ok(Page { keys, next: Some(place.cursor()) });
            }
            if place.part >= encode::PARTS || (place.part == 0 && !split) {
                return Ok(Page { keys, next: None });
            }
            place = Place { part: place.part + 1, after: None };
            if keys.len() >= limit {
                return Ok(Page { keys, next: Some(place.cursor()) });
            }
        }
    }

    async fn page(
        &self,
        index: &Index,
        place: &Place,
        limit: usize,
        now: UnixTime,
    ) -> Result<(bool, Vec<Entry>), StoreError> {
        let call = Call::new(&PAGE).key(encode::list_key(index, place.part)).number(encode::time(now)).number(limit);
        let call = match &place.after {
            Some((expiry, key)) => call.number(expiry).arg(sign_as_stored(key)),
            None => call.arg("").arg(""),
        };
        let answers = self.network.call(&call, None, true).await?;
        let read = answers.first().and_then(read_page);
        read.ok_or_else(|| Failure::sent("the server", Cause::Answer).into())
    }
}

/// What stands for the sign of a split among keys of 33 bytes: no kind of record has such a key, all of whose bytes are alike.
const SIGN: [u8; KEY] = [0xff; KEY];
/// The sign as it stands in the set.
pub(crate) const SIGN_STORED: &[u8] = b"split";

fn sign_as_stored(key: &[u8; KEY]) -> &[u8] {
    if *key == SIGN { SIGN_STORED } else { key }
}

fn read_page(answer: &Value) -> Option<(bool, Vec<Entry>)> {
    let Value::Array(parts) = answer else { return None };
    let [Value::Int(split), Value::Array(words)] = parts.as_slice() else { return None };
    let (pairs, []) = words.as_chunks::<2>() else { return None };
    let entry = |[member, score]: &[Value; 2]| {
        let (Value::BulkString(member), Value::BulkString(score)) = (member, score) else { return None };
        let score: f64 = std::str::from_utf8(score).ok()?.parse().ok()?;
        let key = if member == SIGN_STORED { SIGN } else { member.as_slice().try_into().ok()? };
        Some((millis(score)?, key))
    };
    Some((*split == 1, pairs.iter().map(entry).collect::<Option<_>>()?))
}

/// Scores are whole numbers that a double holds exactly.
fn millis(score: f64) -> Option<u64> {
    format!("{score:.0}").parse().ok()
}

impl Place {
    fn cursor(&self) -> Cursor {
        let mut bytes = vec![self.part];
        if let Some((expiry, key)) = &self.after {
            bytes.extend_from_slice(&expiry.to_be_bytes());
            bytes.extend_from_slice(key);
        }
        Cursor(Bytes::from(bytes))
    }

    fn read(cursor: &Cursor) -> Option<Self> {
        let (part, rest) = cursor.0.split_first()?;
        if *part > encode::PARTS {
            return None;
        }
        if rest.is_empty() {
            return Some(Self { part: *part, after: None });
        }
        let (expiry, key) = rest.split_first_chunk::<8>()?;
        let key: [u8; KEY] = key.try_into().ok()?;
        Some(Self { part: *part, after: Some((u64::from_be_bytes(*expiry), key)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_the_round_trip_and_others_are_refused() {
        for place in [Place { part: 0, after: None }, Place { part: 64, after: Some((encode::END, [7; KEY])) }] {
            let read = Place::read(&place.cursor()).unwrap();
            assert_eq!((read.part, read.after), (place.part, place.after));
        }
        for foreign in [&b""[..], &[65], &[0, 1], &[0; 41], &[0; 43]] {
            assert!(Place::read(&Cursor(Bytes::copy_from_slice(foreign))).is_none(), "{foreign:?}");
        }
    }

    #[test]
    fn a_score_is_a_whole_number() {
        assert_eq!(millis(1_800_000_000_123.0), Some(1_800_000_000_123));
        assert_eq!(millis(9_007_199_254_740_991.0), Some(encode::END));
        assert_eq!(millis(-1.0), None);
    }
}
