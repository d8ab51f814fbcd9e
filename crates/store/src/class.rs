//! What a webhook turned out to be, in one word.

use serde::{Deserialize, Serialize};

/// What a webhook turned out to be. The word is stored with the entry and is not renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A start that opens a stream, for the first time or again after a stop.
    First,
    /// The same event once more.
    Repeat,
    /// A newer start of a stream that runs: connect to the new place.
    Failover,
    /// Older than what is known, so it changes nothing.
    Late,
    /// A stop of a stream that no start has named; remembered, so that the start is late when it comes.
    StopBeforeStart,
    /// A stop that ends a stream.
    Stopped,
    /// A broken connection on Zoom's side: connect again.
    Interrupted,
    /// A known event that lacks what is needed to act on it.
    Unusable,
    /// An event about the account.
    AccountEvent,
    /// Zoom's challenge to the endpoint.
    UrlValidation,
    /// An event that this version does not know.
    Unknown,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::First,
        Self::Repeat,
        Self::Failover,
        Self::Late,
        Self::StopBeforeStart,
        Self::Stopped,
        Self::Interrupted,
        Self::Unusable,
        Self::AccountEvent,
        Self::UrlValidation,
        Self::Unknown,
    ];

    /// The word in files, answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Repeat => "repeat",
            Self::Failover => "failover",
            Self::Late => "late",
            Self::StopBeforeStart => "stop_before_start",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
            Self::Unusable => "unusable",
            Self::AccountEvent => "account_event",
            Self::UrlValidation => "url_validation",
            Self::Unknown => "unknown",
        }
    }

    /// The class with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }

    /// Whether it gives workers something to do that they did not have to do before.
    pub fn asks_for_connection(self) -> bool {
        match self {
            Self::First | Self::Failover | Self::Interrupted => true,
            Self::Repeat
            | Self::Late
            | Self::StopBeforeStart
            | Self::Stopped
            | Self::Unusable
            | Self::AccountEvent
            | Self::UrlValidation
            | Self::Unknown => false,
        }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
