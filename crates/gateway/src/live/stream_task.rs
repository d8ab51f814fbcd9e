//! One owned stream: the client's events to its journal and its hub, until the stream ends.

use std::{
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use rtms_api::{ended, standing};
use rtms_client::{
    connect::TcpConnector,
    handle::{StreamHandle, join_with_options},
    queue::{Dropped, EventReceiver, News},
    wire_log::WireLog,
};
use rtms_proto::{
    config::StreamConfig,
    error::Misuse,
    event::{CloseAnswer, Ending, Event},
    join_options::JoinOptions,
    next_step::NextStep,
    signaling::StreamStart,
};
use rtms_record::{Input, Note, RecordingAbout, ledger::SpanChange};
use rtms_sink::{delivery::Delivery, envelope::Next, recall::Recall};
use rtms_store::{outcome::Outcome, store::Store, summary::Recorded};
use rtms_wire::{
    Bytes,
    codes::{product::Product, stop_reason::StopReason},
    ids::StreamId,
    time::UnixMillis,
    wire_log::{self, WireLogHeader},
};
use serde_json::json;
use tracing::{Instrument, Span, error, info, warn};

use crate::{
    clock,
    live::{
        books::{Books, Unrecorded},
        envelopes::Envelopes,
        event_log::EventLog,
        figures::Figures,
        hub::{Filter, Hub, Item, Policy, Topic},
        journal::{StreamJournal, Syncing},
        ledger_input::{self, ClockPair, LedgerInput},
        new_streams::NewStreams,
        progress::{Activity, Progress},
        reached::Reached,
        recording::{Account, End, Recording, RecordingSetup},
        registry::{Live, LiveStream, LiveStreams},
        repeats::RepeatGate,
        revoked::{self, Revocations},
        summary,
        tenure::Tenure,
        wire_log::{WireLogHandle, WireLogs},
        words::{self, Said, Words},
    },
    stop::{Deadline, StopShare},
    telemetry::{Counted, Metrics},
};

/// What recorder and ledger take: all but what is in the journal alone.
const BOOKS: Filter = Filter::of(&[Topic::Words, Topic::Audio, Topic::Video, Topic::Deskshare, Topic::Books]);

/// The dependencies that all stream tasks share.
pub(crate) struct StreamDeps {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) connector: Arc<TcpConnector>,
    pub(crate) config: StreamConfig,
    pub(crate) live: Arc<LiveStreams>,
    /// None when no wire logs are kept.
    pub(crate) wire_logs: Option<Arc<WireLogs>>,
    pub(crate) queue_bytes: usize,
    /// None when nothing is recorded.
    pub(crate) recording: Option<RecordingSetup>,
    /// The time between two publications of the ledger of a stream that is not recorded.
    pub(crate) ledger_every: Duration,
    pub(crate) revocations: Revocations,
    pub(crate) sinks: Arc<Vec<Delivery>>,
    /// None when lost streams are not asked for again.
    pub(crate) new_streams: Option<NewStreams>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) repeats: RepeatGate,
    pub(crate) deadline: Deadline,
}

/// The end of a stream task.
pub(crate) struct Finished {
    pub(crate) stream_id: StreamId,
    pub(crate) outcome: Outcome,
}

/// The parameters of one join.
#[derive(Debug)]
pub(crate) struct JoinParams {
    pub(crate) options: JoinOptions,
    /// Zoom's time and ours of the webhook that asked for the connection.
    pub(crate) clocks: Option<ClockPair>,
    /// The body of the start webhook, for the wire log.
    pub(crate) start_webhook: Option<Bytes>,
    /// Whether an earlier run was connected to it, in this process or another one.
    pub(crate) was_connected: bool,
    /// The part of an earlier ended run of the same stream that the metrics have counted; none if none ended.
    pub(crate) counted: Option<Counted>,
    /// Whether it is joined only to be closed, which an earlier process was asked to do and did not.
    pub(crate) is_closing: bool,
    /// The time for which this process owns it.
    pub(crate) tenure: Tenure,
}

