//! Beginning a recording, and going on with one that an earlier process left.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use rtms_wire::{media::medium::Medium, time::UnixMillis};
use serde::Deserialize;

use crate::{
    audio::{Audio, Found, MissingSound},
    belief::Belief,
    bookkeeper::{Bookkeeper, PICTURE_MS},
    checksum::paths,
    counts::{self, Counts, INDEX_TAIL_BYTES},
    deletion::Deletion,
    error::RecordError,
    file::{Appender, Files, count_lines, cut_torn_line, failed, last_lines},
    flawed_messages::FlawedMessages,
    input::RecordingAbout,
    layout::{Layout, newest_folder, next_folder},
    ledger::{
        Ledger,
        word::{Cause, Queue},
    },
    manifest::{self, Continues, MAX_LISTED, Manifest, RecordingState, Resume},
    options::Options,
    people::People,
    recorder::{Recorder, giving_up::RESERVE_BYTES, rebuilding},
    repeats::RecordedLines,
    text::Transcript,
    views::{self, Added, Views},
};

/// How far the end of a file and the ledger may be apart for reasons that are none.
const ROUNDING: Duration = Duration::from_millis(100);

impl Recorder {
    /// Opens the recording of a stream under the root of all recordings, new or going on with what is there.
    ///
    /// # Errors
    /// If the folder cannot be made or read. One that holds what is not to be appended to is left alone, and another one
    /// beside it is opened.
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
        Deletion::refuse(root, &about.stream_id, now)?;
        let newest = newest_folder(root, &about.stream_id);
        let error = match Self::open_folder(&newest, about.clone(), options.clone(), None, now) {
            Err(error) if error.is_of_folder() => error,
            opened => return opened,
        };
        let Some(beside) = next_folder(root, &about.stream_id) else { return Err(error) };
        let name = newest.file_name().map(|name| name.to_string_lossy().into_owned());
        let continues = Continues { folder: name.unwrap_or_default(), why: error.told() };
        let before = match error {
            // It has its own account, which a newer program reads.
            RecordError::NewerFormat { .. } => Before::Elsewhere(last_written(&newest)),
            RecordError::OtherStream { .. } => Before::Nothing,
            RecordError::BadManifest { .. }
            | RecordError::File { .. }
            | RecordError::BadDeletion { .. }
            | RecordError::Deleted { .. }
            | RecordError::Backlogged { .. } => Before::Lost,
        };
        Self::open_folder(&beside, about, options, Some((continues, before)), now)
    }

    /// Opens this folder. `continues` is what it goes on with, and what became of the time until then.
    pub(super) fn open_folder(
        folder: &Path,
        about: RecordingAbout,
        options: Options,
        continues: Option<(Continues, Before)>,
        now: UnixMillis,
    ) -> Result<Self, RecordError> {
        let layout = Layout::of_folder(folder);
        let folder = layout.folder();
        rtms_private::make_folders(folder).map_err(|source| failed("make the folder", folder, source))?;
        let mut files = Files::new(folder, options.max_open_files, options.wait_for_disk);
        let (found, rebuilt) = rebuilding::read(&about, &layout, &mut files)?;

        let found_state = found.as_ref().map(|found| found.state);
        let mut manifest = match found {
            Some(found) if found.about.stream_id != about.stream_id => {
                return Err(RecordError::OtherStream { path: layout.manifest(), found: found.about.stream_id });
            }
            Some(found) => resumed(found, &about, rebuilt, &layout, now)?,
            None => Manifest::new(about, now),
        };
        let is_resumed = !manifest.resumes.is_empty();
        // Before anything is read of the views: from here on it is as if the process had died a moment later.
        let added = views::complete(&layout, &manifest.about, options.max_held_bytes, &mut files)?;
        if is_resumed || !added.is_empty() {
            // A process that died had written more since it wrote the manifest.
            counts::bring_up(&mut manifest, &layout, &manifest::ledger_lines(&layout)?)?;
            manifest.events = count_lines(&layout.events())?;
        }

        let mut people = People::default();
        people.resume(&manifest.participants, manifest.about.started_at);
        let mut transcript = Transcript::new(&layout, options.max_lines);
        let mut audio = None;
        let mut lost_sound = Vec::new();
        if is_resumed || !added.is_empty() {
            transcript.resume(&layout)?;
        }
        if let Some(origin) = manifest.origin.filter(|_| is_resumed) {
            let mut known = Audio::new(origin, &options);
            let Found { uncounted, missing } = known.resume(&manifest.tracks, &layout, &mut files)?;
            let received = manifest.media.entry(Medium::Audio).or_default();
            received.packets += uncounted.packets;
            received.bytes += uncounted.bytes;
            received.lost_disk += missing.iter().map(|missing| missing.packets).sum::<u64>();
            manifest.refused += missing.iter().map(|missing| missing.packets).sum::<u64>();
            lost_sound = missing;
            manifest.tracks = known.describe(&layout);
            audio = Some(known);
        }
        let newest = manifest.media.values().filter_map(|received| received.last_timestamp).max();
        let mut ledger = Ledger::new(manifest.about.started_at, now);
        if let Some(state) = found_state {
            ledger = resumed_ledger(&manifest, audio.as_ref(), &layout, now)?;
            for MissingSound { from, to, .. } in lost_sound {
                ledger.dropped(Medium::Audio, from, to, Queue::Disk);
            }
            match state {
                RecordingState::Recording => ledger.gap(Cause::Restart, None),
                RecordingState::Finished => ledger.gap(Cause::Takeover, Some(manifest.updated_at)),
            }
        }
        if let (Some((continues, before)), None) = (continues, found_state) {
            let started_at = manifest.about.started_at;
            match before {
                Before::Elsewhere(known_until) => {
                    // What came before lies in the other folder; from its end on nothing was recorded.
                    let until = known_until.map_or(started_at, |ours| ledger.to_zoom(ours));
                    ledger = Ledger::unrecorded(started_at, until.min(ledger.to_zoom(now)), now);
                    ledger.gap(Cause::Restart, None);
                }
                Before::Lost => {
                    ledger = Ledger::lost(started_at, Cause::Restart, now);
                    ledger.gap(Cause::Restart, None);
                }
                Before::Nothing => {}
            }
            manifest.continues = Some(continues);
        }
        if found_state.is_none() {
            for (medium, from, ms) in added.iter().filter_map(|added| added.extent) {
                ledger.found(medium, from, from + Duration::from_millis(ms));
            }
        }
        let belief = Belief::new(manifest.about.started_at, newest, now);
        let book = Bookkeeper::of(ledger, belief, manifest.about.product);
        let mut recorder = Self {
            views: Views::open(&layout, options.max_held_bytes)?,
            recorded_transcript: RecordedLines::read(&layout.transcript_lines())?,
            recorded_chat: RecordedLines::read(&layout.chat())?,
            ledger_log: Appender::open(layout.ledger(), options.max_held_bytes)?,
            book,
            counted: Counts::of(&manifest),
            ledger_log_base: 0,
            ledger_logged_at: now,
            untold: Vec::new(),
            manifest_stale: true,
            counters_stale: true,
            people,
            audio,
            placed_from: None,
            picture_codecs: BTreeMap::new(),
            active_speaker_video: true,
            raw: BTreeMap::new(),
            aside: None,
            flawed: FlawedMessages::open(&layout, &options)?,
            transcript,
            layout,
            options,
            files,
            manifest,
        };
        for grant in recorder.manifest.granted.clone() {
            recorder.apply_grant(grant.medium, &grant.params);
        }
        for Added { input, at, .. } in &added {
            recorder.learn_names(input, *at);
        }
        recorder.write_ledger(now)?;
        recorder.files.reserve(&recorder.layout.reserve(), RESERVE_BYTES);
        if is_resumed {
            // Headers and mixes of a killed process are put right before anything is added.
            recorder.sync(now)?;
        }
        Ok(recorder)
    }
}

