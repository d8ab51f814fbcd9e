//! What clients say: handshakes, subscriptions, questions, wishes.

use bytes::Bytes;
use rtms_wire::{
    codes::{
        message_type::MessageType,
        state::{SessionState, StreamState},
        status_code::StatusCode,
        stop_reason::StopReason,
    },
    error::DecodeError,
    extra::Extra,
    ids::{StreamId, UserId},
    message::{
        Message,
        client_ready::ClientReadyAck,
        event_subscription::EventSubscription,
        signaling_handshake::Reason,
        state::{SessionStateReq, SessionStateResp, StreamStateReq, StreamStateResp},
        stream_close::{StreamCloseReq, StreamCloseResp},
        video_subscription::{VideoSubscriptionReq, VideoSubscriptionResp},
    },
    time::UnixMillis,
};

use crate::{
    checks::{
        incomplete::incomplete,
        kinds::{self, IllTyped},
        refusal::Refusal,
        words,
    },
    connection::ConnectionId,
    fault::{Answer, CloseAnswer, Request},
    findings::mistake::Mistake,
    signaling,
    zoom::{
        connections::{Connection, Role},
        machine::Zoom,
    },
};

impl Zoom {
    /// Takes a message from a client, if its server does not hang and the network does not lose it.
    pub(super) fn message_arrived(&mut self, connection: ConnectionId, payload: Bytes, now: UnixMillis) {
        if !self.connections.is_void(connection)
            && let Some(payload) = self.connections.hold_unread(connection, payload)
        {
            self.received(connection, &payload, now);
        }
    }

    fn received(&mut self, connection: ConnectionId, payload: &[u8], now: UnixMillis) {
        let Some(known) = self.connections.get(connection) else { return };
        let fields = kinds::fields(payload);
        if let Some(how) = kinds::odd_subscription(&fields) {
            return self.notes.find(now, Some(connection), Mistake::OddSubscription { how });
        }
        if let Err(ill_typed) = kinds::check(&fields) {
            return self.ill_typed(connection, payload, ill_typed, now);
        }
        let message = match Message::decode(payload) {
            Ok(message) => message,
            Err(error) => return self.undecodable(connection, payload, &error, now),
        };
        let msg_type = message.msg_type();
        tracing::trace!(connection = connection.0, %msg_type, "received");
        if matches!(
            msg_type,
            MessageType::SignalingHandShakeReq
                | MessageType::DataHandShakeReq
                | MessageType::StreamCloseReq
                | MessageType::VideoSubscriptionReq
        ) {
            self.notes.client.asks(payload);
        }
        match (message, &known.role) {
            (Message::SignalingHandShakeReq(request), Role::SignalingNew) => {
                self.signaling_handshake(connection, &request, now)
            }
            (Message::DataHandShakeReq(request), Role::MediaNew) => self.data_handshake(connection, &request, now),
            (Message::KeepAliveResp(answer), Role::Signaling(_) | Role::Media(_)) => {
                let form = self.config.temper.keep_alive;
                self.notes.keep_alive_answered(&mut self.connections, connection, &answer, form, now);
            }
            (Message::EventSubscription(request), Role::Signaling(_)) => self.subscribe(connection, &request, now),
            (Message::ClientReadyAck(ready), Role::Signaling(_)) => self.client_ready(connection, &ready, now),
            (Message::SessionStateReq(request), Role::Signaling(_)) => {
                self.session_state_asked(connection, request, now)
            }
            (Message::StreamStateReq(request), Role::Signaling(_)) => self.stream_state_asked(connection, request, now),
            (Message::StreamCloseReq(request), Role::Signaling(_)) => self.close_asked(connection, &request, now),
            (Message::VideoSubscriptionReq(request), Role::Signaling(_)) => self.choose_video(connection, request, now),
            // Documents list message 3 under signaling; it belongs to media, and the answer says so.
            (Message::DataHandShakeReq(_), Role::SignalingNew | Role::Signaling(_)) => {
                let refusal = Refusal::new(StatusCode::InvalidMessageType, "message 3 belongs on a media connection");
                self.refuse_data(connection, &refusal, now);
            }
            (Message::SignalingHandShakeReq(_), Role::MediaNew | Role::Media(_)) => {
                let refusal =
                    Refusal::new(StatusCode::InvalidMessageType, "message 1 belongs on a signaling connection");
                self.refuse_signaling(connection, &refusal, now);
            }
            (_, Role::SignalingNew | Role::MediaNew) => {
                self.notes.out_of_place(connection, msg_type, "before the handshake", now);
            }
            (_, Role::Signaling(_)) => {
                self.notes.out_of_place(connection, msg_type, "on a signaling connection", now);
            }
            (_, Role::Media(_)) => {
                self.notes.out_of_place(connection, msg_type, "on a media connection", now);
            }
        }
    }

