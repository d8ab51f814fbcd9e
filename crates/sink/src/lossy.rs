//! The lossy policy: a bounded queue in memory, and what does not fit is dropped and counted.

use std::sync::Arc;

use tokio::{
    sync::{Notify, mpsc},
    time::sleep,
};

use crate::{
    attempt::{Attempts, Stopped, Verdict},
    counts::{Counts, add},
    envelope::Envelope,
    recall::Recall,
    sink::Sink,
};

/// Envelopes in one batch: what a sink sends at once, and what one failure delays.
pub(crate) const BATCH: usize = 256;

/// An envelope that waits in memory.
pub(crate) struct Waiting {
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) recall: Recall,
}

/// Feeds one sink from its queue.
pub(crate) struct Lossy<S> {
    pub(crate) attempts: Attempts<S>,
    pub(crate) counts: Arc<Counts>,
}

impl<S: Sink> Lossy<S> {
    /// Runs until the queue is closed and empty.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Waiting>, closing: Arc<Notify>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                taken = queue.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        break;
                    }
                    self.deliver(std::mem::take(&mut batch)).await;
                }
                () = closing.notified() => queue.close(),
            }
        }
    }

    async fn deliver(&mut self, mut batch: Vec<Waiting>) {
        let mut failures = 0;
        loop {
            drop_recalled(&mut batch, &self.counts);
            if batch.is_empty() {
                return;
            }
            let envelopes: Vec<_> = batch.iter().map(|waiting| waiting.envelope.clone()).collect();
            let attempt = self.attempts.deliver(&envelopes).await;
            let delivered = attempt.settled.iter().filter(|verdict| **verdict == Verdict::Delivered).count();
            add(&self.counts.delivered, delivered);
            add(&self.counts.failed, attempt.settled.len() - delivered);
            batch.drain(..attempt.settled.len());
            match attempt.stopped {
                None => {}
                Some(Stopped::Gone) => {
                    add(&self.counts.failed, batch.len());
                    return;
                }
                Some(Stopped::Retry { after }) => {
                    // One that went through shows that it is not the same trouble.
                    failures = if delivered > 0 { 1 } else { failures + 1 };
                    add(&self.counts.retried, batch.len());
                    sleep(self.attempts.pause(failures, after)).await;
                }
            }
        }
    }
}

/// Takes out what was recalled, and counts it.
pub(crate) fn drop_recalled(batch: &mut Vec<Waiting>, counts: &Counts) {
    let before = batch.len();
    batch.retain(|waiting| !waiting.recall.is_recalled());
    add(&counts.recalled, before - batch.len());
}
