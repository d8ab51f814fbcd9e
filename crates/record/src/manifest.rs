//! `manifest.json`: what a recording says of itself. A format users may rely on; [`VERSION`] changes with it.

use std::{collections::BTreeMap, path::Path};

use rtms_wire::{
    SmolStr,
    flaws::Flaw,
    media::{medium::Medium, params::MediaParams},
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::RecordError,
    file::{Files, last_lines},
    input::{Ending, RecordingAbout},
    layout::Layout,
    ledger::{
        Ledger,
        report::{LedgerReport, SpanChange},
    },
    loss::{Loss, LostPackets},
    who::Who,
};

/// The value of [`Manifest::format`].
pub const FORMAT: &str = "rtms-recording";

/// The version this program writes, and the newest it reads.
///
/// 2 added [`Manifest::ledger`]; a manifest of version 1 has none.
pub const VERSION: u32 = 2;

/// Everything in `manifest.json`. Paths are relative to the recording's folder, with `/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`] of the program that wrote it.
    pub version: u32,
    /// The stream.
    pub about: RecordingAbout,
    /// Whether it was closed properly.
    pub state: RecordingState,
    /// When the folder was made, on our clock.
    pub opened_at: UnixMillis,
    /// When this was written, on our clock. While recording, counters below are as of the sync before it.
    pub updated_at: UnixMillis,
    /// The instant at which every audio file begins, on Zoom's clock; none before the first audio packet.
    #[serde(default)]
    pub origin: Option<UnixMillis>,
    /// Each time another process or connection went on with it; the oldest are dropped beyond a bound.
    #[serde(default)]
    pub resumes: Vec<Resume>,
    /// How it ended, once it has.
    #[serde(default)]
    pub ending: Option<Ending>,
    /// What Zoom granted, in order, repeats left out; the oldest are dropped beyond a bound.
    #[serde(default)]
    pub granted: Vec<Grant>,
    /// Everybody who was named or heard.
    #[serde(default)]
    pub participants: Vec<Participant>,
    /// What was received, per medium.
    #[serde(default)]
    pub media: BTreeMap<Medium, Received>,
    /// The audio, a track per participant and one for the mix.
    #[serde(default)]
    pub tracks: Vec<Track>,
    /// Packets that have no place in an ordinary file and lie in `aside/`, by reason.
    #[serde(default)]
    pub aside: BTreeMap<AsideReason, Kept>,
    /// Messages that were read although something in them was broken, by kind. The first of each lie in
    /// `aside/messages.jsonl`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub flaws: BTreeMap<Flaw, u64>,
    /// Input that was refused because nothing could be written for too long.
    #[serde(default)]
    pub refused: u64,
    /// Lines in `events.jsonl`.
    #[serde(default)]
    pub events: u64,
    /// What became of every second, per medium. While recording, what changed since is in `ledger.jsonl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerReport>,
    /// Counts how often [`Manifest::ledger`] was written; lines of `ledger.jsonl` with another number are older than it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ledger_revision: u64,
    /// The recording that this one goes on with in a folder of its own, because that one cannot be gone on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<Continues>,
    /// Every file but this one with size and checksum; filled in when the recording is finished.
    #[serde(default)]
    pub files: Vec<FileEntry>,
}

/// Whether a recording goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// It goes on, or its process died.
    Recording,
    /// It was closed properly.
    Finished,
}

/// A recorder opened a folder that was there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// When, on our clock.
    pub at: UnixMillis,
    /// `started_at` as it was given this time.
    pub started_at: UnixMillis,
    /// What the folder said of itself when it was found.
    pub found: RecordingState,
    /// Bytes of half-written last lines that were cut off.
    pub torn_bytes: u64,
    /// The manifest could not be read and was made anew from the files; the old one is kept under this name, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuilt: Option<String>,
}

/// A recording that could not be gone on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continues {
    /// Its folder, beside this one.
    pub folder: String,
    /// Why not, for people.
    pub why: String,
}

/// What message 4 granted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// When we were told, on our clock.
    pub at: UnixMillis,
    /// The connection's medium.
    pub medium: Medium,
    /// Its parameters.
    pub params: MediaParams,
}

/// Somebody in the meeting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Participant {
    /// The participant's id.
    pub who: Who,
    /// The name as it was last given.
    #[serde(default)]
    pub name: Option<SmolStr>,
    /// Every name in order of time, if there was more than one or if they left: people are renamed, and an id is used again
    /// by somebody else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Named>,
}

/// A name and when it was somebody's, on Zoom's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The name; none for somebody who joined without one.
    #[serde(default)]
    pub name: Option<SmolStr>,
    /// The first time it was given for.
    pub from: UnixMillis,
    /// When they left, if they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMillis>,
}

