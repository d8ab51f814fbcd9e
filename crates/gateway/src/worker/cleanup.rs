//! Cleaning up after streams that do not run: the account of one that was left behind, that could not be joined, or
//! whose run failed before Zoom stopped it; the end of a recording that is not closed; the deletion of what was
//! revoked.

use std::{collections::BTreeMap, sync::Arc};

use rtms_api::{ended, standing};
use rtms_proto::next_step::NextStep;
use rtms_sink::recall::WeakRecall;
use rtms_store::{
    error::StoreError,
    lease::OwnerId,
    operations::Operations,
    receipts::Step,
    stream_record::StreamRecord,
    streams::StreamFilter,
    summary::{Recorded, RunSummary},
    wanted::Stop,
};
use rtms_wire::{ids::StreamId, time::UnixMillis};
use tracing::{Instrument, error, info, warn};

use crate::{
    clock,
    live::{
        recording::{Account, close_left_behind},
        revoked::is_revoked,
        stream_span,
        stream_task::StreamDeps,
        summary,
    },
    worker::{
        chores::{Chore, Chores},
        joining::{about, receipts},
    },
};

/// Ended streams that are looked at when the process starts: a crash may have come between the word that one is revoked
/// and the note that its recording is to be deleted. Those two are moments apart, so the stream is among the last.
pub(super) const LOOK_BACK: usize = 10_000;

/// Cleans up after streams that do not run here.
pub(super) struct Cleanup {
    deps: Arc<StreamDeps>,
    owner: OwnerId,
    pub(super) chores: Chores,
    looked_back: bool,
    /// The envelopes of ended streams that may still wait for a sink.
    recalls: BTreeMap<StreamId, WeakRecall>,
}

impl Cleanup {
    pub(super) fn new(deps: Arc<StreamDeps>, owner: OwnerId) -> Self {
        let chores = Chores::new(deps.clone());
        Self { deps, owner, chores, looked_back: false, recalls: BTreeMap::new() }
    }

    /// Does the clean-up that the record of a stream calls for. The stream does not run here.
    pub(super) async fn compare(&mut self, record: &StreamRecord) -> Result<(), StoreError> {
        if is_revoked(record) {
            self.revoke(&record.stream_id);
        } else if record.is_left_behind() {
            let span = stream_span::of_record(record);
            if !self.close_left_behind(record).instrument(span.clone()).await? {
                self.conclude_unjoined(record).instrument(span).await?;
            }
        } else if record.unclosed().is_some() {
            self.chores.add(Chore::Close(record.stream_id.clone()));
        } else if record.is_short_of_stop() {
            self.reach_stop(record).instrument(stream_span::of_record(record)).await?;
        }
        Ok(())
    }

    /// Continues the unfinished work of earlier processes of this store, once. Returns whether it did so now.
    pub(super) async fn look_back(&mut self) -> Result<bool, StoreError> {
        if self.looked_back {
            return Ok(false);
        }
        let filter = StreamFilter { open: Some(false), limit: LOOK_BACK };
        for record in self.deps.store.list(filter).await? {
            if record.is_left_behind() && !is_revoked(&record) {
                // Without a recording nothing is known of a stream of long ago.
                self.close_left_behind(&record).await?;
            } else {
                self.compare(&record).await?;
            }
        }
        self.looked_back = true;
        Ok(true)
    }

    /// Looks back once more with the next look.
    pub(super) fn look_back_again(&mut self) {
        self.looked_back = false;
    }

    /// Starts what is due.
    pub(super) fn turn(&mut self) {
        self.recalls.retain(|_, recall| recall.is_of_use());
        self.chores.start_next();
    }

    /// Remembers the envelopes that an ended stream offered to sinks, in case that it is revoked.
    pub(super) fn ended(&mut self, stream_id: StreamId, recall: WeakRecall) {
        self.recalls.insert(stream_id, recall);
    }

    /// Deletes everything that is held of a stream that does not run here.
    fn revoke(&mut self, stream_id: &StreamId) {
        if let Some(recall) = self.recalls.get(stream_id) {
            recall.recall();
        }
        self.chores.add(Chore::Delete(stream_id.clone()));
    }

