//! Media that came twice, in the log without filling it: at most one line a second for all streams.
//!
//! Their number is in the stream's `events.jsonl` and in its ledger besides.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use rtms_wire::media::medium::Medium;
use tokio::time::Instant;
use tracing::info;

use crate::lock::locked;

/// The least time between two lines.
const EVERY: Duration = Duration::from_secs(1);

/// When the last line was logged, for all streams.
#[derive(Debug, Default)]
pub(crate) struct RepeatGate(Mutex<Option<Instant>>);

/// The repeats of one stream that are not in the log yet.
#[derive(Debug, Default)]
pub(crate) struct RepeatLog(BTreeMap<Medium, u64>);

impl RepeatGate {
    /// Whether a line may be logged, which then counts as logged.
    fn opens(&self, now: Instant) -> bool {
        let mut last = locked(&self.0);
        let opens = last.is_none_or(|last| now.saturating_duration_since(last) >= EVERY);
        if opens {
            *last = Some(now);
        }
        opens
    }
}

impl RepeatLog {
    /// Logs that `count` packets of a medium came twice, now or with those that follow.
    pub(crate) fn take(&mut self, medium: Medium, count: u64, gate: &RepeatGate, now: Instant) {
        if let Some(packets) = self.due(medium, count, gate, now) {
            info!(packets, "media received twice, kept once");
        }
    }

    fn due(&mut self, medium: Medium, count: u64, gate: &RepeatGate, now: Instant) -> Option<String> {
        *self.0.entry(medium).or_default() += count;
        gate.opens(now).then(|| {
            let packets = std::mem::take(&mut self.0).into_iter().map(|(medium, count)| format!("{count} {medium}"));
            packets.collect::<Vec<_>>().join(", ")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_of_all_streams_are_one_line_a_second_and_every_one_is_in_a_line() {
        let (gate, begin) = (RepeatGate::default(), Instant::now());
        let mut streams = [RepeatLog::default(), RepeatLog::default()];
        let mut lines = Vec::new();
        for tick in 0..150_u32 {
            let now = begin + tick * Duration::from_millis(20);
            for stream in &mut streams {
                lines.extend(stream.due(Medium::Audio, 1, &gate, now));
            }
        }
        // Fifty a second for three seconds, of two streams.
        assert_eq!(lines, ["1 audio", "50 audio", "50 audio"]);
        let after = begin + Duration::from_secs(10);
        assert_eq!(streams[1].due(Medium::Video, 2, &gate, after).as_deref(), Some("150 audio, 2 video"));
    }
}
