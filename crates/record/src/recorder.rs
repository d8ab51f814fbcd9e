//! [`Recorder`]: inputs in, files out, closed properly.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::digest::{Context, SHA256};
use rtms_wire::{
    codes::{media::MediaPayloadType, stop_reason::StopReason},
    media::{audio::AudioParams, medium::Medium, params::MediaParams},
    message::{
        event_update::EventUpdate,
        media_data::MediaData,
        text_data::{MediaDataChat, MediaDataTranscript},
    },
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};

use crate::{
    audio::{Audio, Outcome},
    bookkeeper::{Bookkeeper, PICTURE_MS},
    deletion::{Deletion, DeletionRecord},
    error::RecordError,
    file::{Appender, Files, count_lines, cut_torn_line, failed, keep_first, last_lines},
    input::{Ending, Input, Note, RecordingAbout, Who},
    layout::{Layout, hex},
    ledger::{Cause, Ledger, Queue, SpanChange},
    manifest::{self, AsideReason, FileEntry, Grant, JournalLine, Manifest, Received, RecordingState, Resume},
    options::Options,
    people::People,
    raw::{Aside, Raw, codec_by_content, stem_or},
    text::Transcript,
    wav::PcmFormat,
};

/// Grants and resumes kept in the manifest. A stream that reconnects more often is told by its events.
const MAX_LISTED: usize = 100;

