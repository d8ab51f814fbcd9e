//! Whether a connection still lives. Zoom asks every 10 s and expects an answer on the same connection.

use std::time::Duration;

use crate::time::Moment;

/// Silence after which a connection counts as dead. Basis: documented; Zoom asks every 10 s, so six are missing.
pub const DEAD_AFTER: Duration = Duration::from_secs(65);

/// Silence that a living connection does not keep: the next question comes after 10 s at the latest.
pub(crate) const SUSPICIOUS_AFTER: Duration = Duration::from_secs(12);

/// How long something that was sent before an interruption may be on its way to us.
pub(crate) const UNDER_WAY: Duration = Duration::from_secs(1);

/// When a connection was last heard. Any message counts: media flows without pause for minutes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Liveness {
    opened: Moment,
    heard: Moment,
}

impl Liveness {
    pub(crate) fn new(now: Moment) -> Self {
        Self { opened: now, heard: now }
    }

    pub(crate) fn heard(&mut self, now: Moment) {
        self.heard = now;
    }

    /// When the handshake succeeded.
    pub(crate) fn opened(&self) -> Moment {
        self.opened
    }

    pub(crate) fn last_heard(&self) -> Moment {
        self.heard
    }

    pub(crate) fn dead_at(&self) -> Moment {
        self.heard + DEAD_AFTER
    }
}
