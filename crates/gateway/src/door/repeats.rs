//! Webhooks that came again, in the log without filling it: at most one line a second. Each has its receipt besides.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use rtms_wire::SmolStr;
use tracing::info;

use crate::lock::locked;

/// The least time between two lines.
const EVERY: Duration = Duration::from_secs(1);

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

/// Webhooks whose bodies came before, in the log without filling it: a second after the first of them, a line has their
/// number.
#[derive(Debug, Default)]
pub(crate) struct WebhookRepeats(Mutex<Webhooks>);

#[derive(Debug, Default)]
struct Webhooks {
    recent: RecentBodies,
    /// Those that came again and are not in the log yet.
    unreported: u64,
}

impl WebhookRepeats {
    /// Remembers a webhook of an event by its body. Whether it did not come before, as far as is remembered; if it did,
    /// it is counted in a line to come.
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
        info!(count, event, "webhooks received again");
    }

    fn lock(&self) -> MutexGuard<'_, Webhooks> {
        locked(&self.0)
    }
}

impl Drop for WebhookRepeats {
    fn drop(&mut self) {
        let count = self.lock().unreported;
        if count > 0 {
            info!(count, "webhooks received again");
        }
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
}
