//! What earlier demos left in the store: their streams are over, as the simulator that sent them is gone.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use rtms_gateway::server::StartError;
use rtms_store::{Engine, FoldInput, NewEntry, Operations, Store, StoreError, StreamFilter, StreamRecord};
use rtms_wire::{SmolStr, time::UnixMillis, webhook::Webhook};
use serde_json::json;

use crate::clock;

/// Streams that are looked through: a demo has one, and few are interrupted.
const MAX_STREAMS: usize = 10_000;

/// Opens the store of the demo. Streams of `app` that an earlier demo was interrupted in are stopped, so that the server closes
/// their recordings and joins none of them. Those of other apps are left alone: somebody may have named a server's folder.
///
/// # Errors
/// The store cannot be opened, as [`StartError::Store`], read or written.
pub(super) async fn open_store(data_dir: &Path, app: &str) -> anyhow::Result<Arc<dyn Store>> {
    let store = Engine::default().open(data_dir).map_err(StartError::Store)?;
    let now = clock::now()?;
    let open = store.list(StreamFilter { open: Some(true), limit: MAX_STREAMS }).await?;
    for record in open.iter().filter(|record| record.wanted.newest_start().is_some_and(|start| start.app == app)) {
        stop(&*store, record, app, now).await.context("failed to stop the stream of an earlier demo")?;
    }
    Ok(store)
}

/// Does what the webhook would have done that nobody sent.
async fn stop(store: &dyn Store, record: &StreamRecord, app: &str, now: UnixMillis) -> Result<(), StoreError> {
    let payload = json!({ "rtms_stream_id": record.stream_id });
    let body = json!({ "event": "meeting.rtms_stopped", "event_ts": now, "payload": payload }).to_string();
    let input = Webhook::decode(body.as_bytes()).ok().and_then(|webhook| FoldInput::from_webhook(&webhook, Vec::new()));
    let Some(input) = input else { return Ok(()) };
    let entry = NewEntry { received_at: now, app: SmolStr::new(app), body: body.into() };
    let id = store.append(entry).await?;
    store.fold(id, input, now).await.map(|_| ())
}
