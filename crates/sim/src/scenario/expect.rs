//! What must hold at the end of a scenario: said of what Zoom sent and found, never of the client.

use std::time::Duration;

use rtms_wire::{codes::stop_reason::StopReason, media::medium::Medium};
use serde::Deserialize;

/// What must hold at the end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Why the stream ended: the number of the stop reason.
    pub ended: StopReason,
    /// How often signaling was joined.
    #[serde(default)]
    pub joins: Option<Count>,
    /// Media of which nothing is missing: every packet of sound from the first join on, or from `complete_from`; every
    /// line of transcript or chat.
    #[serde(default)]
    pub media_complete: Vec<Medium>,
    /// The time since the start of the stream after which the sound has to be complete.
    #[serde(default, with = "humantime_serde")]
    pub complete_from: Option<Duration>,
    /// How much of the sound may be missing all the same.
    #[serde(default, with = "humantime_serde")]
    pub missing_at_most: Duration,
    /// Media of which something must have been sent.
    #[serde(default)]
    pub media: Vec<Medium>,
    /// Media of which nothing may have been sent.
    #[serde(default)]
    pub no_media: Vec<Medium>,
    /// In which time after each loss of a connection there was the next handshake of its kind.
    #[serde(default, with = "humantime_serde")]
    pub back_within: Option<Duration>,
    /// Findings that the story brings about. In virtual time our own client has each of them and no other; a client on
    /// real sockets is not charged with them, and need not have them.
    #[serde(default)]
    pub findings: Vec<String>,
}

/// A number, or bounds of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a number, or { at_least = …, at_most = … }")]
pub enum Count {
    /// Exactly so many.
    Exactly(u64),
    /// From one to the other, both included.
    #[serde(rename_all = "snake_case")]
    Between {
        /// The smallest.
        at_least: u64,
        /// The largest.
        at_most: u64,
    },
}

impl Count {
    pub(super) fn holds(self, number: u64) -> bool {
        match self {
            Self::Exactly(exactly) => number == exactly,
            Self::Between { at_least, at_most } => (at_least..=at_most).contains(&number),
        }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exactly(exactly) => write!(f, "{exactly}"),
            Self::Between { at_least, at_most } => write!(f, "{at_least} to {at_most}"),
        }
    }
}
