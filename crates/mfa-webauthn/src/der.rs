//! DER (ITU-T X.690 §10), as little of it as attestations need: tags, lengths in their one form, and nothing after the end.

/// A tag: its class and form as they stand in the identifier octet, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag {
    class: u8,
    number: u32,
}

pub(crate) const INTEGER: Tag = Tag { class: 0x00, number: 2 };
pub(crate) const BIT_STRING: Tag = Tag { class: 0x00, number: 3 };
pub(crate) const OCTET_STRING: Tag = Tag { class: 0x00, number: 4 };
pub(crate) const OBJECT_IDENTIFIER: Tag = Tag { class: 0x00, number: 6 };
pub(crate) const ENUMERATED: Tag = Tag { class: 0x00, number: 10 };
pub(crate) const SEQUENCE: Tag = Tag { class: 0x20, number: 16 };
pub(crate) const SET: Tag = Tag { class: 0x20, number: 17 };

/// An explicit tag of the context.
pub(crate) const fn context(number: u32) -> Tag {
    Tag { class: 0xa0, number }
}

/// Content that is read from its front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left.
    pub(crate) const fn content(&self) -> &'a [u8] {
        self.0
    }

    /// The next element, whatever it is.
    pub(crate) fn next(&mut self) -> Option<(Tag, Self)> {
        let (tag, rest) = tag(self.0)?;
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, Self(content)))
    }

    /// The next element, if it has this tag.
    pub(crate) fn take(&mut self, expected: Tag) -> Option<Self> {
        let mut ahead = *self;
        let (tag, content) = ahead.next()?;
        (tag == expected).then(|| {
            *self = ahead;
            content
        })
    }

    /// The one element that this is, if it has this tag.
    pub(crate) fn only(mut self, expected: Tag) -> Option<Self> {
        let content = self.take(expected)?;
        self.is_empty().then_some(content)
    }

    /// The next element as an integer that is not negative and fits.
    pub(crate) fn take_unsigned(&mut self, tag: Tag) -> Option<u64> {
        let bytes = self.take(tag)?.0;
        let minimal = !matches!(bytes, [0, second, ..] if *second < 0x80);
        let fits = matches!(bytes.len(), 1..=8) || bytes.len() == 9 && bytes[0] == 0;
        let natural = bytes.first().is_some_and(|first| *first < 0x80);
        (minimal && fits && natural).then(|| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

fn tag(bytes: &[u8]) -> Option<(Tag, &[u8])> {
    let (&first, mut rest) = bytes.split_first()?;
    let class = first & 0xe0;
    if first & 0x1f != 0x1f {
        return Some((Tag { class, number: u32::from(first & 0x1f) }, rest));
    }
    let mut number = 0_u32;
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        if number == 0 && byte == 0x80 || number > 0xffff {
            return None; // not minimal, or larger than any that is known
        }
        number = number << 7 | u32::from(byte & 0x7f);
        if byte < 0x80 {
            return (number >= 0x1f).then_some((Tag { class, number }, rest));
        }
    }
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((usize::from(first), rest));
    }
    let count = usize::from(first & 0x7f);
    if !(1..=3).contains(&count) {
        return None; // indefinite, or longer than any message
    }
    let (digits, rest) = rest.split_at_checked(count)?;
    let length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
    (digits[0] != 0 && length >= 0x80).then_some((length, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_in_their_one_form() {
        let mut reader = Reader::new(&[0x02, 1, 5, 0x30, 0, 0xbf, 0x84, 0x58, 2, 5, 0]);
        assert_eq!(reader.take(SEQUENCE), None, "another tag is left where it is");
        assert_eq!(reader.take_unsigned(INTEGER), Some(5));
        assert!(reader.take(SEQUENCE).unwrap().is_empty());
        assert_eq!(reader.next(), Some((context(600), Reader(&[5, 0]))));
        assert!(reader.is_empty() && reader.next().is_none());
        for bad in [
            &[0x30][..],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x81, 1, 0],
            &[0x30, 0x82, 0, 0x80],
            &[0x30, 2, 0],
            &[0x30, 0x84, 0, 0, 0, 1, 0],
            &[0xbf, 0x80, 0x58, 0],
            &[0xbf, 0x1e, 0],
            &[0xbf, 0xff, 0xff, 0xff, 0xff, 0x7f, 0],
        ] {
            assert_eq!(Reader::new(bad).next(), None, "{bad:02x?}");
        }
    }

    #[test]
    fn integers_are_natural_and_minimal() {
        let read = |bytes: &[u8]| Reader::new(bytes).take_unsigned(INTEGER);
        assert_eq!(read(&[2, 1, 0]), Some(0));
        assert_eq!(read(&[2, 2, 0, 0x80]), Some(0x80));
        assert_eq!(read(&[2, 9, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Some(u64::MAX));
        for bad in [&[2, 0][..], &[2, 1, 0x80], &[2, 2, 0, 1], &[2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(read(bad), None, "{bad:02x?}");
        }
    }
}
