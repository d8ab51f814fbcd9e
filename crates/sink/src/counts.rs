//! What became of the envelopes for one sink.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// What became of the envelopes for one sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// All that were meant for it, and those that an earlier process left in the durable queue. Those of them that are not
    /// counted below as delivered, failed, dropped or recalled wait.
    pub offered: u64,
    /// Delivered.
    pub delivered: u64,
    /// Refused for good, or meant for a reader that is gone.
    pub failed: u64,
    /// Dropped because the queue in memory was full.
    pub dropped: u64,
    /// Taken back before they were delivered.
    pub recalled: u64,
    /// Deliveries that the sink put off: an envelope counts each time.
    pub retried: u64,
    /// Those that wait in the durable queue: they outlive the process.
    pub stored: u64,
}

impl DeliveryCounts {
    /// Envelopes in a queue, or on their way out of it.
    pub fn waiting(&self) -> u64 {
        self.offered.saturating_sub(self.delivered + self.failed + self.dropped + self.recalled)
    }

    /// Envelopes that wait in memory alone, and are lost if the process ends now.
    pub fn unstored(&self) -> u64 {
        self.waiting().saturating_sub(self.stored)
    }
}

/// The same while it is counted.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) offered: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) recalled: AtomicU64,
    pub(crate) retried: AtomicU64,
    /// Below 0 for a moment when the feeder is quicker than the keeper.
    stored: AtomicI64,
}

impl Counts {
    pub(crate) fn add_stored(&self, envelopes: u64) {
        self.stored.fetch_add(envelopes.cast_signed(), Ordering::Relaxed);
    }

    /// Takes envelopes off that are no longer stored, before it is counted what became of them.
    pub(crate) fn remove_stored(&self, envelopes: u64) {
        self.stored.fetch_sub(envelopes.cast_signed(), Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> DeliveryCounts {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        // What was offered is read last, so that it is never less than what became of it.
        let counts = DeliveryCounts {
            offered: 0,
            delivered: load(&self.delivered),
            failed: load(&self.failed),
            dropped: load(&self.dropped),
            recalled: load(&self.recalled),
            retried: load(&self.retried),
            stored: u64::try_from(self.stored.load(Ordering::Relaxed)).unwrap_or(0),
        };
        DeliveryCounts { offered: load(&self.offered), ..counts }
    }
}

/// Adds to a count and returns the sum.
pub(crate) fn add(count: &AtomicU64, more: usize) -> u64 {
    let more = more as u64;
    count.fetch_add(more, Ordering::Relaxed) + more
}
