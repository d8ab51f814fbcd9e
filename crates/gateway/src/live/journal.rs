//! The words of one stream on their way to its subscribers: each gets its number and is in the journal before anybody
//! hears it.
//!
//! A recorded stream has its journal beside its recording. What is said before that is open waits for it. When the disk
//! fails or hangs, nobody waits for it longer than [`PATIENCE`]: what is said then is heard at once, and stays in memory
//! until the journal can have it. A stream that is not recorded has its journal in memory.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rtms_record::{
    Input,
    journal::{
        JournalOptions, JournalReader, JournalWriter, MemoryJournal, MemoryOptions, Restored,
        entry::{Entry, Word},
        error::JournalError,
    },
    utterance::Utterances,
};
use rtms_wire::{
    ids::StreamId,
    media::medium::Medium,
    sequence::{Numbering, SequenceNumber},
    time::UnixMillis,
    utterance::UtteranceChange,
};
use serde_json::json;
use tokio::{
    task::{JoinError, JoinHandle},
    time::{Instant, sleep_until},
};
use tracing::{error, info, warn};

use crate::{
    clock,
    live::{
        hub::json_bytes,
        last_words::{JournalFile, LastWords},
        tenure::Tenure,
        words::{Said, note},
    },
    telemetry::Metrics,
    trouble::Trouble,
};

/// The longest time for which a word waits for the disk before it is heard.
const PATIENCE: Duration = Duration::from_secs(2);

/// The pause before a journal that failed is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Entries that wait for a disk that fails. Of more, the oldest are lost to the journal, though not to who heard them.
const MAX_UNWRITTEN: usize = 16_384;

/// Their bytes, as JSON.
const MAX_UNWRITTEN_BYTES: usize = 16 << 20;

/// Words that wait for the journal to be opened.
const MAX_HELD: usize = 1_024;

/// Lines of the transcript that corrections can refer to.
const MAX_LINES: usize = 50_000;

/// When the journal's file is synced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Syncing {
    pub(crate) wait_for_disk: bool,
    pub(crate) every: Duration,
}

/// The journal of one stream.
pub(crate) struct StreamJournal {
    stream_id: StreamId,
    numbering: Numbering,
    utterances: Utterances,
    /// What an earlier owner left; none before the file is open.
    restored: Option<Restored>,
    /// Whether a line of the transcript has a number. It refers to what this process knew then.
    has_line: bool,
    place: Place,
    /// The folder of the recording, once that is open.
    folder: Option<PathBuf>,
    /// What the journal does not have yet, in order, each with its length as JSON.
    unwritten: VecDeque<(Arc<Entry>, usize)>,
    unwritten_bytes: usize,
    /// How many at the front of them were heard all the same.
    heard: usize,
    /// Entries that memory lost before the disk was well again.
    lost: u64,
    /// Whether the disk fails or hangs, so that nobody waits for it.
    is_failing: bool,
    /// What is to be published.
    ready: Vec<Input>,
    syncing: Syncing,
    synced: Instant,
    is_unsynced: bool,
    metrics: Arc<Metrics>,
    trouble: Trouble,
    tenure: Tenure,
}

enum Place {
    /// The recording is not open yet. What was said has no number, because an earlier owner's journal decides what a line of
    /// the transcript refers to.
    Expected(Held),
    Opening(Held, JoinHandle<OpeningResult>),
    Idle(JournalWriter),
    /// A number of entries from the front of what is unwritten are being written since this moment.
    Writing(JoinHandle<Written>, usize, Instant),
    /// It could not be opened or written, and is tried again at this moment.
    Failing(Option<JournalWriter>, Instant),
    /// There is no file, and will be none.
    Memory(MemoryJournal),
    /// A placeholder while one place is replaced by another.
    Between,
}

/// What waits for its number, and since when.
#[derive(Default)]
struct Held {
    said: Vec<(Said, UnixMillis)>,
    since: Option<Instant>,
}

struct Opened {
    writer: JournalWriter,
    restored: Restored,
}

/// None if the tenure was over by then.
type OpeningResult = Result<Option<Opened>, JournalError>;

struct Written {
    writer: JournalWriter,
    result: Result<(), JournalError>,
    is_synced: bool,
}

