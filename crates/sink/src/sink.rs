//! The promises that every sink keeps.

use async_trait::async_trait;

use crate::{envelope::Envelope, error::SinkError};

/// Somewhere envelopes go.
///
/// A sink is called from a task of its own, one envelope after the other in the order in which things happened within a
/// stream. It may be slow: a bounded queue stands before it (see [`crate::delivery`]), and nothing waits for it.
#[async_trait]
pub trait Sink: Send + 'static {
    /// Its name in logs and metrics.
    fn name(&self) -> &str;

    /// Delivers one envelope. It is delivered when this returns.
    ///
    /// # Errors
    /// [`SinkError`]; the envelope is then counted as lost, and the next one is tried.
    async fn deliver(&mut self, envelope: &Envelope) -> Result<(), SinkError>;

    /// Pushes out what it may have kept back, because nothing waits or the program ends.
    ///
    /// # Errors
    /// [`SinkError`], which is logged.
    async fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}