/// How much of the end of an index is read to learn what came last: what a process can have written in
/// [`Options::manifest_every`], at 25 pictures a second.
const INDEX_TAIL_BYTES: u64 = 256 << 10;

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
    /// The latest time that was believed, on Zoom's clock.
    newest: UnixMillis,
    people: People,
    audio: Option<Audio>,
    book: Bookkeeper,
    /// What changed in the ledger since the manifest was written.
    journal: Appender,
    journaled_at: UnixMillis,
    untold: Vec<SpanChange>,
    picture_codecs: BTreeMap<Medium, MediaPayloadType>,
    active_speaker_video: bool,
    raw: BTreeMap<Medium, Raw>,
    aside: Option<Aside>,
    transcript: Transcript,
    transcript_lines: Appender,
    chat: Appender,
    events: Appender,
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
    /// Opens the recording of a stream under the root of all recordings, new or going on with what is there.
    ///
    /// # Errors
    /// If the folder cannot be made or read, or holds what is not to be appended to.
    pub fn open(root: &Path, about: RecordingAbout, now: UnixMillis) -> Result<Self, RecordError> {
        Self::open_with(root, about, Options::default(), now)
    }

    /// [`Recorder::open`] with other bounds than the default ones.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(
        root: &Path,
        about: RecordingAbout,
        options: Options,
        now: UnixMillis,
    ) -> Result<Self, RecordError> {
        let layout = Layout::new(root, &about.stream_id);
        let folder = layout.folder();
        Deletion::refuse(root, &about.stream_id, now)?;
        fs::create_dir_all(folder).map_err(|source| failed("make the folder", folder, source))?;
        let found = Manifest::read(folder)?;
        let mut files = Files::new(folder, options.max_open_files, options.wait_for_disk);

        let found_state = found.as_ref().map(|found| found.state);
        let manifest = match found {
            Some(found) if found.about.stream_id != about.stream_id => {
                return Err(RecordError::OtherStream { path: layout.manifest(), found: found.about.stream_id });
            }
            Some(found) => resumed(found, &about, &layout, now)?,
            None => Manifest::new(about, now),
        };
        let is_resumed = !manifest.resumes.is_empty();

        let mut people = People::default();
        people.resume(&manifest.participants);
        let mut transcript = Transcript::new(&layout, options.max_lines);
        let mut audio = None;
        if is_resumed {
            transcript.resume(&layout)?;
            if let Some(origin) = manifest.origin {
                let mut known = Audio::new(origin, &options);
                known.resume(&manifest.tracks, &layout, &mut files)?;
                audio = Some(known);
            }
        }
        let newest = manifest.media.values().filter_map(|received| received.last_timestamp).max();
        let mut ledger = Ledger::new(manifest.about.started_at, now);
        if let Some(state) = found_state {
            ledger = resumed_ledger(&manifest, audio.as_ref(), &layout, now)?;
            ledger.gap(match state {
                RecordingState::Recording => Cause::Restart,
                RecordingState::Finished => Cause::Takeover,
            });
        }
        let book = Bookkeeper::of(ledger, manifest.about.product);
        let appender = |path| Appender::open(path, options.max_held_bytes);
        let mut recorder = Self {
            transcript_lines: appender(layout.transcript_lines())?,
            chat: appender(layout.chat())?,
            events: appender(layout.events())?,
            journal: appender(layout.ledger())?,
            book,
            journaled_at: now,
            untold: Vec::new(),
            newest: manifest.about.started_at.max(newest.unwrap_or_default()),
            manifest_stale: true,
            counters_stale: true,
            people,
            audio,
            picture_codecs: BTreeMap::new(),
            active_speaker_video: true,
            raw: BTreeMap::new(),
            aside: None,
            transcript,
            layout,
            options,
            files,
            manifest,
        };
        for grant in recorder.manifest.granted.clone() {
            recorder.apply_grant(grant.medium, &grant.params);
        }
        recorder.write_ledger(now)?;
        if is_resumed {
            // Headers and mixes of a killed process are put right before anything is added.
            recorder.sync(now)?;
        }
        Ok(recorder)
    }

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
        Manifest { ledger: Some(self.book.ledger.report()), ..self.describe_synced() }
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

    /// With the ledger as it was when all of it was in the files.
    fn describe_synced(&self) -> Manifest {
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
        self.counters_stale = true;
        self.book.note(&input, now);
        let extent = self.book.extent(&input, now);
        let done = match input {
            Input::Granted(medium, params) => {
                self.grant(medium, params, now);
                Ok(())
            }
            Input::Audio(data) => self.audio(&data, now),
            Input::Video(data) => self.pictures(Medium::Video, &data, now),
            Input::Deskshare(data) => self.pictures(Medium::Deskshare, &data, now),
            Input::Transcript(said) => self.transcript(&said, now),
            Input::Chat(chat) => self.chat(&chat, now),
            Input::Event(update) => self.event(&update, now),
            Input::Note(note) => self.note(note),
            Input::Change(..) | Input::Dropped(_) | Input::Clock { .. } => Ok(()),
        };
        // What is absurdly far ahead was not believed, so `newest` lies before it.
        if let Some((medium, at, ms)) = extent
            && at <= self.newest
        {
            match done {
                Ok(()) => self.book.ledger.received(medium, at, ms, now),
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
        let manifest_every = self.options.manifest_every.as_millis() as u64;
        let due = self.counters_stale && now.0.abs_diff(self.manifest.updated_at.0) >= manifest_every;
        let due = due || self.journal.end() > manifest::MAX_JOURNAL_BYTES;
        if self.people.take_changed() {
            self.transcript.change_nameless();
            self.manifest_stale = true;
        }
        // The manifest first if it lacks a track: whoever resumes must know of it. Then every file is tried, so that one
        // that cannot be written does not hold up the others.
        let mut done = if self.manifest_stale { self.write_manifest(now) } else { Ok(()) };
        if let Some(audio) = &mut self.audio {
            keep_first(&mut done, audio.sync(&mut self.files));
        }
        for raw in self.raw.values_mut() {
            keep_first(&mut done, raw.flush(&mut self.files));
        }
        if let Some(aside) = &mut self.aside {
            keep_first(&mut done, aside.flush(&mut self.files));
        }
        keep_first(&mut done, self.transcript_lines.flush(&mut self.files));
        keep_first(&mut done, self.chat.flush(&mut self.files));
        keep_first(&mut done, self.events.flush(&mut self.files));
        let origin = self.manifest.origin.unwrap_or(self.manifest.about.started_at);
        keep_first(&mut done, self.transcript.flush(origin, &self.people, &mut self.files));
        // The ledger last, so that it never tells of data that is not there.
        self.book.ledger.advance(now);
        keep_first(&mut done, self.journal_changes(!due, now));
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

    /// Closes all files properly and writes the manifest with sizes and checksums, for which every file is read once.
    ///
    /// # Errors
    /// If a file cannot be written or read. The recording is then as after a crash; opening it again and finishing is
    /// the way to try once more.
    pub fn finish(mut self, ending: Ending) -> Result<Summary, RecordError> {
        let at = ending.at;
        // Names learnt late reach the lines from before.
        self.transcript.change_all();
        self.sync(at)?;
        // Before its journal goes.
        self.write_ledger(at)?;
        self.files.remove(self.journal.path())?;
        self.manifest.ending = Some(ending);
        self.manifest.state = RecordingState::Finished;
        self.manifest.files = checksums(&self.layout)?;
        self.write_manifest(at)?;
        let manifest = self.describe_synced();
        let longest = manifest.tracks.iter().map(|track| track.duration_ms).max();
        let whole = at.since(manifest.about.started_at);
        Ok(Summary {
            folder: self.layout.folder().to_owned(),
            duration: longest.map_or(whole, Duration::from_millis),
            manifest,
        })
    }

    fn grant(&mut self, medium: Medium, params: MediaParams, now: UnixMillis) {
        self.apply_grant(medium, &params);
        let last = self.manifest.granted.iter().rev().find(|grant| grant.medium == medium);
        if last.is_none_or(|last| last.params != params) {
            if self.manifest.granted.len() >= MAX_LISTED {
                self.manifest.granted.remove(0);
            }
            self.manifest.granted.push(Grant { at: now, medium, params });
            self.manifest_stale = true;
        }
    }

    fn apply_grant(&mut self, medium: Medium, params: &MediaParams) {
        self.book.learn_grant(medium, params);
        match medium {
            Medium::Audio => {}
            Medium::Video | Medium::Deskshare => {
                let granted = if medium == Medium::Video { &params.video } else { &params.deskshare };
                if let Some(granted) = granted {
                    let format = granted.format(medium);
                    self.picture_codecs.insert(medium, format.codec);
                    if medium == Medium::Video {
                        use rtms_wire::codes::media::MediaDataOption::VideoSingleIndividualStream;
                        self.active_speaker_video = format.data_opt != Some(VideoSingleIndividualStream);
                    }
                }
            }
            Medium::Transcript | Medium::Chat => {}
        }
    }

    fn audio(&mut self, data: &MediaData, now: UnixMillis) -> Result<(), RecordError> {
        if !self.received(Medium::Audio, data.timestamp, data.data.len(), now) {
            return self.keep_aside(Medium::Audio, AsideReason::FarAhead, data, now);
        }
        let Some(pcm) = pcm_format(self.book.audio_params(), data.data.len()) else {
            return self.coded_audio(data, now);
        };

        let origin = match &self.audio {
            Some(audio) => audio.origin(),
            None => {
                let origin = origin(self.manifest.about.started_at, data.timestamp, now, &self.options);
                self.manifest.origin = Some(origin);
                self.manifest_stale = true;
                self.transcript.change_all();
                origin
            }
        };
        let audio = self.audio.get_or_insert_with(|| Audio::new(origin, &self.options));
        if data.timestamp.since(origin) > self.options.max_length {
            return self.keep_aside(Medium::Audio, AsideReason::TooLong, data, now);
        }
        let who = Who::of(data.user_id.as_ref(), data.channel_id.as_ref());
        let Some((track, is_new)) = audio.track(&who, pcm, &self.layout, &mut self.files)? else {
            return self.keep_aside(Medium::Audio, AsideReason::TooManyTracks, data, now);
        };
        if audio.is_new_name(track, data.user_name.as_ref()) || is_new {
            self.people.learn(&who, data.user_name.as_ref());
        }
        if is_new {
            // Before any of it reaches a file: whoever resumes must know the origin and the track.
            self.manifest_stale = true;
            self.write_manifest(now)?;
        }
        let Some(audio) = &mut self.audio else { return Ok(()) };
        let whole = data.data.len() / pcm.frame_bytes() * pcm.frame_bytes();
        let samples = data.data.get(..whole).unwrap_or_default();
        let outcome = audio.place(track, data.timestamp, samples, &mut self.files)?;
        match outcome {
            Outcome::Placed if whole < data.data.len() => {
                self.keep_aside(Medium::Audio, AsideReason::TornSamples, data, now)
            }
            Outcome::Placed => Ok(()),
            Outcome::Duplicate => {
                self.manifest.media.entry(Medium::Audio).or_default().duplicates += 1;
                Ok(())
            }
            Outcome::Aside(reason) => self.keep_aside(Medium::Audio, reason, data, now),
        }
    }

    /// Keeps audio that is not PCM as it is.
    fn coded_audio(&mut self, data: &MediaData, now: UnixMillis) -> Result<(), RecordError> {
        let who = Who::of(data.user_id.as_ref(), data.channel_id.as_ref());
        self.people.learn(&who, data.user_name.as_ref());
        let kind = match self.book.audio_params().map(|params| params.format().codec) {
            Some(MediaPayloadType::Opus) => "opus.raw",
            Some(MediaPayloadType::G711) => "g711.raw",
            Some(MediaPayloadType::G722) => "g722.raw",
            Some(
                MediaPayloadType::L16
                | MediaPayloadType::Undefined
                | MediaPayloadType::Jpg
                | MediaPayloadType::Png
                | MediaPayloadType::H264
                | MediaPayloadType::Unknown(_),
            )
            | None => "unknown.raw",
        };
        let raw = raw(&mut self.raw, Medium::Audio, &self.layout, &self.options)?;
        if raw.is_duplicate(data) {
            self.manifest.media.entry(Medium::Audio).or_default().duplicates += 1;
            return Ok(());
        }
        raw.append(stem_or(&who, "mixed"), kind, data, now, &self.layout, &mut self.files)
    }

    fn pictures(&mut self, medium: Medium, data: &MediaData, now: UnixMillis) -> Result<(), RecordError> {
        self.received(medium, data.timestamp, data.data.len(), now);
        let who = Who::of(data.user_id.as_ref(), data.channel_id.as_ref());
        self.people.learn(&who, data.user_name.as_ref());
        let granted = self.picture_codecs.get(&medium).copied();
        let codec = match granted {
            Some(codec @ (MediaPayloadType::H264 | MediaPayloadType::Jpg | MediaPayloadType::Png)) => codec,
            Some(
                MediaPayloadType::Undefined
                | MediaPayloadType::L16
                | MediaPayloadType::G711
                | MediaPayloadType::G722
                | MediaPayloadType::Opus
                | MediaPayloadType::Unknown(_),
            )
            | None => codec_by_content(&data.data),
        };
        // The active speaker's pictures are one sequence, whoever it is.
        let stem = if medium == Medium::Video && self.active_speaker_video {
            "active".to_owned()
        } else {
            stem_or(&who, "active")
        };
        let raw = raw(&mut self.raw, medium, &self.layout, &self.options)?;
        let (layout, files) = (&self.layout, &mut self.files);
        match codec {
            MediaPayloadType::H264 => raw.append(stem, "h264", data, now, layout, files),
            MediaPayloadType::Jpg => raw.picture("jpg", data, now, layout, files),
            MediaPayloadType::Png => raw.picture("png", data, now, layout, files),
            MediaPayloadType::Undefined
            | MediaPayloadType::L16
            | MediaPayloadType::G711
            | MediaPayloadType::G722
            | MediaPayloadType::Opus
            | MediaPayloadType::Unknown(_) => raw.append(stem, "unknown.raw", data, now, layout, files),
        }
    }

    fn transcript(&mut self, said: &MediaDataTranscript, now: UnixMillis) -> Result<(), RecordError> {
        let at = said.start_time.or(said.timestamp);
        self.received(Medium::Transcript, at.unwrap_or(now), said.data.len(), now);
        let who = Who::of(said.user_id.as_ref(), said.channel_id.as_ref());
        self.people.learn(&who, said.user_name.as_ref());
        self.transcript_lines.push_line(&Line { received_at: now, message: said }, &mut self.files)?;
        self.transcript.apply(said);
        Ok(())
    }

    fn chat(&mut self, chat: &MediaDataChat, now: UnixMillis) -> Result<(), RecordError> {
        let bytes = chat.data.as_str().map_or(0, str::len);
        self.received(Medium::Chat, chat.timestamp.unwrap_or(now), bytes, now);
        if let Some(author) = chat.author() {
            self.people.learn(&Who::of(Some(&author.user_id), None), author.user_name.as_ref());
        }
        self.chat.push_line(&Line { received_at: now, message: chat }, &mut self.files)
    }

    fn event(&mut self, update: &EventUpdate, now: UnixMillis) -> Result<(), RecordError> {
        #[derive(Serialize)]
        struct EventLine<'a> {
            at: UnixMillis,
            kind: &'static str,
            #[serde(flatten)]
            update: &'a EventUpdate,
        }
        self.people.learn_event(update);
        let at = update.event.time().unwrap_or(now);
        self.events.push_line(&EventLine { at, kind: "event_update", update }, &mut self.files)?;
        self.manifest.events += 1;
        Ok(())
    }

    fn note(&mut self, mut note: Note) -> Result<(), RecordError> {
        #[derive(Serialize)]
        struct NoteLine<'a> {
            at: UnixMillis,
            kind: &'static str,
            #[serde(flatten)]
            fields: &'a rtms_wire::message::Extra,
        }
        self.people.learn_fields(&note.fields);
        note.fields.remove("at");
        note.fields.remove("kind");
        self.events.push_line(&NoteLine { at: note.at, kind: note.kind, fields: &note.fields }, &mut self.files)?;
        self.manifest.events += 1;
        Ok(())
    }

    /// Puts into `ledger.jsonl` what changed; from time to time what goes on, which is how far it is known to.
    fn journal_changes(&mut self, also_quiet: bool, now: UnixMillis) -> Result<(), RecordError> {
        let mut changes = self.book.ledger.take_changes();
        self.untold.extend_from_slice(&changes);
        let surplus = self.untold.len().saturating_sub(MAX_UNTOLD);
        self.untold.drain(..surplus);
        let quiet_ms = self.options.manifest_every.as_millis() as u64;
        if changes.is_empty() && also_quiet && now.0.abs_diff(self.journaled_at.0) >= quiet_ms {
            changes = self.book.ledger.newest();
        }
        if !changes.is_empty() {
            self.journaled_at = now;
        }
        for change in changes {
            let line = JournalLine { revision: self.manifest.ledger_revision, change };
            self.journal.push_line(&line, &mut self.files)?;
        }
        self.journal.flush(&mut self.files)
    }

    /// Writes the manifest with the ledger up to now, all of which is in the files, and empties the journal.
    fn write_ledger(&mut self, now: UnixMillis) -> Result<(), RecordError> {
        self.manifest.ledger = Some(self.book.ledger.report());
        self.manifest.ledger_revision += 1;
        self.write_manifest(now)?;
        self.journaled_at = now;
        self.journal.restart(&mut self.files)
    }

    /// Counts a message. Whether its timestamp is believed: one absurdly far ahead is neither listed nor built upon.
    fn received(&mut self, medium: Medium, timestamp: UnixMillis, bytes: usize, now: UnixMillis) -> bool {
        let believed = timestamp <= self.newest.max(now) + self.options.max_ahead;
        let received = self.manifest.media.entry(medium).or_default();
        received.packets += 1;
        received.bytes += bytes as u64;
        if believed {
            self.newest = self.newest.max(timestamp);
            let Received { first_timestamp, last_timestamp, .. } = received;
            *first_timestamp = Some(first_timestamp.map_or(timestamp, |first| first.min(timestamp)));
            *last_timestamp = Some(last_timestamp.map_or(timestamp, |last| last.max(timestamp)));
        }
        believed
    }

    fn keep_aside(
        &mut self,
        medium: Medium,
        reason: AsideReason,
        data: &MediaData,
        now: UnixMillis,
    ) -> Result<(), RecordError> {
        let kept = self.manifest.aside.entry(reason).or_default();
        kept.packets += 1;
        kept.bytes += data.data.len() as u64;
        let aside = match &mut self.aside {
            Some(aside) => aside,
            None => self.aside.insert(Aside::open(&self.layout, &self.options)?),
        };
        aside.keep(medium, reason, data, now, &self.layout, &mut self.files)
    }

    fn write_manifest(&mut self, now: UnixMillis) -> Result<(), RecordError> {
        self.manifest.updated_at = now;
        self.describe_synced().write(&self.layout, &mut self.files)?;
        self.manifest_stale = false;
        self.counters_stale = false;
        Ok(())
    }
}

