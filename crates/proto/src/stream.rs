//! One RTMS stream from its start webhook to its end: the machine that owns all its connections.
//!
//! Here is what it is made of and how it is driven. What happens on signaling, on media, with each message, and at the
//! end, is a file each.

mod deadlines;
mod ending;
mod media;
mod messages;
mod signaling;

use std::collections::{BTreeSet, VecDeque};

use rtms_wire::{
    codes::{
        message_type::MessageType,
        state::{SessionState, StreamState},
        stop_reason::StopReason,
    },
    error::DecodeError,
    extra::Extra,
    ids::RtmsSessionId,
    media::{
        medium::{MediaTypes, Medium},
        params::MediaParams,
    },
    message::{
        Message, OtherMessage,
        signaling_handshake::{MediaUrls, PROTOCOL_VERSION},
    },
};

use crate::{
    config::{Circumstances, StreamConfig},
    connection::{Connection, HANDSHAKE_LIMIT, Loss, Phase},
    credentials::Credentials,
    dedupe::Duplicates,
    error::{Misuse, StreamError},
    event::{Ending, Event, Interruption, Odd},
    input::Input,
    media::MediaLine,
    output::{ConnectionId, Output},
    reconnect::{Jitter, Recovery},
    role::Role,
    sessions::Sessions,
    signaling::{SignalingLine, StreamStart, video_subscription},
    time::Moment,
    video::VideoWish,
};

/// The longest message that means nothing here and is reported with its fields, as JSON: many times what any message but media
/// has.
const MAX_KEPT_BYTES: usize = 16 * 1024;

/// Connections that were left and that Zoom has not closed yet: one for each medium, at eight moves within the second for
/// which a driver reads on.
const MAX_LEFT: usize = 40;

/// One RTMS stream. See the crate's documentation for the life of it and for the run loop.
#[derive(Debug)]
pub struct Stream {
    start: StreamStart,
    config: StreamConfig,
    /// What is asked for: what is wanted, but for what Zoom refused to grant in that form.
    params: MediaParams,
    /// Media whose parameters are Zoom's defaults because ours were refused.
    fallen_back: BTreeSet<Medium>,
    /// Media that Zoom will not grant, however often it is asked.
    refused: BTreeSet<Medium>,
    /// Media whose `MediumUnavailable` was told and that did not open since.
    unavailable: BTreeSet<Medium>,
    /// Whether one connection for several media was refused.
    must_split: bool,
    alternatives: VecDeque<Credentials>,
    stage: Stage,
    /// State 3 came, with its reason: nothing is dialed any more, and the end is near.
    terminating: Option<Option<StopReason>>,
    signaling: SignalingLine,
    media: Vec<MediaLine>,
    /// Media connections that were closed here, until Zoom has closed them too: what it sent before still comes.
    left: Vec<Connection>,
    /// Where the media is, as the last message 2 said.
    media_urls: MediaUrls,
    /// When Zoom said that some media connection is interrupted, without saying which. The one that stays silent is.
    suspicion: Option<Moment>,
    /// What was told of the stream's own state last.
    state: Option<StreamState>,
    sessions: Sessions,
    video: VideoWish,
    duplicates: Duplicates,
    jitter: Jitter,
    next_connection: u32,
    /// Whether it was told that Zoom answers in another version.
    told_version: bool,
    outputs: VecDeque<Output>,
}

/// Where the stream stands as a whole.
#[derive(Debug)]
enum Stage {
    /// Connecting, connected, or on the way back.
    Running,
    /// We asked Zoom to close, and it has agreed or has not said anything yet.
    Closing { until: Moment, has_agreed: bool },
    /// It is over; what was sent before the end is still being read.
    Draining { until: Moment, ending: Ending },
    /// Nothing follows.
    Ended,
}

impl Stream {
    /// Starts when the start webhook has just come: the first output asks for the signaling connection.
    ///
    /// # Errors
    /// [`Misuse`] when what is wanted would be refused anyway; nothing is dialed then.
    pub fn new(start: StreamStart, config: StreamConfig, now: Moment) -> Result<Self, Misuse> {
        Self::under(Circumstances::default(), start, config, now)
    }

    /// Starts under circumstances that are not the usual ones: the first output asks for the signaling connection.
    ///
    /// # Errors
    /// [`Misuse`] when what is wanted would be refused anyway; nothing is dialed then.
    pub fn under(
        circumstances: Circumstances,
        start: StreamStart,
        config: StreamConfig,
        now: Moment,
    ) -> Result<Self, Misuse> {
        config.check()?;
        if start.server_urls.is_empty() {
            return Err(Misuse::NoServerUrl);
        }
        let Circumstances { age, seed, alternatives } = circumstances;
        let mut stream = Self {
            params: config.params.clone(),
            fallen_back: BTreeSet::new(),
            refused: BTreeSet::new(),
            unavailable: BTreeSet::new(),
            must_split: false,
            alternatives: alternatives.into(),
            stage: Stage::Running,
            terminating: None,
            signaling: SignalingLine { recovery: Some(Recovery::of_start(age, now)), ..SignalingLine::default() },
            media: Vec::new(),
            left: Vec::new(),
            media_urls: MediaUrls::default(),
            suspicion: None,
            state: None,
            sessions: Sessions::default(),
            video: VideoWish::default(),
            duplicates: Duplicates::default(),
            jitter: Jitter::new(seed, start.stream_id.as_str()),
            next_connection: 0,
            told_version: false,
            outputs: VecDeque::new(),
            start,
            config,
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
            Input::ConnectFailed(id, why) => {
                if let Some(connection) = self.forget(id) {
                    let role = connection.role;
                    self.attempt_failed(role, StreamError::Unreachable { role, why }, now);
                }
            }
            Input::Received(id, message) => self.received(id, message, now),
            Input::Undecodable(id, error) => {
                if let Some(connection) = self.connection(id) {
                    connection.heard(now);
                    let medium = medium_of(&error, connection);
                    self.tell(Event::Odd(Odd::Undecodable { medium, kind: error.kind(), why: error.to_string() }));
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
                    self.say(video_subscription(user_id, false, timestamp));
                }
            }
            Input::TimePassed => {}
        }
        self.ask_what_was_missed();
    }