impl StreamJournal {
    /// Returns the journal of a stream that is recorded: it begins with [`Self::keep_in`].
    pub(crate) fn recorded(stream_id: StreamId, syncing: Syncing, metrics: Arc<Metrics>, tenure: Tenure) -> Self {
        Self::new(stream_id, Place::Expected(Held::default()), syncing, metrics, tenure)
    }

    /// Returns the journal of a stream that is not recorded.
    pub(crate) fn in_memory(stream_id: StreamId, metrics: Arc<Metrics>, tenure: Tenure) -> Self {
        let numbers = Numbering::new(tenure.token());
        let memory = Place::Memory(MemoryJournal::new(MemoryOptions::default(), numbers.last()));
        let syncing = Syncing { wait_for_disk: false, every: Duration::MAX };
        Self::new(stream_id, memory, syncing, metrics, tenure)
    }

    fn new(stream_id: StreamId, place: Place, syncing: Syncing, metrics: Arc<Metrics>, tenure: Tenure) -> Self {
        Self {
            stream_id,
            numbering: Numbering::new(tenure.token()),
            utterances: Utterances::new(MAX_LINES),
            restored: None,
            has_line: false,
            place,
            folder: None,
            unwritten: VecDeque::new(),
            unwritten_bytes: 0,
            heard: 0,
            lost: 0,
            is_failing: false,
            ready: Vec::new(),
            syncing,
            synced: Instant::now(),
            is_unsynced: false,
            metrics,
            trouble: Trouble::default(),
            tenure,
        }
    }

    /// Opens the journal in the folder of the recording. Nothing happens when that is known already.
    pub(crate) fn keep_in(&mut self, folder: &Path) {
        if self.folder.is_none() {
            self.folder = Some(folder.to_owned());
            self.open();
        }
    }

    /// Ceases to wait for a recording that cannot be opened now.
    pub(crate) fn go_without(&mut self) {
        if matches!(self.place, Place::Expected(_)) {
            self.stop_waiting();
        }
    }

    /// Goes on in memory, as there will be no recording.
    pub(crate) fn stay_in_memory(&mut self) {
        if matches!(self.place, Place::Expected(_)) {
            self.stop_waiting();
            self.go_on_in_memory();
        }
    }

    /// Takes something that the stream says. Never waits.
    pub(crate) fn say(&mut self, said: Said, at: UnixMillis) {
        if let (Place::Expected(held) | Place::Opening(held, _), false) = (&mut self.place, self.is_failing) {
            held.since.get_or_insert_with(Instant::now);
            held.said.push((said, at));
            if held.said.len() >= MAX_HELD {
                self.stop_waiting();
            }
            return;
        }
        self.enter(said, at);
    }

