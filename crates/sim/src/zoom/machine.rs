//! Zoom as one machine: what it holds, and how inputs, outputs and deadlines go through it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use rtms_wire::{
    codes::stop_reason::StopReason,
    ids::{InstanceId, StreamId},
    time::UnixMillis,
};

use crate::{
    checks::expected::Expected,
    config::ZoomConfig,
    connection::{ConnectionId, Endpoint},
    fault::{Answer, Request},
    findings::finding::Findings,
    media::studio::Studio,
    meeting::story::Meeting,
    seed::Seed,
    sent::Sent,
    webhook::{delivery::Deliveries, identity::Identity},
    zoom::{
        connections::Connections,
        faults::Faults,
        input::Input,
        notes::Notes,
        output::{Admission, Output},
        phase::Phase,
        stream_media::StreamMedia,
        stream_signaling::StreamSignaling,
        stream_webhooks::StreamWebhooks,
    },
};

/// Zoom, playing one stream.
#[derive(Debug)]
pub struct Zoom {
    pub(super) config: ZoomConfig,
    pub(super) meeting: Arc<Meeting>,
    pub(super) start: UnixMillis,
    /// The ids of the stream.
    pub(super) identity: Identity,
    /// What a rightful client of the stream knows.
    pub(super) expected: Expected,
    /// How far the stream is.
    pub(super) phase: Phase,
    /// Since when no more media is sent, and why.
    pub(super) over: Option<(UnixMillis, StopReason)>,
    /// The number of streams that the meeting has had, the present one among them.
    pub(super) streams: u64,
    /// Whether the meeting itself is over, and no stream can start any more.
    pub(super) is_meeting_over: bool,

    pub(super) connections: Connections,
    pub(super) signaling: StreamSignaling,
    pub(super) media: StreamMedia,
    pub(super) webhooks: StreamWebhooks,
    pub(super) faults: Faults,
    pub(super) notes: Notes,
    pub(super) outputs: VecDeque<Output>,
}

impl Zoom {
    /// Starts the meeting: its clock runs from `now`. The first outputs are the validation and the probes that were
    /// asked for, and then the start webhook, unless the config has the meeting begin without a stream.
    pub fn new(config: ZoomConfig, now: UnixMillis) -> Self {
        let meeting = Arc::new(Meeting::plan(&config.meeting));
        let ids = config.ids();
        let identity = Identity::new(config.product, &ids, now);
        let studio = Studio::new(
            Arc::clone(&meeting),
            config.product,
            Seed::new(config.meeting.seed),
            now,
            config.timing.transcript_delay,
        );
        let mut zoom = Self {
            meeting,
            start: now,
            expected: Self::expected(&config, &identity),
            identity,
            phase: Phase::Ended,
            over: None,
            streams: 0,
            is_meeting_over: false,
            connections: Connections::default(),
            signaling: StreamSignaling::new(&ids, config.temper.more_sessions + 1, now),
            media: StreamMedia::new(studio, config.timing.backlog),
            webhooks: StreamWebhooks::new(&config, &ids, now),
            faults: Faults::new(&config, now),
            notes: Notes::default(),
            outputs: VecDeque::new(),
            config,
        };
        if zoom.config.starts_with_stream {
            zoom.start_stream(now);
        } else {
            zoom.pass_webhooks(now);
        }
        zoom
    }

    /// Decides whether a client gets the WebSocket that it asks for. `server` counts from 0, the first of the config.
    pub fn admit(&mut self, endpoint: Endpoint, server: usize, now: UnixMillis) -> Admission {
        if !self.faults.is_up(server, now) {
            // The server that failed is gone.
            self.notes.turned_away(endpoint, now);
            return Admission::Cut;
        }
        let request = match endpoint {
            Endpoint::Signaling => Request::SignalingUpgrade,
            Endpoint::Media => Request::MediaUpgrade,
        };
        let refused = self.faults.refuse(request, now);
        if refused.is_some() {
            self.notes.turned_away(endpoint, now);
        }
        match refused {
            None => Admission::Welcome,
            Some(Answer::Http(status)) => Admission::Status(status),
            Some(Answer::Silence) => Admission::Silence,
            Some(Answer::Status(_) | Answer::StatusAndClose(_) | Answer::Close | Answer::Cut) => Admission::Cut,
        }
    }

    /// Takes an input, and does everything that is due.
    pub fn handle(&mut self, input: Input, now: UnixMillis) {
        match input {
            Input::Connected { connection, endpoint } => {
                self.connections.add(connection, endpoint, now);
                self.notes.connected(connection, endpoint, now);
            }
            Input::Received { connection, payload } => self.message_arrived(connection, payload, now),
            Input::Closed { connection, ending } => self.closed(connection, ending, now),
            Input::WebhookAnswered { webhook, answer } => self.webhook_answered(webhook, &answer, now),
            Input::WebhookAnsweredLate { webhook, attempt, status } => {
                if let Some(mistake) = self.webhooks.posts.answered_late(webhook, attempt, status, now) {
                    self.notes.find(now, None, mistake);
                }
            }
            Input::LeftOpen { connection } => {
                if let Some(mistake) = self.notes.client.left_open(connection) {
                    self.notes.find(now, Some(connection), mistake);
                }
            }
            Input::Stop { reason } => {
                // Whoever stops it wants to go.
                self.webhooks.posts.wait_no_longer();
                self.begin_end(reason, now);
            }
            Input::Time => {}
        }
        self.pass_time(now);
    }

