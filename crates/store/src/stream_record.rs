//! What is known of one stream: what its webhooks add up to, who runs it, and how its last run ended.

use std::time::Duration;

use rtms_wire::{
    codes::stop_reason::StopReason,
    ids::{StreamId, UserId},
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};

use crate::{
    class::Class,
    entry::EntryId,
    error::StoreError,
    lease::{Lease, OwnerId},
    outcome::Outcome,
    summary::{RunSummary, Unclosed},
    wanted::{Start, Stop, Wanted, Wish},
};

/// Which version of a record it is. A later one is higher; 0 is that of a stream without a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// Verdicts that a record remembers. An entry is folded again only while it is not settled, and few are at a time.
const MAX_VERDICTS: usize = 8;

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
    /// Which person's camera is wanted, by whoever asked last.
    pub camera: Option<CameraWish>,
    /// What the last entries that changed it turned out to be. One that is folded again gets the same word.
    pub(crate) verdicts: Vec<FoldedEntry>,
    /// The highest fencing token that was given for it since its engine was opened.
    pub(crate) last_token: u64,
    /// Which version of the record this is.
    pub revision: Revision,
}

/// A wish for one person's camera, or for none any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraWish {
    /// Whose.
    pub user_id: UserId,
    /// Whether it is wanted; if not, it was, and Zoom is to be told that it is not.
    pub on: bool,
    /// When it was asked for, on our clock. A later value is a new wish.
    pub at: UnixMillis,
    /// The start of the stream that it is for: a stream that starts again has none.
    pub start_at: UnixMillis,
}

/// What an entry turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FoldedEntry {
    pub(crate) entry: EntryId,
    pub(crate) class: Class,
    pub(crate) reason: String,
}

/// A stop that names an instance and no stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStop {
    /// The newest, with what is known of those before.
    #[serde(flatten)]
    pub(crate) stop: Stop,
    /// The entry that brought it. Files of older versions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entry: Option<EntryId>,
}

impl InstanceStop {
    /// What both say.
    pub(crate) fn join(self, other: Self) -> Self {
        let stop = self.stop.clone().join(other.stop);
        // Who brought what is known first has it.
        let entry = if stop == self.stop { self.entry } else { other.entry };
        Self { stop, entry }
    }
}

impl StreamRecord {
    pub(crate) fn new(stream_id: StreamId, now: UnixMillis) -> Self {
        Self {
            stream_id,
            wanted: Wanted::default(),
            ended: None,
            lease: None,
            connection_entry: None,
            changed_at: now,
            camera: None,
            verdicts: Vec::new(),
            last_token: 0,
            revision: Revision::default(),
        }
    }

    /// The highest fencing token that was given for it; 0 if none was.
    pub fn last_token(&self) -> u64 {
        self.last_token
    }

    /// Whether both differ in nothing but who has the stream.
    pub(crate) fn differs_only_in_lease(&self, other: &Self) -> bool {
        let Self {
            stream_id,
            wanted,
            ended,
            lease: _,
            connection_entry,
            changed_at,
            camera,
            verdicts,
            last_token: _,
            revision: _,
        } = self;
        *stream_id == other.stream_id
            && *wanted == other.wanted
            && *ended == other.ended
            && *connection_entry == other.connection_entry
            && *changed_at == other.changed_at
            && *camera == other.camera
            && *verdicts == other.verdicts
    }

    /// What an entry turned out to be, if it is remembered.
    pub(crate) fn verdict_on(&self, entry: EntryId) -> Option<(Class, String)> {
        let known = self.verdicts.iter().find(|folded| folded.entry == entry)?;
        Some((known.class, known.reason.clone()))
    }

    /// Remembers what an entry turned out to be.
    pub(crate) fn remember(&mut self, entry: EntryId, class: Class, reason: &str) {
        if self.verdicts.len() >= MAX_VERDICTS {
            self.verdicts.remove(0);
        }
        self.verdicts.push(FoldedEntry { entry, class, reason: reason.to_owned() });
    }

    /// Gives the stream to an owner: a lease if its wish is not done and nobody has a live lease, not even this owner. One that
    /// does not know that its claim went through waits for the end of the term.
    pub(crate) fn claim(
        &mut self,
        owner: &OwnerId,
        term: Duration,
        least_token: u64,
        now: UnixMillis,
    ) -> Option<Lease> {
        let wish_at = self.open_wish()?.at;
        if self.lease.as_ref().is_some_and(|lease| lease.is_live(now)) {
            return None;
        }
        let token = (self.last_token + 1).max(least_token);
        self.last_token = token;
        let (stream_id, owner) = (self.stream_id.clone(), owner.clone());
        let lease = Lease { stream_id, owner, token, expires_at: now + term, wish_at };
        self.lease = Some(lease.clone());
        Some(lease)
    }

    /// Gives a lease a new term from `now`.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`].
    pub(crate) fn renew(&mut self, lease: &Lease, term: Duration, now: UnixMillis) -> Result<Lease, StoreError> {
        let renewed = lease.renewed(self.lease.as_ref(), term, now)?;
        self.lease = Some(renewed.clone());
        Ok(renewed)
    }

    /// Gives the stream up.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`].
    pub(crate) fn release(&mut self, lease: &Lease, outcome: Outcome, now: UnixMillis) -> Result<(), StoreError> {
        lease.check(self.lease.as_ref(), now)?;
        if let Outcome::Ended { at, stop_reason, why, summary } = outcome {
            self.end(lease, stop_reason, why, summary, at);
        }
        self.lease = None;
        Ok(())
    }

    /// The wish for a camera, if it is for the stream as it started last.
    pub fn camera_wish(&self) -> Option<&CameraWish> {
        let start_at = self.wanted.newest_start()?.at;
        self.camera.as_ref().filter(|wish| wish.start_at == start_at)
    }

    /// Puts down which camera is wanted, or that one is not any more. Returns the wish; none if there is no start.
    pub(crate) fn choose_camera(&mut self, user_id: UserId, on: bool, now: UnixMillis) -> Option<CameraWish> {
        let start_at = self.wanted.newest_start()?.at;
        // Two wishes have two times.
        let at = self.camera.as_ref().map_or(now, |known| now.max(UnixMillis(known.at.0 + 1)));
        self.camera = Some(CameraWish { user_id, on, at, start_at });
        self.changed_at = now;
        self.camera.clone()
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

    /// Whether a claim by anybody would succeed at a time of [`Streams::time`](crate::streams::Streams::time).
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
    fn end(
        &mut self,
        lease: &Lease,
        stop_reason: Option<StopReason>,
        why: String,
        summary: Option<Box<RunSummary>>,
        at: UnixMillis,
    ) {
        let (wish_at, owner) = (lease.wish_at, lease.owner.clone());
        self.ended = Some(Ended { wish_at, at, owner, stop_reason, why, summary, retry_asked_at: None });
        self.changed_at = at;
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
