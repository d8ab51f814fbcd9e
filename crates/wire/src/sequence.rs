//! The number of what a stream says: it never repeats and never goes back, whoever runs the stream.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The number of an entry in a stream's journal, and of the envelope that says the same.
///
/// The fencing token of the owner stands first: a later owner has a higher one. Then comes a count that begins anew with each
/// owner. Numbers are ordered, and there are gaps between owners. As text, and in JSON: `token-count`, as in `4294967297-12`;
/// a string, because a JSON number of that size loses digits in some readers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber {
    /// The fencing token under which it was given.
    pub token: u64,
    /// Counts from 1 under this token.
    pub count: u64,
}

/// Gives the numbers of one owner, in order.
#[derive(Clone, Debug)]
pub struct Numbering {
    last: SequenceNumber,
}

impl Numbering {
    /// Returns the numbers under a fencing token; none of them was given yet.
    pub fn new(token: u64) -> Self {
        Self { last: SequenceNumber { token, count: 0 } }
    }

    /// Gives the next number.
    pub fn give(&mut self) -> SequenceNumber {
        self.last.count += 1;
        self.last
    }

    /// Passes over as many numbers.
    pub fn skip(&mut self, numbers: u64) {
        self.last.count += numbers;
    }

    /// The number that will be given next.
    pub fn next(&self) -> SequenceNumber {
        SequenceNumber { count: self.last.count + 1, ..self.last }
    }

    /// The number that was given last; its count is 0 if none was.
    pub fn last(&self) -> SequenceNumber {
        self.last
    }
}

/// A text is no number of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token and a count, as in 4294967297-12")]
pub struct NotASequenceNumber;

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.token, self.count)
    }
}

impl FromStr for SequenceNumber {
    type Err = NotASequenceNumber;

    fn from_str(text: &str) -> Result<Self, NotASequenceNumber> {
        let number = |text: &str| {
            let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| text.parse().ok()).flatten().ok_or(NotASequenceNumber)
        };
        let (token, count) = text.split_once('-').ok_or(NotASequenceNumber)?;
        Ok(Self { token: number(token)?, count: number(count)? })
    }
}

impl Serialize for SequenceNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SequenceNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_owner_has_higher_numbers_whatever_the_counts() {
        let (mut first, mut second) = (Numbering::new(7), Numbering::new(8));
        let given = [first.give(), first.give(), second.give()];

        assert!(given.is_sorted_by(|one, other| one < other), "{given:?}");
        assert_eq!(given.map(|number| number.to_string()), ["7-1", "7-2", "8-1"]);
    }

    #[test]
    fn a_number_comes_back_from_its_text_and_nothing_else_is_one() {
        let number = SequenceNumber { token: u64::MAX, count: 12 };
        assert_eq!(number.to_string().parse(), Ok(number));
        let json = serde_json::to_string(&number).expect("it has a form");
        assert_eq!(json, "\"18446744073709551615-12\"");
        assert_eq!(serde_json::from_str::<SequenceNumber>(&json).expect("it has a form"), number);

        for text in ["", "7", "7-", "-1", "+7-1", "7-1-2", " 7-1", "18446744073709551616-1"] {
            assert_eq!(text.parse::<SequenceNumber>(), Err(NotASequenceNumber), "{text:?}");
        }
    }
}
