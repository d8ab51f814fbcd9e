//! Recording off the sockets' threads: events are gathered for a moment and written in one go on a blocking thread.

use std::{path::PathBuf, sync::Arc, time::Duration};

use cpu_time::ThreadTime;
use rtms_record::{
    Bookkeeper, Ending, Input, Manifest, Options, RecordError, Recorder, RecordingAbout, Summary, layout,
    ledger::{Change, SpanChange, When},
    manifest::RecordingState,
};
use rtms_store::wanted::Stop;
use rtms_wire::{codes::stop_reason::StopReason, time::UnixMillis};
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};
use tracing::{error, info};

use crate::{
    accounting, clock,
    stop::{Deadline, Share},
    telemetry::Metrics,
};

/// How long events are gathered before they are written. Long enough that a write serves many packets of many people.
const GATHER: Duration = Duration::from_millis(100);

/// Gathered events that make further ones wait in the stream's queue, which knows what to drop first.
const MAX_GATHERED: usize = 16_384;

/// Where and how streams are recorded.
#[derive(Clone, Debug)]
pub(crate) struct RecordingSetup {
    pub(crate) root: PathBuf,
    pub(crate) options: Options,
    pub(crate) sync_every: Duration,
    /// When the server stops, files are not read for their checksums for longer than it has time.
    pub(crate) deadline: Deadline,
}

impl RecordingSetup {
    fn may_sum(&self) -> bool {
        !self.deadline.is_over(Share::Checksums)
    }

    /// Names the files that there was no time to sum.
    fn name_unsummed(&self, summary: &Summary) {
        let unsummed = summary.manifest.files.iter().filter(|entry| !entry.is_summed()).count();
        if unsummed > 0 {
            let stream_id = &summary.manifest.about.stream_id;
            let lost = format!("the checksums of {unsummed} files; the files are whole");
            self.deadline.leave("checksums", Some(stream_id), "files to be read", &lost);
        }
    }
}

/// Closes the recording of a stream that Zoom stopped while nobody ran it; whether there is one.
///
/// # Errors
/// That it cannot be read or written.
pub(crate) fn close_left_behind(
    setup: &RecordingSetup,
    about: RecordingAbout,
    stop: &Stop,
    why: String,
    now: UnixMillis,
) -> Result<bool, RecordError> {
    let Some(found) = Manifest::read(&layout::folder(&setup.root, &about.stream_id))? else { return Ok(false) };
    if found.state == RecordingState::Recording {
        let mut recorder = Recorder::open_with(&setup.root, about, setup.options.clone(), now)?;
        recorder.handle(Input::Change(Change::Stopped, When::Zoom(stop.at)), now)?;
        recorder.finish_while(Ending { at: now, stop_reason: stop.reason, why }, &|| setup.may_sum())?;
    }
    Ok(true)
}

/// What is kept of a stream: its recording, or its ledger alone.
pub(crate) enum Books {
    /// Files, with the ledger in them.
    Recorded(Box<Recording>),
    /// Nobody records it; the ledger is for those who follow it live.
    Unrecorded(Box<Unrecorded>),
}

impl Books {
    /// Whether there is room for more. If not, the caller leaves events where they are until [`Self::turn`] returns.
    pub(crate) fn has_room(&self) -> bool {
        match self {
            Self::Recorded(recording) => recording.has_room(),
            Self::Unrecorded(_) => true,
        }
    }

    /// Takes something in. Never waits.
    pub(crate) fn push(&mut self, input: Input) {
        match self {
            Self::Recorded(recording) => recording.push(input),
            Self::Unrecorded(unrecorded) => unrecorded.book.take(&input, clock::unix_millis()),
        }
    }

    /// Waits until there is something to do, and does it. Gives the news of the ledger. Dropping the future loses
    /// nothing.
    pub(crate) async fn turn(&mut self) -> Vec<SpanChange> {
        match self {
            Self::Recorded(recording) => recording.turn().await,
            Self::Unrecorded(unrecorded) => {
                unrecorded.tick.tick().await;
                unrecorded.book.take_span_changes(clock::unix_millis())
            }
        }
    }

