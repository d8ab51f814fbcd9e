//! The recorder as a subscriber of its stream: what its queue has gathered for a moment is written in one go on a blocking
//! thread, off the sockets' threads.
//!
//! Files that cannot be opened are tried again until the stream ends, and inputs meanwhile wait in
//! `waiting_room.rs`. Files that cannot be written keep what they can in memory and try again with each sync.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use cpu_time::ThreadTime;
use rtms_client::queue::{Dropped, News};
use rtms_record::{
    Ending, Input, Loss, Manifest, Note, Options, RecordError, Recorder, RecordingAbout, Summary,
    journal::entry::Entry,
    layout,
    ledger::{Cause, Change, LedgerReport, SpanChange, When},
    manifest::RecordingState,
};
use rtms_store::{
    stream_record::Ended,
    summary::{Recorded, Unclosed},
    wanted::Stop,
};
use rtms_wire::{codes::stop_reason::StopReason, time::UnixMillis};
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tracing::{error, info, warn};

use crate::{
    clock,
    disk::Disk,
    live::{
        hub::{Item, Subscription},
        last_words::LastWords,
        ledger_input,
        tenure::Tenure,
        waiting_room::{LedgerOnly, Timed, WaitingRoom},
    },
    stop::{Deadline, StopShare},
    telemetry::Metrics,
    trouble::Trouble,
};

/// The time for which items are gathered before they are written, so that a write serves many packets of many people.
const GATHER: Duration = Duration::from_millis(100);

/// The waits between tries to open a recording; the last is repeated.
const OPEN_AGAIN_AFTER: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// The waits between tries to close a recording. A stop of the process does not wait for longer than it may.
const CLOSE_AGAIN_AFTER: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// The folder and the options of recordings.
#[derive(Clone, Debug)]
pub(crate) struct RecordingSetup {
    pub(crate) root: PathBuf,
    pub(crate) options: Options,
    pub(crate) sync_every: Duration,
    /// When the server stops, files are not read for their checksums for longer than it has time.
    pub(crate) deadline: Deadline,
    /// Hears of writes that find no space.
    pub(crate) disk: Arc<Disk>,
}

impl RecordingSetup {
    /// Tells the disk of an error, if it is that there is no space.
    fn note(&self, error: &RecordError) {
        if error.is_disk_full() {
            self.disk.refused();
        }
    }