impl Manifest {
    fn new(about: RecordingAbout, now: UnixMillis) -> Self {
        Self {
            format: manifest::FORMAT.to_owned(),
            version: manifest::VERSION,
            about,
            state: RecordingState::Recording,
            opened_at: now,
            updated_at: now,
            origin: None,
            resumes: Vec::new(),
            ending: None,
            granted: Vec::new(),
            participants: Vec::new(),
            media: BTreeMap::new(),
            tracks: Vec::new(),
            aside: BTreeMap::new(),
            refused: 0,
            events: 0,
            ledger: None,
            ledger_revision: 0,
            files: Vec::new(),
        }
    }
}

/// A line of `transcript.jsonl` or `chat.jsonl`: the message as it came, and when.
#[derive(Serialize)]
struct Line<'a, T> {
    received_at: UnixMillis,
    #[serde(flatten)]
    message: &'a T,
}

/// The manifest of a recording that goes on; half-written lines are cut off.
fn resumed(found: Manifest, about: &RecordingAbout, layout: &Layout, now: UnixMillis) -> Result<Manifest, RecordError> {
    let mut torn_bytes = 0;
    for path in layout.line_files() {
        torn_bytes += cut_torn_line(&path)?;
    }
    let mut manifest = found;
    if manifest.resumes.len() >= MAX_LISTED {
        manifest.resumes.remove(0);
    }
    manifest.resumes.push(Resume { at: now, started_at: about.started_at, found: manifest.state, torn_bytes });
    manifest.version = manifest::VERSION;
    manifest.state = RecordingState::Recording;
    manifest.ending = None;
    manifest.files = Vec::new();
    // A process that died had written lines since it wrote the manifest, or counted some that it had not written.
    manifest.events = count_lines(&layout.events())?;
    Ok(manifest)
}