    /// Closes the files, if there are any, and gives the last news of the ledger.
    pub(crate) async fn finish(
        self,
        why: String,
        stop_reason: Option<StopReason>,
    ) -> (Option<Summary>, Vec<SpanChange>) {
        match self {
            Self::Recorded(recording) => {
                let (summary, mut spans) = recording.finish(why, stop_reason).await;
                let report = summary.as_ref().and_then(|summary| summary.manifest.ledger.as_ref());
                spans.extend(report.map(accounting::closing).unwrap_or_default());
                (summary, spans)
            }
            Self::Unrecorded(mut unrecorded) => {
                let mut spans = unrecorded.book.take_span_changes(clock::unix_millis());
                spans.extend(accounting::closing(&unrecorded.book.ledger().report()));
                (None, spans)
            }
        }
    }

    /// Lets go of the files as they are, because they are to be deleted.
    pub(crate) async fn discard(self) {
        match self {
            Self::Recorded(recording) => recording.discard().await,
            Self::Unrecorded(_) => {}
        }
    }
}

/// The ledger of a stream that is not recorded.
pub(crate) struct Unrecorded {
    book: Bookkeeper,
    tick: tokio::time::Interval,
}

impl Unrecorded {
    pub(crate) fn new(about: &RecordingAbout, every: Duration) -> Self {
        let mut tick = interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { book: Bookkeeper::new(about.started_at, about.product, clock::unix_millis()), tick }
    }
}

/// One stream's recording.
pub(crate) struct Recording {
    state: State,
    gathered: Vec<Input>,
    tick: tokio::time::Interval,
    synced: Instant,
    setup: RecordingSetup,
    metrics: Arc<Metrics>,
    failing: bool,
}

enum State {
    Idle(Box<Recorder>),
    Writing(JoinHandle<Written>),
    /// The thread that had the recorder panicked. Nothing more can be recorded.
    Broken,
}

struct Written {
    recorder: Box<Recorder>,
    result: Result<(), RecordError>,
    /// What the ledger has to tell; it does so with a sync.
    spans: Vec<SpanChange>,
}