    fn may_sum(&self) -> bool {
        !self.deadline.is_over(StopShare::Checksums)
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

/// Closes the recording of a stream that Zoom stopped while no process ran it. Returns its account, if there is one.
///
/// # Errors
/// If it cannot be read or written.
pub(crate) fn close_left_behind(
    setup: &RecordingSetup,
    about: RecordingAbout,
    stop: &Stop,
    why: String,
    now: UnixMillis,
) -> Result<Option<Account>, RecordError> {
    let folder = layout::newest_folder(&setup.root, &about.stream_id);
    let found = match Manifest::read(&folder) {
        Ok(None) => return Ok(None),
        Ok(Some(found)) => Some(found),
        // It is made anew when it is opened.
        Err(RecordError::BadManifest { .. }) => None,
        Err(error) => return Err(error),
    };
    let summary = match found {
        Some(manifest) if manifest.state == RecordingState::Finished && reaches(&manifest, stop) => {
            Summary { folder, duration: Duration::ZERO, manifest }
        }
        Some(_) | None => {
            let mut recorder = Recorder::open_with(&setup.root, about, setup.options.clone(), now)?;
            recorder.handle(Input::Change(Change::Stopped, When::Zoom(stop.at)), now)?;
            recorder.try_finish(&Ending { at: now, stop_reason: stop.reason, why }, &|| setup.may_sum())?
        }
    };
    Ok(Some(Account::of_recording(&summary)))
}

/// Closes a recording that could not be closed when its stream ended, and returns its account: the one that was
/// reported then. None if the folder is gone.
///
/// # Errors
/// That it cannot be read or written yet.
pub(crate) fn close_unclosed(
    setup: &RecordingSetup,
    unclosed: &Unclosed,
    ended: &Ended,
    now: UnixMillis,
) -> Result<Option<Account>, RecordError> {
    let folder = Path::new(&unclosed.folder);
    let bad = |source| RecordError::BadManifest { path: folder.to_owned(), source };
    let reported = serde_json::from_value(unclosed.manifest.clone()).map_err(bad)?;
    let ending = Ending { at: ended.at, stop_reason: ended.stop_reason, why: ended.why.clone() };
    let may_sum = || setup.may_sum();
    let summary = Recorder::close_given_up(folder, reported, setup.options.clone(), &ending, now, &may_sum)?;
    Ok(summary.map(|summary| Account::of_recording(&summary)))
}

/// Whether a recording that was closed ends where Zoom stopped the stream: not if its process left the stream, or
/// failed.
fn reaches(manifest: &Manifest, stop: &Stop) -> bool {
    let is_stopped = manifest.ending.as_ref().is_some_and(|ending| ending.stop_reason.is_some());
    is_stopped || manifest.ledger.as_ref().is_none_or(|ledger| ledger.to == stop.at)
}

/// The final account of a stream.
pub(crate) struct Account {
    /// The ledger of its time; none if none was kept.
    pub(crate) ledger: Option<LedgerReport>,
    pub(crate) loss: Loss,
    pub(crate) recorded: Recorded,
    /// Messages in the files.
    pub(crate) packets: u64,
    /// Whether a medium was ever opened, as far as the files show.
    pub(crate) connected: bool,
}

impl Account {
    fn of_recording(summary: &Summary) -> Self {
        let Summary { folder, manifest, .. } = summary;
        Self { recorded: Recorded::Done { folder: folder.display().to_string() }, ..Self::of_manifest(manifest) }
    }

    fn of_manifest(manifest: &Manifest) -> Self {
        let packets =
            manifest.media.values().map(|received| received.packets - received.lost_disk.min(received.packets));
        Self {
            ledger: manifest.ledger.clone(),
            loss: manifest.ledger.as_ref().map(|ledger| manifest.loss(ledger)).unwrap_or_default(),
            recorded: Recorded::Unwanted,
            packets: packets.sum(),
            connected: !manifest.granted.is_empty() || !manifest.media.is_empty(),
        }
    }

    /// Returns the account of a stream without files.
    pub(crate) fn of_ledger((ledger, loss): (LedgerReport, Loss), recorded: Recorded) -> Self {
        Self { ledger: Some(ledger), loss, recorded, packets: 0, connected: false }
    }
}

/// The end of a stream, for its books.
pub(crate) struct End {
    pub(crate) why: String,
    pub(crate) stop_reason: Option<StopReason>,
    /// The note of it for the journal.
    pub(crate) note: Note,
    /// What the journal does not have yet.
    pub(crate) last_words: LastWords,
    /// The change if no medium was opened before either, as far as the books show.
    pub(crate) if_blank: Option<Input>,
    /// The change in any case.
    pub(crate) last: Option<Input>,
}

/// The recording of one stream.
pub(crate) struct Recording {
    state: State,
    subscription: Subscription,
    /// What comes before that which the subscription has.
    gathered: Vec<Timed>,
    /// The folder that was opened last.
    folder: Option<PathBuf>,
    tick: tokio::time::Interval,
    synced: Instant,
    setup: RecordingSetup,
    about: RecordingAbout,
    /// Whether an earlier run was connected to the stream.
    was_connected: bool,
    metrics: Arc<Metrics>,
    failing: Trouble,
    tenure: Tenure,
}

enum State {
    /// There are no files. Opening them is tried again at this moment.
    Closed(Unopened, Instant),
    /// They are being opened.
    Opening(Unopened, JoinHandle<Result<Box<Recorder>, RecordError>>),
    Idle(Box<Recorder>),
    Writing(JoinHandle<Written>),
    /// A placeholder while one state is replaced by another.
    Between,
}

/// A recording that has no files yet, or none any more.
struct Unopened {
    room: Box<WaitingRoom>,
    /// When it began, on our clock.
    since: UnixMillis,
    tries: usize,
    /// Why the last try failed.
    why: Option<String>,
    /// It was deleted on demand, so it is not tried again.
    is_final: bool,
}

struct Written {
    recorder: Box<Recorder>,
    result: Result<(), RecordError>,
    /// The changed spans of the ledger, which it returns with a sync.
    spans: Vec<SpanChange>,
}

impl Recording {
    /// Begins to make the folder, or to go on in it. If an earlier process was connected to the stream and the folder
    /// has nothing of it, the time until now is lost.
    pub(crate) fn open(
        setup: RecordingSetup,
        about: RecordingAbout,
        was_connected: bool,
        metrics: Arc<Metrics>,
        tenure: Tenure,
        subscription: Subscription,
    ) -> Self {
        let mut unopened = Unopened::new(&about);
        if was_connected {
            unopened.room.take_for_ledger(&ledger_input::lost_from_the_start(Cause::Restart), clock::unix_millis());
        }
        let opening = unopened.open(&setup, &about);
        Self {
            state: State::Opening(unopened, opening),
            subscription,
            gathered: Vec::new(),
            folder: None,
            tick: relaxed(GATHER),
            synced: Instant::now(),
            setup,
            about,
            was_connected,
            metrics,
            failing: Trouble::default(),
            tenure,
        }
    }

    /// The folder, once it is open.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Whether there are no files, and the next try to open them is some time away.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(..))
    }

    /// Whether there will be no files, because it was deleted.
    pub(crate) fn is_without_files(&self) -> bool {
        matches!(&self.state, State::Closed(Unopened { is_final: true, .. }, _))
    }

    /// What it lost because it was too slow.
    pub(crate) fn dropped(&self) -> Dropped {
        self.subscription.dropped()
    }

    /// Waits until the next write is due or done, and starts or settles it. Returns the changed spans of the ledger.
    /// Dropping the future loses nothing.
    pub(crate) async fn turn(&mut self) -> Vec<SpanChange> {
        match &mut self.state {
            State::Closed(unopened, again_at) => {
                self.tick.tick().await;
                if Instant::now() >= *again_at && !unopened.is_final {
                    self.try_to_open();
                }
                self.spans_of_waiting()
            }
            State::Opening(unopened, opening) => {
                tokio::select! {
                    opened = opening => self.opened(opened),
                    _ = self.tick.tick(), if unopened.tries > 0 || !self.subscription.is_empty() => {}
                }
                self.spans_of_waiting()
            }
            State::Idle(_) => {
                self.tick.tick().await;
                let sync = self.synced.elapsed() >= self.setup.sync_every;
                if sync || !self.gathered.is_empty() || !self.subscription.is_empty() {
                    self.start_writing(sync);
                }
                Vec::new()
            }
            State::Writing(writing) => {
                let written = writing.await;
                self.settle(written)
            }
            State::Between => std::future::pending().await,
        }
    }

    /// Lets what has come wait for the files.
    fn let_wait(&mut self) {
        if let State::Closed(unopened, _) | State::Opening(unopened, _) = &mut self.state {
            gathered(&mut self.subscription).for_each(|(input, at)| unopened.room.take(input, at));
        }
    }

    fn spans_of_waiting(&mut self) -> Vec<SpanChange> {
        self.let_wait();
        match &mut self.state {
            State::Closed(unopened, _) | State::Opening(unopened, _)
                if self.synced.elapsed() >= self.setup.sync_every =>
            {
                self.synced = Instant::now();
                unopened.room.take_span_changes(clock::unix_millis())
            }
            State::Closed(..) | State::Opening(..) | State::Idle(_) | State::Writing(_) | State::Between => Vec::new(),
        }
    }

    fn try_to_open(&mut self) {
        if self.tenure.is_over() {
            // The next owner of the stream writes now.
            return;
        }
        self.state = match std::mem::replace(&mut self.state, State::Between) {
            State::Closed(unopened, _) => {
                let opening = unopened.open(&self.setup, &self.about);
                State::Opening(unopened, opening)
            }
            other @ (State::Opening(..) | State::Idle(_) | State::Writing(_) | State::Between) => other,
        };
    }

    fn opened(&mut self, opened: Result<Result<Box<Recorder>, RecordError>, tokio::task::JoinError>) {
        self.let_wait();
        let State::Opening(mut unopened, _) = std::mem::replace(&mut self.state, State::Between) else { return };
        let why = match opened {
            Ok(Ok(recorder)) => {
                if unopened.tries > 0 {
                    info!(tries = unopened.tries, folder = %recorder.folder().display(), "recording opened");
                }
                let now = clock::unix_millis();
                let is_lost = self.was_connected && !recorder.is_resumed();
                let lost = is_lost.then(|| ledger_input::lost_from_the_start(Cause::Restart));
                self.gathered = lost.into_iter().map(|input| (input, now)).collect();
                self.gathered.extend(unopened.room.leave(now));
                self.folder = Some(recorder.folder().to_owned());
                self.state = State::Idle(recorder);
                return;
            }
            Ok(Err(error)) => {
                self.setup.note(&error);
                unopened.is_final = matches!(error, RecordError::Deleted { .. });
                error.told()
            }
            Err(panic) => panic.to_string(),
        };
        self.metrics.record_error();
        if unopened.is_final {
            error!(why, "this stream is not recorded");
        } else if unopened.why.as_ref() != Some(&why) {
            error!(why, "cannot open the recording, trying again until the stream ends");
        }
        unopened.why = Some(why);
        let wait = OPEN_AGAIN_AFTER.get(unopened.tries).or(OPEN_AGAIN_AFTER.last()).copied().unwrap_or_default();
        unopened.tries += 1;
        self.state = State::Closed(unopened, Instant::now() + wait);
    }

    fn start_writing(&mut self, sync: bool) {
        if self.tenure.is_over() {
            // The next owner of the stream writes now.
            return;
        }
        let State::Idle(recorder) = std::mem::replace(&mut self.state, State::Between) else { return };
        if sync {
            self.synced = Instant::now();
        }
        let inputs = self.take_gathered();
        let metrics = self.metrics.clone();
        let now = clock::unix_millis();
        self.state = State::Writing(tokio::task::spawn_blocking(move || {
            let started = ThreadTime::now();
            let written = write(recorder, inputs, sync, now);
            metrics.recorded_for(started.elapsed());
            written
        }));
    }

    fn take_gathered(&mut self) -> Vec<Timed> {
        let mut inputs = std::mem::take(&mut self.gathered);
        inputs.extend(gathered(&mut self.subscription));
        inputs
    }

    fn settle(&mut self, written: Result<Written, tokio::task::JoinError>) -> Vec<SpanChange> {
        match written {
            Ok(Written { recorder, result, spans }) => {
                self.state = State::Idle(recorder);
                self.report(result.err());
                spans
            }
            Err(panic) => {
                self.metrics.record_error();
                error!(%panic, "the recorder broke, opening the recording again");
                let mut unopened = Unopened::new(&self.about);
                for (input, at) in self.take_gathered() {
                    unopened.room.take(input, at);
                }
                unopened.tries = 1;
                unopened.why = Some(panic.to_string());
                self.state = State::Closed(unopened, Instant::now());
                Vec::new()
            }
        }
    }

    /// Logs when recording begins to fail and when that is over, not with every write.
    fn report(&mut self, error: Option<RecordError>) {
        match error {
            Some(error) => {
                self.metrics.record_error();
                self.setup.note(&error);
                if self.failing.begins(Instant::now()) {
                    error!(%error, "cannot write the recording, trying again");
                }
            }
            None => {
                if self.failing.ends(Instant::now()) {
                    info!("the recording can be written again");
                }
            }
        }
    }

    /// Writes what is left and closes the files.
    pub(crate) async fn finish(mut self, end: End) -> (Account, Vec<Arc<Entry>>) {
        let End { why, stop_reason, note, mut last_words, if_blank, last } = end;
        let mut spans = self.wait().await;
        last_words.wait().await;
        if let State::Closed(unopened, _) = &self.state
            && !unopened.is_final
        {
            // The last moment at which there may be room.
            self.try_to_open();
            spans.extend(self.wait().await);
        }
        self.let_wait();
        let mut inputs = self.take_gathered();
        let recorder = match self.state {
            State::Idle(recorder) => recorder,
            State::Closed(mut unopened, _) => {
                for input in if_blank.into_iter().chain(last) {
                    unopened.room.take(input, clock::unix_millis());
                }
                spans.extend(unopened.room.last_span_changes(clock::unix_millis()));
                last_words.conclude(spans, note);
                let why = unopened.why.unwrap_or_default();
                let account = Account::of_ledger(unopened.room.account(), failed(why));
                if self.setup.deadline.has_begun() && !unopened.is_final {
                    let stream_id = Some(&self.about.stream_id);
                    self.setup.deadline.leave("recording", stream_id, "the disk", &account.loss.to_string());
                }
                return (account, last_words.into_entries());
            }
            State::Opening(..) | State::Writing(_) | State::Between => {
                let account = (LedgerOnly::new(&self.about, clock::unix_millis())).account();
                last_words.conclude(spans, note);
                return (Account::of_ledger(account, failed("the recorder broke".into())), last_words.into_entries());
            }
        };
        let now = clock::unix_millis();
        let is_blank = recorder.is_blank();
        inputs.extend(if_blank.filter(|_| is_blank).into_iter().chain(last).map(|input| (input, now)));
        let ending = Ending { stop_reason, why, at: now };
        let mut closing = Closing { recorder, ending, inputs, gives_up: false, spans, note, last_words };
        let (mut spare, end_note) = (closing.last_words.spare(), closing.note.clone());
        let mut waits = CLOSE_AGAIN_AFTER.iter();
        loop {
            if self.tenure.is_over() {
                // The next owner of the stream writes now. The caller waits no longer than the tenure.
                std::future::pending::<()>().await;
            }
            let (setup, metrics) = (self.setup.clone(), self.metrics.clone());
            let closed = tokio::task::spawn_blocking(move || {
                let started = ThreadTime::now();
                let closed = closing.run(&setup, &metrics);
                metrics.recorded_for(started.elapsed());
                (closing, closed)
            });
            let (mut tried, closed) = match closed.await {
                Ok(closed) => closed,
                Err(panic) => {
                    self.metrics.record_error();
                    error!(%panic, "the recorder broke while closing");
                    let account = (LedgerOnly::new(&self.about, now)).account();
                    spare.conclude([], end_note);
                    return (Account::of_ledger(account, failed("the recorder broke".into())), spare.into_entries());
                }
            };
            let error = match closed {
                Ok(summary) => {
                    self.setup.name_unsummed(&summary);
                    return (Account::of_recording(&summary), tried.last_words.into_entries());
                }
                Err(error) => error,
            };
            self.metrics.record_error();
            self.setup.note(&error);
            let why = error.told();
            if tried.gives_up {
                error!(why, "cannot close the recording");
                if self.setup.deadline.has_begun() {
                    let lost = "its end, which the next process writes";
                    self.setup.deadline.leave("recording", Some(&self.about.stream_id), "the disk", lost);
                }
                let manifest = tried.recorder.describe();
                let folder = tried.recorder.folder().display().to_string();
                let unclosed = serde_json::to_value(&manifest).map(|manifest| Unclosed { folder, manifest });
                let recorded = Recorded::Failed {
                    why: format!("it could not be closed: {why}"),
                    unclosed: unclosed.ok().map(Box::new),
                };
                // The journal may be written where other files cannot.
                let written = tokio::task::spawn_blocking(move || {
                    tried.conclude();
                    let written = tried.last_words.write(tried.recorder.folder());
                    (tried, written)
                });
                let Ok((tried, written)) = written.await else {
                    spare.conclude([], end_note);
                    return (Account { recorded, ..Account::of_manifest(&manifest) }, spare.into_entries());
                };
                if let Err(error) = written {
                    error!(%error, "the last entries are missing in the journal");
                }
                return (Account { recorded, ..Account::of_manifest(&manifest) }, tried.last_words.into_entries());
            }
            let wait = waits.next().filter(|_| !self.setup.deadline.is_over(StopShare::WireLog));
            match wait {
                Some(wait) => {
                    self.setup.deadline.within(StopShare::WireLog, sleep(*wait)).await;
                }
                None => {
                    error!(why, "cannot write the end of the recording, closing it with what is in the files");
                    tried.gives_up = true;
                }
            }
            closing = tried;
        }
    }

    /// Waits until no write is under way, and closes the files as a crash would.
    pub(crate) async fn discard(mut self) {
        self.wait().await;
        // Closing many files may take a moment.
        let state = self.state;
        if let Err(panic) = tokio::task::spawn_blocking(move || drop(state)).await {
            error!(%panic, "the recorder broke while closing");
        }
    }

    /// Waits until a write under way is done, or files that are being opened are open.
    async fn wait(&mut self) -> Vec<SpanChange> {
        match &mut self.state {
            State::Writing(writing) => {
                let written = writing.await;
                self.settle(written)
            }
            State::Opening(_, opening) => {
                let opened = opening.await;
                self.opened(opened);
                Vec::new()
            }
            State::Closed(..) | State::Idle(_) | State::Between => Vec::new(),
        }
    }
}

impl Unopened {
    fn new(about: &RecordingAbout) -> Self {
        let since = clock::unix_millis();
        Self { room: Box::new(WaitingRoom::new(about, since)), since, tries: 0, why: None, is_final: false }
    }

