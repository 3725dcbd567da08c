//! CBOR as CTAP2 restricts it (WebAuthn 3 §4, "CTAP2 canonical CBOR encoding form"), read without copying.
//!
//! Nothing is allocated, whatever the input claims: an item borrows from the message, and a container is walked once to see
//! that it is whole. Lengths in their shortest form, no indefinite lengths, no tags, no key twice, and a bounded depth. The one
//! rule that is not enforced is the order of keys: clients put the outer object together, and some sort it their own way.

use crate::refusal::refusals;

/// Containers within containers, the outermost counted. A compound attestation needs five.
pub(crate) const MAX_DEPTH: u8 = 6;

/// Members of one map or elements of one array. The longest structure in the specification, a certificate chain, has about five.
pub(crate) const MAX_ENTRIES: usize = 64;

refusals! {
    /// Why bytes are not the CBOR that CTAP2 allows.
    CborError as "cbor" {
        /// It ends in the middle of an item.
        Truncated = "truncated": "the CBOR ends in the middle of an item",
        /// There is something after the item that was asked for.
        TrailingBytes = "trailing_bytes": "there are bytes after the end of the CBOR item",
        /// A length or number is not in its shortest form.
        NotMinimal = "not_minimal": "a CBOR length or number is not in its shortest form",
        /// An indefinite length.
        IndefiniteLength = "indefinite_length": "CBOR of indefinite length is not allowed",
        /// A tag, which CTAP2 forbids.
        Tag = "tag": "CBOR tags are not allowed",
        /// A simple value other than false, true, null and numbers.
        SimpleValue = "simple_value": "a CBOR simple value that is not allowed",
        /// Containers nested too deep.
        TooDeep = "too_deep": "CBOR is nested too deep",
        /// Too many members or elements.
        TooMany = "too_many": "a CBOR map or array has too many entries",
        /// A key that occurs twice in a map.
        DuplicateKey = "duplicate_key": "a CBOR map has a key twice",
        /// A text that is not UTF-8.
        NotUtf8 = "not_utf8": "a CBOR text is not UTF-8",
        /// A number outside of the range of 64 bits with sign.
        OutOfRange = "out_of_range": "a CBOR number is out of range",
        /// Another type than the structure has in this place.
        Type = "type": "a CBOR item is of another type than expected",
    }
}

/// One item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Array(Array<'a>),
    Map(Map<'a>),
    Bool(bool),
    Null,
    /// A floating-point number, which no structure here reads.
    Float,
}

impl<'a> Value<'a> {
    /// The one item that `bytes` are.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, CborError> {
        let (value, rest) = Self::read_first(bytes)?;
        if rest.is_empty() { Ok(value) } else { Err(CborError::TrailingBytes) }
    }

    /// The first item of `bytes`, and what comes after it.
    pub(crate) fn read_first(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), CborError> {
        item(bytes, MAX_DEPTH)
    }

    pub(crate) fn int(self) -> Result<i64, CborError> {
        if let Self::Int(number) = self { Ok(number) } else { Err(CborError::Type) }
    }

    pub(crate) fn bytes(self) -> Result<&'a [u8], CborError> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(CborError::Type) }
    }

    pub(crate) fn text(self) -> Result<&'a str, CborError> {
        if let Self::Text(text) = self { Ok(text) } else { Err(CborError::Type) }
    }

    pub(crate) fn array(self) -> Result<Array<'a>, CborError> {
        if let Self::Array(array) = self { Ok(array) } else { Err(CborError::Type) }
    }

    pub(crate) fn map(self) -> Result<Map<'a>, CborError> {
        if let Self::Map(map) = self { Ok(map) } else { Err(CborError::Type) }
    }
}

/// The elements of an array, known to be whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Array<'a> {
    len: u64,
    content: &'a [u8],
}

impl<'a> Array<'a> {
    pub(crate) const fn len(self) -> u64 {
        self.len
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Value<'a>> {
        let mut rest = self.content;
        std::iter::from_fn(move || next(&mut rest))
    }
}

/// The members of a map, known to be whole and to have no key twice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Map<'a> {
    len: u64,
    content: &'a [u8],
}

impl<'a> Map<'a> {
    pub(crate) const fn is_empty(self) -> bool {
        self.len == 0
    }

    pub(crate) const fn len(self) -> u64 {
        self.len
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> {
        let mut rest = self.content;
        std::iter::from_fn(move || Some((next(&mut rest)?, next(&mut rest)?)))
    }

    /// The member of this name.
    pub(crate) fn text_key(self, name: &str) -> Option<Value<'a>> {
        self.iter().find(|(key, _)| *key == Value::Text(name)).map(|(_, value)| value)
    }
}

/// The next item of content that has been walked before; nothing at its end.
fn next<'a>(rest: &mut &'a [u8]) -> Option<Value<'a>> {
    let (value, after) = item(rest, MAX_DEPTH).ok()?;
    *rest = after;
    Some(value)
}

