//! The store in memory: the same contract, and nothing survives the process. For tests and trials.

mod queue;

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use rtms_wire::{ids::StreamId, time::UnixMillis};
use tokio::sync::watch;

use crate::{
    changes::{ChangeSender, Changes},
    entry::{Entry, EntryHead, EntryId, NewEntry, Settled, Taken, Verdict},
    error::StoreError,
    inbox::Inbox,
    lease::Lease,
    locked::locked,
    memory::queue::MemoryQueue,
    queue::{Queue, QueueBounds},
    receipts::{NotedOn, Receipt, ReceiptFilter, Receipts, Step, Steps, UnixMicros},
    store::{Pruned, Stats, Store},
    stream_record::{InstanceStop, Revision, StreamRecord},
    streams::{RecordChange, Saved, StreamFilter, Streams},
    takes::Takes,
    wanted::InstanceKey,
};

/// The store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    queue: MemoryQueue,
    inbox_changes: watch::Sender<u64>,
    changes: ChangeSender,
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
            takes: Takes::default(),
            records: BTreeMap::new(),
            stops: BTreeMap::new(),
            stats: Stats::default(),
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            queue: MemoryQueue::new(bounds),
            inbox_changes: watch::Sender::new(0),
            changes: ChangeSender::new(),
        }
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.state();
        if state.closed { Err(StoreError::Closed) } else { Ok(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
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

    async fn take(&self, limit: usize, term: Duration, now: UnixMillis) -> Result<Vec<Taken>, StoreError> {
        let mut guard = self.open()?;
        let State { entries, takes, .. } = &mut *guard;
        let pending = entries.iter().filter(|(_, kept)| kept.settled.is_none());
        let free = pending.filter_map(|(id, kept)| {
            let deliveries = takes.take(*id, term, now)?;
            Some(Taken { entry: kept.entry(*id), deliveries })
        });
        Ok(free.take(limit).collect())
    }

    async fn put_back(&self, ids: &[EntryId]) -> Result<(), StoreError> {
        let mut state = self.open()?;
        ids.iter().for_each(|id| state.takes.put_back(*id));
        Ok(())
    }

    async fn head(&self, id: EntryId) -> Result<Option<EntryHead>, StoreError> {
        Ok(self.open()?.entries.get(&id).map(|kept| EntryHead {
            received_at: kept.new.received_at,
            app: kept.new.app.clone(),
            settled: kept.settled.as_ref().map(Judged::standing),
        }))
    }

    async fn settle(&self, id: EntryId, verdict: Verdict, now: UnixMillis) -> Result<Settled, StoreError> {
        let mut state = self.open()?;
        state.takes.settled(id);
        let kept = state.entries.get_mut(&id).ok_or(StoreError::NoSuchEntry(id))?;
        let standing = kept.settled.get_or_insert(Judged { verdict, at: now }).standing();
        state.stats.commits += 1;
        Ok(standing)
    }

    fn inbox_changes(&self) -> watch::Receiver<u64> {
        self.inbox_changes.subscribe()
    }
}

#[async_trait]
impl Streams for MemoryStore {
    async fn get(&self, stream_id: &StreamId) -> Result<Option<StreamRecord>, StoreError> {
        Ok(self.open()?.records.get(stream_id).cloned())
    }

    async fn save(&self, change: RecordChange) -> Result<Saved, StoreError> {
        let RecordChange { before, mut after, safety: _ } = change;
        let stream_id = after.stream_id.clone();
        let revision = {
            let mut state = self.open()?;
            let known = state.records.get(&stream_id).map(|record| record.revision).unwrap_or_default();
            if known != before.map(|before| before.revision).unwrap_or_default() {
                return Ok(Saved::Outrun);
            }
            after.revision = Revision(known.0 + 1);
            state.records.insert(stream_id.clone(), after);
            state.stats.commits += 1;
            Revision(known.0 + 1)
        };
        self.changes.report(&stream_id, revision);
        Ok(Saved::As(revision))
    }

    async fn list(&self, filter: StreamFilter) -> Result<Vec<StreamRecord>, StoreError> {
        let state = self.open()?;
        let matches = |record: &&StreamRecord| filter.open.is_none_or(|open| open == record.open_wish().is_some());
        let mut records: Vec<_> = state.records.values().filter(matches).collect();
        records.sort_by(|one, other| (other.changed_at, &one.stream_id).cmp(&(one.changed_at, &other.stream_id)));
        Ok(records.into_iter().take(filter.limit).cloned().collect())
    }

    async fn claimable(&self, now: UnixMillis) -> Result<Vec<StreamRecord>, StoreError> {
        Ok(self.open()?.records.values().filter(|record| record.is_claimable(now)).cloned().collect())
    }

    async fn renew_many(
        &self,
        leases: &[Lease],
        term: Duration,
        now: UnixMillis,
    ) -> Result<Vec<Result<Lease, StoreError>>, StoreError> {
        let mut state = self.open()?;
        let renew = |lease: &Lease| {
            let lost = || StoreError::LeaseLost { stream_id: lease.stream_id.clone(), token: lease.token };
            let record = state.records.get_mut(&lease.stream_id).ok_or_else(lost)?;
            let renewed = record.renew(lease, term, now)?;
            // Who read the record before knows of a shorter term.
            record.revision.0 += 1;
            Ok(renewed)
        };
        Ok(leases.iter().map(renew).collect())
    }

    fn changes(&self) -> Changes {
        self.changes.subscribe()
    }

    fn least_token(&self) -> u64 {
        1
    }

    async fn instance_stop(&self, instance: &InstanceKey) -> Result<Option<InstanceStop>, StoreError> {
        Ok(self.open()?.stops.get(instance).map(|(stop, _)| stop.clone()))
    }

    async fn add_instance_stop(
        &self,
        instance: &InstanceKey,
        stop: InstanceStop,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let mut state = self.open()?;
        let known = state.stops.get(instance).map(|(known, _)| known.clone());
        let joined = known.clone().map_or_else(|| stop.clone(), |known| known.join(stop.clone()));
        if known.as_ref() != Some(&joined) {
            state.stops.insert(instance.clone(), (joined, now));
        }
        Ok(())
    }

    async fn streams_of(&self, instance: &InstanceKey) -> Result<Vec<StreamId>, StoreError> {
        let state = self.open()?;
        let named = state.records.values().filter(|record| record.wanted.instances.contains(instance));
        Ok(named.map(|record| record.stream_id.clone()).collect())
    }
}

#[async_trait]
impl Receipts for MemoryStore {
    fn note_step(&self, noted_on: NotedOn, step: Step, at: UnixMicros) {
        let mut state = self.state();
        let id = match noted_on {
            NotedOn::Entry(id) => Some(id),
            NotedOn::Stream(stream_id) => state.records.get(&stream_id).and_then(|record| record.connection_entry),
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
        let before = (state.entries.len(), state.records.len(), state.stops.len());
        state.entries.retain(|_, kept| kept.settled.is_none() || kept.new.received_at >= older_than);
        state.records.retain(|_, record| {
            let is_leased = record.lease.as_ref().is_some_and(|lease| lease.is_live(older_than));
            record.open_wish().is_some() || record.changed_at >= older_than || is_leased
        });
        state.stops.retain(|_, (_, remembered_at)| *remembered_at >= older_than);
        Ok(Pruned {
            entries: before.0 - state.entries.len(),
            streams: before.1 - state.records.len(),
            stops: before.2 - state.stops.len(),
        })
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
    takes: Takes,
    records: BTreeMap<StreamId, StreamRecord>,
    /// Each with when it last changed.
    stops: BTreeMap<InstanceKey, (InstanceStop, UnixMillis)>,
    stats: Stats,
    closed: bool,
}

#[derive(Debug)]
struct Kept {
    new: NewEntry,
    settled: Option<Judged>,
    steps: Steps,
}

#[derive(Debug)]
struct Judged {
    verdict: Verdict,
    at: UnixMillis,
}

impl Judged {
    fn standing(&self) -> Settled {
        Settled { class: self.verdict.class, reason: self.verdict.reason.clone() }
    }
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
