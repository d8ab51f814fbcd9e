//! How far a stream is.

use rtms_wire::{codes::stop_reason::StopReason, time::UnixMillis};

/// How far a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The start webhook is out and nobody has come yet.
    Announced,
    /// A client has joined.
    Joined,
    /// No more media is sent; the end follows when what was sent has had time to be read.
    Ending {
        /// When it follows.
        until: UnixMillis,
        /// The stop reason.
        reason: StopReason,
    },
    /// It is over, or no stream of the meeting has started yet.
    Ended,
}
