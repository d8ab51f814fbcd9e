//! How a run of a stream is given up.

use rtms_wire::{codes::stop_reason::StopReason, time::UnixMillis};

use crate::summary::RunSummary;

/// In which state a stream is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is over: the wishes that the lease has seen are done.
    Ended {
        /// When it ended, on the wall clock.
        at: UnixMillis,
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
