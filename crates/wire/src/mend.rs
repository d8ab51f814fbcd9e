//! Mends JSON that a parser refuses for one bad string or value, so that the rest of it can be read.
//!
//! A name cut in the middle of an emoji leaves half a surrogate pair, which strict parsers refuse with the whole message.
//! Each place at fault is replaced by U+FFFD or by text; all else stays byte for byte. JSON whose structure is broken stays
//! broken. Only what a parser refused comes here: the way of an ordinary message is as short as before.

use std::borrow::Cow;

use serde_json::Value;

use crate::flaws::{Flaw, Flaws};

/// The depth of nesting that is kept. Parsers give up at 128.
const MAX_DEPTH: usize = 100;

/// What stands for text that cannot be read.
const REPLACEMENT: &str = "\u{fffd}";

/// Returns the JSON with what could be mended mended, and what that was. Without flaws it is what came.
pub fn json(bytes: &[u8]) -> (Cow<'_, [u8]>, Flaws) {
    let text = String::from_utf8_lossy(bytes);
    let mut mender = Mender::new(&text);
    if matches!(text, Cow::Owned(_)) {
        mender.flaws.insert(Flaw::BrokenText);
    }
    mender.run();
    let flaws = mender.flaws;
    if flaws.is_empty() {
        return (Cow::Borrowed(bytes), flaws);
    }
    (Cow::Owned(mender.finish().into_bytes()), flaws)
}

/// Whether a value holds a float so large that it may have been a whole number with more digits than 64 bits have room for.
pub(crate) fn lost_digits(value: &Value) -> bool {
    /// 2^63: smaller whole numbers are no floats.
    const SMALLEST: f64 = 9_223_372_036_854_775_808.0;
    match value {
        Value::Number(number) => number.is_f64() && number.as_f64().is_some_and(|float| float.abs() >= SMALLEST),
        Value::Array(entries) => entries.iter().any(lost_digits),
        Value::Object(fields) => fields.values().any(lost_digits),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// Returns the JSON with those whole numbers as text that have no room in 64 bits, so that they keep their digits.
pub(crate) fn long_numbers_as_text(json: &str) -> String {
    let (mut text, mut rest) = (String::with_capacity(json.len() + 8), json);
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => {
                rest.find(|it: char| !(it.is_ascii_alphanumeric() || "+-.".contains(it))).unwrap_or(rest.len())
            }
            _ => rest.find(|it: char| it == '"' || it == '-' || it.is_ascii_digit()).unwrap_or(rest.len()),
        };
        let (piece, behind) = rest.split_at(length);
        let digits = piece.strip_prefix('-').unwrap_or(piece);
        let is_whole = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
        let is_long = is_whole && piece.parse::<i64>().is_err() && piece.parse::<u64>().is_err();
        let quote = if is_long { "\"" } else { "" };
        text.extend([quote, piece, quote]);
        rest = behind;
    }
    text
}

/// The length of the string that opens here, with its quotes; all of it if it does not close.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

struct Mender<'a> {
    text: &'a str,
    at: usize,
    /// Everything before `kept` is in `mended`.
    kept: usize,
    mended: String,
    depth: usize,
    flaws: Flaws,
}

