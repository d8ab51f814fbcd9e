//! The durable policy: envelopes go into a queue on disk and stay there until the sink has taken them.
//!
//! Two tasks. The keeper moves what is offered from memory into the queue. The feeder claims from the queue, a few envelopes
//! of many streams at a time, delivers those of each stream as a batch, and acknowledges what is settled. A batch that is
//! to be delivered again goes back into the queue, where it holds up its own stream alone.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use rtms_wire::{SmolStr, ids::StreamId};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, sleep},
};
use tracing::{error, warn};

use crate::{
    attempt::{Attempts, Stopped, Verdict},
    backlog::{Backlog, BacklogError, Claimed, Stored},
    counts::{Counts, add},
    envelope::{Body, Envelope, Next},
    lossy::{BATCH, Waiting, drop_recalled},
    sink::Sink,
};

/// The pause before a queue that failed is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// How long what was delivered may stay unacknowledged while the round goes on: about ten syncs of a slow disk.
const ACK_EVERY: Duration = Duration::from_millis(50);

/// A wish to have everything of a stream removed, and where its number is reported.
pub(crate) struct Forget {
    pub(crate) stream_id: StreamId,
    pub(crate) done: oneshot::Sender<Result<(), BacklogError>>,
}

/// What both tasks of one sink share.
pub(crate) struct Shared<B> {
    pub(crate) name: String,
    pub(crate) backlog: B,
    pub(crate) counts: Arc<Counts>,
    /// Keys that were forgotten since the feeder's last claim.
    forgotten: Mutex<Vec<SmolStr>>,
    /// Told when the feeder may begin: what an earlier process left is counted.
    counted: Notify,
    /// Told when nothing more comes, and what is due is all that is to be delivered.
    draining: Notify,
}

impl<B> Shared<B> {
    pub(crate) fn new(name: String, backlog: B, counts: Arc<Counts>) -> Self {
        let (counted, draining) = (Notify::new(), Notify::new());
        Self { name, backlog, counts, forgotten: Mutex::default(), counted, draining }
    }

    fn forgotten(&self) -> std::sync::MutexGuard<'_, Vec<SmolStr>> {
        self.forgotten.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Moves what is offered into the durable queue.
pub(crate) struct Keeper<B> {
    pub(crate) shared: Arc<Shared<B>>,
    pub(crate) forgets: mpsc::Receiver<Forget>,
    /// Whether the queue did what it was asked last.
    pub(crate) works: bool,
}

impl<B: Backlog> Keeper<B> {
    /// Runs until the queue in memory is closed and all of it is stored.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Waiting>, closing: Arc<Notify>) {
        self.count_what_is_left().await;
        self.shared.counted.notify_one();
        let mut pending = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                Some(forget) = self.forgets.recv() => self.forget(forget).await,
                taken = queue.recv_many(&mut pending, BATCH) => {
                    if taken == 0 {
                        break;
                    }
                    self.store(std::mem::take(&mut pending)).await;
                }
                () = closing.notified() => queue.close(),
            }
        }
        self.shared.draining.notify_one();
    }

    /// Counts what an earlier process left as offered and stored.
    async fn count_what_is_left(&mut self) {
        loop {
            match self.shared.backlog.count().await {
                Ok(left) => {
                    self.shared.counts.offered.fetch_add(left, Ordering::Relaxed);
                    self.shared.counts.add_stored(left);
                    return;
                }
                Err(BacklogError::Closed) => return,
                Err(error) => self.wait(&error).await,
            }
        }
    }

    async fn store(&mut self, pending: Vec<Waiting>) {
        let mut batches = VecDeque::from([pending]);
        while let Some(mut batch) = batches.pop_front() {
            drop_recalled(&mut batch, &self.shared.counts);
            if batch.is_empty() {
                continue;
            }
            let envelopes = batch.iter().map(|waiting| stored(&waiting.envelope)).collect();
            let Err(error) = self.shared.backlog.push(envelopes).await else {
                self.shared.counts.add_stored(batch.len() as u64);
                self.works = true;
                continue;
            };
            match error {
                BacklogError::Unavailable(_) => {
                    batches.push_front(batch);
                    self.wait(&error).await;
                }
                // They stay counted as waiting: the process ends, and reports them as lost.
                BacklogError::Closed => return,
                BacklogError::Refused(_) if batch.len() == 1 => {
                    error!(sink = self.shared.name, %error, "cannot store an envelope for a sink, it is lost");
                    add(&self.shared.counts.failed, 1);
                }
                BacklogError::Refused(_) => batches.extend(batch.into_iter().map(|one| vec![one])),
            }
        }
    }

    /// Waits before the queue is asked again, and serves wishes meanwhile.
    async fn wait(&mut self, error: &BacklogError) {
        if std::mem::replace(&mut self.works, false) {
            warn!(sink = self.shared.name, %error, "envelopes wait in memory until they can be stored");
        }
        tokio::select! {
            Some(forget) = self.forgets.recv() => self.forget(forget).await,
            () = sleep(ASK_AGAIN) => {}
        }
    }

    async fn forget(&mut self, Forget { stream_id, done }: Forget) {
        let key = key_of(&stream_id);
        let forgotten = self.shared.backlog.forget(&key).await.map(|gone| {
            self.shared.counts.remove_stored(gone);
            self.shared.counts.recalled.fetch_add(gone, Ordering::Relaxed);
            // After it, so that the feeder, which empties this list before a claim, cannot have claimed them since.
            self.shared.forgotten().push(key);
        });
        // Whoever asked may have left.
        let _ = done.send(forgotten);
    }
}

/// Feeds a sink from the durable queue.
pub(crate) struct Feeder<S, B: Backlog> {
    pub(crate) attempts: Attempts<S>,
    pub(crate) shared: Arc<Shared<B>>,
}

