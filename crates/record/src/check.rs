//! Whether a recording is what it says: its files against its manifest, its sound against its ledger.
//!
//! Reads and changes nothing. A recording that goes on, or whose process died, is checked as far as it can be: what the
//! manifest says of sizes and checksums is known at the end only.

mod journal;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::{Component, Path, PathBuf},
};

use rtms_wire::{ids::StreamId, media::medium::Medium, time::UnixMillis};
use serde::{Deserialize, Serialize};

use crate::{
    checksum::{checksum, paths},
    counts::{CountsLine, lines_of},
    error::RecordError,
    index_line::IndexLine,
    layout::Layout,
    ledger::report::{LedgerReport, SpanChange},
    loss::{Loss, seconds},
    manifest::{
        AsideReason, Continues, FORMAT, Manifest, ManifestLine, OriginLine, RecordingState, Track, TrackSource,
    },
    wav::{HEADER_BYTES, PcmFormat, header},
};

/// Problems that are listed. A folder with more is broken enough.
const MAX_PROBLEMS: usize = 200;

/// The longest line that is read: more than a message can have.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// How far sound and ledger may be apart for reasons that are none: rounding to milliseconds, and the ends.
const SLACK_MS: u64 = 1_000;

/// How far they may be apart more for each time a process died with sound that it had not synced.
const SLACK_PER_RESUME_MS: u64 = 2_000;

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckReport {
    /// The stream, if there is a manifest.
    pub stream_id: Option<StreamId>,
    /// Whether the recording was closed properly.
    pub state: Option<RecordingState>,
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How the recording ended, for people; none while it goes on.
    pub ended: Option<String>,
    /// What was lost of the stream; none if there is no ledger to tell.
    pub lost: Option<Loss>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Problems that are not listed, since there are too many.
    pub more_problems: u64,
    /// What is worth knowing and not wrong.
    pub notes: Vec<String>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Of which kind.
    pub kind: ProblemKind,
    /// In which file, relative to the recording's folder. It may come from the manifest, so it may be any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What is wrong, for people.
    pub what: String,
}

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The manifest or the whole folder is missing, or the manifest makes no sense or is of a newer version.
    Manifest,
    /// The manifest names a file that would lie outside.
    Path,
    /// A file is not there or cannot be read.
    Missing,
    /// A file has another size.
    Size,
    /// A file has other content.
    Checksum,
    /// A WAV file's header and length do not fit each other or the manifest.
    Wav,
    /// A line is no JSON, or lines are missing.
    Lines,
    /// The journal is not that of the stream, its numbers do not rise, or a file of lines has others than it.
    Journal,
    /// An index names bytes that are not there.
    Index,
    /// Something has a time after the end.
    Times,
    /// The ledger does not tile, or is missing.
    Ledger,
    /// Ledger and samples tell of different amounts of sound.
    Sound,
    /// The manifest counts something else than what is there.
    Counts,
    /// A file is there that the manifest does not name.
    Unlisted,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_fine(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether the recording was closed properly and nothing is known to be lost.
    pub fn is_complete(&self) -> bool {
        self.state == Some(RecordingState::Finished) && self.lost.as_ref().is_some_and(Loss::is_none)
    }
}

/// Checks the recording in this folder.
pub fn check(folder: &Path) -> CheckReport {
    let mut check = Check {
        layout: Layout::of_folder(folder),
        sizes: BTreeMap::new(),
        report: CheckReport {
            stream_id: None,
            state: None,
            files: 0,
            bytes: 0,
            ended: None,
            lost: None,
            problems: Vec::new(),
            more_problems: 0,
            notes: Vec::new(),
        },
    };
    match Manifest::read(folder) {
        Ok(Some(manifest)) if manifest.format == FORMAT => check.all(&manifest),
        Ok(Some(manifest)) => check.problem(
            ProblemKind::Manifest,
            Some("manifest.json"),
            format!("its format is {}, not {FORMAT}", manifest.format),
        ),
        Ok(None) if !folder.exists() => {
            check.problem(ProblemKind::Manifest, None, "there is no such folder".to_owned());
        }
        Ok(None) => check.problem(ProblemKind::Manifest, Some("manifest.json"), "is not there".to_owned()),
        Err(error) => check.problem(ProblemKind::Manifest, Some("manifest.json"), told(&error)),
    }
    check.report
}