/// What became of the time before a recording that begins beside another one.
pub(super) enum Before {
    /// It lies in the other folder, which was last written at this time of ours, if that is known.
    Elsewhere(Option<UnixMillis>),
    /// What of it the other folder holds, nobody can tell.
    Lost,
    /// The other folder is of another stream.
    Nothing,
}

/// The manifest of a recording that goes on; half-written lines are cut off.
fn resumed(
    found: Manifest,
    about: &RecordingAbout,
    rebuilt: Option<String>,
    layout: &Layout,
    now: UnixMillis,
) -> Result<Manifest, RecordError> {
    let mut torn_bytes = 0;
    for path in layout.line_files() {
        torn_bytes += cut_torn_line(&path)?;
    }
    let mut manifest = found;
    if manifest.resumes.len() >= MAX_LISTED {
        manifest.resumes.remove(0);
    }
    manifest.resumes.push(Resume { at: now, started_at: about.started_at, found: manifest.state, torn_bytes, rebuilt });
    manifest.version = manifest::VERSION;
    manifest.state = RecordingState::Recording;
    manifest.ending = None;
    manifest.files = Vec::new();
    Ok(manifest)
}

/// When something was last written in a folder, on our clock; none if nobody knows.
fn last_written(folder: &Path) -> Option<UnixMillis> {
    let times =
        paths(&Layout::of_folder(folder)).ok()?.into_iter().filter_map(|path| path.metadata().ok()?.modified().ok());
    let since = times.max()?.duration_since(UNIX_EPOCH).ok()?;
    Some(UnixMillis(since.as_millis().try_into().ok()?))
}