    /// Returns the next output; to be asked until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns the next record of what was sent. It belongs to the outputs that were returned so far.
    pub fn poll_sent(&mut self) -> Option<Sent> {
        self.notes.poll_sent()
    }

    /// Returns when [`Input::Time`] is due if nothing else happens; none when the stream is over, and no other one can
    /// start.
    pub fn next_deadline(&self) -> Option<UnixMillis> {
        let media_from = (self.phase == Phase::Joined).then_some(self.start);
        let connections = self.connections.next_at(self.config.timing.handshake_within, media_from);
        let incident = self.faults.next_at(self.phase);
        let missed = self.media.next_missed_at().filter(|_| self.phase == Phase::Joined);
        let webhooks = self.webhooks.posts.next_at();
        let signaling_window = self.signaling.window().map(|(until, _)| until);
        let media_window = self.media.windows().map(|(_, until, _)| until).min();
        let change = self.signaling.next_change_ms(&self.meeting).map(|ms| self.at(ms));
        let end = self.at(self.meeting.duration_ms);
        let meeting = match self.phase {
            Phase::Announced => {
                let given_up = self.webhooks.announced_at() + self.config.timing.join_within;
                change.into_iter().chain([given_up, end]).min()
            }
            Phase::Joined => change.into_iter().chain([end]).min(),
            Phase::Ending { until, .. } => Some(until),
            Phase::Ended => (!self.is_over_for_good()).then_some(end),
        };
        let watch = self.notes.client.next_at();
        let all = [connections, incident, missed, webhooks, signaling_window, media_window, watch, meeting];
        all.into_iter().flatten().min()
    }

    /// Whether the stream is over, all its connections are told to close, nothing is to happen after its end, and no
    /// webhook waits for its answer, or for its next attempt if that is wanted. No other stream can start.
    ///
    /// Clients that come later are told that the stream is over, but nobody has to wait for them.
    pub fn is_finished(&self) -> bool {
        self.is_over_for_good() && self.is_stream_finished()
    }

    /// Whether the same holds of the present stream, while another one of the meeting may still start.
    pub fn is_stream_finished(&self) -> bool {
        let is_all_said = !self.connections.is_any_frozen() && !self.webhooks.posts.is_waiting();
        self.phase == Phase::Ended && is_all_said && self.faults.next_at(self.phase).is_none()
    }

    /// Whether no stream can start any more once the present one has ended.
    fn is_over_for_good(&self) -> bool {
        self.is_meeting_over || !self.config.outlives_streams
    }

    /// Whether the meeting itself is over, so that no stream of it can start any more.
    pub fn is_meeting_over(&self) -> bool {
        self.is_meeting_over
    }

    /// Returns the number of streams that the meeting has had so far, the present one among them.
    pub fn streams(&self) -> u64 {
        self.streams
    }

    /// Returns since when the stream is over, and why. No more media is sent from that moment on.
    pub fn over(&self) -> Option<(UnixMillis, StopReason)> {
        self.over
    }

    /// Returns the findings so far.
    pub fn findings(&self) -> &Findings {
        self.notes.findings()
    }

    /// Returns what was posted so far, attempt by attempt.
    pub fn deliveries(&self) -> &Deliveries {
        self.webhooks.posts.deliveries()
    }

    /// Returns the meeting.
    pub fn meeting(&self) -> &Arc<Meeting> {
        &self.meeting
    }

    /// Returns when the stream started: time zero of the meeting.
    pub fn start(&self) -> UnixMillis {
        self.start
    }

    /// Returns the id of what is streamed, as the webhook names it.
    pub fn instance(&self) -> &InstanceId {
        &self.identity.instance
    }

    /// Returns the number of the meeting or webinar, as the webhook names it; none for a product that has none.
    pub fn meeting_number(&self) -> Option<&str> {
        self.identity.meeting_number(self.config.product)
    }

    /// Returns the id of the stream, as the webhook names it. Before the first stream it is that of the stream to come.
    pub fn stream(&self) -> &StreamId {
        &self.identity.stream
    }

    /// Whether everything on a connection is lost, both ways.
    pub fn is_void(&self, connection: ConnectionId) -> bool {
        self.connections.is_void(connection)
    }

    /// Whether the server of a connection hangs now.
    pub fn is_frozen(&self, connection: ConnectionId) -> bool {
        self.connections.is_frozen(connection)
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
