//! Points in time as Zoom writes them: whole numbers since the Unix epoch, mostly in milliseconds.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::extra::{APART, Extra};

/// A point in time in **milliseconds** since the Unix epoch, the unit of every `timestamp` and `event_ts` of Zoom.
///
/// The clock behind it is whoever's wrote it: Zoom's server for what comes from Zoom, ours for what we write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The first moment that counts as a time: September 2001, where Unix seconds get their tenth digit.
    const FIRST: u64 = 1_000_000_000_000;

    /// The first moment that does not: the year 2286, where they get their eleventh.
    const BEYOND: u64 = 10 * Self::FIRST;

    /// Reads a number by its magnitude: seconds, milliseconds, microseconds or nanoseconds of the years 2001 to 2286.
    ///
    /// The four ranges do not touch. None for any other number, such as 0 or a time since the start of a stream.
    pub fn from_magnitude(value: u64) -> Option<Self> {
        // A number of nanoseconds is found first by its microseconds, and so on.
        let [millis, micros, nanos] = [value, value / 1_000, value / 1_000_000].map(Self);
        [nanos, micros, millis, Self(value.saturating_mul(1_000))].into_iter().find(|time| time.is_plausible())
    }

    /// Reads a time as Zoom or a sender like it may write it: a number in any of the units of [`Self::from_magnitude`],
    /// with a fraction or without, the same as text, or an RFC 3339 date.
    ///
    /// None for what is no time. Basis: observed (microseconds in messages 6 and 17, seconds in message 20); the rest is
    /// what programs like Zoom's are seen to send.
    pub fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_u64().map_or_else(|| by_float(number.as_f64()?), Self::from_magnitude),
            Value::String(text) => {
                let text = text.trim();
                let whole = text.parse().ok().map(Self::from_magnitude);
                whole.unwrap_or_else(|| text.parse().map_or_else(|_| by_date(text), by_float))
            }
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Whether it can be meant as a time: a moment of the years 2001 to 2286.
    pub fn is_plausible(self) -> bool {
        (Self::FIRST..Self::BEYOND).contains(&self.0)
    }

    /// The time so long after the epoch, as a system's clock gives it.
    pub fn since_epoch(time: Duration) -> Self {
        Self(millis(time))
    }

    /// The whole seconds, as `x-zm-request-timestamp` wants them.
    pub fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// How much later `self` is than `earlier`; zero if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for UnixMillis {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(millis(later)))
    }
}

impl std::fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The whole milliseconds of a duration; of one that is longer than anything, as many as there can be.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What the key of a time gets when its value is kept beside the time that was read from it.
const AS_SENT: &str = "_as_sent";

/// Whether a field of this name is a time as it was sent.
pub fn is_as_sent(name: &str) -> bool {
    name.ends_with(AS_SENT) && !name.starts_with(APART)
}

/// Puts the times of an object in order: each becomes whole milliseconds, or goes if it is no time.
///
/// A value that was not these milliseconds, in quotes or not, stays beside it under the same name with `_as_sent`; null is as
/// if there were none.
pub(crate) fn settle(fields: &mut Extra, names: &[&str]) {
    for name in names {
        let Some(value) = fields.get(*name) else { continue };
        if value.is_null() {
            fields.remove(*name);
            continue;
        }
        let read = UnixMillis::read(value);
        if read.is_some() && read.map(|time| time.0) == value.as_u64() {
            continue;
        }
        let is_quoted = read.is_some_and(|time| value.as_str() == Some(time.to_string().as_str()));
        if let Some(value) = fields.remove(*name).filter(|_| !is_quoted) {
            fields.insert(format!("{name}{AS_SENT}"), value);
        }
        if let Some(time) = read {
            fields.insert((*name).into(), time.0.into());
        }
    }
}

fn by_float(value: f64) -> Option<UnixMillis> {
    // The limits of the four ranges are exact as floats, and what is below them is not rounded up to them.
    let in_unit = |scale: f64| {
        let millis = (value * scale).floor();
        (UnixMillis::FIRST as f64..UnixMillis::BEYOND as f64).contains(&millis).then_some(UnixMillis(millis as u64))
    };
    [1e3, 1.0, 1e-3, 1e-6].into_iter().find_map(in_unit)
}

/// Reads `2026-11-28T19:50:21.250Z`, with a space for the `T`, without a fraction, with an offset, or with none for UTC.
fn by_date(text: &str) -> Option<UnixMillis> {
    let (date, clock) = text.split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-').map(digits);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (clock, offset_minutes) = match clock.find(['Z', 'z', '+', '-']) {
        None => (clock, 0),
        Some(at) => (clock.get(..at)?, offset(clock.get(at..)?)?),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut clock = clock.splitn(3, ':').map(digits);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next().unwrap_or(Some(0))?);
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !in_range || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis = fraction.bytes().chain(*b"000").take(3).fold(0, |number, digit| 10 * number + i64::from(digit - b'0'));
    let minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute - offset_minutes;
    let time = UnixMillis(u64::try_from((minutes * 60 + second) * 1_000 + millis).ok()?);
    time.is_plausible().then_some(time)
}

