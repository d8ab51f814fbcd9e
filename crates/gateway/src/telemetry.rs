//! Every metric, by name. Labels are words of ours, never an id or text from outside.

mod process;

use std::{
    hash::Hash,
    sync::{Arc, OnceLock, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::{
        EncodeLabelSet,
        text::{encode_eof, encode_registry},
    },
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::Gauge,
        histogram::Histogram,
    },
    registry::Registry,
};
use rtms_api::standing::StreamStanding;
use rtms_client::queue::Dropped;
use rtms_proto::{
    error::StreamError,
    event::{Interruption, Odd},
    role::Role,
};
use rtms_record::{Loss, loss::LossCause};
use rtms_sink::{delivery::Delivery, envelope::Next};
use rtms_store::{class::Class, store::Stats};
use rtms_wire::{
    error::DecodeError,
    flaws::{Flaw, Flaws},
    media::medium::Medium,
    time::UnixMillis,
};

use crate::{
    clock,
    label::{IntakeEnd, NewStreamRequest, Suspect},
};

/// The upper bounds of the buckets for the time of an answer, in seconds. A quiet disk takes a millisecond, a busy one some
/// dozens; Zoom gives up after three seconds.
const ANSWER_SECONDS: [f64; 13] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0];

/// The part of an ended run of a stream that the metrics have counted.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    pub(crate) state: StreamStanding,
    pub(crate) loss: Loss,
}