/// The ledger of a recording that goes on, with all that its files tell of the time since it was written.
fn resumed_ledger(
    manifest: &Manifest,
    audio: Option<&Audio>,
    layout: &Layout,
    now: UnixMillis,
) -> Result<Ledger, RecordError> {
    let mut ledger = match &manifest.ledger {
        Some(report) => Ledger::resume(report, &manifest::journal(layout, manifest.ledger_revision)?),
        None => {
            let until = manifest.media.values().filter_map(|received| received.last_timestamp).max();
            Ledger::unrecorded(manifest.about.started_at, until.unwrap_or_default(), now)
        }
    };
    // A packet's timestamp and perhaps its end; those that nobody can have meant are passed over.
    #[derive(Deserialize)]
    struct Times {
        timestamp: Option<UnixMillis>,
        start_time: Option<UnixMillis>,
        end_time: Option<UnixMillis>,
    }
    let latest = ledger.to_zoom(now) + Duration::from_secs(60);
    for medium in Medium::ALL {
        let (path, ms) = match medium {
            Medium::Audio => (layout.index(medium), 20),
            Medium::Video | Medium::Deskshare => (layout.index(medium), PICTURE_MS),
            Medium::Transcript => (layout.transcript_lines(), 1),
            Medium::Chat => (layout.chat(), 1),
        };
        for line in last_lines(&path, INDEX_TAIL_BYTES)? {
            let Ok(times) = serde_json::from_slice::<Times>(&line) else { continue };
            let Some(from) = times.start_time.or(times.timestamp).filter(|from| *from <= latest) else { continue };
            let end = times.end_time.filter(|end| *end <= latest).unwrap_or_default();
            ledger.found(medium, from, end.max(from + Duration::from_millis(ms)));
        }
    }
    // Sound that was going on when the ledger was written went on to the end of its files.
    if let (Some(until), Some(end)) = (ledger.received_until(Medium::Audio), audio.and_then(Audio::end)) {
        ledger.found(Medium::Audio, until, end.min(latest));
    }
    Ok(ledger)
}