    /// Closes the recording of a stream that Zoom stopped after its process had died. Returns whether there is one.
    async fn close_left_behind(&self, record: &StreamRecord) -> Result<bool, StoreError> {
        let stream_id = &record.stream_id;
        let Some(stop) = &record.wanted.stop else { return Ok(false) };
        match self.closed_until_stop(record, stop).await {
            Ok(Some(account)) => {
                let (why, now) = (why_stopped(stop), clock::unix_millis());
                let summary = summary::of_account(&account);
                let state = standing::standing(Some(&summary));
                self.ask_for_new(record).await?;
                if self.deps.store.conclude(stream_id, &self.owner, why, summary, now).await? {
                    self.deps.metrics.ended_as(state, &account.loss, summary::counted(record).as_ref());
                    let lost = &account.loss;
                    info!(%state, %lost, "closed the recording of a stream that Zoom stopped while no process ran it");
                }
            }
            Ok(None) => return Ok(false),
            Err(()) => {}
        }
        Ok(true)
    }

    /// Closes the recording of a stream that does not run at the time at which Zoom stopped it. Returns its account;
    /// none if there is no recording. An error is logged.
    async fn closed_until_stop(&self, record: &StreamRecord, stop: &Stop) -> Result<Option<Account>, ()> {
        let stream_id = &record.stream_id;
        let about = record.wanted.newest_start().and_then(|start| about(stream_id, start));
        let (Some(setup), Some(about)) = (self.deps.recording.clone(), about) else { return Ok(None) };
        let (stop, why, now) = (stop.clone(), why_stopped(stop), clock::unix_millis());
        let closed = tokio::task::spawn_blocking(move || close_left_behind(&setup, about, &stop, why, now)).await;
        closed.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())).map_err(|error| {
            self.deps.metrics.record_error();
            error!(%error, "cannot close the recording of a stream that Zoom stopped");
        })
    }

    /// Records the end of a stream that Zoom stopped before it was joined. If it was joined, its loss is unknown.
    async fn conclude_unjoined(&self, record: &StreamRecord) -> Result<(), StoreError> {
        let stream_id = &record.stream_id;
        let receipts = receipts(&self.deps, stream_id).await;
        let connected = receipts.iter().any(|receipt| receipt.steps.at(Step::Connected).is_some());
        let stopped_at = record.wanted.stop.as_ref().map(|stop| stop.at);
        let summary = if connected {
            RunSummary { connected, ..RunSummary::never_connected() }
        } else {
            self.unjoined(record, stopped_at)
        };
        let (state, loss) = (standing::standing(Some(&summary)), ended::loss_of(&summary));
        let why = if connected { "stopped while nobody ran it" } else { "stopped by Zoom before it was joined" };
        let now = clock::unix_millis();
        self.ask_for_new(record).await?;
        if self.deps.store.conclude(stream_id, &self.owner, why.to_owned(), summary, now).await? {
            self.deps.metrics.ended_as(state, &loss, summary::counted(record).as_ref());
            warn!(%state, why, lost = %loss, "stream accounted for");
        }
        Ok(())
    }

    /// Takes down that a stream is to be asked for again, if its stop leaves a meeting that may go on.
    async fn ask_for_new(&self, record: &StreamRecord) -> Result<(), StoreError> {
        let reason = record.wanted.stop.as_ref().and_then(|stop| stop.reason);
        let is_lost = reason.is_some_and(|reason| NextStep::of(reason) == NextStep::AskForNewStream);
        match &self.deps.new_streams {
            Some(new_streams) if is_lost && !record.wanted.is_closing() => {
                new_streams.ask_for(&record.stream_id, record.last_token()).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Returns the facts of a stream that was never joined; without its time if its start does not name the product.
    pub(super) fn unjoined(&self, record: &StreamRecord, stopped_at: Option<UnixMillis>) -> RunSummary {
        let about = record.wanted.newest_start().and_then(|start| about(&record.stream_id, start));
        let wanted = self.deps.config.media;
        let summary = about.map(|about| summary::unjoined(&about, wanted, stopped_at, clock::unix_millis()));
        summary.unwrap_or_else(RunSummary::never_connected)
    }

    /// Brings the account of a stream whose run failed to the moment at which Zoom stopped the stream.
    async fn reach_stop(&self, record: &StreamRecord) -> Result<(), StoreError> {
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
        let (state, lost) = (standing::standing(Some(&summary)), ended::loss_of(&summary));
        if self.deps.store.amend(stream_id, summary, clock::unix_millis()).await? {
            self.deps.metrics.ended_as(state, &lost, summary::counted(record).as_ref());
            info!("Zoom stopped a stream that had failed here");
            info!(%state, %lost, "stream accounted for");
        }
        Ok(())
    }
}

fn why_stopped(stop: &Stop) -> String {
    stop.reason.map_or_else(|| "stopped by Zoom without a reason".to_owned(), |reason| reason.to_string())
}