/// A line of `ledger.jsonl`.
#[derive(Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "whether a line is one of them is all that is asked")]
enum LedgerLogLine {
    Span(SpanChange),
    Counts(CountsLine),
    Origin(OriginLine),
    Manifest(Box<ManifestLine>),
}

struct Check {
    layout: Layout,
    /// Of files that indexes name.
    sizes: BTreeMap<PathBuf, u64>,
    report: CheckReport,
}

impl Check {
    fn all(&mut self, manifest: &Manifest) {
        self.report.stream_id = Some(manifest.about.stream_id.clone());
        self.report.state = Some(manifest.state);
        self.report.ended = manifest.ending.as_ref().map(|ending| ending.why.clone());
        if let Some(Continues { folder, why }) = &manifest.continues {
            self.note(&format!("it goes on with {folder}, which could not be gone on with: {why}"));
        }
        for kept in manifest.resumes.iter().filter_map(|resume| resume.rebuilt.as_deref()) {
            let kept = if kept.is_empty() { "there was none".to_owned() } else { format!("the old one is {kept}") };
            self.note(&format!("its manifest was made anew from its files: {kept}"));
        }
        let finished = manifest.state == RecordingState::Finished;
        if finished {
            self.files(manifest);
        } else {
            self.note("it is not finished: it goes on, or its process died; sizes and checksums are known at the end");
        }
        for track in &manifest.tracks {
            self.track(track, finished);
        }
        if finished {
            self.mixes(&manifest.tracks);
        }
        let to = manifest.ledger.as_ref().filter(|_| finished).map(|ledger| ledger.to);
        let events = self.lines::<serde_json::Value>(&self.layout.events(), finished, |_, _| {});
        if finished && events != manifest.events {
            let what = format!("has {events} lines, and the manifest tells of {}", manifest.events);
            self.problem(ProblemKind::Lines, Some("events.jsonl"), what);
        }
        self.journal(manifest, finished);
        let mut held = self.spoken_lines(to, finished);
        for medium in [Medium::Audio, Medium::Video, Medium::Deskshare] {
            held.push((medium, self.index(&self.layout.index(medium), to, finished)));
        }
        // What lies aside may have any time: that is why it is there.
        let aside = self.index(&self.layout.aside_index(), None, finished);
        self.lines::<serde_json::Value>(&self.layout.flawed_messages(), finished, |_, _| {});
        self.lines::<LedgerLogLine>(&self.layout.ledger(), finished, |_, _| {});
        if finished {
            self.counts(manifest, &held, aside);
        }
        let ledger = manifest.ledger_now(self.layout.folder()).unwrap_or_else(|error| {
            self.problem(ProblemKind::Missing, Some("ledger.jsonl"), told(&error));
            manifest.ledger.clone()
        });
        self.report.lost = ledger.as_ref().map(|ledger| manifest.loss(ledger));
        match ledger {
            Some(ledger) => self.ledger(manifest, &ledger, finished),
            None if manifest.version < 2 => self.note("it was recorded by a version that kept no ledger"),
            None => self.problem(ProblemKind::Ledger, Some("manifest.json"), "has no ledger".to_owned()),
        }
    }

    /// Sizes and checksums.
    fn files(&mut self, manifest: &Manifest) {
        for entry in &manifest.files {
            let Some(path) = self.inside(&entry.path) else { continue };
            let name = Some(entry.path.as_str());
            match checksum(&path, &self.layout, &|| entry.is_summed()) {
                Ok(found) => {
                    self.report.files += 1;
                    self.report.bytes += found.bytes;
                    if found.bytes != entry.bytes {
                        let what = format!("has {} bytes, and the manifest says {}", found.bytes, entry.bytes);
                        self.problem(ProblemKind::Size, name, what);
                    } else if found.sha256 != entry.sha256 {
                        let what = "has other content than the manifest's checksum says".to_owned();
                        self.problem(ProblemKind::Checksum, name, what);
                    }
                }
                Err(error) => self.problem(ProblemKind::Missing, name, told(&error)),
            }
        }
        let unsummed = manifest.files.iter().filter(|entry| !entry.is_summed()).count();
        if unsummed > 0 {
            self.note(&format!(
                "{unsummed} of its files were not summed, since the process had to stop; of those only the size is checked"
            ));
        }
        self.unlisted(manifest);
    }

