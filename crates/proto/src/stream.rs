//! One RTMS stream from its start webhook to its end: the machine that owns all its connections.
//!
//! It is made of parts that each have a state of their own, and routes what comes to them: `signaling` and `media` are
//! the ways to the connections of either kind, `lifecycle` is how far the stream is, and `outputs` is what is asked and
//! reported. What one part leads to in another stands here.

mod due;
mod lifecycle;
mod media;
mod outputs;
mod signaling;

use rtms_wire::{
    codes::{
        event_type::EventType,
        message_type::MessageType,
        state::{SessionState, StreamState},
        status_code::StatusCode,
        stop_reason::StopReason,
    },
    error::DecodeError,
    ids::RtmsSessionId,
    media::medium::{MediaTypes, Medium},
    message::{
        Message,
        data_handshake::DataHandShakeResp,
        event_update::EventBody,
        signaling_handshake::{MediaUrls, SignalingHandShakeResp},
        state::{SessionStateResp, SessionStateUpdate, StreamStateResp, StreamStateUpdate},
        stream_close::StreamCloseResp,
        video_subscription::VideoSubscriptionResp,
    },
};

use crate::{
    config::StreamConfig,
    connection::{Connection, Loss, Phase},
    error::{Misuse, StreamError},
    event::{CloseAnswer, Ending, Event, Interruption, Odd},
    input::Input,
    join_options::JoinOptions,
    output::{ConnectionId, Output},
    reconnect::Jitter,
    role::Role,
    sessions::Sessions,
    signaling::{StreamStart, video_subscription},
    stream::{
        due::{Deadline, Due},
        lifecycle::{Lifecycle, Stage, closed},
        media::{Media, Progress},
        outputs::Outputs,
        signaling::{Handshake, Signaling},
    },
    time::Moment,
    video::VideoWish,
};

/// One RTMS stream. See the crate's documentation for the life of it and for the run loop.
#[derive(Debug)]
pub struct Stream {
    config: StreamConfig,
    life: Lifecycle,
    signaling: Signaling,
    media: Media,
    /// The stream's own state, as it was reported last.
    state: Option<StreamState>,
    sessions: Sessions,
    video: VideoWish,
    outputs: Outputs,
}

impl Stream {
    /// Starts when the start webhook has just come: the first output asks for the signaling connection.
    ///
    /// # Errors
    /// [`Misuse`] when what is wanted would be refused anyway; nothing is dialed then.
    pub fn new(start: StreamStart, config: StreamConfig, now: Moment) -> Result<Self, Misuse> {
        Self::with_options(JoinOptions::default(), start, config, now)
    }

    /// Starts with these options: the first output asks for the signaling connection.
    ///
    /// # Errors
    /// [`Misuse`] when what is wanted would be refused anyway; nothing is dialed then.
    pub fn with_options(
        options: JoinOptions,
        start: StreamStart,
        config: StreamConfig,
        now: Moment,
    ) -> Result<Self, Misuse> {
        config.check()?;
        if start.server_urls.is_empty() {
            return Err(Misuse::NoServerUrl);
        }
        let JoinOptions { age, seed, alternatives } = options;
        let mut stream = Self {
            life: Lifecycle::new(),
            outputs: Outputs::new(config.media, Jitter::new(seed, start.stream_id.as_str())),
            media: Media::new(&config, start.product),
            signaling: Signaling::new(start, alternatives, age, now),
            state: None,
            sessions: Sessions::default(),
            video: VideoWish::default(),
            config,
        };
        stream.signaling.dial(&mut stream.outputs, now);
        Ok(stream)
    }

