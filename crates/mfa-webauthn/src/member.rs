//! Members that clients write in more than one way.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{CowStrDeserializer, Error};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::options::Transport;

/// A member of the browser's answer: text, or what else the client's serialiser made of it, which is walked and takes no room.
pub(crate) enum Member<'a> {
    Text(Cow<'a, str>),
    /// A list. Of its names those of transports are kept, each once.
    List(Vec<Transport>),
    Other,
}

impl Member<'_> {
    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The value of this name; nothing if it is no text, or not known.
    pub(crate) fn named<'de, T: Deserialize<'de>>(&'de self) -> Option<T> {
        T::deserialize(CowStrDeserializer::<Error>::new(Cow::Borrowed(self.text()?))).ok()
    }

    /// The transports of a list, in order; none of anything else, since they are hints.
    pub(crate) fn into_transports(self) -> Vec<Transport> {
        let Self::List(mut transports) = self else { return Vec::new() };
        transports.sort_unstable();
        transports
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Member<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Member<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Member<'de>, E> {
        Ok(Member::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Member<'de>, E> {
        Ok(Member::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Member<'de>, E> {
        Ok(Member::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Member<'de>, E> {
        Ok(Member::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Member<'de>, E> {
        Ok(Member::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Member<'de>, E> {
        Ok(Member::Other)
    }

    fn visit_unit<E>(self) -> Result<Member<'de>, E> {
        Ok(Member::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Member<'de>, A::Error> {
        let mut transports = Vec::new();
        while let Some(member) = list.next_element::<Member<'_>>()? {
            if let Some(transport) = member.named().filter(|transport| !transports.contains(transport)) {
                transports.push(transport);
            }
        }
        Ok(Member::List(transports))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Member<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Member::Other)
    }
}
