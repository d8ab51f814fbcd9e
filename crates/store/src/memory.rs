//! The store in memory: the same contract, and nothing survives the process. For tests and trials.

mod queue;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use rtms_wire::{ids::StreamId, time::UnixMillis};
use tokio::sync::watch;

#[cfg(test)]
use crate::wanted::Wanted;
use crate::{
    entry::{Entry, EntryId, NewEntry, Verdict},
    error::StoreError,
    folding::{self, FoldInput, Folded, Folding, Records},
    inbox::Inbox,
    lease::{Lease, Leases, OwnerId},
    memory::queue::MemoryQueue,
    queue::{Queue, QueueBounds},
    receipts::{NotedOn, Receipt, ReceiptFilter, Receipts, Step, Steps, UnixMicros},
    store::{Pruned, Stats, Store},
    stream_record::StreamRecord,
    streams::{Outcome, StreamFilter, Streams},
    summary::RunSummary,
    wanted::{InstanceKey, Stop},
};

/// The store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    queue: MemoryQueue,
    inbox_changes: watch::Sender<u64>,
    stream_changes: watch::Sender<u64>,
}

impl MemoryStore {
    /// Starts empty.
    pub fn new() -> Self {
        Self::with_job_bounds(QueueBounds::default())
    }

    /// Starts empty, with other bounds for durable jobs.
    pub fn with_job_bounds(bounds: QueueBounds) -> Self {
        let state = State {
            entries: BTreeMap::new(),
            last_id: 0,
            shelf: Shelf::default(),
            leases: Leases::of_epoch(1),
            stats: Stats::default(),
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            queue: MemoryQueue::new(bounds),
            inbox_changes: watch::Sender::new(0),
            stream_changes: watch::Sender::new(0),
        }
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.state();
        if state.closed { Err(StoreError::Closed) } else { Ok(state) }
    }

