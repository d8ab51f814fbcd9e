//! What a stream waits for. Each part knows its own moments; the earliest is the stream's deadline.

use crate::{output::ConnectionId, time::Moment};

/// What is waited for, in the order in which things that are due at once are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The end of reading or of waiting for it.
    Stage,
    /// A connection's handshake, or its next sign of life.
    Connection(ConnectionId),
    /// The answer to message 19.
    Doubt,
    /// A sign of life of the media connection that Zoom calls interrupted.
    Suspicion,
    /// The next try at signaling, or the end of its window.
    Signaling,
    /// The next try at a medium, or the end of its window; by the position of its link.
    Media(usize),
}

/// A moment, and what is due then.
pub(super) type Deadline = (Moment, Due);
