//! Queue and counters, once, for all sinks.

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::{
    sync::{Mutex, Notify, mpsc},
    task::JoinHandle,
};
use tracing::warn;

use crate::{envelope::Envelope, error::SinkError, sink::Sink};

/// Envelopes that may wait for a slow sink: words and events of a thousand streams for about a minute.
pub const DEFAULT_QUEUE: usize = 16_384;

/// Envelopes that a sink may hold back under load; its buffer is smaller than as many of them.
const FLUSH_AFTER: u64 = 256;

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
    closing: Arc<Notify>,
    /// None once it has come to its end.
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Counts {
    offered: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    recalled: AtomicU64,
}

/// What became of the envelopes for one sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// All that were meant for it. Those of them that are not counted below wait.
    pub offered: u64,
    /// The number of envelopes that were delivered.
    pub delivered: u64,
    /// The number of envelopes that the sink refused.
    pub failed: u64,
    /// The queue was full.
    pub dropped: u64,
    /// Taken back before they were delivered.
    pub recalled: u64,
}

impl DeliveryCounts {
    /// Envelopes in the queue, or on their way out of it.
    pub fn waiting(&self) -> u64 {
        self.offered.saturating_sub(self.delivered + self.failed + self.dropped + self.recalled)
    }
}

impl Delivery {
    /// Starts a task that feeds the sink from a queue of at most `capacity` envelopes.
    pub fn start(sink: impl Sink, capacity: usize) -> Self {
        let (queue, waiting) = mpsc::channel(capacity);
        let (counts, closing) = (Arc::<Counts>::default(), Arc::<Notify>::default());
        let name = sink.name().to_owned();
        let feeder = Feeder { sink, counts: counts.clone(), unflushed: 0, state: State::Working };
        let task = Mutex::new(Some(tokio::spawn(feeder.run(waiting, closing.clone()))));
        Self { name, queue, counts, closing, task }
    }

    /// Puts an envelope into the queue. When it is full, the envelope is dropped and counted: nobody waits for a sink.
    pub fn offer(&self, envelope: Arc<Envelope>) {
        self.offer_under(envelope, &Recall::default());
    }

    /// The same for an envelope that may be taken back while it waits.
    pub fn offer_under(&self, envelope: Arc<Envelope>, recall: &Recall) {
        self.counts.offered.fetch_add(1, Ordering::Relaxed);
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
        // What was offered is read last, so that it is never less than what became of it.
        let counts = DeliveryCounts {
            offered: 0,
            delivered: load(&self.counts.delivered),
            failed: load(&self.counts.failed),
            dropped: load(&self.counts.dropped),
            recalled: load(&self.counts.recalled),
        };
        DeliveryCounts { offered: load(&self.counts.offered), ..counts }
    }

    /// Takes nothing more in, delivers what waits, and returns when that is done. Dropping the future loses nothing: what
    /// waits is still delivered as long as the runtime lives.
    pub async fn finish(&self) {
        self.closing.notify_one();
        let mut task = self.task.lock().await;
        if let Some(running) = task.as_mut() {
            // A sink that panicked has delivered all that it will.
            let _ = running.await;
            *task = None;
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("name", &self.name).field("counts", &self.counts()).finish_non_exhaustive()
    }
}

/// Whether a sink takes what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Working,
    Failing,
    /// Its reader is gone and does not come back.
    Gone,
}

/// Feeds one sink.
struct Feeder<S> {
    sink: S,
    counts: Arc<Counts>,
    /// Envelopes that the sink has taken and may hold back still.
    unflushed: u64,
    state: State,
}

impl<S: Sink> Feeder<S> {
    async fn run(mut self, mut waiting: mpsc::Receiver<Waiting>, closing: Arc<Notify>) {
        loop {
            let next = tokio::select! {
                biased;
                next = waiting.recv() => next,
                () = closing.notified() => {
                    waiting.close();
                    continue;
                }
            };
            let Some(Waiting { envelope, recall }) = next else { break };
            if recall.is_recalled() {
                self.counts.recalled.fetch_add(1, Ordering::Relaxed);
            } else {
                self.deliver(&envelope).await;
            }
            if waiting.is_empty() || self.unflushed >= FLUSH_AFTER {
                self.flush().await;
            }
        }
        self.flush().await;
    }

    async fn deliver(&mut self, envelope: &Envelope) {
        self.unflushed += 1;
        if self.state == State::Gone {
            return self.failed();
        }
        match self.sink.deliver(envelope).await {
            Ok(()) => {}
            Err(error) => self.report(&error),
        }
    }

    /// What the sink has taken counts as delivered when it is out.
    async fn flush(&mut self) {
        if self.unflushed == 0 {
            return;
        }
        match self.sink.flush().await {
            Ok(()) => {
                self.counts.delivered.fetch_add(std::mem::take(&mut self.unflushed), Ordering::Relaxed);
                if self.state == State::Failing {
                    self.state = State::Working;
                    warn!(sink = self.sink.name(), "a sink works again");
                }
            }
            Err(error) => self.report(&error),
        }
    }

    /// Logs when a sink begins to fail, not with every envelope; the counter has how many.
    fn report(&mut self, error: &SinkError) {
        let sink = self.sink.name();
        if error.is_final() {
            self.state = State::Gone;
            warn!(sink, %error, "the reader of a sink is gone; all further envelopes for it count as failed");
        } else if self.state == State::Working {
            self.state = State::Failing;
            warn!(sink, %error, "delivery fails; envelopes count as failed until it works again");
        }
        self.failed();
    }

    /// What was on its way is not known to have come out.
    fn failed(&mut self) {
        self.counts.failed.fetch_add(std::mem::take(&mut self.unflushed), Ordering::Relaxed);
    }
}