impl<'a> Mender<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, kept: 0, mended: String::new(), depth: 0, flaws: Flaws::default() }
    }

    fn run(&mut self) {
        if self.text.starts_with('\u{feff}') {
            self.replace('\u{feff}'.len_utf8(), "", Flaw::BrokenText);
        }
        while let Some(byte) = self.peek(0) {
            match byte {
                b'"' => {
                    self.at += 1;
                    self.string();
                }
                b'{' | b'[' if self.depth >= MAX_DEPTH => {
                    let length = nested_length(self.rest());
                    self.replace(length, "null", Flaw::BrokenValue);
                }
                b'{' | b'[' => {
                    self.depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.at += 1;
                }
                // Terminators of C strings behind the end.
                b'\0' if self.depth == 0 => self.replace(1, "", Flaw::BrokenText),
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                _ => self.bare_value(),
            }
        }
    }

    fn finish(mut self) -> String {
        self.mended.push_str(self.text.get(self.kept..).unwrap_or_default());
        self.mended
    }

    /// A string from behind its opening quote to behind its closing one.
    fn string(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' => self.escape(),
                0..0x20 => self.replace(1, &format!("\\u{byte:04x}"), Flaw::BrokenText),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) {
        match self.peek(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => match (self.code_unit(0), self.code_unit(6)) {
                (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => self.at += 12,
                (Some(0xd800..=0xdfff), _) => self.replace(6, REPLACEMENT, Flaw::BrokenText),
                (Some(_), _) => self.at += 6,
                (None, _) => self.replace(2, REPLACEMENT, Flaw::BrokenText),
            },
            Some(_) => self.replace(1, REPLACEMENT, Flaw::BrokenText),
            None => self.at += 1,
        }
    }

    /// The four digits of an escape that begins this far ahead.
    fn code_unit(&self, ahead: usize) -> Option<u16> {
        let escape = self.rest().get(ahead..ahead + 6)?;
        let digits = escape.strip_prefix("\\u").filter(|digits| digits.bytes().all(|it| it.is_ascii_hexdigit()))?;
        u16::from_str_radix(digits, 16).ok()
    }

    /// A number or word. One that JSON does not have becomes text.
    fn bare_value(&mut self) {
        let ends = |byte: u8| byte.is_ascii_whitespace() || b",:{}[]\"\0".contains(&byte);
        let length = self.rest().bytes().position(ends).unwrap_or(self.rest().len()).max(1);
        match self.rest().get(..length) {
            Some(value) if serde_json::from_str::<Value>(value).is_err() => {
                self.replace(length, &Value::from(value).to_string(), Flaw::BrokenValue);
            }
            Some(_) | None => self.at += length,
        }
    }

    fn replace(&mut self, length: usize, with: &str, flaw: Flaw) {
        self.mended.push_str(self.text.get(self.kept..self.at).unwrap_or_default());
        self.mended.push_str(with);
        self.at += length;
        self.kept = self.at;
        self.flaws.insert(flaw);
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }
}

