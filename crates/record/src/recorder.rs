//! [`Recorder`]: inputs in, files out, closed properly.
//!
//! Here is its life: what is handled goes to `media.rs` or `lines.rs` below, sync brings it into the files, finish closes them.
//! How it begins or goes on is in `opening.rs`.

mod giving_up;
mod lines;
mod media;
mod opening;
mod rebuilding;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rtms_wire::{
    codes::{media::MediaPayloadType, stop_reason::StopReason},
    media::medium::Medium,
    time::{UnixMillis, millis},
};

use crate::{
    audio::Audio,
    bookkeeper::Bookkeeper,
    checksum::checksums,
    counts::Counts,
    deletion::{Deletion, DeletionRecord},
    error::RecordError,
    file::{Appender, Files, keep_first},
    flawed_messages::FlawedMessages,
    input::{Dropped, Ending, Input},
    journal::file::cut_torn_end,
    layout::Layout,
    ledger::{Ledger, report::SpanChange, word::Queue},
    loss::Loss,
    manifest::{self, LedgerLine, Manifest, RecordingState},
    options::Options,
    people::People,
    raw::{Aside, Raw},
    repeats::RecordedLines,
    text::Transcript,
    views::{Stamp, Views},
};

/// News of the ledger kept for whoever publishes it; a caller that never asks costs no more.
const MAX_UNTOLD: usize = 4096;

/// Writes one stream to the files of one folder.
///
/// Blocking; one caller at a time. Nothing is promised to be in a file before [`Recorder::sync`] has returned. Dropping
/// it without [`Recorder::finish`] leaves what a crash would leave: a recording that can be read and resumed.
#[derive(Debug)]
pub struct Recorder {
    layout: Layout,
    options: Options,
    files: Files,
    manifest: Manifest,
    /// The manifest on disk lacks more than counters.
    manifest_stale: bool,
    /// The manifest on disk lacks counters.
    counters_stale: bool,
    people: People,
    audio: Option<Audio>,
    /// From when on the track has the sound that is handled now.
    placed_from: Option<UnixMillis>,
    book: Bookkeeper,
    /// As they were when all of it was in the files.
    counted: Counts,
    /// What changed in ledger and counts since the manifest was written.
    ledger_log: Appender,
    /// How much of it repeats the manifest.
    ledger_log_base: u64,
    ledger_logged_at: UnixMillis,
    untold: Vec<SpanChange>,
    picture_codecs: BTreeMap<Medium, MediaPayloadType>,
    active_speaker_video: bool,
    raw: BTreeMap<Medium, Raw>,
    aside: Option<Aside>,
    flawed: FlawedMessages,
    transcript: Transcript,
    views: Views,
    recorded_transcript: RecordedLines,
    recorded_chat: RecordedLines,
}

/// What a finished recording holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Where it lies.
    pub folder: PathBuf,
    /// The longest track; without sound, from `started_at` to the end.
    pub duration: Duration,
    /// The manifest as it was written: files, tracks, participants, counts.
    pub manifest: Manifest,
}

impl Recorder {
    /// The recording's folder.
    pub fn folder(&self) -> &Path {
        self.layout.folder()
    }

    /// Whether the folder was there already, left by another process or an earlier connection.
    pub fn is_resumed(&self) -> bool {
        !self.manifest.resumes.is_empty()
    }

    /// The instant at which every audio file begins, once there is one.
    pub fn origin(&self) -> Option<UnixMillis> {
        self.manifest.origin
    }

    /// The manifest as it would be written now: participants, tracks, counts and ledger up to this moment.
    pub fn describe(&self) -> Manifest {
        Manifest { ledger: Some(self.book.ledger.report()), ..self.describe_live() }
    }

    /// The ledger up to this moment.
    pub fn ledger(&self) -> &Ledger {
        &self.book.ledger
    }

    /// What changed in the ledger up to the last sync, in order, for whoever publishes it; each change is given once.
    ///
    /// Of changes that nobody asks for the oldest are forgotten, beyond a bound; the manifest has all.
    pub fn take_span_changes(&mut self) -> Vec<SpanChange> {
        std::mem::take(&mut self.untold)
    }

