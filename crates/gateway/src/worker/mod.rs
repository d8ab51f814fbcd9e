//! Compares the wanted streams with the running ones, and acts: claims streams, notifies running ones of changes,
//! cleans up after other processes.
//!
//! It is level-triggered. A change of a record only says where to look; a look at everything finds what was missed, so
//! that a repeat, a reordering, a crash or a restart needs no case of its own.

mod chores;
mod claims;
mod cleanup;
mod joining;
mod running;
#[cfg(test)]
mod simulation;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use rtms_api::{ended, standing};
use rtms_proto::reconnect::FIRST_CONNECT_WINDOW;
use rtms_store::{
    changes::StreamChange,
    error::StoreError,
    lease::OwnerId,
    operations::Operations,
    outcome::Outcome,
    stream_record::{Ended, StreamRecord},
    streams::StreamFilter,
    summary::RunSummary,
};
use rtms_wire::{codes::stop_reason::StopReason, ids::StreamId};
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::{MissedTickBehavior, interval},
};
use tracing::{debug, error, info, warn};

use crate::{
    apps::Apps,
    clock::{self, SteadyClock},
    live::{
        retry,
        revoked::{self, is_revoked},
        stream_span,
        stream_task::{Finished, StreamDeps},
        summary,
    },
    stop::{Stop, StopShare},
    telemetry::NOT_JOINED,
    worker::{
        chores::Chore,
        claims::{Claims, Released},
        cleanup::{Cleanup, LOOK_BACK},
        joining::{CannotJoin, Joiner},
        running::Running,
    },
};

/// The time between two looks for streams that can be claimed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The time between two reads of the records of all running streams. Changes are notified; this finds a missed one.
const LOOK_AT_ALL_EVERY: Duration = Duration::from_secs(30);

/// Owns the streams of this process.
pub(crate) struct Worker {
    deps: Arc<StreamDeps>,
    reloads: watch::Receiver<u64>,
    joiner: Joiner,
    claims: Claims,
    cleanup: Cleanup,
    running: BTreeMap<StreamId, Running>,
    tasks: JoinSet<Finished>,
    /// Nothing is claimed any more.
    is_stopping: bool,
}

/// The next step of the worker.
enum Turn {
    Finished(Result<Finished, JoinError>),
    Released(Result<Released, JoinError>),
    ChoreOver(Result<(Chore, bool), JoinError>),
    Reloaded,
    Changed(StreamChange),
    LookAtAll,
    Look,
}

impl Worker {
    pub(crate) fn new(
        deps: Arc<StreamDeps>,
        apps: Apps,
        owner: OwnerId,
        steady: SteadyClock,
        term: Duration,
        renew_every: Duration,
    ) -> Self {
        Self {
            reloads: apps.reloads(),
            joiner: Joiner::new(deps.clone(), apps),
            claims: Claims::new(deps.store.clone(), deps.metrics.clone(), owner.clone(), steady, term, renew_every),
            cleanup: Cleanup::new(deps.clone(), owner),
            deps,
            running: BTreeMap::new(),
            tasks: JoinSet::new(),
            is_stopping: false,
        }
    }

    /// Runs until the server stops, then hands its streams over within the time that the stop has.
    pub(crate) async fn run(mut self, mut stop: Stop) {
        let mut changes = self.deps.store.changes();
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look_at_all = interval(LOOK_AT_ALL_EVERY);
        look_at_all.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let deadline = self.deps.deadline.clone();
        loop {
            let turn = tokio::select! {
                biased;
                () = stop.given() => break,
                Some(finished) = self.tasks.join_next() => Turn::Finished(finished),
                Some(released) = self.claims.released() => Turn::Released(released),
                Some(over) = self.cleanup.chores.over() => Turn::ChoreOver(over),
                Ok(()) = self.reloads.changed() => Turn::Reloaded,
                Some(change) = changes.next() => Turn::Changed(change),
                _ = look_at_all.tick() => Turn::LookAtAll,
                _ = look.tick() => Turn::Look,
            };
            // A store that does not answer must not keep the streams from being handed over.
            if deadline.within(StopShare::Turn, self.take(turn)).await.is_none() {
                break;
            }
        }
        self.hand_over().await;
    }

