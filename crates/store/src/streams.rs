//! Streams: what is wanted of each, who runs it, and how it ended.
//!
//! Level-triggered: folding changes what is wanted, workers compare it with what is. After a repeat, a reordering or a
//! restart the same comparison runs again.

use std::time::Duration;

use async_trait::async_trait;
use rtms_wire::{codes::stop_reason::StopReason, ids::StreamId, time::UnixMillis};
use tokio::sync::watch;

use crate::{
    entry::EntryId,
    error::StoreError,
    folding::{FoldInput, Folded},
    lease::{Lease, OwnerId},
    stream_record::StreamRecord,
    summary::RunSummary,
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
