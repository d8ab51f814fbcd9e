//! The words of the ledger: what a stretch of time was, and whose doing.

use rtms_wire::{SmolStr, time::UnixMillis};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A stretch of time of one medium, in Zoom's milliseconds: `from` belongs to it, `to` does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its first millisecond.
    pub from: UnixMillis,
    /// The first millisecond behind it.
    pub to: UnixMillis,
    /// What it was.
    #[serde(flatten)]
    pub what: What,
}

impl Span {
    /// Its length, in milliseconds.
    pub fn ms(&self) -> u64 {
        self.to.0.saturating_sub(self.from.0)
    }
}

/// What a stretch of time was. In JSON the key `is` has the word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum What {
    /// Something was received for it, from one participant at least.
    Received,
    /// All was well, and Zoom sent nothing: nobody spoke, wrote, or moved a picture.
    Silent,
    /// The stream, or every session in it, was paused.
    Paused {
        /// Which of the two.
        by: PausedBy,
    },
    /// The medium had not been opened yet.
    BeforeStart,
    /// Zoom had no way to us, and what it sent afterwards does not cover this.
    Interrupted {
        /// What was in the way.
        by: Cause,
    },
    /// Zoom sent something, and a part of it at least was lost here: for lack of room, or because it could not be read.
    Dropped {
        /// Which queue was full, or that it could not be read.
        by: Queue,
    },
    /// Nothing was to be expected.
    Off {
        /// The reason.
        why: OffWhy,
        /// The same in somebody's words; at most [`What::MAX_DETAIL_BYTES`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<SmolStr>,
    },
    /// A version of this program recorded it that kept no ledger, or a newer one in another folder.
    Unrecorded,
}

/// What was paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PausedBy {
    /// The stream.
    Stream,
    /// All sessions that ran in it.
    Sessions,
}

/// What stood between Zoom and us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The signaling connection was lost, or Zoom said so.
    ZoomSignaling,
    /// A media connection was lost, or Zoom said so.
    MediaConnection,
    /// Zoom moved the stream to other servers, which may become known only after the old ones were lost.
    Failover,
    /// Nothing came for so long that the connection counted as dead.
    Frozen,
    /// Zoom refused a connection.
    Refused,
    /// Our process died and another one went on.
    Restart,
    /// Another process took the stream over.
    Takeover,
    /// The time within which Zoom takes us back had passed.
    WindowMissed,
    /// Zoom ended the stream before a connection to it stood.
    Unreached,
    /// A word of a newer version, or nobody knows.
    Unknown,
}

/// Which queue was full, or what else lost something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queue {
    /// The events that wait for the recorder.
    Events,
    /// What waits in memory for a disk that fails or is full.
    Disk,
    /// None: it came, and could not be read. When it was made is not known; the time in which it came is called so.
    Unreadable,
    /// A word of a newer version.
    #[serde(other)]
    Unknown,
}

/// Why nothing was to be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OffWhy {
    /// We did not ask for the medium.
    NotWanted,
    /// The product does not have it, or Zoom does not offer it and the settings do not insist on it.
    NotOffered,
    /// The app may not have it.
    NotGranted,
    /// Zoom would not or could not give it.
    Unavailable,
    /// No camera is on, as far as we were told.
    CameraOff,
    /// Nobody shares a screen, as far as we were told.
    NobodyShares,
    /// A word of a newer version.
    #[serde(other)]
    Unknown,
}

impl Cause {
    /// Every cause, in the order in which they are told.
    pub const ALL: [Self; 10] = [
        Self::ZoomSignaling,
        Self::MediaConnection,
        Self::Failover,
        Self::Frozen,
        Self::Refused,
        Self::Restart,
        Self::Takeover,
        Self::WindowMissed,
        Self::Unreached,
        Self::Unknown,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ZoomSignaling => "zoom_signaling",
            Self::MediaConnection => "media_connection",
            Self::Failover => "failover",
            Self::Frozen => "frozen",
            Self::Refused => "refused",
            Self::Restart => "restart",
            Self::Takeover => "takeover",
            Self::WindowMissed => "window_missed",
            Self::Unreached => "unreached",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it merely says how an interruption showed: a failover that becomes known while it lasts explains it.
    pub fn is_sign(self) -> bool {
        match self {
            Self::ZoomSignaling | Self::MediaConnection | Self::Frozen | Self::Unknown => true,
            Self::Failover | Self::Refused | Self::Restart | Self::Takeover | Self::WindowMissed | Self::Unreached => {
                false
            }
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Cause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = SmolStr::deserialize(deserializer)?;
        Ok(Self::ALL.into_iter().find(|cause| cause.as_str() == word).unwrap_or(Self::Unknown))
    }
}

impl What {
    /// The longest [`What::Off`] detail: an error text of ours, cut off.
    pub const MAX_DETAIL_BYTES: usize = 200;

    /// A detail that is not longer than that.
    pub(super) fn shorten(detail: SmolStr) -> SmolStr {
        let mut end = Self::MAX_DETAIL_BYTES.min(detail.len());
        while !detail.is_char_boundary(end) {
            end -= 1;
        }
        detail.get(..end).map_or_else(SmolStr::default, SmolStr::new)
    }

    /// The words of `is`, in the order in which they are told.
    pub const WORDS: [&str; 8] =
        ["received", "silent", "paused", "before_start", "interrupted", "dropped", "off", "unrecorded"];

    /// The word of `is`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Silent => "silent",
            Self::Paused { .. } => "paused",
            Self::BeforeStart => "before_start",
            Self::Interrupted { .. } => "interrupted",
            Self::Dropped { .. } => "dropped",
            Self::Off { .. } => "off",
            Self::Unrecorded => "unrecorded",
        }
    }

