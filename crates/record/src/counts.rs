//! What was counted, as it was when all of it was in the files.
//!
//! The manifest is written every half minute, and in the middle of things when it lacks a track. So that its counts tell of
//! what the files hold, also after `kill -9`, they are taken with each sync: what changed in them goes into
//! `ledger.jsonl`, and a manifest that is written in between has them as they were. What reached a file after the last
//! sync is counted from the file by whoever goes on.

use std::{collections::BTreeMap, path::Path, time::Duration};

use rtms_wire::{flaws::Flaw, media::medium::Medium, time::UnixMillis};
use serde::{Deserialize, Serialize};

use crate::{
    error::RecordError,
    file::{count_lines, last_lines},
    layout::Layout,
    manifest::{AsideReason, Kept, Manifest, Placed, Received, TrackSource},
    who::Who,
};

/// How much of the end of an index is read to learn what came last: what a process can have written in
/// [`crate::Options::manifest_every`], at 25 pictures a second.
pub(crate) const INDEX_TAIL_BYTES: u64 = 256 << 10;

/// All counts of a manifest but that of `events.jsonl`, which is as many lines as it has.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) media: BTreeMap<Medium, Received>,
    pub(crate) tracks: BTreeMap<(usize, Who), TrackCounts>,
    pub(crate) aside: BTreeMap<AsideReason, Kept>,
    pub(crate) flaws: BTreeMap<Flaw, u64>,
    pub(crate) refused: u64,
}

/// The counts of one track.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrackCounts {
    pub(crate) duration_ms: u64,
    pub(crate) placed: Placed,
}

/// A line of `ledger.jsonl`: the counts that changed, as they are now.
#[derive(Serialize, Deserialize)]
pub(crate) struct CountsLine {
    /// [`Manifest::ledger_revision`] of the manifest that it goes on from.
    pub(crate) revision: u64,
    counts: Changed,
}

#[derive(Default, Serialize, Deserialize)]
struct Changed {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    media: BTreeMap<Medium, Received>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tracks: Vec<ChangedTrack>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    aside: BTreeMap<AsideReason, Kept>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    flaws: BTreeMap<Flaw, u64>,
    refused: u64,
}

#[derive(Serialize, Deserialize)]
struct ChangedTrack {
    set: usize,
    who: Who,
    #[serde(flatten)]
    counts: TrackCounts,
}

impl Counts {
    /// Those of a manifest.
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let tracks = manifest.tracks.iter().filter(|track| track.source != TrackSource::ComputedMix);
        let counts = |track: &crate::manifest::Track| {
            let counts = TrackCounts { duration_ms: track.duration_ms, placed: track.placed.clone() };
            ((track.set, track.who.clone()), counts)
        };
        Self {
            media: manifest.media.clone(),
            tracks: tracks.map(counts).collect(),
            aside: manifest.aside.clone(),
            flaws: manifest.flaws.clone(),
            refused: manifest.refused,
        }
    }

    /// Puts them in the place of the manifest's. A track without counts has nothing yet.
    pub(crate) fn put_into(&self, manifest: &mut Manifest) {
        manifest.media.clone_from(&self.media);
        manifest.aside.clone_from(&self.aside);
        manifest.flaws.clone_from(&self.flaws);
        manifest.refused = self.refused;
        for track in manifest.tracks.iter_mut().filter(|track| track.source != TrackSource::ComputedMix) {
            let counts = self.tracks.get(&(track.set, track.who.clone())).cloned().unwrap_or_default();
            (track.duration_ms, track.placed) = (counts.duration_ms, counts.placed);
        }
    }

    /// What is other than it was; none if nothing is.
    pub(crate) fn changed_since(&self, before: &Self, revision: u64) -> Option<CountsLine> {
        if self == before {
            return None;
        }
        let tracks = self.tracks.iter().filter(|(track, counts)| before.tracks.get(track) != Some(counts));
        let changed_track = |((set, who), counts): (&(usize, Who), &TrackCounts)| ChangedTrack {
            set: *set,
            who: who.clone(),
            counts: counts.clone(),
        };
        let counts = Changed {
            media: changed(&self.media, &before.media),
            tracks: tracks.map(changed_track).collect(),
            aside: changed(&self.aside, &before.aside),
            flaws: changed(&self.flaws, &before.flaws),
            refused: self.refused,
        };
        Some(CountsLine { revision, counts })
    }

    fn change(&mut self, line: CountsLine) {
        let Changed { media, tracks, aside, flaws, refused } = line.counts;
        self.media.extend(media);
        self.tracks.extend(tracks.into_iter().map(|ChangedTrack { set, who, counts }| ((set, who), counts)));
        self.aside.extend(aside);
        self.flaws.extend(flaws);
        self.refused = refused;
    }
}

