//! One session inside the stream.

use rtms_wire::{codes::state::SessionState, ids::RtmsSessionId, time::UnixMillis};

use crate::seed::Seed;

/// One session inside the stream.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: RtmsSessionId,
    pub(super) state: SessionState,
}

impl Session {
    pub(super) fn new(ids: &Seed, number: usize, now: UnixMillis) -> Self {
        // The time goes in for the same reason as with the stream's own id.
        let mut chance = ids.fork("session", now.0.wrapping_add(number as u64));
        let id = [8, 4, 4, 4, 12].map(|digits| chance.hex(digits)).join("-");
        Self { id: RtmsSessionId::new(id), state: SessionState::Inactive }
    }
}
