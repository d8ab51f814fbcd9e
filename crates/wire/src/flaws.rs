//! What was wrong with a message that was read all the same.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::media::medium::Medium;

/// A kind of fault in a message. The message was read; the part at fault was mended or left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// Text that is no text: half a surrogate pair, bytes that are not UTF-8, raw control characters, unknown escapes.
    BrokenText,
    /// A value that JSON does not have, such as `NaN`, `1e999` or `007`, or one that is nested too deep.
    BrokenValue,
    /// A field of a type that it cannot have. It is left out.
    OddField,
    /// `length` differs from the size of `data`. The data counts.
    WrongLength,
    /// `data` is another form of base64: URL-safe, without padding, with line breaks, as a `data:` URL, or cut off.
    OddBase64,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::BrokenText, Self::BrokenValue, Self::OddField, Self::WrongLength, Self::OddBase64];

    /// The word in manifests, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BrokenText => "broken_text",
            Self::BrokenValue => "broken_value",
            Self::OddField => "odd_field",
            Self::WrongLength => "wrong_length",
            Self::OddBase64 => "odd_base64",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of flaws.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flaws(u8);

impl Flaws {
    /// Whether nothing was wrong.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this one is among them.
    pub const fn contains(self, flaw: Flaw) -> bool {
        self.0 & flaw.bit() != 0
    }

    /// Adds one.
    pub const fn insert(&mut self, flaw: Flaw) {
        self.0 |= flaw.bit();
    }

    /// Each of them, in the order of [`Flaw::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Flaw> {
        Flaw::ALL.into_iter().filter(move |flaw| self.contains(*flaw))
    }
}

impl std::fmt::Display for Flaws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.iter().enumerate().try_for_each(|(place, flaw)| {
            f.write_str(if place == 0 { "" } else { ", " })?;
            f.write_str(flaw.as_str())
        })
    }
}

/// The bytes of a message that was not read, or not all of it, as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawMessage {
    /// The medium it was for, if that is known.
    pub medium: Option<Medium>,
    /// What was wrong with it; none if nothing of it could be read.
    pub flaws: Flaws,
    /// Its first bytes, at most [`RawMessage::MAX_BYTES`]; none of one that came after [`RawMessage::FEW`] like it.
    pub bytes: Bytes,
    /// The number of bytes that came.
    pub length: usize,
}

impl RawMessage {
    /// The bytes that are kept of one: a packet of sound whole, and of a picture enough to see what is wrong.
    pub const MAX_BYTES: usize = 16 << 10;

    /// Messages of a medium with the same flaws whose bytes are kept: a fault that repeats looks the same each time.
    pub const FEW: u64 = 20;

    /// Copies the first bytes of a message.
    pub fn new(medium: Option<Medium>, flaws: Flaws, payload: &[u8]) -> Self {
        let kept = payload.get(..Self::MAX_BYTES).unwrap_or(payload);
        Self { medium, flaws, bytes: Bytes::copy_from_slice(kept), length: payload.len() }
    }
}
