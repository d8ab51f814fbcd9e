//! What signaling tells of a stream: its state, the states of its sessions, and what changes in the meeting.

use rtms_wire::{
    codes::{
        state::{SessionState, StreamState},
        stop_reason::StopReason,
    },
    extra::Extra,
    ids::RtmsSessionId,
    message::{
        Message,
        state::{SessionStateUpdate, StreamStateUpdate},
    },
    time::UnixMillis,
};

use crate::{
    connection::ConnectionId,
    meeting::{happening::Happening, story::Meeting},
    seed::Seed,
    sent::What,
};

/// A message for the signaling connection, and its record.
pub(super) type Update = (ConnectionId, Message, What);

/// The signaling of one stream.
#[derive(Debug)]
pub(super) struct StreamSignaling {
    /// The one connection whose handshake succeeded.
    pub(super) connection: Option<ConnectionId>,
    state: StreamState,
    /// What is streamed of, in the order of their start; the first starts with the stream.
    sessions: Vec<Session>,
    /// Changes in the meeting before this one were published.
    published: usize,
    /// Until when signaling may come back, and why the stream ends if it does not.
    window: Option<(UnixMillis, StopReason)>,
}

/// One session inside the stream.
#[derive(Debug)]
struct Session {
    id: RtmsSessionId,
    state: SessionState,
}

impl StreamSignaling {
    /// Returns the signaling of a stream with this many sessions. Their ids follow from `ids` and the time.
    pub(super) fn new(ids: &Seed, sessions: usize, now: UnixMillis) -> Self {
        Self {
            connection: None,
            state: StreamState::Inactive,
            sessions: (0..sessions).map(|number| Session::new(ids, number, now)).collect(),
            published: 0,
            window: None,
        }
    }

    /// Begins another stream of the same meeting. Its changes go on where they were.
    pub(super) fn restart(&mut self, ids: &Seed, sessions: usize, now: UnixMillis) {
        let before = std::mem::replace(self, Self::new(ids, sessions, now));
        (self.connection, self.published, self.window) = (before.connection, before.published, before.window);
    }

    /// Returns the state of the stream.
    pub(super) fn state(&self) -> StreamState {
        self.state
    }

    /// Changes the state of the stream. Returns the update for the client, if it has signaling.
    #[must_use]
    pub(super) fn set_state(
        &mut self,
        state: StreamState,
        reason: Option<StopReason>,
        now: UnixMillis,
    ) -> Option<Update> {
        self.state = state;
        let update = StreamStateUpdate { state, reason, timestamp: Some(now), extra: Extra::new() };
        Some((self.connection?, Message::StreamStateUpdate(update), What::StreamState { state, reason }))
    }

    /// Returns the state of the session with this id.
    pub(super) fn state_of(&self, id: &RtmsSessionId) -> Option<SessionState> {
        self.sessions.iter().find(|session| session.id == *id).map(|session| session.state)
    }

    /// Changes the state of a session, by its number. Returns the update for the client, if it has signaling.
    #[must_use]
    pub(super) fn set_session_state(
        &mut self,
        session: usize,
        state: SessionState,
        stop_reason: Option<StopReason>,
        now: UnixMillis,
    ) -> Option<Update> {
        let known = self.sessions.get_mut(session)?;
        known.state = state;
        let update = SessionStateUpdate {
            state,
            stop_reason,
            timestamp: Some(now),
            rtms_session_id: Some(known.id.clone()),
            extra: Extra::new(),
        };
        Some((self.connection?, Message::SessionStateUpdate(update), What::SessionState { state, stop_reason }))
    }

    /// Adds a session. Returns its number.
    pub(super) fn add_session(&mut self, ids: &Seed, now: UnixMillis) -> usize {
        let number = self.sessions.len();
        self.sessions.push(Session::new(ids, number, now));
        number
    }

    /// Returns the sessions that have not started, by number.
    pub(super) fn new_sessions(&self) -> Vec<usize> {
        self.sessions_that(|state| state == SessionState::Inactive)
    }

    /// Returns the sessions that have started and not stopped, by number.
    pub(super) fn running_sessions(&self) -> Vec<usize> {
        self.sessions_that(|state| !matches!(state, SessionState::Inactive | SessionState::Stopped))
    }

    fn sessions_that(&self, is_so: impl Fn(SessionState) -> bool) -> Vec<usize> {
        (0..).zip(&self.sessions).filter(|(_, session)| is_so(session.state)).map(|(number, _)| number).collect()
    }

    /// Returns when the next change in the meeting is to be published, in its milliseconds.
    pub(super) fn next_change_ms(&self, meeting: &Meeting) -> Option<u64> {
        meeting.happenings.get(self.published).map(|happening| happening.at_ms)
    }

    /// Takes the next change in the meeting that is to be published by now.
    pub(super) fn due_change(&mut self, meeting: &Meeting, now_ms: u64) -> Option<Happening> {
        let happening = meeting.happenings.get(self.published).filter(|it| it.at_ms <= now_ms)?;
        self.published += 1;
        Some(*happening)
    }

    /// Notes that the connection is lost without a word, and may come back until then.
    pub(super) fn interrupt(&mut self, until: UnixMillis, reason: StopReason) {
        self.connection = None;
        self.state = StreamState::Interrupted;
        self.window = Some((until, reason));
    }

    /// Lets signaling come back until then.
    pub(super) fn open_window(&mut self, until: UnixMillis, reason: StopReason) {
        self.window = Some((until, reason));
    }

    /// Waits for signaling no more.
    pub(super) fn close_window(&mut self) {
        self.window = None;
    }

    /// Returns until when signaling may come back, and why the stream ends if it does not.
    pub(super) fn window(&self) -> Option<(UnixMillis, StopReason)> {
        self.window
    }
}

impl Session {
    fn new(ids: &Seed, number: usize, now: UnixMillis) -> Self {
        // The time goes in for the same reason as with the stream's own id.
        let mut chance = ids.fork("session", now.0.wrapping_add(number as u64));
        let id = [8, 4, 4, 4, 12].map(|digits| chance.hex(digits)).join("-");
        Self { id: RtmsSessionId::new(id), state: SessionState::Inactive }
    }
}