    /// Whether the medium was open and merely had nothing to send.
    pub fn is_idle(&self) -> bool {
        match self {
            Self::Silent => true,
            Self::Off { why, .. } => matches!(why, OffWhy::CameraOff | OffWhy::NobodyShares),
            Self::Received
            | Self::Paused { .. }
            | Self::BeforeStart
            | Self::Interrupted { .. }
            | Self::Dropped { .. }
            | Self::Unrecorded => false,
        }
    }

    /// Whether it is what became of data, not what the time would have been without.
    pub(super) fn is_data(&self) -> bool {
        matches!(self, Self::Received | Self::Dropped { .. })
    }

    /// Whether data that is told later may cover it: a state, or a loss of which the time is a guess.
    pub(super) fn gives_way_to_data(&self) -> bool {
        match self {
            Self::Dropped { by: Queue::Events | Queue::Disk | Queue::Unknown } => false,
            Self::Dropped { by: Queue::Unreadable }
            | Self::Received
            | Self::Silent
            | Self::Paused { .. }
            | Self::BeforeStart
            | Self::Interrupted { .. }
            | Self::Off { .. }
            | Self::Unrecorded => true,
        }
    }

    /// How much worse one is than another, where two must become one: a loss is never hidden.
    pub(super) fn severity(&self) -> u8 {
        match self {
            Self::Dropped { .. } => 7,
            Self::Interrupted { .. } => 6,
            Self::Unrecorded => 5,
            Self::BeforeStart => 4,
            Self::Paused { .. } => 3,
            Self::Off { .. } => 2,
            Self::Silent => 1,
            Self::Received => 0,
        }
    }
}

/// The word, and whose doing: `interrupted by failover`.
impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = self.word();
        match self {
            Self::Received | Self::Silent | Self::BeforeStart | Self::Unrecorded => f.write_str(word),
            Self::Paused { by } => write!(f, "{word} by {}", name(by)),
            Self::Interrupted { by } => write!(f, "{word} by {}", by.as_str()),
            Self::Dropped { by: Queue::Unreadable } => write!(f, "{word}: unreadable"),
            Self::Dropped { by } => write!(f, "{word} by {}", name(by)),
            Self::Off { why, detail: None } => write!(f, "{word}: {}", name(why)),
            Self::Off { why, detail: Some(detail) } => write!(f, "{word}: {} ({detail})", name(why)),
        }
    }
}

/// The word that stands for a value in JSON.
fn name(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use rtms_wire::time::UnixMillis;

    use super::{Cause, OffWhy, PausedBy, Queue, Span, What};

    #[test]
    fn a_span_is_one_flat_object_and_comes_back() {
        let off = What::Off { why: OffWhy::Unavailable, detail: Some("no scope".into()) };
        let words = [
            (What::Received, r#"{"from":1,"to":3,"is":"received"}"#, "received"),
            (What::Silent, r#"{"from":1,"to":3,"is":"silent"}"#, "silent"),
            (
                What::Paused { by: PausedBy::Sessions },
                r#"{"from":1,"to":3,"is":"paused","by":"sessions"}"#,
                "paused by sessions",
            ),
            (What::BeforeStart, r#"{"from":1,"to":3,"is":"before_start"}"#, "before_start"),
            (
                What::Interrupted { by: Cause::WindowMissed },
                r#"{"from":1,"to":3,"is":"interrupted","by":"window_missed"}"#,
                "interrupted by window_missed",
            ),
            (
                What::Dropped { by: Queue::Events },
                r#"{"from":1,"to":3,"is":"dropped","by":"events"}"#,
                "dropped by events",
            ),
            (
                What::Dropped { by: Queue::Unreadable },
                r#"{"from":1,"to":3,"is":"dropped","by":"unreadable"}"#,
                "dropped: unreadable",
            ),
            (
                off,
                r#"{"from":1,"to":3,"is":"off","why":"unavailable","detail":"no scope"}"#,
                "off: unavailable (no scope)",
            ),
            (What::Unrecorded, r#"{"from":1,"to":3,"is":"unrecorded"}"#, "unrecorded"),
        ];
        let mut told: Vec<_> = words.iter().map(|(what, ..)| what.word()).collect();
        told.dedup();
        assert_eq!(told, What::WORDS);
        for (what, json, text) in words {
            let span = Span { from: UnixMillis(1), to: UnixMillis(3), what };
            assert_eq!(serde_json::to_string(&span).expect("written"), json);
            assert_eq!(serde_json::from_str::<Span>(json).expect("read"), span);
            assert_eq!(span.what.to_string(), text);
            assert_eq!(span.ms(), 2);
        }
    }

    #[test]
    fn a_cause_of_a_newer_version_is_unknown() {
        let json = r#"{"from":1,"to":3,"is":"interrupted","by":"comet"}"#;
        let span: Span = serde_json::from_str(json).expect("read");
        assert_eq!(span.what, What::Interrupted { by: Cause::Unknown });
    }
}
