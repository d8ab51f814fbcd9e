//! A pair of peers on one clock: the machine, and a Zoom that answers it. No sockets; time is a number that a test moves.
//!
//! [`Ledger`] checks, with every output, what must hold of all of them, whatever a test is about.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use rtms_proto::{
    config::{MediaLayout, StreamConfig},
    error::Misuse,
    event::{Ending, Event, Interruption},
    input::Input,
    join_options::JoinOptions,
    output::{ConnectionId, Output},
    role::Role,
    signaling::StreamStart,
    stream::Stream,
    time::Moment,
};
use rtms_wire::{
    codes::{product::Product, state::StreamState},
    ids::{InstanceId, InstanceIdField, StreamId},
    media::{
        medium::{MediaTypes, Medium},
        params::MediaParams,
    },
    message::Message,
    secret::ClientSecret,
    signature::HandshakeSignature,
};
use serde_json::{Value, json};

pub(crate) const SIGNALING_URL: &str = "wss://signaling.zoom.us:443/s";

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn media(medium: Medium) -> Role {
    Role::Media(MediaTypes::of([medium]))
}

/// A message as it would come from the wire.
pub(crate) fn message(json: Value) -> Message {
    Message::decode(json.to_string().as_bytes()).expect("a message")
}

pub(crate) fn start(product: Product) -> StreamStart {
    let field = match product {
        Product::Meeting => InstanceIdField::MeetingUuid,
        Product::Webinar => InstanceIdField::WebinarUuid,
        Product::Session => InstanceIdField::SessionId,
        Product::ContactCenter => InstanceIdField::EngagementId,
        Product::Phone => InstanceIdField::CallId,
    };
    let instance = InstanceId::new(field, "gPkqeuK3m0UGeK+QdgAH/Q==");
    let stream_id = StreamId::from("3f6a0c9e");
    let secret = ClientSecret::new("not a secret").unwrap();
    let signature = HandshakeSignature::sign("client", &secret, &instance, &stream_id);
    StreamStart { stream_id, instance, product, signature, server_urls: vec![SIGNALING_URL.into()] }
}

pub(crate) fn wanting(media: impl IntoIterator<Item = Medium>) -> StreamConfig {
    StreamConfig { media: MediaTypes::of(media), ..StreamConfig::default() }
}

pub(crate) fn unified() -> StreamConfig {
    StreamConfig { layout: MediaLayout::Unified, ..StreamConfig::default() }
}

/// Message 2's `server_urls` with a URL of its own for each medium, and `all`.
pub(crate) fn all_urls() -> Value {
    json!({
        "audio": "wss://m/audio", "video": "wss://m/video", "deskshare": "wss://m/deskshare",
        "transcript": "wss://m/transcript", "chat": "wss://m/chat", "all": "wss://m/all",
    })
}

pub(crate) fn audio(timestamp: u64) -> Value {
    json!({"msg_type": 14, "content": {"user_id": 7, "data": "AAAA", "length": 3, "timestamp": timestamp}})
}

/// What stands on the wire.
pub(crate) fn said(message: &Message) -> Value {
    serde_json::from_str(&message.encode()).unwrap()
}

pub(crate) fn with_urls(urls: Value) -> Zoom {
    Zoom { urls, ..Zoom::default() }
}

/// Where nobody answers this request.
pub(crate) fn silent(request: i64) -> Zoom {
    Zoom { unanswered: vec![request], ..Zoom::default() }
}

/// The other side: what it answers by itself. A test changes what is not to be so.
pub(crate) struct Zoom {
    pub(crate) urls: Value,
    /// The statuses of the next messages 2, before `signaling_status`.
    pub(crate) signaling_next: VecDeque<i64>,
    pub(crate) signaling_status: i64,
    /// The statuses of the next messages 4 about a medium, before `media_status`.
    pub(crate) media_next: BTreeMap<Medium, VecDeque<i64>>,
    pub(crate) media_status: BTreeMap<Medium, i64>,
    /// What message 4 grants; what was asked if nothing.
    pub(crate) grants: Option<Value>,
    /// Where connecting fails at once.
    pub(crate) refusing: Vec<&'static str>,
    /// Where connecting never comes to an end.
    pub(crate) unreachable: Vec<&'static str>,
    /// Requests that stay without an answer.
    pub(crate) unanswered: Vec<i64>,
}

impl Default for Zoom {
    fn default() -> Self {
        Self {
            urls: all_urls(),
            signaling_next: VecDeque::new(),
            media_next: BTreeMap::new(),
            signaling_status: 0,
            media_status: BTreeMap::new(),
            grants: None,
            refusing: vec![],
            unreachable: vec![],
            unanswered: vec![],
        }
    }
}

