//! Sound as WAV files: a track per participant and one for all together.
//!
//! What Zoom mixed is one track by itself. Where participants come apart, the mix is made here: at each instant the
//! saturating sum of all. It is kept exact while tracks still change: a packet adds what it changed in its own track,
//! and a block of the mix that is no longer in memory is summed again from the tracks, never read back from its file.

pub(crate) mod set;

use std::{collections::BTreeMap, path::PathBuf};

use rtms_wire::{SmolStr, time::UnixMillis};

use self::set::{Last, LostSound, Mix, NoRepeat, Set, Track};
use crate::{
    counts::TrackCounts,
    error::RecordError,
    file::{Files, failed, keep_first, length},
    layout::{Layout, stem, wav_part},
    manifest::{self, AsideReason, Kept, Placed, TrackSource},
    options::Options,
    timeline::{Place, Timeline, Voices},
    wav::{PcmFormat, Wav},
    who::Who,
};

/// All the sound of one recording.
#[derive(Debug)]
pub(crate) struct Audio {
    origin: UnixMillis,
    sets: Vec<Set>,
    tracks: usize,
    max_tracks: usize,
    wav_limit_bytes: u64,
    no_repeats: Vec<NoRepeat>,
}

/// What was found of an earlier process's tracks.
#[derive(Debug)]
pub(crate) struct Found {
    /// Beyond what it had counted.
    pub(crate) uncounted: Kept,
    /// What it had counted and is not there.
    pub(crate) missing: Vec<MissingSound>,
}

/// Sound that was counted and is in no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MissingSound {
    /// From when, on Zoom's clock.
    pub(crate) from: UnixMillis,
    /// The end of that time, on Zoom's clock.
    pub(crate) to: UnixMillis,
    /// About how many packets: as many as fill such a time.
    pub(crate) packets: u64,
}

/// Names one track of [`Audio`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrackId {
    set: usize,
    track: usize,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is in the track, from this time on.
    Placed(UnixMillis),
    /// It was there already.
    Duplicate,
    /// It belongs aside.
    Aside(AsideReason),
}

impl Audio {
    pub(crate) fn new(origin: UnixMillis, options: &Options) -> Self {
        Self {
            origin,
            sets: Vec::new(),
            tracks: 0,
            max_tracks: options.max_tracks,
            wav_limit_bytes: options.wav_limit_bytes,
            no_repeats: Vec::new(),
        }
    }

    pub(crate) fn origin(&self) -> UnixMillis {
        self.origin
    }

    /// The track of this participant in this format, made if it is new; none if there are too many.
    ///
    /// The flag says whether it is new.
    pub(crate) fn track(
        &mut self,
        who: &Who,
        format: PcmFormat,
        layout: &Layout,
        files: &mut Files,
    ) -> Result<Option<(TrackId, bool)>, RecordError> {
        let summed = *who != Who::Everyone;
        let found = self.sets.iter().position(|set| set.format == format && set.sum.is_some() == summed);
        if let Some(set) = found
            && let Some(track) = self.sets.get(set).and_then(|set| set.by_who.get(who))
        {
            return Ok(Some((TrackId { set, track: *track }, false)));
        }
        if self.tracks >= self.max_tracks {
            return Ok(None);
        }
        let set = match found {
            Some(set) => set,
            None => {
                let number = self.sets.last().map_or(1, |set| set.number + 1);
                self.add_set(number, format, summed, layout, files)?
            }
        };
        let track = self.add_track(set, who.clone(), layout, files)?;
        Ok(Some((TrackId { set, track }, true)))
    }

