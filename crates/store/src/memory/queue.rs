//! The queue in memory.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use rtms_wire::time::UnixMillis;
use smol_str::SmolStr;
use tokio::sync::watch;

use crate::{
    error::StoreError,
    lease::OwnerId,
    queue::{Claimed, Job, MAX_CLAIM_BYTES, Queue, QueueBounds, QueueCount, Ticket, check_payloads},
};

/// Jobs, their order and who has them.
#[derive(Debug)]
pub(super) struct MemoryQueue {
    state: Mutex<State>,
    bounds: QueueBounds,
    changes: watch::Sender<u64>,
}

impl MemoryQueue {
    pub(super) fn new(bounds: QueueBounds) -> Self {
        Self { state: Mutex::default(), bounds, changes: watch::Sender::new(0) }
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.state();
        if state.closed { Err(StoreError::Closed) } else { Ok(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here panics half-way through a change, so the state is whole even then.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bump(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn push(&self, jobs: Vec<Job>) -> Result<(), StoreError> {
        check_payloads(&jobs)?;
        let mut state = self.open()?;
        let mut ids = BTreeSet::new();
        let is_new = |job: &Job| {
            let id = (job.queue.clone(), job.id.clone());
            !state.ids.contains_key(&id) && ids.insert(id)
        };
        let new: Vec<_> = jobs.into_iter().filter(is_new).collect();
        let mut totals = BTreeMap::new();
        for job in &new {
            let total = totals.entry(&job.queue).or_insert_with(|| state.total(&job.queue));
            total.jobs += 1;
            total.bytes += job.payload.len() as u64;
        }
        for (queue, total) in totals {
            self.bounds.check(queue, total.jobs, total.bytes)?;
        }
        for job in new {
            state.insert(job);
        }
        drop(state);
        self.bump();
        Ok(())
    }

    async fn claim(
        &self,
        queue: &str,
        owner: &OwnerId,
        term: Duration,
        limit: usize,
        now: UnixMillis,
    ) -> Result<Vec<Claimed>, StoreError> {
        let mut guard = self.open()?;
        let State { jobs, keys, .. } = &mut *guard;
        let mut ready: Vec<_> = of_queue(keys, queue)
            .filter_map(|(name, key)| Some((key.ready_at(jobs)?, name.clone())))
            .filter(|(ready_at, _)| *ready_at <= now)
            .collect();
        ready.sort();
        let (mut claimed, mut bytes) = (Vec::new(), 0);
        for (_, name) in ready {
            let Some(key) = keys.get_mut(&name) else { continue };
            let mut last = None;
            for number in &key.numbers {
                let Some(kept) = jobs.get_mut(number).filter(|kept| kept.job.not_before <= now) else { break };
                bytes += kept.job.payload.len();
                if claimed.len() >= limit || (bytes > MAX_CLAIM_BYTES && !claimed.is_empty()) {
                    break;
                }
                kept.deliveries += 1;
                let ticket = Ticket { number: *number, delivery: kept.deliveries };
                claimed.push(Claimed { job: kept.job.clone(), deliveries: kept.deliveries, ticket });
                last = Some(*number);
            }
            let Some(to) = last else { break };
            key.claim = Some(Claim { owner: owner.clone(), until: now + term, to });
        }
        Ok(claimed)
    }

    async fn ack(&self, tickets: &[Ticket]) -> Result<u64, StoreError> {
        let mut state = self.open()?;
        let before = state.jobs.len();
        for ticket in tickets {
            state.remove(ticket.number);
        }
        let gone = before - state.jobs.len();
        drop(state);
        self.bump();
        Ok(gone as u64)
    }

    async fn nak(&self, ticket: Ticket, not_before: UnixMillis) -> Result<(), StoreError> {
        let mut guard = self.open()?;
        let State { jobs, keys, .. } = &mut *guard;
        let Some(kept) = jobs.get_mut(&ticket.number).filter(|kept| kept.deliveries == ticket.delivery) else {
            return Ok(());
        };
        kept.job.not_before = not_before;
        if let Some(key) = keys.get_mut(&(kept.job.queue.clone(), kept.job.key.clone())) {
            if let Some(claim) = key.claim.as_mut() {
                claim.to = claim.to.min(ticket.number - 1);
            }
            key.end_claim_if_done();
        }
        drop(guard);
        self.bump();
        Ok(())
    }

    async fn forget(&self, queue: &str, key: &str) -> Result<u64, StoreError> {
        let mut state = self.open()?;
        let numbers = state.keys.get(&(queue.into(), key.into())).map(|key| key.numbers.clone()).unwrap_or_default();
        for number in &numbers {
            state.remove(*number);
        }
        Ok(numbers.len() as u64)
    }

    async fn count(&self, queue: &str) -> Result<QueueCount, StoreError> {
        let state = self.open()?;
        let next_at = of_queue(&state.keys, queue).filter_map(|(_, key)| key.ready_at(&state.jobs)).min();
        Ok(QueueCount { next_at, ..state.total(queue) })
    }

    fn job_changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// A queue and a key in it.
type KeyName = (SmolStr, SmolStr);

#[derive(Debug, Default)]
struct State {
    jobs: BTreeMap<u64, Kept>,
    last: u64,
    ids: BTreeMap<(SmolStr, SmolStr), u64>,
    keys: BTreeMap<KeyName, Key>,
    totals: BTreeMap<SmolStr, QueueCount>,
    closed: bool,
}

#[derive(Debug)]
struct Kept {
    job: Job,
    deliveries: u32,
}

/// The unfinished jobs of a key, and who has the first of them.
#[derive(Debug, Default)]
struct Key {
    numbers: BTreeSet<u64>,
    claim: Option<Claim>,
}

#[derive(Debug)]
struct Claim {
    #[expect(dead_code, reason = "for whoever debugs a test")]
    owner: OwnerId,
    until: UnixMillis,
    /// The last job that it covers.
    to: u64,
}

impl Key {
    /// When the oldest job is due, or free again.
    fn ready_at(&self, jobs: &BTreeMap<u64, Kept>) -> Option<UnixMillis> {
        let oldest = jobs.get(self.numbers.first()?)?;
        Some(self.claim.as_ref().map_or(oldest.job.not_before, |claim| claim.until))
    }

    /// Ends the claim if no unfinished job is left that it covers.
    fn end_claim_if_done(&mut self) {
        let oldest = self.numbers.first();
        self.claim.take_if(|claim| oldest.is_none_or(|oldest| *oldest > claim.to));
    }
}

impl State {
    fn total(&self, queue: &str) -> QueueCount {
        self.totals.get(queue).copied().unwrap_or_default()
    }

    fn insert(&mut self, job: Job) {
        self.last += 1;
        let number = self.last;
        self.ids.insert((job.queue.clone(), job.id.clone()), number);
        self.keys.entry((job.queue.clone(), job.key.clone())).or_default().numbers.insert(number);
        let total = self.totals.entry(job.queue.clone()).or_default();
        total.jobs += 1;
        total.bytes += job.payload.len() as u64;
        self.jobs.insert(number, Kept { job, deliveries: 0 });
    }

    fn remove(&mut self, number: u64) {
        let Some(Kept { job, .. }) = self.jobs.remove(&number) else { return };
        if let Some(total) = self.totals.get_mut(&job.queue) {
            total.jobs -= 1;
            total.bytes -= job.payload.len() as u64;
        }
        self.ids.remove(&(job.queue.clone(), job.id));
        if let btree_map::Entry::Occupied(mut key) = self.keys.entry((job.queue, job.key)) {
            key.get_mut().numbers.remove(&number);
            key.get_mut().end_claim_if_done();
            if key.get().numbers.is_empty() {
                key.remove();
            }
        }
    }
}

fn of_queue<'a>(keys: &'a BTreeMap<KeyName, Key>, queue: &'a str) -> impl Iterator<Item = (&'a KeyName, &'a Key)> {
    let first = (SmolStr::new(queue), SmolStr::default());
    keys.range(first..).take_while(move |((of, _), _)| of == queue)
}