    /// Takes one input. Every input also tells the time, so deadlines that have passed are acted on first.
    pub fn handle(&mut self, input: Input, now: Moment) {
        self.expire(now);
        if self.is_ended() {
            return;
        }
        match input {
            Input::Connected(id) => self.connected(id),
            Input::ConnectFailed(id, why) => {
                if let Some(connection) = self.forget(id) {
                    let role = connection.role;
                    self.attempt_failed(role, StreamError::Unreachable { role, why }, now);
                }
            }
            Input::Received(id, message) => self.received(id, message, now),
            Input::Undecodable(id, error) => {
                if let Some(connection) = self.connection_mut(id) {
                    connection.heard(now);
                    let medium = medium_of(&error, connection);
                    let odd = Odd::Undecodable { medium, kind: error.kind(), why: error.to_string() };
                    self.outputs.report(Event::Odd(odd));
                }
            }
            Input::Lost(id, why) => self.lost(id, why, now),
            Input::Stopped(reason) => self.drain(Ending::Stopped { reason }, now),
            Input::Restarted { server_urls } => self.restarted(server_urls, now),
            Input::Interrupted { server_urls } => self.interrupted(server_urls, now),
            Input::Close => self.close(now),
            Input::Abandon => self.end(Ending::Abandoned),
            Input::SubscribeVideo { user_id, subscribe: true, timestamp } => {
                self.video.want(user_id, timestamp, now);
                self.ask_for_video(now);
            }
            Input::SubscribeVideo { user_id, subscribe: false, timestamp } => {
                if self.video.forget(&user_id) {
                    self.signaling.send(video_subscription(user_id, false, timestamp), &mut self.outputs);
                }
            }
            Input::TimePassed => {}
        }
        self.ask_what_was_missed();
    }

