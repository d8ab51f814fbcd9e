//! One RTMS stream from its start webhook to its end: the machine that owns all its connections.

use std::{collections::VecDeque, time::Duration};

use rtms_wire::{
    codes::{message_type::MessageType, state::StreamState, status_code::StatusCode, stop_reason::StopReason},
    media::medium::MediaTypes,
    message::{
        Message,
        data_handshake::DataHandShakeResp,
        keep_alive::KeepAliveReq,
        signaling_handshake::SignalingHandShakeResp,
        state::{StreamStateResp, StreamStateUpdate},
    },
};

use crate::{
    config::StreamConfig,
    connection::{Connection, Phase},
    error::{Misuse, StreamError},
    event::{Ending, Event, Odd},
    input::Input,
    media,
    output::{ConnectionId, Output, Role},
    signaling::{self, StreamStart},
    time::Moment,
};

/// How long a lost connection may wait for the word that explains it. State 4 and a stop webhook travel on other
/// sockets than the one whose end they explain, and may be read after it.
const EXPLANATION_LIMIT: Duration = Duration::from_secs(2);

/// How long message 19 may wait for its answer when an interrupted webhook put the signaling connection in doubt.
const DOUBT_LIMIT: Duration = Duration::from_secs(2);

/// How long message 21 may wait for its answer and for the end that follows.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How long media that was sent before the end may take to be read after it.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);

/// One RTMS stream. See the crate's documentation for the life of it and for the run loop.
#[derive(Debug)]
pub struct Stream {
    start: StreamStart,
    config: StreamConfig,
    stage: Stage,
    signaling: Option<Connection>,
    media: Vec<Connection>,
    /// Which of the server URLs is being tried.
    url: usize,
    /// Whether message 5 was sent on this signaling connection.
    subscribed: bool,
    /// Until when message 19 may be answered before the signaling connection counts as broken.
    doubted: Option<Moment>,
    next_connection: u32,
    outputs: VecDeque<Output>,
}

/// Where the stream stands as a whole.
#[derive(Debug)]
enum Stage {
    /// Connecting or connected.
    Running,
    /// Something was lost; the reason may still come.
    Unexplained { until: Moment, role: Role, why: String },
    /// We asked Zoom to close.
    Closing { until: Moment },
    /// It is over; what was sent before the end is still being read.
    Draining { until: Moment, ending: Ending },
    /// Nothing follows.
    Ended,
}

