//! Zoom as one machine: one stream of one meeting, its webhooks, signaling and media, without a socket or a clock.
//!
//! The driver tells it what happens by [`Zoom::handle`], asks what to do by [`Zoom::poll_output`] until there is nothing left, and
//! calls again no later than [`Zoom::next_deadline`]. The same inputs at the same times give the same outputs, byte for byte.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

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
    ids::{InstanceId, RtmsSessionId, StreamId, UserId},
    media::medium::Medium,
    message::{
        Message,
        client_ready::ClientReadyAck,
        data_handshake::DataHandShakeReq,
        event_subscription::EventSubscription,
        event_update::EventBody,
        keep_alive::{KeepAliveReq, KeepAliveResp},
        signaling_handshake::{Reason, SignalingHandShakeReq},
        state::{
            SessionStateReq, SessionStateResp, SessionStateUpdate, StreamStateReq, StreamStateResp, StreamStateUpdate,
        },
        stream_close::{StreamCloseReq, StreamCloseResp},
        video_subscription::{VideoSubscriptionReq, VideoSubscriptionResp},
    },
    signature::HandshakeSignature,
    time::UnixMillis,
};
use serde::Serialize;

use self::{frozen::Frozen, missed::Absent};
use crate::{
    checks::{self, Expected, Refusal},
    config::{Server, WebhookOptions, ZoomConfig},
    fault::{Answer, CloseAnswer, KeepAliveForm, MediaUrlForm, Request, SecondSignaling, Target, Told, Trouble},
    findings::{Finding, Findings, KeepAliveFault, Mistake},
    judge::{self, Conduct},
    keep_alive::{self, KeepAlive},
    media::{self, Media, Studio},
    meeting::{Change, Meeting},
    seed::Seed,
    sent::{Sent, What},
    signaling::{self, Signaling},
    webhook::{Deliveries, Identity, News, WebhookAnswer, WebhookId, WebhookPost, Webhooks},
};

mod endings;
mod frozen;
mod missed;
mod requests;
mod say;
mod time;
mod trouble;
mod version_2;
mod watch;

/// One WebSocket connection, by a number that the driver gives and never uses again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ConnectionId(pub u64);

/// Which of Zoom's servers a client connected to. One media server serves all media: message 3 says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The URL of the webhook.
    Signaling,
    /// A URL of message 2.
    Media,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client sent a close frame.
    CloseFrame,
    /// The connection was cut.
    Cut,
    /// The driver gave it up because so many bytes were waiting to be read.
    TooSlow {
        /// How many.
        waiting_bytes: usize,
    },
}

/// All that can happen to Zoom.
#[derive(Clone, Debug)]
pub enum Input {
    /// A client finished the WebSocket upgrade.
    Connected {
        /// The new connection.
        connection: ConnectionId,
        /// Where.
        endpoint: Endpoint,
    },
    /// The payload of a text or binary frame came.
    Received {
        /// On which connection.
        connection: ConnectionId,
        /// What.
        payload: Bytes,
    },
    /// A connection ended by the client, be it one that was told to close and had not heard of it, or did not answer by a close
    /// frame.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// How.
        ending: Ending,
    },
    /// It is known what became of a webhook.
    WebhookAnswered {
        /// Which.
        webhook: WebhookId,
        /// What.
        answer: WebhookAnswer,
    },
    /// The answer to a webhook came after [`WebhookAnswer::TimedOut`] was said of that attempt.
    WebhookAnsweredLate {
        /// Which.
        webhook: WebhookId,
        /// Which attempt.
        attempt: u32,
        /// What came.
        status: u16,
    },
    /// The close frame that a connection was told to close with had no answer, for as long as the driver waits.
    LeftOpen {
        /// Which.
        connection: ConnectionId,
    },
    /// Somebody ends the stream before the meeting's time is over, or does not want to wait for the retries of its webhooks.
    Stop {
        /// Why.
        reason: StopReason,
    },
    /// Nothing but time passed.
    Time,
}

/// All that Zoom does.
#[derive(Clone, Debug)]
pub enum Output {
    /// Sends one message as a text frame.
    Send {
        /// On which connection.
        connection: ConnectionId,
        /// The JSON text.
        text: String,
    },
    /// Sends one message as a binary frame.
    SendBinary {
        /// On which connection.
        connection: ConnectionId,
        /// The payload.
        payload: Bytes,
    },
    /// Cuts a connection, without a close frame. Nothing is said about it any more afterwards.
    Cut {
        /// Which.
        connection: ConnectionId,
    },
    /// Closes a connection with a close frame. Nothing is sent on it any more afterwards; if the client ends it without an answer,
    /// or had ended it before, [`Input::Closed`] says so.
    Close {
        /// Which.
        connection: ConnectionId,
        /// The close code.
        code: u16,
    },
    /// Posts a webhook.
    Webhook(WebhookPost),
}

