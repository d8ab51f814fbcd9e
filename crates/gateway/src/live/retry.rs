//! Joining a stream again whose run has ended: as long as Zoom still waits for it.

use std::time::Duration;

use rtms_proto::reconnect::{FIRST_CONNECT_WINDOW, SIGNALING_WINDOW};
use rtms_store::{error::StoreError, receipts::ReceiptFilter, store::Store, stream_record::StreamRecord};
use rtms_wire::time::UnixMillis;

/// Why a stream is not joined again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CannotRetry {
    #[error("no start webhook of it has come")]
    NotStarted,
    #[error("Zoom has stopped it")]
    Stopped,
    #[error("its end was asked for here")]
    Closed,
    #[error(
        "Zoom waits {} s after {since}, and {} s have passed; ask Zoom for a new stream",
        window.as_secs(),
        age.as_secs()
    )]
    TooLate { since: &'static str, window: Duration, age: Duration },
}

/// Whether joining a stream again can succeed: Zoom wants it, and its window is open.
pub(crate) async fn check(
    store: &dyn Store,
    record: &StreamRecord,
    now: UnixMillis,
) -> Result<Result<(), CannotRetry>, StoreError> {
    let Some(start) = record.wanted.newest_start() else { return Ok(Err(CannotRetry::NotStarted)) };
    if !record.wanted.is_running() {
        return Ok(Err(CannotRetry::Stopped));
    }
    if record.wanted.is_closing() {
        return Ok(Err(CannotRetry::Closed));
    }
    let connected = record.ended.as_ref().filter(|ended| ended.summary.as_ref().is_none_or(|it| it.connected));
    let (since, window, opened_at) = match connected {
        Some(ended) => ("a connection is lost", SIGNALING_WINDOW, ended.at),
        None => {
            let filter = ReceiptFilter { stream_id: Some(record.stream_id.clone()), ..ReceiptFilter::default() };
            let receipts = store.receipts(filter).await?;
            let asked = receipts.iter().find(|receipt| Some(receipt.id) == record.connection_entry);
            ("the start webhook", FIRST_CONNECT_WINDOW, asked.map_or(start.at, |asked| asked.received_at))
        }
    };
    let age = now.since(opened_at);
    Ok(if age <= window { Ok(()) } else { Err(CannotRetry::TooLate { since, window, age }) })
}