impl<S: Sink, B: Backlog> Feeder<S, B> {
    /// Runs until it is told to drain and nothing is due, or until the reader is gone.
    pub(crate) async fn run(mut self) {
        self.shared.counted.notified().await;
        let mut is_draining = false;
        loop {
            match self.round().await {
                Ok(Round::Fed) => {}
                Ok(Round::Gone) | Err(BacklogError::Closed) => return,
                Ok(Round::Nothing) if is_draining => return,
                Ok(Round::Nothing) => tokio::select! {
                    biased;
                    () = self.shared.draining.notified() => is_draining = true,
                    () = self.shared.backlog.changed() => {}
                },
                // The keeper logs that the queue fails.
                Err(BacklogError::Unavailable(_) | BacklogError::Refused(_)) => sleep(ASK_AGAIN).await,
            }
        }
    }

    async fn round(&mut self) -> Result<Round, BacklogError> {
        self.shared.forgotten().clear();
        let claimed = self.shared.backlog.claim(BATCH).await?;
        if claimed.is_empty() {
            return Ok(Round::Nothing);
        }
        let mut settled = Settled { tickets: Vec::new(), since: Instant::now() };
        let mut is_gone = false;
        for of_stream in claimed.chunk_by(|one, other| one.stored.key == other.stored.key) {
            if self.feed(of_stream, &mut settled).await? == Some(Stopped::Gone) {
                is_gone = true;
                break;
            }
            if settled.since.elapsed() > ACK_EVERY {
                self.acknowledge(&mut settled).await?;
            }
        }
        self.acknowledge(&mut settled).await?;
        Ok(if is_gone { Round::Gone } else { Round::Fed })
    }

    /// Delivers what was claimed of one stream.
    async fn feed(
        &mut self,
        claimed: &[Claimed<B::Ticket>],
        settled: &mut Settled<B::Ticket>,
    ) -> Result<Option<Stopped>, BacklogError> {
        let (mut batch, mut tickets) = (Vec::new(), Vec::new());
        for one in claimed {
            if self.shared.forgotten().contains(&one.stored.key) {
                return Ok(None);
            }
            match serde_json::from_slice::<Envelope>(&one.stored.payload) {
                Ok(envelope) => {
                    batch.push(Arc::new(envelope));
                    tickets.push((one.ticket, one.deliveries));
                }
                Err(error) => {
                    error!(sink = self.shared.name, %error, "cannot read a stored envelope, it is lost");
                    settled.tickets.push((one.ticket, Verdict::Rejected));
                }
            }
        }
        if batch.is_empty() {
            return Ok(None);
        }
        let attempt = self.attempts.deliver(&batch).await;
        settled.tickets.extend(tickets.iter().map(|(ticket, _)| *ticket).zip(attempt.settled.iter().copied()));
        let left = tickets.get(attempt.settled.len()..).unwrap_or_default();
        if let (Some(Stopped::Retry { after }), Some((first, deliveries))) = (attempt.stopped, left.first()) {
            // Acknowledged first, or what stands before it would be claimed again with it.
            self.acknowledge(settled).await?;
            add(&self.shared.counts.retried, left.len());
            let pause = self.attempts.pause(*deliveries, after);
            self.shared.backlog.nak(*first, pause).await?;
        }
        Ok(attempt.stopped)
    }

    /// Removes what is settled from the queue. Asked again until it is done: what is not removed is delivered again.
    async fn acknowledge(&mut self, settled: &mut Settled<B::Ticket>) -> Result<(), BacklogError> {
        for verdict in [Verdict::Delivered, Verdict::Rejected] {
            let of_verdict = settled.tickets.iter().filter(|(_, is)| *is == verdict);
            let tickets: Vec<_> = of_verdict.map(|(ticket, _)| *ticket).collect();
            if tickets.is_empty() {
                continue;
            }
            let gone = loop {
                match self.shared.backlog.ack(&tickets).await {
                    Ok(gone) => break gone,
                    Err(BacklogError::Closed) => return Err(BacklogError::Closed),
                    Err(BacklogError::Unavailable(_) | BacklogError::Refused(_)) => sleep(ASK_AGAIN).await,
                }
            };
            // Those that are gone already were taken back meanwhile, and are counted.
            let count = match verdict {
                Verdict::Delivered => &self.shared.counts.delivered,
                Verdict::Rejected => &self.shared.counts.failed,
            };
            self.shared.counts.remove_stored(gone);
            count.fetch_add(gone, Ordering::Relaxed);
        }
        settled.tickets.clear();
        settled.since = Instant::now();
        Ok(())
    }
}

/// What a look into the queue led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Fed,
    Nothing,
    Gone,
}

/// What is settled and not acknowledged.
struct Settled<T> {
    tickets: Vec<(T, Verdict)>,
    since: Instant,
}

fn stored(envelope: &Envelope) -> Stored {
    let stream_id = &envelope.rtms_stream_id;
    // The word to delete must not be deleted with what it is about.
    let is_word_to_delete = matches!(envelope.body, Body::Ended { next: Next::Delete, .. });
    let key = if is_word_to_delete { SmolStr::new(format!("revoked {stream_id}")) } else { key_of(stream_id) };
    let id = if envelope.id.count == 0 {
        SmolStr::new(format!("{stream_id} {} at {}", envelope.sequence, envelope.received_at.0))
    } else {
        SmolStr::new(format!("{stream_id} {}", envelope.id))
    };
    // All its parts have a form in JSON; without one it would be refused when it is read.
    let payload = serde_json::to_vec(envelope).unwrap_or_default();
    Stored { key, id, payload: payload.into() }
}

fn key_of(stream_id: &StreamId) -> SmolStr {
    SmolStr::new(format!("stream {stream_id}"))
}
