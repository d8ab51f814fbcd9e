//! Media and webhooks that came twice, in the log without filling it: at most one line a second for all of each.
//!
//! The number of media is in the stream's `events.jsonl` and in its ledger besides; each webhook has its receipt.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rtms_wire::media::medium::Medium;
use tokio::time::Instant;
use tracing::info;

/// The least time between two lines.
const EVERY: Duration = Duration::from_secs(1);

/// When the last line was logged, for all streams.
#[derive(Debug, Default)]
pub(crate) struct RepeatGate(Mutex<Option<Instant>>);

/// The repeats of one stream that are not in the log yet.
#[derive(Debug, Default)]
pub(crate) struct RepeatLog(BTreeMap<Medium, u64>);

/// Webhooks of which it is remembered that they came. Zoom repeats one within minutes.
const MAX_WEBHOOKS: usize = 4096;

/// Which webhooks came before.
#[derive(Debug, Default)]
pub(crate) struct WebhookRepeats {
    hashing: RandomState,
    recent: Mutex<RecentWebhooks>,
    gate: RepeatGate,
}

#[derive(Debug, Default)]
struct RecentWebhooks {
    /// Hashes of their bodies, oldest first.
    order: VecDeque<u64>,
    known: HashSet<u64>,
    /// Those that came again and are not in the log yet.
    unreported: u64,
}

/// Whether a webhook came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// It did not, as far as is remembered.
    New,
    /// It did. A line for this number of them is due.
    AgainToReport(u64),
    /// It did, and the next line counts it.
    Again,
}

impl WebhookRepeats {
    /// Remembers a webhook by its body.
    pub(crate) fn see(&self, body: &[u8], now: Instant) -> Sighting {
        let hash = self.hashing.hash_one(body);
        // It is whole after every statement, so a panic elsewhere does not spoil it.
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.known.insert(hash) {
            recent.order.push_back(hash);
            if recent.order.len() > MAX_WEBHOOKS
                && let Some(oldest) = recent.order.pop_front()
            {
                recent.known.remove(&oldest);
            }
            return Sighting::New;
        }
        recent.unreported += 1;
        if self.gate.opens(now) {
            Sighting::AgainToReport(std::mem::take(&mut recent.unreported))
        } else {
            Sighting::Again
        }
    }
}

impl RepeatGate {
    /// Whether a line may be logged, which then counts as logged.
    fn opens(&self, now: Instant) -> bool {
        // It is whole after every statement, so a panic elsewhere does not spoil it.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
            info!(packets, "media came twice");
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
    fn webhooks_that_come_again_are_one_line_a_second_and_others_one_each() {
        let (repeats, begin) = (WebhookRepeats::default(), Instant::now());
        let mut lines = Vec::new();
        for tick in 0..150_u32 {
            let now = begin + tick * Duration::from_millis(20);
            for body in [b"a".as_slice(), b"b"] {
                match repeats.see(body, now) {
                    Sighting::Again => {}
                    line @ (Sighting::New | Sighting::AgainToReport(_)) => lines.push(line),
                }
            }
        }
        let again = Sighting::AgainToReport;
        assert_eq!(lines, [Sighting::New, Sighting::New, again(1), again(100), again(100)]);
    }

    #[test]
    fn webhooks_are_forgotten_in_the_order_in_which_they_came() {
        let (repeats, now) = (WebhookRepeats::default(), Instant::now());
        for number in 0..=MAX_WEBHOOKS {
            assert_eq!(repeats.see(number.to_string().as_bytes(), now), Sighting::New);
        }
        assert_ne!(repeats.see(b"1", now), Sighting::New);
        assert_eq!(repeats.see(b"0", now), Sighting::New);
    }

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
