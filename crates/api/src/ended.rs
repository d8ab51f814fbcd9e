//! How a run of a stream ended, and what it lost.

use rtms_record::{
    Loss,
    loss::{LossCause, LostPart},
};
use rtms_store::{
    stream_record::Ended,
    summary::{Lost, Recorded, RunSummary},
};
use rtms_wire::{codes::stop_reason::StopReason, time::UnixMillis};
use serde::{Deserialize, Serialize};

/// How a run of a stream ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndedLine {
    /// When, on our clock.
    pub at: UnixMillis,
    /// Zoom's number for the reason; null if it gave none.
    pub stop_reason: Option<StopReason>,
    /// Zoom's constant for it.
    pub stop_reason_name: Option<String>,
    /// Why, for people.
    pub why: String,
    /// How long the stream lasted, in milliseconds; null if that is not known.
    #[serde(default)]
    pub length_ms: Option<u64>,
    /// What was lost, by medium and cause: a word of `docs/operating.md`, milliseconds, and messages where they were counted.
    #[serde(default)]
    pub lost: Loss,
    /// The folder of its recording; null if there is none that is whole.
    #[serde(default)]
    pub folder: Option<String>,
    /// Why it was not recorded although it should have been; null if it was, or should not.
    #[serde(default)]
    pub not_recorded: Option<String>,
}

impl EndedLine {
    /// Returns what the store keeps of an end as users get it.
    pub fn of(ended: &Ended) -> Self {
        let summary = ended.summary.as_deref();
        let (folder, not_recorded) = match summary.map(|summary| &summary.recorded) {
            Some(Recorded::Done { folder }) => (Some(folder.clone()), None),
            Some(Recorded::Failed { why, unclosed }) => {
                (unclosed.as_ref().map(|unclosed| unclosed.folder.clone()), Some(why.clone()))
            }
            Some(Recorded::Unwanted) | None => (None, None),
        };
        let length = |summary: &RunSummary| Some(summary.to?.0.saturating_sub(summary.from?.0));
        Self {
            at: ended.at,
            stop_reason: ended.stop_reason,
            stop_reason_name: ended.stop_reason.map(|reason| reason.name().to_owned()),
            why: ended.why.clone(),
            length_ms: summary.and_then(length),
            lost: summary.map(loss_of).unwrap_or_default(),
            folder,
            not_recorded,
        }
    }
}

/// What a run lost.
pub fn loss_of(summary: &RunSummary) -> Loss {
    let part = |lost: &Lost| LostPart {
        medium: lost.medium,
        cause: LossCause::of_word(&lost.cause),
        ms: lost.ms,
        packets: lost.packets,
    };
    Loss { parts: summary.lost.iter().map(part).collect() }
}