impl Zoom {
    fn answers(&mut self, role: Role, request: &Message) -> Vec<Value> {
        if self.unanswered.contains(&request.msg_type().code()) {
            return vec![];
        }
        match request {
            Message::SignalingHandShakeReq(_) => {
                let status = self.signaling_next.pop_front().unwrap_or(self.signaling_status);
                if status != 0 {
                    return vec![json!({"msg_type": 2, "status_code": status, "reason": "no"})];
                }
                vec![json!({"msg_type": 2, "protocol_version": 1, "sequence": 0, "status_code": 0, "reason": "",
                    "media_server": {"server_urls": self.urls}})]
            }
            Message::DataHandShakeReq(asked) => {
                let Role::Media(types) = role else { panic!("message 3 on {role}") };
                let next = |medium| self.media_next.get_mut(&medium).and_then(VecDeque::pop_front);
                let next = types.iter().find_map(next);
                let always = || types.iter().find_map(|medium| self.media_status.get(&medium)).copied();
                let status = next.or_else(always).unwrap_or(0);
                if status != 0 {
                    return vec![json!({"msg_type": 4, "status_code": status, "reason": "no", "sequence": 0})];
                }
                let asked = asked.media_params.clone().unwrap_or_default().negotiated(types);
                let granted = self.grants.clone().unwrap_or_else(|| serde_json::to_value(asked).unwrap());
                vec![json!({"msg_type": 4, "protocol_version": 1, "status_code": 0, "reason": "", "sequence": 0,
                    "payload_encrypted": false, "media_params": granted})]
            }
            Message::StreamCloseReq(close) => vec![
                json!({"msg_type": 22, "rtms_stream_id": close.rtms_stream_id, "status_code": 0, "reason": "OK"}),
                json!({"msg_type": 8, "state": 3, "timestamp": 1}),
                json!({"msg_type": 8, "state": 4, "reason": 20, "timestamp": 2}),
            ],
            _ => vec![],
        }
    }
}

/// What the machine did, in order.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly everything done is said, and a test has few of them")]
pub(crate) enum Did {
    Dial(Role, String),
    Say(Role, Message),
    HangUp(Role),
}

pub(crate) struct Pair {
    pub(crate) stream: Stream,
    pub(crate) zoom: Zoom,
    pub(crate) now: Moment,
    pub(crate) events: Vec<Event>,
    pub(crate) did: Vec<Did>,
    /// When what was dialed, since the start.
    pub(crate) dials: Vec<(Duration, Role)>,
    pub(crate) ledger: Ledger,
}

/// When every test begins.
const START: Moment = Moment(Duration::from_secs(1_000));

impl Pair {
    /// Starts, and lets both sides talk until they have nothing more to say.
    pub(crate) fn new(start: StreamStart, config: StreamConfig, zoom: Zoom) -> Self {
        Self::try_new(start, config, zoom).expect("a configuration that Zoom takes")
    }

    pub(crate) fn try_new(start: StreamStart, config: StreamConfig, zoom: Zoom) -> Result<Self, Misuse> {
        Self::with_options(JoinOptions::default(), start, config, zoom)
    }

    pub(crate) fn with_options(
        options: JoinOptions,
        start: StreamStart,
        config: StreamConfig,
        zoom: Zoom,
    ) -> Result<Self, Misuse> {
        let stream = Stream::with_options(options, start, config, START)?;
        let (events, did, dials, ledger) = (vec![], vec![], vec![], Ledger::default());
        let mut pair = Self { stream, zoom, now: START, events, did, dials, ledger };
        pair.talk();
        Ok(pair)
    }

    /// A meeting with the default configuration, up and running.
    pub(crate) fn running() -> Self {
        Self::new(start(Product::Meeting), StreamConfig::default(), Zoom::default())
    }

    /// Something happens; then both sides talk until they have nothing more to say.
    pub(crate) fn input(&mut self, input: Input) {
        self.ledger.reported(&input);
        self.stream.handle(input, self.now);
        self.talk();
    }

    /// Zoom says something by itself.
    pub(crate) fn hear(&mut self, role: Role, json: Value) {
        let connection = self.line(role);
        self.input(Input::Received(connection, message(json)));
    }

    pub(crate) fn lose(&mut self, role: Role) {
        let connection = self.line(role);
        self.input(Input::Lost(connection, "closed by the other side".into()));
    }