    async fn take(&mut self, turn: Turn) {
        let done = match turn {
            Turn::Finished(finished) => return self.finished(finished),
            Turn::Released(released) => return self.released(released).await,
            Turn::ChoreOver(over) => return self.cleanup.chores.take(over),
            Turn::Reloaded => self.retry_refused().await,
            Turn::Changed(StreamChange::Stream(stream_id, _)) => self.compare_by_id(&stream_id).await,
            Turn::Changed(StreamChange::Missed) => {
                // What changed of streams that do not run here is among the last that ended.
                self.cleanup.look_back_again();
                self.compare_all().await
            }
            Turn::LookAtAll => self.compare_all().await,
            Turn::Look => self.look().await,
        };
        self.report(done);
    }

    fn report(&self, compared: Result<(), StoreError>) {
        if let Err(error) = compared {
            self.deps.metrics.store_error();
            warn!(%error, "cannot compare the wanted streams with the running ones, trying again");
        }
    }

    /// Looks for what is to be claimed: a lease that runs out is no change.
    async fn look(&mut self) -> Result<(), StoreError> {
        if self.cleanup.look_back().await? {
            // Secrets may have changed with the restart.
            self.retry_refused().await?;
        }
        self.cleanup.turn();
        let store = self.deps.store.clone();
        for record in store.claimable(self.claims.now()).await? {
            if !self.running.contains_key(&record.stream_id) {
                self.compare(&record).await?;
            }
        }
        Ok(())
    }

    async fn compare_all(&mut self) -> Result<(), StoreError> {
        self.look().await?;
        for stream_id in self.running.keys().cloned().collect::<Vec<_>>() {
            self.compare_by_id(&stream_id).await?;
        }
        Ok(())
    }

    async fn compare_by_id(&mut self, stream_id: &StreamId) -> Result<(), StoreError> {
        match self.deps.store.get(stream_id).await? {
            Some(record) => self.compare(&record).await,
            None => Ok(()),
        }
    }

    async fn compare(&mut self, record: &StreamRecord) -> Result<(), StoreError> {
        let Some(running) = self.running.get_mut(&record.stream_id) else {
            self.cleanup.compare(record).await?;
            let close = Chore::Close(record.stream_id.clone());
            // Two must not write in one folder.
            let is_free = !self.is_stopping && self.cleanup.chores.current() != Some(&close);
            let is_claimable = is_free && record.is_claimable(self.claims.now());
            return if is_claimable { self.claim(record).await } else { Ok(()) };
        };
        match record.wanted.wish() {
            Some(wish) => {
                running.notify(&wish, record.wanted.stop.as_ref().map(|stop| stop.at)).await;
                running.send_requests(record).await;
            }
            None if running.stopped => {}
            None => {
                running.stopped = true;
                let stop = record.wanted.stop.as_ref();
                let newest = stop.and_then(|stop| stop.reason);
                let reason = if is_revoked(record) { Some(StopReason::StreamRevoked) } else { newest };
                if let Some(stop) = stop {
                    // It is set once: this is the first that the task hears of an end.
                    let _ = running.task.stopped_at.set(stop.at);
                }
                if revoked::is_revocation(reason) {
                    // What is on its way into the task yet is not worth taking back: the end follows.
                    running.task.recall.recall();
                }
                running.task.stream.stopped(reason).await;
            }
        }
        Ok(())
    }

    async fn claim(&mut self, record: &StreamRecord) -> Result<(), StoreError> {
        let signed_at = *self.reloads.borrow();
        let Some((record, mut lease, tenure)) = self.claims.claim(&record.stream_id).await? else { return Ok(()) };
        let Some(wish) = record.open_wish() else { return self.claims.give_back(&lease, Outcome::HandedOver).await };
        lease.saw(wish.at);
        match self.joiner.join(&record, &wish, tenure).await {
            Ok((task, stream)) => {
                let id = self.tasks.spawn(stream).id();
                let mut running = Running::new(task, id, lease, &wish, record.wanted.is_closing(), signed_at);
                running.send_requests(&record).await;
                self.running.insert(record.stream_id.clone(), running);
                Ok(())
            }
            Err(CannotJoin::TooLate) => self.claims.give_back(&lease, Outcome::HandedOver).await,
            Err(why) => {
                stream_span::of_record(&record).in_scope(|| error!(%why, "cannot join the stream"));
                self.deps.metrics.failed(NOT_JOINED);
                let refused_signature = matches!(why, CannotJoin::NoCredentials(_));
                let summary = RunSummary { refused_signature, ..self.cleanup.unjoined(&record, None) };
                self.deps.metrics.ended_as(
                    standing::standing(Some(&summary)),
                    &ended::loss_of(&summary),
                    summary::counted(&record).as_ref(),
                );
                let (at, why, summary) = (clock::unix_millis(), why.to_string(), Some(Box::new(summary)));
                let outcome = Outcome::Ended { at, stop_reason: None, why, summary };
                self.claims.give_back(&lease, outcome).await
            }
        }
    }

