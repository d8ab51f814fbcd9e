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
    ids::{InstanceId, RtmsSessionId, StreamId, UserId},
    media::medium::Medium,
    message::{
        Extra, Message,
        client_ready::ClientReadyAck,
        data_handshake::DataHandShakeReq,
        event_subscription::EventSubscription,
        event_update::EventBody,
        keep_alive::KeepAliveReq,
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

use crate::{
    checks::{self, Expected, Refusal},
    config::ZoomConfig,
    findings::{Finding, Findings, Mistake},
    keep_alive::{self, KeepAlive},
    media::{self, Media, Studio},
    meeting::{Change, Meeting},
    seed::Seed,
    sent::{Sent, What},
    signaling::{self, Signaling},
    webhook::{Deliveries, Identity, News, WebhookAnswer, WebhookId, WebhookPost, Webhooks},
};

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
    /// A connection ended, not by us.
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
    /// Somebody ends the stream before the meeting's time is over.
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
    /// Closes a connection with a close frame. Nothing is said about it any more afterwards.
    Close {
        /// Which.
        connection: ConnectionId,
        /// The close code.
        code: u16,
    },
    /// Posts a webhook.
    Webhook(WebhookPost),
}

/// The close code for everything: Zoom's codes are not documented, and 1000 was seen for success and refusal alike.
const CLOSE_NORMAL: u16 = 1000;

/// Zoom, playing one stream.
#[derive(Debug)]
pub struct Zoom {
    config: ZoomConfig,
    meeting: Arc<Meeting>,
    start: UnixMillis,
    identity: Identity,
    session: RtmsSessionId,
    expected: Expected,
    studio: Studio,
    webhooks: Webhooks,

    phase: Phase,
    connections: BTreeMap<ConnectionId, Connection>,
    /// The one signaling connection whose handshake succeeded.
    signaling: Option<ConnectionId>,
    stream_state: StreamState,
    session_state: SessionState,
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
    /// Until when each lost medium may come back.
    media_windows: BTreeMap<Medium, UnixMillis>,