    /// Returns the next request or news, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop()
    }

    /// When [`Input::TimePassed`] is due at the latest. There is a deadline until the end, so silence leads there.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.deadlines().map(|(at, _)| at).min()
    }

    /// Whether [`Event::Ended`] was told.
    pub fn is_ended(&self) -> bool {
        self.life.is_ended()
    }

    /// Whether it is at its end: nothing that comes now, not even a newer start, is acted on.
    pub fn is_ending(&self) -> bool {
        !self.life.is_running()
    }

    /// Zoom's sessions inside the stream and the last state that was told of each, by id.
    pub fn sessions(&self) -> impl Iterator<Item = (&RtmsSessionId, SessionState)> {
        self.sessions.iter()
    }

    // --- Time ---

    fn deadlines(&self) -> impl Iterator<Item = Deadline> {
        self.life.deadline().into_iter().chain(self.signaling.deadlines()).chain(self.media.deadlines())
    }

    /// Does everything whose time has come, the oldest first.
    fn expire(&mut self, now: Moment) {
        while let Some((_, due)) = self.deadlines().filter(|(at, _)| *at <= now).min() {
            match due {
                Due::Stage => {
                    if let Some(ending) = self.life.ending() {
                        self.end(ending);
                    }
                }
                Due::Connection(id) => self.connection_overdue(id, now),
                Due::Doubt => {
                    self.doubt_confirmed("Zoom says that it is interrupted, and it does not answer", now);
                    self.signaling.trust();
                }
                Due::Suspicion => self.suspicion_confirmed(now),
                Due::Signaling => match self.life.announced() {
                    // Nothing came that explains the loss, and nothing is needed: the end was announced.
                    Some(reason) => self.end(Ending::Stopped { reason }),
                    None if self.signaling.is_too_late(now) => {
                        let error = self.signaling.give_up(&mut self.outputs, now);
                        self.end(Ending::Failed(error));
                    }
                    None => self.redial_signaling(now),
                },
                Due::Media(position) => {
                    let progress = self.media.due(position, &mut self.outputs, now);
                    self.media_moved(progress, now);
                }
            }
        }
    }

    fn connection_overdue(&mut self, id: ConnectionId, now: Moment) {
        let Some(connection) = self.forget(id) else { return };
        self.outputs.disconnect(id);
        let role = connection.role;
        match connection.loss(Interruption::Frozen, "nothing was heard for 65 s") {
            Some(loss) => self.gone(&connection, loss, now),
            None => self.attempt_failed(role, StreamError::TimedOut { role }, now),
        }
        self.media.read_on(connection);
    }

    // --- Connections of either kind ---

    fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        match self.signaling.connection_mut() {
            Some(connection) if connection.id == id => Some(connection),
            Some(_) | None => self.media.connection_mut(id),
        }
    }

    fn forget(&mut self, id: ConnectionId) -> Option<Connection> {
        self.signaling.forget(id).or_else(|| self.media.forget(id))
    }

    fn connected(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection_mut(id) else { return };
        let message = match connection.role {
            Role::Signaling => self.signaling.start().signaling_handshake(&self.config),
            Role::Media(types) => self.media.handshake(self.signaling.start(), types),
        };
        self.outputs.send(id, message);
    }

    fn attempt_failed(&mut self, role: Role, error: StreamError, now: Moment) {
        match role {
            Role::Signaling => self.signaling.unreachable(error, &self.life, &mut self.outputs, now),
            Role::Media(types) => self.media.failed(types, error, &mut self.outputs, now),
        }
    }

    fn lost(&mut self, id: ConnectionId, why: String, now: Moment) {
        let Some(connection) = self.forget(id) else {
            self.media.forget_left(id);
            return self.end_if_drained();
        };
        let role = connection.role;
        match connection.loss(Interruption::ConnectionLost, why.clone()) {
            None => self.attempt_failed(role, StreamError::Lost { role, why }, now),
            Some(loss) => self.gone(&connection, loss, now),
        }
    }

    /// A connection that stood is gone, and the driver knows it.
    fn gone(&mut self, connection: &Connection, loss: Loss, now: Moment) {
        match (self.life.stage(), connection.role) {
            (Stage::Running, Role::Signaling) => self.signaling_gone(connection, loss, now),
            (Stage::Running, Role::Media(_)) => self.media_gone(connection, loss, now),
            // Zoom may close without the state that the document promises.
            (Stage::Closing { has_agreed, .. }, Role::Signaling) => self.drain(closed(*has_agreed), now),
            (Stage::Draining { .. }, _) => self.end_if_drained(),
            (Stage::Closing { .. }, Role::Media(_)) | (Stage::Ended, _) => {}
        }
    }

    // --- Signaling ---

    fn signaling_answered(&mut self, id: ConnectionId, response: SignalingHandShakeResp, now: Moment) {
        match self.signaling.answered(id, response, &self.life, &mut self.outputs, now) {
            Handshake::Open { urls, is_back } => {
                if is_back {
                    self.video.signaling_back();
                }
                self.plan_media(urls, now);
            }
            Handshake::Pending => {}
            Handshake::Failed(error) => self.end(Ending::Failed(error)),
        }
    }

    fn signaling_gone(&mut self, connection: &Connection, loss: Loss, now: Moment) {
        let at_once = self.signaling.gone(connection, loss, &self.life, &mut self.outputs, now);
        self.without_signaling();
        if at_once {
            self.redial_signaling(now);
        }
    }

    /// Nothing else can be had while signaling is away.
    fn without_signaling(&mut self) {
        self.video.connection_lost();
        self.media.stop_dialing(&mut self.outputs);
    }

    /// Reports what was lost, now that it is known that it has to come back, and dials from the first URL on.
    fn redial_signaling(&mut self, now: Moment) {
        if let Some(loss) = self.signaling.take_unreported_loss() {
            self.outputs.report_loss(loss, now);
            self.media.report_losses(&mut self.outputs, now);
            self.outputs.report(Event::Reconnecting);
        }
        self.signaling.dial_first(&mut self.outputs, now);
    }

    /// Zoom says that signaling broke. Its word may be about a connection that we have left already, and closing a
    /// healthy one would make Zoom send the next such word, and so on for ever: so the connection that stands is asked.
    fn interrupted(&mut self, server_urls: Vec<String>, now: Moment) {
        if !self.life.wants_back() {
            return;
        }
        let is_elsewhere = self.signaling.move_to(server_urls);
        match self.signaling.connection() {
            Some(_) if is_elsewhere => {
                if self.signaling.leave_for_another_server(&mut self.outputs, now) {
                    self.without_signaling();
                } else {
                    self.outputs.report(Event::Reconnecting);
                }
                self.redial_signaling(now);
            }
            // One that shakes hands is newer than whatever broke, and has its own deadline.
            Some(_) => self.signaling.put_in_doubt(&mut self.outputs, now),
            // It was lost, and this is the explanation: Zoom waits.
            None if is_elsewhere || self.signaling.may_hurry() => self.redial_signaling(now),
            None => {}
        }
    }

    /// The doubt was not answered, or not in favour of the connection.
    fn doubt_confirmed(&mut self, why: &str, now: Moment) {
        let Some(connection) = self.signaling.hang_up(&mut self.outputs) else { return };
        if let Some(loss) = connection.loss(Interruption::ToldByZoom, why) {
            self.gone(&connection, loss, now);
        }
    }

    /// Zoom's server failed over: both kinds of connection are left for those that the newer start names, at once and
    /// in a window of their own.
    fn restarted(&mut self, server_urls: Vec<String>, now: Moment) {
        if !self.life.is_running() {
            return;
        }
        self.life.restart();
        self.video.connection_lost();
        let why = "a newer start webhook came";
        let mut losses: Vec<_> = self.signaling.take_unreported_loss().into_iter().collect();
        losses.extend(self.media.fail_over(why, &mut self.outputs));
        losses.extend(self.signaling.fail_over(server_urls, why, &mut self.outputs));
        // It explains what was lost before it came, too: also a loss of signaling that was reported already.
        if !losses.iter().any(|loss| loss.role == Role::Signaling) {
            losses.extend(self.signaling.loss_before_failover(why, now));
        }
        for loss in losses {
            self.outputs.report_loss(Loss { cause: Interruption::Failover, ..loss }, now);
        }
        self.outputs.report(Event::Reconnecting);
        self.signaling.begin_window(now);
        self.signaling.dial_first(&mut self.outputs, now);
    }

    /// Asks for states that may have changed while signaling was away: what Zoom says of them then, it says to nobody.
    ///
    /// It waits until all media is back, before which the answer would be the interruption. What was asked and not
    /// answered when signaling was lost is among it.
    fn ask_what_was_missed(&mut self) {
        let is_back = self.signaling.is_open() && self.media.all_open();
        if !self.signaling.has_missed() || !is_back || !self.life.wants_back() {
            return;
        }
        let running = self.sessions.iter().filter(|(_, state)| *state != SessionState::Stopped);
        let running = running.map(|(session, _)| session.clone()).collect();
        self.signaling.ask_for_states(running, &mut self.outputs);
    }

    // --- Media ---

    fn plan_media(&mut self, urls: MediaUrls, now: Moment) {
        if self.life.wants_back() {
            let lost_at = self.signaling.take_lost_at();
            let progress = self.media.plan(urls, lost_at, &mut self.outputs, now);
            self.media_moved(progress, now);
        }
    }

    fn media_answered(&mut self, id: ConnectionId, types: MediaTypes, response: DataHandShakeResp, now: Moment) {
        let progress = self.media.answered(id, types, response, &mut self.outputs, now);
        self.media_moved(progress, now);
    }

    fn media_moved(&mut self, progress: Progress, now: Moment) {
        match progress {
            Progress::Open => {
                self.signaling.send_ready(&self.config, &mut self.outputs);
                self.ask_for_video(now);
            }
            Progress::Pending => {}
            // While signaling is away, media are: only together with it does their absence mean the end.
            Progress::NothingLeft(error) if self.signaling.is_open() && self.life.wants_back() => {
                self.end(Ending::Failed(error));
            }
            Progress::NothingLeft(_) => {}
        }
    }

    /// A media connection that stood is gone. Signaling stays, and only this one comes back.
    fn media_gone(&mut self, connection: &Connection, loss: Loss, now: Moment) {
        if self.life.is_terminating() {
            // The end is near, and this is how it begins.
            return;
        }
        let lost_at = self.signaling.lost_at();
        let waits = self.signaling.has_unreported_loss();
        if self.media.gone(connection, loss, lost_at, waits, &mut self.outputs, now) {
            self.video.connection_lost();
        }
    }

    fn media_interrupted(&mut self, now: Moment) {
        if self.life.wants_back() && self.signaling.is_open() {
            self.media.suspect(now);
        }
    }

    /// Time for the interrupted connection to be silent has passed.
    fn suspicion_confirmed(&mut self, now: Moment) {
        let Some(since) = self.media.take_suspicion() else { return };
        while let Some(connection) = self.media.hang_up_silent(since, &mut self.outputs) {
            let why = "Zoom says that a media connection is interrupted";
            if let Some(loss) = connection.loss(Interruption::ToldByZoom, why) {
                self.gone(&connection, loss, now);
            }
            self.media.read_on(connection);
        }
    }

    /// Asks for the camera that is wished for, if it is to be asked for and there is a connection for its pictures.
    fn ask_for_video(&mut self, now: Moment) {
        if !self.life.is_running() || !self.signaling.is_open() || !self.media.has_video() {
            return;
        }
        if let Some((user_id, message)) = self.video.request(now) {
            self.signaling.send(message, &mut self.outputs);
            self.outputs.report(Event::VideoAsked { user_id });
        }
    }

    // --- Messages ---

    fn received(&mut self, id: ConnectionId, message: Message, now: Moment) {
        if self.media.is_left(id) && Medium::of_message(message.msg_type()).is_none() {
            // Whatever it says about itself is out of date.
            return;
        }
        let Some(connection) = self.connection_mut(id) else { return };
        connection.heard(now);
        let role = connection.role;
        match message {
            Message::KeepAliveReq(request) => self.outputs.send(id, Message::KeepAliveResp(request.answer())),
            Message::MediaDataAudio(data) => self.outputs.report_media(Medium::Audio, data, id, Event::Audio),
            Message::MediaDataVideo(data) => self.outputs.report_media(Medium::Video, data, id, Event::Video),
            Message::MediaDataShare(data) => self.outputs.report_media(Medium::Deskshare, data, id, Event::Deskshare),
            Message::MediaDataTranscript(line) => self.outputs.report_transcript(line, id),
            Message::MediaDataChat(chat) => self.outputs.report_chat(chat, id),
            Message::SignalingHandShakeResp(response) => self.signaling_answered(id, response, now),
            Message::DataHandShakeResp(response) => match role {
                Role::Media(types) => self.media_answered(id, types, response, now),
                Role::Signaling => self.outputs.report_misplaced(MessageType::DataHandShakeResp),
            },
            Message::EventUpdate(update) => self.event_update(update.united(), now),
            Message::StreamStateUpdate(update) => self.stream_state_update(update, now),
            Message::StreamStateResp(response) => self.stream_state_answered(&response, now),
            Message::SessionStateUpdate(update) => self.session_state(update),
            Message::SessionStateResp(response) => self.session_state_answered(response),
            Message::StreamCloseResp(response) => self.close_answered(&response, now),
            Message::VideoSubscriptionResp(response) => self.video_answered(response),
            Message::Other(other) => self.outputs.report_unknown(other),
            Message::SignalingHandShakeReq(_)
            | Message::DataHandShakeReq(_)
            | Message::EventSubscription(_)
            | Message::ClientReadyAck(_)
            | Message::SessionStateReq(_)
            | Message::KeepAliveResp(_)
            | Message::StreamStateReq(_)
            | Message::StreamCloseReq(_)
            | Message::VideoSubscriptionReq(_) => self.outputs.report_misplaced(message.msg_type()),
        }
    }

    fn event_update(&mut self, event: EventBody, now: Moment) {
        let product = self.signaling.start().product;
        // The Contact Center has other events under the numbers of cameras and chat, and this one all the same.
        let interrupted = EventType::MediaConnectionInterrupted;
        let is_interruption = product.has_voice_events() && event.event_type == Some(interrupted.code());
        let kind = if is_interruption { Some(interrupted) } else { event.meeting(product) };
        let Some(kind) = kind else { return self.outputs.report(Event::Update(event)) };
        let people = event.people();
        self.outputs.report(Event::Update(event));
        match kind {
            EventType::MediaConnectionInterrupted => self.media_interrupted(now),
            EventType::ParticipantVideoOn => {
                self.video.on(&people);
                self.ask_for_video(now);
            }
            EventType::ParticipantVideoOff | EventType::ParticipantLeave => {
                if let Some(user_id) = self.video.off(&people) {
                    self.outputs.report(Event::VideoVoid { user_id });
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
        self.outputs.report(Event::StreamState { state, reason, timestamp });
        if state == StreamState::Interrupted {
            if reason != Some(StopReason::SignalConnectionInterrupted) {
                self.media_interrupted(now);
            } else if self.life.wants_back() {
                // What it came on is the signaling connection, so it may be about the one before.
                self.signaling.put_in_doubt(&mut self.outputs, now);
            }
        }
        self.state_is(state, reason, now);
    }

    fn stream_state_answered(&mut self, response: &StreamStateResp, now: Moment) {
        let StreamStateResp { state, timestamp, .. } = *response;
        if self.state.replace(state) != Some(state) {
            self.outputs.report(Event::StreamState { state, reason: None, timestamp });
        }
        // A connection that answers is not broken: while something comes back the state is INTERRUPTED. But where all
        // has stood for long and nothing is said against media, what Zoom misses is this connection, which it has given
        // up.
        let is_given_up = state == StreamState::Interrupted && !self.media.is_suspicious() && self.all_stable(now);
        if self.signaling.is_in_doubt() && is_given_up {
            return self.doubt_confirmed("Zoom says that it is interrupted, and says so again when asked", now);
        }
        self.signaling.trust();
        self.state_is(state, None, now);
    }

    fn all_stable(&self, now: Moment) -> bool {
        self.signaling.connection().is_some_and(|connection| connection.is_stable(now)) && self.media.all_stable(now)
    }

    fn state_is(&mut self, state: StreamState, reason: Option<StopReason>, now: Moment) {
        match state {
            StreamState::Terminating => {
                if self.life.terminate(reason) {
                    self.signaling.trust();
                    self.media.stop_dialing(&mut self.outputs);
                }
            }
            StreamState::Terminated => {
                let ours = matches!(reason, None | Some(StopReason::ReceiverRequestClose));
                let reason = reason.or(self.life.announced().flatten());
                let ending = match self.life.stage() {
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
        self.outputs.report(Event::SessionState { session, state, reason, timestamp });
    }

    fn video_answered(&mut self, response: VideoSubscriptionResp) {
        let VideoSubscriptionResp { user_id, status_code: status, .. } = response;
        self.video.answered(&user_id, status);
        self.outputs.report(Event::VideoSubscription { user_id, status });
    }

    // --- The end: by Zoom's word, by our wish, or because nothing can be had or kept. Exactly once. ---

    fn close(&mut self, now: Moment) {
        match self.life.stage() {
            Stage::Running if self.signaling.is_open() => {
                self.life.begin_closing(now);
                self.signaling.send(self.signaling.start().stream_close(), &mut self.outputs);
                self.drop_pending();
            }
            Stage::Running => self.end(Ending::Closed { answer: CloseAnswer::NotAsked }),
            Stage::Closing { .. } | Stage::Draining { .. } | Stage::Ended => {}
        }
    }

    fn close_answered(&mut self, response: &StreamCloseResp, now: Moment) {
        if !matches!(self.life.stage(), Stage::Closing { .. }) {
            return;
        }
        if response.status_code == StatusCode::Ok {
            self.life.agree();
        } else {
            // There is nothing to wait for.
            self.drain(Ending::Closed { answer: CloseAnswer::Refused(response.status_code) }, now);
        }
    }

    /// It is over. Connections whose handshake is pending are dropped; open ones are read until they close.
    fn drain(&mut self, ending: Ending, now: Moment) {
        if self.life.drain(ending, now) {
            self.drop_pending();
            self.end_if_drained();
        }
    }

    /// Nothing is dialed any more, and nothing is in doubt.
    fn drop_pending(&mut self) {
        self.signaling.trust();
        self.media.drop_pending(&mut self.outputs);
        self.signaling.drop_pending(&mut self.outputs);
    }

    fn end_if_drained(&mut self) {
        if self.signaling.connection().is_some() || !self.media.is_drained() {
            return;
        }
        if let Stage::Draining { ending, .. } = self.life.stage() {
            self.end(ending.clone());
        }
    }

    fn end(&mut self, ending: Ending) {
        self.media.end(&mut self.outputs);
        self.signaling.end(&mut self.outputs);
        for medium in Medium::ALL {
            self.outputs.report_duplicates(medium);
        }
        self.life.end();
        self.outputs.report(Event::Ended(ending));
    }
}

/// Which medium a message was for that cannot be read: by its number, otherwise by its connection.
///
/// A frame that is no message at all was for none, and before the handshake's answer there are no media.
fn medium_of(error: &DecodeError, connection: &Connection) -> Option<Medium> {
    let msg_type = match error {
        DecodeError::BadField { msg_type, .. } => *msg_type,
        DecodeError::BadBase64 { msg_type } | DecodeError::LengthMismatch { msg_type, .. } => Some(*msg_type),
        // It began as JSON, so it may have been a message.
        DecodeError::NotJson(error) if error.line() == 1 && error.column() > 1 => None,
        DecodeError::NotAnObject | DecodeError::NotJson(_) | DecodeError::NoMessageType => return None,
    };
    let Some(msg_type) = msg_type else {
        let (Role::Media(types), Phase::Open(_)) = (connection.role, &connection.phase) else { return None };
        let mut media = types.iter();
        return media.next().filter(|_| media.next().is_none());
    };
    Medium::of_message(msg_type)
}
