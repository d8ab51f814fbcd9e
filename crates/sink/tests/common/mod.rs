//! Envelopes, sinks that misbehave and a durable queue in memory for the tests.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use rtms_sink::{
    backlog::{Backlog, BacklogError, Claimed, Stored},
    envelope::{Body, Envelope, VERSION},
    error::SinkError,
    sink::Sink,
};
use rtms_wire::{
    codes::product::Product,
    ids::{InstanceId, InstanceIdField, StreamId},
    sequence::SequenceNumber,
    time::UnixMillis,
};
use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, sleep_until, timeout},
};

/// How long a test waits for something that comes at once on a machine that is not busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The envelope of a stream with this number.
pub(crate) fn envelope(stream: &str, sequence: u64) -> Arc<Envelope> {
    with_body(stream, sequence, Body::Started)
}

pub(crate) fn with_body(stream: &str, sequence: u64, body: Body) -> Arc<Envelope> {
    Arc::new(Envelope {
        version: VERSION,
        rtms_stream_id: StreamId::from(stream),
        product: Product::Meeting,
        instance: InstanceId::new(InstanceIdField::MeetingUuid, "gPkqeuK3m0UGeK+QdgAH/Q=="),
        sequence,
        id: SequenceNumber { token: 1 << 32, count: sequence },
        received_at: UnixMillis(1_795_420_800_000),
        body,
    })
}

/// What a sink does with a batch.
pub(crate) enum Answer {
    Take,
    /// Takes it when there is a permit.
    TakeWhen(Arc<Semaphore>),
    Fail(SinkError),
    Hang,
}

type Script = Box<dyn FnMut(&[Arc<Envelope>]) -> Answer + Send>;

/// A sink that does what a function says, and keeps what it took.
pub(crate) struct Scripted {
    script: Script,
    taken: Taken,
}

/// Stream and sequence of what was taken, in order.
#[derive(Clone, Default)]
pub(crate) struct Taken(Arc<Mutex<Vec<(String, u64)>>>, Arc<Notify>, Arc<Notify>);

impl Scripted {
    pub(crate) fn new(script: impl FnMut(&[Arc<Envelope>]) -> Answer + Send + 'static) -> (Self, Taken) {
        let taken = Taken::default();
        (Self { script: Box::new(script), taken: taken.clone() }, taken)
    }
}

impl Taken {
    pub(crate) fn all(&self) -> Vec<(String, u64)> {
        self.0.lock().unwrap().clone()
    }

    /// The sequences of a stream, in the order in which they came.
    pub(crate) fn of(&self, stream: &str) -> Vec<u64> {
        self.all().into_iter().filter(|(of, _)| of == stream).map(|(_, sequence)| sequence).collect()
    }

    /// Waits until the sink stands before a gate.
    pub(crate) async fn begun(&self) {
        self.2.notified().await;
    }

    /// Waits until so many were taken in all.
    pub(crate) async fn reached(&self, count: usize) {
        let reached = async {
            while self.all().len() < count {
                self.1.notified().await;
            }
        };
        timeout(PATIENCE, reached).await.expect("more is taken");
    }
}

#[async_trait]
impl Sink for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn deliver(&mut self, batch: &[Arc<Envelope>]) -> Result<(), SinkError> {
        assert!(!batch.is_empty());
        match (self.script)(batch) {
            answer @ (Answer::Take | Answer::TakeWhen(_)) => {
                if let Answer::TakeWhen(gate) = answer {
                    self.taken.2.notify_one();
                    gate.acquire().await.unwrap().forget();
                }
                let taken = batch.iter().map(|envelope| (envelope.rtms_stream_id.to_string(), envelope.sequence));
                self.taken.0.lock().unwrap().extend(taken);
                self.taken.1.notify_one();
                Ok(())
            }
            Answer::Fail(error) => Err(error),
            Answer::Hang => std::future::pending().await,
        }
    }
}

/// A durable queue that outlives a [`Delivery`](rtms_sink::delivery::Delivery), not the test.
#[derive(Clone, Default)]
pub(crate) struct Shelf(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changes: Notify,
    fails: AtomicBool,
}

#[derive(Default)]
struct State {
    last: u64,
    /// With how often each was handed out, and when it is due; none at once.
    jobs: BTreeMap<u64, (Stored, u32, Option<Instant>)>,
    /// The last number that is handed out, by key.
    claims: BTreeMap<String, u64>,
}

impl Shelf {
    /// What the opening of a store does: claims of an earlier process are void.
    pub(crate) fn restart(&self) {
        self.0.state.lock().unwrap().claims.clear();
    }

