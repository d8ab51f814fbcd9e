//! The promises that every sink keeps.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{envelope::Envelope, error::SinkError};

/// Somewhere envelopes go.
///
/// A sink is called from a task of its own, with one batch after the other, in the order in which things happened within a
/// stream. It may be slow: a queue stands before it (see [`crate::delivery`]), and nothing waits for it. It neither queues
/// nor retries by itself.
#[async_trait]
pub trait Sink: Send + 'static {
    /// Its name in logs, in metrics and in the durable queue: the same in each run of the program.
    fn name(&self) -> &str;

    /// Delivers a batch, which is never empty. When this returns `Ok`, all of it is out; otherwise none counts as
    /// delivered, and what has gone out all the same may go out again.
    ///
    /// The future may be dropped while it waits, when the program ends.
    ///
    /// # Errors
    /// [`SinkError`], which says what becomes of the batch.
    async fn deliver(&mut self, batch: &[Arc<Envelope>]) -> Result<(), SinkError>;
}
