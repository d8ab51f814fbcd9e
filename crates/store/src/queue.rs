//! Durable work to be done later: deliveries to sinks, and whatever else must outlive the process that wants it done.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rtms_wire::time::UnixMillis;
use smol_str::SmolStr;
use tokio::sync::watch;

use crate::{error::StoreError, lease::OwnerId};

/// Keeps jobs until they are done. Every job is handed out at least once, and in order within its key.
///
/// A job is claimed for a term and then acknowledged or given back. A claim that is neither when its term ends, or when the
/// process ends, is void, and its jobs are handed out again. Each handing out is counted.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Adds jobs, all or none. They are durable when this returns; pushes at the same time share one sync.
    ///
    /// A job whose queue has an unfinished one of the same id is passed over, so a push may be repeated. The id of a
    /// finished job is free again.
    ///
    /// # Errors
    /// [`StoreError::QueueFull`]: push again when some are done. [`StoreError::JobTooLarge`]: never. Or storage failed.
    async fn push(&self, jobs: Vec<Job>) -> Result<(), StoreError>;

    /// Hands out unfinished jobs of a queue, at most `limit` and about [`MAX_CLAIM_BYTES`]: of each key a run that begins
    /// with its oldest, and of no key with a job that is handed out already or whose oldest is not due. The key whose
    /// oldest job has waited longest, by [`Job::not_before`], comes first.
    ///
    /// A power cut may undo it: the jobs are then handed out again.
    ///
    /// # Errors
    /// That storage failed; nothing was handed out then.
    async fn claim(
        &self,
        queue: &str,
        owner: &OwnerId,
        term: Duration,
        limit: usize,
        now: UnixMillis,
    ) -> Result<Vec<Claimed>, StoreError>;

    /// Removes jobs that are done, and returns how many of them were still there. That is durable when this returns. A job
    /// whose claim has ended is removed all the same: done is done.
    ///
    /// # Errors
    /// That storage failed; the jobs will be handed out again.
    async fn ack(&self, tickets: &[Ticket]) -> Result<u64, StoreError>;

    /// Gives a job back, to be handed out again from `not_before` on. The jobs behind it in its key are given back with
    /// it, so that none overtakes it. A ticket whose job was handed out again since changes nothing.
    ///
    /// # Errors
    /// That storage failed; the job is handed out again when its term ends.
    async fn nak(&self, ticket: Ticket, not_before: UnixMillis) -> Result<(), StoreError>;

    /// Removes every job of a key, also those that are handed out, and returns their number. That is durable when this
    /// returns.
    ///
    /// # Errors
    /// That storage failed; nothing was removed then.
    async fn forget(&self, queue: &str, key: &str) -> Result<u64, StoreError>;

    /// Counts the unfinished jobs of a queue, whether handed out or not.
    ///
    /// # Errors
    /// That storage failed.
    async fn count(&self, queue: &str) -> Result<QueueCount, StoreError>;

    /// A counter that moves whenever a claim may find more than before, but for the passing of time: for that
    /// [`QueueCount::next_at`] is the time to look again.
    fn job_changes(&self) -> watch::Receiver<u64>;
}

/// Bytes of payload of one job: an envelope with the longest body of a message, many times over.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;

/// Payload that one claim hands out at most, unless its first job alone is larger: what a caller holds in memory.
pub const MAX_CLAIM_BYTES: usize = 4 << 20;

/// Something to be done later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The name of its queue, such as `sink:stdout`.
    pub queue: SmolStr,
    /// Jobs of one key are handed out in the order in which they were pushed; a stream, for instance.
    pub key: SmolStr,
    /// Tells it apart from the other unfinished jobs of its queue.
    pub id: SmolStr,
    /// What is to be done, as its owner understands it. At most [`MAX_PAYLOAD_BYTES`].
    pub payload: Bytes,
    /// When it is due, on the clock of the callers. The present time for one that is due at once.
    pub not_before: UnixMillis,
}

/// A job that is handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The job.
    pub job: Job,
    /// How often it was handed out, this time included.
    pub deliveries: u32,
    /// By which it is acknowledged or given back.
    pub ticket: Ticket,
}

/// One handing out of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    /// The number of the job; a lower one was pushed earlier.
    pub(crate) number: u64,
    /// Which handing out of it.
    pub(crate) delivery: u32,
}

/// What a queue holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCount {
    /// Unfinished jobs.
    pub jobs: u64,
    /// Their payload.
    pub bytes: u64,
    /// The earliest time at which the oldest job of some key is due, or the claim on it ends. None if there is no job.
    pub next_at: Option<UnixMillis>,
}

/// What one queue may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueBounds {
    /// Unfinished jobs.
    pub jobs: u64,
    /// Bytes of their payload.
    pub bytes: u64,
}

impl Default for QueueBounds {
    /// Words and events of a thousand streams for about an hour.
    fn default() -> Self {
        Self { jobs: 1_000_000, bytes: 1 << 30 }
    }
}

impl QueueBounds {
    /// Refuses a queue that would hold more.
    pub(crate) fn check(&self, queue: &str, jobs: u64, bytes: u64) -> Result<(), StoreError> {
        if jobs > self.jobs || bytes > self.bytes {
            return Err(StoreError::QueueFull { queue: queue.into(), jobs: self.jobs, bytes: self.bytes });
        }
        Ok(())
    }
}

/// Refuses jobs that are too large.
pub(crate) fn check_payloads(jobs: &[Job]) -> Result<(), StoreError> {
    match jobs.iter().map(|job| job.payload.len()).find(|bytes| *bytes > MAX_PAYLOAD_BYTES) {
        Some(bytes) => Err(StoreError::JobTooLarge { bytes, at_most: MAX_PAYLOAD_BYTES }),
        None => Ok(()),
    }
}