/// The worker's handle of a task.
pub(crate) struct TaskHandle {
    pub(crate) stream: StreamHandle,
    pub(crate) live: Arc<LiveStream>,
    /// When Zoom ended the stream, by the stop webhook. Set before the task is notified of the end.
    pub(crate) stopped_at: Arc<OnceLock<UnixMillis>>,
    /// Takes back the envelopes that were offered to sinks.
    pub(crate) recall: Recall,
    /// The activity of the task, for the log.
    pub(crate) progress: Arc<Progress>,
}

/// Joins a stream and starts the task that takes its events. What is logged of it is in `span`.
///
/// # Errors
/// [`Misuse`] when Zoom would refuse what is wanted; nothing is dialed then.
pub(crate) fn start(
    start: StreamStart,
    about: RecordingAbout,
    span: Span,
    params: JoinParams,
    deps: Arc<StreamDeps>,
) -> Result<(TaskHandle, impl Future<Output = Finished> + Send), Misuse> {
    let _entered = span.enter();
    let (stream_id, product) = (start.stream_id.clone(), start.product);
    let queue_bytes = deps.queue_bytes;
    let known = start.clone();
    let JoinParams { options, clocks, start_webhook, was_connected, counted, is_closing, tenure } = params;
    let deps_media = deps.config.media;
    let (config, connector) = (deps.config.clone(), deps.connector.clone());
    let header = |wire_logs: &Arc<WireLogs>| wire_logs.begin(wire_log_header(&known, start_webhook.as_deref()));
    let wire_log = deps.wire_logs.as_ref().map(header);
    let tap = wire_log.clone().map(|wire_log| Box::new(wire_log) as Box<dyn WireLog>);
    let (handle, events) = join_with_options(options, start, config, connector, queue_bytes, tap)?;
    let live = deps.live.enter(&known, handle.clone());
    let close_when_open = is_closing.then(|| handle.clone());
    if is_closing {
        live.stop_when_open();
    }
    deps.metrics.stream_joined();
    let stream = handle.clone();
    let handle = TaskHandle {
        stream: handle,
        live: live.stream(),
        stopped_at: Arc::default(),
        recall: Recall::default(),
        progress: Arc::default(),
    };
    let hub = Hub::default();
    let journal = match &deps.recording {
        Some(setup) => {
            let syncing = Syncing { wait_for_disk: setup.options.wait_for_disk, every: setup.sync_every };
            StreamJournal::recorded(stream_id.clone(), syncing, deps.metrics.clone(), tenure.clone())
        }
        None => StreamJournal::in_memory(stream_id.clone(), deps.metrics.clone(), tenure.clone()),
    };
    let task = StreamTask {
        envelopes: Envelopes::new(&known, &hub, queue_bytes, deps.sinks.clone(), handle.recall.clone()),
        hub,
        journal,
        figures: Figures::new(stream_id.clone(), deps.store.clone(), deps.metrics.clone()),
        event_log: EventLog::default(),
        reached: Reached::default(),
        words: Words::default(),
        stream_id,
        product,
        deps,
        live,
        wire_log,
        ledger_input: LedgerInput::new(product, deps_media),
        was_connected,
        counted,
        close_when_open,
        stream,
        tenure,
        stopped_at: handle.stopped_at.clone(),
        progress: handle.progress.clone(),
    };
    let future = task.run(events, about, clocks).instrument(span.clone());
    Ok((handle, future))
}

struct StreamTask {
    stream_id: StreamId,
    product: Product,
    deps: Arc<StreamDeps>,
    live: Live,
    figures: Figures,
    event_log: EventLog,
    envelopes: Envelopes,
    reached: Reached,
    words: Words,
    journal: StreamJournal,
    hub: Hub,
    wire_log: Option<WireLogHandle>,
    ledger_input: LedgerInput,
    /// Whether an earlier run was connected.
    was_connected: bool,
    counted: Option<Counted>,
    /// The handle by which Zoom is asked to end the stream as soon as signaling is open.
    close_when_open: Option<StreamHandle>,
    /// The handle by which the stream is left.
    stream: StreamHandle,
    tenure: Tenure,
    stopped_at: Arc<OnceLock<UnixMillis>>,
    progress: Arc<Progress>,
}

