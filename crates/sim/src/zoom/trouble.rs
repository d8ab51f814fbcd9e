//! What goes wrong: incidents at their time, and requests that are refused although they are right.

use std::time::Duration;

use bytes::Bytes;
use rtms_wire::{
    codes::{
        message_type::MessageType,
        state::{SessionState, StreamState},
        status_code::StatusCode,
        stop_reason::StopReason,
    },
    time::UnixMillis,
};

use crate::{
    checks::words,
    connection::ConnectionId,
    fault::{Answer, Incident, Nonsense, Request, Target, Told, Trouble},
    handshake,
    sent::What,
    webhook::webhooks::News,
    zoom::{
        live::{Connection, Role},
        machine::Zoom,
        output::Output,
        phase::Phase,
        session::Session,
    },
};

impl Zoom {
    /// Lets happen what is due.
    pub(super) fn pass_incidents(&mut self, now: UnixMillis) {
        self.thaw(now);
        let overdue: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, known)| known.cut_at.is_some_and(|at| at <= now))
            .map(|(connection, _)| *connection)
            .collect();
        for connection in overdue {
            self.cut(connection);
        }
        while let Some((index, incident)) = self.next_incident()
            && self.start + incident.at <= now
        {
            let what = incident.what.clone();
            self.happened = index + 1;
            self.happen(&what, now);
        }
    }

    /// What happens next; when the stream is over, only what can happen then.
    pub(super) fn next_incident(&self) -> Option<(usize, &Incident)> {
        let mut rest = self.config.incidents.iter().enumerate().skip(self.happened);
        match self.phase {
            Phase::Announced | Phase::Joined => rest.next(),
            Phase::Ending { .. } => None,
            Phase::Ended => rest.find(|(_, incident)| incident.what.outlives_the_stream()),
        }
    }

    fn happen(&mut self, what: &Trouble, now: UnixMillis) {
        match what {
            Trouble::Cut { target } => self.lose(*target, None, now),
            Trouble::Close { target, code } => self.lose(*target, Some(*code), now),
            Trouble::Freeze { target, lasts } => {
                for connection in self.of(*target) {
                    self.frozen.entry(connection).or_default().until = now + *lasts;
                }
            }
            Trouble::Vanish { target } => self.on_each(*target, |known| known.is_void = true),
            Trouble::SkipKeepAlive { target, lasts } => {
                self.on_each(*target, |known| known.mute_until = Some(now + *lasts));
            }
            Trouble::Down { lasts } => self.down_until = self.down_until.max(Some(now + *lasts)),
            Trouble::Failover { overlap } => self.fail_over(*overlap, now),
            Trouble::Interrupted { with_urls, breaks } => {
                let url = with_urls.then(|| self.server().signaling_url);
                if *breaks && let Some(connection) = self.signaling {
                    self.cut(connection);
                    self.signaling_lost_silently(StopReason::AwaitReconnectionTimeout, now);
                }
                self.announce(News::Interrupted { signaling_url: url.as_deref() }, now);
            }
            Trouble::Pause => {
                self.is_paused = true;
                self.running_sessions_are(SessionState::Paused, now);
                self.stream_state_is(StreamState::Paused, None, now);
            }
            Trouble::Resume => {
                self.is_paused = false;
                self.resumed_at = Some(now);
                self.running_sessions_are(SessionState::Resumed, now);
                self.stream_state_is(StreamState::Resumed, None, now);
            }
            Trouble::SessionStarts => {
                let ids = self.config.ids();
                let session = self.sessions.len();
                self.sessions.push(Session::new(&ids, session, self.start));
                self.session_state_is(session, SessionState::Initialize, None, now);
                self.session_state_is(session, SessionState::Started, None, now);
            }
            Trouble::SessionStops { session, reason } => {
                self.session_state_is(*session, SessionState::Stopped, Some(*reason), now);
            }
            Trouble::Stop { reason, told } => self.stop(*reason, *told, now),
            Trouble::StartRepeatedLate if self.phase != Phase::Ended => {}
            Trouble::StartRepeated | Trouble::StartRepeatedLate => {
                self.conduct.repeated(now);
                self.webhooks.repeat_start(now);
                self.pass_webhooks(now);
            }
            Trouble::StartOutdated => {
                // As long as nobody has joined it may be read first, and then the real start is news of a failover.
                if self.phase != Phase::Announced {
                    self.conduct.repeated(now);
                }
                let url = self.config.signaling_url.clone();
                let news = News::Started { signaling_url: &url };
                let before = UnixMillis(self.start.0.saturating_sub(5_000));
                self.webhooks.announce(news, &self.identity, before, now);
                self.pass_webhooks(now);
            }
            Trouble::StartsAgain if self.phase == Phase::Ended => self.start_again(now),
            Trouble::StartsAgain => {}
            Trouble::Nonsense { target, kind } => {
                for connection in self.of(*target) {
                    let frame = match nonsense(*kind, now) {
                        Ok(text) => self.frame(connection, text),
                        Err(payload) => Output::SendBinary { connection, payload },
                    };
                    self.say(connection, frame, None);
                }
            }
            Trouble::Gap { medium, lasts } => self.gaps.push((*medium, now + *lasts)),
            Trouble::Repeat { medium, lasts } => self.repeats.push((*medium, now + *lasts)),
        }
    }

    /// Whether no server takes connections now.
    pub(super) fn is_down(&self, now: UnixMillis) -> bool {
        self.down_until.is_some_and(|until| now < until)
    }

    /// Whether a client had no fair chance to connect before this moment, because no server took connections until it,
    /// or nearly so.
    pub(super) fn was_down_until(&self, moment: UnixMillis) -> bool {
        /// What a client needs at least: it tries every few seconds.
        const FAIR: Duration = Duration::from_secs(8);
        self.down_until.is_some_and(|until| until + FAIR > moment)
    }

    /// Whether the client's process may be gone at that moment because its operator was told to kill it.
    pub(super) fn is_client_away(&self, moment: UnixMillis) -> bool {
        /// Whoever kills it by hand needs a while.
        const BY_HAND: Duration = Duration::from_secs(5);
        self.config.client_away.as_ref().is_some_and(|away| {
            let since_start = moment.since(self.start);
            (away.start.saturating_sub(BY_HAND)..away.end.saturating_add(BY_HAND)).contains(&since_start)
        })
    }

    /// When the client's process is there again, if it may have been gone at that moment for that reason.
    pub(super) fn client_back_after(&self, moment: UnixMillis) -> Option<UnixMillis> {
        let away = self.config.client_away.as_ref().filter(|_| self.is_client_away(moment))?;
        Some(self.start + away.end)
    }

    /// The connections of a target, those to a server that failed left out.
    fn of(&self, target: Target) -> Vec<ConnectionId> {
        let is_meant = |known: &Connection| match (target, &known.role) {
            _ if known.cut_at.is_some() => false,
            (Target::Everything, _) | (Target::Signaling, Role::Signaling(_)) | (Target::Media, Role::Media(_)) => true,
            (Target::Medium(medium), Role::Media(media)) => media.carries.contains(medium),
            (Target::Signaling | Target::Media | Target::Medium(_), _) => false,
        };
        self.connections.iter().filter(|(_, known)| is_meant(known)).map(|(connection, _)| *connection).collect()
    }

    fn on_each(&mut self, target: Target, mut change: impl FnMut(&mut Connection)) {
        for connection in self.of(target) {
            if let Some(known) = self.connections.get_mut(&connection) {
                change(known);
            }
        }
    }

    /// Zoom loses connections by its own fault: with a close frame, or without.
    fn lose(&mut self, target: Target, code: Option<u16>, now: UnixMillis) {
        let mut lost = Vec::new();
        for connection in self.of(target) {
            let role = match code {
                Some(code) => {
                    let known = self.connections.remove(&connection);
                    self.say(connection, Output::Close { connection, code }, None);
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
                if self.signaling.is_some() {
                    self.media_lost(media, reason, now);
                } else {
                    self.open_media_window(media, reason, now);
                }
            }
        }
    }

    fn fail_over(&mut self, overlap: Duration, now: UnixMillis) {
        self.server = (self.server + 1) % (self.config.standby.len() + 1);
        let timing = &self.config.timing;
        let carried: Vec<_> = self.media().flat_map(|(_, media)| media.carries.iter().collect::<Vec<_>>()).collect();
        let (signaling_window, media_window) = (now + timing.signaling_window, now + timing.media_window);
        let reason = StopReason::AwaitReconnectionTimeout;
        if self.phase == Phase::Joined {
            self.signaling_window = Some((signaling_window, reason));
        }
        for medium in carried {
            self.media_windows.insert(medium, (media_window, reason));
        }
        self.signaling = None;
        for known in self.connections.values_mut() {
            known.cut_at = Some(now + overlap);
        }
        self.announce_start(now);
        if overlap.is_zero() {
            self.pass_incidents(now);
        }
    }

    /// Another stream of the same meeting, after the one that has ended.
    fn start_again(&mut self, now: UnixMillis) {
        let ids = self.config.ids();
        self.identity = self.identity.with_another_stream(&ids, now);
        self.expected = Self::expected(&self.config, &self.identity);
        self.sessions = (0..=self.config.temper.more_sessions).map(|number| Session::new(&ids, number, now)).collect();
        self.phase = Phase::Announced;
        self.announced_at = now;
        self.stream_state = StreamState::Inactive;
        self.over = None;
        self.stop_webhook_due = true;
        (self.backlog_wanted, self.audio_sent_ms, self.selected) = (true, None, None);
        // Nothing is kept from before the stream.
        (self.is_paused, self.resumed_at) = (false, Some(now));
        self.conduct.starts_again();
        self.announce_start(now);
    }

    fn running_sessions_are(&mut self, state: SessionState, now: UnixMillis) {
        for session in 0..self.sessions.len() {
            if !matches!(self.session_state(session), SessionState::Inactive | SessionState::Stopped) {
                self.session_state_is(session, state, None, now);
            }
        }
    }

    fn stop(&mut self, reason: StopReason, told: Told, now: UnixMillis) {
        match told {
            Told::Everywhere => self.begin_end(reason, now),
            Told::StateOnly => {
                self.stop_webhook_due = false;
                self.begin_end(reason, now);
            }
            Told::WebhookFirst => {
                self.stop_webhook_due = false;
                self.announce(News::Stopped { reason }, now);
                self.begin_end_within(Duration::from_secs(1), reason, now);
            }
            Told::WebhookOnly => {
                for connection in self.of(Target::Everything) {
                    self.cut(connection);
                }
                self.finish(reason, now);
            }
        }
    }

    /// What a right request gets in place of what it should, if it is to be refused.
    pub(super) fn refused(&mut self, request: Request, now: UnixMillis) -> Option<Answer> {
        let since_start = Duration::from_millis(self.since_start(now));
        let refused = self
            .config
            .temper
            .refusals
            .iter_mut()
            .find(|it| it.request == request && it.times > 0 && it.after <= since_start)?;
        refused.times -= 1;
        Some(refused.answer)
    }

    /// Refuses a handshake that is right.
    pub(super) fn turn_away(&mut self, connection: ConnectionId, request: Request, answer: Answer, now: UnixMillis) {
        self.conduct.hindered(now);
        let is_signaling = request == Request::Signaling;
        let asked = if is_signaling { MessageType::SignalingHandShakeReq } else { MessageType::DataHandShakeReq };
        self.conduct.refused_anyhow(connection, asked);
        if let Answer::Status(status) | Answer::StatusAndClose(status) = answer {
            let is_about_ids = matches!(status, StatusCode::InvalidRtmsStreamId | StatusCode::InvalidSignature);
            self.conduct.ids_were_refused |= is_about_ids;
        }
        match answer {
            // Whoever gives up waiting has waited.
            _ if !is_signaling => self.conduct.media_was_hindered(),
            Answer::Silence => {}
            Answer::Status(_) | Answer::StatusAndClose(_) | Answer::Http(_) | Answer::Close | Answer::Cut => {
                self.conduct.signaling_in_vain(now);
            }
        }
        let refuse = |zoom: &mut Self, status: StatusCode| {
            let reason = words::of(status);
            if is_signaling {
                zoom.conduct.turned_away(status);
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
            Answer::Silence => self.fall_silent(connection),
            Answer::Http(_) | Answer::Close => {
                self.close(connection);
            }
            Answer::Cut => {
                self.cut(connection);
            }
        }
    }

    /// Nothing more is heard on this connection; it is the client that must give it up.
    fn fall_silent(&mut self, connection: ConnectionId) {
        if let Some(known) = self.connections.get_mut(&connection) {
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
