//! A queue of the store's, as a sink sees its durable queue.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use rtms_sink::backlog::{Backlog, BacklogError, Claimed, Stored};
use rtms_store::{
    error::StoreError,
    lease::OwnerId,
    queue::{Job, Ticket},
    store::Store,
};
use rtms_wire::SmolStr;
use tokio::{
    sync::{Mutex, watch},
    time::sleep,
};

use crate::clock;

/// How long a claim lasts: longer than one round of a sink that is slow. The claims of a process that died end when the
/// store is opened, so no other process waits for this.
const TERM: Duration = Duration::from_secs(60);

/// The longest time between two looks for due envelopes. New ones are seen at once.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// One queue of the store.
pub(crate) struct StoreBacklog {
    store: Arc<dyn Store>,
    owner: OwnerId,
    queue: SmolStr,
    changes: Mutex<watch::Receiver<u64>>,
}

impl StoreBacklog {
    /// Takes the queue with this name.
    pub(crate) fn new(store: Arc<dyn Store>, owner: OwnerId, queue: impl Into<SmolStr>) -> Self {
        let changes = Mutex::new(store.queue().job_changes());
        Self { store, owner, queue: queue.into(), changes }
    }
}

#[async_trait]
impl Backlog for StoreBacklog {
    type Ticket = Ticket;

    async fn push(&self, envelopes: Vec<Stored>) -> Result<(), BacklogError> {
        let now = clock::unix_millis();
        let job = |Stored { key, id, payload }| Job { queue: self.queue.clone(), key, id, payload, not_before: now };
        self.store.queue().push(envelopes.into_iter().map(job).collect()).await.map_err(failed)
    }

    async fn claim(&self, limit: usize) -> Result<Vec<Claimed<Ticket>>, BacklogError> {
        // Before the claim, so that what comes behind it is seen as new.
        self.changes.lock().await.borrow_and_update();
        let claimed = self.store.queue().claim(&self.queue, &self.owner, TERM, limit, clock::unix_millis()).await;
        let claimed = claimed.map_err(failed)?.into_iter().map(|claimed| {
            let Job { key, id, payload, .. } = claimed.job;
            Claimed { stored: Stored { key, id, payload }, deliveries: claimed.deliveries, ticket: claimed.ticket }
        });
        Ok(claimed.collect())
    }

    async fn ack(&self, tickets: &[Ticket]) -> Result<u64, BacklogError> {
        self.store.queue().ack(tickets).await.map_err(failed)
    }

    async fn nak(&self, ticket: Ticket, pause: Duration) -> Result<(), BacklogError> {
        self.store.queue().nak(ticket, clock::unix_millis() + pause).await.map_err(failed)
    }

    async fn forget(&self, key: &str) -> Result<u64, BacklogError> {
        self.store.queue().forget(&self.queue, key).await.map_err(failed)
    }

    async fn count(&self) -> Result<u64, BacklogError> {
        Ok(self.store.queue().count(&self.queue).await.map_err(failed)?.jobs)
    }

    async fn changed(&self) {
        let next_at = self.store.queue().count(&self.queue).await.ok().and_then(|count| count.next_at);
        let pause = next_at.map_or(LOOK_AGAIN, |at| at.since(clock::unix_millis()).min(LOOK_AGAIN));
        // A millisecond more: one that is due now is due at the next look.
        let due = sleep(pause + Duration::from_millis(1));
        let mut changes = self.changes.lock().await;
        tokio::select! {
            // It fails when the store is gone; then the pause is all there is to wait for.
            Ok(()) = changes.changed() => {}
            () = due => {}
        }
    }
}

fn failed(error: StoreError) -> BacklogError {
    match error {
        StoreError::Closed => BacklogError::Closed,
        StoreError::JobTooLarge { .. } => BacklogError::Refused(error.to_string()),
        StoreError::Unavailable(_)
        | StoreError::Busy { .. }
        | StoreError::QueueFull { .. }
        | StoreError::Locked { .. }
        | StoreError::Damaged { .. }
        | StoreError::Newer { .. }
        | StoreError::Older { .. }
        | StoreError::Absent { .. }
        | StoreError::LeaseLost { .. }
        | StoreError::Contended(_)
        | StoreError::NoSuchEntry(_) => BacklogError::Unavailable(error.to_string()),
    }
}