    /// The next request or news, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether [`Event::Ended`] was told.
    pub fn is_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// Whether it is at its end: nothing that comes now, not even a newer start, is acted on.
    pub fn is_ending(&self) -> bool {
        !matches!(self.stage, Stage::Running)
    }

    /// Zoom's sessions inside the stream and the last state that was told of each, by id.
    pub fn sessions(&self) -> impl Iterator<Item = (&RtmsSessionId, SessionState)> {
        self.sessions.iter()
    }

    // --- Connections of either kind ---

    /// Whether what is lost is wanted back.
    fn wants_back(&self) -> bool {
        matches!(self.stage, Stage::Running) && self.terminating.is_none()
    }

    /// Dials. The handshake has to succeed inside the window that the connection is wanted in.
    fn dial(&mut self, role: Role, url: String, window: Moment, now: Moment) -> Connection {
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        self.outputs.push_back(Output::Connect { connection, role, url });
        Connection::dialed(connection, role, window.min(now + HANDSHAKE_LIMIT))
    }

    fn connected(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection(id) else { return };
        let message = match connection.role {
            Role::Signaling => self.start.signaling_handshake(&self.config),
            Role::Media(types) => {
                crate::media::data_handshake(&self.start, &self.params.only(self.config.media), types)
            }
        };
        self.outputs.push_back(Output::Send { connection: id, message });
    }

    fn attempt_failed(&mut self, role: Role, error: StreamError, now: Moment) {
        match role {
            Role::Signaling => self.signaling_unreachable(error, now),
            Role::Media(types) => self.media_failed(types, error, now),
        }
    }

    fn lost(&mut self, id: ConnectionId, why: String, now: Moment) {
        let Some(connection) = self.forget(id) else {
            self.left.retain(|left| left.id != id);
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
        match connection.role {
            Role::Signaling => self.signaling_gone(connection, loss, now),
            Role::Media(_) => self.media_gone(connection, loss, now),
        }
    }

    fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let media = self.media.iter_mut().filter_map(|line| line.connection.as_mut()).chain(&mut self.left);
        self.signaling.connection.iter_mut().chain(media).find(|connection| connection.id == id)
    }

    fn forget(&mut self, id: ConnectionId) -> Option<Connection> {
        let is_it = |connection: &mut Connection| connection.id == id;
        let media = || self.media.iter_mut().find_map(|line| line.connection.take_if(is_it));
        self.signaling.connection.take_if(is_it).or_else(media)
    }

    fn disconnect(&mut self, id: ConnectionId) {
        self.outputs.push_back(Output::Disconnect(id));
    }

    /// Closes a connection for another one. The media that Zoom sent before it knows are still taken.
    fn leave(&mut self, connection: Connection) {
        self.disconnect(connection.id);
        self.read_on(connection);
    }

    /// It was closed here, and Zoom may not know yet.
    fn read_on(&mut self, connection: Connection) {
        if connection.is_open() && matches!(connection.role, Role::Media(_)) {
            if self.left.len() >= MAX_LEFT {
                self.left.remove(0);
            }
            self.left.push(connection);
        }
    }

    // --- What is said ---

    /// Sends on signaling, if it stands.
    fn say(&mut self, message: Message) {
        if let Some(signaling) = self.signaling.connection.as_ref().filter(|connection| connection.is_open()) {
            self.outputs.push_back(Output::Send { connection: signaling.id, message });
        }
    }

    fn odd(&mut self, msg_type: MessageType) {
        self.odd_message(OtherMessage { msg_type, fields: Extra::new() });
    }

    /// Tells of a message that means nothing here, with its fields if it is short.
    fn odd_message(&mut self, mut message: OtherMessage) {
        if message.json_bytes() > MAX_KEPT_BYTES {
            message.fields.clear();
        }
        self.tell(Event::Odd(Odd::UnknownMessage(message)));
    }

    /// Tells once that Zoom answers in another version than ours.
    fn watch_version(&mut self, role: Role, version: Option<u32>) {
        if let Some(version) = version.filter(|version| *version != PROTOCOL_VERSION)
            && !std::mem::replace(&mut self.told_version, true)
        {
            self.tell(Event::Odd(Odd::OtherVersion { role, version }));
        }
    }

    fn tell_loss(&mut self, loss: Loss, now: Moment) {
        let Loss { role, cause, why, heard } = loss;
        let role = match role {
            Role::Media(types) => {
                let types = self.wanted_of(types);
                for medium in types.iter() {
                    self.tell_duplicates(medium);
                }
                Role::Media(types)
            }
            Role::Signaling => role,
        };
        self.tell(Event::Interrupted { role, cause, unheard: now.since(heard), why });
    }

    /// What a connection carries of what is wanted: one for everything may carry more.
    fn wanted_of(&self, types: MediaTypes) -> MediaTypes {
        let is_wanted = |medium: &Medium| self.config.media.contains(*medium);
        if types.iter().all(|medium| is_wanted(&medium)) {
            types
        } else {
            MediaTypes::of(types.iter().filter(is_wanted))
        }
    }

    fn tell_duplicates(&mut self, medium: Medium) {
        if let Some(count) = self.duplicates.removed(medium) {
            self.tell(Event::DuplicatesRemoved { medium, count });
        }
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
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