    /// Opens what an earlier process recorded, and sums the end of its mixes again. How much more its files hold than it
    /// had counted: what reached them after its last sync is counted by its length, as if it were without gaps. And what
    /// they lack, as after a power cut.
    pub(crate) fn resume(
        &mut self,
        known: &[manifest::Track],
        layout: &Layout,
        files: &mut Files,
    ) -> Result<Found, RecordError> {
        let mut uncounted = Kept::default();
        let mut missing = Vec::new();
        for known in known {
            let stem = match known.source {
                TrackSource::Participant => stem(&known.who),
                TrackSource::ComputedMix | TrackSource::ReceivedMix => "mixed".to_owned(),
            };
            // A track is named before any of it reaches a file, and then the process may die.
            let first_part = wav_part(&layout.audio(&stem, known.set), 1);
            if length(&first_part)? == 0 {
                // A power cut leaves an empty file; who takes one away does so on purpose.
                missing.extend(missing_sound(known, 0, self.origin).filter(|_| first_part.exists()));
                continue;
            }
            let format = PcmFormat { sample_rate: known.sample_rate, channels: known.channels };
            let summed = match known.source {
                TrackSource::Participant | TrackSource::ComputedMix => true,
                TrackSource::ReceivedMix => false,
            };
            let set = match self.sets.iter().position(|set| set.number == known.set) {
                Some(set) => set,
                None => self.add_set(known.set, format, summed, layout, files)?,
            };
            match known.source {
                TrackSource::Participant | TrackSource::ReceivedMix => {
                    let track = self.add_track(set, known.who.clone(), layout, files)?;
                    if let Some(track) = self.sets.get_mut(set).and_then(|set| set.tracks.get_mut(track)) {
                        let mut placed = known.placed.clone();
                        let more = uncounted_sound(known, format, track.wav.end());
                        placed.packets += more.packets;
                        placed.bytes += more.bytes;
                        if let Some(lost) = missing_sound(known, format.millis(track.wav.end()), self.origin) {
                            placed.packets = placed.packets.saturating_sub(lost.packets);
                            placed.bytes = placed.bytes.min(track.wav.end() * format.frame_bytes() as u64);
                            missing.push(lost);
                        }
                        // Of what was not counted nobody knows the timestamps.
                        let last = known.placed.last_timestamp.filter(|_| more.packets == 0);
                        track.timeline = Timeline::new(self.origin, format.sample_rate, track.wav.end(), last);
                        uncounted.packets += more.packets;
                        uncounted.bytes += more.bytes;
                        let silence = known.placed.silence_ms * u64::from(format.sample_rate) / 1000;
                        track.resume(placed, track.wav.end().saturating_sub(silence));
                    }
                }
                TrackSource::ComputedMix => {}
            }
        }
        for set in &mut self.sets {
            set.sum_end_again(files)?;
        }
        Ok(Found { uncounted, missing })
    }

    /// Learns the name that comes with a packet; whether it is a new one.
    pub(crate) fn is_new_name(&mut self, id: TrackId, name: Option<&SmolStr>) -> bool {
        let Some(track) = self.sets.get_mut(id.set).and_then(|set| set.tracks.get_mut(id.track)) else { return false };
        if name.is_none() || track.name.as_ref() == name {
            return false;
        }
        track.name = name.cloned();
        true
    }

    /// Puts whole frames of samples where their time is.
    ///
    /// A packet that comes again right after itself may be a repeat, or one of several that a sender stamped at once and
    /// that sound alike. It counts as a repeat until the next packet shows that there is time for it.
    pub(crate) fn place(
        &mut self,
        id: TrackId,
        timestamp: UnixMillis,
        samples: &[u8],
        voices: Voices,
        files: &mut Files,
    ) -> Result<Outcome, RecordError> {
        let Some(set) = self.sets.get_mut(id.set) else { return Ok(Outcome::Duplicate) };
        let frames = (samples.len() / set.format.frame_bytes()) as u64;
        let Some(track) = set.tracks.get_mut(id.track) else { return Ok(Outcome::Duplicate) };
        if frames == 0 {
            track.placed.packets += 1;
            return Ok(Outcome::Placed(timestamp));
        }
        if let Some(last) = &mut track.last
            && last.timestamp == timestamp
            && last.samples == samples
        {
            last.copies += 1;
            track.placed.duplicates += 1;
            return Ok(Outcome::Duplicate);
        }
        set.settle_copies(id.track, Some(timestamp), &mut self.no_repeats, files);
        let Some(track) = set.tracks.get_mut(id.track) else { return Ok(Outcome::Duplicate) };
        let same_time = track.timeline.with_timestamp(timestamp);
        for start in &same_time {
            if set.is_there(id.track, *start, samples, files)? {
                set.count_repeat(id.track);
                return Ok(Outcome::Duplicate);
            }
        }
        if set.was_recorded(id.track, timestamp, samples, files)? {
            set.count_repeat(id.track);
            return Ok(Outcome::Duplicate);
        }
        let Some(track) = set.tracks.get_mut(id.track) else { return Ok(Outcome::Duplicate) };
        track.placed.same_time += u64::from(!same_time.is_empty());
        match set.put(id.track, timestamp, samples, voices, files)? {
            Place::At { start, .. } => {
                let Some(track) = set.tracks.get_mut(id.track) else { return Ok(Outcome::Placed(timestamp)) };
                let samples = samples.to_owned();
                track.last = Some(Last { timestamp, voices, start, samples, copies: 0 });
                Ok(Outcome::Placed(track.timeline.time_of(start)))
            }
            Place::Taken { start } => {
                if set.is_there(id.track, start, samples, files)? {
                    set.count_repeat(id.track);
                    return Ok(Outcome::Duplicate);
                }
                Ok(Outcome::Aside(AsideReason::Overlap))
            }
            Place::BeforeOrigin => {
                if let Some(track) = set.tracks.get_mut(id.track) {
                    track.placed.before_origin += 1;
                }
                Ok(Outcome::Aside(AsideReason::BeforeOrigin))
            }
        }
    }

