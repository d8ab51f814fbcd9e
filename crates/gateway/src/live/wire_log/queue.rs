//! The queue to the thread that writes a wire log, and the counts of lines that are lost.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use rtms_client::wire_log::Seen;
use rtms_proto::{output::ConnectionId, role::Role};
use rtms_wire::codes::stop_reason::StopReason;
use tokio::sync::oneshot;

use crate::telemetry::{LineLoss, Metrics};

/// The state that both ends of the queue share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) metrics: Arc<Metrics>,
    pub(super) waiting_bytes: AtomicUsize,
    /// Lines that are missing and not yet reported in the file.
    pub(super) lost: AtomicU64,
}

/// One item for the file.
#[derive(Debug)]
pub(super) enum Item {
    /// A frame, or a change of a connection.
    Seen { ms: u64, connection: ConnectionId, role: Role, seen: Seen },
    /// The stream is over; nothing more is written.
    End { ms: u64, stop_reason: Option<StopReason>, why: String, done: oneshot::Sender<()> },
}

impl Shared {
    /// Counts lines as missing, to be reported in the file too.
    pub(super) fn lose(&self, lines: u64, why: LineLoss) {
        self.lost.fetch_add(lines, Ordering::Relaxed);
        self.count(lines, why);
    }

    /// Counts lines as missing in the metrics alone.
    pub(super) fn count(&self, lines: u64, why: LineLoss) {
        self.metrics.capture_lost(lines, why);
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
