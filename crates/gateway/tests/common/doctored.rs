//! A store in memory that can be made to misbehave: appends that fail, streams that nobody can claim.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use rtms_store::{
    changes::Changes,
    entry::{Entry, EntryHead, EntryId, NewEntry, Settled, Taken, Verdict},
    error::StoreError,
    inbox::Inbox,
    lease::{Lease, OwnerId},
    memory::MemoryStore,
    queue::Queue,
    receipts::{NotedOn, Receipt, ReceiptFilter, Receipts, Step, UnixMicros},
    store::{Pruned, Stats, Store},
    stream_record::{InstanceStop, StreamRecord},
    streams::{RecordChange, Saved, StreamFilter, Streams},
    wanted::InstanceKey,
};
use rtms_wire::{Bytes, ids::StreamId, time::UnixMillis};
use tokio::sync::watch;

/// Streams are recorded in it but never claimed, so that webhooks with Zoom's real host names are not acted on.
#[derive(Debug, Default)]
pub(crate) struct Doctored {
    store: MemoryStore,
    /// Whether appends fail now.
    pub(crate) is_full: AtomicBool,
}

#[async_trait]
impl Inbox for Doctored {
    async fn append(&self, entry: NewEntry) -> Result<EntryId, StoreError> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(StoreError::Busy { queued: 0 });
        }
        self.store.append(entry).await
    }

    async fn pending(&self, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.store.pending(limit).await
    }

    async fn take(&self, limit: usize, term: Duration, now: UnixMillis) -> Result<Vec<Taken>, StoreError> {
        self.store.take(limit, term, now).await
    }

    async fn put_back(&self, ids: &[EntryId]) -> Result<(), StoreError> {
        self.store.put_back(ids).await
    }

    async fn head(&self, id: EntryId) -> Result<Option<EntryHead>, StoreError> {
        self.store.head(id).await
    }

    async fn settle(&self, id: EntryId, verdict: Verdict, now: UnixMillis) -> Result<Settled, StoreError> {
        self.store.settle(id, verdict, now).await
    }

    fn inbox_changes(&self) -> watch::Receiver<u64> {
        self.store.inbox_changes()
    }
}

/// Somebody has every stream that is to run, and does nothing with it.
const NOBODY: &str = "nobody";

fn taken(mut record: StreamRecord) -> StreamRecord {
    let wish_at = record.open_wish().map(|wish| wish.at);
    record.lease = wish_at.map(|wish_at| Lease {
        stream_id: record.stream_id.clone(),
        owner: OwnerId::new(NOBODY),
        token: 1,
        expires_at: UnixMillis(u64::MAX),
        wish_at,
    });
    record
}

#[async_trait]
impl Streams for Doctored {
    async fn get(&self, stream_id: &StreamId) -> Result<Option<StreamRecord>, StoreError> {
        Ok(self.store.get(stream_id).await?.map(taken))
    }

    async fn save(&self, mut change: RecordChange) -> Result<Saved, StoreError> {
        change.after.lease = None;
        self.store.save(change).await
    }

    async fn list(&self, filter: StreamFilter) -> Result<Vec<StreamRecord>, StoreError> {
        self.store.list(filter).await
    }

    async fn claimable(&self, _now: UnixMillis) -> Result<Vec<StreamRecord>, StoreError> {
        Ok(Vec::new())
    }

    async fn renew_many(
        &self,
        leases: &[Lease],
        term: Duration,
        now: UnixMillis,
    ) -> Result<Vec<Result<Lease, StoreError>>, StoreError> {
        self.store.renew_many(leases, term, now).await
    }

    fn changes(&self) -> Changes {
        self.store.changes()
    }

    fn least_token(&self) -> u64 {
        self.store.least_token()
    }

    async fn instance_stop(&self, instance: &InstanceKey) -> Result<Option<InstanceStop>, StoreError> {
        self.store.instance_stop(instance).await
    }

    async fn add_instance_stop(
        &self,
        instance: &InstanceKey,
        stop: InstanceStop,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        self.store.add_instance_stop(instance, stop, now).await
    }

    async fn streams_of(&self, instance: &InstanceKey) -> Result<Vec<StreamId>, StoreError> {
        self.store.streams_of(instance).await
    }
}

#[async_trait]
impl Receipts for Doctored {
    fn note_step(&self, noted_on: NotedOn, step: Step, at: UnixMicros) {
        self.store.note_step(noted_on, step, at);
    }

    async fn receipts(&self, filter: ReceiptFilter) -> Result<Vec<Receipt>, StoreError> {
        self.store.receipts(filter).await
    }

    async fn receipt_body(&self, id: EntryId) -> Result<Option<Bytes>, StoreError> {
        self.store.receipt_body(id).await
    }
}

#[async_trait]
impl Store for Doctored {
    fn queue(&self) -> &dyn Queue {
        self.store.queue()
    }

    async fn prune(&self, older_than: UnixMillis) -> Result<Pruned, StoreError> {
        self.store.prune(older_than).await
    }

    fn stats(&self) -> Stats {
        self.store.stats()
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