    outputs: VecDeque<Output>,
    sent: VecDeque<Sent>,
    findings: Findings,
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
        let identity = Identity::new(config.product, &seed, now);
        let mut chance = seed.fork("session", now.0);
        let session = [8, 4, 4, 4, 12].map(|digits| chance.hex(digits)).join("-");
        let signature = HandshakeSignature::sign(
            &config.app.client_id,
            &config.app.client_secret,
            &identity.instance,
            &identity.stream,
        );
        let expected = Expected { instance: identity.instance.clone(), stream: identity.stream.clone(), signature };
        let mut zoom = Self {
            studio: Studio::new(
                Arc::clone(&meeting),
                config.product,
                seed.clone(),
                now,
                config.timing.transcript_delay,
            ),
            webhooks: Webhooks::new(config.product, config.app.clone(), config.webhooks.clone(), &seed, now),
            config,
            meeting,
            start: now,
            identity,
            session: RtmsSessionId::new(session),
            expected,
            phase: Phase::Announced,
            connections: BTreeMap::new(),
            signaling: None,
            stream_state: StreamState::Inactive,
            session_state: SessionState::Inactive,
            backlog_wanted: true,
            audio_sent_ms: None,
            selected: None,
            told: 0,
            signaling_window: None,
            media_windows: BTreeMap::new(),
            outputs: VecDeque::new(),
            sent: VecDeque::new(),
            findings: Findings::default(),
        };
        let signaling_url = zoom.config.signaling_url.clone();
        zoom.announce(News::Started { signaling_url: &signaling_url }, now);
        zoom
    }

    /// Takes what happened, and does everything whose time has come.
    pub fn handle(&mut self, input: Input, now: UnixMillis) {
        match input {
            Input::Connected { connection, endpoint } => {
                let role = match endpoint {
                    Endpoint::Signaling => Role::SignalingNew,
                    Endpoint::Media => Role::MediaNew,
                };
                self.connections.insert(connection, Connection { opened: now, role, keep_alive: None });
            }
            Input::Received { connection, payload } => self.received(connection, &payload, now),
            Input::Closed { connection, ending } => self.closed(connection, ending, now),
            Input::WebhookAnswered { webhook, answer } => self.webhook_answered(webhook, &answer, now),
            Input::WebhookAnsweredLate { webhook, attempt, status } => {
                if let Some(mistake) = self.webhooks.answered_late(webhook, attempt, status, now) {
                    self.find(now, None, mistake);
                }
            }
            Input::Stop { reason } => self.end(reason, now),
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
        let waiting = |connection: &Connection| match (&connection.keep_alive, &connection.role) {
            (None, _) => Some(connection.opened + self.config.timing.handshake_within),
            (Some(keep_alive), Role::Media(media)) if self.phase == Phase::Joined => {
                let media = media.next_ms().map(|ms| self.start + Duration::from_millis(ms));
                media.into_iter().chain([keep_alive.next_at()]).min()
            }
            (Some(keep_alive), _) => Some(keep_alive.next_at()),
        };
        let connections = self.connections.values().filter_map(waiting);
        let webhooks = self.webhooks.next_at();
        let windows = self.signaling_window.iter().map(|(until, _)| *until).chain(self.media_windows.values().copied());
        let meeting = (self.phase != Phase::Ended).then(|| {
            let change = self.meeting.happenings.get(self.told).map(|it| self.at(it.at_ms));
            let next = match self.phase {
                Phase::Announced => Some(self.start + self.config.timing.join_within),
                Phase::Ending { until, .. } => return Some(until),
                Phase::Joined | Phase::Ended => None,
            };
            change.into_iter().chain(next).chain([self.at(self.meeting.duration_ms)]).min()
        });
        connections.chain(webhooks).chain(windows).chain(meeting.flatten()).min()
    }

    /// Whether the stream is over, all its connections are told to close, and no webhook waits for its answer, or for its next
    /// attempt if that is wanted.
    ///
    /// Clients that come later are told that the stream is over, but nobody has to wait for them.
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Ended && !self.webhooks.is_waiting()
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

    fn at(&self, at_ms: u64) -> UnixMillis {
        self.start + Duration::from_millis(at_ms)
    }

    fn since_start(&self, now: UnixMillis) -> u64 {
        now.0.saturating_sub(self.start.0)
    }

    // What clients say.

    fn received(&mut self, connection: ConnectionId, payload: &[u8], now: UnixMillis) {
        let Some(known) = self.connections.get(&connection) else { return };
        let message = match Message::decode(payload) {
            Ok(message) => message,
            Err(error) => return self.undecodable(connection, payload, &error, now),
        };
        let msg_type = message.msg_type();
        tracing::trace!(connection = connection.0, %msg_type, "received");
        match (message, &known.role) {
            (Message::SignalingHandShakeReq(request), Role::SignalingNew) => {
                self.signaling_handshake(connection, &request, now)
            }
            (Message::DataHandShakeReq(request), Role::MediaNew) => self.data_handshake(connection, &request, now),
            (Message::KeepAliveResp(answer), Role::Signaling(_) | Role::Media(_)) => {
                let keep_alive = self.connections.get_mut(&connection).and_then(|it| it.keep_alive.as_mut());
                if !keep_alive.is_some_and(|keep_alive| keep_alive.answered(&answer)) {
                    self.find(now, Some(connection), Mistake::KeepAliveMismatch);
                }
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
                self.find(now, Some(connection), Mistake::OutOfPlace { msg_type, why: "before the handshake" });
            }
            (_, Role::Signaling(_)) => {
                self.find(now, Some(connection), Mistake::OutOfPlace { msg_type, why: "on a signaling connection" });
            }
            (_, Role::Media(_)) => {
                self.find(now, Some(connection), Mistake::OutOfPlace { msg_type, why: "on a media connection" });
            }
        }
    }

    /// A malformed handshake is refused with its status; anything else that cannot be read is noted and ignored.
    fn undecodable(&mut self, connection: ConnectionId, payload: &[u8], error: &DecodeError, now: UnixMillis) {
        let is_new_signaling = matches!(self.connections.get(&connection).map(|it| &it.role), Some(Role::SignalingNew));
        let is_new_media = matches!(self.connections.get(&connection).map(|it| &it.role), Some(Role::MediaNew));
        match error {
            DecodeError::BadField { msg_type: Some(MessageType::SignalingHandShakeReq), .. } if is_new_signaling => {
                self.refuse_signaling(connection, &checks::malformed(payload, error), now);
            }
            DecodeError::BadField { msg_type: Some(MessageType::DataHandShakeReq), .. } if is_new_media => {
                self.refuse_data(connection, &checks::malformed(payload, error), now);
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

    fn signaling_handshake(&mut self, connection: ConnectionId, request: &SignalingHandShakeReq, now: UnixMillis) {
        let checked = if self.is_over() {
            Err(Refusal::new(StatusCode::InvalidRtmsStreamId, "the stream is over"))
        } else {
            self.expected.check_signaling(request)
        };
        let checked = checked.and_then(|()| match self.signaling {
            // Whether Zoom refuses the new one or kicks the old one is told both ways; this is the documented status.
            Some(_) => Err(Refusal::new(StatusCode::DuplicateSignalRequest, "Duplicate signal request")),
            None => Ok(()),
        });
        if let Err(refusal) = checked {
            return self.refuse_signaling(connection, &refusal, now);
        }

        if self.phase == Phase::Announced {
            // Later interruptions are always bridged, whatever a reconnecting client says.
            self.backlog_wanted = request.buffer_data.unwrap_or(true);
        }
        self.phase = Phase::Joined;
        self.signaling = Some(connection);
        self.signaling_window = None;
        self.greet(connection, Role::Signaling(Signaling::default()), now);
        let welcome = signaling::welcome(self.config.granted, &self.config.media_url);
        self.send(connection, &welcome, What::SignalingHandshake { status: StatusCode::Ok }, now);
        self.send_event(connection, signaling::first_packet(self.start), now);
    }

    fn data_handshake(&mut self, connection: ConnectionId, request: &DataHandShakeReq, now: UnixMillis) {
        let carried: Vec<_> =
            self.media().map(|(_, media)| if media.asked.is_all() { media.asked } else { media.carries }).collect();
        let checked = if self.signaling.is_none() {
            Err(Refusal::new(StatusCode::InvalidRtmsStreamId, "the stream has no signaling connection"))
        } else {
            self.expected.check_data(request, self.config.granted, &carried)
        };
        match checked {
            Err(refusal) => self.refuse_data(connection, &refusal, now),
            Ok((carries, params)) => {
                let media = Media::new(request.media_type, carries, params.clone());
                self.greet(connection, Role::Media(Box::new(media)), now);
                let what = What::DataHandshake { status: StatusCode::Ok, media_params: Some(params.clone()) };
                self.send(connection, &media::welcome(params), what, now);
            }
        }
    }

    fn greet(&mut self, connection: ConnectionId, role: Role, now: UnixMillis) {
        let timing = &self.config.timing;
        if let Some(known) = self.connections.get_mut(&connection) {
            known.role = role;
            known.keep_alive = Some(KeepAlive::new(timing.keep_alive, timing.keep_alive_misses, now));
        }
    }

    /// The connection stays open: whether Zoom closes it is not documented. It may try again until the handshake is overdue, unless
    /// there is nothing left to join.
    fn refuse_signaling(&mut self, connection: ConnectionId, refusal: &Refusal, now: UnixMillis) {
        let what = What::SignalingHandshake { status: refusal.status };
        self.send(connection, &signaling::refusal(refusal.status, &refusal.reason), what, now);
        self.find_refused(connection, MessageType::SignalingHandShakeReq, refusal.status, &refusal.reason, now);
        if self.is_over() {
            self.close(connection);
        }
    }

    fn refuse_data(&mut self, connection: ConnectionId, refusal: &Refusal, now: UnixMillis) {
        let what = What::DataHandshake { status: refusal.status, media_params: None };
        self.send(connection, &media::refusal(refusal.status, &refusal.reason), what, now);
        self.find_refused(connection, MessageType::DataHandShakeReq, refusal.status, &refusal.reason, now);
        if self.is_over() {
            self.close(connection);
        }
    }

    fn subscribe(&mut self, connection: ConnectionId, request: &EventSubscription, now: UnixMillis) {
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

    fn client_ready(&mut self, connection: ConnectionId, ready: &ClientReadyAck, now: UnixMillis) {
        if ready.rtms_stream_id != self.identity.stream {
            let why = "it names another stream";
            return self.find(now, Some(connection), Mistake::ReadyTooEarlyOrWrong { why });
        }
        if self.media().next().is_none() {
            let why = "no data handshake has succeeded";
            return self.find(now, Some(connection), Mistake::ReadyTooEarlyOrWrong { why });
        }
        match self.session_state {
            SessionState::Inactive => {
                self.session_state_is(SessionState::Initialize, None, now);
                self.session_state_is(SessionState::Started, None, now);
                self.stream_state_is(StreamState::Active, None, now);
            }
            SessionState::Initialize
            | SessionState::Started
            | SessionState::Paused
            | SessionState::Resumed
            | SessionState::Stopped
            | SessionState::Unknown(_) => {}
        }

        let now_ms = self.since_start(now);
        let audio_from_ms = self.audio_from_ms(now_ms);
        let mut back = BTreeSet::new();
        for known in self.connections.values_mut() {
            if let Role::Media(media) = &mut known.role
                && !media.is_ready()
            {
                media.start(&self.studio, now_ms, audio_from_ms);
                back.extend(media.carries.iter());
            }
        }
        self.media_windows.retain(|medium, _| !back.contains(medium));
        if self.stream_state == StreamState::Interrupted && self.media_windows.is_empty() {
            self.stream_state_is(StreamState::Active, None, now);
        }
    }

    /// From where sound is sent on a media connection that becomes ready now.
    fn audio_from_ms(&self, now_ms: u64) -> u64 {
        let backlog_ms = u64::try_from(self.config.timing.backlog.as_millis()).unwrap_or(u64::MAX);
        let oldest_ms = now_ms.saturating_sub(backlog_ms);
        match self.audio_sent_ms {
            // Sound of an interruption is always kept. Basis: documented.
            Some(sent_ms) => sent_ms.max(oldest_ms),
            None if self.backlog_wanted => oldest_ms,
            None => now_ms,
        }
    }

    fn session_state_asked(&mut self, connection: ConnectionId, request: SessionStateReq, now: UnixMillis) {
        if request.rtms_session_id != self.session {
            return self.find(now, Some(connection), Mistake::UnknownStateAskedFor);
        }
        let answer = Message::SessionStateResp(SessionStateResp {
            rtms_session_id: request.rtms_session_id,
            state: self.session_state,
            timestamp: Some(now),
            extra: Extra::new(),
        });
        self.answer(connection, &answer, now);
    }

    fn stream_state_asked(&mut self, connection: ConnectionId, request: StreamStateReq, now: UnixMillis) {
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

    fn close_asked(&mut self, connection: ConnectionId, request: &StreamCloseReq, now: UnixMillis) {
        let known = request.rtms_stream_id == self.identity.stream;
        let (status_code, reason) =
            if known { (StatusCode::Ok, "OK") } else { (StatusCode::InvalidRtmsStreamId, "unknown rtms_stream_id") };
        let answer = Message::StreamCloseResp(StreamCloseResp {
            rtms_stream_id: request.rtms_stream_id.clone(),
            status_code,
            reason: Some(Reason::from(reason)),
            timestamp: Some(now),
            extra: Extra::new(),
        });
        self.answer(connection, &answer, now);
        if known {
            self.begin_end(StopReason::ReceiverRequestClose, now);
        } else {
            self.find_refused(connection, MessageType::StreamCloseReq, status_code, reason, now);
        }
    }

    fn choose_video(&mut self, connection: ConnectionId, request: VideoSubscriptionReq, now: UnixMillis) {
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
        } else {
            self.find_refused(connection, MessageType::VideoSubscriptionReq, status_code, reason, now);
        }
        let answer = Message::VideoSubscriptionResp(VideoSubscriptionResp {
            user_id: request.user_id,
            status_code,
            reason: Some(Reason::from(reason)),
            timestamp: Some(now),
            extra: Extra::new(),
        });
        self.answer(connection, &answer, now);
    }

    fn closed(&mut self, connection: ConnectionId, ending: Ending, now: UnixMillis) {
        let Some(known) = self.connections.remove(&connection) else { return };
        match ending {
            Ending::CloseFrame => {}
            Ending::Cut => self.find(now, Some(connection), Mistake::AbruptClose),
            Ending::TooSlow { waiting_bytes } => {
                self.find(now, Some(connection), Mistake::ReadTooSlowly { waiting_bytes })
            }
        }
        match known.role {
            Role::SignalingNew | Role::MediaNew => {}
            Role::Signaling(_) => self.signaling_lost(StopReason::AwaitReconnectionTimeout, now),
            Role::Media(media) => self.media_lost(&media, now),
        }
    }

    fn webhook_answered(&mut self, webhook: WebhookId, answer: &WebhookAnswer, now: UnixMillis) {
        for mistake in self.webhooks.answered(webhook, answer, now) {
            self.find(now, None, mistake);
        }
    }

    // What time brings.

    fn pass_time(&mut self, now: UnixMillis) {
        self.pass_webhooks(now);
        if self.phase == Phase::Announced && now >= self.start + self.config.timing.join_within {
            // The stream is gone. No document says which reason its webhook carries; this is the one that fits.
            self.find(now, None, Mistake::NeverJoined);
            self.end(StopReason::ConnectionTimeout, now);
        }
        self.pass_windows(now);
        self.pass_meeting(now);
        self.pass_handshakes(now);
        self.pass_media(now);
        self.pass_keep_alives(now);
        match self.phase {
            Phase::Announced | Phase::Joined if self.since_start(now) >= self.meeting.duration_ms => {
                self.tell_everybody_leaves(now);
                self.begin_end(StopReason::MeetingEnded, now);
            }
            Phase::Ending { until, reason } if until <= now => self.end(reason, now),
            Phase::Announced | Phase::Joined | Phase::Ending { .. } | Phase::Ended => {}
        }
    }

    fn pass_webhooks(&mut self, now: UnixMillis) {
        while let Some(mistake) = self.webhooks.never_answered(now) {
            self.find(now, None, mistake);
        }
        while let Some(post) = self.webhooks.due(now) {
            self.post(post, now);
        }
    }

    fn pass_windows(&mut self, now: UnixMillis) {
        if let Some((until, reason)) = self.signaling_window
            && now >= until
        {
            self.find(now, None, Mistake::WindowMissed { medium: None });
            self.end(reason, now);
        }
        let missed = self.media_windows.iter().find(|(_, until)| now >= **until).map(|(medium, _)| *medium);
        if let Some(medium) = missed {
            self.find(now, None, Mistake::WindowMissed { medium: Some(medium) });
            self.end(StopReason::AwaitReconnectionTimeout, now);
        }
    }

    fn pass_meeting(&mut self, now: UnixMillis) {
        let meeting = Arc::clone(&self.meeting);
        let now_ms = self.since_start(now).min(meeting.duration_ms);
        while let Some(happening) = meeting.happenings.get(self.told).filter(|it| it.at_ms <= now_ms) {
            self.told += 1;
            match happening.what {
                // Who goes or switches off is nobody's choice any more. Basis: documented.
                Change::Leave(index) | Change::CameraOff(index) => {
                    self.selected = self.selected.filter(|it| *it != index)
                }
                Change::Join(_)
                | Change::CameraOn(_)
                | Change::ActiveSpeaker(_)
                | Change::SharingStart(_)
                | Change::SharingStop(_)
                | Change::ChatGroup(_)
                | Change::Call(_) => {}
            }
            let at = self.at(happening.at_ms);
            if let Some(event) = signaling::change(self.config.product, &meeting, happening.what, at) {
                self.send_event_if_wanted(event, now);
            }
        }
    }

    fn pass_handshakes(&mut self, now: UnixMillis) {
        let within = self.config.timing.handshake_within;
        let late: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, known)| known.keep_alive.is_none() && now >= known.opened + within)
            .map(|(connection, _)| *connection)
            .collect();
        for connection in late {
            self.find(now, Some(connection), Mistake::HandshakeTooLate);
            self.close(connection);
        }
    }

    fn pass_media(&mut self, now: UnixMillis) {
        if self.phase != Phase::Joined {
            return;
        }
        let now_ms = self.since_start(now).min(self.meeting.duration_ms);
        let mut due = Vec::new();
        for (connection, known) in &mut self.connections {
            if let Role::Media(media) = &mut known.role {
                due.extend(media.due(&mut self.studio, now_ms, self.selected).into_iter().map(|it| (*connection, it)));
                self.audio_sent_ms = self.audio_sent_ms.max(media.audio_sent_ms());
            }
        }
        for (connection, (message, what)) in due {
            self.send(connection, &message, what, now);
        }
    }

    fn pass_keep_alives(&mut self, now: UnixMillis) {
        let connections: Vec<_> = self.connections.keys().copied().collect();
        for connection in connections {
            let keep_alive = self.connections.get_mut(&connection).and_then(|known| known.keep_alive.as_mut());
            match keep_alive.and_then(|keep_alive| keep_alive.tick(now)) {
                None => {}
                Some(keep_alive::Due::Ask(sequence)) => {
                    let request = Message::KeepAliveReq(KeepAliveReq {
                        timestamp: Some(now.0.into()),
                        sequence: Some(sequence.into()),
                        extra: Extra::new(),
                    });
                    self.send(connection, &request, What::KeepAlive { sequence, timestamp: now }, now);
                }
                Some(keep_alive::Due::GiveUp(missed)) => {
                    self.find(now, Some(connection), Mistake::KeepAliveMissed { missed });
                    match self.close(connection) {
                        Some(Role::Signaling(_)) => self.signaling_lost(StopReason::KeepAliveTimeout, now),
                        Some(Role::Media(media)) => self.media_lost(&media, now),
                        Some(Role::SignalingNew | Role::MediaNew) | None => {}
                    }
                }
            }
        }
    }

    // How things end.

    /// Both kinds of connection are interrupted; signaling has a window to come back. `reason` is why the stream ends if it does not.
    fn signaling_lost(&mut self, reason: StopReason, now: UnixMillis) {
        if self.is_over() {
            return;
        }
        self.signaling = None;
        self.stream_state = StreamState::Interrupted;
        self.signaling_window = Some((now + self.config.timing.signaling_window, reason));
        let media: Vec<_> = self.media().map(|(connection, media)| (connection, media.carries)).collect();
        for (connection, carries) in media {
            self.close(connection);
            for medium in carries.iter() {
                self.media_windows.insert(medium, now + self.config.timing.media_window);
            }
        }
        self.announce(News::Interrupted, now);
    }

    /// Only these media are interrupted; signaling tells so.
    fn media_lost(&mut self, media: &Media, now: UnixMillis) {
        if self.is_over() {
            return;
        }
        for medium in media.carries.iter() {
            self.media_windows.insert(medium, now + self.config.timing.media_window);
        }
        if let Some(connection) = self.signaling {
            self.send_event(connection, signaling::media_interrupted(now), now);
        }
        self.stream_state_is(StreamState::Interrupted, Some(StopReason::DataConnectionInterrupted), now);
    }

    /// People who are still there leave when the meeting ends. Basis: documented.
    fn tell_everybody_leaves(&mut self, now: UnixMillis) {
        let meeting = Arc::clone(&self.meeting);
        let last_moment = meeting.duration_ms.saturating_sub(1);
        for (index, _) in meeting.participants.iter().enumerate().filter(|(_, who)| who.is_present(last_moment)) {
            if let Some(event) = signaling::change(self.config.product, &meeting, Change::Leave(index), now) {
                self.send_event_if_wanted(event, now);
            }
        }
    }

    /// Stops sending media and says that the end is near. The end itself travels on signaling: told at once, it would
    /// overtake the last media, and Zoom's SDK reads nothing any more once it knows.
    fn begin_end(&mut self, reason: StopReason, now: UnixMillis) {
        match self.phase {
            Phase::Announced => self.end(reason, now),
            Phase::Joined => {
                self.phase = Phase::Ending { until: now + self.config.timing.farewell, reason };
                self.stream_state_is(StreamState::Terminating, Some(reason), now);
            }
            Phase::Ending { .. } | Phase::Ended => {}
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ending { .. } | Phase::Ended)
    }

    /// The stream ends from Zoom's side.
    fn end(&mut self, reason: StopReason, now: UnixMillis) {
        if self.phase == Phase::Ended {
            return;
        }
        // Basis for the order: documented for a close that the client asked for, inferred for the rest.
        let stream_first = reason == StopReason::ReceiverRequestClose;
        if stream_first {
            self.stream_state_is(StreamState::Terminated, Some(reason), now);
        }
        if self.session_state != SessionState::Inactive {
            self.session_state_is(SessionState::Stopped, Some(reason), now);
        }
        if !stream_first {
            self.stream_state_is(StreamState::Terminated, Some(reason), now);
        }
        self.finish(reason, now);
    }

    fn finish(&mut self, reason: StopReason, now: UnixMillis) {
        self.phase = Phase::Ended;
        self.signaling = None;
        self.signaling_window = None;
        self.media_windows.clear();
        let connections: Vec<_> = self.connections.keys().copied().collect();
        for connection in connections {
            self.close(connection);
        }
        self.webhooks.finish();
        self.announce(News::Stopped { reason }, now);
    }

    // How things are said.

    fn media(&self) -> impl Iterator<Item = (ConnectionId, &Media)> {
        self.connections.iter().filter_map(|(connection, known)| match &known.role {
            Role::Media(media) => Some((*connection, media.as_ref())),
            Role::SignalingNew | Role::Signaling(_) | Role::MediaNew => None,
        })
    }

    fn session_state_is(&mut self, state: SessionState, stop_reason: Option<StopReason>, now: UnixMillis) {
        self.session_state = state;
        if let Some(connection) = self.signaling {
            let update = Message::SessionStateUpdate(SessionStateUpdate {
                state,
                stop_reason,
                timestamp: Some(now),
                rtms_session_id: Some(self.session.clone()),
                extra: Extra::new(),
            });
            self.send(connection, &update, What::SessionState { state, stop_reason }, now);
        }
    }

    fn stream_state_is(&mut self, state: StreamState, reason: Option<StopReason>, now: UnixMillis) {
        self.stream_state = state;
        if let Some(connection) = self.signaling {
            let update = Message::StreamStateUpdate(StreamStateUpdate {
                state,
                reason,
                timestamp: Some(now),
                extra: Extra::new(),
            });
            self.send(connection, &update, What::StreamState { state, reason }, now);
        }
    }

    fn send_event_if_wanted(&mut self, event: EventBody, now: UnixMillis) {
        let Some(connection) = self.signaling else { return };
        let Some(Connection { role: Role::Signaling(signaling), .. }) = self.connections.get(&connection) else {
            return;
        };
        if signaling.wants(event.event_type) {
            self.send_event(connection, event, now);
        }
    }

    fn send_event(&mut self, connection: ConnectionId, event: EventBody, now: UnixMillis) {
        let user_ids: Vec<UserId> = event.people().into_iter().map(|who| who.user_id).collect();
        let what = What::Event { event_type: event.event_type, timestamp: event.time().unwrap_or(now), user_ids };
        self.send(connection, &signaling::event_update(event), what, now);
    }

    fn answer(&mut self, connection: ConnectionId, message: &Message, now: UnixMillis) {
        self.send(connection, message, What::Answer { msg_type: message.msg_type().code() }, now);
    }

    fn send(&mut self, connection: ConnectionId, message: &Message, what: What, now: UnixMillis) {
        let Some(known) = self.connections.get(&connection) else { return };
        let medium = match &known.role {
            Role::SignalingNew | Role::Signaling(_) => "signaling".to_owned(),
            Role::MediaNew => "media".to_owned(),
            Role::Media(media) if media.asked.is_all() => "all".to_owned(),
            Role::Media(media) => media.carries.iter().map(Medium::as_str).collect::<Vec<_>>().join("+"),
        };
        self.outputs.push_back(Output::Send { connection, text: message.encode() });
        self.sent.push_back(Sent { at: now, connection: Some(connection), medium, what });
    }

    fn close(&mut self, connection: ConnectionId) -> Option<Role> {
        let known = self.connections.remove(&connection)?;
        self.outputs.push_back(Output::Close { connection, code: CLOSE_NORMAL });
        Some(known.role)
    }

    fn announce(&mut self, news: News<'_>, now: UnixMillis) {
        self.webhooks.announce(news, &self.identity, now);
        self.pass_webhooks(now);
    }

    fn post(&mut self, post: WebhookPost, now: UnixMillis) {
        let what = What::Webhook { event: post.event.clone(), attempt: post.attempt };
        self.sent.push_back(Sent { at: now, connection: None, medium: "webhook".to_owned(), what });
        self.outputs.push_back(Output::Webhook(post));
    }

    fn find(&mut self, at: UnixMillis, connection: Option<ConnectionId>, mistake: Mistake) {
        self.findings.push(Finding { at, connection, mistake });
    }

    fn find_refused(
        &mut self,
        connection: ConnectionId,
        request: MessageType,
        status: StatusCode,
        reason: &str,
        now: UnixMillis,
    ) {
        self.find(now, Some(connection), Mistake::Refused { request, status, reason: reason.to_owned() });
    }
}
