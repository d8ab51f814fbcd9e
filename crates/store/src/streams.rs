//! Streams: what an engine keeps of each, and how it lets them be changed.
//!
//! There is one primitive, [`Streams::save`]: a record takes the place of the revision that it was read at, or nothing changes.
//! Everything that happens to a stream is a pure change of its record over that, the same for all engines: see
//! [`crate::operations`].

use std::time::Duration;

use async_trait::async_trait;
use rtms_wire::{ids::StreamId, time::UnixMillis};

use crate::{
    changes::Changes,
    error::StoreError,
    lease::Lease,
    stream_record::{InstanceStop, Revision, StreamRecord},
    wanted::InstanceKey,
};

/// Keeps the record of each stream.
#[async_trait]
pub trait Streams: Send + Sync {
    /// The record of a stream.
    ///
    /// # Errors
    /// That storage failed.
    async fn get(&self, stream_id: &StreamId) -> Result<Option<StreamRecord>, StoreError>;

    /// Saves a record in the place of the one that it was made from, unless that has another revision by now.
    ///
    /// # Errors
    /// That storage failed. What was to be saved may be there all the same; a save that is tried again finds another revision.
    async fn save(&self, change: RecordChange) -> Result<Saved, StoreError>;

    /// The records that match, the latest changed first.
    ///
    /// # Errors
    /// That storage failed.
    async fn list(&self, filter: StreamFilter) -> Result<Vec<StreamRecord>, StoreError>;

    /// The streams that can be claimed at `now`, a time of [`Streams::time`].
    ///
    /// # Errors
    /// That storage failed.
    async fn claimable(&self, now: UnixMillis) -> Result<Vec<StreamRecord>, StoreError>;

    /// Gives leases a new term from `now`, a time of [`Streams::time`], each by itself. Works without the disk. The answers are in the order of the leases.
    ///
    /// A lease that ran out is lost, even if nobody took the stream since.
    ///
    /// # Errors
    /// That storage failed. Leases may have a new term all the same.
    async fn renew_many(
        &self,
        leases: &[Lease],
        term: Duration,
        now: UnixMillis,
    ) -> Result<Vec<Result<Lease, StoreError>>, StoreError>;

    /// Yields each stream whose record changed and with it who has it. A lease that runs out or is renewed changes nothing.
    fn changes(&self) -> Changes;

    /// Returns the time on the clock by which leases run out.
    ///
    /// `ours` is the time on the caller's steady clock: it began with the wall clock, and nothing has moved it since, so a term
    /// is as long as it says when the wall clock is set. An engine that one process has uses it as it is. An engine that several
    /// machines share has one clock for all, and translates.
    fn time(&self, ours: UnixMillis) -> UnixMillis {
        ours
    }

    /// Fencing tokens of this engine begin here: higher than any that it gave before it was opened.
    fn least_token(&self) -> u64;

    /// The newest stop that an instance has, of those that name no stream.
    ///
    /// # Errors
    /// That storage failed.
    async fn instance_stop(&self, instance: &InstanceKey) -> Result<Option<InstanceStop>, StoreError>;

    /// Adds a stop to what is remembered of an instance. Adding it again changes nothing.
    ///
    /// # Errors
    /// That storage failed.
    async fn add_instance_stop(
        &self,
        instance: &InstanceKey,
        stop: InstanceStop,
        now: UnixMillis,
    ) -> Result<(), StoreError>;

    /// The streams whose record names an instance, by id.
    ///
    /// # Errors
    /// That storage failed.
    async fn streams_of(&self, instance: &InstanceKey) -> Result<Vec<StreamId>, StoreError>;
}

/// A record, and the one that it is to take the place of.
#[derive(Clone, Debug)]
pub struct RecordChange {
    /// As it was read; none if there was no record.
    pub before: Option<StreamRecord>,
    /// As it is to be. Its revision does not matter.
    pub after: StreamRecord,
    /// How safe it has to be.
    pub safety: Safety,
}

/// What a save must survive when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Safety {
    /// The end of the process. After a power cut it follows again from what is synced.
    Process,
    /// A power cut.
    PowerCut,
}

/// What became of a save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// The record has this revision now.
    As(Revision),
    /// Somebody was faster: nothing was changed.
    Outrun,
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
