//! The way to one sink: offering, counting, ending, once for all sinks and both policies.

use std::{fmt, sync::Arc, time::Duration};

use rtms_wire::ids::StreamId;
use tokio::{
    sync::{Mutex, Notify, mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};
use tracing::warn;

use crate::{
    attempt::Attempts,
    backlog::{Backlog, BacklogError},
    counts::{Counts, DeliveryCounts, add},
    durable::{Feeder, Forget, Keeper, Shared},
    envelope::Envelope,
    lossy::{Lossy, Waiting},
    recall::Recall,
    sink::Sink,
};

/// Envelopes that may wait in memory: words and events of a thousand streams for about a minute.
pub const DEFAULT_QUEUE: usize = 16_384;

/// How long the end of a durable delivery waits for what is stored to be delivered: what is not is delivered by the next
/// process.
const LAST_DELIVERIES: Duration = Duration::from_secs(1);

/// Wishes to forget a stream that may wait for the keeper; more wait for room.
const FORGETS: usize = 16;

/// The way to one sink.
///
/// Two policies. **Lossy**: what waits is in memory; when the queue is full, what comes is dropped and counted. **Durable**:
/// what waits is in a [`Backlog`], outlives the process, and stays until the sink has taken it; a stream whose oldest
/// envelope is put off holds up no other. Under both, order is kept within a stream, an envelope may be delivered more than
/// once after a failure, and nobody who offers waits.
pub struct Delivery {
    name: String,
    queue: mpsc::Sender<Waiting>,
    counts: Arc<Counts>,
    closing: Arc<Notify>,
    /// None once it has come to its end.
    tasks: Mutex<Option<Tasks>>,
    /// None under the lossy policy.
    forgets: Option<mpsc::Sender<Forget>>,
}

enum Tasks {
    Lossy(JoinHandle<()>),
    Durable { keeper: JoinHandle<()>, feeder: JoinHandle<()> },
}

impl Delivery {
    /// Starts a task that feeds the sink from a queue in memory of at most `capacity` envelopes.
    pub fn lossy(sink: impl Sink, capacity: usize) -> Self {
        let name = sink.name().to_owned();
        Self::start(name, capacity, |queue, counts, closing| {
            let lossy = Lossy { attempts: Attempts::new(sink), counts };
            (Tasks::Lossy(tokio::spawn(lossy.run(queue, closing))), None)
        })
    }

    /// Starts the tasks that move envelopes into a durable queue and feed the sink from it. At most `capacity` wait in memory
    /// to be stored.
    pub fn durable(sink: impl Sink, capacity: usize, backlog: impl Backlog) -> Self {
        let name = sink.name().to_owned();
        Self::start(name.clone(), capacity, |queue, counts, closing| {
            let shared = Arc::new(Shared::new(name, backlog, counts));
            let (wishes, forgets) = mpsc::channel(FORGETS);
            let keeper = Keeper { shared: shared.clone(), forgets, works: true };
            let feeder = Feeder { attempts: Attempts::new(sink), shared };
            let (keeper, feeder) = (tokio::spawn(keeper.run(queue, closing)), tokio::spawn(feeder.run()));
            (Tasks::Durable { keeper, feeder }, Some(wishes))
        })
    }

    fn start(
        name: String,
        capacity: usize,
        spawn: impl FnOnce(mpsc::Receiver<Waiting>, Arc<Counts>, Arc<Notify>) -> (Tasks, Option<mpsc::Sender<Forget>>),
    ) -> Self {
        let (queue, waiting) = mpsc::channel(capacity);
        let (counts, closing) = (Arc::<Counts>::default(), Arc::<Notify>::default());
        let (tasks, forgets) = spawn(waiting, counts.clone(), closing.clone());
        Self { name, queue, counts, closing, tasks: Mutex::new(Some(tasks)), forgets }
    }

    /// Puts an envelope into the queue. When it is full, the envelope is dropped and counted: nobody waits for a sink.
    pub fn offer(&self, envelope: Arc<Envelope>) {
        self.offer_under(envelope, &Recall::default());
    }

    /// The same for an envelope that may be taken back while it waits.
    pub fn offer_under(&self, envelope: Arc<Envelope>, recall: &Recall) {
        add(&self.counts.offered, 1);
        if self.queue.try_send(Waiting { envelope, recall: recall.clone() }).is_err() {
            let dropped = add(&self.counts.dropped, 1);
            // The first says that something is wrong; the counter says how much.
            if dropped.is_power_of_two() {
                warn!(sink = self.name, dropped, "a sink is too slow, dropping envelopes");
            }
        }
    }

    /// Takes back what is stored of a stream whose consent was withdrawn; its [`Recall`], used before, takes back what waits
    /// in memory. The envelope that asks for the deletion, [`Next::Delete`](crate::envelope::Next::Delete), stays. Under
    /// the lossy policy nothing is stored.
    ///
    /// # Errors
    /// [`BacklogError`]: ask again.
    pub async fn forget(&self, stream_id: &StreamId) -> Result<(), BacklogError> {
        let Some(forgets) = &self.forgets else { return Ok(()) };
        let (done, forgotten) = oneshot::channel();
        let forget = Forget { stream_id: stream_id.clone(), done };
        forgets.send(forget).await.map_err(|_| BacklogError::Closed)?;
        forgotten.await.unwrap_or(Err(BacklogError::Closed))
    }

    /// The sink's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether what waits outlives the process.
    pub fn is_durable(&self) -> bool {
        self.forgets.is_some()
    }

    /// What became of the envelopes so far.
    pub fn counts(&self) -> DeliveryCounts {
        self.counts.now()
    }

    /// Takes nothing more in, delivers what waits, and returns when that is done. Under the durable policy, when all of it is
    /// stored and a second more was spent on delivering it; nothing is delivered after that.
    ///
    /// Under the lossy policy, dropping the future loses nothing: what waits is still delivered as long as the runtime lives.
    pub async fn finish(&self) {
        self.closing.notify_one();
        let mut tasks = self.tasks.lock().await;
        // A task that panicked has done all that it will.
        match tasks.as_mut() {
            None => return,
            Some(Tasks::Lossy(task)) => {
                let _ = task.await;
            }
            Some(Tasks::Durable { keeper, feeder }) => {
                let _ = keeper.await;
                if timeout(LAST_DELIVERIES, &mut *feeder).await.is_err() {
                    feeder.abort();
                }
            }
        }
        *tasks = None;
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("name", &self.name).field("counts", &self.counts()).finish_non_exhaustive()
    }
}