    /// Keeps every connection alive for so long, and lets what is due happen.
    pub(crate) fn live(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.pass(until.since(self.now).min(seconds(10)));
            for role in self.ledger.up() {
                if self.ledger.line(role).is_some() {
                    self.hear(role, json!({"msg_type": 12, "timestamp": 1}));
                }
            }
        }
    }

    /// How long it is since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now.since(START)
    }

    /// Moves the clock, stopping at each deadline on the way.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(deadline) = self.stream.next_deadline().filter(|deadline| *deadline <= until) {
            self.now = deadline;
            self.input(Input::TimePassed);
            assert_ne!(self.stream.next_deadline(), Some(deadline), "a deadline that has passed is acted on");
        }
        self.now = until;
        self.input(Input::TimePassed);
    }

    fn talk(&mut self) {
        loop {
            let mut heard = VecDeque::new();
            while let Some(output) = self.stream.poll_output() {
                self.ledger.told(&output);
                match output {
                    Output::Connect { connection, role, url } => {
                        if self.zoom.refusing.contains(&url.as_str()) {
                            heard.push_back(Input::ConnectFailed(connection, "connection refused".into()));
                        } else if !self.zoom.unreachable.contains(&url.as_str()) {
                            heard.push_back(Input::Connected(connection));
                        }
                        self.dials.push((self.now.since(START), role));
                        self.did.push(Did::Dial(role, url));
                    }
                    Output::Send { connection, message: said } => {
                        let role = self.ledger.role(connection);
                        let answers = self.zoom.answers(role, &said);
                        heard.extend(answers.into_iter().map(|it| Input::Received(connection, message(it))));
                        self.did.push(Did::Say(role, said));
                    }
                    Output::Disconnect(connection) => self.did.push(Did::HangUp(self.ledger.role(connection))),
                    Output::Event(event) => self.events.push(event),
                }
            }
            assert_eq!(self.stream.is_ended(), self.ledger.ended, "is_ended is what was told");
            assert!(!self.ledger.ended || self.stream.next_deadline().is_none(), "nothing is due after the end");
            if heard.is_empty() {
                return;
            }
            for input in heard {
                self.ledger.reported(&input);
                self.stream.handle(input, self.now);
            }
        }
    }

    /// The connection of this role that is dialed or stands.
    pub(crate) fn line(&self, role: Role) -> ConnectionId {
        self.ledger.line(role).unwrap_or_else(|| panic!("no connection for {role}"))
    }

    /// The numbers of what was said on connections of this role, in order.
    pub(crate) fn said(&self, role: Role) -> Vec<i64> {
        self.messages(role).iter().map(|message| message.msg_type().code()).collect()
    }

    pub(crate) fn messages(&self, role: Role) -> Vec<Message> {
        let on_it = |did: &Did| match did {
            Did::Say(on, message) if *on == role => Some(message.clone()),
            _ => None,
        };
        self.did.iter().filter_map(on_it).collect()
    }

    /// What was dialed, in order.
    pub(crate) fn dialed(&self) -> Vec<(Role, String)> {
        let dial = |did: &Did| match did {
            Did::Dial(role, url) => Some((*role, url.clone())),
            _ => None,
        };
        self.did.iter().filter_map(dial).collect()
    }

    pub(crate) fn ending(&self) -> Option<&Ending> {
        self.events.iter().find_map(|event| match event {
            Event::Ended(ending) => Some(ending),
            _ => None,
        })
    }

    pub(crate) fn unavailable(&self) -> Vec<Medium> {
        let medium = |event: &Event| match event {
            Event::MediumUnavailable { medium, .. } => Some(*medium),
            _ => None,
        };
        self.events.iter().filter_map(medium).collect()
    }

    /// What was interrupted, and by whom.
    pub(crate) fn interrupted(&self) -> Vec<(Role, Interruption)> {
        let cause = |event: &Event| match event {
            Event::Interrupted { role, cause, .. } => Some((*role, *cause)),
            _ => None,
        };
        self.events.iter().filter_map(cause).collect()
    }

    /// The waits after tries that failed, in order.
    pub(crate) fn waits(&self) -> Vec<Option<Duration>> {
        let wait = |event: &Event| match event {
            Event::AttemptFailed { again_in, .. } => Some(*again_in),
            _ => None,
        };
        self.events.iter().filter_map(wait).collect()
    }

    /// When connections of this role were dialed, since the start.
    pub(crate) fn dialed_at(&self, role: Role) -> Vec<Duration> {
        self.dials.iter().filter(|(_, of)| *of == role).map(|(at, _)| *at).collect()
    }

    /// Where signaling was dialed, in order.
    pub(crate) fn signaling_urls(&self) -> Vec<String> {
        self.dialed().into_iter().filter(|(role, _)| *role == Role::Signaling).map(|(_, url)| url).collect()
    }

    /// Message 3 that was said first on connections of this role.
    pub(crate) fn asked(&self, role: Role) -> Value {
        said(&self.messages(role)[0])
    }

    /// What the connections were granted, in order.
    pub(crate) fn granted(&self) -> Vec<MediaParams> {
        let granted = |event: &Event| match event {
            Event::MediaOpen { granted, .. } => Some(granted.clone()),
            _ => None,
        };
        self.events.iter().filter_map(granted).collect()
    }

    pub(crate) fn open(&self) -> Vec<MediaTypes> {
        let media = |event: &Event| match event {
            Event::MediaOpen { media, .. } => Some(*media),
            _ => None,
        };
        self.events.iter().filter_map(media).collect()
    }
}

