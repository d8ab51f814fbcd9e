//! What clients say: handshakes, subscriptions, questions, wishes.

use std::collections::BTreeSet;

use rtms_wire::{
    codes::{
        media::MediaDataOption,
        message_type::MessageType,
        state::{SessionState, StreamState},
        status_code::StatusCode,
        stop_reason::StopReason,
    },
    error::DecodeError,
    ids::{StreamId, UserId},
    message::{
        Extra, Message,
        client_ready::ClientReadyAck,
        data_handshake::DataHandShakeReq,
        event_subscription::EventSubscription,
        signaling_handshake::{Reason, SignalingHandShakeReq},
        state::{SessionStateReq, SessionStateResp, StreamStateReq, StreamStateResp},
        stream_close::{StreamCloseReq, StreamCloseResp},
        video_subscription::{VideoSubscriptionReq, VideoSubscriptionResp},
    },
    time::UnixMillis,
};

use crate::{
    checks::{
        expected::Granted,
        incomplete::incomplete,
        kinds::{self, IllTyped},
        refusal::Refusal,
        words,
    },
    connection::{ConnectionId, Ending},
    fault::{Answer, CloseAnswer, Request, SecondSignaling},
    findings::mistake::Mistake,
    handshake,
    keep_alive::KeepAlive,
    media::flow::Media,
    sent::What,
    signaling::{self, Signaling},
    webhook::{answer::WebhookAnswer, post::WebhookId},
    zoom::{
        live::{Connection, Role},
        machine::Zoom,
        phase::Phase,
    },
};

impl Zoom {
    pub(super) fn received(&mut self, connection: ConnectionId, payload: &[u8], now: UnixMillis) {
        let Some(known) = self.connections.get(&connection) else { return };
        let fields = kinds::fields(payload);
        if let Some(how) = kinds::odd_subscription(&fields) {
            return self.find(now, Some(connection), Mistake::OddSubscription { how });
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
            self.conduct.asks(payload);
        }
        match (message, &known.role) {
            (Message::SignalingHandShakeReq(request), Role::SignalingNew) => {
                self.signaling_handshake(connection, &request, now)
            }
            (Message::DataHandShakeReq(request), Role::MediaNew) => self.data_handshake(connection, &request, now),
            (Message::KeepAliveResp(answer), Role::Signaling(_) | Role::Media(_)) => {
                self.watch_keep_alive(connection, &answer, now);
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
                self.watch_out_of_place(connection, msg_type, "before the handshake", now);
            }
            (_, Role::Signaling(_)) => {
                self.watch_out_of_place(connection, msg_type, "on a signaling connection", now);
            }
            (_, Role::Media(_)) => {
                self.watch_out_of_place(connection, msg_type, "on a media connection", now);
            }
        }
    }