/// Where all tracks begin: at `started_at`, or earlier if the first sound is.
///
/// The two may be too far apart for both to be meant; tracks would begin with days of silence, or never. Then a first
/// sound before the start is believed only if it is nearer to our clock.
fn origin(started_at: UnixMillis, first: UnixMillis, now: UnixMillis, options: &Options) -> UnixMillis {
    let believe_first = if first >= started_at {
        first.since(started_at) > options.max_length
    } else {
        started_at.since(first) <= options.max_ahead || now.0.abs_diff(first.0) < now.0.abs_diff(started_at.0)
    };
    if believe_first { first } else { started_at }
}

/// How the samples of a packet lie; none if they are coded or nobody knows.
fn pcm_format(granted: Option<&AudioParams>, bytes: usize) -> Option<PcmFormat> {
    match granted.map(AudioParams::format) {
        Some(format) if format.codec == MediaPayloadType::L16 => {
            Some(PcmFormat { sample_rate: format.hertz()?, channels: format.channels()? })
        }
        Some(_) => None,
        // Zoom's default, if the length fits: whole packets of 20 ms at 16 kHz mono.
        None => (bytes > 0 && bytes.is_multiple_of(640)).then_some(PcmFormat { sample_rate: 16_000, channels: 1 }),
    }
}