impl Stream {
    /// Starts: the first output asks for the signaling connection.
    ///
    /// # Errors
    /// [`Misuse`] when what is wanted would be refused anyway; nothing is dialed then.
    pub fn new(start: StreamStart, config: StreamConfig, now: Moment) -> Result<Self, Misuse> {
        config.check()?;
        if start.server_urls.is_empty() {
            return Err(Misuse::NoServerUrl);
        }
        let mut stream = Self {
            start,
            config,
            stage: Stage::Running,
            signaling: None,
            media: Vec::new(),
            url: 0,
            subscribed: false,
            doubted: None,
            next_connection: 0,
            outputs: VecDeque::new(),
        };
        stream.dial_signaling(now);
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
            Input::ConnectFailed(id, why) => self.connect_failed(id, why, now),
            Input::Received(id, message) => self.received(id, message, now),
            Input::Undecodable(id, error) => {
                if let Some(connection) = self.connection(id) {
                    connection.heard(now);
                    self.tell(Event::Odd(Odd::Undecodable(error.to_string())));
                }
            }
            Input::Lost(id, why) => self.lost(id, why, now),
            Input::Stopped(reason) => self.drain(Ending::Stopped { reason }, now),
            Input::Restarted { server_urls } => self.redial(server_urls, now),
            Input::Interrupted { server_urls } => self.interrupted(server_urls, now),
            Input::Close => self.close(now),
            Input::Abandon => self.end(Ending::Abandoned),
            Input::SubscribeVideo { user_id, subscribe, timestamp } => {
                self.say(signaling::video_subscription(user_id, subscribe, timestamp));
            }
            Input::TimePassed => {}
        }
    }

    /// The next request or news, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::TimePassed`] is due at the latest.
    pub fn next_deadline(&self) -> Option<Moment> {
        let stage = match &self.stage {
            Stage::Running => None,
            Stage::Unexplained { until, .. } | Stage::Closing { until } | Stage::Draining { until, .. } => Some(*until),
            Stage::Ended => return None,
        };
        let connections = self.signaling.iter().chain(&self.media).map(Connection::deadline);
        connections.chain(stage).chain(self.doubted).min()
    }

    /// Whether [`Event::Ended`] was told.
    pub fn is_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    // --- Connections ---

    fn dial_signaling(&mut self, now: Moment) {
        // The caller keeps `url` within the list.
        let Some(url) = self.start.server_urls.get(self.url).cloned() else { return };
        self.subscribed = false;
        self.doubted = None;
        self.signaling = Some(self.dial(Role::Signaling, url, now));
    }

    fn dial(&mut self, role: Role, url: String, now: Moment) -> Connection {
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        self.outputs.push_back(Output::Connect { connection, role, url });
        Connection::dialed(connection, role, now)
    }

    fn connected(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection(id) else { return };
        let message = match connection.role {
            Role::Signaling => self.start.signaling_handshake(&self.config),
            Role::Media(types) => media::data_handshake(&self.start, &self.config, types),
        };
        self.outputs.push_back(Output::Send { connection: id, message });
    }

    fn connect_failed(&mut self, id: ConnectionId, why: String, now: Moment) {
        let Some(connection) = self.forget(id) else { return };
        let role = connection.role;
        self.unreachable(role, StreamError::Unreachable { role, why }, now);
    }

    /// A handshake came to nothing: the next address, or the end of what depended on it.
    fn unreachable(&mut self, role: Role, error: StreamError, now: Moment) {
        match role {
            Role::Signaling if self.url + 1 < self.start.server_urls.len() => {
                self.url += 1;
                self.dial_signaling(now);
            }
            Role::Signaling => self.end(Ending::Failed(error)),
            Role::Media(types) => self.unavailable(types, &error),
        }
    }

    fn lost(&mut self, id: ConnectionId, why: String, now: Moment) {
        let Some(connection) = self.forget(id) else { return };
        let role = connection.role;
        if let Phase::ShakingHands { .. } = connection.phase {
            return self.unreachable(role, StreamError::Lost { role, why }, now);
        }
        if role == Role::Signaling && self.doubted.is_some() {
            return self.redial(Vec::new(), now);
        }
        match &self.stage {
            Stage::Running => {
                self.stage = Stage::Unexplained { until: now + EXPLANATION_LIMIT, role, why };
            }
            // The first loss is the one to explain.
            Stage::Unexplained { .. } => {}
            // Zoom may close without the state that the document promises.
            Stage::Closing { .. } if role == Role::Signaling => self.drain(Ending::Closed, now),
            Stage::Closing { .. } => {}
            Stage::Draining { .. } => self.end_if_drained(),
            Stage::Ended => {}
        }
    }

    /// Zoom says that signaling broke. Its word may be about a connection that we have left already, and closing a
    /// healthy one would make Zoom send the next such word, and so on for ever: so the connection that stands is asked.
    fn interrupted(&mut self, server_urls: Vec<String>, now: Moment) {
        let elsewhere = server_urls.iter().any(|url| !self.start.server_urls.contains(url));
        match (&self.stage, &self.signaling) {
            (Stage::Running, Some(signaling)) if !elsewhere => {
                // One that shakes hands is newer than whatever broke, and has its own deadline.
                if signaling.is_open() && self.doubted.is_none() {
                    self.doubted = Some(now + DOUBT_LIMIT);
                    self.say(self.start.stream_state());
                }
            }
            (Stage::Running | Stage::Unexplained { .. }, _) => self.redial(server_urls, now),
            (Stage::Closing { .. } | Stage::Draining { .. } | Stage::Ended, _) => {}
        }
    }

    fn redial(&mut self, server_urls: Vec<String>, now: Moment) {
        // Also when nothing is dialed: a doubt that stays behind is a deadline that never passes.
        self.doubted = None;
        if matches!(self.stage, Stage::Closing { .. } | Stage::Draining { .. }) {
            return;
        }
        if !server_urls.is_empty() {
            self.start.server_urls = server_urls;
        }
        self.disconnect_all();
        self.url = 0;
        self.stage = Stage::Running;
        self.tell(Event::Reconnecting);
        self.dial_signaling(now);
    }

    // --- Messages ---

    fn received(&mut self, id: ConnectionId, message: Message, now: Moment) {
        let Some(connection) = self.connection(id) else { return };
        connection.heard(now);
        let role = connection.role;
        match message {
            Message::KeepAliveReq(request) => self.answer(id, &request),
            Message::MediaDataAudio(data) => self.tell(Event::Audio(data)),
            Message::MediaDataVideo(data) => self.tell(Event::Video(data)),
            Message::MediaDataShare(data) => self.tell(Event::Deskshare(data)),
            Message::MediaDataTranscript(line) => self.tell(Event::Transcript(line)),
            Message::MediaDataChat(chat) => self.tell(Event::Chat(chat)),
            Message::SignalingHandShakeResp(response) => self.signaling_answered(id, response, now),
            Message::DataHandShakeResp(response) => match role {
                Role::Media(types) => self.media_answered(id, types, response, now),
                Role::Signaling => self.odd(MessageType::DataHandShakeResp),
            },
            Message::EventUpdate(update) => self.tell(Event::Update(update.event)),
            Message::StreamStateUpdate(update) => self.stream_state(update, now),
            Message::SessionStateUpdate(update) => self.tell(Event::SessionState {
                session: update.rtms_session_id,
                state: update.state,
                reason: update.stop_reason,
                timestamp: update.timestamp,
            }),
            Message::StreamStateResp(response) => {
                let StreamStateResp { state, timestamp, .. } = response;
                self.tell(Event::StreamState { state, reason: None, timestamp });
                // Whatever the state is, a connection that answers is not broken: while we come back it is INTERRUPTED.
                self.doubted = None;
            }
            Message::SessionStateResp(response) => self.tell(Event::SessionState {
                session: Some(response.rtms_session_id),
                state: response.state,
                reason: None,
                timestamp: response.timestamp,
            }),
            Message::StreamCloseResp(response) => {
                // The end itself follows as state 4; a refusal leaves nothing to wait for.
                if response.status_code != StatusCode::Ok && matches!(self.stage, Stage::Closing { .. }) {
                    self.drain(Ending::Closed, now);
                }
            }
            Message::VideoSubscriptionResp(response) => {
                self.tell(Event::VideoSubscription { user_id: response.user_id, status: response.status_code })
            }
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

    fn signaling_answered(&mut self, id: ConnectionId, response: SignalingHandShakeResp, now: Moment) {
        match &mut self.signaling {
            Some(signaling) if signaling.id == id && !signaling.is_open() => signaling.open(now),
            _ => return self.odd(MessageType::SignalingHandShakeResp),
        }
        let urls = match signaling::answer(response) {
            Ok(urls) => urls,
            Err(error) => return self.end(Ending::Failed(error)),
        };
        self.tell(Event::SignalingOpen);
        let planned = signaling::media_connections(&urls, self.start.product, &self.config);
        let reachable = planned.iter().fold(0, |mask, (types, _)| mask | types.iter().fold(0, |m, it| m | it.bit()));
        for medium in self.config.media.iter().filter(|medium| reachable & medium.bit() == 0) {
            let error = StreamError::Misbehaved { role: Role::Signaling, what: "named no server for this medium" };
            self.tell(Event::MediumUnavailable { medium, error });
        }
        for (types, url) in planned {
            let connection = self.dial(Role::Media(types), url, now);
            self.media.push(connection);
        }
        self.end_if_nothing_granted();
    }

    fn media_answered(&mut self, id: ConnectionId, types: MediaTypes, response: DataHandShakeResp, now: Moment) {
        match self.media.iter_mut().find(|connection| connection.id == id && !connection.is_open()) {
            Some(connection) => connection.open(now),
            None => return self.odd(MessageType::DataHandShakeResp),
        }
        match media::grant(response, &self.config, types) {
            Ok(granted) => {
                for medium in media::differing(&granted, &self.config, types) {
                    self.tell(Event::GrantDiffers { medium });
                }
                self.tell(Event::MediaOpen { media: types, granted });
                // Once per media handshake: Zoom's documents and libraries disagree, and repeats are harmless.
                self.say(self.start.client_ready());
                if !std::mem::replace(&mut self.subscribed, true) {
                    self.say(self.start.event_subscription(&self.config));
                }
            }
            Err(error) => {
                self.media.retain(|connection| connection.id != id);
                self.outputs.push_back(Output::Disconnect(id));
                self.unavailable(types, &error);
            }
        }
    }

    fn stream_state(&mut self, update: StreamStateUpdate, now: Moment) {
        let StreamStateUpdate { state, reason, timestamp, .. } = update;
        self.tell(Event::StreamState { state, reason, timestamp });
        if state == StreamState::Terminated {
            let ours = matches!(reason, None | Some(StopReason::ReceiverRequestClose));
            let ending = match self.stage {
                // Another reason than our own wish overtook it, and may bring a duty with it.
                Stage::Closing { .. } if ours => Ending::Closed,
                Stage::Closing { .. } => Ending::Stopped { reason },
                Stage::Running | Stage::Unexplained { .. } | Stage::Draining { .. } | Stage::Ended => {
                    Ending::Stopped { reason }
                }
            };
            self.drain(ending, now);
        }
    }

    /// Sends on signaling, if it stands.
    fn say(&mut self, message: Message) {
        if let Some(signaling) = self.signaling.as_ref().filter(|signaling| signaling.is_open()) {
            self.outputs.push_back(Output::Send { connection: signaling.id, message });
        }
    }

    // --- Ends ---

    fn unavailable(&mut self, types: MediaTypes, error: &StreamError) {
        for medium in types.iter().filter(|medium| self.config.media.contains(*medium)).collect::<Vec<_>>() {
            self.tell(Event::MediumUnavailable { medium, error: error.clone() });
        }
        self.end_if_nothing_granted();
    }

    fn end_if_nothing_granted(&mut self) {
        if self.media.is_empty() && matches!(self.stage, Stage::Running) {
            self.end(Ending::Failed(StreamError::NothingGranted));
        }
    }

    fn close(&mut self, now: Moment) {
        match (&self.stage, &self.signaling) {
            (Stage::Running, Some(signaling)) if signaling.is_open() => {
                self.stage = Stage::Closing { until: now + CLOSE_LIMIT };
                self.say(self.start.stream_close());
            }
            (Stage::Running | Stage::Unexplained { .. }, _) => self.end(Ending::Closed),
            (Stage::Closing { .. } | Stage::Draining { .. } | Stage::Ended, _) => {}
        }
    }

    /// It is over. Connections whose handshake is pending are dropped; open ones are read until they close.
    fn drain(&mut self, ending: Ending, now: Moment) {
        if let Stage::Draining { ending: told, .. } = &mut self.stage {
            // Webhook and state 4 both tell of the end; either may be the one that carries the reason.
            if let (Ending::Stopped { reason: told @ None }, Ending::Stopped { reason }) = (told, ending) {
                *told = reason;
            }
            return;
        }
        self.stage = Stage::Draining { until: now + DRAIN_LIMIT, ending };
        let pending = |connection: &Connection| !connection.is_open();
        let mut given_up: Vec<_> = self.media.extract_if(.., |connection| pending(connection)).collect();
        given_up.extend(self.signaling.take_if(|connection| pending(connection)));
        self.outputs.extend(given_up.into_iter().map(|connection| Output::Disconnect(connection.id)));
        self.end_if_drained();
    }

    fn end_if_drained(&mut self) {
        if !self.media.is_empty() || self.signaling.is_some() {
            return;
        }
        if let Stage::Draining { ending, .. } = std::mem::replace(&mut self.stage, Stage::Running) {
            self.end(ending);
        }
    }

    fn end(&mut self, ending: Ending) {
        self.disconnect_all();
        self.stage = Stage::Ended;
        self.doubted = None;
        self.tell(Event::Ended(ending));
    }

    fn disconnect_all(&mut self) {
        let all = self.media.drain(..).chain(self.signaling.take());
        self.outputs.extend(all.map(|connection| Output::Disconnect(connection.id)));
    }

    // --- Time ---

    fn expire(&mut self, now: Moment) {
        let overdue: Vec<_> = self
            .signaling
            .iter()
            .chain(&self.media)
            .filter(|connection| connection.deadline() <= now)
            .map(|connection| (connection.id, connection.role, connection.is_open()))
            .collect();
        for (id, role, open) in overdue {
            // Ending the stream for one of them disconnects the others too.
            if self.connection(id).is_none() {
                continue;
            }
            self.outputs.push_back(Output::Disconnect(id));
            if open {
                self.lost(id, "nothing was heard for 65 s".into(), now);
            } else {
                self.forget(id);
                self.unreachable(role, StreamError::TimedOut { role }, now);
            }
        }
        if self.doubted.is_some_and(|until| until <= now) {
            self.redial(Vec::new(), now);
        }
        match &self.stage {
            Stage::Unexplained { until, role, why } if *until <= now => {
                let (role, why) = (*role, why.clone());
                self.tell(Event::Interrupted { role, why: why.clone() });
                self.end(Ending::Failed(StreamError::Lost { role, why }));
            }
            Stage::Closing { until } if *until <= now => self.end(Ending::Closed),
            Stage::Draining { until, ending } if *until <= now => self.end(ending.clone()),
            Stage::Running
            | Stage::Unexplained { .. }
            | Stage::Closing { .. }
            | Stage::Draining { .. }
            | Stage::Ended => {}
        }
    }

    // --- Small things ---

    fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.signaling.iter_mut().chain(&mut self.media).find(|connection| connection.id == id)
    }

    fn forget(&mut self, id: ConnectionId) -> Option<Connection> {
        self.signaling
            .take_if(|connection| connection.id == id)
            .or_else(|| self.media.extract_if(.., |connection| connection.id == id).next())
    }

    fn odd(&mut self, msg_type: MessageType) {
        self.tell(Event::Odd(Odd::UnknownMessage(msg_type)));
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}