    /// What has an answer is refused with the status of the field; anything else is noted and ignored.
    fn ill_typed(&mut self, connection: ConnectionId, payload: &[u8], ill_typed: IllTyped, now: UnixMillis) {
        self.conduct.asks(payload);
        let IllTyped { msg_type, refusal } = ill_typed;
        let Refusal { status, reason } = &refusal;
        let role = self.connections.get(&connection).map(|known| &known.role);
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
            (None, Some(Role::SignalingNew)) => self.say_no_to_signaling(connection, &refusal, now),
            (None, Some(Role::MediaNew)) => self.say_no_to_data(connection, &refusal, now),
            (Some(_) | None, Some(_) | None) => {}
        }
        let why = match msg_type {
            Some(msg_type) => format!("in message {msg_type}, {reason}"),
            None => refusal.reason,
        };
        self.find(now, Some(connection), Mistake::NotAMessage { why });
    }

    /// A handshake that lacks something is refused with its status; anything else that cannot be read is noted and ignored.
    pub(super) fn undecodable(
        &mut self,
        connection: ConnectionId,
        payload: &[u8],
        error: &DecodeError,
        now: UnixMillis,
    ) {
        self.conduct.asks(payload);
        let is_new_signaling = matches!(self.connections.get(&connection).map(|it| &it.role), Some(Role::SignalingNew));
        let is_new_media = matches!(self.connections.get(&connection).map(|it| &it.role), Some(Role::MediaNew));
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
                self.find(now, Some(connection), Mistake::NotAMessage { why: error.to_string() });
            }
        }
    }

    pub(super) fn signaling_handshake(
        &mut self,
        connection: ConnectionId,
        request: &SignalingHandShakeReq,
        now: UnixMillis,
    ) {
        if self.watch_forged(connection, MessageType::SignalingHandShakeReq, &request.rtms_stream_id, now) {
            return self.say_no_to_signaling(
                connection,
                &Refusal::in_zooms_words(StatusCode::InvalidRtmsStreamId),
                now,
            );
        }
        self.watch_version(connection, request.protocol_version, now);
        let checked = if self.is_over() {
            Err(Refusal::new(StatusCode::InvalidRtmsStreamId, "the stream is over"))
        } else {
            self.expected.check_signaling(request)
        };
        // Whether Zoom refuses the new one or kicks the old one is told both ways.
        let kicks = self.config.temper.second_signaling == SecondSignaling::KicksTheFirst;
        let checked = checked.and_then(|leniency| match self.signaling {
            Some(_) if !kicks => Err(Refusal::in_zooms_words(StatusCode::DuplicateSignalRequest)),
            Some(_) | None => Ok(leniency),
        });
        let leniency = match checked {
            Ok(leniency) => leniency,
            Err(refusal) => {
                if refusal.status == StatusCode::InvalidSignature {
                    self.watch_signature(connection, MessageType::SignalingHandShakeReq, &request.signature, now);
                }
                return self.refuse_signaling(connection, &refusal, now);
            }
        };
        if let Some(answer) = self.refused(Request::Signaling, now) {
            return self.turn_away(connection, Request::Signaling, answer, now);
        }
        self.watch_leniency(connection, MessageType::SignalingHandShakeReq, leniency, now);
        if let Some(first) = self.signaling.take() {
            self.watch_second_signaling(connection, first, false, now);
            for replaced in [first].into_iter().chain(self.media_connections()) {
                self.close(replaced);
                self.conduct.leaves_behind(replaced);
            }
        }

        if self.phase == Phase::Announced {
            // Later interruptions are always bridged, whatever a reconnecting client says.
            self.backlog_wanted = request.buffer_data.unwrap_or(true);
        }
        self.watch_joined(connection, self.phase == Phase::Announced, now);
        self.phase = Phase::Joined;
        self.signaling = Some(connection);
        self.signaling_window = None;
        self.greet(connection, Role::Signaling(Signaling::default()), now);
        let welcome =
            handshake::signaling_granted(self.config.granted, &self.server().media_url, self.config.temper.media_urls);
        self.stray(connection);
        self.send(connection, &welcome, What::SignalingHandshake { status: StatusCode::Ok }, now);
        self.send_event(connection, signaling::first_packet(self.start), now);
    }

    pub(super) fn data_handshake(&mut self, connection: ConnectionId, request: &DataHandShakeReq, now: UnixMillis) {
        if self.watch_forged(connection, MessageType::DataHandShakeReq, &request.rtms_stream_id, now) {
            return self.say_no_to_data(connection, &Refusal::in_zooms_words(StatusCode::InvalidRtmsStreamId), now);
        }
        self.watch_version(connection, request.protocol_version, now);
        self.conduct.tally.asked.extend(request.media_type.iter());
        let carried: Vec<_> =
            self.media().map(|(_, media)| if media.asked.is_all() { media.asked } else { media.carries }).collect();
        let checked = if self.signaling.is_none() {
            Err(Refusal::new(StatusCode::InvalidRtmsStreamId, "the stream has no signaling connection"))
        } else if self.refuses_mask(request.media_type) {
            Err(Refusal::new(StatusCode::MediaTypeInvalidValue, "Media type invalid value"))
        } else {
            self.expected.check_data(request, self.config.granted, &carried)
        };
        match checked {
            Err(refusal) => {
                if refusal.status == StatusCode::InvalidSignature {
                    self.watch_signature(connection, MessageType::DataHandShakeReq, &request.signature, now);
                }
                self.refuse_data(connection, &refusal, now);
            }
            Ok(Granted { carries, mut params, leniency }) => {
                let asked = request.media_type;
                let medium = carries.iter().next().filter(|_| !asked.is_all());
                let refused = medium.and_then(|medium| self.refused(Request::Data(medium), now));
                if let Some(answer) = refused.or_else(|| self.refused(Request::AnyData, now)) {
                    return self.turn_away(connection, Request::AnyData, answer, now);
                }
                self.watch_leniency(connection, MessageType::DataHandShakeReq, leniency, now);
                if self.config.temper.downgrade_to_mixed
                    && let Some(audio) = &mut params.audio
                {
                    audio.data_opt = Some(MediaDataOption::AudioMixedStream);
                }
                self.conduct.opened_media(connection, now);
                let media = Media::new(request.media_type, carries, params.clone());
                self.greet(connection, Role::Media(Box::new(media)), now);
                let what = What::DataHandshake { status: StatusCode::Ok, media_params: Some(params.clone()) };
                let welcome = handshake::data_granted(params, self.encrypts_any_of(carries));
                self.stray(connection);
                self.send(connection, &welcome, what, now);
            }
        }
    }

    pub(super) fn greet(&mut self, connection: ConnectionId, role: Role, now: UnixMillis) {
        let timing = &self.config.timing;
        self.lost_unheard = false;
        if let Some(known) = self.connections.get_mut(&connection) {
            known.role = role;
            known.keep_alive = Some(KeepAlive::new(timing.keep_alive, timing.keep_alive_misses, now));
        }
    }

    /// The connection stays open: whether Zoom closes it is not documented. It may try again until the handshake is overdue, unless
    /// there is nothing left to join.
    pub(super) fn refuse_signaling(&mut self, connection: ConnectionId, refusal: &Refusal, now: UnixMillis) {
        self.say_no_to_signaling(connection, refusal, now);
        self.find_refused(connection, MessageType::SignalingHandShakeReq, refusal.status, &refusal.reason, now);
        if self.is_over() {
            self.close(connection);
        }
    }

    pub(super) fn refuse_data(&mut self, connection: ConnectionId, refusal: &Refusal, now: UnixMillis) {
        self.say_no_to_data(connection, refusal, now);
        self.find_refused(connection, MessageType::DataHandShakeReq, refusal.status, &refusal.reason, now);
        if self.is_over() {
            self.close(connection);
        }
    }

    fn say_no_to_signaling(&mut self, connection: ConnectionId, refusal: &Refusal, now: UnixMillis) {
        let what = What::SignalingHandshake { status: refusal.status };
        self.send(connection, &handshake::signaling_refused(refusal.status, &refusal.reason), what, now);
        self.conduct.signaling_in_vain(now);
    }

    fn say_no_to_data(&mut self, connection: ConnectionId, refusal: &Refusal, now: UnixMillis) {
        let what = What::DataHandshake { status: refusal.status, media_params: None };
        self.send(connection, &handshake::data_refused(refusal.status, &refusal.reason), what, now);
        self.conduct.media_was_refused(refusal.status);
    }

    pub(super) fn subscribe(&mut self, connection: ConnectionId, request: &EventSubscription, now: UnixMillis) {
        let now_ms = self.since_start(now);
        for change in &request.events {
            let Some(Connection { role: Role::Signaling(signaling), .. }) = self.connections.get_mut(&connection)
            else {
                return;
            };
            match signaling.subscribe(self.config.product, *change) {
                Err(mistake) => self.find(now, Some(connection), mistake),
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
            self.conduct.ready_in_vain();
            return self.find(now, Some(connection), Mistake::ReadyForAnotherStream);
        }
        if self.media().next().is_none() {
            if let Some(mistake) = self.conduct.ready_without_media() {
                self.find(now, Some(connection), mistake);
            }
            return;
        }
        self.conduct.ready();
        if self.config.temper.ready_ignored > 0 {
            self.config.temper.ready_ignored -= 1;
            return;
        }
        let new: Vec<_> =
            (0..self.sessions.len()).filter(|index| self.session_state(*index) == SessionState::Inactive).collect();
        if !new.is_empty() {
            for session in new {
                self.session_state_is(session, SessionState::Initialize, None, now);
                self.session_state_is(session, SessionState::Started, None, now);
            }
            self.stream_state_is(StreamState::Active, None, now);
        }

        let now_ms = self.since_start(now);
        let audio_from_ms = self.audio_from_ms(now_ms);
        let mut back = BTreeSet::new();
        for known in self.connections.values_mut() {
            if let Role::Media(media) = &mut known.role
                && !media.is_ready()
            {
                media.start(&self.studio, now_ms, audio_from_ms);
                if media.is_individual_video() {
                    self.conduct.has_video_of_choice();
                }
                back.extend(media.carries.iter());
            }
        }
        self.media_windows.retain(|medium, _| !back.contains(medium));
        self.is_back_with(&back, audio_from_ms);
        if self.stream_state == StreamState::Interrupted && self.media_windows.is_empty() {
            self.stream_state_is(StreamState::Active, None, now);
        }
    }

    /// From where sound is sent on a media connection that becomes ready now.
    pub(super) fn audio_from_ms(&self, now_ms: u64) -> u64 {
        let backlog_ms = u64::try_from(self.config.timing.backlog.as_millis()).unwrap_or(u64::MAX);
        let oldest_ms = now_ms.saturating_sub(backlog_ms);
        match self.audio_sent_ms {
            // Sound of an interruption is always kept. Basis: documented.
            Some(sent_ms) => sent_ms.max(oldest_ms),
            None if self.backlog_wanted => oldest_ms,
            None => now_ms,
        }
        // What was said while the stream was paused was not taken down.
        .max(self.resumed_at.map_or(0, |at| self.since_start(at)))
    }

    pub(super) fn session_state(&self, session: usize) -> SessionState {
        self.sessions.get(session).map_or(SessionState::Inactive, |known| known.state)
    }

    pub(super) fn session_state_asked(&mut self, connection: ConnectionId, request: SessionStateReq, now: UnixMillis) {
        let Some(state) = self.sessions.iter().find(|it| it.id == request.rtms_session_id).map(|it| it.state) else {
            return self.find(now, Some(connection), Mistake::UnknownStateAskedFor);
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
            return self.find(now, Some(connection), Mistake::UnknownStateAskedFor);
        }
        let answer = Message::StreamStateResp(StreamStateResp {
            rtms_stream_id: request.rtms_stream_id,
            state: self.stream_state,
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
            self.conduct.asks_to_close();
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
            self.conduct.chooses_a_camera();
        }
        if let Some(Answer::Status(status_code) | Answer::StatusAndClose(status_code)) =
            self.refused(Request::Video, now)
        {
            return self.answer_video(connection, request.user_id, status_code, &words::of(status_code), now);
        }
        let now_ms = self.since_start(now);
        let index =
            self.meeting.participants.iter().position(|who| who.user_id == request.user_id && who.is_present(now_ms));
        let on =
            index.is_some_and(|index| self.meeting.participants.get(index).is_some_and(|who| who.camera_is_on(now_ms)));
        let individual = self.media().any(|(_, media)| media.is_individual_video());
        // Only 0 and 44 are documented here; the others are the nearest that the list has.
        let (status_code, reason) = if !individual {
            (StatusCode::InvalidMediaVideoDataOpt, "no connection for individual video (data_opt 4)")
        } else if index.is_none() {
            (StatusCode::InvalidPayload, "nobody with that user_id is there")
        } else if request.subscribe && !on {
            (StatusCode::InvalidPayload, "that camera is off")
        } else if request.subscribe && self.selected == index {
            (StatusCode::DuplicateVideoSubscription, "that camera is chosen already")
        } else {
            (StatusCode::Ok, "OK")
        };
        if status_code == StatusCode::Ok {
            self.selected =
                if request.subscribe { index } else { self.selected.filter(|selected| Some(*selected) != index) };
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

    pub(super) fn closed(&mut self, connection: ConnectionId, ending: Ending, now: UnixMillis) {
        // The network loses the goodbye, too.
        if self.is_void(connection) {
            return;
        }
        let hung = self.frozen.remove(&connection).is_some();
        let Some(known) = self.connections.remove(&connection) else {
            let is_judged = self.conduct.ended_by_itself(connection);
            if is_judged && ending == Ending::Cut && !self.is_client_away(now) {
                self.find(now, Some(connection), Mistake::AbruptClose);
            }
            return;
        };
        match ending {
            Ending::CloseFrame => {}
            // Whoever was told that the stream is over may go as they like.
            Ending::Cut if known.cut_at.is_some() || self.is_client_away(now) || self.is_parting() => {}
            Ending::Cut => self.find(now, Some(connection), Mistake::AbruptClose),
            Ending::TooSlow { waiting_bytes } => {
                self.find(now, Some(connection), Mistake::ReadTooSlowly { waiting_bytes })
            }
        }
        match known.role {
            Role::SignalingNew | Role::MediaNew => {}
            Role::Signaling(_) | Role::Media(_) if known.cut_at.is_some() => {}
            // A client that leaves a server that hangs does it for that reason.
            Role::Signaling(_) if hung => self.signaling_lost(StopReason::AwaitReconnectionTimeout, now),
            Role::Signaling(_) => {
                self.conduct.left(now);
                self.signaling_left(now);
            }
            Role::Media(media) => {
                self.media_lost(&media, StopReason::AwaitReconnectionTimeout, now);
                if !hung {
                    self.goes_without(*media, now);
                }
            }
        }
    }

    pub(super) fn webhook_answered(&mut self, webhook: WebhookId, answer: &WebhookAnswer, now: UnixMillis) {
        if self.config.webhooks_are_posted && answer.is_accepted() && self.webhooks.tells_the_end(webhook) {
            self.conduct.end_was_told(now);
        }
        let mistakes = self.webhooks.answered(webhook, answer, now);
        // Where its process was killed, nobody listens.
        let is_excused = matches!(answer, WebhookAnswer::Failed(_)) && self.is_client_away(now);
        for mistake in mistakes.into_iter().filter(|_| !is_excused) {
            self.find(now, None, mistake);
        }
    }
}
