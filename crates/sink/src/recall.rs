//! Taking back what waits for a sink, because consent was withdrawn.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicBool, Ordering},
};

/// Takes envelopes back that wait for a sink: those that were offered with it, or with a clone of it.
///
/// It reaches what waits in memory. What waits in a durable queue is taken back by
/// [`Delivery::forget`](crate::delivery::Delivery::forget).
#[derive(Clone, Debug, Default)]
pub struct Recall(Arc<AtomicBool>);

impl Recall {
    /// Has whatever is not delivered yet dropped.
    pub fn recall(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns one that does not keep this alive: it is of no use once nothing waits any more.
    pub fn downgrade(&self) -> WeakRecall {
        WeakRecall(Arc::downgrade(&self.0))
    }

    pub(crate) fn is_recalled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A [`Recall`] of envelopes that may be delivered by now.
#[derive(Clone, Debug)]
pub struct WeakRecall(Weak<AtomicBool>);

impl WeakRecall {
    /// Whether anything may still wait.
    pub fn is_of_use(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// As [`Recall::recall`].
    pub fn recall(&self) {
        if let Some(recalled) = self.0.upgrade() {
            recalled.store(true, Ordering::Relaxed);
        }
    }
}