/// Whether two connections would carry the same medium.
fn overlap(one: Role, other: Role) -> bool {
    match (one, other) {
        (Role::Media(one), Role::Media(other)) => one.iter().any(|medium| other.contains(medium)),
        _ => false,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineState {
    Dialing,
    Up,
    Gone,
}

/// What must hold of every output, whatever happens.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) lines: BTreeMap<ConnectionId, (Role, LineState)>,
    /// Whether it is known that Zoom or we ended the stream.
    pub(crate) stopped: bool,
    pub(crate) ended: bool,
}

impl Ledger {
    pub(crate) fn told(&mut self, output: &Output) {
        assert!(!self.ended, "nothing follows the end, but {output:?} did");
        match output {
            Output::Connect { connection, role, .. } => {
                assert!(
                    *role != Role::Signaling || self.line(Role::Signaling).is_none(),
                    "a second signaling connection while the first lives"
                );
                assert!(!self.stopped, "{role} is dialed after the end is known");
                for other in self.roles() {
                    assert!(!overlap(*role, other), "{role} is dialed beside {other}");
                }
                let before = self.lines.insert(*connection, (*role, LineState::Dialing));
                assert_eq!(before, None, "an attempt has a name of its own");
            }
            Output::Send { connection, message } => {
                let (role, state) = self.lines[connection];
                assert_eq!(state, LineState::Up, "{} is said on {role}", message.msg_type());
            }
            Output::Disconnect(connection) => {
                let (role, state) = self.lines[connection];
                assert_ne!(state, LineState::Gone, "{role} is closed once");
                self.set(*connection, LineState::Gone);
            }
            Output::Event(Event::Ended(_)) => {
                let left: Vec<_> = self.lines.values().filter(|(_, state)| *state != LineState::Gone).collect();
                assert!(left.is_empty(), "the end leaves nothing open: {left:?}");
                self.ended = true;
            }
            Output::Event(_) => {}
        }
    }

    pub(crate) fn reported(&mut self, input: &Input) {
        match input {
            Input::Connected(connection) => self.change(*connection, LineState::Dialing, LineState::Up),
            Input::ConnectFailed(connection, _) => self.change(*connection, LineState::Dialing, LineState::Gone),
            Input::Lost(connection, _) => self.change(*connection, LineState::Up, LineState::Gone),
            Input::Stopped(_) | Input::Abandon => self.stopped = true,
            Input::Received(connection, Message::StreamStateUpdate(update)) => {
                let heard = self.lines.get(connection).is_some_and(|(_, state)| *state != LineState::Gone);
                self.stopped |= heard && update.state == StreamState::Terminated;
            }
            _ => {}
        }
    }

    pub(crate) fn role(&self, connection: ConnectionId) -> Role {
        self.lines[&connection].0
    }

    /// The roles of the connections that stand.
    pub(crate) fn up(&self) -> Vec<Role> {
        self.lines.values().filter(|(_, state)| *state == LineState::Up).map(|(role, _)| *role).collect()
    }

    fn roles(&self) -> Vec<Role> {
        self.lines.values().filter(|(_, state)| *state != LineState::Gone).map(|(role, _)| *role).collect()
    }

    pub(crate) fn line(&self, role: Role) -> Option<ConnectionId> {
        self.lines.iter().find(|(_, (its, state))| *its == role && *state != LineState::Gone).map(|(id, _)| *id)
    }

    fn change(&mut self, connection: ConnectionId, from: LineState, to: LineState) {
        if self.lines.get(&connection).is_some_and(|(_, state)| *state == from) {
            self.set(connection, to);
        }
    }

    fn set(&mut self, connection: ConnectionId, to: LineState) {
        if let Some((_, state)) = self.lines.get_mut(&connection) {
            *state = to;
        }
    }
}
