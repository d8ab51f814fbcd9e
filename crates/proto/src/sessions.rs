//! Zoom's sessions inside a stream: about one per user of the app, each with a state of its own. The stream outlives any
//! of them; it ends with its own end.

use std::collections::BTreeMap;

use rtms_wire::{codes::state::SessionState, ids::RtmsSessionId};

/// Sessions that are remembered. One per user of the app: a large meeting has hundreds of people, few of them users.
pub const MAX_SESSIONS: usize = 256;

/// What is known of each session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    states: BTreeMap<RtmsSessionId, SessionState>,
}

impl Sessions {
    /// A session's state became known. Sessions without an id cannot be told apart and are not kept.
    pub(crate) fn note(&mut self, session: Option<&RtmsSessionId>, state: SessionState) {
        let Some(session) = session else { return };
        if self.states.len() >= MAX_SESSIONS && !self.states.contains_key(session) {
            // One that stopped says nothing any more; if none did, any is as good as another.
            let stopped = self.states.iter().find(|(_, state)| **state == SessionState::Stopped);
            let Some(least) = stopped.or_else(|| self.states.iter().next()).map(|(id, _)| id.clone()) else { return };
            self.states.remove(&least);
        }
        self.states.insert(session.clone(), state);
    }

    /// Whether this is what is known of a session.
    pub(crate) fn is_known(&self, session: &RtmsSessionId, state: SessionState) -> bool {
        self.states.get(session) == Some(&state)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&RtmsSessionId, SessionState)> {
        self.states.iter().map(|(session, state)| (session, *state))
    }
}
