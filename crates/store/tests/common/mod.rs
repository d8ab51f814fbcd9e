//! Webhooks and engines for the tests.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use rtms_store::{
    Change, EntryId, Faults, FaultyStore, FoldInput, Folded, MemoryStore, NewEntry, Operations, OwnerId, SqliteStore,
    Store, faulty::Sleep,
};
use rtms_wire::{
    codes::{product::Product, stop_reason::StopReason},
    ids::{InstanceId, InstanceIdField, StreamId},
    time::UnixMillis,
};
use tempfile::TempDir;

/// A store, with what it lies in.
pub(crate) struct Engine {
    pub(crate) store: Arc<dyn Store>,
    _directory: Option<TempDir>,
}

impl Engine {
    pub(crate) fn memory() -> Self {
        Self { store: Arc::new(MemoryStore::new()), _directory: None }
    }

    /// One whose saves are outrun, late and done twice. What it keeps it keeps all the same.
    pub(crate) fn faulty() -> Self {
        let faults =
            Faults { outrun: 200, twice: 200, late: 100, longest: Duration::from_millis(2), ..Faults::default() };
        let sleep: Sleep = Arc::new(|time| Box::pin(tokio::time::sleep(time)));
        Self { store: Arc::new(FaultyStore::new(Arc::new(MemoryStore::new()), faults, 1, sleep)), _directory: None }
    }

    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path()).unwrap();
        Self { store: Arc::new(store), _directory: Some(directory) }
    }
}

pub(crate) const NOW: UnixMillis = UnixMillis(1_795_428_000_000);

pub(crate) fn stream(name: &str) -> StreamId {
    StreamId::new(name)
}

pub(crate) fn owner(name: &str) -> OwnerId {
    OwnerId::new(name)
}

pub(crate) fn entry(body: &str) -> NewEntry {
    NewEntry { received_at: NOW, app: "main".into(), body: Bytes::copy_from_slice(body.as_bytes()) }
}

/// A start of a stream at a time of Zoom's, in meeting `m`.
pub(crate) fn start(stream_id: &str, at: u64) -> FoldInput {
    input("meeting.rtms_started", Some(stream_id), Some(at), started(&[&format!("wss://{at}.sjc.zoom.us")]))
}

/// A start that does not say when.
pub(crate) fn undated_start(stream_id: &str, url: &str) -> FoldInput {
    input("meeting.rtms_started", Some(stream_id), None, started(&[url]))
}

pub(crate) fn stop(stream_id: &str, at: u64) -> FoldInput {
    let change = Change::Stopped { reason: Some(StopReason::MeetingEnded) };
    input("meeting.rtms_stopped", Some(stream_id), Some(at), change)
}

/// A stop that names meeting `m` and no stream.
pub(crate) fn instance_stop(at: u64) -> FoldInput {
    input("meeting.rtms_stopped", None, Some(at), Change::Stopped { reason: None })
}

pub(crate) fn interruption(stream_id: &str, at: u64, urls: &[&str]) -> FoldInput {
    let server_urls = urls.iter().map(ToString::to_string).collect();
    input("meeting.rtms_interrupted", Some(stream_id), Some(at), Change::Interrupted { server_urls })
}

pub(crate) fn input(event: &str, stream_id: Option<&str>, at: Option<u64>, change: Change) -> FoldInput {
    FoldInput {
        event: event.into(),
        event_ts: at.map(UnixMillis),
        product: Some(Product::Meeting),
        instance: Some(InstanceId::new(InstanceIdField::MeetingUuid, "m")),
        stream_id: stream_id.map(StreamId::new),
        account_id: None,
        change,
    }
}

pub(crate) fn started(urls: &[&str]) -> Change {
    Change::Started {
        server_urls: urls.iter().map(ToString::to_string).collect(),
        region: Some("SJC".into()),
        meeting_id: None,
        operator_id: None,
        is_original_host: None,
        host_id: None,
        session_key: None,
        signature: None,
    }
}

/// Appends an entry and folds it.
pub(crate) async fn fold(store: &dyn Store, input: FoldInput) -> Folded {
    fold_entry(store, input).await.1
}

pub(crate) async fn fold_entry(store: &dyn Store, input: FoldInput) -> (EntryId, Folded) {
    let id = store.append(entry("{}")).await.unwrap();
    (id, store.fold(id, input, NOW).await.unwrap())
}