/// What becomes of a client that asks for a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It gets one; [`Input::Connected`] is to follow.
    Welcome,
    /// It gets an HTTP response with this status.
    Status(u16),
    /// It gets no answer, and keeps its TCP connection.
    Silence,
    /// Its TCP connection is cut.
    Cut,
}

/// The close code for everything: Zoom's codes are not documented, and 1000 was seen for success and refusal alike.
const CLOSE_NORMAL: u16 = 1000;

/// Zoom, playing one stream.
#[derive(Debug)]
pub struct Zoom {
    config: ZoomConfig,
    meeting: Arc<Meeting>,
    start: UnixMillis,
    /// When the first start webhook of the stream was posted: with the meeting's start, unless the stream is not its first.
    announced_at: UnixMillis,
    identity: Identity,
    /// What is streamed of, in the order of their start; the first starts with the stream.
    sessions: Vec<Session>,
    expected: Expected,
    studio: Studio,
    webhooks: Webhooks,

    phase: Phase,
    connections: BTreeMap<ConnectionId, Connection>,
    /// Media connections that the client ended itself, as far as it is not back.
    absent: Vec<Absent>,
    /// Those whose server hangs.
    frozen: BTreeMap<ConnectionId, Frozen>,
    /// The one signaling connection whose handshake succeeded.
    signaling: Option<ConnectionId>,
    stream_state: StreamState,
    /// Whether the client wants the sound from before it came.
    backlog_wanted: bool,
    /// Sound up to here was sent, or given up.
    audio_sent_ms: Option<u64>,
    /// Whose camera was chosen.
    selected: Option<usize>,
    /// Changes in the meeting before this one were told.
    told: usize,
    /// Until when signaling may come back, and why the stream ends if it does not.
    signaling_window: Option<(UnixMillis, StopReason)>,
    /// Until when each lost medium may come back, and why the stream ends if it does not.
    media_windows: BTreeMap<Medium, (UnixMillis, StopReason)>,
    /// Whether the network lost the goodbye of what was given up last, so that the client may not know.
    lost_unheard: bool,

    /// Which of the servers is the stream's now, and until when the connections to the one before live on.
    server: usize,
    /// Incidents before this one have happened.
    happened: usize,
    /// Whether the stream is paused, and until when it was the last time.
    is_paused: bool,
    resumed_at: Option<UnixMillis>,
    /// Media that is lost, or sent twice, and until when.
    gaps: Vec<(Medium, UnixMillis)>,
    repeats: Vec<(Medium, UnixMillis)>,
    /// Whether the end is told by a webhook; false once it was, or if it never is.
    stop_webhook_due: bool,
    /// Until when no server takes connections.
    down_until: Option<UnixMillis>,
    /// Since when no more media is sent, and why.
    over: Option<(UnixMillis, StopReason)>,

    outputs: VecDeque<Output>,
    sent: VecDeque<Sent>,
    findings: Findings,
    conduct: Conduct,
}

/// One session inside the stream.
#[derive(Debug)]
struct Session {
    id: RtmsSessionId,
    state: SessionState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The start webhook is out and nobody has come yet.
    Announced,
    /// Somebody has joined.
    Joined,
    /// No more media is sent; the end follows when what was sent has had time to be read.
    Ending {
        /// When.
        until: UnixMillis,
        /// Why.
        reason: StopReason,
    },
    /// It is over.
    Ended,
}

#[derive(Debug)]
struct Connection {
    opened: UnixMillis,
    role: Role,
    /// None until the handshake succeeds.
    keep_alive: Option<KeepAlive>,
    /// Whether everything on it is lost, both ways.
    is_void: bool,
    /// Until when no keep-alive request is sent.
    mute_until: Option<UnixMillis>,
    /// When it is cut, because its server is not the stream's any more.
    cut_at: Option<UnixMillis>,
    /// When something was sent on it last.
    sent_at: UnixMillis,
}

#[derive(Debug)]
enum Role {
    SignalingNew,
    Signaling(Signaling),
    MediaNew,
    Media(Box<Media>),
}

