//! Withdrawn consent (stop reason 8): everything that is held of the stream is deleted, also across a crash.
//!
//! The deletion is written down before it begins and finished by the next process if need be; a recording that was
//! deleted is never made again ([`rtms_record::deletion`]). Of the store, the envelopes that wait for sinks are
//! deleted; webhooks prove that a stream existed, but hold nothing that was said or shown in it.

use std::{path::PathBuf, sync::Arc};

use rtms_record::{
    RecordError,
    deletion::{Deletion, DeletionRecord, finish_pending},
};
use rtms_sink::delivery::Delivery;
use rtms_store::stream_record::StreamRecord;
use rtms_wire::{codes::stop_reason::StopReason, ids::StreamId};
use tokio::task::JoinError;
use tracing::{error, info};

use crate::{clock, live::wire_log::WireLogs, telemetry::Metrics};

/// Deletes recordings, also those of earlier processes and of a time when streams were recorded.
#[derive(Debug)]
pub(crate) struct Revocations {
    /// The folder of all recordings.
    pub(crate) root: PathBuf,
    /// Wire logs, which hold the same and more; none if this process keeps none.
    pub(crate) wire_logs: Option<Arc<WireLogs>>,
    /// The sinks. Envelopes that wait for them may be in the store.
    pub(crate) sinks: Arc<Vec<Delivery>>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Whether what is held of a stream has to go: Zoom revoked it, and no newer start opened it again.
pub(crate) fn is_revoked(record: &StreamRecord) -> bool {
    let by_end = record.ended.as_ref().is_some_and(|ended| is_revocation(ended.stop_reason));
    (record.wanted.is_revoked() || by_end) && record.open_wish().is_none()
}

pub(crate) fn is_revocation(reason: Option<StopReason>) -> bool {
    reason == Some(StopReason::StreamRevoked)
}

impl Revocations {
    /// Deletes the recording of a stream that does not run, and what is stored of it for sinks. True when nothing of it
    /// is left; what was deleted before is passed over.
    pub(crate) async fn delete(&self, stream_id: &StreamId) -> bool {
        let forgotten = self.forget(stream_id).await;
        self.delete_recording(stream_id).await && forgotten
    }

    /// Takes back what is stored of a stream for sinks. True when nothing of it is left.
    pub(crate) async fn forget(&self, stream_id: &StreamId) -> bool {
        let mut is_done = true;
        for sink in self.sinks.iter() {
            if let Err(error) = sink.forget(stream_id).await {
                let sink = sink.name();
                error!(%stream_id, sink, %error, "cannot delete the stored envelopes of a revoked stream, trying again");
                is_done = false;
            }
        }
        is_done
    }

    async fn delete_recording(&self, stream_id: &StreamId) -> bool {
        let (root, stream, now) = (self.root.clone(), stream_id.clone(), clock::unix_millis());
        let wire_logs = self.wire_logs.clone();
        let delete = move || {
            // First, so that a deletion that is noted as done leaves nothing behind; and if it fails, the rest goes all
            // the same.
            let wire_log = wire_logs.map_or(Ok(()), |wire_logs| wire_logs.delete(&stream));
            let deletion = Deletion::begin(&root, &stream, Some(StopReason::StreamRevoked), now).map_err(reason)?;
            let is_new = deletion.record().done_at.is_none();
            let record = deletion.run(now).map_err(reason)?;
            wire_log.map_err(|error| format!("failed to delete the wire log: {error}"))?;
            Ok((is_new, record))
        };
        match flat(tokio::task::spawn_blocking(delete).await) {
            Ok((is_new, record)) => {
                if is_new {
                    self.report_deleted(&record);
                }
                true
            }
            Err(why) => {
                self.report_failure(&why);
                false
            }
        }
    }

    /// Finishes what an earlier process began. True when nothing is left to do.
    pub(crate) async fn finish_pending(&self) -> bool {
        let (root, now) = (self.root.clone(), clock::unix_millis());
        let finished = match flat(tokio::task::spawn_blocking(move || finish_pending(&root, now).map_err(reason)).await)
        {
            Ok(finished) => finished,
            Err(why) => {
                self.report_failure(&why);
                return false;
            }
        };
        let mut is_done = true;
        for deletion in finished {
            match deletion {
                Ok(record) => self.report_deleted(&record),
                Err(error) => {
                    self.report_failure(&reason(error));
                    is_done = false;
                }
            }
        }
        is_done
    }

    fn report_deleted(&self, record: &DeletionRecord) {
        let files: u64 = record.removed.values().map(|removed| removed.files).sum();
        let bytes: u64 = record.removed.values().map(|removed| removed.bytes).sum();
        self.metrics.deleted(true);
        info!(stream_id = %record.stream_id, files, bytes, "consent withdrawn, recording deleted");
    }

    fn report_failure(&self, why: &str) {
        self.metrics.deleted(false);
        error!(why, "cannot delete a recording whose consent was withdrawn, trying again");
    }
}

fn flat<T>(done: Result<Result<T, String>, JoinError>) -> Result<T, String> {
    done.unwrap_or_else(|panic| Err(panic.to_string()))
}

/// Returns the text of an error with its source.
fn reason(error: RecordError) -> String {
    match std::error::Error::source(&error) {
        Some(source) => format!("failed to {error}: {source}"),
        None => format!("failed to {error}"),
    }
}