    fn open(&self, setup: &RecordingSetup, about: &RecordingAbout) -> JoinHandle<Result<Box<Recorder>, RecordError>> {
        let (root, options, about, since) = (setup.root.clone(), setup.options.clone(), about.clone(), self.since);
        tokio::task::spawn_blocking(move || Recorder::open_with(&root, about, options, since).map(Box::new))
    }
}

/// A recording that is being closed, in as many tries as it takes.
struct Closing {
    recorder: Box<Recorder>,
    ending: Ending,
    /// The inputs that are still to be recorded.
    inputs: Vec<Timed>,
    /// Whether data that cannot be written is given up.
    gives_up: bool,
    /// Changes of the ledger that nobody has heard of.
    spans: Vec<SpanChange>,
    /// The note of the end.
    note: Note,
    last_words: LastWords,
}

impl Closing {
    /// Says the last changes of the ledger, and the end.
    fn conclude(&mut self) {
        self.spans.extend(self.recorder.take_span_changes());
        self.spans.extend(ledger_input::closing(&self.recorder.ledger().report()));
        self.last_words.conclude(std::mem::take(&mut self.spans), self.note.clone());
    }

    fn run(&mut self, setup: &RecordingSetup, metrics: &Metrics) -> Result<Summary, RecordError> {
        if let Err(error) = handle_all(&mut self.recorder, std::mem::take(&mut self.inputs)) {
            metrics.record_error();
            warn!(%error, "cannot write a part of the recording");
        }
        if self.gives_up {
            self.recorder.give_up()?;
        }
        self.recorder.settle(self.ending.at)?;
        self.conclude();
        match self.last_words.write(self.recorder.folder()) {
            Err(error) if self.gives_up => error!(%error, "the last entries are missing in the journal"),
            written => written?,
        }
        self.recorder.try_finish(&self.ending, &|| setup.may_sum())
    }
}

/// Returns what a subscription has gathered, and its losses where they came.
fn gathered(subscription: &mut Subscription) -> impl Iterator<Item = Timed> {
    subscription.take_all().into_iter().map(|news| match news {
        News::Event(Item { input, at }) => (input, at),
        News::Lost(lost) => (ledger_input::lost(lost), clock::unix_millis()),
    })
}

/// Returns an interval that does not make up for what it missed.
pub(crate) fn relaxed(every: Duration) -> tokio::time::Interval {
    let mut interval = interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

fn failed(why: String) -> Recorded {
    Recorded::Failed { why, unclosed: None }
}

/// Writes everything even if something fails, so that one bad packet does not cost the rest. Returns the first error.
fn handle_all(recorder: &mut Recorder, inputs: Vec<Timed>) -> Result<(), RecordError> {
    let mut result = Ok(());
    for (input, at) in inputs {
        result = result.and(recorder.handle(input, at));
    }
    result
}

fn write(mut recorder: Box<Recorder>, inputs: Vec<Timed>, sync: bool, now: UnixMillis) -> Written {
    let mut result = handle_all(&mut recorder, inputs);
    if sync {
        result = result.and(recorder.sync(now));
    }
    let spans = recorder.take_span_changes();
    Written { recorder, result, spans }
}