impl StreamTask {
    async fn run(mut self, mut events: EventReceiver, about: RecordingAbout, clocks: Option<ClockPair>) -> Finished {
        info!("stream started, connecting");
        self.journal.say(words::started(clock::unix_millis()), clock::unix_millis());
        let started_at = about.started_at;
        self.progress.begin(Activity::Opening);
        let mut books = self.open_books(about);
        self.progress.begin(Activity::Receiving);
        for input in ledger_input::opening(self.deps.config.media, self.product, clocks, started_at) {
            self.publish(input);
        }
        let (mut leave, mut over) = (pin!(self.tenure.leave()), pin!(self.tenure.over()));
        let mut is_left = false;
        let ending = loop {
            self.pass_on();
            books.keep_up();
            let news = tokio::select! {
                biased;
                () = &mut leave, if !is_left => {
                    warn!("the lease was not renewed, leaving the stream before it expires");
                    is_left = true;
                    self.leave().await;
                    continue;
                }
                // It was left, and its driver has not reported it in time.
                () = &mut over, if is_left => break Ending::Abandoned,
                spans = books.turn() => {
                    self.turned(&books, spans);
                    continue;
                }
                () = self.journal.turn() => continue,
                news = events.next_news() => news,
            };
            match news {
                Some(News::Event(Event::Ended(ending))) => break ending,
                Some(News::Event(event)) => self.take(event).await,
                Some(News::Lost(lost)) => self.publish(ledger_input::lost(lost)),
                // The driver reports an end before it returns, so this is its panic.
                None => break Ending::Abandoned,
            }
        };
        // A stream joined only to be closed counts as closed if joining fails.
        let ending = match ending {
            Ending::Failed(error) if self.close_when_open.is_some() => {
                info!(%error, "cannot ask Zoom to end the stream");
                Ending::Closed { answer: CloseAnswer::NotAsked }
            }
            Ending::Stopped { .. } | Ending::Closed { .. } | Ending::Abandoned | Ending::Failed(_) => ending,
        };
        let dropped = events.dropped() + books.dropped();
        if dropped.total() > 0 {
            let Dropped { video, deskshare, audio, other } = dropped;
            warn!(video, deskshare, audio, other, "events dropped because the disk was too slow");
        }
        self.deps.metrics.stream_left(dropped);
        self.end(ending, books).await
    }

    /// Leaves the stream to its next owner.
    async fn leave(&self) {
        tokio::select! {
            () = self.stream.abandon() => {}
            () = self.tenure.over() => {}
        }
    }

    fn open_books(&self, about: RecordingAbout) -> Books {
        let policy = Policy::DropByClass { limit_bytes: self.deps.queue_bytes };
        let subscription = self.hub.subscribe(BOOKS, policy);
        match self.deps.recording.clone() {
            Some(setup) => {
                let (metrics, tenure) = (self.deps.metrics.clone(), self.tenure.clone());
                let recording = Recording::open(setup, about, self.was_connected, metrics, tenure, subscription);
                Books::Recorded(Box::new(recording))
            }
            None => Books::Unrecorded(Box::new(Unrecorded::new(&about, self.deps.ledger_every, subscription))),
        }
    }

    /// Publishes something that is no word.
    fn publish(&self, input: Input) {
        self.hub.publish(Item { input, at: clock::unix_millis() });
    }

    /// Publishes what the journal has by now.
    fn pass_on(&mut self) {
        for input in self.journal.take_ready() {
            self.publish(input);
        }
        self.envelopes.offer();
    }

    /// Takes what follows from a turn of the books.
    fn turned(&mut self, books: &Books, spans: Vec<SpanChange>) {
        match books.folder() {
            Some(folder) => self.journal.keep_in(folder),
            None if books.is_without_files() => self.journal.stay_in_memory(),
            None if books.is_closed() => self.journal.go_without(),
            None => {}
        }
        let now = clock::unix_millis();
        spans.into_iter().for_each(|span| self.journal.say(Said::Span(span), now));
    }

    /// Waits until the journal has what was said, or cannot have it now.
    async fn settle_journal(&mut self, books: &mut Books) {
        self.pass_on();
        while !self.journal.is_settled() {
            tokio::select! {
                spans = books.turn() => self.turned(books, spans),
                () = self.journal.turn() => {}
            }
            self.pass_on();
        }
    }