fn changed<K: Ord + Clone, V: PartialEq + Clone>(now: &BTreeMap<K, V>, before: &BTreeMap<K, V>) -> BTreeMap<K, V> {
    let changed = now.iter().filter(|(key, value)| before.get(key) != Some(value));
    changed.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Brings the counts of a manifest that was found up to what was written down after it, and to what its lines hold. Sound
/// in WAV files is counted by [`crate::audio::Audio::resume`].
pub(crate) fn bring_up(manifest: &mut Manifest, layout: &Layout, ledger_log: &[Vec<u8>]) -> Result<(), RecordError> {
    let mut counts = Counts::of(manifest);
    let lines = ledger_log.iter().filter_map(|line| serde_json::from_slice::<CountsLine>(line).ok());
    // A process that died after it wrote the manifest has left lines from before.
    for line in lines.filter(|line| line.revision == manifest.ledger_revision) {
        counts.change(line);
    }
    counts.put_into(manifest);
    // Sound that is in no track: what lies aside, then what is coded.
    let counted: u64 = manifest.aside.values().map(|kept| kept.packets).sum();
    let aside = Uncounted::read(&layout.aside_index(), counted)?;
    for line in &aside.lines {
        if let Some(reason) = line.reason {
            let kept = manifest.aside.entry(reason).or_default();
            kept.packets += 1;
            kept.bytes += line.bytes();
            // The rest of such a packet is in a track.
            if reason != AsideReason::TornSamples {
                count(manifest.media.entry(Medium::Audio).or_default(), 1, std::slice::from_ref(line));
            }
        }
    }
    // Older versions did not count the refused by medium.
    let is_counted = manifest.refused == 0 || manifest.media.values().any(|received| received.lost_disk > 0);
    let mut lost = 0;
    for medium in Medium::ALL {
        let path = match medium {
            Medium::Audio | Medium::Video | Medium::Deskshare => layout.index(medium),
            Medium::Transcript => layout.transcript_lines(),
            Medium::Chat => layout.chat(),
        };
        let Some(counted) = lines_of(manifest, medium) else { continue };
        let uncounted = Uncounted::read(&path, counted)?;
        if uncounted.count > 0 || uncounted.missing > 0 {
            let received = manifest.media.entry(medium).or_default();
            count(received, uncounted.count, &uncounted.lines);
            // What could not be written was counted, and has no line. Otherwise lines were lost with the machine.
            if is_counted {
                let missing = uncounted.missing.saturating_sub(received.lost_disk);
                received.lost_disk += missing;
                lost += missing;
            }
        }
    }
    manifest.refused += lost;
    Ok(())
}

/// How many lines of its own a medium must have by the counts: packets in an index, words, messages.
///
/// None if the counts do not add up by themselves, as those of an older version may not.
pub(crate) fn lines_of(manifest: &Manifest, medium: Medium) -> Option<u64> {
    let none = Received::default();
    let received = manifest.media.get(&medium).unwrap_or(&none);
    let elsewhere = match medium {
        Medium::Audio => sound_elsewhere(manifest),
        Medium::Video | Medium::Deskshare | Medium::Transcript | Medium::Chat => 0,
    };
    received.packets.checked_sub(received.duplicates)?.checked_sub(elsewhere)
}

/// Packets of sound in tracks and aside.
fn sound_elsewhere(manifest: &Manifest) -> u64 {
    // A torn packet is in its track as well.
    let aside = manifest.aside.iter().filter(|(reason, _)| **reason != AsideReason::TornSamples);
    let placed = manifest.tracks.iter().map(|track| track.placed.packets);
    placed.chain(aside.map(|(_, kept)| kept.packets)).sum()
}

fn count(received: &mut Received, packets: u64, lines: &[FoundLine]) {
    received.packets += packets;
    for line in lines {
        received.bytes += line.bytes();
        if let Some(at) = line.start_time.or(line.timestamp) {
            received.first_timestamp = Some(received.first_timestamp.map_or(at, |first| first.min(at)));
            received.last_timestamp = Some(received.last_timestamp.map_or(at, |last| last.max(at)));
        }
    }
}

/// What a file of lines has more than was counted, or less.
struct Uncounted {
    count: u64,
    missing: u64,
    /// The last of them that can be read.
    lines: Vec<FoundLine>,
}

/// What is needed of a line of an index, of words or of chat.
#[derive(Deserialize)]
struct FoundLine {
    timestamp: Option<UnixMillis>,
    start_time: Option<UnixMillis>,
    received_at: Option<UnixMillis>,
    length: Option<u64>,
    reason: Option<AsideReason>,
    data: Option<serde_json::Value>,
}

impl FoundLine {
    fn bytes(&self) -> u64 {
        let text = self.data.as_ref().and_then(serde_json::Value::as_str).map_or(0, str::len);
        self.length.unwrap_or(text as u64)
    }
}

impl Uncounted {
    fn read(path: &Path, counted: u64) -> Result<Self, RecordError> {
        let found = count_lines(path)?;
        let count = found.saturating_sub(counted);
        let mut lines = Vec::new();
        if count > 0 {
            let tail = last_lines(path, INDEX_TAIL_BYTES)?;
            let skip = tail.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
            lines.extend(tail.iter().skip(skip).filter_map(|line| serde_json::from_slice::<FoundLine>(line).ok()));
        }
        // A time that nobody can have meant is not listed, as when it came.
        for line in &mut lines {
            let latest = line.received_at.map(|at| at + Duration::from_secs(3600));
            line.timestamp = line.timestamp.filter(|at| latest.is_none_or(|latest| *at <= latest));
            line.start_time = line.start_time.filter(|at| latest.is_none_or(|latest| *at <= latest));
        }
        Ok(Self { count, missing: counted.saturating_sub(found), lines })
    }
}
