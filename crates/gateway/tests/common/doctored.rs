//! A store in memory that can be made to misbehave: appends that fail, streams that nobody can claim.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use rtms_store::{
    entry::{Entry, EntryId, NewEntry, Verdict},
    error::StoreError,
    folding::{FoldInput, Folded},
    inbox::Inbox,
    lease::{Lease, OwnerId},
    memory::MemoryStore,
    queue::Queue,
    receipts::{NotedOn, Receipt, ReceiptFilter, Receipts, Step, UnixMicros},
    store::{Pruned, Stats, Store},
    stream_record::StreamRecord,
    streams::{Outcome, StreamFilter, Streams},
    summary::RunSummary,
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

    async fn settle(&self, id: EntryId, verdict: Verdict, now: UnixMillis) -> Result<(), StoreError> {
        self.store.settle(id, verdict, now).await
    }

    fn inbox_changes(&self) -> watch::Receiver<u64> {
        self.store.inbox_changes()
    }
}

#[async_trait]
impl Streams for Doctored {
    async fn fold(&self, id: EntryId, input: FoldInput, now: UnixMillis) -> Result<Folded, StoreError> {
        self.store.fold(id, input, now).await
    }

    async fn claim(
        &self,
        _stream_id: &StreamId,
        _owner: &OwnerId,
        _term: Duration,
        _now: UnixMillis,
    ) -> Result<Option<Lease>, StoreError> {
        Ok(None)
    }

    async fn renew(&self, lease: &Lease, term: Duration, now: UnixMillis) -> Result<Lease, StoreError> {
        self.store.renew(lease, term, now).await
    }

    async fn release(&self, lease: &Lease, outcome: Outcome, now: UnixMillis) -> Result<(), StoreError> {
        self.store.release(lease, outcome, now).await
    }

    async fn ask_to_close(&self, stream_id: &StreamId, now: UnixMillis) -> Result<bool, StoreError> {
        self.store.ask_to_close(stream_id, now).await
    }

    async fn ask_to_retry(&self, stream_id: &StreamId, now: UnixMillis) -> Result<bool, StoreError> {
        self.store.ask_to_retry(stream_id, now).await
    }

    async fn conclude(
        &self,
        stream_id: &StreamId,
        owner: &OwnerId,
        why: String,
        summary: RunSummary,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        self.store.conclude(stream_id, owner, why, summary, now).await
    }

    async fn amend(&self, stream_id: &StreamId, summary: RunSummary, now: UnixMillis) -> Result<bool, StoreError> {
        self.store.amend(stream_id, summary, now).await
    }

    async fn get(&self, stream_id: &StreamId) -> Result<Option<StreamRecord>, StoreError> {
        self.store.get(stream_id).await
    }

    async fn list(&self, filter: StreamFilter) -> Result<Vec<StreamRecord>, StoreError> {
        self.store.list(filter).await
    }

    async fn claimable(&self, _now: UnixMillis) -> Result<Vec<StreamRecord>, StoreError> {
        Ok(Vec::new())
    }

    fn stream_changes(&self) -> watch::Receiver<u64> {
        self.store.stream_changes()
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
