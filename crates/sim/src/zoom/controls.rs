//! What can be asked of a meeting while it runs, as by REST or by its host: a stream starts, pauses, goes on, stops.

use rtms_wire::{
    codes::{
        state::{SessionState, StreamState},
        stop_reason::StopReason,
    },
    time::UnixMillis,
};
use serde::Serialize;

use crate::zoom::{machine::Zoom, phase::Phase};

/// What is asked of a meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Starts a stream: the first of the meeting, or another one with an id of its own after the last has ended. The
    /// meeting's time goes on; what was said before is in no stream.
    Start,
    /// Pauses the stream: no media is sent, connections and keep-alive stay.
    Pause,
    /// Lets a paused stream go on.
    Resume,
    /// Ends the stream. The meeting goes on.
    Stop {
        /// The stop reason.
        reason: StopReason,
    },
    /// Ends the meeting, and with it the stream.
    EndMeeting,
}

/// Why something that was asked of a meeting cannot be done now. The text is a whole sentence without its period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// A stream runs, or has not quite ended.
    #[error("a stream of this meeting runs already")]
    Running,
    /// No stream runs.
    #[error("no stream of this meeting runs")]
    NotRunning,
    /// The stream is paused already.
    #[error("the stream is paused already")]
    Paused,
    /// The stream is not paused.
    #[error("the stream is not paused")]
    NotPaused,
    /// The meeting is over.
    #[error("the meeting is over")]
    MeetingOver,
}

/// How far a stream is, for people who watch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamStage {
    /// Its start webhook is out and nobody has joined.
    Announced,
    /// A client has joined.
    Joined,
    /// A connection is lost and may come back.
    Interrupted,
    /// It is paused.
    Paused,
    /// No more media is sent; its connections are about to be closed.
    Ending,
    /// It is over.
    Ended,
}

impl Zoom {
    /// Does what is asked of the meeting.
    ///
    /// # Errors
    /// [`NotNow`] if it cannot be done in the present state; nothing has changed then.
    pub fn control(&mut self, control: Control, now: UnixMillis) -> Result<(), NotNow> {
        // What time brings comes first: the meeting may be over by now.
        self.pass_time(now);
        let is_running = matches!(self.phase, Phase::Announced | Phase::Joined);
        match control {
            Control::Start if self.is_meeting_over => return Err(NotNow::MeetingOver),
            Control::Start if self.phase != Phase::Ended => return Err(NotNow::Running),
            Control::Start => self.start_stream(now),
            Control::EndMeeting if self.is_meeting_over => return Err(NotNow::MeetingOver),
            Control::EndMeeting => {
                self.webhooks.posts.wait_no_longer();
                self.end_meeting(now);
            }
            Control::Pause | Control::Resume | Control::Stop { .. } if !is_running => return Err(NotNow::NotRunning),
            Control::Pause if self.media.is_paused() => return Err(NotNow::Paused),
            Control::Pause => self.pause(now),
            Control::Resume if !self.media.is_paused() => return Err(NotNow::NotPaused),
            Control::Resume => self.resume(now),
            Control::Stop { reason } => self.begin_end(reason, now),
        }
        self.pass_time(now);
        Ok(())
    }

    /// Returns how far the present stream is; none before the first.
    pub fn stage(&self) -> Option<StreamStage> {
        let is_interrupted = self.signaling.state() == StreamState::Interrupted;
        let stage = match self.phase {
            Phase::Ended => StreamStage::Ended,
            Phase::Ending { .. } => StreamStage::Ending,
            Phase::Announced | Phase::Joined if self.media.is_paused() => StreamStage::Paused,
            Phase::Joined if is_interrupted => StreamStage::Interrupted,
            Phase::Joined => StreamStage::Joined,
            Phase::Announced => StreamStage::Announced,
        };
        (self.streams > 0).then_some(stage)
    }

    /// Starts the first stream of the meeting, or another one after the last has ended.
    pub(super) fn start_stream(&mut self, now: UnixMillis) {
        if self.streams > 0 {
            let ids = self.config.ids();
            self.identity = self.identity.with_another_stream(&ids, self.streams, now);
            self.expected = Self::expected(&self.config, &self.identity);
            self.signaling.restart(&ids, self.config.temper.more_sessions + 1, now);
            self.over = None;
            self.notes.client.starts_again();
        }
        if self.streams > 0 || now > self.start {
            self.media.restart(now);
        }
        self.webhooks.restart(now);
        self.streams += 1;
        self.phase = Phase::Announced;
        self.announce_start(now);
    }

    /// Stops sending media until the stream is resumed. Basis for the order: documented.
    pub(super) fn pause(&mut self, now: UnixMillis) {
        self.media.pause();
        self.running_sessions_are(SessionState::Paused, now);
        self.stream_state_is(StreamState::Paused, None, now);
    }

    /// Sends media again.
    pub(super) fn resume(&mut self, now: UnixMillis) {
        self.media.resume(now);
        self.running_sessions_are(SessionState::Resumed, now);
        self.stream_state_is(StreamState::Resumed, None, now);
    }

    /// Ends the meeting, and the stream if one runs.
    pub(super) fn end_meeting(&mut self, now: UnixMillis) {
        self.is_meeting_over = true;
        if matches!(self.phase, Phase::Announced | Phase::Joined) {
            self.publish_departures(now);
            self.begin_end(StopReason::MeetingEnded, now);
        }
    }

    fn running_sessions_are(&mut self, state: SessionState, now: UnixMillis) {
        for session in self.signaling.running_sessions() {
            self.session_state_is(session, state, None, now);
        }
    }
}
