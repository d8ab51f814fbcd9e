//! Where a stream stands: one word, and how it follows from what the store keeps.

use rtms_store::{stream_record::StreamRecord, summary::RunSummary};
use serde::{Deserialize, Serialize};

/// Where a stream stands for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamStanding {
    /// It should run, and nobody has it. From a data folder: it should run; who has it is known to the server only.
    Wanted,
    /// Another process has it.
    Elsewhere,
    /// This process has it, and begins or finishes.
    Claimed,
    /// This process dials signaling for the first time.
    Connecting,
    /// Signaling stands.
    Connected,
    /// Signaling stands, and Zoom has paused the stream.
    Paused,
    /// Signaling was lost and is dialed again.
    Reconnecting,
    /// We asked Zoom to end it, or Zoom is ending it.
    Stopping,
    /// It is over, and all that was wanted of it was received; or it is not known what was lost.
    Ended,
    /// It is over, and a part was lost: by us, a disk, the network or Zoom, or a wanted medium was refused.
    Incomplete,
    /// It is over, and no medium was ever opened.
    Failed,
}

impl StreamStanding {
    /// Whether it is over.
    pub fn is_over(self) -> bool {
        match self {
            Self::Ended | Self::Incomplete | Self::Failed => true,
            Self::Wanted
            | Self::Elsewhere
            | Self::Claimed
            | Self::Connecting
            | Self::Connected
            | Self::Paused
            | Self::Reconnecting
            | Self::Stopping => false,
        }
    }

    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Elsewhere => "elsewhere",
            Self::Claimed => "claimed",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Paused => "paused",
            Self::Reconnecting => "reconnecting",
            Self::Stopping => "stopping",
            Self::Ended => "ended",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
        }
    }
}

impl std::fmt::Display for StreamStanding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The last state of a run with these facts; a run of which nothing is known has merely ended.
pub fn standing(summary: Option<&RunSummary>) -> StreamStanding {
    match summary {
        Some(summary) if !summary.connected && !summary.asked_to_end => StreamStanding::Failed,
        Some(summary) if summary.connected && !summary.is_complete() => StreamStanding::Incomplete,
        Some(_) | None => StreamStanding::Ended,
    }
}

/// The last state of a stream that does not run and is not wanted.
pub fn standing_at_rest(record: &StreamRecord) -> StreamStanding {
    match &record.ended {
        Some(ended) => standing(ended.summary.as_deref()),
        // Zoom stopped it, and nobody ever said how its run ended.
        // Its account is on its way, or the next process writes it.
        None if record.is_left_behind() => StreamStanding::Stopping,
        None => StreamStanding::Ended,
    }
}

#[cfg(test)]
mod tests {
    use rtms_store::summary::{Lost, Recorded};
    use rtms_wire::media::medium::Medium;

    use super::*;

    #[test]
    fn the_last_state_follows_from_the_facts() {
        let whole = RunSummary { connected: true, ..RunSummary::default() };
        let lost = Lost { medium: Medium::Chat, cause: "disk".into(), ms: 0, packets: 1 };
        let unrecorded = Recorded::Failed { why: "no space".into(), unclosed: None };
        let told = |summary: RunSummary| standing(Some(&summary));
        assert_eq!(standing(None), StreamStanding::Ended, "a record of an older version");
        assert_eq!(told(whole.clone()), StreamStanding::Ended);
        assert_eq!(told(RunSummary { lost: vec![lost.clone()], ..whole.clone() }), StreamStanding::Incomplete);
        assert_eq!(told(RunSummary { recorded: unrecorded, ..whole }), StreamStanding::Incomplete);
        assert_eq!(told(RunSummary { lost: vec![lost], ..RunSummary::default() }), StreamStanding::Failed);
        assert_eq!(told(RunSummary { asked_to_end: true, ..RunSummary::default() }), StreamStanding::Ended);
    }
}
