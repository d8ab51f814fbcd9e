//! Sound as WAV files: a track per participant and one for all together.
//!
//! What Zoom mixed is one track by itself. Where participants come apart, the mix is made here: at each instant the
//! saturating sum of all. It is kept exact while tracks still change: a packet adds what it changed in its own track,
//! and a block of the mix that is no longer in memory is summed again from the tracks, never read back from its file.

use std::{collections::BTreeMap, path::PathBuf};

use rtms_wire::{SmolStr, time::UnixMillis};

use crate::{
    counts::TrackCounts,
    error::RecordError,
    file::{Files, failed, keep_first, length},
    input::Who,
    layout::{Layout, stem, wav_part},
    manifest::{self, AsideReason, Kept, Placed, TrackSource},
    options::Options,
    timeline::{Place, Timeline, Voices},
    wav::{PcmFormat, Wav},
    window::Window,
};

/// How much of the end of a mix is summed again when a recording is resumed: a killed process may have written a
/// track and not yet the mix. What it had not synced is a second of live sound, or the 60 s of a backlog.
const RESUMMED_SECONDS: u64 = 62;

/// All the sound of one recording.
#[derive(Debug)]
pub(crate) struct Audio {
    origin: UnixMillis,
    sets: Vec<Set>,
    tracks: usize,
    max_tracks: usize,
    wav_limit_bytes: u64,
    /// From when on, and for how many milliseconds, there is what counted as repeats and was placed after all.
    no_repeats: Vec<(UnixMillis, u64)>,
}

/// Tracks of one format that belong together.
#[derive(Debug)]
struct Set {
    /// From 1, as in file names.
    number: usize,
    format: PcmFormat,
    /// Whether there is a mix to be made: not for what Zoom has mixed.
    sum: Option<Mix>,
    tracks: Vec<Track>,
    by_who: BTreeMap<Who, usize>,
}

#[derive(Debug)]
struct Track {
    who: Who,
    wav: Wav,
    window: Window<i16>,
    timeline: Timeline,
    /// What was placed last, and how often it came again right after itself.
    last: Option<Last>,
    /// Packets of one timestamp were found to be as many as there is time for.
    is_bunched: bool,
    placed: Placed,
    /// Frames that something was received for.
    heard: u64,
    name: Option<SmolStr>,
}

/// A packet that was placed.
#[derive(Debug)]
struct Last {
    timestamp: UnixMillis,
    voices: Voices,
    /// Its first frame.
    start: u64,
    samples: Vec<u8>,
    /// The same came again so often, with nothing between. The next packet tells whether these are repeats.
    copies: u64,
}

#[derive(Debug)]
struct Mix {
    /// Frames that were on disk when it was opened.
    found: u64,
    wav: Wav,
    window: Window<i32>,
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
    /// Until when.
    pub(crate) to: UnixMillis,
    /// About how many packets: as many as lay in such a time.
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
                        track.placed = known.placed.clone();
                        let more = uncounted_sound(known, format, track.wav.end());
                        track.placed.packets += more.packets;
                        track.placed.bytes += more.bytes;
                        if let Some(lost) = missing_sound(known, format.millis(track.wav.end()), self.origin) {
                            track.placed.packets = track.placed.packets.saturating_sub(lost.packets);
                            track.placed.bytes = track.placed.bytes.min(track.wav.end() * format.frame_bytes() as u64);
                            missing.push(lost);
                        }
                        // Of what was not counted nobody knows the timestamps.
                        let last = known.placed.last_timestamp.filter(|_| more.packets == 0);
                        track.timeline = Timeline::new(self.origin, format.sample_rate, track.wav.end(), last);
                        uncounted.packets += more.packets;
                        uncounted.bytes += more.bytes;
                        track.heard = track
                            .wav
                            .end()
                            .saturating_sub(known.placed.silence_ms * u64::from(format.sample_rate) / 1000);
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
        set.settle_copies(id.track, Some(timestamp), &mut self.no_repeats, files)?;
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
    pub(crate) fn settle_copies(&mut self, files: &mut Files) -> Result<(), RecordError> {
        for set in &mut self.sets {
            for track in 0..set.tracks.len() {
                set.settle_copies(track, None, &mut self.no_repeats, files)?;
            }
        }
        Ok(())
    }

    /// From when on, and for how many milliseconds, there is what counted as repeats and was placed after all, since this
    /// was asked.
    pub(crate) fn take_no_repeats(&mut self) -> Vec<(UnixMillis, u64)> {
        std::mem::take(&mut self.no_repeats)
    }