    async fn end(mut self, ending: Ending, mut books: Books) -> Finished {
        let (stop_reason, mut why) = explain(&ending);
        if let (Ending::Stopped { .. }, Some(not_open)) = (&ending, self.reached.why_not_open()) {
            why += "; ";
            why += &not_open;
        }
        let next = next(&ending);
        std::mem::take(&mut self.event_log).finish();
        match (&ending, next) {
            (Ending::Failed(error), _) => {
                self.deps.metrics.failed(error.kind());
                error!(why, next = next.as_str(), "stream failed");
            }
            (Ending::Stopped { .. } | Ending::Closed { .. } | Ending::Abandoned, Next::OperatorFirst) => {
                warn!(why, next = next.as_str(), "stream ended");
            }
            (Ending::Stopped { .. } | Ending::Closed { .. } | Ending::Abandoned, _) => {
                info!(why, next = next.as_str(), "stream ended");
            }
        }
        self.deps.metrics.ended(next);
        // Before the end is stored: a crash in between leaves a request that the next run of the stream settles.
        if let (Next::AskForNewStream, Some(new_streams)) = (next, &self.deps.new_streams) {
            tokio::select! {
                biased;
                // Then the end is not stored either, and the next owner of the stream comes here again.
                () = self.tenure.over() => {}
                () = new_streams.ask_until_stored(&self.stream_id, self.tenure.token()) => {}
            }
        }
        let is_revoked = revoked::is_revocation(stop_reason);
        if !is_revoked {
            let over = self.tenure.over();
            tokio::select! {
                biased;
                () = over => {}
                () = self.settle_journal(&mut books) => {}
            }
        }
        if let Some(wire_log) = self.wire_log.take() {
            self.progress.begin(Activity::ClosingWireLog);
            let finished = wire_log.finish(stop_reason, why.clone());
            if self.deps.deadline.within(StopShare::WireLog, finished).await.is_none() {
                let lost = "the end of the wire log";
                self.deps.deadline.leave("wire log", Some(&self.stream_id), "the disk", lost);
            }
        }
        let note = ended_note(stop_reason, &why, next);
        let (summary, last);
        if is_revoked {
            // Before the end is published: a reader of that event finds nothing any more.
            self.envelopes.recall();
            self.progress.begin(Activity::Deleting);
            // At once, for a sink goes on delivering meanwhile. If it fails, the deletion below does it again.
            self.deps.revocations.forget(&self.stream_id).await;
            let mut last_words = self.journal.spare_words();
            self.journal.discard().await;
            books.discard().await;
            // If it fails, the worker goes on with it.
            self.deps.revocations.delete(&self.stream_id).await;
            last_words.conclude([], note);
            last = last_words.into_entries();
            summary = None;
        } else {
            self.progress.begin(Activity::ClosingRecording);
            let end = End {
                why: why.clone(),
                stop_reason,
                note,
                last_words: self.journal.into_last_words(),
                if_blank: LedgerInput::never_connected(&ending).filter(|_| !self.reached.is_open()),
                last: self.ledger_input.ending(&ending, self.stopped_at.get().copied(), clock::unix_millis()),
            };
            let finished = tokio::select! {
                finished = books.finish(end) => Some(finished),
                () = self.tenure.over() => None,
            };
            let Some((account, entries)) = finished else {
                // It is left as a crash would leave it, and the next owner of the stream continues it.
                warn!("the lease expired before the recording could be closed");
                return Finished { stream_id: self.stream_id, outcome: Outcome::HandedOver };
            };
            report_account(&account);
            last = entries;
            summary = Some(summary::of_run(&ending, self.reached.is_open(), &account));
        }
        if !matches!(ending, Ending::Abandoned) {
            let loss = summary.as_ref().map(ended::loss_of).unwrap_or_default();
            let state = standing::standing(summary.as_ref());
            self.deps.metrics.ended_as(state, &loss, self.counted.as_ref());
            info!(%state, lost = %loss, "stream accounted for");
        }
        for entry in last {
            self.hub.publish(Item { input: Input::Word(entry), at: clock::unix_millis() });
        }
        self.envelopes.offer();
        let outcome = match ending {
            Ending::Abandoned => Outcome::HandedOver,
            Ending::Stopped { .. } | Ending::Closed { .. } | Ending::Failed(_) => {
                Outcome::Ended { at: clock::unix_millis(), stop_reason, why, summary: summary.map(Box::new) }
            }
        };
        Finished { stream_id: self.stream_id, outcome }
    }