    /// What has an answer is refused with the status of the field; anything else is noted and ignored.
    fn ill_typed(&mut self, connection: ConnectionId, payload: &[u8], ill_typed: IllTyped, now: UnixMillis) {
        self.notes.client.asks(payload);
        let IllTyped { msg_type, refusal } = ill_typed;
        let Refusal { status, reason } = &refusal;
        let role = self.connections.role(connection);
        match (msg_type, role) {
            (Some(MessageType::SignalingHandShakeReq), Some(Role::SignalingNew)) => {
                return self.refuse_signaling(connection, &refusal, now);
            }
            (Some(MessageType::DataHandShakeReq), Some(Role::MediaNew)) => {
                return self.refuse_data(connection, &refusal, now);
            }
            (Some(MessageType::StreamCloseReq), Some(Role::Signaling(_))) => {
                if let Ok(Message::StreamCloseReq(request)) = Message::decode(payload) {
                    self.answer_close(connection, request.rtms_stream_id, *status, reason, now);
                    return self.find_refused(connection, MessageType::StreamCloseReq, *status, reason, now);
                }
            }
            (Some(MessageType::VideoSubscriptionReq), Some(Role::Signaling(_))) => {
                if let Ok(Message::VideoSubscriptionReq(request)) = Message::decode(payload) {
                    self.answer_video(connection, request.user_id, *status, reason, now);
                    return self.find_refused(connection, MessageType::VideoSubscriptionReq, *status, reason, now);
                }
            }
            // The first message is a handshake, whatever it calls itself.
            (None, Some(Role::SignalingNew)) => self.answer_no_to_signaling(connection, &refusal, now),
            (None, Some(Role::MediaNew)) => self.answer_no_to_data(connection, &refusal, now),
            (Some(_) | None, Some(_) | None) => {}
        }
        let why = match msg_type {
            Some(msg_type) => format!("in message {msg_type}, {reason}"),
            None => refusal.reason,
        };
        self.notes.find(now, Some(connection), Mistake::NotAMessage { why });
    }

    /// A handshake that lacks something is refused with its status; anything else that cannot be read is noted and
    /// ignored.
    pub(super) fn undecodable(
        &mut self,
        connection: ConnectionId,
        payload: &[u8],
        error: &DecodeError,
        now: UnixMillis,
    ) {
        self.notes.client.asks(payload);
        let is_new_signaling = matches!(self.connections.role(connection), Some(Role::SignalingNew));
        let is_new_media = matches!(self.connections.role(connection), Some(Role::MediaNew));
        match error {
            DecodeError::BadField { msg_type: Some(MessageType::SignalingHandShakeReq), .. } if is_new_signaling => {
                self.refuse_signaling(connection, &incomplete(payload, error), now);
            }
            DecodeError::BadField { msg_type: Some(MessageType::DataHandShakeReq), .. } if is_new_media => {
                self.refuse_data(connection, &incomplete(payload, error), now);
            }
            DecodeError::BadField { .. }
            | DecodeError::NotAnObject
            | DecodeError::NotJson(_)
            | DecodeError::NoMessageType
            | DecodeError::BadBase64 { .. }
            | DecodeError::LengthMismatch { .. } => {
                self.notes.find(now, Some(connection), Mistake::NotAMessage { why: error.to_string() });
            }
        }
    }

    pub(super) fn subscribe(&mut self, connection: ConnectionId, request: &EventSubscription, now: UnixMillis) {
        let now_ms = self.since_start(now);
        for change in &request.events {
            let Some(Connection { role: Role::Signaling(signaling), .. }) = self.connections.get_mut(connection) else {
                return;
            };
            match signaling.subscribe(self.config.product, *change) {
                Err(mistake) => self.notes.find(now, Some(connection), mistake),
                Ok(false) => {}
                Ok(true) => {
                    for event in signaling::present(self.config.product, &self.meeting, change.event_type, now_ms, now)
                    {
                        self.send_event(connection, event, now);
                    }
                }
            }
        }
    }

    pub(super) fn client_ready(&mut self, connection: ConnectionId, ready: &ClientReadyAck, now: UnixMillis) {
        if ready.rtms_stream_id != self.identity.stream {
            self.notes.client.ready_in_vain();
            return self.notes.find(now, Some(connection), Mistake::ReadyForAnotherStream);
        }
        if self.connections.media().next().is_none() {
            if let Some(mistake) = self.notes.client.ready_without_media() {
                self.notes.find(now, Some(connection), mistake);
            }
            return;
        }
        self.notes.client.ready();
        if self.faults.ignores_ready() {
            return;
        }
        let new = self.signaling.new_sessions();
        if !new.is_empty() {
            for session in new {
                self.session_state_is(session, SessionState::Initialize, None, now);
                self.session_state_is(session, SessionState::Started, None, now);
            }
            self.stream_state_is(StreamState::Active, None, now);
            if self.media.is_paused() {
                self.pause(now);
            }
        }

        let missed = &mut self.notes.client.tally.missed;
        if self.media.start(&mut self.connections, now, missed).contains(&true) {
            self.notes.client.has_video_of_choice();
        }
        if self.signaling.state() == StreamState::Interrupted && self.media.windows().next().is_none() {
            let state = if self.media.is_paused() { StreamState::Paused } else { StreamState::Active };
            self.stream_state_is(state, None, now);
        }
    }

