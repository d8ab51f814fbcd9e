//! Streams: what is wanted of each, who runs it, and how it ended.
//!
//! Level-triggered: folding changes what is wanted, workers compare it with what is. After a repeat, a reordering or a
//! restart the same comparison runs again.

use std::time::Duration;

use async_trait::async_trait;
use rtms_wire::{codes::stop_reason::StopReason, ids::StreamId, time::UnixMillis};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{
    entry::EntryId,
    error::StoreError,
    folding::{FoldInput, Folded},
    lease::{Lease, OwnerId},
    summary::{RunSummary, Unclosed},
    wanted::{Start, Wanted, Wish},
};

/// Keeps the record of each stream.
#[async_trait]
pub trait Streams: Send + Sync {
    /// Folds a webhook into the records that it touches and settles its entry, in one transaction.
    ///
    /// Doing it again changes nothing and gives the same answer. So it need not wait for the disk: a kill of the process
    /// does not undo it, and after a power cut the entry is pending again if its record is not as it was.
    ///
    /// # Errors
    /// [`StoreError::NoSuchEntry`], or that storage failed: the entry stays pending.
    async fn fold(&self, id: EntryId, input: FoldInput, now: UnixMillis) -> Result<Folded, StoreError>;

    /// Claims a stream: a lease if it is wanted, its wish is not done, and nobody has a live lease.
    ///
    /// # Errors
    /// That storage failed.
    async fn claim(
        &self,
        stream_id: &StreamId,
        owner: &OwnerId,
        term: Duration,
        now: UnixMillis,
    ) -> Result<Option<Lease>, StoreError>;

    /// Gives a lease a new term from `now`. Works without the disk.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if it has run out, even if nobody took the stream since.
    async fn renew(&self, lease: &Lease, term: Duration, now: UnixMillis) -> Result<Lease, StoreError>;

    /// Gives a stream up. That it has ended is durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]; or that storage failed: the lease then stays, so that it can be tried again.
    async fn release(&self, lease: &Lease, outcome: Outcome, now: UnixMillis) -> Result<(), StoreError>;

    /// Puts down that Zoom is to be asked to end a stream, so that it is asked after a restart, too. Durable when this
    /// returns. Whether there is anything to end.
    ///
    /// # Errors
    /// That storage failed.
    async fn ask_to_close(&self, stream_id: &StreamId, now: UnixMillis) -> Result<bool, StoreError>;

    /// Puts down that a stream whose run has ended is wanted again, so that it is joined again, also after a restart. Durable
    /// when this returns. Whether Zoom still streams it and its run had ended.
    ///
    /// # Errors
    /// That storage failed.
    async fn ask_to_retry(&self, stream_id: &StreamId, now: UnixMillis) -> Result<bool, StoreError>;

    /// Puts down the end of a stream that Zoom stopped while nobody ran it, its process having died; see
    /// [`StreamRecord::is_left_behind`]. Durable when this returns. Whether it was one.
    ///
    /// # Errors
    /// That storage failed.
    async fn conclude(
        &self,
        stream_id: &StreamId,
        owner: &OwnerId,
        why: String,
        summary: RunSummary,
        now: UnixMillis,
    ) -> Result<bool, StoreError>;

    /// Puts down another account of the last run: one that reaches to the stop that came after its end
    /// ([`StreamRecord::is_short_of_stop`]), or that tells of a recording closed after it ([`StreamRecord::unclosed`]).
    /// Durable when this returns. Whether one was awaited.
    ///
    /// # Errors
    /// That storage failed.
    async fn amend(&self, stream_id: &StreamId, summary: RunSummary, now: UnixMillis) -> Result<bool, StoreError>;

    /// The record of a stream.
    ///
    /// # Errors
    /// That storage failed.
    async fn get(&self, stream_id: &StreamId) -> Result<Option<StreamRecord>, StoreError>;

    /// The records that match, the latest changed first.
    ///
    /// # Errors
    /// That storage failed.
    async fn list(&self, filter: StreamFilter) -> Result<Vec<StreamRecord>, StoreError>;

    /// The streams that [`Streams::claim`] would give now.
    ///
    /// # Errors
    /// That storage failed.
    async fn claimable(&self, now: UnixMillis) -> Result<Vec<StreamRecord>, StoreError>;

    /// A counter that moves after each change of a record or of who has it; a lease that runs out moves nothing.
    fn stream_changes(&self) -> watch::Receiver<u64>;
}

/// What is known of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRecord {
    /// The stream.
    pub stream_id: StreamId,
    /// What its webhooks add up to.
    pub wanted: Wanted,
    /// How the last owner that brought it to its end did so.
    pub ended: Option<Ended>,
    /// The last lease; it may have run out.
    pub lease: Option<Lease>,
    /// The newest entry that asked for a connection: steps noted on the stream are noted there.
    pub connection_entry: Option<EntryId>,
    /// When this record last changed, on our clock.
    pub changed_at: UnixMillis,
}

impl StreamRecord {
    pub(crate) fn new(stream_id: StreamId, now: UnixMillis) -> Self {
        let wanted = Wanted::default();
        Self { stream_id, wanted, ended: None, lease: None, connection_entry: None, changed_at: now }
    }

