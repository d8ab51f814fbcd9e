//! What goes wrong: incidents at their time, and requests that are refused although they are right.

use std::time::Duration;

use bytes::Bytes;
use rtms_wire::{
    codes::{message_type::MessageType, state::SessionState, status_code::StatusCode, stop_reason::StopReason},
    time::UnixMillis,
};

use crate::{
    checks::words,
    connection::ConnectionId,
    fault::{Answer, EndNotice, Nonsense, Request, Target, Trouble},
    handshake,
    sent::{Sent, What},
    webhook::webhooks::News,
    zoom::{
        connections::{Frozen, Role},
        machine::Zoom,
        output::Output,
        phase::Phase,
    },
};

impl Zoom {
    /// Runs the incidents that are due.
    pub(super) fn pass_incidents(&mut self, now: UnixMillis) {
        self.thaw(now);
        for connection in self.connections.due_cuts(now) {
            self.cut(connection);
        }
        while let Some(trouble) = self.faults.due(self.phase, now) {
            self.run_incident(&trouble, now);
        }
    }

    /// Goes on with what servers that hung have left undone.
    fn thaw(&mut self, now: UnixMillis) {
        // All of them are at work again before the first goes on: what is read on one may end the stream.
        for (connection, Frozen { unread, unsent, .. }) in self.connections.thaw(now) {
            // The network may have begun to lose everything meanwhile.
            if !self.connections.is_void(connection) {
                for (output, sent) in unsent {
                    self.put_at_once(output, sent.map(|sent| Sent { at: now, ..sent }));
                }
            }
            for payload in unread {
                self.message_arrived(connection, payload, now);
            }
        }
    }

    fn run_incident(&mut self, what: &Trouble, now: UnixMillis) {
        match what {
            Trouble::Cut { target } => self.lose(*target, None, now),
            Trouble::Close { target, code } => self.lose(*target, Some(*code), now),
            Trouble::Freeze { target, lasts } => {
                self.connections.freeze(*target, now + *lasts);
            }
            Trouble::Vanish { target } => self.connections.change(*target, |known| known.is_void = true),
            Trouble::SkipKeepAlive { target, lasts } => {
                self.connections.change(*target, |known| known.mute_until = Some(now + *lasts));
            }
            Trouble::Down { lasts } => self.faults.take_down(now + *lasts),
            Trouble::Failover { overlap } => self.fail_over(*overlap, now),
            Trouble::Interrupted { with_urls, breaks } => {
                let url = with_urls.then(|| self.faults.server().signaling_url);
                if *breaks && let Some(connection) = self.signaling.connection {
                    self.cut(connection);
                    self.signaling_lost_silently(StopReason::AwaitReconnectionTimeout, now);
                }
                self.announce(News::Interrupted { signaling_url: url.as_deref() }, now);
            }
            Trouble::Pause => self.pause(now),
            Trouble::Resume => self.resume(now),
            Trouble::SessionStarts => {
                let ids = self.config.ids();
                let session = self.signaling.add_session(&ids, self.start);
                self.session_state_is(session, SessionState::Initialize, None, now);
                self.session_state_is(session, SessionState::Started, None, now);
            }
            Trouble::SessionStops { session, reason } => {
                self.session_state_is(*session, SessionState::Stopped, Some(*reason), now);
            }
            Trouble::Stop { reason, notice } => self.stop(*reason, *notice, now),
            Trouble::StartRepeatedLate if self.phase != Phase::Ended => {}
            Trouble::StartRepeated | Trouble::StartRepeatedLate => {
                self.notes.client.repeated(now);
                self.webhooks.posts.repeat_start(now);
                self.pass_webhooks(now);
            }
            Trouble::StartOutdated => {
                // As long as nobody has joined it may be read first, and then the real start is news of a failover.
                if self.phase != Phase::Announced {
                    self.notes.client.repeated(now);
                }
                let url = self.config.signaling_url.clone();
                let news = News::Started { signaling_url: &url };
                let before = UnixMillis(self.start.0.saturating_sub(5_000));
                self.webhooks.posts.announce(news, &self.identity, before, now);
                self.pass_webhooks(now);
            }
            Trouble::StartsAgain if self.phase == Phase::Ended => self.start_stream(now),
            Trouble::StartsAgain => {}
            Trouble::Nonsense { target, kind } => {
                for connection in self.connections.of(*target) {
                    let frame = match nonsense(*kind, now) {
                        Ok(text) => self.frame(connection, text),
                        Err(payload) => Output::SendBinary { connection, payload },
                    };
                    self.put(connection, frame, None);
                }
            }
            Trouble::Gap { medium, lasts } => self.media.lose(*medium, now + *lasts),
            Trouble::Repeat { medium, lasts } => self.media.repeat(*medium, now + *lasts),
        }
    }

    /// Zoom loses connections by its own fault: with a close frame, or without.
    fn lose(&mut self, target: Target, code: Option<u16>, now: UnixMillis) {
        let mut lost = Vec::new();
        for connection in self.connections.of(target) {
            let role = match code {
                Some(code) => {
                    let known = self.connections.remove(connection);
                    self.put(connection, Output::Close { connection, code }, None);
                    known.map(|known| known.role)
                }
                None => self.cut(connection),
            };
            lost.extend(role);
        }
        // Signaling first: with it the media is lost anyway, and needs no word of its own.
        if lost.iter().any(|role| matches!(role, Role::Signaling(_))) {
            self.signaling_lost(StopReason::AwaitReconnectionTimeout, now);
        }
        for role in &lost {
            if let Role::Media(media) = role {
                let reason = StopReason::AwaitReconnectionTimeout;
                if self.signaling.connection.is_some() {
                    self.media_lost(media, reason, now);
                } else {
                    self.open_media_window(media, reason, now);
                }
            }
        }
    }