    /// With ledger and counts as they were when all of it was in the files.
    fn describe_synced(&self) -> Manifest {
        let mut manifest = self.describe_live();
        self.counted.put_into(&mut manifest);
        manifest
    }

    fn describe_live(&self) -> Manifest {
        let mut manifest = self.manifest.clone();
        manifest.participants = self.people.describe();
        if let Some(audio) = &self.audio {
            manifest.tracks = audio.describe(&self.layout);
        }
        manifest
    }

    /// How many files are held open now.
    pub fn open_files(&self) -> usize {
        self.files.open_count()
    }

    /// Records one thing.
    ///
    /// # Errors
    /// If a file cannot be written. This input may be lost, and is counted; later ones may succeed.
    pub fn handle(&mut self, input: Input, now: UnixMillis) -> Result<(), RecordError> {
        let Input::Word(entry) = input else { return self.record(input, None, now) };
        if !self.views.advance_to(&entry) {
            // It was added when the recording was opened.
            return Ok(());
        }
        match Stamp::divide(Arc::unwrap_or_clone(entry)) {
            Some((stamp, input)) => self.record(input, Some(&stamp), now),
            None => Ok(()),
        }
    }

    fn record(&mut self, input: Input, stamp: Option<&Stamp>, now: UnixMillis) -> Result<(), RecordError> {
        self.counters_stale = true;
        let (input, doubt, extent) = self.book.settle(input, now);
        let done = match input {
            Input::Granted(medium, params) => {
                self.grant(medium, params, now);
                Ok(())
            }
            Input::Audio(data) => self.audio(&data, doubt, now),
            Input::Video(data) => self.pictures(Medium::Video, &data, now),
            Input::Deskshare(data) => self.pictures(Medium::Deskshare, &data, now),
            Input::Transcript(said) => self.said(said, stamp, now),
            Input::Chat(chat) => self.written(chat, stamp, now),
            Input::Event(update) => self.event(update, stamp, now),
            Input::Note(note) => self.note(note, stamp, now),
            Input::Unreadable { medium, .. } => {
                self.manifest.media.entry(medium).or_default().unreadable += 1;
                Ok(())
            }
            Input::Raw(raw) => {
                for flaw in raw.flaws.iter() {
                    *self.manifest.flaws.entry(flaw).or_default() += 1;
                }
                self.flawed.keep(&raw, now, &mut self.files)
            }
            Input::Repeats { medium, count } => {
                let received = self.manifest.media.entry(medium).or_default();
                received.packets += count;
                received.duplicates += count;
                Ok(())
            }
            Input::Dropped(Dropped { medium, queue, count, .. }) => {
                let received = self.manifest.media.entry(medium).or_default();
                match queue {
                    Queue::Disk => received.lost_disk += count,
                    Queue::Events | Queue::Unreadable | Queue::Unknown => received.lost_queue += count,
                }
                Ok(())
            }
            Input::Change(..) | Input::Clock { .. } | Input::Word(_) => Ok(()),
        };
        if let (Err(_), Some((medium, ..))) = (&done, extent) {
            self.manifest.media.entry(medium).or_default().lost_disk += 1;
        }
        let placed_from = self.placed_from.take();
        if let Some((medium, at, ms)) = extent {
            match done {
                Ok(()) => match placed_from {
                    Some(from) => self.book.heard(at, from, ms, now),
                    None => self.book.received(medium, at, ms, doubt, now),
                },
                Err(_) => self.book.ledger.dropped(medium, at, at + Duration::from_millis(ms), Queue::Disk),
            }
        }
        if done.is_err() {
            self.manifest.refused += 1;
        }
        done
    }