    /// Files that the manifest does not name.
    fn unlisted(&mut self, manifest: &Manifest) {
        let named: BTreeSet<_> = manifest.files.iter().map(|entry| entry.path.as_str()).collect();
        match paths(&self.layout) {
            Ok(found) => {
                let found = found.iter().map(|path| self.layout.relative(path)).collect::<Vec<_>>();
                for name in found.iter().filter(|name| !named.contains(name.as_str())) {
                    self.problem(
                        ProblemKind::Unlisted,
                        Some(name),
                        "is not in the manifest's list of files".to_owned(),
                    );
                }
            }
            Err(error) => self.problem(ProblemKind::Missing, None, told(&error)),
        }
    }

    /// What the manifest counted against the lines that are there, and its counts of sound against each other.
    ///
    /// Each message is a line of its medium's file, but for sound that is in a track or aside, repeats that were left out,
    /// and what could not be written, which may have been counted before that showed.
    fn counts(&mut self, manifest: &Manifest, held: &[(Medium, u64)], aside: u64) {
        let refused = manifest.refused;
        for (medium, held) in held {
            let packets = manifest.media.get(medium).map_or(0, |received| received.packets);
            let Some(must) = lines_of(manifest, *medium) else {
                let what = format!("{medium}: counts {packets} messages, fewer than it tells of one by one");
                self.problem(ProblemKind::Counts, Some("manifest.json"), what);
                continue;
            };
            if *held > must || held.saturating_add(refused) < must {
                let what = match medium {
                    Medium::Audio => format!(
                        "{medium}: counts {packets} messages, of which {must} are in no track and not aside, and the index \
                         has {held}"
                    ),
                    Medium::Video | Medium::Deskshare | Medium::Transcript | Medium::Chat => {
                        format!("{medium}: counts {packets} messages, which makes {must} lines, and there are {held}")
                    }
                };
                self.problem(ProblemKind::Counts, Some("manifest.json"), what);
            }
        }
        // The rest of a torn packet is in its track.
        let aside_only = manifest.aside.iter().filter(|(reason, _)| **reason != AsideReason::TornSamples);
        for (reason, kept) in aside_only {
            let packets = if kept.packets == 1 { "packet lies" } else { "packets lie" };
            self.note(&format!("audio: {} {packets} in aside/ and in no track ({})", kept.packets, reason.as_str()));
        }
        let kept: u64 = manifest.aside.values().map(|kept| kept.packets).sum();
        if aside > kept || aside.saturating_add(refused) < kept {
            let what = format!("counts {kept} messages aside, and the index there has {aside}");
            self.problem(ProblemKind::Counts, Some("manifest.json"), what);
        }
        for track in &manifest.tracks {
            let frame_bytes = PcmFormat { sample_rate: track.sample_rate, channels: track.channels }.frame_bytes();
            let sound_ms = track.duration_ms.saturating_sub(track.placed.silence_ms);
            // Rounded, by a millisecond at either end.
            let at_least = sound_ms.saturating_sub(2) * u64::from(track.sample_rate) / 1000 * frame_bytes as u64;
            if track.source != TrackSource::ComputedMix && track.placed.bytes < at_least {
                let what = format!("tells of {sound_ms} ms of sound, and counts {} bytes", track.placed.bytes);
                self.problem(ProblemKind::Counts, track.files.first().map(String::as_str), what);
            }
        }
    }