fn item(bytes: &[u8], depth: u8) -> Result<(Value<'_>, &[u8]), CborError> {
    let (&initial, rest) = bytes.split_first().ok_or(CborError::Truncated)?;
    let (major, info) = (initial >> 5, initial & 0x1f);
    if major == 7 {
        return simple(info, rest);
    }
    let (argument, rest) = argument(info, rest)?;
    match major {
        0 => Ok((Value::Int(i64::try_from(argument).map_err(|_| CborError::OutOfRange)?), rest)),
        1 => Ok((Value::Int(-1 - i64::try_from(argument).map_err(|_| CborError::OutOfRange)?), rest)),
        2 => string(argument, rest).map(|(bytes, rest)| (Value::Bytes(bytes), rest)),
        3 => {
            let (bytes, rest) = string(argument, rest)?;
            let text = std::str::from_utf8(bytes).map_err(|_| CborError::NotUtf8)?;
            Ok((Value::Text(text), rest))
        }
        4 => {
            let (content, rest) = elements(argument, rest, depth)?;
            Ok((Value::Array(Array { len: argument, content }), rest))
        }
        5 => {
            let (content, rest) = members(argument, rest, depth)?;
            Ok((Value::Map(Map { len: argument, content }), rest))
        }
        _ => Err(CborError::Tag),
    }
}

/// The number in or after the initial byte, in its shortest form.
fn argument(info: u8, rest: &[u8]) -> Result<(u64, &[u8]), CborError> {
    let (width, least) = match info {
        0..24 => return Ok((u64::from(info), rest)),
        24 => (1, 24),
        25 => (2, 1 << 8),
        26 => (4, 1 << 16),
        27 => (8, 1 << 32),
        31 => return Err(CborError::IndefiniteLength),
        _ => return Err(CborError::NotMinimal),
    };
    let (digits, rest) = rest.split_at_checked(width).ok_or(CborError::Truncated)?;
    let number = digits.iter().fold(0, |number, digit| number << 8 | u64::from(*digit));
    if number < least { Err(CborError::NotMinimal) } else { Ok((number, rest)) }
}

fn string(len: u64, rest: &[u8]) -> Result<(&[u8], &[u8]), CborError> {
    let len = usize::try_from(len).map_err(|_| CborError::Truncated)?;
    rest.split_at_checked(len).ok_or(CborError::Truncated)
}

fn simple(info: u8, rest: &[u8]) -> Result<(Value<'_>, &[u8]), CborError> {
    let float = |width| match rest.split_at_checked(width) {
        Some((_, rest)) => Ok((Value::Float, rest)),
        None => Err(CborError::Truncated),
    };
    match info {
        20 => Ok((Value::Bool(false), rest)),
        21 => Ok((Value::Bool(true), rest)),
        22 => Ok((Value::Null, rest)),
        25 => float(2),
        26 => float(4),
        27 => float(8),
        31 => Err(CborError::IndefiniteLength),
        _ => Err(CborError::SimpleValue),
    }
}

/// Walks `len` elements; their bytes, and what follows.
fn elements(len: u64, all: &[u8], depth: u8) -> Result<(&[u8], &[u8]), CborError> {
    let depth = within(len, depth)?;
    let mut rest = all;
    for _ in 0..len {
        rest = item(rest, depth)?.1;
    }
    Ok(all.split_at(all.len() - rest.len()))
}

/// Walks `len` members; their bytes, and what follows.
fn members(len: u64, all: &[u8], depth: u8) -> Result<(&[u8], &[u8]), CborError> {
    let depth = within(len, depth)?;
    let mut rest = all;
    // Equal keys have equal bytes, since there is one encoding of each; 64 entries at most make this at most 2016 comparisons.
    let mut keys: [&[u8]; MAX_ENTRIES] = [&[]; MAX_ENTRIES];
    for index in 0..usize::try_from(len).map_err(|_| CborError::TooMany)? {
        let after = item(rest, depth)?.1;
        let key = &rest[..rest.len() - after.len()];
        if keys[..index].contains(&key) {
            return Err(CborError::DuplicateKey);
        }
        keys[index] = key;
        rest = item(after, depth)?.1;
    }
    Ok(all.split_at(all.len() - rest.len()))
}