fn digits(text: &str) -> Option<i64> {
    let are_few_digits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    are_few_digits.then(|| text.parse().ok())?
}

/// Minutes that a zone is ahead of UTC: of `Z`, `+02:00` or `-0330`.
fn offset(zone: &str) -> Option<i64> {
    let (sign, zone) = match zone.split_at_checked(1)? {
        ("+", zone) => (1, zone),
        ("-", zone) => (-1, zone),
        (_, "") => return Some(0),
        _ => return None,
    };
    let (hours, minutes) = zone.split_once(':').or_else(|| zone.split_at_checked(2))?;
    let minutes = if minutes.is_empty() { 0 } else { digits(minutes)? };
    Some(sign * (60 * digits(hours)? + minutes))
}

/// Days from the epoch to a date of the Gregorian calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Counted from March on, so that the day that leap years have more is the last of a year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const TIME: u64 = 1_795_420_810_250;

    fn read(value: Value) -> Option<u64> {
        UnixMillis::read(&value).map(|time| time.0)
    }

    #[test]
    fn every_unit_is_known_by_its_magnitude() {
        assert_eq!(read(json!(TIME)), Some(TIME));
        assert_eq!(read(json!(TIME / 1_000)), Some(TIME - 250));
        assert_eq!(read(json!(TIME * 1_000 + 605)), Some(TIME));
        assert_eq!(read(json!(TIME * 1_000_000 + 605_123)), Some(TIME));
    }

    #[test]
    fn text_fractions_and_dates_are_times_too() {
        let times = ["1795420810250", " 1795420810250 ", "1795420810.25", "1795420810250.0", "1.79542081025e12"];
        let dates = [
            "2026-11-23T08:00:10.25Z",
            "2026-11-23t08:00:10.250999z",
            "2026-11-23 08:00:10.250",
            "2026-11-23T10:00:10.250+02:00",
            "2026-11-23T04:30:10.250-0330",
            "2026-11-22T22:00:10.250-10",
        ];
        for text in times.into_iter().chain(dates) {
            assert_eq!(read(json!(text)), Some(TIME), "{text}");
        }
        assert_eq!(read(json!(1_795_420_810.25)), Some(TIME));
        assert_eq!(read(json!(1_795_420_810_250.9)), Some(TIME));
        assert_eq!(read(json!("2024-02-29T23:59Z")), Some(1_709_251_140_000));
    }

    #[test]
    fn what_is_no_time_is_none() {
        let numbers =
            [json!(0), json!(-1_795_420_810_250_i64), json!(4_200), json!(99_999_999_999_u64), json!(u64::MAX)];
        let texts =
            ["", "0", "soon", "-1795420810250", "NaN", "inf", "2026-11-23", "2026-13-01T00:00:00Z", "T", "+1:2"];
        let others = [json!(null), json!(true), json!([TIME]), json!({"time": TIME}), json!(1e300), json!(-0.5)];
        for value in numbers.into_iter().chain(texts.map(Value::from)).chain(others) {
            assert_eq!(read(value.clone()), None, "{value}");
        }
    }

    #[test]
    fn what_was_not_milliseconds_stays_beside_the_time() {
        let mut fields = Extra::from_iter([
            ("timestamp".to_owned(), json!(TIME)),
            ("start_time".to_owned(), json!((TIME / 1_000).to_string())),
            ("end_time".to_owned(), json!(0)),
        ]);

        settle(&mut fields, &["timestamp", "start_time", "end_time", "event_ts"]);

        let expected = json!({
            "timestamp": TIME, "start_time": TIME - 250, "start_time_as_sent": "1795420810", "end_time_as_sent": 0,
        });
        assert_eq!(Value::Object(fields), expected);
    }

    proptest! {
        #[test]
        fn a_time_in_any_unit_and_as_text_is_the_same_second(millis in UnixMillis::FIRST..UnixMillis::BEYOND) {
            for value in [json!(millis), json!(millis * 1_000), json!(millis / 1_000), json!(millis.to_string())] {
                prop_assert_eq!(read(value).map(|time| time / 1_000), Some(millis / 1_000));
            }
        }

        #[test]
        fn no_value_makes_it_panic_or_gives_another_age(text in "[-+0-9TZ:. e]{0,24}", number in any::<f64>(), whole in any::<i64>()) {
            for value in [json!(text), json!(number), json!(whole)] {
                prop_assert!(UnixMillis::read(&value).is_none_or(UnixMillis::is_plausible));
            }
        }
    }
}