    /// Mixes that end before their tracks, as a mix that cannot be written costs no sound.
    fn mixes(&mut self, tracks: &[Track]) {
        for mix in tracks.iter().filter(|track| track.source == TrackSource::ComputedMix) {
            let of_set = tracks.iter().filter(|track| track.set == mix.set).map(|track| track.duration_ms);
            let short = of_set.max().unwrap_or_default().saturating_sub(mix.duration_ms);
            if short > 0 {
                let name = mix.files.first().map_or("audio/mixed.wav", String::as_str);
                self.note(&format!(
                    "{name}: the mix ends {} s before its tracks, which have all of the sound",
                    seconds(short)
                ));
            }
        }
    }

    /// A track's WAV files, against their headers and against what the manifest says of its length.
    fn track(&mut self, track: &Track, finished: bool) {
        let format = PcmFormat { sample_rate: track.sample_rate, channels: track.channels };
        if track.sample_rate == 0 || track.channels == 0 {
            return self.problem(ProblemKind::Manifest, None, "has a track without samples".to_owned());
        }
        let mut frames = 0;
        for name in &track.files {
            let Some(path) = self.inside(name) else { continue };
            let mut head = [0; HEADER_BYTES as usize];
            let read = File::open(&path).and_then(|mut file| {
                file.read_exact(&mut head)?;
                Ok(file.metadata()?.len())
            });
            let length = match read {
                Ok(length) => length,
                // Its manifest comes before it, and its first sync after. If all of it lies aside, it never comes.
                Err(error) if (!finished || track.duration_ms == 0) && error.kind() == io::ErrorKind::NotFound => {
                    continue;
                }
                Err(error) => {
                    self.problem(ProblemKind::Wav, Some(name), format!("cannot be read: {error}"));
                    continue;
                }
            };
            let told = head.get(40..44).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
            let held = length.saturating_sub(HEADER_BYTES);
            if head.as_slice() != header(format, told) {
                let rate = format.sample_rate;
                let what = format!("its header is not that of 16-bit PCM, {rate} Hz, {} channels", format.channels);
                self.problem(ProblemKind::Wav, Some(name), what);
            } else if u64::from(told) > held || (finished && u64::from(told) != held) {
                let what = format!("its header tells of {told} bytes of sound, and it holds {held}");
                self.problem(ProblemKind::Wav, Some(name), what);
            }
            frames += held / format.frame_bytes() as u64;
        }
        let (ms, told) = (format.millis(frames), track.duration_ms);
        if ms.abs_diff(told) > 1 && finished {
            let what = format!("holds {ms} ms of sound, and the manifest says {told}");
            self.problem(ProblemKind::Wav, track.files.first().map(String::as_str), what);
        }
    }

    /// How many lines each has.
    fn spoken_lines(&mut self, to: Option<UnixMillis>, finished: bool) -> Vec<(Medium, u64)> {
        #[derive(Deserialize)]
        struct Said {
            timestamp: Option<UnixMillis>,
            start_time: Option<UnixMillis>,
        }
        // Only the fields of its kind: another of Zoom's may have any name and hold anything.
        #[derive(Deserialize)]
        struct Written {
            timestamp: Option<UnixMillis>,
        }
        let said = |line: Said| line.start_time.or(line.timestamp);
        let transcript = self.timed_lines(&self.layout.transcript_lines(), to, finished, said);
        let chat = self.timed_lines(&self.layout.chat(), to, finished, |line: Written| line.timestamp);
        vec![(Medium::Transcript, transcript), (Medium::Chat, chat)]
    }

    /// How many lines it has, none of which may be of a time after the end.
    fn timed_lines<T: for<'a> Deserialize<'a>>(
        &mut self,
        path: &Path,
        to: Option<UnixMillis>,
        finished: bool,
        time: impl Fn(T) -> Option<UnixMillis>,
    ) -> u64 {
        let mut late = 0;
        let lines = self.lines(path, finished, |_, line| {
            late += u64::from(time(line).zip(to).is_some_and(|(at, to)| at > to));
        });
        self.late(path, late);
        lines
    }