    /// Brings all that was handled into the files, so that it survives the death of the process.
    ///
    /// Called about once a second.
    ///
    /// # Errors
    /// If a file cannot be written. What could not be written stays in memory for the next time.
    pub fn sync(&mut self, now: UnixMillis) -> Result<(), RecordError> {
        let manifest_every = millis(self.options.manifest_every);
        let due = self.counters_stale && now.0.abs_diff(self.manifest.updated_at.0) >= manifest_every;
        let due = due || self.ledger_log.end() > self.ledger_log_base + manifest::MAX_LEDGER_LOG_BYTES;
        if self.people.take_changed() {
            self.transcript.change_nameless();
            self.manifest_stale = true;
        }
        // The manifest first if it lacks a track: whoever resumes must know of it. Then every file is tried, so that one
        // that cannot be written does not hold up the others.
        let mut done = if self.manifest_stale { self.write_manifest(now) } else { Ok(()) };
        let mut whole = Vec::with_capacity(Medium::ALL.len());
        for medium in Medium::ALL {
            let flushed = self.flush(medium);
            if flushed.is_ok() {
                whole.push(medium);
            }
            keep_first(&mut done, flushed);
        }
        if let Some(audio) = &mut self.audio {
            keep_first(&mut done, audio.sync_mixes(&mut self.files));
        }
        keep_first(&mut done, self.flawed.flush(&mut self.files));
        keep_first(&mut done, self.views.events.flush(&mut self.files));
        let origin = self.manifest.origin.unwrap_or(self.manifest.about.started_at);
        keep_first(&mut done, self.transcript.flush(origin, &self.people, &mut self.files));
        // Counts and ledger last, so that they never tell of data that is not there.
        keep_first(&mut done, self.take_counts(&whole, !due));
        self.book.ledger.advance(now);
        keep_first(&mut done, self.log_ledger_changes(!due, now));
        keep_first(&mut done, self.files.sync());
        if due {
            keep_first(&mut done, self.write_ledger(now));
        }
        done
    }

    /// Deletes the recording and everything that belongs to it, and leaves a record of the deletion beside it.
    ///
    /// # Errors
    /// As [`Deletion::run`]. What is left is deleted by [`crate::deletion::finish_pending`].
    pub fn delete(self, reason: Option<StopReason>, at: UnixMillis) -> Result<DeletionRecord, RecordError> {
        let root = self.layout.folder().parent().map(Path::to_owned).unwrap_or_default();
        let stream_id = self.manifest.about.stream_id.clone();
        // Whatever waits in memory goes with it.
        drop(self);
        Deletion::begin(&root, &stream_id, reason, at)?.run(at)
    }

    /// Brings all that was handled into the files, and the ledger to its end at this time of ours. Changes of the ledger
    /// that [`Recorder::take_span_changes`] returns now are the last ones, and belong into the journal before
    /// [`Recorder::finish`] sums its file.
    ///
    /// # Errors
    /// As [`Recorder::sync`].
    pub fn settle(&mut self, at: UnixMillis) -> Result<(), RecordError> {
        // Names learnt late reach the lines from before.
        self.transcript.change_all();
        if let Some(audio) = &mut self.audio {
            audio.settle_copies(&mut self.files);
        }
        self.count_no_repeats();
        self.sync(at)
    }

    /// Closes all files properly and writes the manifest with sizes and checksums, for which every file is read once.
    ///
    /// # Errors
    /// If a file cannot be written or read. The recording is then as after a crash; opening it again and finishing is
    /// the way to try once more.
    pub fn finish(mut self, ending: Ending) -> Result<Summary, RecordError> {
        self.try_finish(&ending, &|| true)
    }

    /// [`Recorder::finish`] that may be called again when it failed, for a process that may have to stop: once `may_read` is
    /// false, no file is read for its checksum any more. The manifest has the sizes then, and empty checksums; a recorder that
    /// resumes and finishes adds them.
    ///
    /// # Errors
    /// As there; what could not be written waits in memory.
    pub fn try_finish(&mut self, ending: &Ending, may_read: &dyn Fn() -> bool) -> Result<Summary, RecordError> {
        let at = ending.at;
        self.settle(at)?;
        self.files.remove(&self.layout.reserve())?;
        // Before its log goes.
        self.write_ledger(at)?;
        self.files.remove(self.ledger_log.path())?;
        // Left by a process that died, if nobody has appended to it since.
        cut_torn_end(&self.layout)?;
        self.manifest.files = checksums(&self.layout, may_read)?;
        self.manifest.ending = Some(ending.clone());
        self.manifest.state = RecordingState::Finished;
        if let Err(error) = self.write_manifest(at) {
            self.manifest.ending = None;
            self.manifest.state = RecordingState::Recording;
            return Err(error);
        }
        let manifest = self.describe_synced();
        let longest = manifest.tracks.iter().map(|track| track.duration_ms).max();
        let whole = at.since(manifest.about.started_at);
        Ok(Summary {
            folder: self.layout.folder().to_owned(),
            duration: longest.map_or(whole, Duration::from_millis),
            manifest,
        })
    }