    /// Decides for each track what came again at its end.
    pub(crate) fn settle_copies(&mut self, files: &mut Files) {
        for set in &mut self.sets {
            for track in 0..set.tracks.len() {
                set.settle_copies(track, None, &mut self.no_repeats, files);
            }
        }
    }

    /// What counted as repeats and was none, since this was asked.
    pub(crate) fn take_no_repeats(&mut self) -> Vec<NoRepeat> {
        std::mem::take(&mut self.no_repeats)
    }

    /// Where the longest track ends, on Zoom's clock; none without a track.
    pub(crate) fn end(&self) -> Option<UnixMillis> {
        let ends = self.sets.iter().flat_map(|set| set.tracks.iter().map(|track| set.format.millis(track.wav.end())));
        ends.max().map(|ms| UnixMillis(self.origin.0.saturating_add(ms)))
    }

    /// Writes all that is in memory of the tracks and makes their headers right.
    pub(crate) fn sync_tracks(&mut self, files: &mut Files) -> Result<(), RecordError> {
        let mut done = Ok(());
        for set in &mut self.sets {
            keep_first(&mut done, set.sync_tracks(files));
        }
        done
    }

    /// The same for the mixes, after the tracks.
    pub(crate) fn sync_mixes(&mut self, files: &mut Files) -> Result<(), RecordError> {
        let mut done = Ok(());
        for set in &mut self.sets {
            keep_first(&mut done, set.sync_mix(files));
        }
        done
    }

    /// Lets go of what waits in memory for files that cannot be written, as nobody will try again; what that costs.
    pub(crate) fn give_up(&mut self, files: &mut Files, done: &mut Result<(), RecordError>) -> Vec<LostSound> {
        self.sets.iter_mut().flat_map(|set| set.give_up(files, done)).collect()
    }

    /// The tracks as the manifest lists them.
    pub(crate) fn describe(&self, layout: &Layout) -> Vec<manifest::Track> {
        let mut tracks = Vec::with_capacity(self.tracks + self.sets.len());
        for set in &self.sets {
            let describe = |who: &Who, source, wav: &Wav, placed| manifest::Track {
                who: who.clone(),
                source,
                set: set.number,
                sample_rate: set.format.sample_rate,
                channels: set.format.channels,
                files: wav.paths().map(|path| layout.relative(&path)).collect(),
                duration_ms: set.format.millis(wav.end()),
                placed,
            };
            if let Some(mix) = &set.sum {
                tracks.push(describe(&Who::Everyone, TrackSource::ComputedMix, &mix.wav, Placed::default()));
            }
            for track in &set.tracks {
                let source = if set.sum.is_some() { TrackSource::Participant } else { TrackSource::ReceivedMix };
                tracks.push(describe(&track.who, source, &track.wav, track.counts(set.format).placed));
            }
        }
        tracks
    }

