//! From the tree of settings to types, by serde. An error carries the path and the place of the value that it is about.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor},
    forward_to_deserialize_any,
};

use crate::config::tree::{Entry, Origin, Value};

/// A value that does not fit.
#[derive(Clone, Debug)]
pub(super) struct Misfit {
    pub(super) fault: Fault,
    /// The keys and positions that lead to the value, the last one first.
    path: Vec<String>,
    /// The place that set it. None only before the error has left the value.
    pub(super) origin: Option<Origin>,
}

/// What does not fit.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// A table has a key that no setting has.
    UnknownKey { expected: &'static [&'static str] },
    /// Anything else, in words.
    Other(String),
}

impl Misfit {
    /// Returns the keys and positions that lead to the value.
    pub(super) fn path(&self) -> Vec<String> {
        self.path.iter().rev().cloned().collect()
    }

    fn of(fault: Fault) -> Self {
        Self { fault, path: Vec::new(), origin: None }
    }

    /// Called when the error leaves a value: the first one, which is the innermost, sets the place.
    fn leaving(mut self, entry: &Entry) -> Self {
        if self.origin.is_none() {
            // An unknown key is named by the path already, but the table reports it.
            let key = self.path.last().and_then(|key| entry.get([key.as_str()]));
            self.origin = Some(key.unwrap_or(entry).origin.clone());
        }
        self
    }

    fn below(mut self, step: &str) -> Self {
        self.path.push(step.into());
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            Fault::UnknownKey { .. } => f.write_str("there is no such setting"),
            Fault::Other(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self::of(Fault::Other(why.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("{found} does not fit: write {}", in_words(&expected.to_string())))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(word: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("`{word}` is none of the words that are known here: write {}", one_of(expected)))
    }

    fn unknown_field(key: &str, expected: &'static [&'static str]) -> Self {
        Self::of(Fault::UnknownKey { expected }).below(key)
    }

    fn missing_field(key: &'static str) -> Self {
        Self::custom(format_args!("`{key}` is missing here"))
    }
}

/// Words in backticks with "or" before the last.
pub(super) fn one_of(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => words.concat(),
    }
}

/// The names that serde has for what it expects, in words for people.
fn in_words(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not below 0",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "a boolean" => "true or false",
        "a string" | "string or map" | "path string" => "a text in quotes",
        "a duration" => "a duration, as in \"500ms\", \"20s\" or \"5m\"",
        "a sequence" => "a list in brackets",
        _ if expected.contains("struct ") || expected.contains("enum ") => "a table",
        _ => expected,
    }
}

impl<'de> Deserializer<'de> for &'de Entry {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let visited = match &self.value {
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::Integer(integer) => visitor.visit_i64(*integer),
            Value::Float(float) => visitor.visit_f64(*float),
            Value::Boolean(boolean) => visitor.visit_bool(*boolean),
            Value::List(list) => visitor.visit_seq(Elements(list.iter().enumerate())),
            Value::Table(table) => visitor.visit_map(Pairs { rest: table, value: None }),
        };
        visited.map_err(|misfit| misfit.leaving(self))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let Value::Text(word) = &self.value else { return self.deserialize_any(visitor) };
        visitor.visit_enum(word.as_str().into_deserializer()).map_err(|misfit: Misfit| misfit.leaving(self))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

struct Elements<'de>(std::iter::Enumerate<std::slice::Iter<'de, Entry>>);

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let Some((position, entry)) = self.0.next() else { return Ok(None) };
        seed.deserialize(entry).map(Some).map_err(|misfit| misfit.below(&position.to_string()))
    }
}

struct Pairs<'de> {
    rest: &'de [(String, Entry)],
    /// That of the key that was asked for last.
    value: Option<&'de (String, Entry)>,
}

impl<'de> MapAccess<'de> for Pairs<'de> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        let Some((pair, rest)) = self.rest.split_first() else { return Ok(None) };
        (self.rest, self.value) = (rest, Some(pair));
        seed.deserialize(pair.0.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let (key, entry) = self.value.take().ok_or_else(|| de::Error::custom("a value without a key"))?;
        seed.deserialize(entry).map_err(|misfit| misfit.below(key))
    }
}
