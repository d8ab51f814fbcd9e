//! What waits for the thread that writes a wire log, and what is counted of it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use rtms_client::wire_log::Seen;
use rtms_proto::{output::ConnectionId, role::Role};
use rtms_wire::codes::stop_reason::StopReason;
use tokio::sync::oneshot;

use crate::telemetry::Metrics;

/// What both ends of the queue know.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) metrics: Arc<Metrics>,
    pub(super) waiting_bytes: AtomicUsize,
    /// Lines that are missing and of which the file does not tell yet.
    pub(super) lost: AtomicU64,
}

/// Why a line is not in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// It did not fit into the queue.
    TooFast,
    /// No line may be as long.
    TooLong,
    /// The disk did not take it.
    Disk,
    /// The file had reached its bound, and says that it ends there.
    FileFull,
}

/// Something for the file.
#[derive(Debug)]
pub(super) enum Item {
    /// A frame, or what became of a connection.
    Seen { ms: u64, connection: ConnectionId, role: Role, seen: Seen },
    /// The stream is over; nothing more is written.
    End { ms: u64, stop_reason: Option<StopReason>, why: String, done: oneshot::Sender<()> },
}

impl Shared {
    /// Lines are missing, of which the file is to tell.
    pub(super) fn lose(&self, lines: u64, why: Loss) {
        self.lost.fetch_add(lines, Ordering::Relaxed);
        self.count(lines, why);
    }

    pub(super) fn count(&self, lines: u64, why: Loss) {
        self.metrics.capture_lost(lines, why.as_str());
    }
}

impl Loss {
    /// The word in the metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::TooFast => "too_fast",
            Self::TooLong => "too_long",
            Self::Disk => "disk",
            Self::FileFull => "file_full",
        }
    }
}

/// The bytes that a frame takes while it waits.
pub(super) fn payload_bytes(seen: &Seen) -> usize {
    match seen {
        Seen::Received { payload, .. } => payload.len(),
        Seen::Dialed(text) | Seen::Unreached(text) | Seen::Sent(text) | Seen::Cut(text) => text.len(),
        Seen::Closed { reason, .. } => reason.len(),
        Seen::Opened | Seen::Left => 0,
    }
}