/// The ledger of a recording that goes on, with all that its files tell of the time since it was written.
fn resumed_ledger(
    manifest: &Manifest,
    audio: Option<&Audio>,
    layout: &Layout,
    now: UnixMillis,
) -> Result<Ledger, RecordError> {
    let is_lost = manifest.ledger.is_none() && manifest.resumes.last().is_some_and(|resume| resume.rebuilt.is_some());
    let mut ledger = match &manifest.ledger {
        Some(report) => Ledger::resume(report, &manifest::ledger_changes(layout, manifest.ledger_revision)?),
        // The manifest was torn, and nothing repeats it.
        None if is_lost => Ledger::lost(manifest.about.started_at, Cause::Restart, now),
        None => {
            let until = manifest.media.values().filter_map(|received| received.last_timestamp).max();
            Ledger::unrecorded(manifest.about.started_at, until.unwrap_or_default(), now)
        }
    };
    // A packet's timestamp and perhaps its end, or when it came; those that nobody can have meant are passed over.
    #[derive(Deserialize)]
    struct Times {
        received_at: Option<UnixMillis>,
        timestamp: Option<UnixMillis>,
        start_time: Option<UnixMillis>,
        end_time: Option<UnixMillis>,
    }
    let times = |path: &Path, max_bytes| -> Result<Vec<Times>, RecordError> {
        let lines = last_lines(path, max_bytes)?;
        Ok(lines.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect())
    };
    let latest = ledger.to_zoom(now) + Duration::from_secs(60);
    let has_died = manifest.resumes.last().is_some_and(|resume| resume.found == RecordingState::Recording);
    for medium in Medium::ALL {
        let (path, ms) = match medium {
            Medium::Audio => (layout.index(medium), 20),
            Medium::Video | Medium::Deskshare => (layout.index(medium), PICTURE_MS),
            Medium::Transcript => (layout.transcript_lines(), 1),
            Medium::Chat => (layout.chat(), 1),
        };
        let mut held: Option<(UnixMillis, UnixMillis)> = None;
        for times in times(&path, if is_lost { u64::MAX } else { INDEX_TAIL_BYTES })? {
            let came_at = times.received_at.map(|at| ledger.to_zoom(at));
            let from = times.start_time.or(times.timestamp).or(came_at);
            let Some(from) = from.filter(|from| *from <= latest) else { continue };
            let end = times.end_time.filter(|end| *end <= latest).unwrap_or_default();
            let end = end.max(from + Duration::from_millis(ms));
            ledger.found(medium, from, end);
            held = Some(held.map_or((from, end), |(first, last)| (first.min(from), last.max(end))));
        }
        // Nothing else tells of the time between two of them.
        if let Some((first, last)) = held.filter(|_| is_lost) {
            ledger.found(medium, first, last);
        }
        if has_died {
            // What no file has was not written: the process died while it could not be.
            let mut until = held.map(|(_, last)| last);
            if medium == Medium::Audio {
                let aside = times(&layout.aside_index(), INDEX_TAIL_BYTES)?;
                let came_at = aside.iter().filter_map(|times| times.received_at).map(|at| ledger.to_zoom(at));
                until = came_at.chain(until).chain(audio.and_then(Audio::end)).max();
            }
            let from = until.map_or(manifest.about.started_at, |until| until + ROUNDING);
            ledger.not_kept(medium, from, UnixMillis(u64::MAX), Queue::Disk);
        }
    }
    if let (Some(origin), Some(end)) = (manifest.origin.filter(|_| is_lost), audio.and_then(Audio::end)) {
        ledger.found(Medium::Audio, origin, end.min(latest));
    }
    // Sound that was going on when the ledger was written went on to the end of its files.
    if let (Some(until), Some(end)) = (ledger.received_until(Medium::Audio), audio.and_then(Audio::end)) {
        ledger.found(Medium::Audio, until, end.min(latest));
    }
    Ok(ledger)
}