    /// Changes the record of a stream, if there is one and `change` says so.
    fn change(&self, stream_id: &StreamId, change: impl FnOnce(&mut StreamRecord) -> bool) -> Result<bool, StoreError> {
        let mut guard = self.open()?;
        let state = &mut *guard;
        let Some(record) = state.shelf.records.get_mut(stream_id) else { return Ok(false) };
        // Kept apart; what is decided here may depend on it.
        record.lease = state.leases.of(stream_id).cloned();
        let is_changed = change(record);
        record.lease = None;
        drop(guard);
        if is_changed {
            bump(&self.stream_changes);
        }
        Ok(is_changed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here panics half-way through a change, so the state is whole even then.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Inbox for MemoryStore {
    async fn append(&self, entry: NewEntry) -> Result<EntryId, StoreError> {
        let mut state = self.open()?;
        state.last_id += 1;
        let id = EntryId(state.last_id);
        state.entries.insert(id, Kept::new(entry));
        state.stats.appends += 1;
        state.stats.commits += 1;
        drop(state);
        bump(&self.inbox_changes);
        Ok(id)
    }

    async fn pending(&self, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let state = self.open()?;
        let pending = state.entries.iter().filter(|(_, kept)| kept.settled.is_none());
        Ok(pending.take(limit).map(|(id, kept)| kept.entry(*id)).collect())
    }

    async fn settle(&self, id: EntryId, verdict: Verdict, now: UnixMillis) -> Result<(), StoreError> {
        let mut state = self.open()?;
        let kept = state.entries.get_mut(&id).ok_or(StoreError::NoSuchEntry(id))?;
        kept.settled.get_or_insert(Settled { verdict, at: now });
        state.stats.commits += 1;
        Ok(())
    }

    fn inbox_changes(&self) -> watch::Receiver<u64> {
        self.inbox_changes.subscribe()
    }
}

#[async_trait]
impl Streams for MemoryStore {
    async fn fold(&self, id: EntryId, input: FoldInput, now: UnixMillis) -> Result<Folded, StoreError> {
        let folded = {
            let mut guard = self.open()?;
            let state = &mut *guard;
            let kept = state.entries.get_mut(&id).ok_or(StoreError::NoSuchEntry(id))?;
            let folding = Folding { id, received_at: kept.new.received_at, app: &kept.new.app, now };
            let Ok(mut folded) = folding::fold(&mut state.shelf, &folding, &input);
            let verdict = folded.verdict(&input);
            let settled = kept.settled.get_or_insert(Settled { verdict, at: now });
            folded.class = settled.verdict.class;
            folded.reason.clone_from(&settled.verdict.reason);
            state.stats.commits += 1;
            folded
        };
        bump(&self.stream_changes);
        Ok(folded)
    }

    async fn claim(
        &self,
        stream_id: &StreamId,
        owner: &OwnerId,
        term: Duration,
        now: UnixMillis,
    ) -> Result<Option<Lease>, StoreError> {
        let lease = {
            let mut state = self.open()?;
            let wish_at = state.shelf.records.get(stream_id).and_then(|record| Some(record.open_wish()?.at));
            wish_at.and_then(|wish_at| state.leases.claim(stream_id, owner, wish_at, term, now))
        };
        if lease.is_some() {
            bump(&self.stream_changes);
        }
        Ok(lease)
    }

    async fn renew(&self, lease: &Lease, term: Duration, now: UnixMillis) -> Result<Lease, StoreError> {
        self.open()?.leases.renew(lease, term, now)
    }

    async fn release(&self, lease: &Lease, outcome: Outcome, now: UnixMillis) -> Result<(), StoreError> {
        {
            let mut state = self.open()?;
            state.leases.check(lease, now)?;
            if let (Outcome::Ended { stop_reason, why, summary }, Some(record)) =
                (outcome, state.shelf.records.get_mut(&lease.stream_id))
            {
                record.end(lease, stop_reason, why, summary, now);
            }
            state.leases.remove(lease);
        }
        bump(&self.stream_changes);
        Ok(())
    }

    async fn ask_to_close(&self, stream_id: &StreamId, now: UnixMillis) -> Result<bool, StoreError> {
        self.change(stream_id, |record| record.close(now))
    }

    async fn ask_to_retry(&self, stream_id: &StreamId, now: UnixMillis) -> Result<bool, StoreError> {
        self.change(stream_id, |record| record.retry(now))
    }

    async fn conclude(
        &self,
        stream_id: &StreamId,
        owner: &OwnerId,
        why: String,
        summary: RunSummary,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        self.change(stream_id, |record| record.conclude(owner.clone(), why, summary, now))
    }

    async fn amend(&self, stream_id: &StreamId, summary: RunSummary, now: UnixMillis) -> Result<bool, StoreError> {
        self.change(stream_id, |record| record.amend(summary, now))
    }

    async fn get(&self, stream_id: &StreamId) -> Result<Option<StreamRecord>, StoreError> {
        let state = self.open()?;
        Ok(state.shelf.records.get(stream_id).map(|record| state.with_lease(record)))
    }

    async fn list(&self, filter: StreamFilter) -> Result<Vec<StreamRecord>, StoreError> {
        let state = self.open()?;
        let matches = |record: &&StreamRecord| filter.open.is_none_or(|open| open == record.open_wish().is_some());
        let mut records: Vec<_> = state.shelf.records.values().filter(matches).collect();
        records.sort_by(|one, other| (other.changed_at, &one.stream_id).cmp(&(one.changed_at, &other.stream_id)));
        Ok(records.into_iter().take(filter.limit).map(|record| state.with_lease(record)).collect())
    }

    async fn claimable(&self, now: UnixMillis) -> Result<Vec<StreamRecord>, StoreError> {
        let state = self.open()?;
        let records = state.shelf.records.values().map(|record| state.with_lease(record));
        Ok(records.filter(|record| record.is_claimable(now)).collect())
    }

    fn stream_changes(&self) -> watch::Receiver<u64> {
        self.stream_changes.subscribe()
    }
}

#[async_trait]
impl Receipts for MemoryStore {
    fn note_step(&self, noted_on: NotedOn, step: Step, at: UnixMicros) {
        let mut state = self.state();
        let id = match noted_on {
            NotedOn::Entry(id) => Some(id),
            NotedOn::Stream(stream_id) => {
                state.shelf.records.get(&stream_id).and_then(|record| record.connection_entry)
            }
        };
        if let Some(kept) = id.and_then(|id| state.entries.get_mut(&id)) {
            kept.steps.note(step, at);
        }
    }

    async fn receipts(&self, filter: ReceiptFilter) -> Result<Vec<Receipt>, StoreError> {
        let state = self.open()?;
        let receipts = state.entries.iter().map(|(id, kept)| kept.receipt(*id));
        let mut matching: Vec<_> = receipts
            .filter(|receipt| {
                filter.since.is_none_or(|since| receipt.received_at >= since)
                    && (filter.stream_id.is_none() || receipt.stream_id == filter.stream_id)
            })
            .collect();
        matching.sort_by_key(|receipt| Reverse((receipt.received_at, receipt.id)));
        matching.truncate(filter.limit);
        Ok(matching)
    }

    async fn receipt_body(&self, id: EntryId) -> Result<Option<Bytes>, StoreError> {
        Ok(self.open()?.entries.get(&id).map(|kept| kept.new.body.clone()))
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn queue(&self) -> &dyn Queue {
        &self.queue
    }

    async fn prune(&self, older_than: UnixMillis) -> Result<Pruned, StoreError> {
        let mut guard = self.open()?;
        let state = &mut *guard;
        state.leases.forget_expired(older_than);
        let before = (state.entries.len(), state.shelf.records.len(), state.shelf.stops.len());
        state.entries.retain(|_, kept| kept.settled.is_none() || kept.new.received_at >= older_than);
        let leases = &state.leases;
        state.shelf.records.retain(|stream_id, record| {
            record.open_wish().is_some() || record.changed_at >= older_than || leases.of(stream_id).is_some()
        });
        let records = &state.shelf.records;
        state.shelf.members.retain(|(_, stream_id)| records.contains_key(stream_id));
        state.shelf.stops.retain(|_, (_, remembered_at)| *remembered_at >= older_than);
        let pruned = Pruned {
            entries: before.0 - state.entries.len(),
            streams: before.1 - state.shelf.records.len(),
            stops: before.2 - state.shelf.stops.len(),
        };
        drop(guard);
        bump(&self.stream_changes);
        Ok(pruned)
    }

    fn stats(&self) -> Stats {
        self.state().stats
    }

    async fn close(&self) {
        self.state().closed = true;
        self.queue.close();
    }
}

fn bump(changes: &watch::Sender<u64>) {
    changes.send_modify(|count| *count += 1);
}

#[derive(Debug)]
struct State {
    entries: BTreeMap<EntryId, Kept>,
    last_id: u64,
    shelf: Shelf,
    leases: Leases,
    stats: Stats,
    closed: bool,
}

impl State {
    fn with_lease(&self, record: &StreamRecord) -> StreamRecord {
        StreamRecord { lease: self.leases.of(&record.stream_id).cloned(), ..record.clone() }
    }
}

#[derive(Debug)]
struct Kept {
    new: NewEntry,
    settled: Option<Settled>,
    steps: Steps,
}

#[derive(Debug)]
struct Settled {
    verdict: Verdict,
    at: UnixMillis,
}

impl Kept {
    fn new(new: NewEntry) -> Self {
        Self { new, settled: None, steps: Steps::default() }
    }

    fn entry(&self, id: EntryId) -> Entry {
        let NewEntry { received_at, app, body } = self.new.clone();
        Entry { id, received_at, app, body }
    }

    fn receipt(&self, id: EntryId) -> Receipt {
        let verdict = self.settled.as_ref().map(|settled| settled.verdict.clone());
        Receipt {
            id,
            received_at: self.new.received_at,
            app: self.new.app.clone(),
            class: verdict.as_ref().map(|verdict| verdict.class),
            event: verdict.as_ref().and_then(|verdict| verdict.event.clone()),
            stream_id: verdict.as_ref().and_then(|verdict| verdict.stream_id.clone()),
            reason: verdict.map(|verdict| verdict.reason),
            settled_at: self.settled.as_ref().map(|settled| settled.at),
            body_bytes: self.new.body.len() as u64,
            steps: self.steps,
        }
    }
}

/// The records and what is remembered of instances.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    records: BTreeMap<StreamId, StreamRecord>,
    members: BTreeSet<(InstanceKey, StreamId)>,
    stops: BTreeMap<InstanceKey, (Stop, UnixMillis)>,
}

#[cfg(test)]
impl Shelf {
    /// What is wanted of each stream.
    pub(crate) fn wanted(&self) -> BTreeMap<StreamId, Wanted> {
        self.records.iter().map(|(stream_id, record)| (stream_id.clone(), record.wanted.clone())).collect()
    }
}

impl Records for Shelf {
    type Error = Infallible;

    fn load(&mut self, stream_id: &StreamId) -> Result<Option<StreamRecord>, Infallible> {
        Ok(self.records.get(stream_id).cloned())
    }

    fn save(&mut self, record: &StreamRecord) -> Result<(), Infallible> {
        for instance in &record.wanted.instances {
            self.members.insert((instance.clone(), record.stream_id.clone()));
        }
        self.records.insert(record.stream_id.clone(), record.clone());
        Ok(())
    }

    fn streams_of(&mut self, instance: &InstanceKey) -> Result<Vec<StreamId>, Infallible> {
        let first = (instance.clone(), StreamId::default());
        let members = self.members.range(first..).take_while(|(of, _)| of == instance);
        Ok(members.map(|(_, stream_id)| stream_id.clone()).collect())
    }

    fn instance_stop(&mut self, instance: &InstanceKey) -> Result<Option<Stop>, Infallible> {
        Ok(self.stops.get(instance).map(|(stop, _)| stop.clone()))
    }

    fn remember_stop(&mut self, instance: &InstanceKey, stop: &Stop, now: UnixMillis) -> Result<(), Infallible> {
        self.stops.insert(instance.clone(), (stop.clone(), now));
        Ok(())
    }
}
