//! Claiming streams and giving them up again: the leases of this worker.
//!
//! They are renewed by a task of its own, so that nothing else that waits for the store holds it up. Each stream obeys
//! its lease by itself ([`crate::live::tenure`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use rtms_store::{
    error::StoreError,
    lease::{Lease, OwnerId},
    operations::Operations,
    outcome::Outcome,
    receipts::{NotedOn, Step},
    store::Store,
    stream_record::StreamRecord,
};
use rtms_wire::{ids::StreamId, time::UnixMillis};
use tokio::{
    task::{AbortHandle, JoinError, JoinSet},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tracing::{debug, error, info, warn};

use crate::{
    clock::{self, SteadyClock},
    live::tenure::{self, Tenure, TenureSender, Term},
    lock::locked,
    telemetry::Metrics,
    trouble::Trouble,
};

/// The pause before storing an end is tried again.
const RELEASE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Claims streams for one owner.
pub(super) struct Claims {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    owner: OwnerId,
    steady: SteadyClock,
    term: Term,
    held: Arc<Held>,
    renewing: AbortHandle,
    /// Streams that have ended, whose end is on its way to the store.
    releasing: JoinSet<Released>,
    unreleased: BTreeSet<StreamId>,
}

/// The leases that are renewed.
#[derive(Debug, Default)]
struct Held(Mutex<BTreeMap<StreamId, (Lease, TenureSender)>>);

/// A stream whose end has reached the store.
pub(super) struct Released {
    pub(super) stream_id: StreamId,
    /// The number of times that secrets had been read when its handshake was signed.
    pub(super) signed_at: u64,
}

impl Claims {
    pub(super) fn new(
        store: Arc<dyn Store>,
        metrics: Arc<Metrics>,
        owner: OwnerId,
        steady: SteadyClock,
        term: Duration,
        renew_every: Duration,
    ) -> Self {
        let (held, term) = (Arc::<Held>::default(), Term::new(term, renew_every));
        let renewing = tokio::spawn(renew(store.clone(), held.clone(), steady, term, renew_every)).abort_handle();
        let (releasing, unreleased) = (JoinSet::new(), BTreeSet::new());
        Self { store, metrics, owner, steady, term, held, renewing, releasing, unreleased }
    }

    /// Returns the time by which leases run out.
    pub(super) fn now(&self) -> UnixMillis {
        self.store.time(self.steady.now())
    }

    /// Claims a stream. None if it has an owner, or if the store answered so late that it is to be left already. The
    /// returned record is read after the claim: it may have changed between the look and the claim.
    pub(super) async fn claim(
        &self,
        stream_id: &StreamId,
    ) -> Result<Option<(StreamRecord, Lease, Tenure)>, StoreError> {
        // Before the store counts, so that the term ends here first.
        let asked_at = Instant::now();
        let Some(lease) = self.store.claim(stream_id, &self.owner, self.term.whole, self.now()).await? else {
            return Ok(None);
        };
        let (sender, tenure) = tenure::begin(lease.token, self.term, asked_at);
        self.held.locked().insert(stream_id.clone(), (lease.clone(), sender));
        self.store.note_step(NotedOn::from(stream_id.clone()), Step::Claimed, clock::unix_micros());
        debug!(%stream_id, token = lease.token, "claimed");
        match self.store.get(stream_id).await {
            Ok(Some(record)) if !tenure.is_to_be_left() => Ok(Some((record, lease, tenure))),
            Ok(Some(_) | None) => self.give_back(&lease, Outcome::HandedOver).await.map(|()| None),
            Err(error) => {
                // No task runs it, so it is not renewed.
                self.forget(stream_id);
                Err(error)
            }
        }
    }

    /// Releases a stream that no task runs.
    pub(super) async fn give_back(&self, lease: &Lease, outcome: Outcome) -> Result<(), StoreError> {
        self.forget(&lease.stream_id);
        self.store.release(lease, outcome, self.now()).await
    }

    /// Stops renewing a lease, which then expires.
    pub(super) fn forget(&self, stream_id: &StreamId) {
        self.held.locked().remove(stream_id);
    }

    /// Releases a stream whose task has ended, in the background: ends of many streams share a sync, and a store that
    /// does not answer holds up nothing else. Until then no other process joins a stream that has ended.
    pub(super) fn release(&mut self, lease: Lease, outcome: Outcome, signed_at: u64) {
        self.unreleased.insert(lease.stream_id.clone());
        let (store, metrics, held, steady) = (self.store.clone(), self.metrics.clone(), self.held.clone(), self.steady);
        self.releasing.spawn(async move {
            let stream_id = lease.stream_id.clone();
            let mut is_logged = false;
            loop {
                match store.release(&lease, outcome.clone(), store.time(steady.now())).await {
                    Ok(()) | Err(StoreError::LeaseLost { .. }) => break,
                    Err(error) => {
                        metrics.store_error();
                        if !std::mem::replace(&mut is_logged, true) {
                            error!(%stream_id, %error, "cannot store the end of a stream, trying again");
                        }
                    }
                }
                sleep(RELEASE_AGAIN_AFTER).await;
            }
            held.locked().remove(&stream_id);
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

impl Drop for Claims {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl Held {
    fn locked(&self) -> MutexGuard<'_, BTreeMap<StreamId, (Lease, TenureSender)>> {
        locked(&self.0)
    }

    /// Takes the store's answer on one lease, which was asked for at this moment.
    fn take(&self, asked: &Lease, answer: Result<Lease, StoreError>, term: Term, asked_at: Instant) {
        let mut held = self.locked();
        // It may have been given up, and claimed anew, meanwhile.
        let Some((lease, sender)) = held.get_mut(&asked.stream_id).filter(|(lease, _)| lease.token == asked.token)
        else {
            return;
        };
        match answer {
            Ok(renewed) => {
                *lease = renewed;
                sender.prolong(term, asked_at);
            }
            Err(error) => {
                warn!(stream_id = %asked.stream_id, %error, "leaving the stream to its new owner");
                sender.end();
                held.remove(&asked.stream_id);
            }
        }
    }
}

/// Renews all leases again and again. A store that does not answer in time is asked anew.
async fn renew(store: Arc<dyn Store>, held: Arc<Held>, steady: SteadyClock, term: Term, every: Duration) {
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut trouble = Trouble::default();
    loop {
        tick.tick().await;
        let leases: Vec<Lease> = held.locked().values().map(|(lease, _)| lease.clone()).collect();
        if leases.is_empty() {
            continue;
        }
        let asked_at = Instant::now();
        let renewed = store.renew_many(&leases, term.whole, store.time(steady.now()));
        let why = match timeout(every, renewed).await {
            Ok(Ok(answers)) => {
                for (lease, answer) in leases.iter().zip(answers) {
                    held.take(lease, answer, term, asked_at);
                }
                if trouble.ends(Instant::now()) {
                    info!("leases can be renewed again");
                }
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the store did not answer in time".to_owned(),
        };
        if trouble.begins(Instant::now()) {
            let streams = leases.len();
            warn!(streams, why, "cannot renew leases, trying again; their streams are left before the leases expire");
        }
    }
}