fn raw<'a>(
    raw: &'a mut BTreeMap<Medium, Raw>,
    medium: Medium,
    layout: &Layout,
    options: &Options,
) -> Result<&'a mut Raw, RecordError> {
    use std::collections::btree_map::Entry;
    match raw.entry(medium) {
        Entry::Occupied(there) => Ok(there.into_mut()),
        Entry::Vacant(free) => Ok(free.insert(Raw::open(medium, layout, options)?)),
    }
}

/// Size and checksum of every file but the manifest, by path.
fn checksums(layout: &Layout) -> Result<Vec<FileEntry>, RecordError> {
    let mut entries = Vec::new();
    let mut folders = vec![layout.folder().to_owned()];
    while let Some(folder) = folders.pop() {
        let list = fs::read_dir(&folder).map_err(|source| failed("list", &folder, source))?;
        for found in list {
            let found = found.map_err(|source| failed("list", &folder, source))?;
            let path = found.path();
            let kind = found.file_type().map_err(|source| failed("look at", &path, source))?;
            if kind.is_dir() {
                folders.push(path);
            } else if path != layout.manifest() && path != layout.manifest_draft() {
                entries.push(checksum(&path, layout)?);
            }
        }
    }
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(entries)
}

pub(crate) fn checksum(path: &Path, layout: &Layout) -> Result<FileEntry, RecordError> {
    use std::io::Read;
    let mut file = fs::File::open(path).map_err(|source| failed("open", path, source))?;
    let mut sum = Context::new(&SHA256);
    let mut piece = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut piece).map_err(|source| failed("read", path, source))?;
        if count == 0 {
            break;
        }
        sum.update(piece.get(..count).unwrap_or_default());
        bytes += count as u64;
    }
    Ok(FileEntry { path: layout.relative(path), bytes, sha256: hex(sum.finish().as_ref()) })
}