/// How much of a medium was received, duplicates and what lies aside included.
///
/// On disk, and after a crash, it tells of what the files hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// The number of messages.
    pub packets: u64,
    /// Payload bytes. Those of repeats that were removed before they came here are not known.
    pub bytes: u64,
    /// The earliest timestamp.
    #[serde(default)]
    pub first_timestamp: Option<UnixMillis>,
    /// The latest timestamp.
    #[serde(default)]
    pub last_timestamp: Option<UnixMillis>,
    /// Messages of sound whose owner, timestamp and content were there already, and messages of any kind that Zoom sent
    /// again around a reconnection. They are not kept twice.
    #[serde(default)]
    pub duplicates: u64,
    /// Messages that came and could not be read. They are not among the packets; the ledger calls their time `dropped`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreadable: u64,
    /// Messages that the queue before the recorder lost. They are not among the packets.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost_queue: u64,
    /// Messages that no file has: they could not be written, or came while none could be opened, or their file was cut.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost_disk: u64,
    /// Pictures without a byte. They are in the index alone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub empty: u64,
    /// Pictures without their end. They lie in `broken/` beside the others.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut_off: u64,
}

impl From<&Received> for LostPackets {
    fn from(received: &Received) -> Self {
        Self { queue: received.lost_queue, disk: received.lost_disk, unreadable: received.unreadable }
    }
}

/// One line of sound from the origin on: a WAV file in one or more parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// The participant whose sound it is.
    pub who: Who,
    /// Where it comes from.
    pub source: TrackSource,
    /// Tracks of one format share a set, counted from 1. Zoom's mix and single participants are two sets.
    pub set: usize,
    /// Samples a second.
    pub sample_rate: u32,
    /// 1 or 2, interleaved.
    pub channels: u16,
    /// The parts in order. They lie end to end: the first begins at the origin.
    pub files: Vec<String>,
    /// From the origin to the end of the last packet.
    pub duration_ms: u64,
    /// What was placed, and how.
    pub placed: Placed,
}

/// Where a track's sound comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackSource {
    /// One participant, as received.
    Participant,
    /// Zoom's mix, as received.
    ReceivedMix,
    /// The saturating sum of the participants, made here.
    ComputedMix,
}

/// What happened to a track's packets. Of those that were written after the last sync before a crash, packets and bytes are
/// told by the length of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Packets with a place in the file.
    pub packets: u64,
    /// The payload bytes of all of them.
    pub bytes: u64,
    /// The earliest timestamp among them.
    #[serde(default)]
    pub first_timestamp: Option<UnixMillis>,
    /// The latest timestamp among them.
    #[serde(default)]
    pub last_timestamp: Option<UnixMillis>,
    /// Packets that were there already, with the same timestamp and sound; they changed nothing.
    pub duplicates: u64,
    /// Packets whose timestamp was there already with other sound. They are placed behind it, or lie in `aside/`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub same_time: u64,
    /// Packets with a timestamp before that of one already placed.
    pub out_of_order: u64,
    /// Packets moved to join a neighbour without a click, or to follow one that reached into their time.
    pub joined: u64,
    /// Packets of which a part lay under an earlier one and was left out, by versions that did so.
    #[serde(default)]
    pub overlapping: u64,
    /// Packets before the origin; they lie in `aside/`.
    pub before_origin: u64,
    /// How much of the duration nothing was received for.
    pub silence_ms: u64,
}

/// Why a packet lies in `aside/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AsideReason {
    /// Its time is before the origin that all tracks share.
    BeforeOrigin,
    /// Its time is far ahead of all others, and not enough others confirmed it.
    FarAhead,
    /// Its time is long before the stream began, and not enough others confirmed it.
    FarBehind,
    /// It has no time that can be read. The index has when it came.
    NoTime,
    /// It would make the recording longer than is allowed.
    TooLong,
    /// There are as many tracks as are allowed.
    TooManyTracks,
    /// It does not hold whole samples. What is whole is in the track as well.
    TornSamples,
    /// Something else was received for the same time of the same participant.
    Overlap,
}

impl AsideReason {
    /// The word in the manifest and in the index.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BeforeOrigin => "before_origin",
            Self::FarAhead => "far_ahead",
            Self::FarBehind => "far_behind",
            Self::NoTime => "no_time",
            Self::TooLong => "too_long",
            Self::TooManyTracks => "too_many_tracks",
            Self::TornSamples => "torn_samples",
            Self::Overlap => "overlap",
        }
    }
}

/// A number of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The number of messages.
    pub packets: u64,
    /// The payload bytes of all of them.
    pub bytes: u64,
}

/// One file of a finished recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative to the folder, with `/`.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content, in hexadecimal. Empty if the process had to stop before it could read the file.
    pub sha256: String,
}

