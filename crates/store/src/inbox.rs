//! The inbox: webhooks on disk before they are answered, and until somebody has understood them.

use std::time::Duration;

use async_trait::async_trait;
use rtms_wire::time::UnixMillis;
use tokio::sync::watch;

use crate::{
    entry::{Entry, EntryHead, EntryId, NewEntry, Settled, Taken, Verdict},
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

    /// The oldest entries that are not settled, at most `limit`, oldest first, whoever has taken them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Busy`].
    async fn pending(&self, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// Takes the oldest entries that are not settled and that nobody else has, at most `limit`, oldest first. Each is given to
    /// one taker at a time: to another one only when it is not settled by the end of the term.
    ///
    /// What was taken is forgotten with the process, so a successor gets all that is pending.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Busy`].
    async fn take(&self, limit: usize, term: Duration, now: UnixMillis) -> Result<Vec<Taken>, StoreError>;

    /// Gives entries back that were taken and are not settled, so that anybody may take them at once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: they are free at the end of their term then.
    async fn put_back(&self, ids: &[EntryId]) -> Result<(), StoreError>;

    /// What is known of an entry without its body; none if there is no such entry.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Busy`].
    async fn head(&self, id: EntryId) -> Result<Option<EntryHead>, StoreError>;

    /// Settles an entry. One that is settled already keeps its first verdict. Returns the verdict that stands.
    ///
    /// A power cut may undo it: the entry is pending again then, and settled alike.
    ///
    /// # Errors
    /// [`StoreError::NoSuchEntry`], or that storage failed.
    async fn settle(&self, id: EntryId, verdict: Verdict, now: UnixMillis) -> Result<Settled, StoreError>;

    /// A counter that moves after each append. Wait on it, then ask for what is pending.
    fn inbox_changes(&self) -> watch::Receiver<u64>;
}
