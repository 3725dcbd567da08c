//! JSON that strangers send: one object, each name once, no deeper and no larger than there is use for.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How deep a value may be nested: a key set is an object in an array in an object, and its keys may hold arrays.
const MAX_DEPTH: u8 = 6;

/// How many members and elements there may be in all.
const MAX_NODES: usize = 1_024;

/// Reads one JSON object that a stranger sent: each name once, no deeper than six and of at most 1,024 members. The body's size was
/// bounded before.
///
/// # Errors
/// When it is anything else.
pub fn read_object(bytes: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    let nodes = Cell::new(0);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0, nodes: &nodes }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(serde_json::Error::custom("not an object")),
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: u8,
    nodes: &'a Cell<usize>,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH { Err(E::custom("too deep")) } else { Ok(Self { depth: self.depth + 1, ..self }) }
    }

    fn count<E: serde::de::Error>(self) -> Result<(), E> {
        self.nodes.set(self.nodes.get() + 1);
        if self.nodes.get() > MAX_NODES { Err(E::custom("too many members")) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = elements.next_element_seed(inner)? {
            self.count()?;
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            self.count()?;
            if object.contains_key(&name) {
                return Err(A::Error::custom("a member stands there twice"));
            }
            object.insert(name, members.next_value_seed(inner)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promise_7_only_one_object_of_bounded_size_with_unique_names_is_read() {
        for good in [r#"{}"#, r#"{"a":[1,{"b":null,"c":-1.5}],"d":true,"e":"\u00e4"}"#] {
            assert_eq!(
                Value::Object(read_object(good.as_bytes()).unwrap()),
                serde_json::from_str::<Value>(good).unwrap()
            );
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(6), "]".repeat(6));
        let wide = format!("{{\"a\":[{}1]}}", "1,".repeat(MAX_NODES));
        let far = format!("{{\"a\":{}", "[".repeat(60_000));
        for bad in
            ["", "[]", "1", "null", "{", "{} {}", r#"{"a":1,"a":1}"#, r#"{"b":{"a":1,"\u0061":2}}"#, &deep, &wide, &far]
        {
            assert!(read_object(bad.as_bytes()).is_err(), "{}", &bad[..bad.len().min(40)]);
        }
        assert!(read_object(b"{\"a\":\"\xff\"}").is_err());
    }
}