    fn fail_over(&mut self, overlap: Duration, now: UnixMillis) {
        self.faults.fail_over();
        let timing = &self.config.timing;
        let carried: Vec<_> =
            self.connections.media().flat_map(|(_, media)| media.carries.iter().collect::<Vec<_>>()).collect();
        let (signaling_window, media_window) = (now + timing.signaling_window, now + timing.media_window);
        let reason = StopReason::AwaitReconnectionTimeout;
        if self.phase == Phase::Joined {
            self.signaling.open_window(signaling_window, reason);
        }
        for medium in carried {
            self.media.replace_window(medium, media_window, reason);
        }
        self.signaling.connection = None;
        self.connections.cut_all_at(now + overlap);
        self.announce_start(now);
        if overlap.is_zero() {
            self.pass_incidents(now);
        }
    }

    fn stop(&mut self, reason: StopReason, notice: EndNotice, now: UnixMillis) {
        match notice {
            EndNotice::Everywhere => self.begin_end(reason, now),
            EndNotice::StateOnly => {
                self.webhooks.leave_out_the_end();
                self.begin_end(reason, now);
            }
            EndNotice::WebhookFirst => {
                self.webhooks.leave_out_the_end();
                self.announce(News::Stopped { reason }, now);
                self.begin_end_within(Duration::from_secs(1), reason, now);
            }
            EndNotice::WebhookOnly => {
                for connection in self.connections.of(Target::Everything) {
                    self.cut(connection);
                }
                self.finish(reason, now);
            }
        }
    }

    /// Refuses a handshake that is right.
    pub(super) fn refuse_on_purpose(
        &mut self,
        connection: ConnectionId,
        request: Request,
        answer: Answer,
        now: UnixMillis,
    ) {
        self.notes.client.hindered(now);
        let is_signaling = request == Request::Signaling;
        let asked = if is_signaling { MessageType::SignalingHandShakeReq } else { MessageType::DataHandShakeReq };
        self.notes.client.refused_anyhow(connection, asked);
        if let Answer::Status(status) | Answer::StatusAndClose(status) = answer {
            let is_about_ids = matches!(status, StatusCode::InvalidRtmsStreamId | StatusCode::InvalidSignature);
            self.notes.client.ids_were_refused |= is_about_ids;
        }
        match answer {
            // Whoever gives up waiting has waited.
            _ if !is_signaling => self.notes.client.media_was_hindered(),
            Answer::Silence => {}
            Answer::Status(_) | Answer::StatusAndClose(_) | Answer::Http(_) | Answer::Close | Answer::Cut => {
                self.notes.client.signaling_in_vain(now);
            }
        }
        let refuse = |zoom: &mut Self, status: StatusCode| {
            let reason = words::of(status);
            if is_signaling {
                zoom.notes.client.turned_away(status);
                let what = What::SignalingHandshake { status };
                zoom.send(connection, &handshake::signaling_refused(status, &reason), what, now);
            } else {
                let what = What::DataHandshake { status, media_params: None };
                zoom.send(connection, &handshake::data_refused(status, &reason), what, now);
            }
        };
        match answer {
            Answer::Status(status) => refuse(self, status),
            Answer::StatusAndClose(status) => {
                refuse(self, status);
                self.close(connection);
            }
            Answer::Silence => self.silence(connection),
            Answer::Http(_) | Answer::Close => {
                self.close(connection);
            }
            Answer::Cut => {
                self.cut(connection);
            }
        }
    }

    /// Nothing more is heard on this connection; it is the client that must give it up.
    fn silence(&mut self, connection: ConnectionId) {
        if let Some(known) = self.connections.get_mut(connection) {
            known.is_void = true;
        }
    }
}

/// What is no proper message, as text or as bytes.
fn nonsense(kind: Nonsense, now: UnixMillis) -> Result<String, Bytes> {
    Ok(match kind {
        Nonsense::BrokenJson => r#"{"msg_type":14,"content":{"user_id":1,"data":"#.to_owned(),
        Nonsense::Binary => return Err(Bytes::from_static(&[0xff, 0xfe, 0x00, 0x80, 0x7b])),
        Nonsense::Protobuf => return Err(Bytes::from_static(super::version_2::PROTOBUF)),
        // 29 is the last that is known.
        Nonsense::UnknownMessage => {
            format!(r#"{{"msg_type":{},"content":{{"anything":[1,2,3]}}}}"#, 30 + now.0 / 1000 % 100)
        }
        Nonsense::UnknownEvent => format!(r#"{{"msg_type":6,"event":{{"event_type":4711,"timestamp":{}}}}}"#, now.0),
        Nonsense::UnknownState => format!(r#"{{"msg_type":8,"state":4711,"timestamp":{}}}"#, now.0),
        Nonsense::BrokenPayload => format!(
            r#"{{"msg_type":14,"content":{{"user_id":1,"data":"!not base64!","length":3,"timestamp":{}}}}}"#,
            now.0
        ),
        Nonsense::WrongLength => {
            format!(r#"{{"msg_type":14,"content":{{"user_id":1,"data":"AAAA","length":640,"timestamp":{}}}}}"#, now.0)
        }
        Nonsense::DeepNesting => "[".repeat(100_000),
        Nonsense::Nothing => String::new(),
    })
}
