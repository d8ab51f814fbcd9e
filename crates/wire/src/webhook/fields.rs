//! Looking into a payload: every field may stand flat or under `object`, and ids may be numbers of any length.

use std::{borrow::Cow, collections::HashMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::time::UnixMillis;

/// The outer object. The order of keys is not fixed and anything may be missing.
pub(super) struct Envelope<'a> {
    pub(super) event: Option<&'a RawValue>,
    pub(super) event_ts: Option<&'a RawValue>,
    pub(super) payload: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Reads it; of a key that stands there twice the last counts.
    pub(super) fn read(json: &'a str) -> serde_json::Result<Self> {
        let members: HashMap<Key<'a>, &'a RawValue> = serde_json::from_str(json)?;
        let member = |name: &'static str| members.get(&Key(name.into())).copied();
        Ok(Self { event: member("event"), event_ts: member("event_ts"), payload: member("payload") })
    }
}

/// A payload's fields, flat and nested. Values stay raw, so that a number keeps all its digits.
pub(super) struct Fields<'a> {
    flat: Raw<'a>,
    object: Raw<'a>,
}

type Raw<'a> = HashMap<Cow<'a, str>, &'a RawValue>;

impl<'a> Fields<'a> {
    pub(super) fn new(payload: &'a str) -> Self {
        let flat = members(payload);
        let object = flat.get("object").map(|object| members(object.get())).unwrap_or_default();
        Self { flat, object }
    }

    /// The raw value, in `object` before `payload`. Null and empty text count as absent: no field means something by them,
    /// and two streams without an id are not one.
    pub(super) fn raw(&self, key: &str) -> Option<&'a RawValue> {
        let says_something = |raw: &&RawValue| !matches!(raw.get(), "null" | "\"\"");
        [&self.object, &self.flat].into_iter().find_map(|from| from.get(key).copied().filter(says_something))
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.raw(key).and_then(text_or_digits)
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.raw(key).and_then(number)
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.raw(key).and_then(|raw| serde_json::from_str(raw.get()).ok())
    }

    /// The fields of an object inside.
    pub(super) fn nested(&self, key: &str) -> Option<Fields<'a>> {
        self.raw(key).map(|raw| Fields::new(raw.get()))
    }

    /// The keys of a nested object or the elements of a list, whichever stands there.
    pub(super) fn elements(raw: &'a RawValue) -> Vec<&'a RawValue> {
        serde_json::from_str(raw.get()).unwrap_or_default()
    }
}

fn members(json: &str) -> Raw<'_> {
    // Anything but an object has no members.
    serde_json::from_str::<HashMap<Key<'_>, &RawValue>>(json)
        .map(|members| members.into_iter().map(|(key, value)| (key.0, value)).collect())
        .unwrap_or_default()
}

/// A key that borrows where it has no escapes; serde's own `Cow` always copies.
#[derive(Deserialize, PartialEq, Eq, Hash)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Text, if that is what it is.
pub(super) fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// A whole number, also in quotes, or written with a point or an exponent.
pub(super) fn number(raw: &RawValue) -> Option<u64> {
    /// Beyond this a float does not tell neighbours apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let exact = |float: &f64| float.fract() == 0.0 && (0.0..=EXACT).contains(float);
    let digits = text_or_digits(raw).and_then(|text| text.parse().ok());
    digits.or_else(|| raw.get().parse().ok().filter(exact).map(|float: f64| float as u64))
}

/// A time, however it is written.
pub(super) fn time(raw: &RawValue) -> Option<UnixMillis> {
    serde_json::from_str(raw.get()).ok().and_then(|value| UnixMillis::read(&value))
}

/// Text, or the digits of a number however long.
pub(super) fn text_or_digits(raw: &RawValue) -> Option<String> {
    let json = raw.get();
    if json.starts_with('"') {
        return text(raw);
    }
    let is_number = json.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    (is_number && !json.is_empty()).then(|| json.into())
}