    fn finished(&mut self, finished: Result<Finished, JoinError>) {
        let Finished { stream_id, outcome } = match finished {
            Ok(finished) => finished,
            Err(panic) => {
                error!(%panic, "a stream task broke");
                // Its lease runs out, and then it is claimed again.
                let broken = self.running.extract_if(.., |_, running| running.id == panic.id());
                broken.for_each(|(stream_id, _)| self.claims.forget(&stream_id));
                return;
            }
        };
        let Some(mut running) = self.running.remove(&stream_id) else { return };
        running.take_acknowledgements();
        self.cleanup.ended(stream_id, running.task.recall.downgrade());
        self.claims.release(running.lease, outcome, running.signed_at);
    }

    async fn released(&mut self, released: Result<Released, JoinError>) {
        match released {
            Ok(Released { stream_id, signed_at }) => {
                if signed_at != *self.reloads.borrow() {
                    // Secrets changed while it was joined with the former ones.
                    let retried = self.retry_refused().await;
                    self.report(retried);
                }
                // Something may have come meanwhile: a newer start, or the word that it was revoked.
                let compared = self.compare_by_id(&stream_id).await;
                self.report(compared);
            }
            Err(panic) => error!(%panic, "the release of a stream broke"),
        }
    }

    /// Wants those streams again whose signature Zoom refused, as far as it still waits for them.
    async fn retry_refused(&mut self) -> Result<(), StoreError> {
        let store = self.deps.store.clone();
        let now = clock::unix_millis();
        for record in store.list(StreamFilter { open: Some(false), limit: LOOK_BACK }).await? {
            let is_refused = |ended: &Ended| {
                let summary = ended.summary.as_ref();
                now.since(ended.at) <= FIRST_CONNECT_WINDOW && summary.is_some_and(|summary| summary.refused_signature)
            };
            if !record.ended.as_ref().is_some_and(is_refused) {
                continue;
            }
            let stream_id = &record.stream_id;
            match retry::check(&*store, &record, now).await? {
                Ok(()) => {
                    if store.ask_to_retry(stream_id, now).await? {
                        info!(%stream_id, "secrets reloaded, joining the stream whose signature was refused");
                    }
                }
                Err(why) => debug!(%stream_id, %why, "secrets reloaded, too late for this stream"),
            }
        }
        Ok(())
    }

    async fn hand_over(mut self) {
        self.is_stopping = true;
        let deadline = self.deps.deadline.clone();
        if !self.running.is_empty() {
            info!(streams = self.running.len(), "handing over streams");
        }
        // What has just been stopped ends with its own reason, within moments.
        let stopped = async {
            for stream_id in self.running.keys().cloned().collect::<Vec<_>>() {
                let compared = self.compare_by_id(&stream_id).await;
                self.report(compared);
            }
        };
        let _ = deadline.within(StopShare::Turn, stopped).await;
        let all = async {
            // One whose driver does not take it must not keep it from the others.
            let left = self.running.values().filter(|running| !running.stopped);
            join_all(left.map(|running| running.task.stream.abandon())).await;
            loop {
                tokio::select! {
                    Some(finished) = self.tasks.join_next() => self.finished(finished),
                    Some(released) = self.claims.released() => self.released(released).await,
                    else => break,
                }
            }
        };
        let _ = deadline.within(StopShare::Streams, all).await;
        for (stream_id, running) in &self.running {
            let activity = running.task.progress.now();
            deadline.leave("stream", Some(stream_id), activity.waiting_for(), activity.lost());
        }
        for stream_id in self.claims.unreleased() {
            let lost = "that the stream has ended; the next process finds it out again";
            deadline.leave("stream", Some(stream_id), "the store", lost);
        }
        match self.cleanup.chores.current() {
            Some(Chore::Close(stream_id)) => {
                info!(%stream_id, "a recording is being closed, the next process goes on with it");
            }
            Some(Chore::FinishDeletions | Chore::Delete(_)) => {
                info!("a deletion is under way, the next process goes on with it");
            }
            None => {}
        }
    }
}
