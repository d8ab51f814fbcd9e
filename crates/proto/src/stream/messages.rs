//! What Zoom says on the connections, message by message.

use rtms_wire::{
    codes::{
        event_type::EventType,
        message_type::MessageType,
        state::{SessionState, StreamState},
        status_code::StatusCode,
        stop_reason::StopReason,
    },
    media::medium::Medium,
    message::{
        Message,
        event_update::EventBody,
        keep_alive::KeepAliveReq,
        media_data::MediaData,
        state::{SessionStateResp, SessionStateUpdate, StreamStateResp, StreamStateUpdate},
        stream_close::StreamCloseResp,
        video_subscription::VideoSubscriptionResp,
    },
};

use super::{Stage, Stream};
use crate::{
    event::{Ending, Event},
    media::MediaLine,
    output::{ConnectionId, Output, Role},
    signaling::session_state,
    time::Moment,
};

impl Stream {
    pub(super) fn received(&mut self, id: ConnectionId, message: Message, now: Moment) {
        let Some(connection) = self.connection(id) else { return };
        connection.heard(now);
        let role = connection.role;
        match message {
            Message::KeepAliveReq(request) => self.answer(id, &request),
            Message::MediaDataAudio(data) => self.media_data(id, Medium::Audio, data, Event::Audio),
            Message::MediaDataVideo(data) => self.media_data(id, Medium::Video, data, Event::Video),
            Message::MediaDataShare(data) => self.media_data(id, Medium::Deskshare, data, Event::Deskshare),
            Message::MediaDataTranscript(line) => {
                // Without a time, two equal lines may be two that were said.
                if line.timestamp.is_none() || self.duplicates.is_new_line(Medium::Transcript, &line) {
                    self.tell_duplicates(Medium::Transcript);
                    self.tell(Event::Transcript(line));
                }
            }
            Message::MediaDataChat(chat) => {
                if chat.timestamp.is_none() || self.duplicates.is_new_line(Medium::Chat, &chat) {
                    self.tell_duplicates(Medium::Chat);
                    self.tell(Event::Chat(chat));
                }
            }
            Message::SignalingHandShakeResp(response) => self.signaling_answered(id, response, now),
            Message::DataHandShakeResp(response) => match role {
                Role::Media(types) => self.media_answered(id, types, response, now),
                Role::Signaling => self.odd(MessageType::DataHandShakeResp),
            },
            Message::EventUpdate(update) => self.event_update(update.event, now),
            Message::StreamStateUpdate(update) => self.stream_state_update(update, now),
            Message::StreamStateResp(response) => self.stream_state_answered(&response, now),
            Message::SessionStateUpdate(update) => self.session_state(update),
            Message::SessionStateResp(response) => self.session_state_answered(response),
            Message::StreamCloseResp(response) => self.close_answered(&response, now),
            Message::VideoSubscriptionResp(response) => self.video_answered(response),
            Message::Other(_)
            | Message::SignalingHandShakeReq(_)
            | Message::DataHandShakeReq(_)
            | Message::EventSubscription(_)
            | Message::ClientReadyAck(_)
            | Message::SessionStateReq(_)
            | Message::KeepAliveResp(_)
            | Message::StreamStateReq(_)
            | Message::StreamCloseReq(_)
            | Message::VideoSubscriptionReq(_) => self.odd(message.msg_type()),
        }
    }

    fn answer(&mut self, connection: ConnectionId, request: &KeepAliveReq) {
        self.outputs.push_back(Output::Send { connection, message: Message::KeepAliveResp(request.answer()) });
    }

    fn media_data(&mut self, id: ConnectionId, medium: Medium, data: MediaData, event: fn(MediaData) -> Event) {
        if self.duplicates.is_new(medium, &data, id) {
            self.tell_duplicates(medium);
            self.tell(event(data));
        }
    }

    fn event_update(&mut self, event: EventBody, now: Moment) {
        // The Contact Center has other events under the same numbers, and no cameras.
        let kind = if self.start.product.has_voice_events() { EventType::Undefined } else { event.meeting() };
        let people = event.people();
        self.tell(Event::Update(event));
        match kind {
            EventType::MediaConnectionInterrupted => self.media_interrupted(now),
            EventType::ParticipantVideoOn => {
                self.video.on(&people);
                self.ask_for_video(now);
            }
            EventType::ParticipantVideoOff | EventType::ParticipantLeave => {
                if let Some(user_id) = self.video.off(&people) {
                    self.tell(Event::VideoVoid { user_id });
                }
            }
            EventType::Undefined
            | EventType::FirstPacketTimestamp
            | EventType::ActiveSpeakerChange
            | EventType::ParticipantJoin
            | EventType::SharingStart
            | EventType::SharingStop
            | EventType::ChatGroupCreate
            | EventType::ChatGroupDelete
            | EventType::ChatGroupMembersAdd
            | EventType::ChatGroupMembersDelete
            | EventType::ChatGroupMemberStatusUpdate
            | EventType::Unknown(_) => {}
        }
    }

