//! How keys, records and times are written.

use bytes::Bytes;
use countersign_primitives::UnixTime;
use countersign_storage_traits::{Counter, CounterKey, Index, Key, Kind, Record, SWEEP_MARGIN, Version};

/// All our keys begin so; an access list may say `~cs:*`.
pub(crate) const PREFIX: &str = "cs:";
/// Holds the number of the format.
pub(crate) const SCHEMA_KEY: &str = "cs:schema";
/// The newest format that this version knows.
pub(crate) const SCHEMA: u64 = 1;

/// The last millisecond that a script can tell from the next: numbers in Lua are doubles. Later times are the end of time.
pub(crate) const END: u64 = (1 << 53) - 1;

/// A record's version and expiry before its payload: 16 hexadecimal and 16 decimal digits.
pub(crate) const HEAD: usize = 32;

/// How many parts a large list is split into.
pub(crate) const PARTS: u8 = 64;

pub(crate) fn time(time: UnixTime) -> u64 {
    time.as_millis().min(END)
}

pub(crate) fn time_from(millis: u64) -> UnixTime {
    if millis >= END { UnixTime::MAX } else { UnixTime::from_millis(millis) }
}

/// When the server may drop what expires then; 0 for never.
pub(crate) fn rubbish_at(expiry: UnixTime) -> u64 {
    let margin = u64::try_from(SWEEP_MARGIN.as_millis()).unwrap_or(END);
    let at = time(expiry).saturating_add(margin);
    if at >= END { 0 } else { at }
}

pub(crate) fn version(version: Version) -> String {
    format!("{:016x}", version.number())
}

/// The partition is the hash tag: whatever one commit touches lies in one slot.
pub(crate) fn record_key(key: &Key) -> String {
    format!("{PREFIX}{{{}}}:{:02x}:{}", key.partition, key.kind.0, key.id)
}

pub(crate) fn counter_key(counter: CounterKey) -> String {
    format!("{PREFIX}c:{}", counter.0)
}

/// The whole of a small list (part 0), or one of the 64 parts of a large one.
pub(crate) fn list_key(index: &Index, part: u8) -> String {
    if part == 0 {
        format!("{PREFIX}i:{:02x}:{}", index.name, index.value)
    } else {
        format!("{PREFIX}i:{:02x}:{}:{part}", index.name, index.value)
    }
}

/// The part of a large list that a key belongs to, 1 to 64 (by FNV-1a).
pub(crate) fn part_of(key: &Key) -> u8 {
    let hash =
        key.to_bytes().iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let [.., last] = (hash ^ (hash >> 16)).to_be_bytes();
    last % PARTS + 1
}

/// The key of the record of this name.
pub(crate) fn key_of(name: &[u8]) -> Option<Key> {
    let rest = std::str::from_utf8(name).ok()?.strip_prefix(PREFIX)?.strip_prefix('{')?;
    let (partition, rest) = rest.split_once("}:")?;
    let (kind, id) = rest.split_once(':')?;
    let kind = Kind(u8::from_str_radix(kind, 16).ok()?);
    Some(Key::new(partition.parse().ok()?, kind, id.parse().ok()?))
}

/// The counter of this name.
pub(crate) fn counter_of(name: &[u8]) -> Option<CounterKey> {
    let id = std::str::from_utf8(name).ok()?.strip_prefix(PREFIX)?.strip_prefix("c:")?;
    Some(CounterKey(id.parse().ok()?))
}

/// The list of this name, whichever part of it.
pub(crate) fn index_of(name: &[u8]) -> Option<Index> {
    let rest = std::str::from_utf8(name).ok()?.strip_prefix(PREFIX)?.strip_prefix("i:")?;
    let (list, value) = rest.split_once(':')?;
    let value = value.split_once(':').map_or(value, |(value, _)| value);
    Some(Index { name: u8::from_str_radix(list, 16).ok()?, value: value.parse().ok()? })
}

/// What sort of thing a key of ours names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Record,
    Counter,
    List,
}

pub(crate) fn sort_of(key: &[u8]) -> Option<Sort> {
    let rest = key.strip_prefix(PREFIX.as_bytes())?;
    match rest {
        [b'{', ..] => Some(Sort::Record),
        [b'c', b':', ..] => Some(Sort::Counter),
        [b'i', b':', ..] => Some(Sort::List),
        _ => None,
    }
}

pub(crate) fn record(id: Version, expiry: UnixTime, payload: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEAD + payload.len());
    value.extend_from_slice(format!("{:016x}{:016}", id.number(), time(expiry)).as_bytes());
    value.extend_from_slice(payload);
    value
}