    /// Where the longest track ends, on Zoom's clock; none without a track.
    pub(crate) fn end(&self) -> Option<UnixMillis> {
        let ends = self.sets.iter().flat_map(|set| set.tracks.iter().map(|track| set.format.millis(track.wav.end())));
        ends.max().map(|ms| UnixMillis(self.origin.0.saturating_add(ms)))
    }

    /// Writes all that is in memory and makes the headers right.
    pub(crate) fn sync(&mut self, files: &mut Files) -> Result<(), RecordError> {
        let mut done = Ok(());
        for set in &mut self.sets {
            for track in &mut set.tracks {
                keep_first(&mut done, track.window.sync(&mut track.wav, files));
            }
            if let Some(mix) = &mut set.sum {
                keep_first(&mut done, mix.window.sync(&mut mix.wav, files));
            }
        }
        done
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
            let wav = open_wav(layout.audio("mixed", number), format, self.wav_limit_bytes, files)?;
            Some(Mix { found: wav.end(), window: Window::new(&wav), wav })
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
        set.tracks.push(Track {
            who,
            window: Window::new(&wav),
            wav,
            timeline: Timeline::new(self.origin, set.format.sample_rate, found, None),
            last: None,
            is_bunched: false,
            placed: Placed::default(),
            heard: 0,
            name: None,
        });
        self.tracks += 1;
        Ok(set.tracks.len() - 1)
    }
}

impl Set {
    /// Gives samples their place, if there is one, and writes them there.
    fn put(
        &mut self,
        track: usize,
        timestamp: UnixMillis,
        samples: &[u8],
        voices: Voices,
        files: &mut Files,
    ) -> Result<Place, RecordError> {
        let frames = (samples.len() / self.format.frame_bytes()) as u64;
        let Some(into) = self.tracks.get_mut(track) else { return Ok(Place::BeforeOrigin) };
        let mut place = into.timeline.find_place(timestamp, frames, voices);
        if let Place::At { start, .. } = place
            && into.has_unknown_sound(start, frames, self.format, files)?
        {
            let taken = Place::Taken { start: into.timeline.nominal(timestamp) };
            place = into.timeline.find_behind_found(timestamp, frames, voices).unwrap_or(taken);
        }
        if let Place::At { start, joined, out_of_order } = place {
            into.timeline.remember(timestamp, start, frames);
            let placed = &mut into.placed;
            placed.packets += 1;
            placed.bytes += samples.len() as u64;
            placed.first_timestamp = Some(placed.first_timestamp.map_or(timestamp, |first| first.min(timestamp)));
            placed.last_timestamp = Some(placed.last_timestamp.map_or(timestamp, |last| last.max(timestamp)));
            placed.joined += u64::from(joined);
            placed.out_of_order += u64::from(out_of_order);
            into.heard += frames;
            let written = self.write(track, start, samples, files);
            if let (Err(_), Some(into)) = (&written, self.tracks.get_mut(track)) {
                into.placed.packets -= 1;
                into.placed.bytes -= samples.len() as u64;
                into.heard -= frames;
            }
            written?;
        }
        Ok(place)
    }

    /// Decides whether what came again right after itself are repeats: `next` is the timestamp of the packet after it, none
    /// at the end. What is no repeat is placed, and its time noted.
    fn settle_copies(
        &mut self,
        track: usize,
        next: Option<UnixMillis>,
        no_repeats: &mut Vec<(UnixMillis, u64)>,
        files: &mut Files,
    ) -> Result<(), RecordError> {
        let Some(into) = self.tracks.get_mut(track) else { return Ok(()) };
        let Some(last) = into.last.take() else { return Ok(()) };
        if last.copies == 0 {
            return Ok(());
        }
        let frames = (last.samples.len() / self.format.frame_bytes()) as u64;
        // Other sound with the same timestamp shows that the sender stamps several packets at once, and so does time that is
        // just long enough for all.
        if let Some(next) = next {
            let end = last.start + frames;
            let next_start = into.timeline.nominal(next);
            let rest = next_start.abs_diff(end + last.copies * frames);
            into.is_bunched = next == last.timestamp || (rest < frames && rest < next_start.abs_diff(end));
        }
        if !into.is_bunched {
            return Ok(());
        }
        for _ in 0..last.copies {
            if let Place::At { start, .. } = self.put(track, last.timestamp, &last.samples, last.voices, files)?
                && let Some(into) = self.tracks.get_mut(track)
            {
                into.placed.duplicates = into.placed.duplicates.saturating_sub(1);
                no_repeats.push((into.timeline.time_of(start), self.format.millis(frames)));
            }
        }
        Ok(())
    }

