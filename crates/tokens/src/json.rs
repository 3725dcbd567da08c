//! JSON whose member names are unique, at every depth.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Why a text is not an object with unique names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectError {
    Malformed,
    Duplicate,
}

/// Checks that `bytes` are one JSON object, nothing after it, and no name twice in any object (RFC 7519 §4, RFC 7515 §4).
pub(crate) fn check_object(bytes: &[u8]) -> Result<(), ObjectError> {
    let duplicate = Cell::new(false);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = deserializer.deserialize_map(Unique { duplicate: &duplicate }).and_then(|()| deserializer.end());
    match read {
        Ok(()) => Ok(()),
        Err(_) if duplicate.get() => Err(ObjectError::Duplicate),
        Err(_) => Err(ObjectError::Malformed),
    }
}

/// Reads any value and keeps nothing of it but whether a name came twice. serde_json bounds the depth.
#[derive(Clone, Copy)]
struct Unique<'a> {
    duplicate: &'a Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON with unique member names")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names: Vec<Cow<'de, str>> = Vec::new();
        while let Some(Text(name)) = members.next_key()? {
            if names.capacity() == 0 {
                names.reserve(16);
            }
            names.push(name);
            members.next_value_seed(self)?;
        }
        // Sorted first, so that a thousand names cost no million comparisons.
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            self.duplicate.set(true);
            return Err(A::Error::custom("duplicate member"));
        }
        Ok(())
    }
}

/// A string that is borrowed from the input where that has no escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// A member that is there: `null` is no way to leave one out.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Only that a member is there, whatever its value.
pub(crate) fn is_present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7519_4_names_are_unique_at_every_depth() {
        for good in [r#"{}"#, r#"{"a":1,"b":{"a":[{"a":null},{"a":1.5e3}]}}"#, " {\"a\":true}\n"] {
            assert_eq!(check_object(good.as_bytes()), Ok(()), "{good}");
        }
        for bad in
            [r#"{"a":1,"a":1}"#, r#"{"b":{"a":1,"c":2,"a":3}}"#, r#"{"b":[{"a":1,"a":2}]}"#, r#"{"a":1,"\u0061":2}"#]
        {
            assert_eq!(check_object(bad.as_bytes()), Err(ObjectError::Duplicate), "{bad}");
        }
    }

    #[test]
    fn rfc7519_7_2_only_one_whole_object_is_read() {
        for bad in ["", "[]", "1", "null", "\"a\"", "{", "{}{}", "{} x", "{'a':1}", "{\"a\":01}", "\u{feff}{}"] {
            assert_eq!(check_object(bad.as_bytes()), Err(ObjectError::Malformed), "{bad}");
        }
        assert_eq!(check_object(b"{\"a\":\"\xff\"}"), Err(ObjectError::Malformed));
    }

    #[test]
    fn promise_7_depth_is_bounded() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(check_object(deep.as_bytes()), Err(ObjectError::Malformed));
    }
}