    /// How many lines it has.
    fn index(&mut self, path: &Path, to: Option<UnixMillis>, finished: bool) -> u64 {
        let mut late = 0;
        let lines = self.lines::<IndexLine>(path, finished, |check, line| {
            late += u64::from(to.is_some_and(|to| line.timestamp > to));
            let Some(file) = check.inside(&line.file) else { return };
            let size = match check.sizes.get(&file) {
                Some(size) => *size,
                None => {
                    let size = fs::metadata(&file).map_or(0, |about| about.len());
                    check.sizes.insert(file, size);
                    size
                }
            };
            if line.offset.saturating_add(line.length) > size {
                let (from, length) = (line.offset, line.length);
                let what = format!("holds {size} bytes, and an index names {length} from {from} on");
                check.problem(ProblemKind::Index, Some(&line.file), what);
            }
        });
        self.sizes.clear();
        self.late(path, late);
        lines
    }

    fn late(&mut self, path: &Path, late: u64) {
        if late > 0 {
            let name = self.layout.relative(path);
            self.problem(ProblemKind::Times, Some(&name), format!("has {late} lines with a time after the end"));
        }
    }

    /// Reads a file of JSON lines, each of which must be what it should; how many there are. No file has none.
    fn lines<T: for<'a> Deserialize<'a>>(
        &mut self,
        path: &Path,
        finished: bool,
        mut each: impl FnMut(&mut Self, T),
    ) -> u64 {
        let name = self.layout.relative(path);
        let mut reader = match File::open(path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return 0,
            Err(error) => {
                self.problem(ProblemKind::Missing, Some(&name), format!("cannot be read: {error}"));
                return 0;
            }
        };
        let (mut count, mut bad, mut line) = (0, 0, Vec::new());
        let mut first_bad = String::new();
        loop {
            line.clear();
            match reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    self.problem(ProblemKind::Missing, Some(&name), format!("cannot be read: {error}"));
                    break;
                }
            }
            if line.last() != Some(&b'\n') && !finished {
                self.note(&format!("{name} ends in the middle of a line, which is cut off when the stream goes on"));
                break;
            }
            count += 1;
            match serde_json::from_slice(&line) {
                Ok(read) => each(self, read),
                Err(error) => {
                    bad += 1;
                    if bad == 1 {
                        // Without serde's words: they may quote what was said.
                        first_bad = format!("the first is line {count}, column {}", error.column());
                    }
                }
            }
        }
        if bad > 0 {
            let what = format!("has {bad} lines that are not what they should be; {first_bad}");
            self.problem(ProblemKind::Lines, Some(&name), what);
        }
        count
    }

    fn ledger(&mut self, manifest: &Manifest, ledger: &LedgerReport, finished: bool) {
        // As it was written: what is put together from its news tiles by its form.
        let written = manifest.ledger.as_ref().and_then(LedgerReport::flaw);
        if let Some(flaw) = written.or_else(|| ledger.flaw()) {
            return self.problem(ProblemKind::Ledger, Some("manifest.json"), flaw);
        }
        if ledger.from != manifest.about.started_at {
            let what = format!("the ledger begins at {}, and the stream at {}", ledger.from, manifest.about.started_at);
            self.problem(ProblemKind::Ledger, Some("manifest.json"), what);
        }
        // A process that died had counted what it had not written yet.
        let died = manifest.resumes.iter().any(|resume| resume.found == RecordingState::Recording);
        for (medium, received) in &manifest.media {
            let before = received.first_timestamp.is_some_and(|first| first < ledger.from);
            if before {
                self.note(&format!("{medium}: something was received for a time before rtms_started"));
            }
            match (received.empty, received.cut_off) {
                (0, 0) => {}
                (empty, 0) => self.note(&format!("{medium}: {empty} empty pictures came")),
                (0, cut_off) => self.note(&format!("{medium}: {cut_off} pictures came without their end")),
                (empty, cut_off) => {
                    self.note(&format!("{medium}: {empty} empty pictures came, and {cut_off} without their end"));
                }
            }
            if received.unreadable > 0 {
                self.note(&format!("{medium}: {} messages came that could not be read", received.unreadable));
            }
            let Some(report) = ledger.media.get(medium) else {
                self.problem(ProblemKind::Ledger, Some("manifest.json"), format!("{medium}: is not in the ledger"));
                continue;
            };
            let told = report.total_ms("received") + report.total_ms("unrecorded") + report.total_ms("dropped");
            let is_counted = received.last_timestamp.is_some_and(|last| last >= ledger.from);
            if finished && is_counted && told == 0 && !died {
                let what = format!("{medium}: was received, and the ledger says nothing of it");
                self.problem(ProblemKind::Ledger, Some("manifest.json"), what);
            }
        }
        // While it goes on, counts and ledger are written at different moments.
        if finished {
            self.sound(manifest, ledger);
        }
    }

    /// What the tracks hold against what the ledger calls received.
    fn sound(&mut self, manifest: &Manifest, ledger: &LedgerReport) {
        let Some(report) = ledger.media.get(&Medium::Audio) else { return };
        let tracks = manifest.tracks.iter().filter(|track| match track.source {
            TrackSource::Participant | TrackSource::ReceivedMix => true,
            TrackSource::ComputedMix => false,
        });
        let heard: Vec<_> = tracks.map(|track| track.duration_ms.saturating_sub(track.placed.silence_ms)).collect();
        let (longest, sum) = (heard.iter().max().copied().unwrap_or(0), heard.iter().sum::<u64>());
        let before = manifest.origin.map_or(0, |origin| ledger.from.0.saturating_sub(origin.0));
        let slack = SLACK_MS + report.coarsened_ms + SLACK_PER_RESUME_MS * manifest.resumes.len() as u64;
        let told = report.total_ms("received");
        let may_be = told + report.total_ms("dropped") + report.total_ms("unrecorded") + before + slack;
        if longest > may_be {
            let what = format!("a track holds {longest} ms of received sound, and the ledger tells of {told}");
            self.problem(ProblemKind::Sound, None, what);
        }
        // Sound that lies elsewhere has no samples to count, and a hundredth is jitter between packets.
        let elsewhere = !manifest.aside.is_empty() || self.layout.index(Medium::Audio).exists();
        if !elsewhere && told > sum + told / 100 + slack {
            let what = format!("the ledger tells of {told} ms of received sound, and all tracks hold {sum}");
            self.problem(ProblemKind::Sound, None, what);
        }
    }

    /// The path of a file that the manifest or an index names, if it lies in the recording, links followed.
    fn inside(&mut self, name: &str) -> Option<PathBuf> {
        let plain = !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        let path = self.layout.folder().join(name);
        // A file that is not there has no links; whoever reads it will say so.
        let led_out = match (path.canonicalize(), self.layout.folder().canonicalize()) {
            (Ok(path), Ok(folder)) => !path.starts_with(folder),
            (Err(_), _) | (_, Err(_)) => false,
        };
        if !plain || led_out {
            self.problem(ProblemKind::Path, Some(name), "lies outside of the recording".to_owned());
            return None;
        }
        Some(path)
    }

    fn problem(&mut self, kind: ProblemKind, path: Option<&str>, what: String) {
        if self.report.problems.len() < MAX_PROBLEMS {
            self.report.problems.push(Problem { kind, path: path.map(str::to_owned), what });
        } else {
            self.report.more_problems += 1;
        }
    }

    fn note(&mut self, what: &str) {
        self.report.notes.push(what.to_owned());
    }
}

/// An error with its cause, without the path, which is said beside it.
fn told(error: &RecordError) -> String {
    match error {
        RecordError::File { action, source, .. } => format!("failed to {action} it: {source}"),
        RecordError::BadManifest { source, .. } => {
            format!("is not the manifest of a recording: line {}, column {}", source.line(), source.column())
        }
        RecordError::NewerFormat { found, known, .. } => {
            format!("has format version {found}, and this program knows up to {known}")
        }
        RecordError::BadDeletion { .. }
        | RecordError::Deleted { .. }
        | RecordError::OtherStream { .. }
        | RecordError::Backlogged { .. } => error.to_string(),
    }
}