    fn count_repeat(&mut self, track: usize) {
        if let Some(track) = self.tracks.get_mut(track) {
            track.placed.duplicates += 1;
        }
    }

    /// Writes samples into a track, and what they change into the mix.
    fn write(&mut self, track: usize, frame: u64, samples: &[u8], files: &mut Files) -> Result<(), RecordError> {
        let frame_bytes = self.format.frame_bytes();
        let mut rest = samples;
        let mut frame = frame;
        while !rest.is_empty() {
            let Some(into) = self.tracks.get(track) else { return Ok(()) };
            let (number, from) = into.window.locate(frame);
            let count = (into.window.block_samples() - from).min(rest.len() / 2);
            let (here, behind) = rest.split_at(2 * count);
            let frames = (here.len() / frame_bytes) as u64;

            // The mix first: if it must be summed from the tracks, then from what they were before.
            self.need_sum(number, files)?;
            let Some(into) = self.tracks.get_mut(track) else { return Ok(()) };
            into.need(number, files)?;
            into.wav.extend_to(frame + frames);
            let Some(old) = into.window.change(number, from, count) else { return Ok(()) };
            let new = here.chunks_exact(2).map(|bytes| bytes.try_into().map_or(0, i16::from_le_bytes));
            match &mut self.sum {
                Some(mix) => {
                    mix.wav.extend_to(frame + frames);
                    let Some(sums) = mix.window.change(number, from, count) else { return Ok(()) };
                    for ((old, sum), new) in old.iter_mut().zip(sums).zip(new) {
                        *sum += i32::from(new) - i32::from(*old);
                        *old = new;
                    }
                }
                None => old.iter_mut().zip(new).for_each(|(old, new)| *old = new),
            }
            rest = behind;
            frame += frames;
        }
        Ok(())
    }

    /// Has this block of the mix in memory.
    fn need_sum(&mut self, number: u64, files: &mut Files) -> Result<(), RecordError> {
        let Some(mix) = &mut self.sum else { return Ok(()) };
        if mix.window.has(number) {
            return Ok(());
        }
        let mut sums = vec![0; mix.window.block_samples()];
        let mut bytes = Vec::new();
        let first = mix.window.first_frame(number);
        for track in self.tracks.iter().filter(|track| track.wav.end() > first) {
            match track.window.peek(number) {
                Some(samples) => {
                    sums.iter_mut().zip(samples).for_each(|(sum, sample)| *sum += i32::from(*sample));
                }
                None => {
                    bytes.resize(2 * sums.len(), 0);
                    track.wav.read(first, &mut bytes, files)?;
                    let samples = bytes.chunks_exact(2).map(|bytes| bytes.try_into().map_or(0, i16::from_le_bytes));
                    sums.iter_mut().zip(samples).for_each(|(sum, sample)| *sum += i32::from(sample));
                }
            }
        }
        mix.window.insert(number, sums, &mut mix.wav, files)
    }

    /// Whether the track has exactly these samples there, in memory or in its file.
    fn is_there(&self, track: usize, frame: u64, samples: &[u8], files: &mut Files) -> Result<bool, RecordError> {
        let Some(track) = self.tracks.get(track) else { return Ok(false) };
        Ok(track.read(frame, samples.len(), self.format, files)? == samples)
    }

    /// Whether these samples are among those that only the file knows of: at their time, or near it if that is taken.
    fn was_recorded(
        &self,
        track: usize,
        timestamp: UnixMillis,
        samples: &[u8],
        files: &mut Files,
    ) -> Result<bool, RecordError> {
        let Some(track) = self.tracks.get(track) else { return Ok(false) };
        let frame_bytes = self.format.frame_bytes();
        let frames = (samples.len() / frame_bytes) as u64;
        let nominal = track.timeline.nominal(timestamp);
        let until = track.timeline.unknown_until();
        if timestamp < track.timeline.time_of(0) || nominal + frames > until {
            return Ok(false);
        }
        let there = track.read(nominal, samples.len(), self.format, files)?;
        if there == samples {
            return Ok(true);
        }
        if is_silent(&there) || is_silent(samples) {
            return Ok(false);
        }
        let from = nominal.saturating_sub(frames);
        let to = (nominal + frames + track.timeline.reach()).min(until);
        let bytes = usize::try_from(to - from).unwrap_or(usize::MAX).saturating_mul(frame_bytes);
        let near = track.read(from, bytes, self.format, files)?;
        Ok(near.windows(samples.len()).step_by(frame_bytes).any(|there| there == samples))
    }

