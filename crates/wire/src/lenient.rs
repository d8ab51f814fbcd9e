//! Reading what a sender writes otherwise than the documents have it: fields under other names, fields of odd types.
//!
//! Names are united in what both sides send. Odd types are forgiven only in what Zoom sends: a request with a wrong type
//! stays refused, since the simulator has to tell clients of it.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

use crate::extra::Extra;

/// Has a function put a type's object in order before it is read. The type derives both traits with `remote = "Self"`,
/// which makes them functions of its own, and gets the traits here. So read it by functions that ask for the trait, such as
/// `serde_json::from_value`: `deserialize` by the type's name is what has not been put in order.
macro_rules! in_order {
    ($name:ident, $put_in_order:expr) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let mut object = $crate::extra::Extra::deserialize(deserializer)?;
                let put_in_order: fn(&mut $crate::extra::Extra) = $put_in_order;
                put_in_order(&mut object);
                Self::deserialize(serde_json::Value::Object(object)).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use in_order;

/// Brings a field that has several names under the first of them.
///
/// If several are there, the first that can be read counts; the others stay where they are, like fields that nobody
/// knows. If none can be read, the first that is there at all counts, so that reading it says what is wrong.
pub(crate) fn unite<T: DeserializeOwned>(object: &mut Extra, names: &[&str]) {
    let value = |name: &str| object.get(name).filter(|value| !value.is_null());
    let can_be_read = |name: &str| value(name).is_some_and(|value| T::deserialize(value).is_ok());
    let counts =
        names.iter().find(|name| can_be_read(name)).or_else(|| names.iter().find(|name| value(name).is_some()));
    if let (Some(first), Some(counts)) = (names.first(), counts)
        && first != counts
        && let Some(value) = object.remove(*counts)
    {
        object.insert((*first).into(), value);
    }
}

/// Reads an optional field; one that cannot be read counts as absent.
pub(crate) fn optional<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Value::deserialize(deserializer).map(|value| read(&value))
}

/// Reads yes or no in whichever form: a boolean, 1 or 0, or one of these as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flag(pub(crate) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let said = value.as_bool().map(|yes| yes.to_string()).or_else(|| value.as_str().map(str::to_ascii_lowercase));
        match said.unwrap_or_else(|| value.to_string()).trim() {
            "true" | "1" => Ok(Self(true)),
            "false" | "0" => Ok(Self(false)),
            _ => Err(serde::de::Error::custom("neither yes nor no")),
        }
    }
}

/// Reads an optional [`Flag`]; one that cannot be read counts as absent.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(optional::<D, Flag>(deserializer)?.map(|Flag(yes)| yes))
}

/// Reads a field that may be null, which is as if it were absent.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a list without the entries that cannot be read; what is no list is an empty one.
pub(crate) fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(entries) => entries.iter().filter_map(read).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => Vec::new(),
    })
}

/// Reads an object of which no field is required, without the fields that cannot be read.
pub(crate) fn object<T: DeserializeOwned>(value: Option<Value>) -> Option<T> {
    let Some(Value::Object(fields)) = value else { return None };
    let reads = |name: &str, value: &Value| T::deserialize(Value::Object(one(name, value))).is_ok();
    let readable = fields.into_iter().filter_map(|(name, value)| {
        let value = if reads(&name, &value) { value } else { whole_number(&value)? };
        reads(&name, &value).then_some((name, value))
    });
    T::deserialize(Value::Object(readable.collect())).ok()
}

/// An object with one field.
pub(crate) fn one(name: &str, value: &Value) -> Extra {
    Extra::from_iter([(name.into(), value.clone())])
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok().or_else(|| T::deserialize(whole_number(value)?).ok())
}

/// The number that quoted digits are, or a float with nothing after its point. A whole number stays as it is.
pub(crate) fn whole_number(value: &Value) -> Option<Value> {
    let digits = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if !number.is_f64() => return Some(value.clone()),
        Value::Number(number) => number.as_f64().filter(|float| float.fract() == 0.0).map(|it| format!("{it:.0}"))?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    digits.parse::<i64>().ok().map(Value::from)
}
