//! Media and webhooks that came twice, in the log without filling it: at most one line a second for all of each.
//!
//! The number of media is in the stream's `events.jsonl` and in its ledger besides; each webhook has its receipt.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rtms_wire::{SmolStr, media::medium::Medium};
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

/// The bodies of the last webhooks, by their hashes.
#[derive(Debug, Default)]
pub(crate) struct RecentBodies {
    hashing: RandomState,
    /// Oldest first.
    order: VecDeque<u64>,
    known: HashSet<u64>,
}

impl RecentBodies {
    /// Remembers a body. Whether it did not come before, as far as is remembered.
    pub(crate) fn is_new(&mut self, body: &[u8]) -> bool {
        let hash = self.hashing.hash_one(body);
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > MAX_WEBHOOKS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

/// Webhooks whose bodies came before, in the log without filling it: a second after the first of them, a line has their number.
#[derive(Debug, Default)]
pub(crate) struct WebhookRepeats(Mutex<Webhooks>);

#[derive(Debug, Default)]
struct Webhooks {
    recent: RecentBodies,
    /// Those that came again and are not in the log yet.
    unreported: u64,
}

impl WebhookRepeats {
    /// Remembers a webhook of an event by its body. Whether it did not come before, as far as is remembered; if it did, it is
    /// counted in a line to come.
    pub(crate) fn is_new(self: &Arc<Self>, body: &[u8], event: &SmolStr) -> bool {
        let mut webhooks = self.lock();
        if webhooks.recent.is_new(body) {
            return true;
        }
        webhooks.unreported += 1;
        if webhooks.unreported == 1 {
            let (repeats, event) = (Arc::downgrade(self), event.clone());
            tokio::spawn(async move {
                tokio::time::sleep(EVERY).await;
                if let Some(repeats) = repeats.upgrade() {
                    repeats.report(&event);
                }
            });
        }
        false
    }

    fn report(&self, event: &str) {
        let count = std::mem::take(&mut self.lock().unreported);
        info!(count, event, "webhooks came again");
    }

    fn lock(&self) -> MutexGuard<'_, Webhooks> {
        // It is whole after every statement, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WebhookRepeats {
    fn drop(&mut self) {
        let count = self.lock().unreported;
        if count > 0 {
            info!(count, "webhooks came again");
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

    #[tokio::test(start_paused = true)]
    async fn webhooks_that_come_again_are_in_one_line_a_second_and_none_is_left_out() {
        let (repeats, event) = (Arc::<WebhookRepeats>::default(), SmolStr::new("x"));
        assert!(repeats.is_new(b"a", &event) && repeats.is_new(b"b", &event));
        for _ in 0..2 {
            for waiting in 1..=50 {
                assert!(!repeats.is_new(if waiting % 2 == 0 { b"a" } else { b"b" }, &event));
                assert_eq!(repeats.lock().unreported, waiting);
                tokio::time::advance(Duration::from_millis(19)).await;
            }
            tokio::time::sleep(EVERY).await;
            assert_eq!(repeats.lock().unreported, 0, "they are in a line");
        }
    }

    #[test]
    fn bodies_are_forgotten_in_the_order_in_which_they_came() {
        let mut recent = RecentBodies::default();
        assert!((0..=MAX_WEBHOOKS).all(|number| recent.is_new(number.to_string().as_bytes())));
        assert!(!recent.is_new(b"1"));
        assert!(recent.is_new(b"0"));
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
