//! The inbox: webhooks on disk before they are answered, and until somebody has understood them.

use async_trait::async_trait;
use rtms_wire::time::UnixMillis;
use tokio::sync::watch;

use crate::{
    entry::{Entry, EntryId, NewEntry, Verdict},
    error::StoreError,
};

/// Keeps webhooks until they are settled.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Keeps an entry. It is durable when this returns; appends at the same time share one sync.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Busy`]: answer 503, so that Zoom sends it again.
    async fn append(&self, entry: NewEntry) -> Result<EntryId, StoreError>;

    /// The oldest entries that are not settled, at most `limit`, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Busy`].
    async fn pending(&self, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// Settles an entry that touches no stream. An entry that is settled already keeps its first verdict.
    ///
    /// Entries that touch a stream are settled by [`crate::streams::Streams::fold`]. A power cut may undo it: the entry is
    /// pending again then, and settled alike.
    ///
    /// # Errors
    /// [`StoreError::NoSuchEntry`], or that storage failed.
    async fn settle(&self, id: EntryId, verdict: Verdict, now: UnixMillis) -> Result<(), StoreError>;

    /// A counter that moves after each append. Wait on it, then ask for what is pending.
    fn inbox_changes(&self) -> watch::Receiver<u64>;
}