    fn sum_end_again(&mut self, files: &mut Files) -> Result<(), RecordError> {
        let Some(mix) = &self.sum else { return Ok(()) };
        let end = mix.wav.end();
        let from = mix.found.min(end).saturating_sub(RESUMMED_SECONDS * u64::from(self.format.sample_rate));
        let (first, _) = mix.window.locate(from);
        let (last, _) = mix.window.locate(end.saturating_sub(1));
        for number in first..=last {
            self.need_sum(number, files)?;
            let Some(mix) = &mut self.sum else { return Ok(()) };
            let frames = end.saturating_sub(mix.window.first_frame(number));
            let samples =
                usize::try_from(frames).unwrap_or(usize::MAX).saturating_mul(usize::from(self.format.channels));
            let count = samples.min(mix.window.block_samples());
            // Named as changed, so that it is written.
            mix.window.change(number, 0, count);
        }
        Ok(())
    }
}

impl Track {
    fn counts(&self, format: PcmFormat) -> TrackCounts {
        let end = self.wav.end();
        let silence_ms = format.millis(end.saturating_sub(self.heard));
        TrackCounts { duration_ms: format.millis(end), placed: Placed { silence_ms, ..self.placed.clone() } }
    }

    /// The samples of the track from this frame on, from memory or from its file.
    fn read(&self, frame: u64, bytes: usize, format: PcmFormat, files: &mut Files) -> Result<Vec<u8>, RecordError> {
        let mut found = Vec::with_capacity(bytes);
        while found.len() < bytes {
            let at = frame + (found.len() / format.frame_bytes()) as u64;
            let (number, from) = self.window.locate(at);
            let count = (self.window.block_samples() - from).min((bytes - found.len()) / 2);
            match self.window.peek(number).and_then(|block| block.get(from..from + count)) {
                Some(known) => found.extend(known.iter().flat_map(|sample| sample.to_le_bytes())),
                None => {
                    let before = found.len();
                    found.resize(before + 2 * count, 0);
                    self.wav.read(at, found.get_mut(before..).unwrap_or_default(), files)?;
                }
            }
        }
        Ok(found)
    }

    /// Whether there is sound that only the file knows of.
    fn has_unknown_sound(
        &self,
        start: u64,
        frames: u64,
        format: PcmFormat,
        files: &mut Files,
    ) -> Result<bool, RecordError> {
        let frames = self.timeline.unknown_until().min(start + frames).saturating_sub(start);
        let bytes = usize::try_from(frames).unwrap_or(usize::MAX).saturating_mul(format.frame_bytes());
        Ok(!is_silent(&self.read(start, bytes, format, files)?))
    }

    /// Has this block in memory.
    fn need(&mut self, number: u64, files: &mut Files) -> Result<(), RecordError> {
        if self.window.has(number) {
            return Ok(());
        }
        let first = self.window.first_frame(number);
        let mut samples = vec![0; self.window.block_samples()];
        if first < self.wav.end() {
            let mut bytes = vec![0; 2 * samples.len()];
            self.wav.read(first, &mut bytes, files)?;
            for (sample, bytes) in samples.iter_mut().zip(bytes.chunks_exact(2)) {
                *sample = bytes.try_into().map_or(0, i16::from_le_bytes);
            }
        }
        self.window.insert(number, samples, &mut self.wav, files)
    }
}

fn is_silent(samples: &[u8]) -> bool {
    samples.iter().all(|byte| *byte == 0)
}

/// What a track lacks that was found to end here: it had been counted, so a power cut or somebody's hand took it.
fn missing_sound(known: &manifest::Track, end_ms: u64, origin: UnixMillis) -> Option<MissingSound> {
    let ms = known.duration_ms.checked_sub(end_ms).filter(|ms| *ms > 1)?;
    let counted = match known.source {
        TrackSource::Participant | TrackSource::ReceivedMix => known.placed.packets,
        TrackSource::ComputedMix => return None,
    };
    let packets = counted.saturating_mul(ms).div_ceil(known.duration_ms.max(1)).min(counted);
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
    let packets = end.saturating_sub(counted).saturating_mul(format.frame_bytes() as u64) / packet_bytes.max(1);
    Kept { packets, bytes: packets * packet_bytes }
}

/// Opens a WAV that nothing else can be at: names tell formats apart, and a foreign file there is an error.
fn open_wav(stem: PathBuf, format: PcmFormat, limit: u64, files: &mut Files) -> Result<Wav, RecordError> {
    let path = stem.clone();
    Wav::open(stem, format, limit, files)?.ok_or_else(|| {
        let source = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "a WAV file of another format is there");
        failed("continue", &path, source)
    })
}