impl FileEntry {
    /// Whether its content was read for the checksum.
    pub fn is_summed(&self) -> bool {
        !self.sha256.is_empty()
    }
}

impl Manifest {
    /// Of a recording that begins.
    pub(crate) fn new(about: RecordingAbout, now: UnixMillis) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
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
            flaws: BTreeMap::new(),
            refused: 0,
            events: 0,
            ledger: None,
            ledger_revision: 0,
            continues: None,
            files: Vec::new(),
        }
    }

    /// Reads the manifest of a recording's folder; none if there is none.
    ///
    /// # Errors
    /// If it cannot be read, makes no sense, or is of a newer version.
    pub fn read(folder: &Path) -> Result<Option<Self>, RecordError> {
        let path = Layout::manifest_of(folder);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RecordError::File { path, action: "read", source }),
        };
        // The version is looked at alone first: what a newer one means by its other fields is not for us to judge.
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let bad = |source| RecordError::BadManifest { path: path.clone(), source };
        let head: Head = serde_json::from_slice(&text).map_err(bad)?;
        if head.version > VERSION {
            return Err(RecordError::NewerFormat { path, found: head.version, known: VERSION });
        }
        serde_json::from_slice(&text).map(Some).map_err(bad)
    }

    /// The ledger of a recording's folder, with what was written of it since the manifest was.
    ///
    /// While a recording goes on, spans that only become longer may be behind by [`crate::Options::manifest_every`].
    ///
    /// # Errors
    /// If `ledger.jsonl` is there and cannot be read.
    pub fn ledger_now(&self, folder: &Path) -> Result<Option<LedgerReport>, RecordError> {
        let Some(report) = &self.ledger else { return Ok(None) };
        let news = ledger_changes(&Layout::of_folder(folder), self.ledger_revision)?;
        if news.is_empty() {
            return Ok(Some(report.clone()));
        }
        Ok(Some(Ledger::resume(report, &news).report()))
    }

    /// What was lost, by a ledger of this recording.
    pub fn loss(&self, ledger: &LedgerReport) -> Loss {
        Loss::of(ledger, |medium| self.media.get(&medium).map(LostPackets::from).unwrap_or_default())
    }

    /// Replaces the manifest: a reader sees the old one or the new one, never a part.
    pub(crate) fn write(&self, layout: &Layout, files: &mut Files) -> Result<(), RecordError> {
        let path = layout.manifest();
        let text = serde_json::to_vec_pretty(self)
            .map_err(|source| RecordError::BadManifest { path: path.clone(), source })?;
        files.replace(&layout.manifest_draft(), &path, &text)
    }
}

/// Grants and resumes that are kept. A stream that reconnects more often is told by its events.
pub(crate) const MAX_LISTED: usize = 100;

/// What `ledger.jsonl` may hold beside that manifest before it is written anew, which empties it.
pub(crate) const MAX_LEDGER_LOG_BYTES: u64 = 256 << 10;

/// A line of `ledger.jsonl`.
#[derive(Serialize, Deserialize)]
pub(crate) struct LedgerLine {
    /// [`Manifest::ledger_revision`] of the manifest that it goes on from.
    pub(crate) revision: u64,
    #[serde(flatten)]
    pub(crate) change: SpanChange,
}

/// The first line of `ledger.jsonl`, which repeats the manifest that it goes on from, for when that cannot be read.
#[derive(Serialize, Deserialize)]
pub(crate) struct ManifestLine {
    /// As in [`LedgerLine`].
    pub(crate) revision: u64,
    pub(crate) manifest: Manifest,
}

/// The line of `ledger.jsonl` that repeats [`Manifest::origin`], for when the manifest cannot be read.
#[derive(Serialize, Deserialize)]
pub(crate) struct OriginLine {
    /// As in [`LedgerLine`].
    pub(crate) revision: u64,
    pub(crate) origin: UnixMillis,
}

/// What changed in the ledger since this revision of it was written. Lines that make no sense are passed over.
pub(crate) fn ledger_changes(layout: &Layout, revision: u64) -> Result<Vec<SpanChange>, RecordError> {
    let lines = ledger_lines(layout)?;
    let lines = lines.iter().filter_map(|line| serde_json::from_slice::<LedgerLine>(line).ok());
    // A process that died after it wrote the manifest has left lines from before.
    Ok(lines.filter(|line| line.revision == revision).map(|line| line.change).collect())
}

/// The lines of `ledger.jsonl`, whatever they tell of.
pub(crate) fn ledger_lines(layout: &Layout) -> Result<Vec<Vec<u8>>, RecordError> {
    // One sync may go beyond the bound by all spans of all media.
    last_lines(&layout.ledger(), 16 * MAX_LEDGER_LOG_BYTES)
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}