impl Zoom {
    /// Starts the stream: the meeting's clock runs from `now`, and the first outputs are the start webhook and, before it, the
    /// validation and the probes that were asked for.
    pub fn new(config: ZoomConfig, now: UnixMillis) -> Self {
        let seed = Seed::new(config.meeting.seed);
        let meeting = Arc::new(Meeting::plan(&config.meeting));
        let ids = config.ids();
        let identity = Identity::new(config.product, &ids, now);
        let mut config = config;
        config.incidents.sort_by_key(|incident| incident.at);
        let sessions = (0..=config.temper.more_sessions).map(|number| Session::new(&ids, number, now)).collect();
        let expected = Self::expected(&config, &identity);
        let mut zoom = Self {
            studio: Studio::new(
                Arc::clone(&meeting),
                config.product,
                seed.clone(),
                now,
                config.timing.transcript_delay,
            ),
            webhooks: Webhooks::new(
                config.product,
                config.app.clone(),
                // Where nothing is posted, nobody can refuse it.
                WebhookOptions {
                    forged_starts: config.webhooks.forged_starts && config.webhooks_are_posted,
                    ..config.webhooks.clone()
                },
                config.temper.nested_webhooks,
                &ids,
                now,
            ),
            config,
            meeting,
            start: now,
            announced_at: now,
            identity,
            sessions,
            expected,
            phase: Phase::Announced,
            connections: BTreeMap::new(),
            absent: Vec::new(),
            frozen: BTreeMap::new(),
            signaling: None,
            stream_state: StreamState::Inactive,
            backlog_wanted: true,
            audio_sent_ms: None,
            selected: None,
            told: 0,
            signaling_window: None,
            media_windows: BTreeMap::new(),
            lost_unheard: false,
            server: 0,
            happened: 0,
            is_paused: false,
            resumed_at: None,
            gaps: Vec::new(),
            repeats: Vec::new(),
            stop_webhook_due: true,
            down_until: None,
            over: None,
            outputs: VecDeque::new(),
            sent: VecDeque::new(),
            findings: Findings::default(),
            conduct: Conduct::default(),
        };
        zoom.announce_start(now);
        zoom
    }

    /// Decides whether a client gets the WebSocket that it asks for. `server` counts from 0, the first of the config.
    pub fn admit(&mut self, endpoint: Endpoint, server: usize, now: UnixMillis) -> Admission {
        if server != self.server || self.is_down(now) {
            // The server that failed is gone.
            self.watch_turned_away(endpoint, now);
            return Admission::Cut;
        }
        let request = match endpoint {
            Endpoint::Signaling => Request::SignalingUpgrade,
            Endpoint::Media => Request::MediaUpgrade,
        };
        let refused = self.refused(request, now);
        if refused.is_some() {
            self.watch_turned_away(endpoint, now);
        }
        match refused {
            None => Admission::Welcome,
            Some(Answer::Http(status)) => Admission::Status(status),
            Some(Answer::Silence) => Admission::Silence,
            Some(Answer::Status(_) | Answer::StatusAndClose(_) | Answer::Close | Answer::Cut) => Admission::Cut,
        }
    }

    /// Takes what happened, and does everything whose time has come.
    pub fn handle(&mut self, input: Input, now: UnixMillis) {
        match input {
            Input::Connected { connection, endpoint } => {
                let role = match endpoint {
                    Endpoint::Signaling => Role::SignalingNew,
                    Endpoint::Media => Role::MediaNew,
                };
                self.connections.insert(connection, Connection::new(role, now));
                self.watch_connected(connection, endpoint, now);
            }
            Input::Received { connection, payload } => self.heard(connection, payload, now),
            Input::Closed { connection, ending } => self.closed(connection, ending, now),
            Input::WebhookAnswered { webhook, answer } => self.webhook_answered(webhook, &answer, now),
            Input::WebhookAnsweredLate { webhook, attempt, status } => {
                if let Some(mistake) = self.webhooks.answered_late(webhook, attempt, status, now) {
                    self.find(now, None, mistake);
                }
            }
            Input::LeftOpen { connection } => {
                if let Some(mistake) = self.conduct.left_open(connection) {
                    self.find(now, Some(connection), mistake);
                }
            }
            Input::Stop { reason } => {
                // Whoever stops it wants to go.
                self.webhooks.wait_no_longer();
                self.begin_end(reason, now);
            }
            Input::Time => {}
        }
        self.pass_time(now);
    }

