//! Queue and counters, once, for all sinks.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{sync::mpsc, task::JoinHandle};
use tracing::warn;

use crate::{envelope::Envelope, sink::Sink};

/// Envelopes that may wait for a slow sink: words and events of a thousand streams for about a minute.
pub const DEFAULT_QUEUE: usize = 16_384;

/// The way to one sink.
pub struct Delivery {
    name: String,
    queue: mpsc::Sender<Arc<Envelope>>,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    delivered: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
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
        if self.queue.try_send(envelope).is_err() {
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
        }
    }

    /// Delivers what waits, and ends.
    pub async fn finish(self) {
        drop(self.queue);
        // A sink that panicked has delivered all that it will.
        let _ = self.task.await;
    }
}

async fn feed(mut sink: impl Sink, mut waiting: mpsc::Receiver<Arc<Envelope>>, counts: Arc<Counts>) {
    while let Some(envelope) = waiting.recv().await {
        match sink.deliver(&envelope).await {
            Ok(()) => counts.delivered.fetch_add(1, Ordering::Relaxed),
            Err(error) => {
                let failed = counts.failed.fetch_add(1, Ordering::Relaxed) + 1;
                if failed.is_power_of_two() {
                    warn!(sink = sink.name(), failed, %error, "delivery failed");
                }
                failed
            }
        };
        if waiting.is_empty() {
            flush(&mut sink).await;
        }
    }
    flush(&mut sink).await;
}

async fn flush(sink: &mut impl Sink) {
    if let Err(error) = sink.flush().await {
        warn!(sink = sink.name(), %error, "flush failed");
    }
}
