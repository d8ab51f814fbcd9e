//! What signaling and media connections have in common: they are dialed, shake hands in time, live, and are lost.

use std::time::Duration;

use crate::{
    event::Interruption, keep_alive::Liveness, output::ConnectionId, reconnect::STABLE_AFTER, role::Role, time::Moment,
};

/// From dialing to the answer of the handshake. Zoom's SDK allows as much.
pub(crate) const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// One connection, or the attempt at one.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) role: Role,
    pub(crate) phase: Phase,
}

/// How far a connection is.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Dialed, or dialed and asked; the answer is due.
    ShakingHands { until: Moment },
    /// The handshake succeeded.
    Open(Liveness),
}

/// A connection that stood and is gone.
#[derive(Clone, Debug)]
pub(crate) struct Loss {
    pub(crate) role: Role,
    pub(crate) cause: Interruption,
    pub(crate) why: String,
    /// When something was last heard on it.
    pub(crate) heard: Moment,
}

impl Connection {
    pub(crate) fn dialed(id: ConnectionId, role: Role, until: Moment) -> Self {
        Self { id, role, phase: Phase::ShakingHands { until } }
    }

    pub(crate) fn open(&mut self, now: Moment) {
        self.phase = Phase::Open(Liveness::new(now));
    }

    pub(crate) fn is_open(&self) -> bool {
        self.liveness().is_some()
    }

    pub(crate) fn liveness(&self) -> Option<&Liveness> {
        match &self.phase {
            Phase::ShakingHands { .. } => None,
            Phase::Open(liveness) => Some(liveness),
        }
    }

    /// Whether it has stood for so long that its loss is no flicker.
    pub(crate) fn is_stable(&self, now: Moment) -> bool {
        self.liveness().is_some_and(|liveness| now.since(liveness.opened()) >= STABLE_AFTER)
    }

    pub(crate) fn heard(&mut self, now: Moment) {
        if let Phase::Open(liveness) = &mut self.phase {
            liveness.heard(now);
        }
    }

    /// When it is to be given up.
    pub(crate) fn deadline(&self) -> Moment {
        match &self.phase {
            Phase::ShakingHands { until } => *until,
            Phase::Open(liveness) => liveness.dead_at(),
        }
    }

    /// What is to be told of its loss, if it stood.
    pub(crate) fn loss(&self, cause: Interruption, why: impl Into<String>) -> Option<Loss> {
        let heard = self.liveness()?.last_heard();
        Some(Loss { role: self.role, cause, why: why.into(), heard })
    }
}