/// The counters of the server. Cheap to share by reference; counters may be read at any time.
///
/// Every word that a label may have is there from the start, with 0: an alarm on a rise does not see a series that
/// begins with 1.
#[derive(Debug)]
pub struct Metrics {
    started_at: UnixMillis,
    webhooks: Family<WebhookLabel, Counter>,
    answers: Histogram,
    last_webhook: Gauge,
    last_validations: Family<AppLabel, Gauge>,
    classes: Family<ClassLabel, Counter>,
    suspects: Family<SuspectLabel, Counter>,
    account_events: Family<EventLabel, Counter>,
    intake_messages: Family<WebhookLabel, Counter>,
    intake_ends: Family<EndLabel, Counter>,
    intake_connected: Gauge,
    new_stream_requests: Family<WebhookLabel, Counter>,
    concurrency_number: Gauge,
    concurrency_limit: Gauge,
    streams_joined: Counter,
    streams_running: Gauge,
    packets: Family<MediumLabel, Counter>,
    bytes: Family<MediumLabel, Counter>,
    dropped: Family<MediumLabel, Counter>,
    odd_messages: Family<KindLabel, Counter>,
    flawed_messages: Family<FlawLabel, Counter>,
    record_errors: Counter,
    store_errors: Counter,
    interruptions: Family<CauseLabel, Counter>,
    deletions: Family<WebhookLabel, Counter>,
    aftermaths: Family<AftermathLabel, Counter>,
    stream_ends: Family<StateLabel, Counter>,
    stream_failures: Family<ReasonLabel, Counter>,
    lost_ms: Family<LossLabel, Counter>,
    lost_packets: Family<LossLabel, Counter>,
    recording_seconds: Counter<f64, AtomicU64>,
    capture_lost: Family<EndLabel, Counter>,
    disk_free: Gauge,
    disk_total: Gauge,
    /// The sinks, each with its own counters.
    sinks: OnceLock<Arc<Vec<Delivery>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FlawLabel {
    flaw: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabel {
    why: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// The name of an app is a word of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AppLabel {
    app: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabel {
    version: &'static str,
    profile: &'static str,
    os: &'static str,
    arch: &'static str,
}

/// The name of a sink is its kind, a word of ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkLabel {
    sink: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabel {
    sink: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabel {
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SuspectLabel {
    suspect: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabel {
    event: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MediumLabel {
    medium: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabel {
    connection: &'static str,
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AftermathLabel {
    next: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LossLabel {
    medium: &'static str,
    cause: &'static str,
}

impl LossLabel {
    fn all() -> impl Iterator<Item = Self> {
        let of =
            |medium: Medium| LossCause::all().map(move |cause| Self { medium: medium.as_str(), cause: cause.as_str() });
        Medium::ALL.into_iter().flat_map(of)
    }
}

/// The result of a request at the webhook door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookResult {
    /// Stored and answered 200.
    Stored,
    /// A URL validation, answered with its token.
    Validated,
    /// No valid signature: 401.
    BadSignature,
    /// A valid signature, but too old or from the future: 401.
    Stale,
    /// A valid signature, but not what the app demands beside it: 401.
    BadAuth,
    /// Signed, but not a webhook: 400.
    Unreadable,
    /// Too long: 413.
    TooLarge,
    /// Too slow: 408.
    TooSlow,
    /// The sender went away before the end of the body.
    BrokenOff,
    /// Too many requests or bytes at a time: 503.
    Busy,
    /// It could not be stored: 503.
    NotStored,
}

impl WebhookResult {
    const ALL: [Self; 11] = [
        Self::Stored,
        Self::Validated,
        Self::BadSignature,
        Self::Stale,
        Self::BadAuth,
        Self::Unreadable,
        Self::TooLarge,
        Self::TooSlow,
        Self::BrokenOff,
        Self::Busy,
        Self::NotStored,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Validated => "validated",
            Self::BadSignature => "bad_signature",
            Self::Stale => "stale",
            Self::BadAuth => "bad_auth",
            Self::Unreadable => "unreadable",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::BrokenOff => "broken_off",
            Self::Busy => "busy",
            Self::NotStored => "not_stored",
        }
    }
}

/// The result of a message on an event WebSocket. Heartbeats are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntakeResult {
    /// An event, stored.
    Stored,
    /// No JSON, or an event that is no webhook: dropped.
    Unreadable,
    /// An event that is too long: dropped.
    TooLarge,
    /// An event that is lost because the server stopped while the store failed.
    NotStored,
    /// A message of a kind that is not known.
    Other,
}

impl IntakeResult {
    const ALL: [Self; 5] = [Self::Stored, Self::Unreadable, Self::TooLarge, Self::NotStored, Self::Other];

    fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Unreadable => "unreadable",
            Self::TooLarge => "too_large",
            Self::NotStored => "not_stored",
            Self::Other => "other",
        }
    }
}

/// Why a line is missing from a wire log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineLoss {
    /// It did not fit into the queue.
    TooFast,
    /// It is longer than a line may be.
    TooLong,
    /// It could not be written.
    Disk,
    /// The file had reached its bound, and notes that it ends there.
    FileFull,
}

impl LineLoss {
    const ALL: [Self; 4] = [Self::TooFast, Self::TooLong, Self::Disk, Self::FileFull];

    fn as_str(self) -> &'static str {
        match self {
            Self::TooFast => "too_fast",
            Self::TooLong => "too_long",
            Self::Disk => "disk",
            Self::FileFull => "file_full",
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            started_at: clock::unix_millis(),
            answers: Histogram::new(ANSWER_SECONDS),
            last_webhook: Gauge::default(),
            last_validations: Family::default(),
            webhooks: from_zero(WebhookResult::ALL.map(|result| WebhookLabel { result: result.as_str() })),
            classes: from_zero(Class::ALL.map(|class| ClassLabel { class: class.as_str() })),
            suspects: from_zero(Suspect::ALL.map(|suspect| SuspectLabel { suspect: suspect.as_str() })),
            account_events: from_zero(ACCOUNT_EVENTS.map(|event| EventLabel { event })),
            intake_messages: from_zero(IntakeResult::ALL.map(|result| WebhookLabel { result: result.as_str() })),
            intake_ends: from_zero(IntakeEnd::ALL.map(|why| EndLabel { why: why.as_str() })),
            intake_connected: Gauge::default(),
            new_stream_requests: from_zero(
                NewStreamRequest::ALL.map(|result| WebhookLabel { result: result.as_str() }),
            ),
            concurrency_number: Gauge::default(),
            concurrency_limit: Gauge::default(),
            streams_joined: Counter::default(),
            streams_running: Gauge::default(),
            packets: from_zero(Medium::ALL.map(|medium| MediumLabel { medium: medium.as_str() })),
            bytes: from_zero(Medium::ALL.map(|medium| MediumLabel { medium: medium.as_str() })),
            dropped: from_zero(by_medium(Dropped::default()).map(|(medium, _)| MediumLabel { medium })),
            odd_messages: from_zero(DecodeError::KINDS.into_iter().chain(Odd::KINDS).map(|kind| KindLabel { kind })),
            flawed_messages: from_zero(Flaw::ALL.map(|flaw| FlawLabel { flaw: flaw.as_str() })),
            record_errors: Counter::default(),
            store_errors: Counter::default(),
            interruptions: from_zero(CONNECTIONS.into_iter().flat_map(|connection| {
                Interruption::ALL.map(|cause| CauseLabel { connection, cause: cause.as_str() })
            })),
            deletions: from_zero([true, false].map(|done| WebhookLabel { result: deletion(done) })),
            aftermaths: from_zero(Next::ALL.map(|next| AftermathLabel { next: next.as_str() })),
            stream_failures: from_zero(
                StreamError::KINDS.into_iter().chain([NOT_JOINED]).map(|reason| ReasonLabel { reason }),
            ),
            stream_ends: from_zero(LAST_STATES.map(|state| StateLabel { state: state.as_str() })),
            lost_ms: from_zero(LossLabel::all()),
            lost_packets: from_zero(LossLabel::all()),
            recording_seconds: Counter::default(),
            disk_free: Gauge::default(),
            disk_total: Gauge::default(),
            capture_lost: from_zero(LineLoss::ALL.map(|why| EndLabel { why: why.as_str() })),
            sinks: OnceLock::new(),
        }
    }
}

impl Metrics {
    pub(crate) fn intake_message(&self, result: IntakeResult) {
        self.intake_messages.get_or_create(&WebhookLabel { result: result.as_str() }).inc();
    }

    pub(crate) fn intake_opened(&self) {
        self.intake_connected.inc();
    }

    pub(crate) fn intake_closed(&self, why: IntakeEnd) {
        self.intake_connected.dec();
        self.intake_failed(why);
    }

    pub(crate) fn new_stream_request(&self, result: NewStreamRequest) {
        self.new_stream_requests.get_or_create(&WebhookLabel { result: result.as_str() }).inc();
    }

    pub(crate) fn intake_failed(&self, why: IntakeEnd) {
        self.intake_ends.get_or_create(&EndLabel { why: why.as_str() }).inc();
    }

    pub(crate) fn webhook(&self, result: WebhookResult) {
        self.webhooks.get_or_create(&WebhookLabel { result: result.as_str() }).inc();
    }

    /// Notes the time from the head of a request that Zoom signed to its answer.
    pub(crate) fn answered(&self, after: Duration) {
        self.answers.observe(after.as_secs_f64());
    }

    /// Notes when the last webhook was stored, at the door or from an event WebSocket.
    pub(crate) fn webhook_stored_at(&self, at: UnixMillis) {
        self.last_webhook.set(seconds(at));
    }

    /// Shows the last validation of each of these apps, with 0 until there is one.
    pub(crate) fn know_apps<'a>(&self, apps: impl IntoIterator<Item = &'a str>) {
        for app in apps {
            drop(self.last_validations.get_or_create_owned(&AppLabel { app: app.to_owned() }));
        }
    }

    /// Notes when Zoom last validated the address of an app.
    pub(crate) fn validated_at(&self, app: &str, at: UnixMillis) {
        self.last_validations.get_or_create(&AppLabel { app: app.to_owned() }).set(seconds(at));
    }

    /// Counts a stream that could not be had or kept: a word of [`StreamError::kind`], or [`NOT_JOINED`].
    pub(crate) fn failed(&self, reason: &'static str) {
        self.stream_failures.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Notes the bytes of the data folder's disk.
    pub(crate) fn disk_space(&self, free: u64, total: u64) {
        for (gauge, bytes) in [(&self.disk_free, free), (&self.disk_total, total)] {
            gauge.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    pub(crate) fn classified(&self, class: &'static str) {
        self.classes.get_or_create(&ClassLabel { class }).inc();
    }

    pub(crate) fn suspected(&self, suspect: Suspect) {
        self.suspects.get_or_create(&SuspectLabel { suspect: suspect.as_str() }).inc();
    }

    pub(crate) fn account_event(&self, event: &'static str, streams: Option<u64>, limit: Option<u64>) {
        self.account_events.get_or_create(&EventLabel { event }).inc();
        for (gauge, value) in [(&self.concurrency_number, streams), (&self.concurrency_limit, limit)] {
            if let Some(value) = value.and_then(|value| i64::try_from(value).ok()) {
                gauge.set(value);
            }
        }
    }

    pub(crate) fn stream_joined(&self) {
        self.streams_joined.inc();
        self.streams_running.inc();
    }

    pub(crate) fn stream_left(&self, dropped: Dropped) {
        self.streams_running.dec();
        for (medium, count) in by_medium(dropped) {
            self.dropped.get_or_create(&MediumLabel { medium }).inc_by(count);
        }
    }

    pub(crate) fn received(&self, medium: Medium, bytes: usize) {
        let label = MediumLabel { medium: medium.as_str() };
        self.packets.get_or_create(&label).inc();
        self.bytes.get_or_create(&label).inc_by(bytes as u64);
    }

    pub(crate) fn odd_message(&self, kind: &'static str) {
        self.odd_messages.get_or_create(&KindLabel { kind }).inc();
    }

    /// Counts the flaws of a message that was read all the same.
    pub(crate) fn flawed_message(&self, flaws: Flaws) {
        for flaw in flaws.iter() {
            self.flawed_messages.get_or_create(&FlawLabel { flaw: flaw.as_str() }).inc();
        }
    }

    pub(crate) fn record_error(&self) {
        self.record_errors.inc();
    }

    pub(crate) fn store_error(&self) {
        self.store_errors.inc();
    }

    pub(crate) fn interrupted(&self, role: Role, cause: Interruption) {
        self.interruptions.get_or_create(&CauseLabel { connection: role.kind(), cause: cause.as_str() }).inc();
    }

    /// Counts a deletion on demand that is done, or that failed for now.
    pub(crate) fn deleted(&self, done: bool) {
        self.deletions.get_or_create(&WebhookLabel { result: deletion(done) }).inc();
    }

    /// Counts a stream that ended, by what is to be done next.
    pub(crate) fn ended(&self, next: Next) {
        self.aftermaths.get_or_create(&AftermathLabel { next: next.as_str() }).inc();
    }

    /// Counts a stream that ended in this state with this loss, but for the part that an earlier run of it has counted.
    pub(crate) fn ended_as(&self, state: StreamStanding, loss: &Loss, counted: Option<&Counted>) {
        if counted.is_none_or(|counted| counted.state != state) {
            self.stream_ends.get_or_create(&StateLabel { state: state.as_str() }).inc();
        }
        let new = counted.map_or_else(|| loss.clone(), |counted| loss.beyond(&counted.loss));
        for part in &new.parts {
            let label = LossLabel { medium: part.medium.as_str(), cause: part.cause.as_str() };
            self.lost_ms.get_or_create(&label).inc_by(part.ms);
            self.lost_packets.get_or_create(&label).inc_by(part.packets);
        }
    }

    /// Counts lines that a wire log lacks.
    pub(crate) fn capture_lost(&self, lines: u64, why: LineLoss) {
        self.capture_lost.get_or_create(&EndLabel { why: why.as_str() }).inc_by(lines);
    }

    pub(crate) fn recorded_for(&self, cpu: std::time::Duration) {
        self.recording_seconds.inc_by(cpu.as_secs_f64());
    }

    /// Webhook requests with this result.
    pub fn webhooks(&self, result: WebhookResult) -> u64 {
        self.webhooks.get_or_create(&WebhookLabel { result: result.as_str() }).get()
    }

    /// Messages on event WebSockets with this result.
    pub fn intake_messages(&self, result: IntakeResult) -> u64 {
        self.intake_messages.get_or_create(&WebhookLabel { result: result.as_str() }).get()
    }

    /// Event WebSockets that ended, or could not be opened, for this reason: a word of docs/operating.md.
    pub fn intake_ends(&self, why: &'static str) -> u64 {
        self.intake_ends.get_or_create(&EndLabel { why }).get()
    }

    /// Event WebSockets that are open now.
    pub fn intake_connected(&self) -> i64 {
        self.intake_connected.get()
    }

    /// Messages of a medium so far.
    pub fn packets(&self, medium: Medium) -> u64 {
        self.packets.get_or_create(&MediumLabel { medium: medium.as_str() }).get()
    }

    /// Payload bytes of a medium so far.
    pub fn bytes(&self, medium: Medium) -> u64 {
        self.bytes.get_or_create(&MediumLabel { medium: medium.as_str() }).get()
    }

    /// Streams joined so far.
    pub fn streams_joined(&self) -> u64 {
        self.streams_joined.get()
    }

    /// Streams that run now.
    pub fn streams_running(&self) -> i64 {
        self.streams_running.get()
    }

    /// CPU time that recording has taken so far, in seconds.
    pub fn recording_seconds(&self) -> f64 {
        self.recording_seconds.get()
    }

    /// Lines that wire logs lack, for this reason: a word of docs/operating.md.
    pub fn capture_lost_lines(&self, why: &'static str) -> u64 {
        self.capture_lost.get_or_create(&EndLabel { why }).get()
    }

    /// Returns the text for `/metrics`.
    pub(crate) fn render(&self, store: Stats) -> String {
        let mut registry = Registry::with_prefix("rtms");
        let build = Family::<BuildLabel, Gauge>::default();
        build.get_or_create(&BUILD).set(1);
        registry.register("build_info", "The program that runs", build);
        registry.register("webhooks", "Requests at the webhook door, by result", self.webhooks.clone());
        registry.register(
            "webhook_answer_seconds",
            "Time from the head of a request that Zoom signed to its answer",
            self.answers.clone(),
        );
        registry.register(
            "last_webhook_timestamp_seconds",
            "When the last webhook was stored, since the Unix epoch",
            self.last_webhook.clone(),
        );
        registry.register(
            "last_validation_timestamp_seconds",
            "When Zoom last validated the address of an app, since the Unix epoch",
            self.last_validations.clone(),
        );
        registry.register("intake_messages", "Messages on event WebSockets, by result", self.intake_messages.clone());
        registry.register(
            "intake_ends",
            "Event WebSockets that ended or could not be opened, by reason",
            self.intake_ends.clone(),
        );
        registry.register("intake_connected", "Event WebSockets that stand", self.intake_connected.clone());
        registry.register(
            "new_stream_requests",
            "Requests to Zoom for a new stream after a loss, by result",
            self.new_stream_requests.clone(),
        );
        registry.register("webhook_classes", "Stored webhooks, by what they turned out to be", self.classes.clone());
        registry.register(
            "signature_suspects",
            "Wrong signatures that were looked into, by what would have made them right",
            self.suspects.clone(),
        );
        registry.register("account_events", "Events about the account, by kind", self.account_events.clone());
        registry.register(
            "account_streams",
            "Streams of the account, as Zoom last said when near its limit",
            self.concurrency_number.clone(),
        );
        registry.register(
            "account_streams_limit",
            "Streams that the account may have, as Zoom last said when near it",
            self.concurrency_limit.clone(),
        );
        registry.register("streams_joined", "Streams that were connected to", self.streams_joined.clone());
        registry.register("streams_running", "Streams that run now", self.streams_running.clone());
        registry.register("media_packets", "Messages received, by medium", self.packets.clone());
        registry.register("media_bytes", "Payload bytes received, by medium", self.bytes.clone());
        registry.register("dropped_events", "Events dropped because the disk was too slow", self.dropped.clone());
        registry.register(
            "odd_messages",
            "Messages that could not be read or have no meaning, by kind",
            self.odd_messages.clone(),
        );
        registry.register(
            "flawed_messages",
            "Messages that were read although something in them was broken, by kind",
            self.flawed_messages.clone(),
        );
        registry.register("record_errors", "Times that a recording could not be written", self.record_errors.clone());
        registry.register(
            "store_errors",
            "Times that the store could not be written or read",
            self.store_errors.clone(),
        );
        registry.register(
            "interruptions",
            "Connections that were lost and wanted back, by kind and cause",
            self.interruptions.clone(),
        );
        registry.register("deletions", "Recordings deleted on demand, by result", self.deletions.clone());
        registry.register("streams_ended", "Streams that ended, by what is to be done now", self.aftermaths.clone());
        registry.register("stream_ends", "Streams that ended, by their last state", self.stream_ends.clone());
        registry.register(
            "stream_failures",
            "Streams that could not be joined or kept, by reason",
            self.stream_failures.clone(),
        );
        registry.register(
            "lost_milliseconds",
            "Time of streams that ended that was lost, by medium and cause",
            self.lost_ms.clone(),
        );
        registry.register(
            "lost_packets",
            "Messages of streams that ended that were lost and counted, by medium and cause",
            self.lost_packets.clone(),
        );
        registry.register(
            "recording_cpu_seconds",
            "CPU time taken by writing recordings",
            self.recording_seconds.clone(),
        );
        registry.register("capture_lost_lines", "Lines that wire logs lack, by reason", self.capture_lost.clone());
        registry.register("disk_free_bytes", "Free bytes on the disk of the data folder", self.disk_free.clone());
        registry.register("disk_total_bytes", "Size of the disk of the data folder", self.disk_total.clone());
        self.register_sinks(&mut registry);
        for (name, help, count) in [
            ("store_appends", "Webhooks that were made durable", store.appends),
            ("store_commits", "Commits of the store", store.commits),
            ("store_syncs", "Commits of the store that were synced to disk", store.syncs),
            ("store_failed_commits", "Commits of the store that failed", store.failed_commits),
        ] {
            registry.register(name, help, ConstCounter::new(count));
        }
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode_registry(&mut text, &registry);
        let _ = encode_registry(&mut text, &process::registry(self.started_at));
        let _ = encode_eof(&mut text);
        text
    }

    /// Adds the counts of these sinks to the text. A second call changes nothing.
    pub(crate) fn watch_sinks(&self, sinks: Arc<Vec<Delivery>>) {
        let _ = self.sinks.set(sinks);
    }

    fn register_sinks(&self, registry: &mut Registry) {
        let (offered, ended) = (Family::<SinkLabel, Counter>::default(), Family::<DeliveryLabel, Counter>::default());
        let (waiting, stored) = (Family::<SinkLabel, Gauge>::default(), Family::<SinkLabel, Gauge>::default());
        let retried = Family::<SinkLabel, Counter>::default();
        // Sinks of one name are shown as one.
        for sink in self.sinks.get().into_iter().flat_map(|sinks| sinks.iter()) {
            let label = SinkLabel { sink: sink.name().to_owned() };
            let counts = sink.counts();
            offered.get_or_create(&label).inc_by(counts.offered);
            retried.get_or_create(&label).inc_by(counts.retried);
            waiting.get_or_create(&label).inc_by(i64::try_from(counts.waiting()).unwrap_or(i64::MAX));
            stored.get_or_create(&label).inc_by(i64::try_from(counts.stored).unwrap_or(i64::MAX));
            for (result, count) in [
                ("delivered", counts.delivered),
                ("failed", counts.failed),
                ("dropped", counts.dropped),
                ("recalled", counts.recalled),
            ] {
                ended.get_or_create(&DeliveryLabel { sink: label.sink.clone(), result }).inc_by(count);
            }
        }
        registry.register("sink_offered_envelopes", "Envelopes that were meant for a sink", offered);
        registry.register("sink_envelopes", "Envelopes for a sink, by what became of them", ended);
        registry.register("sink_retried_envelopes", "Deliveries that a sink put off, by envelope", retried);
        registry.register("sink_waiting_envelopes", "Envelopes that wait for a sink", waiting);
        registry.register("sink_stored_envelopes", "Envelopes that wait for a sink in the store", stored);
    }
}

/// Returns counters with these labels, each 0.
fn from_zero<L: Clone + Eq + Hash>(labels: impl IntoIterator<Item = L>) -> Family<L, Counter> {
    let family = Family::default();
    for label in labels {
        drop(family.get_or_create_owned(&label));
    }
    family
}

fn by_medium(dropped: Dropped) -> [(&'static str, u64); 4] {
    [
        (Medium::Video.as_str(), dropped.video),
        (Medium::Deskshare.as_str(), dropped.deskshare),
        (Medium::Audio.as_str(), dropped.audio),
        ("other", dropped.other),
    ]
}

fn deletion(done: bool) -> &'static str {
    if done { "done" } else { "failed" }
}

fn seconds(at: UnixMillis) -> i64 {
    i64::try_from(at.0 / 1000).unwrap_or(i64::MAX)
}

/// The reason of a stream that nothing was dialed for: its app or its product is not known here.
pub(crate) const NOT_JOINED: &str = "not_joined";

/// The program that runs.
const BUILD: BuildLabel = BuildLabel {
    version: env!("CARGO_PKG_VERSION"),
    profile: if cfg!(debug_assertions) { "debug" } else { "release" },
    os: std::env::consts::OS,
    arch: std::env::consts::ARCH,
};

/// Events about the account: their kinds in `rtms_wire::webhook`.
const ACCOUNT_EVENTS: [&str; 4] = ["concurrency_near_limit", "concurrency_limited", "start_failed", "request_status"];

/// The kinds of connections that may be lost: the words of `Role::kind` in `rtms_proto`.
const CONNECTIONS: [&str; 2] = ["signaling", "media"];

/// The last states of streams.
const LAST_STATES: [StreamStanding; 3] = [StreamStanding::Ended, StreamStanding::Incomplete, StreamStanding::Failed];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rtms_record::{ledger::Cause, loss::LostPart};
    use rtms_sink::jsonl::Jsonl;
    use rtms_wire::media::medium::MediaTypes;

    use super::*;

    const OPERATING: &str = include_str!("../../../docs/operating.md");

    #[tokio::test]
    async fn every_documented_word_of_a_label_is_there_from_the_start_and_every_word_is_documented() {
        let metrics = Metrics::default();
        let sink = Jsonl::new("stdout", tokio::io::sink());
        metrics.watch_sinks(Arc::new(vec![Delivery::lossy(sink, 1)]));
        metrics.know_apps(["default"]);
        let text = metrics.render(Stats::default());
        let table = OPERATING.lines().filter_map(|line| line.strip_prefix("| `rtms_")?.split_once("}` | "));
        for (head, meaning) in table {
            let name = format!("rtms_{}{{", head.split('{').next().unwrap());
            let from_zero = text.lines().filter_map(|line| line.strip_prefix(&name)?.strip_suffix("} 0"));
            let counted: BTreeSet<_> =
                from_zero.flat_map(|labels| labels.split(',')).filter_map(|label| label.split('"').nth(1)).collect();
            assert!(!counted.is_empty(), "{name} is not there from the start:\n{text}");
            let is_word = |word: &&str| {
                word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            };
            let documented: BTreeSet<_> = meaning.split('`').skip(1).step_by(2).filter(is_word).collect();
            // Media and classes have their words elsewhere.
            assert!(documented.is_empty() || documented == counted, "{name}: {documented:?}, and counted: {counted:?}");
        }
        for name in text.lines().filter_map(|line| line.split_once('{')).map(|(name, _)| name) {
            assert!(OPERATING.contains(&format!("`{name}{{")), "{name} is not documented");
        }
    }

    #[test]
    fn a_stream_that_was_joined_again_counts_only_what_is_new() {
        let metrics = Metrics::default();
        let lost = |ms, packets| Loss {
            parts: vec![LostPart { medium: Medium::Audio, cause: Cause::Refused.into(), ms, packets }],
        };
        let (failed, incomplete) = (StreamStanding::Failed, StreamStanding::Incomplete);
        metrics.ended_as(failed, &lost(700, 2), None);
        metrics.ended_as(failed, &lost(900, 5), Some(&Counted { state: failed, loss: lost(700, 2) }));
        metrics.ended_as(incomplete, &lost(900, 5), Some(&Counted { state: failed, loss: lost(900, 5) }));
        let text = metrics.render(Stats::default());
        for line in [
            r#"rtms_stream_ends_total{state="failed"} 1"#,
            r#"rtms_stream_ends_total{state="incomplete"} 1"#,
            r#"rtms_lost_milliseconds_total{medium="audio",cause="refused"} 900"#,
            r#"rtms_lost_packets_total{medium="audio",cause="refused"} 5"#,
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}:\n{text}");
        }
    }

    #[test]
    fn what_is_counted_goes_on_from_zero() {
        let metrics = Metrics::default();
        metrics.webhook(WebhookResult::Busy);
        metrics.interrupted(Role::Media(MediaTypes::ALL), Interruption::Frozen);
        let text = metrics.render(Stats::default());
        for line in [
            r#"rtms_webhooks_total{result="busy"} 1"#,
            r#"rtms_webhooks_total{result="broken_off"} 0"#,
            r#"rtms_interruptions_total{connection="media",cause="frozen"} 1"#,
            r#"rtms_interruptions_total{connection="signaling",cause="frozen"} 0"#,
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}:\n{text}");
        }
    }
}