/// The record that [`record`] wrote, or what is wrong with it.
pub(crate) fn record_from(value: Vec<u8>) -> Result<Record, &'static str> {
    let value = Bytes::from(value);
    let head = value.get(..HEAD).and_then(|head| std::str::from_utf8(head).ok()).ok_or("a head is missing")?;
    let (version, expiry) = head.split_at_checked(16).ok_or("a head is missing")?;
    let version = u64::from_str_radix(version, 16).map_err(|_| "its version is no number")?;
    let expiry: u64 = expiry.parse().map_err(|_| "its expiry is no number")?;
    Ok(Record { version: Version::new(version), expires_at: time_from(expiry), payload: value.slice(HEAD..) })
}

/// A counter as the script of a charge writes it, without the ids of past charges.
pub(crate) fn counter(shows: Counter) -> String {
    format!("{:010}{:016}", shows.count, time(shows.resets_at))
}

/// The counter that a charge wrote.
pub(crate) fn counter_from(value: &[u8]) -> Option<Counter> {
    let head = std::str::from_utf8(value.get(..26)?).ok()?;
    let (count, resets_at) = head.split_at_checked(10)?;
    Some(Counter { count: count.parse().ok()?, resets_at: time_from(resets_at.parse().ok()?) })
}

#[cfg(test)]
mod tests {
    use countersign_primitives::Id;
    use countersign_storage_traits::Kind;

    use super::*;

    #[test]
    fn records_survive_the_round_trip() {
        for (version, expiry) in [(0, 0), (1, 1_800_000_000_000), (u64::MAX >> 1, END - 1)] {
            let (version, expiry) = (Version::new(version), UnixTime::from_millis(expiry));
            let read = record_from(record(version, expiry, b"\0\xff}")).unwrap();
            assert_eq!((read.version, read.expires_at, read.payload.as_ref()), (version, expiry, &b"\0\xff}"[..]));
        }
        assert_eq!(record_from(record(Version::new(1), UnixTime::MAX, b"")).unwrap().expires_at, UnixTime::MAX);
        for damaged in [&b""[..], b"short", b"000000000000000x0000000000000001", &[0xff; 40]] {
            assert!(record_from(damaged.to_vec()).is_err());
        }
    }

    #[test]
    fn keys_of_a_partition_share_their_tag() {
        let key = |id| Key::new(Id::from_bytes([7; 16]), Kind(200), Id::from_bytes([id; 16]));
        assert_eq!(record_key(&key(1)), "cs:{BwcHBwcHBwcHBwcHBwcHBw}:c8:AQEBAQEBAQEBAQEBAQEBAQ");
        assert_eq!(crate::slot::of(record_key(&key(1)).as_bytes()), crate::slot::of(record_key(&key(2)).as_bytes()));
        let parts: std::collections::BTreeSet<_> = (0..=255).map(|id| part_of(&key(id))).collect();
        assert!(parts.iter().all(|part| (1..=PARTS).contains(part)) && parts.len() > 16, "{parts:?}");
    }

    #[test]
    fn names_tell_what_they_name() {
        let key = Key::new(Id::from_bytes([0xfb; 16]), Kind(200), Id::from_bytes([3; 16]));
        assert_eq!(key_of(record_key(&key).as_bytes()), Some(key));
        let index = Index { name: 250, value: Id::from_bytes([0xff; 16]) };
        assert_eq!(index_of(list_key(&index, 0).as_bytes()), Some(index));
        assert_eq!(index_of(list_key(&index, 64).as_bytes()), Some(index));
        assert_eq!(counter_of(counter_key(CounterKey(key.id)).as_bytes()), Some(CounterKey(key.id)));
        for foreign in [&b"cs:schema"[..], b"cs:{x}:c8:y", b"cs:i:zz:AQEBAQEBAQEBAQEBAQEBAQ", b"other", b"cs:c:\xff"] {
            assert_eq!((key_of(foreign), index_of(foreign), counter_of(foreign)), (None, None, None), "{foreign:?}");
        }
    }

    #[test]
    fn counters_survive_the_round_trip() {
        for (count, resets_at) in [(0, 0), (u32::MAX, 1_800_000_000_000), (7, u64::MAX)] {
            let shows = Counter { count, resets_at: UnixTime::from_millis(resets_at) };
            assert_eq!(counter_from(format!("{}0123456789abcdef", counter(shows)).as_bytes()), Some(shows));
        }
        assert_eq!(counter_from(b"short"), None);
    }

    #[test]
    fn sorts_are_told_by_the_key() {
        let index = Index { name: 3, value: Id::from_bytes([1; 16]) };
        assert_eq!(sort_of(list_key(&index, 0).as_bytes()), Some(Sort::List));
        assert_eq!(sort_of(list_key(&index, 64).as_bytes()), Some(Sort::List));
        assert_eq!(sort_of(counter_key(CounterKey(index.value)).as_bytes()), Some(Sort::Counter));
        assert_eq!(sort_of(SCHEMA_KEY.as_bytes()), None);
        assert_eq!(sort_of(b"foreign"), None);
    }
}