    /// The next thing to do; to be asked until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next record of what was sent; belongs to the outputs that were given out so far.
    pub fn poll_sent(&mut self) -> Option<Sent> {
        self.sent.pop_front()
    }

    /// When [`Input::Time`] is due if nothing else happens; none when it is over.
    pub fn next_deadline(&self) -> Option<UnixMillis> {
        let waiting = |(id, connection): (&ConnectionId, &Connection)| match (&connection.keep_alive, &connection.role)
        {
            _ if self.frozen.contains_key(id) => None,
            (None, _) => Some(connection.opened + self.config.timing.handshake_within),
            (Some(keep_alive), Role::Media(media)) if self.phase == Phase::Joined => {
                let media = media.next_ms().map(|ms| self.start + Duration::from_millis(ms));
                media.into_iter().chain([keep_alive.next_at()]).min()
            }
            (Some(keep_alive), _) => Some(keep_alive.next_at()),
        };
        let cuts = self.connections.values().filter_map(|connection| connection.cut_at);
        let incident = self.next_incident().map(|(_, incident)| self.start + incident.at);
        let thaws = self.frozen.values().map(|frozen| frozen.until);
        let connections = self.connections.iter().filter_map(waiting).chain(cuts).chain(thaws).chain(incident);
        let webhooks = self.webhooks.next_at().into_iter().chain(self.next_missed());
        let windows = self.signaling_window.iter().chain(self.media_windows.values()).map(|(until, _)| *until);
        let meeting = (self.phase != Phase::Ended).then(|| {
            let change = self.meeting.happenings.get(self.told).map(|it| self.at(it.at_ms));
            let next = match self.phase {
                Phase::Announced => Some(self.announced_at + self.config.timing.join_within),
                Phase::Ending { until, .. } => return Some(until),
                Phase::Joined | Phase::Ended => None,
            };
            change.into_iter().chain(next).chain([self.at(self.meeting.duration_ms)]).min()
        });
        connections.chain(webhooks).chain(windows).chain(self.conduct.next_at()).chain(meeting.flatten()).min()
    }

    /// Whether the stream is over, all its connections are told to close, nothing is to happen after its end, and no webhook waits for
    /// its answer, or for its next attempt if that is wanted.
    ///
    /// Clients that come later are told that the stream is over, but nobody has to wait for them.
    pub fn is_finished(&self) -> bool {
        let is_all_said = self.frozen.is_empty() && !self.webhooks.is_waiting();
        self.phase == Phase::Ended && is_all_said && self.next_incident().is_none()
    }

    /// Since when the stream is over, and why. No more media is sent from that moment on.
    pub fn over(&self) -> Option<(UnixMillis, StopReason)> {
        self.over
    }

    /// What the client did wrong so far.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// What was posted so far, attempt by attempt.
    pub fn deliveries(&self) -> &Deliveries {
        self.webhooks.deliveries()
    }

    /// What is true in the meeting.
    pub fn meeting(&self) -> &Arc<Meeting> {
        &self.meeting
    }

    /// When the stream started: time zero of the meeting.
    pub fn start(&self) -> UnixMillis {
        self.start
    }

    /// What is streamed, as the webhook names it.
    pub fn instance(&self) -> &InstanceId {
        &self.identity.instance
    }

    /// The stream, as the webhook names it.
    pub fn stream(&self) -> &StreamId {
        &self.identity.stream
    }

    fn expected(config: &ZoomConfig, identity: &Identity) -> Expected {
        Expected::new(config.product, &config.app, &identity.instance, &identity.stream).strict(config.temper.strict)
    }

    fn at(&self, at_ms: u64) -> UnixMillis {
        self.start + Duration::from_millis(at_ms)
    }

    fn since_start(&self, now: UnixMillis) -> u64 {
        now.0.saturating_sub(self.start.0)
    }
}

impl Connection {
    fn new(role: Role, now: UnixMillis) -> Self {
        Self { opened: now, role, keep_alive: None, is_void: false, mute_until: None, cut_at: None, sent_at: now }
    }
}

impl Session {
    fn new(ids: &Seed, number: usize, now: UnixMillis) -> Self {
        // The time goes in for the same reason as with the stream's own id.
        let mut chance = ids.fork("session", now.0.wrapping_add(number as u64));
        let id = [8, 4, 4, 4, 12].map(|digits| chance.hex(digits)).join("-");
        Self { id: RtmsSessionId::new(id), state: SessionState::Inactive }
    }
}
