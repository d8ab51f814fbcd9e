//! What Zoom says on the connections, message by message.

use rtms_wire::{
    codes::{
        event_type::EventType, message_type::MessageType, state::StreamState, status_code::StatusCode,
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
    output::{ConnectionId, Output, Role},
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
            Message::SessionStateResp(response) => {
                let SessionStateResp { rtms_session_id, state, timestamp, extra } = response;
                let session = Some(rtms_session_id);
                let update =
                    SessionStateUpdate { rtms_session_id: session, state, stop_reason: None, timestamp, extra };
                self.session_state(update);
            }
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
        self.tell(Event::StreamState { state, reason, timestamp });
        // Reason 13 would speak of signaling; but what it came on is the signaling connection, so that one works.
        if state == StreamState::Interrupted && reason != Some(StopReason::SignalConnectionInterrupted) {
            self.media_interrupted(now);
        }
        self.state_is(state, reason, now);
    }

    fn stream_state_answered(&mut self, response: &StreamStateResp, now: Moment) {
        let StreamStateResp { state, timestamp, .. } = *response;
        self.tell(Event::StreamState { state, reason: None, timestamp });
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
