//! What a stream lost that nobody runs: one that was left behind, that could not be joined, or whose run failed before
//! Zoom stopped it.

use rtms_store::{
    error::StoreError,
    receipts::Step,
    stream_record::StreamRecord,
    summary::{Recorded, RunSummary},
    wanted::Stop,
};
use rtms_wire::time::UnixMillis;
use tracing::{error, info, info_span, warn};

use super::{Worker, about};
use crate::{
    clock,
    recording::{Account, close_left_behind},
    summary,
};

impl Worker {
    /// Closes the recording of a stream that Zoom stopped, and whose process died before it could. Whether there is one.
    pub(super) async fn close_left_behind(&self, record: &StreamRecord) -> Result<bool, StoreError> {
        let stream_id = &record.stream_id;
        let Some(stop) = &record.wanted.stop else { return Ok(false) };
        match self.closed_until_stop(record, stop).await {
            Ok(Some(account)) => {
                let (why, now) = (why_stopped(stop), clock::unix_millis());
                let summary = summary::of_account(&account);
                let state = summary::standing(Some(&summary));
                if self.surroundings.store.conclude(stream_id, &self.owner, why, summary, now).await? {
                    self.surroundings.metrics.ended_as(state, &account.loss, summary::counted(record).as_ref());
                    let lost = &account.loss;
                    info!(%stream_id, %state, %lost, "closed the recording of a stream that was stopped while nobody ran it");
                }
            }
            Ok(None) => return Ok(false),
            Err(()) => {}
        }
        Ok(true)
    }

    /// Closes the recording of a stream that does not run where Zoom stopped the stream, and gives what it tells; none if
    /// there is no recording. An error is logged.
    async fn closed_until_stop(&self, record: &StreamRecord, stop: &Stop) -> Result<Option<Account>, ()> {
        let stream_id = &record.stream_id;
        let about = record.wanted.newest_start().and_then(|start| about(stream_id, start));
        let (Some(setup), Some(about)) = (self.surroundings.recording.clone(), about) else { return Ok(None) };
        let (stop, why, now) = (stop.clone(), why_stopped(stop), clock::unix_millis());
        let closed = tokio::task::spawn_blocking(move || close_left_behind(&setup, about, &stop, why, now)).await;
        closed.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())).map_err(|error| {
            self.surroundings.metrics.record_error();
            error!(%stream_id, %error, "the recording of a stream that was stopped cannot be closed");
        })
    }

    /// Puts down the end of a stream that Zoom stopped before it was joined; of one that was, nobody knows what it lost.
    pub(super) async fn conclude_unjoined(&self, record: &StreamRecord) -> Result<(), StoreError> {
        let stream_id = &record.stream_id;
        let receipts = self.receipts(stream_id).await;
        let connected = receipts.iter().any(|receipt| receipt.steps.at(Step::Connected).is_some());
        let stopped_at = record.wanted.stop.as_ref().map(|stop| stop.at);
        let summary = if connected {
            RunSummary { connected, ..RunSummary::never_connected() }
        } else {
            self.unjoined(record, stopped_at)
        };
        let (state, loss) = (summary::standing(Some(&summary)), summary::loss_of(&summary));
        let why = if connected { "stopped while nobody ran it" } else { "stopped by Zoom before it was joined" };
        let now = clock::unix_millis();
        if self.surroundings.store.conclude(stream_id, &self.owner, why.to_owned(), summary, now).await? {
            self.surroundings.metrics.ended_as(state, &loss, summary::counted(record).as_ref());
            warn!(%stream_id, %state, why, lost = %loss, "the stream is accounted for");
        }
        Ok(())
    }

    /// The facts of a stream that was never joined; none of its time if its start does not say what is streamed.
    pub(super) fn unjoined(&self, record: &StreamRecord, stopped_at: Option<UnixMillis>) -> RunSummary {
        let about = record.wanted.newest_start().and_then(|start| about(&record.stream_id, start));
        let wanted = self.surroundings.config.media;
        let summary = about.map(|about| summary::unjoined(&about, wanted, stopped_at, clock::unix_millis()));
        summary.unwrap_or_else(RunSummary::never_connected)
    }

    /// Brings the account of a stream whose run failed to the moment at which Zoom stopped the stream.
    pub(super) async fn reach_stop(&self, record: &StreamRecord) -> Result<(), StoreError> {
        let stream_id = &record.stream_id;
        let before = record.ended.as_ref().and_then(|ended| ended.summary.clone());
        let (Some(before), Some(stop)) = (before, record.wanted.stop.as_ref()) else { return Ok(()) };
        let account = match before.recorded {
            Recorded::Done { .. } => match self.closed_until_stop(record, stop).await {
                Ok(account) => account,
                // The next process tries again.
                Err(()) => return Ok(()),
            },
            Recorded::Failed { .. } | Recorded::Unwanted => None,
        };
        let summary = summary::until_stop(*before, stop.at, account.as_ref());
        let (state, lost) = (summary::standing(Some(&summary)), summary::loss_of(&summary));
        if self.surroundings.store.amend(stream_id, summary, clock::unix_millis()).await? {
            self.surroundings.metrics.ended_as(state, &lost, summary::counted(record).as_ref());
            info_span!("stream", %stream_id).in_scope(|| {
                info!("Zoom has stopped the stream, whose run had failed");
                info!(%state, %lost, "the stream is accounted for");
            });
        }
        Ok(())
    }
}

fn why_stopped(stop: &Stop) -> String {
    stop.reason.map_or_else(|| "stopped by Zoom without a reason".to_owned(), |reason| reason.to_string())
}
