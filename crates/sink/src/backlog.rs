//! The durable queue of one sink, as a delivery sees it. Whoever has a store implements it.

use std::time::Duration;

use async_trait::async_trait;
use rtms_wire::{Bytes, SmolStr};

/// Keeps what waits for one sink across restarts. What is claimed and not acknowledged is claimed again, at the latest by the
/// next process.
#[async_trait]
pub trait Backlog: Send + Sync + 'static {
    /// One handing out of one envelope.
    type Ticket: Copy + Send + Sync + 'static;

    /// Adds envelopes, all or none, durably. One whose id waits already is passed over.
    ///
    /// # Errors
    /// [`BacklogError`].
    async fn push(&self, envelopes: Vec<Stored>) -> Result<(), BacklogError>;

    /// Hands out at most `limit` envelopes that are due: of each key from its oldest on, and of no key that has some handed
    /// out. Those of one key stand together.
    ///
    /// # Errors
    /// [`BacklogError`].
    async fn claim(&self, limit: usize) -> Result<Vec<Claimed<Self::Ticket>>, BacklogError>;

    /// Removes envelopes for good, and returns how many of them were still there.
    ///
    /// # Errors
    /// [`BacklogError`]; they will be handed out again.
    async fn ack(&self, tickets: &[Self::Ticket]) -> Result<u64, BacklogError>;

    /// Gives an envelope and those behind it of its key back, to be handed out again after a pause.
    ///
    /// # Errors
    /// [`BacklogError`].
    async fn nak(&self, ticket: Self::Ticket, pause: Duration) -> Result<(), BacklogError>;

    /// Removes everything of a key, and returns its number.
    ///
    /// # Errors
    /// [`BacklogError`]; nothing was removed then.
    async fn forget(&self, key: &str) -> Result<u64, BacklogError>;

    /// The number of envelopes that wait.
    ///
    /// # Errors
    /// [`BacklogError`].
    async fn count(&self) -> Result<u64, BacklogError>;

    /// Returns when a claim may find something that the last one did not. It may return too early.
    async fn changed(&self);
}

/// An envelope for the durable queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Order is kept within a key.
    pub key: SmolStr,
    /// Tells it apart from everything else in this queue.
    pub id: SmolStr,
    /// The envelope as JSON.
    pub payload: Bytes,
}

/// An envelope that is handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed<T> {
    /// What was pushed.
    pub stored: Stored,
    /// How often it was handed out, this time included.
    pub deliveries: u32,
    /// By which it is acknowledged or given back.
    pub ticket: T,
}

/// Why the durable queue did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BacklogError {
    /// Not now: it is full, or its disk fails.
    #[error("the durable queue is unavailable: {0}")]
    Unavailable(String),
    /// An envelope is larger than it takes.
    #[error("the durable queue refuses an envelope: {0}")]
    Refused(String),
    /// It is closed, because the program ends.
    #[error("the durable queue is closed")]
    Closed,
}
