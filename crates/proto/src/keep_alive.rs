//! Whether a connection still lives. Zoom asks every 10 s and expects an answer on the same connection.

use std::time::Duration;

use crate::time::Moment;

/// Silence after which a connection counts as dead. Basis: documented; Zoom asks every 10 s, so six are missing.
pub const DEAD_AFTER: Duration = Duration::from_secs(65);

/// When a connection was last heard. Any message counts: media flows without pause for minutes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Liveness {
    heard: Moment,
}

impl Liveness {
    pub(crate) fn new(now: Moment) -> Self {
        Self { heard: now }
    }

    pub(crate) fn heard(&mut self, now: Moment) {
        self.heard = now;
    }

    pub(crate) fn dead_at(&self) -> Moment {
        self.heard + DEAD_AFTER
    }
}