    pub(crate) fn fail(&self, fails: bool) {
        self.0.fails.store(fails, Ordering::Relaxed);
    }

    /// The sequences of what waits.
    pub(crate) fn waiting(&self) -> Vec<u64> {
        let state = self.0.state.lock().unwrap();
        let read = |stored: &Stored| serde_json::from_slice::<Envelope>(&stored.payload).unwrap().sequence;
        state.jobs.values().map(|(stored, ..)| read(stored)).collect()
    }

    fn state(&self) -> Result<std::sync::MutexGuard<'_, State>, BacklogError> {
        if self.0.fails.load(Ordering::Relaxed) {
            return Err(BacklogError::Unavailable("the disk is full".into()));
        }
        Ok(self.0.state.lock().unwrap())
    }
}

impl State {
    fn free_if_done(&mut self, key: &str) {
        let oldest = self.jobs.iter().find(|(_, (stored, ..))| stored.key == key).map(|(number, _)| *number);
        if let Some(to) = self.claims.get(key).copied()
            && oldest.is_none_or(|oldest| oldest > to)
        {
            self.claims.remove(key);
        }
    }
}

#[async_trait]
impl Backlog for Shelf {
    type Ticket = u64;

    async fn push(&self, envelopes: Vec<Stored>) -> Result<(), BacklogError> {
        let mut state = self.state()?;
        if envelopes.iter().any(|stored| stored.payload.len() > 100_000) {
            return Err(BacklogError::Refused("too large".into()));
        }
        for stored in envelopes {
            if state.jobs.values().all(|(known, ..)| known.id != stored.id) {
                state.last += 1;
                let number = state.last;
                state.jobs.insert(number, (stored, 0, None));
            }
        }
        self.0.changes.notify_one();
        Ok(())
    }

    async fn claim(&self, limit: usize) -> Result<Vec<Claimed<u64>>, BacklogError> {
        let mut state = self.state()?;
        let State { jobs, claims, .. } = &mut *state;
        let keys: BTreeSet<_> = jobs.values().map(|(stored, ..)| stored.key.clone()).collect();
        let mut claimed = Vec::new();
        for key in keys.iter().filter(|key| !claims.contains_key(key.as_str())).cloned().collect::<Vec<_>>() {
            for (number, (stored, deliveries, due)) in jobs.iter_mut().filter(|(_, (stored, ..))| stored.key == key) {
                if claimed.len() >= limit || due.is_some_and(|due| due > Instant::now()) {
                    break;
                }
                *deliveries += 1;
                claims.insert(key.to_string(), *number);
                claimed.push(Claimed { stored: stored.clone(), deliveries: *deliveries, ticket: *number });
            }
        }
        Ok(claimed)
    }

    async fn ack(&self, tickets: &[u64]) -> Result<u64, BacklogError> {
        let mut state = self.state()?;
        let mut gone = 0;
        for ticket in tickets {
            if let Some((stored, ..)) = state.jobs.remove(ticket) {
                gone += 1;
                state.free_if_done(&stored.key);
            }
        }
        self.0.changes.notify_one();
        Ok(gone)
    }

    async fn nak(&self, ticket: u64, pause: Duration) -> Result<(), BacklogError> {
        let mut state = self.state()?;
        let Some((stored, _, due)) = state.jobs.get_mut(&ticket) else { return Ok(()) };
        *due = Some(Instant::now() + pause);
        let key = stored.key.to_string();
        state.claims.insert(key.clone(), ticket - 1);
        state.free_if_done(&key);
        self.0.changes.notify_one();
        Ok(())
    }

    async fn forget(&self, key: &str) -> Result<u64, BacklogError> {
        let mut state = self.state()?;
        let before = state.jobs.len();
        state.jobs.retain(|_, (stored, ..)| stored.key != key);
        state.claims.remove(key);
        Ok((before - state.jobs.len()) as u64)
    }

    async fn count(&self) -> Result<u64, BacklogError> {
        Ok(self.state()?.jobs.len() as u64)
    }

    async fn changed(&self) {
        let next = self
            .0
            .state
            .lock()
            .unwrap()
            .jobs
            .values()
            .filter_map(|(.., due)| *due)
            .filter(|due| *due > Instant::now())
            .min();
        let told = self.0.changes.notified();
        match next {
            Some(next) => tokio::select! {
                () = told => {}
                () = sleep_until(next) => {}
            },
            None => told.await,
        }
    }
}