    /// Gives an event to everything that follows the stream here, and to journal and hub, which take the payload.
    async fn take(&mut self, event: Event) {
        self.live.take(&event);
        self.reached.take(&event);
        self.figures.take(&event);
        self.event_log.take(&event, &self.ledger_input, &self.deps.repeats);
        if event == Event::SignalingOpen
            && let Some(stream) = self.close_when_open.take()
        {
            info!("asking Zoom to end the stream, as requested before");
            stream.close().await;
        }
        let now = clock::unix_millis();
        for input in self.ledger_input.changes(&event, now) {
            self.hub.publish(Item { input, at: now });
        }
        let (journal, hub) = (&mut self.journal, &self.hub);
        self.words.take(event, now, |said| journal.say(said, now), |input| hub.publish(Item { input, at: now }));
    }
}

/// Returns the note of an end for the journal.
fn ended_note(stop_reason: Option<StopReason>, why: &str, next: Next) -> Note {
    words::note(clock::unix_millis(), "ended", json!({ "stop_reason": stop_reason, "why": why, "next": next }))
}

/// Logs the result of the recording.
fn report_account(account: &Account) {
    match &account.recorded {
        // A silent meeting; or nothing has come yet, as when the process is stopped at once.
        Recorded::Done { folder } if account.packets == 0 && account.loss.is_none() => {
            info!(folder, "recorded, and nothing was said or shown");
        }
        Recorded::Done { folder } if account.packets == 0 => {
            warn!(folder, lost = %account.loss, "nothing was recorded");
        }
        Recorded::Done { folder } if account.loss.is_none() => info!(folder, "recorded"),
        Recorded::Done { folder } => warn!(folder, lost = %account.loss, "recorded in part"),
        Recorded::Failed { why, .. } => error!(why, lost = %account.loss, "not recorded"),
        Recorded::Unwanted => {}
    }
}

fn wire_log_header(start: &StreamStart, start_webhook: Option<&[u8]>) -> WireLogHeader {
    let start_webhook = start_webhook.and_then(|body| std::str::from_utf8(body).ok());
    WireLogHeader {
        format: wire_log::FORMAT.into(),
        version: wire_log::VERSION,
        product: start.product,
        instance: start.instance.clone(),
        rtms_stream_id: start.stream_id.clone(),
        started_at: clock::unix_millis(),
        program: concat!("rtms ", env!("CARGO_PKG_VERSION")).into(),
        start_webhook: start_webhook.map(|body| wire_log::without_secrets(body).into_owned()),
    }
}

fn explain(ending: &Ending) -> (Option<StopReason>, String) {
    match ending {
        Ending::Stopped { reason: Some(reason) } => (Some(*reason), reason.to_string()),
        Ending::Stopped { reason: None } => (None, "stopped by Zoom without a reason".into()),
        Ending::Closed { answer } => match answer {
            CloseAnswer::Agreed => (Some(StopReason::ReceiverRequestClose), "closed by us".into()),
            CloseAnswer::Refused(status) => (None, format!("closed by us, although Zoom refused to end it: {status}")),
            CloseAnswer::None => (None, "closed by us; Zoom did not answer".into()),
            CloseAnswer::NotAsked => (None, "closed by us; Zoom could not be asked, as signaling did not stand".into()),
        },
        Ending::Abandoned => (None, "left by this process".into()),
        Ending::Failed(error) => (None, error.to_string()),
    }
}

/// Returns what the reader of the log or the envelope is to do after an end.
fn next(ending: &Ending) -> Next {
    match (ending, ending.next_step()) {
        (Ending::Stopped { reason: Some(StopReason::StreamRevoked) }, _) => Next::Delete,
        (Ending::Abandoned, _) => Next::HandedOver,
        (_, NextStep::Over) => Next::Nothing,
        (_, NextStep::AskForNewStream) => Next::AskForNewStream,
        (_, NextStep::OperatorFirst) => Next::OperatorFirst,
    }
}
