//! Zoom as one machine: what it holds, and how inputs, outputs and deadlines go through it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use rtms_wire::{
    codes::{state::StreamState, stop_reason::StopReason},
    ids::{InstanceId, StreamId},
    media::medium::Medium,
    time::UnixMillis,
};

use crate::{
    checks::expected::Expected,
    config::{WebhookOptions, ZoomConfig},
    connection::{ConnectionId, Endpoint},
    fault::{Answer, Request},
    findings::finding::Findings,
    judge::conduct::Conduct,
    media::studio::Studio,
    meeting::story::Meeting,
    seed::Seed,
    sent::Sent,
    webhook::{delivery::Deliveries, identity::Identity, webhooks::Webhooks},
    zoom::{
        input::Input,
        live::{Absent, Connection, Frozen, Role},
        output::{Admission, Output},
        phase::Phase,
        session::Session,
    },
};

/// Zoom, playing one stream.
#[derive(Debug)]
pub struct Zoom {
    pub(super) config: ZoomConfig,
    pub(super) meeting: Arc<Meeting>,
    pub(super) start: UnixMillis,
    /// When the first start webhook of the stream was posted: with the meeting's start, unless the stream is not its first.
    pub(super) announced_at: UnixMillis,
    pub(super) identity: Identity,
    /// What is streamed of, in the order of their start; the first starts with the stream.
    pub(super) sessions: Vec<Session>,
    pub(super) expected: Expected,
    pub(super) studio: Studio,
    pub(super) webhooks: Webhooks,

    pub(super) phase: Phase,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    /// Media connections that the client ended itself, as far as it is not back.
    pub(super) absent: Vec<Absent>,
    /// Those whose server hangs.
    pub(super) frozen: BTreeMap<ConnectionId, Frozen>,
    /// The one signaling connection whose handshake succeeded.
    pub(super) signaling: Option<ConnectionId>,
    pub(super) stream_state: StreamState,
    /// Whether the client wants the sound from before it came.
    pub(super) backlog_wanted: bool,
    /// Sound up to here was sent, or given up.
    pub(super) audio_sent_ms: Option<u64>,
    /// Whose camera was chosen.
    pub(super) selected: Option<usize>,
    /// Changes in the meeting before this one were told.
    pub(super) told: usize,
    /// Until when signaling may come back, and why the stream ends if it does not.
    pub(super) signaling_window: Option<(UnixMillis, StopReason)>,
    /// Until when each lost medium may come back, and why the stream ends if it does not.
    pub(super) media_windows: BTreeMap<Medium, (UnixMillis, StopReason)>,
    /// Whether the network lost the goodbye of what was given up last, so that the client may not know.
    pub(super) lost_unheard: bool,

    /// Which of the servers is the stream's now, and until when the connections to the one before live on.
    pub(super) server: usize,
    /// Incidents before this one have happened.
    pub(super) happened: usize,
    /// Whether the stream is paused, and until when it was the last time.
    pub(super) is_paused: bool,
    pub(super) resumed_at: Option<UnixMillis>,
    /// Media that is lost, or sent twice, and until when.
    pub(super) gaps: Vec<(Medium, UnixMillis)>,
    pub(super) repeats: Vec<(Medium, UnixMillis)>,
    /// Whether the end is told by a webhook; false once it was, or if it never is.
    pub(super) stop_webhook_due: bool,
    /// Until when no server takes connections.
    pub(super) down_until: Option<UnixMillis>,
    /// Since when no more media is sent, and why.
    pub(super) over: Option<(UnixMillis, StopReason)>,

    pub(super) outputs: VecDeque<Output>,
    pub(super) sent: VecDeque<Sent>,
    pub(super) findings: Findings,
    pub(super) conduct: Conduct,
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

    pub(super) fn expected(config: &ZoomConfig, identity: &Identity) -> Expected {
        Expected::new(config.product, &config.app, &identity.instance, &identity.stream).strict(config.temper.strict)
    }

    pub(super) fn at(&self, at_ms: u64) -> UnixMillis {
        self.start + Duration::from_millis(at_ms)
    }

    pub(super) fn since_start(&self, now: UnixMillis) -> u64 {
        now.0.saturating_sub(self.start.0)
    }
}