    fn stream_state_update(&mut self, update: StreamStateUpdate, now: Moment) {
        let StreamStateUpdate { state, reason, timestamp, .. } = update;
        self.state = Some(state);
        self.tell(Event::StreamState { state, reason, timestamp });
        // Reason 13 would speak of signaling; but what it came on is the signaling connection, so that one works.
        if state == StreamState::Interrupted && reason != Some(StopReason::SignalConnectionInterrupted) {
            self.media_interrupted(now);
        }
        self.state_is(state, reason, now);
    }

    /// Asks for states that may have changed while signaling was away: what Zoom says of them then, it says to nobody.
    ///
    /// It waits until all media is back, before which the answer would be the interruption. What was asked and not answered
    /// when signaling was lost is among it.
    pub(super) fn ask_what_was_missed(&mut self) {
        let is_back = self.signaling.is_open() && self.media.iter().all(MediaLine::is_open);
        if !self.signaling.has_missed || !is_back || !self.wants_back() {
            return;
        }
        self.signaling.has_missed = false;
        self.say(self.start.stream_state());
        let running = self.sessions.iter().filter(|(_, state)| *state != SessionState::Stopped);
        for session in running.map(|(session, _)| session.clone()).collect::<Vec<_>>() {
            self.say(session_state(session));
        }
    }

    fn stream_state_answered(&mut self, response: &StreamStateResp, now: Moment) {
        let StreamStateResp { state, timestamp, .. } = *response;
        if self.state.replace(state) != Some(state) {
            self.tell(Event::StreamState { state, reason: None, timestamp });
        }
        // Whatever the state is, a connection that answers is not broken: while we come back it is INTERRUPTED.
        self.signaling.doubted = None;
        self.state_is(state, None, now);
    }

    fn state_is(&mut self, state: StreamState, reason: Option<StopReason>, now: Moment) {
        match state {
            StreamState::Terminating => {
                if matches!(self.stage, Stage::Running) && self.terminating.is_none() {
                    self.terminating = Some(reason);
                    self.suspicion = None;
                    self.signaling.doubted = None;
                    self.stop_dialing_media();
                }
            }
            StreamState::Terminated => {
                let ours = matches!(reason, None | Some(StopReason::ReceiverRequestClose));
                let reason = reason.or(self.terminating.flatten());
                let ending = match self.stage {
                    // Another reason than our own wish overtook it, and may bring a duty with it.
                    Stage::Closing { .. } if ours => Ending::Closed,
                    Stage::Closing { .. } | Stage::Running | Stage::Draining { .. } | Stage::Ended => {
                        Ending::Stopped { reason }
                    }
                };
                self.drain(ending, now);
            }
            StreamState::Inactive
            | StreamState::Active
            | StreamState::Interrupted
            | StreamState::Paused
            | StreamState::Resumed
            | StreamState::Unknown(_) => {}
        }
    }

    fn session_state_answered(&mut self, response: SessionStateResp) {
        let SessionStateResp { rtms_session_id, state, timestamp, extra } = response;
        if !self.sessions.is_known(&rtms_session_id, state) {
            let rtms_session_id = Some(rtms_session_id);
            self.session_state(SessionStateUpdate { rtms_session_id, state, stop_reason: None, timestamp, extra });
        }
    }

    fn session_state(&mut self, update: SessionStateUpdate) {
        let SessionStateUpdate { rtms_session_id: session, state, stop_reason: reason, timestamp, .. } = update;
        self.sessions.note(session.as_ref(), state);
        self.tell(Event::SessionState { session, state, reason, timestamp });
    }

    fn close_answered(&mut self, response: &StreamCloseResp, now: Moment) {
        // The end itself follows as state 4; a refusal leaves nothing to wait for.
        if response.status_code != StatusCode::Ok && matches!(self.stage, Stage::Closing { .. }) {
            self.drain(Ending::Closed, now);
        }
    }

    fn video_answered(&mut self, response: VideoSubscriptionResp) {
        let VideoSubscriptionResp { user_id, status_code: status, .. } = response;
        self.video.answered(&user_id, status);
        self.tell(Event::VideoSubscription { user_id, status });
    }
}