const fn within(len: u64, depth: u8) -> Result<u8, CborError> {
    if len > MAX_ENTRIES as u64 {
        return Err(CborError::TooMany);
    }
    match depth.checked_sub(1) {
        Some(depth) => Ok(depth),
        None => Err(CborError::TooDeep),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> CborError {
        Value::read(bytes).unwrap_err()
    }

    #[test]
    fn webauthn_4_what_ctap2_allows_is_read() {
        assert_eq!(Value::read(&[0x17]), Ok(Value::Int(23)));
        assert_eq!(Value::read(&[0x18, 0x18]), Ok(Value::Int(24)));
        assert_eq!(Value::read(&[0x39, 0x01, 0x00]), Ok(Value::Int(-257)));
        assert_eq!(Value::read(&[0x3b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Ok(Value::Int(i64::MIN)));
        assert_eq!(Value::read(&[0x42, 1, 2]), Ok(Value::Bytes(&[1, 2])));
        assert_eq!(Value::read(&[0x62, b'h', b'i']), Ok(Value::Text("hi")));
        assert_eq!(Value::read(&[0xf5]), Ok(Value::Bool(true)));
        assert_eq!(Value::read(&[0xf9, 0x3c, 0x00]), Ok(Value::Float));
        let map = Value::read(&[0xa2, 0x61, b'a', 0x82, 1, 2, 0x61, b'b', 0xf6]).unwrap().map().unwrap();
        assert_eq!(
            map.text_key("a").unwrap().array().unwrap().iter().collect::<Vec<_>>(),
            [Value::Int(1), Value::Int(2)]
        );
        assert_eq!(map.text_key("b"), Some(Value::Null));
        assert_eq!(map.text_key("c"), None);
    }

    #[test]
    fn m15_trailing_bytes_are_refused() {
        assert_eq!(refused(&[0x01, 0x00]), CborError::TrailingBytes);
        assert_eq!(Value::read_first(&[0x01, 0x00]).unwrap().1, [0x00], "where more is expected, it is handed on");
    }

    #[test]
    fn m15_duplicate_keys_are_refused_at_every_depth() {
        assert_eq!(refused(&[0xa2, 1, 1, 1, 2]), CborError::DuplicateKey);
        assert_eq!(refused(&[0xa1, 1, 0xa2, 0x61, b'a', 1, 0x61, b'a', 2]), CborError::DuplicateKey);
    }

    #[test]
    fn m15_lengths_are_definite_and_minimal() {
        for indefinite in [&[0x5f, 0x41, 1, 0xff][..], &[0x9f, 1, 0xff], &[0xbf, 0xff], &[0x7f, 0xff], &[0xff]] {
            assert_eq!(refused(indefinite), CborError::IndefiniteLength, "{indefinite:02x?}");
        }
        for long in [
            &[0x18, 0x17][..],
            &[0x19, 0x00, 0xff],
            &[0x1a, 0, 0, 0xff, 0xff],
            &[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
            &[0x58, 0x01, 0x00],
            &[0xb8, 0x00],
            &[0x1c],
        ] {
            assert_eq!(refused(long), CborError::NotMinimal, "{long:02x?}");
        }
    }

    #[test]
    fn m15_truncation_is_refused_wherever_it_cuts() {
        let whole = [0xa2, 0x61, b'a', 0x42, 1, 2, 0x19, 0x01, 0x00, 0x82, 0xf5, 0x20];
        assert!(Value::read(&whole).is_ok());
        for cut in 0..whole.len() {
            assert_eq!(refused(&whole[..cut]), CborError::Truncated, "{cut}");
        }
    }

    #[test]
    fn promise_7_depth_and_counts_are_bounded_before_anything_is_kept() {
        let nested = |depth: usize| [vec![0x81; depth], vec![0]].concat();
        assert!(Value::read(&nested(usize::from(MAX_DEPTH))).is_ok());
        assert_eq!(refused(&nested(usize::from(MAX_DEPTH) + 1)), CborError::TooDeep);
        assert_eq!(refused(&nested(100_000)), CborError::TooDeep);
        assert_eq!(refused(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), CborError::TooMany);
        assert_eq!(refused(&[0xb8, 65]), CborError::TooMany);
        assert_eq!(refused(&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), CborError::Truncated);
    }

    #[test]
    fn tags_odd_simple_values_bad_text_and_large_numbers_are_refused() {
        assert_eq!(refused(&[0xc0, 0x60]), CborError::Tag);
        assert_eq!(refused(&[0xf7]), CborError::SimpleValue);
        assert_eq!(refused(&[0xf8, 0xff]), CborError::SimpleValue);
        assert_eq!(refused(&[0x61, 0xff]), CborError::NotUtf8);
        assert_eq!(refused(&[0x1b, 0x80, 0, 0, 0, 0, 0, 0, 0]), CborError::OutOfRange);
        assert_eq!(refused(&[0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0]), CborError::OutOfRange);
    }

    #[test]
    fn every_accessor_tells_another_type() {
        let null = Value::Null;
        assert_eq!(null.int(), Err(CborError::Type));
        assert_eq!(null.bytes(), Err(CborError::Type));
        assert_eq!(null.text(), Err(CborError::Type));
        assert_eq!(null.array(), Err(CborError::Type));
        assert_eq!(null.map(), Err(CborError::Type));
    }
}
