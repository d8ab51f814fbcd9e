//! The two handshakes: what is granted, what is refused, and how.

use rtms_wire::{
    codes::{media::MediaDataOption, message_type::MessageType, status_code::StatusCode},
    ids::StreamId,
    message::{data_handshake::DataHandShakeReq, signaling_handshake::SignalingHandShakeReq},
    time::UnixMillis,
};

use crate::{
    checks::{expected::Granted, refusal::Refusal},
    connection::ConnectionId,
    fault::{Request, SecondSignaling},
    handshake,
    keep_alive::KeepAlive,
    media::flow::Media,
    sent::What,
    signaling::{self, Signaling},
    zoom::{connections::Role, machine::Zoom, phase::Phase},
};

impl Zoom {
    pub(super) fn signaling_handshake(
        &mut self,
        connection: ConnectionId,
        request: &SignalingHandShakeReq,
        now: UnixMillis,
    ) {
        if self.is_forged(connection, MessageType::SignalingHandShakeReq, &request.rtms_stream_id, now) {
            return self.answer_no_to_signaling(
                connection,
                &Refusal::in_zooms_words(StatusCode::InvalidRtmsStreamId),
                now,
            );
        }
        self.notes.version(connection, request.protocol_version, now);
        let checked = if self.is_over() {
            Err(Refusal::new(StatusCode::InvalidRtmsStreamId, "the stream is over"))
        } else {
            self.expected.check_signaling(request)
        };
        // Whether Zoom refuses the new one or kicks the old one is told both ways.
        let kicks = self.config.temper.second_signaling == SecondSignaling::KicksTheFirst;
        let checked = checked.and_then(|leniency| match self.signaling.connection {
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
        if let Some(answer) = self.faults.refuse(Request::Signaling, now) {
            return self.refuse_on_purpose(connection, Request::Signaling, answer, now);
        }
        self.notes.leniency(connection, MessageType::SignalingHandShakeReq, leniency, now);
        if let Some(first) = self.signaling.connection.take() {
            if self.connections.is_sound(first) {
                self.notes.second_signaling(connection, first, false, now);
            }
            for replaced in [first].into_iter().chain(self.connections.media_ids()) {
                self.close(replaced);
                self.notes.client.leaves_behind(replaced);
            }
        }

        if self.phase == Phase::Announced {
            // Later interruptions are always bridged, whatever a reconnecting client says.
            self.media.backlog_wanted = request.buffer_data.unwrap_or(true);
        }
        let timing = &self.config.timing;
        let first_after = (self.phase == Phase::Announced).then(|| now.since(self.webhooks.announced_at()));
        self.notes.joined(connection, first_after, timing.join_within, now);
        self.phase = Phase::Joined;
        self.signaling.connection = Some(connection);
        self.signaling.close_window();
        self.accept_handshake(connection, Role::Signaling(Signaling::default()), now);
        let welcome = handshake::signaling_granted(
            self.config.granted,
            &self.faults.server().media_url,
            self.config.temper.media_urls,
        );
        self.send_stray_frame(connection);
        self.send(connection, &welcome, What::SignalingHandshake { status: StatusCode::Ok }, now);
        self.send_event(connection, signaling::first_packet(self.start), now);
    }

    pub(super) fn data_handshake(&mut self, connection: ConnectionId, request: &DataHandShakeReq, now: UnixMillis) {
        if self.is_forged(connection, MessageType::DataHandShakeReq, &request.rtms_stream_id, now) {
            return self.answer_no_to_data(connection, &Refusal::in_zooms_words(StatusCode::InvalidRtmsStreamId), now);
        }
        self.notes.version(connection, request.protocol_version, now);
        self.notes.client.tally.asked.extend(request.media_type.iter());
        let carried: Vec<_> = self
            .connections
            .media()
            .map(|(_, media)| if media.asked.is_all() { media.asked } else { media.carries })
            .collect();
        let checked = if self.signaling.connection.is_none() {
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
                let refused = medium.and_then(|medium| self.faults.refuse(Request::Data(medium), now));
                if let Some(answer) = refused.or_else(|| self.faults.refuse(Request::AnyData, now)) {
                    return self.refuse_on_purpose(connection, Request::AnyData, answer, now);
                }
                self.notes.leniency(connection, MessageType::DataHandShakeReq, leniency, now);
                if self.config.temper.downgrade_to_mixed
                    && let Some(audio) = &mut params.audio
                {
                    audio.data_opt = Some(MediaDataOption::AudioMixedStream);
                }
                self.notes.client.opened_media(connection, now);
                let media = Media::new(request.media_type, carries, params.clone());
                self.accept_handshake(connection, Role::Media(Box::new(media)), now);
                let what = What::DataHandshake { status: StatusCode::Ok, media_params: Some(params.clone()) };
                let welcome = handshake::data_granted(params, self.encrypts_any_of(carries));
                self.send_stray_frame(connection);
                self.send(connection, &welcome, what, now);
            }
        }
    }

    pub(super) fn accept_handshake(&mut self, connection: ConnectionId, role: Role, now: UnixMillis) {
        let timing = &self.config.timing;
        self.notes.is_close_lost = false;
        if let Some(known) = self.connections.get_mut(connection) {
            known.role = role;
            known.keep_alive = Some(KeepAlive::new(timing.keep_alive, timing.keep_alive_misses, now));
        }
    }

    /// The connection stays open: whether Zoom closes it is not documented. It may try again until the handshake is
    /// overdue, unless there is nothing left to join.
    pub(super) fn refuse_signaling(&mut self, connection: ConnectionId, refusal: &Refusal, now: UnixMillis) {
        self.answer_no_to_signaling(connection, refusal, now);
        self.find_refused(connection, MessageType::SignalingHandShakeReq, refusal.status, &refusal.reason, now);
        if self.is_over() {
            self.close(connection);
        }
    }

    pub(super) fn refuse_data(&mut self, connection: ConnectionId, refusal: &Refusal, now: UnixMillis) {
        self.answer_no_to_data(connection, refusal, now);
        self.find_refused(connection, MessageType::DataHandShakeReq, refusal.status, &refusal.reason, now);
        if self.is_over() {
            self.close(connection);
        }
    }

    pub(super) fn answer_no_to_signaling(&mut self, connection: ConnectionId, refusal: &Refusal, now: UnixMillis) {
        let what = What::SignalingHandshake { status: refusal.status };
        self.send(connection, &handshake::signaling_refused(refusal.status, &refusal.reason), what, now);
        self.notes.client.signaling_in_vain(now);
    }

    pub(super) fn answer_no_to_data(&mut self, connection: ConnectionId, refusal: &Refusal, now: UnixMillis) {
        let what = What::DataHandshake { status: refusal.status, media_params: None };
        self.send(connection, &handshake::data_refused(refusal.status, &refusal.reason), what, now);
        self.notes.client.media_was_refused(refusal.status);
    }

    /// Whether a handshake is for the stream of a start webhook that was forged. It is refused without another finding.
    fn is_forged(
        &mut self,
        connection: ConnectionId,
        request: MessageType,
        stream: &StreamId,
        now: UnixMillis,
    ) -> bool {
        let Some(forged) = self.webhooks.posts.forged(stream) else { return false };
        let is_first = !std::mem::replace(&mut forged.is_joined, true);
        let how = is_first.then(|| forged.forgery.how());
        self.notes.joins_forged(connection, request, how, now);
        true
    }

    /// Records a request that is refused, unless it is for its signature, which has a record of its own.
    pub(super) fn find_refused(
        &mut self,
        connection: ConnectionId,
        request: MessageType,
        status: StatusCode,
        reason: &str,
        now: UnixMillis,
    ) {
        if status != StatusCode::InvalidSignature {
            self.watch_refused(connection, request, status, reason, now);
        }
    }
}
