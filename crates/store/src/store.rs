//! The whole store, as the gateway holds it: `Arc<dyn Store>`.

use async_trait::async_trait;
use rtms_wire::time::UnixMillis;
use serde::Serialize;

use crate::{error::StoreError, inbox::Inbox, queue::Queue, receipts::Receipts, streams::Streams};

/// All durable state of the program, in one engine.
#[async_trait]
pub trait Store: Inbox + Streams + Receipts {
    /// Durable work to be done later.
    fn queue(&self) -> &dyn Queue;

    /// Removes settled entries received, streams without an open wish changed, and stops of instances remembered before
    /// `older_than`. Works in small batches, so that appends are not delayed.
    ///
    /// Callers keep at least 24 hours: repeats are recognised only by what is kept.
    ///
    /// # Errors
    /// That storage failed; what was removed until then is gone.
    async fn prune(&self, older_than: UnixMillis) -> Result<Pruned, StoreError>;

    /// What the engine has done since it was opened.
    fn stats(&self) -> Stats;

    /// Writes out what is still in memory and gives the files free. Calls after it get [`StoreError::Closed`].
    async fn close(&self);
}

/// How much was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Entries with their receipts.
    pub entries: usize,
    /// Stream records.
    pub streams: usize,
    /// Stops remembered for an instance.
    pub stops: usize,
}

/// What an engine has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Entries that were acknowledged.
    pub appends: u64,
    /// Commits. In memory: changes.
    pub commits: u64,
    /// Commits that were synced, and all before them. In memory: none.
    pub syncs: u64,
    /// Commits that failed.
    pub failed_commits: u64,
    /// Calls that were refused because the queue was full.
    pub refused_busy: u64,
    /// Notes on receipts that were dropped because too many waited for a commit.
    pub dropped_notes: u64,
    /// Jobs that wait for the next commit now.
    pub queued: u64,
    /// Bytes in the write-ahead log now.
    pub log_bytes: u64,
    /// Whether the last commit failed and storage has not proven itself since.
    pub is_failing: bool,
    /// Whether it failed because there is no space.
    pub is_full: bool,
}
