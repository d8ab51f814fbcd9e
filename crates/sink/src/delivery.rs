//! Queue and counters, once, for all sinks.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::{sync::mpsc, task::JoinHandle};
use tracing::warn;

use crate::{envelope::Envelope, sink::Sink};

/// Envelopes that may wait for a slow sink: words and events of a thousand streams for about a minute.
pub const DEFAULT_QUEUE: usize = 16_384;

/// Takes envelopes back that wait for a sink: those that were offered with it, or with a clone of it.
#[derive(Clone, Debug, Default)]
pub struct Recall(Arc<AtomicBool>);

impl Recall {
    /// Whatever is not delivered yet is dropped.
    pub fn recall(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// The same for whoever must not keep it alive: it is gone when nothing waits any more.
    pub fn downgrade(&self) -> WeakRecall {
        WeakRecall(Arc::downgrade(&self.0))
    }

    fn is_recalled(&self) -> bool {
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

/// An envelope that waits.
struct Waiting {
    envelope: Arc<Envelope>,
    recall: Recall,
}

/// The way to one sink.
pub struct Delivery {
    name: String,
    queue: mpsc::Sender<Waiting>,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    delivered: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    recalled: AtomicU64,
}

/// What became of the envelopes for one sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Delivered.
    pub delivered: u64,
    /// The sink said no.
    pub failed: u64,
    /// The queue was full.
    pub dropped: u64,
    /// Taken back before they were delivered.
    pub recalled: u64,
}

impl Delivery {
    /// Starts a task that feeds the sink from a queue of at most `capacity` envelopes.
    pub fn start(sink: impl Sink, capacity: usize) -> Self {
        let (queue, waiting) = mpsc::channel(capacity);
        let counts = Arc::<Counts>::default();
        let name = sink.name().to_owned();
        let task = tokio::spawn(feed(sink, waiting, counts.clone()));
        Self { name, queue, counts, task }
    }

    /// Puts an envelope into the queue. When it is full, the envelope is dropped and counted: nobody waits for a sink.
    pub fn offer(&self, envelope: Arc<Envelope>) {
        self.offer_under(envelope, &Recall::default());
    }

    /// The same for an envelope that may be taken back while it waits.
    pub fn offer_under(&self, envelope: Arc<Envelope>, recall: &Recall) {
        if self.queue.try_send(Waiting { envelope, recall: recall.clone() }).is_err() {
            let dropped = self.counts.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            // The first says that something is wrong; the counter says how much.
            if dropped.is_power_of_two() {
                warn!(sink = self.name, dropped, "a sink is too slow, envelopes are dropped");
            }
        }
    }

    /// The sink's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What became of the envelopes so far.
    pub fn counts(&self) -> DeliveryCounts {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        DeliveryCounts {
            delivered: load(&self.counts.delivered),
            failed: load(&self.counts.failed),
            dropped: load(&self.counts.dropped),
            recalled: load(&self.counts.recalled),
        }
    }

    /// Delivers what waits, and ends.
    pub async fn finish(self) {
        drop(self.queue);
        // A sink that panicked has delivered all that it will.
        let _ = self.task.await;
    }
}

async fn feed(mut sink: impl Sink, mut waiting: mpsc::Receiver<Waiting>, counts: Arc<Counts>) {
    while let Some(Waiting { envelope, recall }) = waiting.recv().await {
        let count = if recall.is_recalled() { &counts.recalled } else { deliver(&mut sink, &envelope, &counts).await };
        count.fetch_add(1, Ordering::Relaxed);
        if waiting.is_empty() {
            flush(&mut sink).await;
        }
    }
    flush(&mut sink).await;
}

/// Gives one envelope to the sink, and says what it counts as.
async fn deliver<'a>(sink: &mut impl Sink, envelope: &Envelope, counts: &'a Counts) -> &'a AtomicU64 {
    let Err(error) = sink.deliver(envelope).await else { return &counts.delivered };
    let failed = counts.failed.load(Ordering::Relaxed) + 1;
    if failed.is_power_of_two() {
        warn!(sink = sink.name(), failed, %error, "delivery failed");
    }
    &counts.failed
}

async fn flush(sink: &mut impl Sink) {
    if let Err(error) = sink.flush().await {
        warn!(sink = sink.name(), %error, "flush failed");
    }
}
