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

use super::{Stage, Stream, ending::closed};
use crate::{
    connection::Connection,
    event::{CloseAnswer, Ending, Event},
    media::MediaLine,
    output::{ConnectionId, Output},
    reconnect::STABLE_AFTER,
    role::Role,
    signaling::session_state,
    time::Moment,
};

impl Stream {
    pub(super) fn received(&mut self, id: ConnectionId, message: Message, now: Moment) {
        let is_left = self.left.iter().any(|connection| connection.id == id);
        if is_left && Medium::of_message(message.msg_type()).is_none() {
            // Whatever it says about itself is out of date.
            return;
        }
        let Some(connection) = self.connection(id) else { return };
        connection.heard(now);
        let role = connection.role;
        match message {
            Message::KeepAliveReq(request) => self.answer(id, &request),
            Message::MediaDataAudio(data) => self.media_data(id, Medium::Audio, data, Event::Audio),
            Message::MediaDataVideo(data) => self.media_data(id, Medium::Video, data, Event::Video),
            Message::MediaDataShare(data) => self.media_data(id, Medium::Deskshare, data, Event::Deskshare),
            Message::MediaDataTranscript(line) if self.config.media.contains(Medium::Transcript) => {
                // Without a time, two equal lines may be two that were said.
                let speaker = (line.user_id.as_ref(), line.channel_id.as_ref());
                if line.timestamp.is_none() || self.duplicates.is_new_line(Medium::Transcript, &line, speaker, id) {
                    self.tell_duplicates(Medium::Transcript);
                    self.tell(Event::Transcript(line));
                }
            }
            Message::MediaDataChat(chat) if self.config.media.contains(Medium::Chat) => {
                let author = (chat.user_id.as_ref(), None);
                if chat.timestamp.is_none() || self.duplicates.is_new_line(Medium::Chat, &chat, author, id) {
                    self.tell_duplicates(Medium::Chat);
                    self.tell(Event::Chat(chat));
                }
            }
            // A connection for everything may carry more than is wanted.
            Message::MediaDataTranscript(_) | Message::MediaDataChat(_) => {}
            Message::SignalingHandShakeResp(response) => self.signaling_answered(id, response, now),
            Message::DataHandShakeResp(response) => match role {
                Role::Media(types) => self.media_answered(id, types, response, now),
                Role::Signaling => self.odd(MessageType::DataHandShakeResp),
            },
            Message::EventUpdate(update) => self.event_update(update.united(), now),
            Message::StreamStateUpdate(update) => self.stream_state_update(update, now),
            Message::StreamStateResp(response) => self.stream_state_answered(&response, now),
            Message::SessionStateUpdate(update) => self.session_state(update),
            Message::SessionStateResp(response) => self.session_state_answered(response),
            Message::StreamCloseResp(response) => self.close_answered(&response, now),
            Message::VideoSubscriptionResp(response) => self.video_answered(response),
            Message::Other(other) => self.odd_message(other),
            Message::SignalingHandShakeReq(_)
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
        if !self.config.media.contains(medium) {
            return;
        }
        // What is empty takes the place of nothing.
        if data.data.is_empty() || self.duplicates.is_new(medium, &data, id) {
            self.tell_duplicates(medium);
            self.tell(event(data));
        }
    }

    fn event_update(&mut self, event: EventBody, now: Moment) {
        let product = self.start.product;
        // The Contact Center has other events under the numbers of cameras and chat, and this one all the same.
        let interrupted = EventType::MediaConnectionInterrupted;
        let is_interruption = product.has_voice_events() && event.event_type == Some(interrupted.code());
        let kind = if is_interruption { Some(interrupted) } else { event.meeting(product) };
        let Some(kind) = kind else { return self.tell(Event::Update(event)) };
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
        if state == StreamState::Interrupted {
            if reason == Some(StopReason::SignalConnectionInterrupted) {
                // What it came on is the signaling connection, so it may be about the one before.
                self.doubt_signaling(now);
            } else {
                self.media_interrupted(now);
            }
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
        // A connection that answers is not broken: while something comes back the state is INTERRUPTED. But where all has stood
        // for long and nothing is said against media, what Zoom misses is this connection, which it has given up.
        let is_given_up = state == StreamState::Interrupted && self.suspicion.is_none() && self.all_stand(now);
        if self.signaling.doubted.is_some() && is_given_up {
            return self.doubt_confirmed("Zoom says that it is interrupted, and says so again when asked", now);
        }
        self.signaling.doubted = None;
        self.state_is(state, None, now);
    }

    /// Whether every connection has stood for so long that Zoom must have noticed.
    fn all_stand(&self, now: Moment) -> bool {
        let media = self.media.iter().map(|line| line.connection.as_ref());
        media.chain([self.signaling.connection.as_ref()]).all(|connection| {
            let opened = connection.and_then(Connection::liveness).map(|liveness| liveness.opened());
            opened.is_some_and(|opened| now.since(opened) >= STABLE_AFTER)
        })
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
                    Stage::Closing { .. } if ours => closed(true),
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
        let Stage::Closing { has_agreed, .. } = &mut self.stage else { return };
        if response.status_code == StatusCode::Ok {
            // The end itself follows as state 4.
            *has_agreed = true;
        } else {
            // There is nothing to wait for.
            self.drain(Ending::Closed { answer: CloseAnswer::Refused(response.status_code) }, now);
        }
    }

    fn video_answered(&mut self, response: VideoSubscriptionResp) {
        let VideoSubscriptionResp { user_id, status_code: status, .. } = response;
        self.video.answered(&user_id, status);
        self.tell(Event::VideoSubscription { user_id, status });
    }
}