    /// Whether no medium was ever opened and nothing received.
    pub fn is_blank(&self) -> bool {
        self.manifest.granted.is_empty() && self.manifest.media.is_empty()
    }

    /// What was lost up to this moment.
    pub fn loss(&self) -> Loss {
        self.manifest.loss(&self.book.ledger.report())
    }

    /// Brings what waits of this medium into its files.
    fn flush(&mut self, medium: Medium) -> Result<(), RecordError> {
        let mut done = match medium {
            Medium::Audio => self.audio.as_mut().map_or(Ok(()), |audio| audio.sync_tracks(&mut self.files)),
            Medium::Video | Medium::Deskshare => Ok(()),
            Medium::Transcript => self.views.transcript.flush(&mut self.files),
            Medium::Chat => self.views.chat.flush(&mut self.files),
        };
        if let Some(raw) = self.raw.get_mut(&medium) {
            keep_first(&mut done, raw.flush(&mut self.files));
        }
        if let (Medium::Audio, Some(aside)) = (medium, &mut self.aside) {
            keep_first(&mut done, aside.flush(&mut self.files));
        }
        done
    }

    /// Takes the counts of the media of which all is in the files, and puts into `ledger.jsonl` what changed in them, unless
    /// the manifest is written anyway.
    fn take_counts(&mut self, whole: &[Medium], manifest_waits: bool) -> Result<(), RecordError> {
        let mut counts = self.counted.clone();
        let media = self.manifest.media.iter().filter(|(medium, _)| whole.contains(medium));
        counts.media.extend(media.map(|(medium, received)| (*medium, received.clone())));
        // What lies aside is sound.
        if whole.contains(&Medium::Audio) {
            counts.tracks = self.audio.as_ref().map(Audio::counts).unwrap_or_default();
            counts.aside.clone_from(&self.manifest.aside);
        }
        counts.flaws.clone_from(&self.manifest.flaws);
        counts.refused = self.manifest.refused;
        let line = counts.changed_since(&self.counted, self.manifest.ledger_revision);
        self.counted = counts;
        match line {
            Some(line) if manifest_waits => self.ledger_log.push_line(&line, &mut self.files),
            Some(_) | None => Ok(()),
        }
    }

    /// Puts into `ledger.jsonl` what changed; from time to time what goes on, which is how far it is known to.
    fn log_ledger_changes(&mut self, also_quiet: bool, now: UnixMillis) -> Result<(), RecordError> {
        let mut changes = self.book.ledger.take_changes();
        self.untold.extend_from_slice(&changes);
        let surplus = self.untold.len().saturating_sub(MAX_UNTOLD);
        self.untold.drain(..surplus);
        let quiet_ms = millis(self.options.manifest_every);
        if changes.is_empty() && also_quiet && now.0.abs_diff(self.ledger_logged_at.0) >= quiet_ms {
            changes = self.book.ledger.newest();
        }
        if !changes.is_empty() {
            self.ledger_logged_at = now;
        }
        for change in changes {
            let line = LedgerLine { revision: self.manifest.ledger_revision, change };
            self.ledger_log.push_line(&line, &mut self.files)?;
        }
        self.ledger_log.flush(&mut self.files)
    }

    /// Writes the manifest with the ledger up to now, all of which is in the files, and empties `ledger.jsonl`.
    fn write_ledger(&mut self, now: UnixMillis) -> Result<(), RecordError> {
        self.manifest.ledger = Some(self.book.ledger.report());
        self.manifest.ledger_revision += 1;
        self.write_manifest(now)?;
        self.ledger_logged_at = now;
        self.ledger_log.restart(&mut self.files)?;
        self.log_manifest()
    }

    fn write_manifest(&mut self, now: UnixMillis) -> Result<(), RecordError> {
        self.manifest.updated_at = now;
        self.describe_synced().write(&self.layout, &mut self.files)?;
        self.manifest_stale = false;
        self.counters_stale = false;
        Ok(())
    }
}