    /// Returns what is to be published, in order.
    pub(crate) fn take_ready(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.ready)
    }

    /// Whether no word waits for the disk.
    pub(crate) fn is_settled(&self) -> bool {
        match &self.place {
            Place::Memory(_) | Place::Between => true,
            Place::Expected(_) | Place::Opening(..) | Place::Writing(..) => self.is_failing,
            Place::Idle(_) | Place::Failing(..) => self.is_failing || self.unwritten.is_empty(),
        }
    }

    /// Waits until there is work, and does it. Dropping the future loses nothing.
    pub(crate) async fn turn(&mut self) {
        match &mut self.place {
            Place::Expected(held) => {
                wait_for(patience(held.since, self.is_failing)).await;
                self.stop_waiting();
            }
            Place::Opening(held, opening) => {
                let patience = patience(held.since, self.is_failing);
                tokio::select! {
                    opened = opening => self.opened(opened),
                    () = wait_for(patience) => self.stop_waiting(),
                }
            }
            // The next owner of the stream writes now.
            Place::Idle(_) if self.tenure.is_over() => std::future::pending().await,
            Place::Idle(_) if !self.unwritten.is_empty() => self.write(),
            Place::Idle(_) => {
                wait_for(self.sync_at()).await;
                self.write();
            }
            Place::Writing(writing, _, since) => {
                let patience = patience(Some(*since), self.is_failing);
                tokio::select! {
                    written = writing => self.written(written),
                    () = wait_for(patience) => self.stop_waiting(),
                }
            }
            Place::Failing(_, again_at) => {
                sleep_until(*again_at).await;
                self.try_again();
            }
            Place::Memory(_) | Place::Between => std::future::pending().await,
        }
    }

    /// Waits until nothing is written to the file any more, which is to be deleted.
    pub(crate) async fn discard(self) {
        match self.place {
            Place::Writing(writing, ..) => drop(writing.await),
            Place::Opening(_, opening) => drop(opening.await),
            Place::Expected(_) | Place::Idle(_) | Place::Failing(..) | Place::Memory(_) | Place::Between => {}
        }
    }

    /// Returns last words that no journal has, for a stream whose journal is to be deleted.
    pub(crate) fn spare_words(&self) -> LastWords {
        LastWords::new(JournalFile::None, Vec::new(), self.numbering.clone(), false)
    }

    /// Hands over what is left to say and to write, for the moment when the recording is closed.
    pub(crate) fn into_last_words(mut self) -> LastWords {
        if let lost @ 1.. = std::mem::take(&mut self.lost) {
            self.tell_gap(lost);
        }
        let file = match self.place {
            Place::Idle(writer) | Place::Failing(Some(writer), _) => JournalFile::Open(writer),
            Place::Writing(writing, ..) => {
                let written =
                    async { writing.await.map(|written| Some(written.writer)).map_err(|panic| panic.to_string()) };
                JournalFile::Busy(self.stream_id, Box::pin(written))
            }
            Place::Opening(_, opening) => {
                let opened = async {
                    match opening.await {
                        Ok(Ok(Some(opened))) => Ok(Some(opened.writer)),
                        Ok(Ok(None)) => Err("the lease is over".into()),
                        Ok(Err(JournalError::File(_))) => Ok(None),
                        Ok(Err(error)) => Err(error.to_string()),
                        Err(panic) => Err(panic.to_string()),
                    }
                };
                JournalFile::Busy(self.stream_id, Box::pin(opened))
            }
            Place::Expected(_) | Place::Failing(None, _) => JournalFile::Unopened(self.stream_id),
            Place::Memory(_) | Place::Between => JournalFile::None,
        };
        let unwritten = self.unwritten.into_iter().map(|(entry, _)| entry).collect();
        LastWords::new(file, unwritten, self.numbering, self.syncing.wait_for_disk)
    }

    /// Gives something its number, unless an earlier owner has it.
    fn number(&mut self, said: Said, at: UnixMillis) -> Option<Arc<Entry>> {
        let word = match said {
            Said::TranscriptConnection => {
                self.utterances.begin_connection();
                return None;
            }
            Said::Transcript(message) => {
                let utterance = self.utterances.take(&message, self.numbering.next());
                if utterance.change == UtteranceChange::Repeat && utterance.id.token != self.tenure.token() {
                    self.ready.push(Input::Repeats { medium: Medium::Transcript, count: 1 });
                    return None;
                }
                self.has_line = true;
                Word::Transcript { message, utterance }
            }
            Said::Chat(chat) => {
                if self.restored.as_mut().is_some_and(|restored| restored.is_repeat(&chat)) {
                    self.ready.push(Input::Repeats { medium: Medium::Chat, count: 1 });
                    return None;
                }
                Word::Chat(chat)
            }
            Said::Event(event) => Word::Event(event),
            Said::Note(note) => Word::Note(note),
            Said::Unlisted(note) => Word::Unlisted(note),
            Said::Span(span) => Word::Span(span),
        };
        Some(Arc::new(Entry { number: self.numbering.give(), at, word }))
    }

    /// Makes something an entry.
    fn enter(&mut self, said: Said, at: UnixMillis) {
        let Some(entry) = self.number(said, at) else { return };
        if let Place::Memory(memory) = &mut self.place {
            append_in_memory(memory, &entry);
            self.ready.push(Input::Word(entry));
            return;
        }
        let bytes = json_bytes(&*entry);
        self.unwritten_bytes += bytes;
        self.unwritten.push_back((entry.clone(), bytes));
        if self.is_failing {
            self.ready.push(Input::Word(entry));
            self.heard = self.unwritten.len();
        }
        while self.unwritten.len() > MAX_UNWRITTEN
            || self.unwritten_bytes > MAX_UNWRITTEN_BYTES && self.unwritten.len() > 1
        {
            if !self.is_failing {
                self.stop_waiting();
            }
            // What is being written stays.
            let being_written = if let Place::Writing(_, count, _) = self.place { count } else { 0 };
            let Some((_, bytes)) = self.unwritten.remove(being_written) else { break };
            self.unwritten_bytes -= bytes;
            self.heard -= 1;
            self.lost += 1;
        }
    }

    /// Lets everything be heard that waits, for now and until the disk works.
    fn stop_waiting(&mut self) {
        self.is_failing = true;
        if self.trouble.begins(Instant::now()) {
            warn!("cannot write the journal: words are published before they are in it");
        }
        self.number_held();
        let unheard = self.unwritten.iter().skip(self.heard);
        self.ready.extend(unheard.map(|(entry, _)| Input::Word(entry.clone())));
        self.heard = self.unwritten.len();
    }

    fn number_held(&mut self) {
        let held = match &mut self.place {
            Place::Expected(held) | Place::Opening(held, _) => std::mem::take(&mut held.said),
            Place::Idle(_) | Place::Writing(..) | Place::Failing(..) | Place::Memory(_) | Place::Between => return,
        };
        held.into_iter().for_each(|(said, at)| self.enter(said, at));
    }

    fn open(&mut self) {
        let Some(folder) = self.folder.clone() else { return };
        let (stream_id, tenure) = (self.stream_id.clone(), self.tenure.clone());
        let opening = tokio::task::spawn_blocking(move || {
            if tenure.is_over() {
                return Ok(None);
            }
            let writer = JournalWriter::open(&folder, &stream_id, JournalOptions::default())?;
            let restored = Restored::read(JournalReader::open(&folder)?.entries(), MAX_LINES)?;
            Ok(Some(Opened { writer, restored }))
        });
        self.place = match std::mem::replace(&mut self.place, Place::Between) {
            Place::Expected(held) => Place::Opening(held, opening),
            Place::Opening(..)
            | Place::Idle(_)
            | Place::Writing(..)
            | Place::Failing(..)
            | Place::Memory(_)
            | Place::Between => Place::Opening(Held::default(), opening),
        };
    }

    fn opened(&mut self, opened: Result<OpeningResult, JoinError>) {
        match opened {
            Ok(Ok(None)) => self.give_up("the lease is over"),
            Ok(Ok(Some(Opened { writer, .. }))) if writer.last() >= self.numbering.next() => {
                let last = writer.last();
                self.give_up(&format!("an owner with a later token has written entry {last} of it"));
            }
            Ok(Ok(Some(Opened { writer, mut restored }))) => {
                if restored.bad_lines > 0 {
                    warn!(lines = restored.bad_lines, "skipped lines of the journal that cannot be read");
                }
                if !self.has_line {
                    let begun = self.utterances.connection();
                    self.utterances = std::mem::replace(&mut restored.utterances, Utterances::new(0));
                    (0..begun).for_each(|_| self.utterances.begin_connection());
                }
                self.restored = Some(restored);
                self.number_held();
                self.place = Place::Idle(writer);
            }
            Ok(Err(error)) => self.failed(&error, None),
            Err(panic) => self.give_up(&panic.to_string()),
        }
    }

    /// Begins to write what is unwritten, and to sync if that is due.
    fn write(&mut self) {
        let Place::Idle(mut writer) = std::mem::replace(&mut self.place, Place::Between) else { return };
        let batch: Vec<_> = self.unwritten.iter().map(|(entry, _)| entry.clone()).collect();
        let count = batch.len();
        let sync = self.syncing.wait_for_disk && self.synced.elapsed() >= self.syncing.every;
        if sync {
            self.synced = Instant::now();
        }
        let tenure = self.tenure.clone();
        let writing = tokio::task::spawn_blocking(move || {
            // The next owner of the stream writes now.
            let batch = if tenure.is_over() { &[] } else { &batch[..] };
            let mut result = writer.append(batch);
            let mut is_synced = false;
            if sync && result.is_ok() {
                result = writer.sync();
                is_synced = result.is_ok();
            }
            Written { writer, result, is_synced }
        });
        self.place = Place::Writing(writing, count, Instant::now());
    }

    fn sync_at(&self) -> Option<Instant> {
        (self.syncing.wait_for_disk && self.is_unsynced).then(|| self.synced + self.syncing.every)
    }

    fn written(&mut self, written: Result<Written, JoinError>) {
        let Place::Writing(_, count, _) = std::mem::replace(&mut self.place, Place::Between) else { return };
        let Written { writer, result, is_synced } = match written {
            Ok(written) => written,
            Err(panic) => return self.give_up(&panic.to_string()),
        };
        // A sync may have failed after they were written.
        let last = count.checked_sub(1).and_then(|at| self.unwritten.get(at));
        let has_all = last.is_none_or(|(last, _)| writer.last() >= last.number);
        if has_all {
            let heard = self.heard.min(count);
            for (at, (entry, bytes)) in self.unwritten.drain(..count).enumerate() {
                self.unwritten_bytes -= bytes;
                if at >= heard {
                    self.ready.push(Input::Word(entry));
                }
            }
            self.heard -= heard;
            self.is_unsynced = !is_synced && (self.is_unsynced || count > 0);
        }
        match result {
            Ok(()) => {
                self.place = Place::Idle(writer);
                self.works();
            }
            Err(error) => self.failed(&error, Some(writer)),
        }
    }

    fn works(&mut self) {
        if self.unwritten.is_empty() {
            self.is_failing = false;
        }
        if self.trouble.ends(Instant::now()) {
            info!("the journal can be written again");
        }
        if let lost @ 1.. = std::mem::take(&mut self.lost) {
            self.tell_gap(lost);
        }
    }

    fn tell_gap(&mut self, lost: u64) {
        error!(entries = lost, "entries are missing in the journal: the disk failed for too long");
        let now = clock::unix_millis();
        self.enter(Said::Unlisted(note(now, "journal_gap", json!({ "entries": lost }))), now);
    }

    fn failed(&mut self, error: &JournalError, writer: Option<JournalWriter>) {
        match error {
            JournalError::File(_) | JournalError::Full { .. } | JournalError::BadLine { .. } => {}
            JournalError::NotRising { .. }
            | JournalError::TooLong { .. }
            | JournalError::WrittenByAnother { .. }
            | JournalError::NewerFormat { .. }
            | JournalError::NotAJournal { .. }
            | JournalError::OtherStream { .. } => return self.give_up(&error.to_string()),
        }
        self.metrics.record_error();
        if self.trouble.begins(Instant::now()) {
            error!(%error, "cannot write the journal, trying again");
        }
        self.stop_waiting();
        self.place = Place::Failing(writer, Instant::now() + AGAIN_AFTER);
    }

    /// Goes on in memory.
    fn give_up(&mut self, why: &str) {
        self.metrics.record_error();
        error!(why, "this stream has no journal on disk from here on");
        self.stop_waiting();
        self.go_on_in_memory();
    }

    fn go_on_in_memory(&mut self) {
        let before =
            |(first, _): &(Arc<Entry>, usize)| SequenceNumber { count: first.number.count - 1, ..first.number };
        let begins_after = self.unwritten.front().map_or(self.numbering.last(), before);
        let mut memory = MemoryJournal::new(MemoryOptions::default(), begins_after);
        self.unwritten.drain(..).for_each(|(entry, _)| append_in_memory(&mut memory, &entry));
        (self.unwritten_bytes, self.heard) = (0, 0);
        self.place = Place::Memory(memory);
    }

    fn try_again(&mut self) {
        let Place::Failing(writer, _) = std::mem::replace(&mut self.place, Place::Between) else { return };
        match writer {
            Some(writer) => {
                self.place = Place::Idle(writer);
                if !self.tenure.is_over() {
                    self.write();
                }
            }
            None => self.open(),
        }
    }
}

fn append_in_memory(memory: &mut MemoryJournal, entry: &Arc<Entry>) {
    // Its numbers are given in order, so it never refuses.
    if let Err(error) = memory.append(std::slice::from_ref(entry)) {
        error!(%error, "cannot write an entry into the journal");
    }
}

/// Returns when the patience with a disk ends; none if nothing waits or it has ended already.
fn patience(since: Option<Instant>, is_failing: bool) -> Option<Instant> {
    since.filter(|_| !is_failing).map(|since| since + PATIENCE)
}

/// Waits until this moment; forever if there is none.
async fn wait_for(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