    pub(super) fn session_state_asked(&mut self, connection: ConnectionId, request: SessionStateReq, now: UnixMillis) {
        let Some(state) = self.signaling.state_of(&request.rtms_session_id) else {
            return self.notes.find(now, Some(connection), Mistake::UnknownStateAskedFor);
        };
        let answer = Message::SessionStateResp(SessionStateResp {
            rtms_session_id: request.rtms_session_id,
            state,
            timestamp: Some(now),
            extra: Extra::new(),
        });
        self.answer(connection, &answer, now);
    }

    pub(super) fn stream_state_asked(&mut self, connection: ConnectionId, request: StreamStateReq, now: UnixMillis) {
        if request.rtms_stream_id != self.identity.stream {
            return self.notes.find(now, Some(connection), Mistake::UnknownStateAskedFor);
        }
        let answer = Message::StreamStateResp(StreamStateResp {
            rtms_stream_id: request.rtms_stream_id,
            state: self.signaling.state(),
            timestamp: Some(now),
            extra: Extra::new(),
        });
        self.answer(connection, &answer, now);
    }

    pub(super) fn close_asked(&mut self, connection: ConnectionId, request: &StreamCloseReq, now: UnixMillis) {
        let known = request.rtms_stream_id == self.identity.stream;
        let (status_code, reason) =
            if known { (StatusCode::Ok, "OK") } else { (StatusCode::InvalidRtmsStreamId, "unknown rtms_stream_id") };
        let stream = request.rtms_stream_id.clone();
        if known {
            self.notes.client.asks_to_close();
        }
        let how = self.config.temper.close_answer;
        if !known || how == CloseAnswer::First {
            self.answer_close(connection, stream.clone(), status_code, reason, now);
        }
        if known && how != CloseAnswer::Silence {
            self.begin_end(StopReason::ReceiverRequestClose, now);
            if how == CloseAnswer::Last {
                self.answer_close(connection, stream, status_code, reason, now);
            }
        }
        if !known {
            self.find_refused(connection, MessageType::StreamCloseReq, status_code, reason, now);
        }
    }

    fn answer_close(
        &mut self,
        connection: ConnectionId,
        rtms_stream_id: StreamId,
        status_code: StatusCode,
        reason: &str,
        now: UnixMillis,
    ) {
        let answer = Message::StreamCloseResp(StreamCloseResp {
            rtms_stream_id,
            status_code,
            reason: Some(Reason::from(reason)),
            timestamp: Some(now),
            extra: Extra::new(),
        });
        self.answer(connection, &answer, now);
    }

    pub(super) fn choose_video(&mut self, connection: ConnectionId, request: VideoSubscriptionReq, now: UnixMillis) {
        if request.subscribe {
            self.notes.client.chooses_a_camera();
        }
        if let Some(Answer::Status(status_code) | Answer::StatusAndClose(status_code)) =
            self.faults.refuse(Request::Video, now)
        {
            return self.answer_video(connection, request.user_id, status_code, &words::of(status_code), now);
        }
        let now_ms = self.since_start(now);
        let index =
            self.meeting.participants.iter().position(|who| who.user_id == request.user_id && who.is_present(now_ms));
        let on =
            index.is_some_and(|index| self.meeting.participants.get(index).is_some_and(|who| who.camera_is_on(now_ms)));
        let individual = self.connections.media().any(|(_, media)| media.is_individual_video());
        // Only 0 and 44 are documented here; the others are the nearest that the list has.
        let (status_code, reason) = if !individual {
            (StatusCode::InvalidMediaVideoDataOpt, "no connection for individual video (data_opt 4)")
        } else if index.is_none() {
            (StatusCode::InvalidPayload, "nobody with that user_id is there")
        } else if request.subscribe && !on {
            (StatusCode::InvalidPayload, "that camera is off")
        } else if request.subscribe && self.media.selected == index {
            (StatusCode::DuplicateVideoSubscription, "that camera is chosen already")
        } else {
            (StatusCode::Ok, "OK")
        };
        if status_code == StatusCode::Ok {
            self.media.selected =
                if request.subscribe { index } else { self.media.selected.filter(|selected| Some(*selected) != index) };
        } else if status_code != StatusCode::DuplicateVideoSubscription {
            // To ask once more for what one has is no mistake: after a reconnection nobody can know.
            self.find_refused(connection, MessageType::VideoSubscriptionReq, status_code, reason, now);
        }
        self.answer_video(connection, request.user_id, status_code, reason, now);
    }

    fn answer_video(
        &mut self,
        connection: ConnectionId,
        user_id: UserId,
        status_code: StatusCode,
        reason: &str,
        now: UnixMillis,
    ) {
        let answer = Message::VideoSubscriptionResp(VideoSubscriptionResp {
            user_id,
            status_code,
            reason: Some(Reason::from(reason)),
            timestamp: Some(now),
            extra: Extra::new(),
        });
        self.answer(connection, &answer, now);
    }
}