    /// What has to be brought about and is not done: none if the stream should not run or its run has ended.
    ///
    /// Only a newer start follows an end. An interruption is what Zoom says when we close our connections, so it would lead
    /// from each end to the next join.
    pub fn open_wish(&self) -> Option<Wish<'_>> {
        let done_to = self.done_to();
        self.wanted.wish().filter(|wish| done_to.is_none_or(|done_to| wish.start.at > done_to))
    }

    /// The wishes up to this one are done, unless somebody wants the stream again since.
    fn done_to(&self) -> Option<UnixMillis> {
        self.ended.as_ref().filter(|ended| ended.retry_asked_at.is_none()).map(|ended| ended.wish_at)
    }

    /// Whether a claim by anybody would succeed.
    pub fn is_claimable(&self, now: UnixMillis) -> bool {
        self.open_wish().is_some() && self.lease.as_ref().is_none_or(|lease| !lease.is_live(now))
    }

    /// Whether Zoom stopped it and nobody has said how its run ended: nobody ever ran it, or the process that did has died.
    pub fn is_left_behind(&self) -> bool {
        let done_to = self.done_to();
        let start = self.wanted.newest_start().filter(|start| done_to.is_none_or(|done_to| start.at > done_to));
        start.is_some() && !self.wanted.is_running() && self.lease.is_none()
    }

    /// The recording of its last run, if it is still to be closed and nobody runs the stream again.
    pub fn unclosed(&self) -> Option<(&Ended, &Unclosed)> {
        let ended = self.ended.as_ref().filter(|_| self.lease.is_none() && self.open_wish().is_none())?;
        Some((ended, ended.summary.as_ref()?.unclosed()?))
    }

    /// Whether Zoom stopped it after its run had ended, and its account does not reach to the stop.
    pub fn is_short_of_stop(&self) -> bool {
        let awaits_stop = |ended: &Ended| ended.summary.as_ref().is_some_and(|summary| summary.awaits_stop);
        self.ended.as_ref().is_some_and(awaits_stop)
            && self.wanted.stop.is_some()
            && !self.wanted.is_running()
            && !self.is_left_behind()
            && self.lease.is_none()
    }

    /// Puts down an account of the last run in the place of the one that it has; whether one was awaited.
    pub(crate) fn amend(&mut self, summary: RunSummary, now: UnixMillis) -> bool {
        let is_awaited = self.unclosed().is_some() || self.is_short_of_stop();
        if let Some(ended) = self.ended.as_mut().filter(|_| is_awaited) {
            ended.summary = Some(Box::new(summary));
            self.changed_at = now;
        }
        is_awaited
    }

    /// Puts down that Zoom is to be asked to end it; whether there is anything to end.
    pub(crate) fn close(&mut self, now: UnixMillis) -> bool {
        let is_open = self.open_wish().is_some();
        if is_open {
            self.wanted.close();
            self.changed_at = now;
        }
        is_open
    }

    /// Notes that the newest start is a known one under another of its names: what was done for that one is done.
    pub(crate) fn is_still(&mut self, known: &Start, was_closing: bool) {
        let Some(newest_at) = self.wanted.newest_start().filter(|start| start.is_twin_of(known)).map(|start| start.at)
        else {
            return;
        };
        if was_closing {
            self.wanted.close();
        }
        if let Some(ended) = self.ended.as_mut().filter(|ended| ended.wish_at >= known.at) {
            ended.wish_at = ended.wish_at.max(newest_at);
        }
    }

    /// Puts down that it is wanted again although its run has ended; whether that can be.
    pub(crate) fn retry(&mut self, now: UnixMillis) -> bool {
        let can_be = self.open_wish().is_none() && self.wanted.is_running() && !self.wanted.is_closing();
        let Some(ended) = self.ended.as_mut().filter(|_| can_be) else { return false };
        ended.retry_asked_at = Some(now);
        self.changed_at = now;
        true
    }

    /// Puts down that a stream that was left behind has ended as its stop says; whether it was.
    pub(crate) fn conclude(&mut self, owner: OwnerId, why: String, summary: RunSummary, now: UnixMillis) -> bool {
        let start_at = self.wanted.newest_start().map(|start| start.at);
        let Some(wish_at) = start_at.filter(|_| self.is_left_behind()) else { return false };
        let stop_reason = self.wanted.stop.as_ref().and_then(|stop| stop.reason);
        let summary = Some(Box::new(summary));
        self.ended = Some(Ended { wish_at, at: now, owner, stop_reason, why, summary, retry_asked_at: None });
        self.changed_at = now;
        true
    }

    /// Puts down how a run ended.
    pub(crate) fn end(
        &mut self,
        lease: &Lease,
        stop_reason: Option<StopReason>,
        why: String,
        summary: Option<Box<RunSummary>>,
        now: UnixMillis,
    ) {
        let (wish_at, owner) = (lease.wish_at, lease.owner.clone());
        self.ended = Some(Ended { wish_at, at: now, owner, stop_reason, why, summary, retry_asked_at: None });
        self.changed_at = now;
    }
}

/// How a run of a stream ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The wishes up to this one are done; only a newer start or interruption opens the stream again.
    pub wish_at: UnixMillis,
    /// When it ended, on our clock.
    pub at: UnixMillis,
    /// Who ran it.
    pub owner: OwnerId,
    /// Zoom's reason, if it gave one.
    pub stop_reason: Option<StopReason>,
    /// Why, for people.
    pub why: String,
    /// What the run brought and what it lost; none in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Box<RunSummary>>,
    /// When somebody asked for it again, on our clock: its wishes are open since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_asked_at: Option<UnixMillis>,
}

/// In which state a stream is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is over: the wishes that the lease has seen are done.
    Ended {
        /// Zoom's reason, if it gave one.
        stop_reason: Option<StopReason>,
        /// Why, for people.
        why: String,
        /// What the run brought and what it lost, if that is known.
        summary: Option<Box<RunSummary>>,
    },
    /// Somebody else shall go on with it.
    HandedOver,
}

/// Which records are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamFilter {
    /// Only those with an open wish, or only those without.
    pub open: Option<bool>,
    /// At most so many.
    pub limit: usize,
}

impl Default for StreamFilter {
    /// The latest hundred.
    fn default() -> Self {
        Self { open: None, limit: 100 }
    }
}