impl Recording {
    /// Creates the folder, or goes on in it.
    pub(crate) async fn open(
        setup: RecordingSetup,
        about: RecordingAbout,
        metrics: Arc<Metrics>,
    ) -> Result<Self, RecordError> {
        let now = clock::unix_millis();
        let (root, options) = (setup.root.clone(), setup.options.clone());
        let opened = tokio::task::spawn_blocking(move || Recorder::open_with(&root, about, options, now)).await;
        let recorder = opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        let mut tick = interval(GATHER);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            state: State::Idle(Box::new(recorder)),
            gathered: Vec::new(),
            tick,
            synced: Instant::now(),
            setup,
            metrics,
            failing: false,
        })
    }

    /// Whether there is room for more. If not, the caller leaves events where they are until [`Self::turn`] returns.
    fn has_room(&self) -> bool {
        self.gathered.len() < MAX_GATHERED
    }

    /// Takes something to record. Never waits.
    fn push(&mut self, input: Input) {
        if !matches!(self.state, State::Broken) {
            self.gathered.push(input);
        }
    }

    /// Waits until the next write is due or done, and starts or settles it. Gives the news of the ledger. Dropping the
    /// future loses nothing.
    async fn turn(&mut self) -> Vec<SpanChange> {
        match &mut self.state {
            State::Idle(_) => {
                self.tick.tick().await;
                let sync = self.synced.elapsed() >= self.setup.sync_every;
                if sync || !self.gathered.is_empty() {
                    self.start_writing(sync);
                }
                Vec::new()
            }
            State::Writing(writing) => {
                let written = writing.await;
                self.settle(written)
            }
            State::Broken => std::future::pending().await,
        }
    }

    fn start_writing(&mut self, sync: bool) {
        let State::Idle(recorder) = std::mem::replace(&mut self.state, State::Broken) else { return };
        if sync {
            self.synced = Instant::now();
        }
        let inputs = std::mem::take(&mut self.gathered);
        let metrics = self.metrics.clone();
        let now = clock::unix_millis();
        self.state = State::Writing(tokio::task::spawn_blocking(move || {
            let started = ThreadTime::now();
            let written = write(recorder, inputs, sync, now);
            metrics.recorded_for(started.elapsed());
            written
        }));
    }

    fn settle(&mut self, written: Result<Written, tokio::task::JoinError>) -> Vec<SpanChange> {
        match written {
            Ok(Written { recorder, result, spans }) => {
                self.state = State::Idle(recorder);
                self.report(result.err());
                spans
            }
            Err(panic) => {
                self.state = State::Broken;
                self.metrics.record_error();
                error!(%panic, "the recorder broke, this stream is not recorded any further");
                Vec::new()
            }
        }
    }

    /// Says when recording begins to fail and when it works again, not with every packet.
    fn report(&mut self, error: Option<RecordError>) {
        match error {
            Some(error) => {
                self.metrics.record_error();
                if !std::mem::replace(&mut self.failing, true) {
                    error!(%error, "recording fails");
                }
            }
            None => {
                if std::mem::replace(&mut self.failing, false) {
                    info!("recording works again");
                }
            }
        }
    }

    /// Writes what is left and closes the files.
    async fn finish(mut self, why: String, stop_reason: Option<StopReason>) -> (Option<Summary>, Vec<SpanChange>) {
        let mut spans = self.wait().await;
        let State::Idle(recorder) = self.state else { return (None, spans) };
        let now = clock::unix_millis();
        let inputs = std::mem::take(&mut self.gathered);
        let metrics = self.metrics.clone();
        let ending = Ending { stop_reason, why, at: now };
        let setup = self.setup.clone();
        let finished = tokio::task::spawn_blocking(move || {
            let started = ThreadTime::now();
            let Written { recorder, result, spans } = write(recorder, inputs, true, now);
            let summary = recorder.finish_while(ending, &|| setup.may_sum());
            metrics.recorded_for(started.elapsed());
            (result, summary, spans)
        })
        .await;
        let (result, summary) = match finished {
            Ok((result, summary, last)) => {
                spans.extend(last);
                (result, summary)
            }
            Err(panic) => {
                self.metrics.record_error();
                error!(%panic, "the recorder broke while closing");
                return (None, spans);
            }
        };
        if let Err(error) = result {
            self.metrics.record_error();
            error!(%error, "the last of a recording could not be written");
        }
        match summary {
            Ok(summary) => {
                self.setup.name_unsummed(&summary);
                (Some(summary), spans)
            }
            Err(error) => {
                self.metrics.record_error();
                error!(%error, "a recording could not be closed");
                (None, spans)
            }
        }
    }

    /// Waits until nobody writes, and closes the files as a crash would.
    async fn discard(mut self) {
        self.wait().await;
        // Closing many files may take a moment.
        let state = self.state;
        if let Err(panic) = tokio::task::spawn_blocking(move || drop(state)).await {
            error!(%panic, "the recorder broke while closing");
        }
    }

    /// Until a write that is under way is done.
    async fn wait(&mut self) -> Vec<SpanChange> {
        let State::Writing(writing) = &mut self.state else { return Vec::new() };
        let written = writing.await;
        self.settle(written)
    }
}

/// Writes everything even if something fails, so that one bad packet does not cost the rest; the first error is told.
fn write(mut recorder: Box<Recorder>, inputs: Vec<Input>, sync: bool, now: UnixMillis) -> Written {
    let mut result = Ok(());
    for input in inputs {
        result = result.and(recorder.handle(input, now));
    }
    if sync {
        result = result.and(recorder.sync(now));
    }
    let spans = recorder.take_span_changes();
    Written { recorder, result, spans }
}
