//! Claiming streams and giving them up again: the leases of this worker.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use rtms_store::{
    error::StoreError,
    lease::{Lease, OwnerId},
    receipts::{NotedOn, Step},
    stream_record::StreamRecord,
    streams::Outcome,
};
use rtms_wire::ids::StreamId;
use tokio::{
    task::{JoinError, JoinSet},
    time::sleep,
};
use tracing::{debug, error, warn};

use crate::{clock, live::stream_task::StreamDeps};

/// How long until an end that could not be stored is stored again.
const RELEASE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Claims streams for one owner.
pub(super) struct Claims {
    deps: Arc<StreamDeps>,
    owner: OwnerId,
    term: Duration,
    /// Streams that have ended, whose end is on its way to the store.
    releasing: JoinSet<Released>,
    unreleased: BTreeSet<StreamId>,
}

/// A stream whose end has reached the store.
pub(super) struct Released {
    pub(super) stream_id: StreamId,
    /// How often secrets had been read when its handshake was signed.
    pub(super) signed_at: u64,
}

impl Claims {
    pub(super) fn new(deps: Arc<StreamDeps>, owner: OwnerId, term: Duration) -> Self {
        Self { deps, owner, term, releasing: JoinSet::new(), unreleased: BTreeSet::new() }
    }

    /// Claims a stream; none if somebody else has it. The record is as it is since: it may have moved on between the look and
    /// the claim.
    pub(super) async fn claim(&self, stream_id: &StreamId) -> Result<Option<(StreamRecord, Lease)>, StoreError> {
        let store = &self.deps.store;
        let Some(lease) = store.claim(stream_id, &self.owner, self.term, clock::unix_millis()).await? else {
            return Ok(None);
        };
        store.note_step(NotedOn::from(stream_id.clone()), Step::Claimed, clock::unix_micros());
        debug!(%stream_id, token = lease.token, "claimed");
        match store.get(stream_id).await? {
            Some(record) => Ok(Some((record, lease))),
            None => store.release(&lease, Outcome::HandedOver, clock::unix_millis()).await.map(|()| None),
        }
    }

    /// Gives a stream up that no task runs.
    pub(super) async fn give_back(&self, lease: &Lease, outcome: Outcome) -> Result<(), StoreError> {
        self.deps.store.release(lease, outcome, clock::unix_millis()).await
    }

    /// Gives a lease a new term. Returns whether the stream is still ours.
    pub(super) async fn renew(&self, lease: &mut Lease) -> bool {
        match self.deps.store.renew(lease, self.term, clock::unix_millis()).await {
            Ok(renewed) => *lease = renewed,
            Err(StoreError::LeaseLost { .. }) => return false,
            Err(error) => warn!(stream_id = %lease.stream_id, %error, "a lease could not be renewed"),
        }
        true
    }

    /// Gives a stream up whose task has ended, in the background: ends of many streams share a sync, and a store that does not
    /// answer holds up nothing else.
    pub(super) fn release(&mut self, lease: Lease, outcome: Outcome, signed_at: u64) {
        self.unreleased.insert(lease.stream_id.clone());
        let (deps, term) = (self.deps.clone(), self.term);
        self.releasing.spawn(async move {
            let (stream_id, mut lease) = (lease.stream_id.clone(), lease);
            let mut is_logged = false;
            loop {
                match deps.store.release(&lease, outcome.clone(), clock::unix_millis()).await {
                    Ok(()) | Err(StoreError::LeaseLost { .. }) => break,
                    Err(error) => {
                        deps.metrics.store_error();
                        if !std::mem::replace(&mut is_logged, true) {
                            error!(%stream_id, %error, "the end of a stream could not be stored, trying again");
                        }
                    }
                }
                sleep(RELEASE_AGAIN_AFTER).await;
                // As long as it is ours, nobody joins a stream that has ended.
                if let Ok(renewed) = deps.store.renew(&lease, term, clock::unix_millis()).await {
                    lease = renewed;
                }
            }
            Released { stream_id, signed_at }
        });
    }

    /// Waits for the next stream whose end has reached the store; none if none is on its way.
    pub(super) async fn released(&mut self) -> Option<Result<Released, JoinError>> {
        let released = self.releasing.join_next().await?;
        if let Ok(released) = &released {
            self.unreleased.remove(&released.stream_id);
        }
        Some(released)
    }

    /// The streams whose end has not reached the store.
    pub(super) fn unreleased(&self) -> impl Iterator<Item = &StreamId> {
        self.unreleased.iter()
    }
}
