//! How keys, times and lists are written: the same in every dialect.

use countersign_primitives::{Id, UnixTime};
use countersign_storage_traits::{CounterKey, Cursor, Index, Key, Part, StoreError, Version};

/// Times beyond what a signed column holds are the end of time.
pub(crate) fn time(time: UnixTime) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn time_from(column: i64) -> UnixTime {
    match u64::try_from(column) {
        Ok(millis) if column < i64::MAX => UnixTime::from_millis(millis),
        Ok(_) => UnixTime::MAX,
        Err(_) => UnixTime::default(),
    }
}

pub(crate) fn version(version: Version) -> i64 {
    i64::try_from(version.number()).unwrap_or(i64::MAX) // always below 2^63
}

pub(crate) fn version_from(column: i64) -> Version {
    Version::new(column.unsigned_abs())
}

pub(crate) fn key_from(column: &[u8]) -> Option<Key> {
    column.try_into().ok().map(Key::from_bytes)
}

/// The key that a cursor of a walk stands for; none for the beginning.
pub(crate) fn place(after: Option<&Cursor>, length: usize) -> Result<&[u8], StoreError> {
    match after {
        None => Ok(&[]),
        Some(cursor) if cursor.0.len() == length => Ok(&cursor.0),
        Some(_) => Err(StoreError::Cursor),
    }
}

/// How long the keys of a part are.
pub(crate) fn key_length(part: Part) -> usize {
    if part == Part::Counters { 16 } else { 33 }
}

pub(crate) fn counter_from(column: &[u8]) -> Option<CounterKey> {
    column.try_into().ok().map(|bytes| CounterKey(Id::from_bytes(bytes)))
}

/// One list takes a byte for its name and sixteen for its value.
pub(crate) const LIST: usize = 17;

pub(crate) fn lists(indexes: &[Index]) -> Vec<u8> {
    let mut column = Vec::with_capacity(indexes.len() * LIST);
    for index in indexes {
        column.push(index.name);
        column.extend_from_slice(index.value.as_bytes());
    }
    column
}

pub(crate) fn lists_from(column: &[u8]) -> Vec<Index> {
    let (lists, _) = column.as_chunks::<LIST>();
    lists
        .iter()
        .map(|list| {
            let mut value = [0; 16];
            value.copy_from_slice(&list[1..]);
            Index { name: list[0], value: Id::from_bytes(value) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_versions_survive_the_round_trip() {
        for millis in [0, 1, 1_800_000_000_000, i64::MAX as u64 - 1] {
            assert_eq!(time_from(time(UnixTime::from_millis(millis))), UnixTime::from_millis(millis));
        }
        assert_eq!(time_from(time(UnixTime::MAX)), UnixTime::MAX);
        for number in [0, 1, u64::MAX >> 1] {
            assert_eq!(version_from(version(Version::new(number))), Version::new(number));
        }
    }

    #[test]
    fn lists_survive_the_round_trip() {
        let indexes: Vec<_> = (0..4).map(|name| Index { name, value: Id::from_bytes([name + 9; 16]) }).collect();
        assert_eq!(lists_from(&lists(&indexes)), indexes);
        assert!(lists_from(&[]).is_empty());
    }
}