    /// The counts of all tracks.
    pub(crate) fn counts(&self) -> BTreeMap<(usize, Who), TrackCounts> {
        let of = |set: &Set, track: &Track| ((set.number, track.who.clone()), track.counts(set.format));
        self.sets.iter().flat_map(|set| set.tracks.iter().map(move |track| of(set, track))).collect()
    }

    fn add_set(
        &mut self,
        number: usize,
        format: PcmFormat,
        summed: bool,
        layout: &Layout,
        files: &mut Files,
    ) -> Result<usize, RecordError> {
        let sum = if summed {
            Some(Mix::new(open_wav(layout.audio("mixed", number), format, self.wav_limit_bytes, files)?))
        } else {
            None
        };
        self.sets.push(Set { number, format, sum, tracks: Vec::new(), by_who: BTreeMap::new() });
        Ok(self.sets.len() - 1)
    }

    fn add_track(&mut self, set: usize, who: Who, layout: &Layout, files: &mut Files) -> Result<usize, RecordError> {
        // Callers pass the place of a set that is there.
        let set = &mut self.sets[set];
        let stem = if set.sum.is_some() { stem(&who) } else { "mixed".to_owned() };
        let wav = open_wav(layout.audio(&stem, set.number), set.format, self.wav_limit_bytes, files)?;
        if let Some(mix) = &mut set.sum {
            mix.wav.extend_to(wav.end());
        }
        let found = wav.end();
        set.by_who.insert(who.clone(), set.tracks.len());
        let timeline = Timeline::new(self.origin, set.format.sample_rate, found, None);
        set.tracks.push(Track::new(who, wav, timeline));
        self.tracks += 1;
        Ok(set.tracks.len() - 1)
    }
}

/// What a track lacks that was found to end here: it had been counted, so a power cut or somebody's hand took it.
fn missing_sound(known: &manifest::Track, end_ms: u64, origin: UnixMillis) -> Option<MissingSound> {
    let ms = known.duration_ms.checked_sub(end_ms).filter(|ms| *ms > 1)?;
    let counted = match known.source {
        TrackSource::Participant | TrackSource::ReceivedMix => known.placed.packets,
        TrackSource::ComputedMix => return None,
    };
    // As many as there are of their usual length.
    let samples = u64::from(known.sample_rate).saturating_mul(u64::from(known.channels)).saturating_mul(ms) / 1000;
    let packet_bytes = known.placed.bytes.checked_div(known.placed.packets).unwrap_or_default().max(1);
    let packets = (2 * samples).div_ceil(packet_bytes).min(counted);
    let [from, to] = [end_ms, known.duration_ms].map(|ms| UnixMillis(origin.0.saturating_add(ms)));
    Some(MissingSound { from, to, packets })
}

/// What a track holds that was found to end here, beyond what was counted of it: packets like those before.
fn uncounted_sound(known: &manifest::Track, format: PcmFormat, end: u64) -> Kept {
    let counted = known.duration_ms.saturating_mul(u64::from(format.sample_rate)) / 1000;
    let usual = u64::from(format.sample_rate) / 50 * format.frame_bytes() as u64;
    let packet_bytes = known.placed.bytes.checked_div(known.placed.packets).filter(|bytes| *bytes > 0).unwrap_or(usual);
    if known.placed.packets == 0 {
        // Nothing is known of its packets, as when the manifest was made anew; what is there is counted all the same.
        let bytes = end.saturating_sub(counted).saturating_mul(format.frame_bytes() as u64);
        return Kept { packets: bytes.div_ceil(usual.max(1)), bytes };
    }
    // The last may be there in part.
    let bytes = end.saturating_sub(counted).saturating_mul(format.frame_bytes() as u64);
    Kept { packets: bytes / packet_bytes.max(1), bytes }
}

/// Opens a WAV that nothing else can be at: names tell formats apart, and a foreign file there is an error.
fn open_wav(stem: PathBuf, format: PcmFormat, limit: u64, files: &mut Files) -> Result<Wav, RecordError> {
    let path = stem.clone();
    Wav::open(stem, format, limit, files)?.ok_or_else(|| {
        let source = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "a WAV file of another format is there");
        failed("continue", &path, source)
    })
}