/// The length of the object or list that opens here; all of it if it does not close.
fn nested_length(text: &str) -> usize {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn mended(bytes: &[u8]) -> Option<Value> {
        serde_json::from_slice(&json(bytes).0).ok()
    }

    #[test]
    fn one_bad_string_or_value_leaves_the_rest_readable() {
        for (broken, read, flaw) in [
            (r#"{"a":"x\ud83d","b":1}"#.as_bytes(), json!({"a": "x\u{fffd}", "b": 1}), Flaw::BrokenText),
            (br#"{"a":"\ude00x\ud83d\ud83d\ude00"}"#, json!({"a": "\u{fffd}x\u{fffd}😀"}), Flaw::BrokenText),
            (br#"{"\ud800":"\u12","b":"\u00e9"}"#, json!({"\u{fffd}": "\u{fffd}12", "b": "é"}), Flaw::BrokenText),
            (br#"{"a":"C:\work\x"}"#, json!({"a": "C:\u{fffd}work\u{fffd}x"}), Flaw::BrokenText),
            (b"{\"a\":\"x\xff\xc3\",\"b\":2}", json!({"a": "x\u{fffd}\u{fffd}", "b": 2}), Flaw::BrokenText),
            (b"{\"a\":\"x\x00\n\ty\"}", json!({"a": "x\0\n\ty"}), Flaw::BrokenText),
            (b"\xef\xbb\xbf{\"a\":1}\0\0", json!({"a": 1}), Flaw::BrokenText),
            (br#"{"a":NaN,"b":[-Infinity,1]}"#, json!({"a": "NaN", "b": ["-Infinity", 1]}), Flaw::BrokenValue),
            (
                br#"{"a":1e999,"b":007,"c":+5,"d":1.}"#,
                json!({"a": "1e999", "b": "007", "c": "+5", "d": "1."}),
                Flaw::BrokenValue,
            ),
        ] {
            let (text, flaws) = json(broken);
            assert_eq!(mended(broken), Some(read), "{}", String::from_utf8_lossy(&text));
            assert!(flaws.contains(flaw) && flaws.iter().count() == 1, "{flaws}");
        }
    }

    #[test]
    fn whole_numbers_beyond_64_bits_keep_their_digits_as_text() {
        let sent = r#"{"a":18446744073709551616,"b":[-9223372036854775809,18446744073709551615,1e30,-1.5],"c\"1":"99999999999999999999","d":{"e":340282366920938463463374607431768211456}}"#;
        assert!(lost_digits(&serde_json::from_str(sent).unwrap()));

        let kept: Value = serde_json::from_str(&long_numbers_as_text(sent)).unwrap();

        let expected = json!({
            "a": "18446744073709551616", "b": ["-9223372036854775809", u64::MAX, 1e30, -1.5],
            "c\"1": "99999999999999999999", "d": {"e": "340282366920938463463374607431768211456"},
        });
        assert_eq!(kept, expected);
        assert!(!lost_digits(&json!({"a": u64::MAX, "b": i64::MIN, "c": 0.5, "d": "99999999999999999999"})));
    }

    #[test]
    fn nesting_without_end_costs_what_is_nested_and_nothing_else() {
        let deep = format!("{{\"a\":{}{},\"b\":7}}", "[{\"]\":".repeat(5_000), "1".to_owned() + &"}]".repeat(5_000));
        let read = mended(deep.as_bytes()).unwrap();
        assert_eq!(read["b"], 7);
        assert!(mended("[".repeat(100_000).as_bytes()).is_none());
    }

    #[test]
    fn what_has_no_structure_stays_broken() {
        for text in ["{\"a\":1", "{\"a\" 1}", "{\"a\":\"x}", "{]", "", "{\"a\":\"x\\", "{\"a\":1,}"] {
            assert!(mended(text.as_bytes()).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_right_stays_as_it_is(
            text in "\\PC{0,20}",
            number in any::<f64>().prop_filter("JSON has no others", |it| it.is_finite()),
        ) {
            let right = json!({ "a": [text, number, null, true], text.clone(): {} }).to_string();
            let (same, flaws) = json(right.as_bytes());
            prop_assert_eq!(&*same, right.as_bytes());
            prop_assert!(flaws.is_empty());
        }

        #[test]
        fn any_bytes_inside_a_string_cost_no_more_than_that_string(
            bytes in proptest::collection::vec(any::<u8>().prop_filter("it would end", |it| !b"\"\\".contains(it)), 0..40),
        ) {
            let broken = [b"{\"a\":\"", bytes.as_slice(), b"\",\"b\":5}"].concat();
            prop_assert_eq!(mended(&broken).map(|read| read["b"].clone()), Some(json!(5)));
        }

        #[test]
        fn text_with_long_numbers_stays_json_of_the_same_shape(
            text in "\\PC{0,20}", number in "-?[1-9][0-9]{0,40}", small in any::<i64>(), float in any::<f32>(),
        ) {
            let float = f64::from(if float.is_finite() { float } else { 0.0 });
            let sent = format!("{{\"n\":{number},\"r\":{}}}", json!([small, float, {text.clone(): [text]}]));
            let kept: Value = serde_json::from_str(&long_numbers_as_text(&sent)).unwrap();
            let before: Value = serde_json::from_str(&sent).unwrap();
            prop_assert_eq!(&kept["r"], &before["r"]);
            prop_assert_eq!(kept["n"].as_str().map_or_else(|| kept["n"].to_string(), str::to_owned), number);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = json(&bytes);
        }

        #[test]
        fn what_looks_like_json_does_not_make_it_panic(text in r#"([\[\]{}",:\\u0-9a-eédD ]|\\u[dD][89c][0-9]{2}){0,60}"#) {
            let _ = json(text.as_bytes());
        }
    }
}
