//! The tracks of one format and their mix: where a packet goes in its track, and what it changes in the mix.
//!
//! The mix can be made again from the tracks, so a mix that cannot be written costs no sound: it is summed again later.

use std::collections::BTreeMap;

use rtms_wire::{SmolStr, time::UnixMillis};

use crate::{
    counts::TrackCounts,
    error::RecordError,
    file::{Files, keep_first},
    manifest::Placed,
    timeline::{Place, Timeline, Voices},
    wav::{PcmFormat, Wav},
    who::Who,
    window::Window,
};

/// So much of a packet has to be at the end of a file to be known there.
const MIN_TORN_FRAMES: u64 = 32;

/// Spans of a track that are reported one by one if they cannot be written.
const MAX_UNSYNCED: usize = 1024;

/// How much of the end of a mix is summed again when a recording is resumed: a killed process may have written a
/// track and not yet the mix. What it had not synced is a second of live sound, or the 60 s of a backlog.
const RESUMMED_SECONDS: u64 = 62;

/// A packet that counted as a repeat and was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRepeat {
    /// From when on.
    pub(crate) from: UnixMillis,
    /// How long it is.
    pub(crate) ms: u64,
    /// Whether it could not be written.
    pub(crate) is_lost: bool,
}

/// Sound of a track that was let go, as its file could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LostSound {
    /// From when until when, on Zoom's clock.
    pub(crate) times: Vec<(UnixMillis, UnixMillis)>,
    /// How many packets.
    pub(crate) packets: u64,
}

/// Tracks of one format that belong together.
#[derive(Debug)]
pub(super) struct Set {
    /// From 1, as in file names.
    pub(super) number: usize,
    pub(super) format: PcmFormat,
    /// Whether there is a mix to be made: not for what Zoom has mixed.
    pub(super) sum: Option<Mix>,
    pub(super) tracks: Vec<Track>,
    pub(super) by_who: BTreeMap<Who, usize>,
}

#[derive(Debug)]
pub(super) struct Track {
    pub(super) who: Who,
    pub(super) wav: Wav,
    window: Window<i16>,
    pub(super) timeline: Timeline,
    /// What was placed last, and how often it came again right after itself.
    pub(super) last: Option<Last>,
    /// Packets of one timestamp were found to be as many as there is time for.
    is_bunched: bool,
    pub(super) placed: Placed,
    /// Frames that something was received for.
    pub(super) heard: u64,
    /// `placed` and `heard` as they were when all of the track was in its files.
    synced: (Placed, u64),
    /// Frames that were placed since, from and to; neighbours are one.
    unsynced: Vec<(u64, u64)>,
    pub(super) name: Option<SmolStr>,
}

/// A packet that was placed.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) timestamp: UnixMillis,
    pub(super) voices: Voices,
    /// Its first frame.
    pub(super) start: u64,
    pub(super) samples: Vec<u8>,
    /// The same came again so often, with nothing between. The next packet tells whether these are repeats.
    pub(super) copies: u64,
}

#[derive(Debug)]
pub(super) struct Mix {
    /// Frames that were on disk when it was opened.
    found: u64,
    pub(super) wav: Wav,
    window: Window<i32>,
    /// The first block that lacks sound of the tracks, as the mix could not be written. The next sync sums it again.
    behind: Option<u64>,
}

impl Mix {
    pub(super) fn new(wav: Wav) -> Self {
        Self { found: wav.end(), window: Window::new(&wav), wav, behind: None }
    }

    /// The blocks from this one on are not what they should be.
    fn falls_behind(&mut self, number: u64) {
        self.behind = Some(self.behind.map_or(number, |behind| behind.min(number)));
    }
}

impl Set {
    /// Gives samples their place, if there is one, and writes them there.
    pub(super) fn put(
        &mut self,
        track: usize,
        timestamp: UnixMillis,
        samples: &[u8],
        voices: Voices,
        files: &mut Files,
    ) -> Result<Place, RecordError> {
        let frames = (samples.len() / self.format.frame_bytes()) as u64;
        let Some(into) = self.tracks.get_mut(track) else { return Ok(Place::BeforeOrigin) };
        let torn = into.torn_start(timestamp, samples, self.format, files)?;
        let mut place = match torn {
            Some(start) => Place::At { start, joined: false, out_of_order: false },
            None => into.timeline.find_place(timestamp, frames, voices),
        };
        if let (None, Place::At { start, .. }) = (torn, place)
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
            // What the file had of it was counted when it was found.
            let known = torn.map_or(0, |start| into.timeline.found_until().saturating_sub(start));
            let new_frames = frames - known.min(frames);
            into.heard += new_frames;
            into.note_unsynced(start, start + frames);
            let written = self.write(track, start, samples, files);
            if let (Err(_), Some(into)) = (&written, self.tracks.get_mut(track)) {
                into.placed.packets -= 1;
                into.placed.bytes -= samples.len() as u64;
                into.heard -= new_frames;
            }
            written?;
        }
        Ok(place)
    }

    /// Decides whether what came again right after itself are repeats: `next` is the timestamp of the packet after it, none
    /// at the end. What is no repeat is placed, and its time noted. If that fails, it is noted as lost.
    pub(super) fn settle_copies(
        &mut self,
        track: usize,
        next: Option<UnixMillis>,
        no_repeats: &mut Vec<NoRepeat>,
        files: &mut Files,
    ) {
        let Some(into) = self.tracks.get_mut(track) else { return };
        let Some(last) = into.last.take() else { return };
        if last.copies == 0 {
            return;
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
            return;
        }
        for _ in 0..last.copies {
            let place = self.put(track, last.timestamp, &last.samples, last.voices, files);
            let Some(into) = self.tracks.get_mut(track) else { return };
            let (from, is_lost) = match place {
                Ok(Place::At { start, .. }) => (into.timeline.time_of(start), false),
                Ok(Place::Taken { .. } | Place::BeforeOrigin) => continue,
                Err(_) => (last.timestamp, true),
            };
            into.placed.duplicates = into.placed.duplicates.saturating_sub(1);
            no_repeats.push(NoRepeat { from, ms: self.format.millis(frames), is_lost });
        }
    }

    pub(super) fn count_repeat(&mut self, track: usize) {
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
            if let (Err(_), Some(mix)) = (self.need_sum(number, files), &mut self.sum) {
                mix.falls_behind(number);
            }
            let Some(into) = self.tracks.get_mut(track) else { return Ok(()) };
            into.need(number, files)?;
            into.wav.extend_to(frame + frames);
            let Some(old) = into.window.change(number, from, count) else { return Ok(()) };
            let new = here.chunks_exact(2).map(|bytes| bytes.try_into().map_or(0, i16::from_le_bytes));
            match self.sum.as_mut().filter(|mix| mix.behind.is_none_or(|behind| number < behind)) {
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
        if mix.window.has(number) || mix.behind.is_some_and(|behind| behind <= number) {
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
    pub(super) fn is_there(
        &self,
        track: usize,
        frame: u64,
        samples: &[u8],
        files: &mut Files,
    ) -> Result<bool, RecordError> {
        let Some(track) = self.tracks.get(track) else { return Ok(false) };
        Ok(track.read(frame, samples.len(), self.format, files)? == samples)
    }

    /// Whether these samples are among those that only the file knows of: at their time, or near it if that is taken.
    pub(super) fn was_recorded(
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

    /// Sums the end of the mix again, for a recording that is resumed.
    pub(super) fn sum_end_again(&mut self, files: &mut Files) -> Result<(), RecordError> {
        let Some(mix) = &self.sum else { return Ok(()) };
        let from = mix.found.min(mix.wav.end()).saturating_sub(RESUMMED_SECONDS * u64::from(self.format.sample_rate));
        let (first, _) = mix.window.locate(from);
        self.sum_again(first, files)
    }

    /// Sums the mix again from this block on, to the end of the longest track.
    fn sum_again(&mut self, first: u64, files: &mut Files) -> Result<(), RecordError> {
        let end = self.tracks.iter().map(|track| track.wav.end()).max().unwrap_or_default();
        let Some(mix) = &mut self.sum else { return Ok(()) };
        mix.behind = None;
        mix.window.forget_from(first);
        let (last, _) = mix.window.locate(end.saturating_sub(1));
        for number in first..=last {
            let summed = self.need_sum(number, files);
            let Some(mix) = &mut self.sum else { return Ok(()) };
            if summed.is_err() {
                mix.falls_behind(number);
                return summed;
            }
            mix.wav.extend_to(end.min(mix.window.first_frame(number + 1)));
            let frames = end.saturating_sub(mix.window.first_frame(number));
            let samples =
                usize::try_from(frames).unwrap_or(usize::MAX).saturating_mul(usize::from(self.format.channels));
            let count = samples.min(mix.window.block_samples());
            // Named as changed, so that it is written.
            mix.window.change(number, 0, count);
        }
        Ok(())
    }

    /// Writes what is in memory of the tracks and makes their headers right.
    pub(super) fn sync_tracks(&mut self, files: &mut Files) -> Result<(), RecordError> {
        let mut done = Ok(());
        for track in &mut self.tracks {
            let synced = track.window.sync(&mut track.wav, files);
            if synced.is_ok() {
                track.synced = (track.placed.clone(), track.heard);
                track.unsynced = Vec::new();
            }
            keep_first(&mut done, synced);
        }
        done
    }

    /// The same for the mix, which is summed again where it fell behind.
    pub(super) fn sync_mix(&mut self, files: &mut Files) -> Result<(), RecordError> {
        if let Some(first) = self.sum.as_ref().and_then(|mix| mix.behind) {
            self.sum_again(first, files)?;
        }
        match &mut self.sum {
            Some(mix) => mix.window.sync(&mut mix.wav, files),
            None => Ok(()),
        }
    }

    /// Cuts every track that cannot be written back to what is in its files, and the mix with them; what that costs. A mix
    /// that cannot be written then is cut off where it cannot.
    pub(super) fn give_up(&mut self, files: &mut Files, done: &mut Result<(), RecordError>) -> Vec<LostSound> {
        let mut lost = Vec::new();
        let mut first_cut = None;
        for track in &mut self.tracks {
            track.last = None;
            if track.window.first_unwritten().is_none() {
                continue;
            }
            // What was written since the last sync is not counted by packets, so it is cut off with the rest.
            let end = track.wav.synced_end();
            let cut = std::mem::take(&mut track.unsynced);
            first_cut = cut.iter().map(|(from, _)| *from).chain(first_cut).min();
            let time = |frame| track.timeline.time_of(frame);
            let times = cut.into_iter().map(|(from, to)| (time(from), time(to))).collect();
            let (placed, heard) = track.synced.clone();
            lost.push(LostSound { times, packets: track.placed.packets.saturating_sub(placed.packets) });
            track.placed = Placed { duplicates: track.placed.duplicates, ..placed };
            track.heard = heard;
            track.window.forget_from(0);
            keep_first(done, track.wav.cut_to(end, files));
        }
        let end = self.tracks.iter().map(|track| track.wav.end()).max().unwrap_or_default();
        let Some(mix) = &mut self.sum else { return lost };
        let behind = mix.behind.map(|number| mix.window.first_frame(number));
        let stale = mix.window.first_unwritten().into_iter().chain(first_cut).chain(behind);
        let Some(from) = stale.min() else { return lost };
        let (first, _) = mix.window.locate(from);
        keep_first(done, mix.wav.cut_to(end, files));
        if self.sum_again(first, files).and_then(|()| self.sync_mix(files)).is_err()
            && let Some(mix) = &mut self.sum
        {
            mix.behind = None;
            mix.window.forget_from(0);
            keep_first(done, mix.wav.cut_to(mix.wav.synced_end().min(from), files));
        }
        lost
    }
}

impl Track {
    pub(super) fn new(who: Who, wav: Wav, timeline: Timeline) -> Self {
        Self {
            who,
            window: Window::new(&wav),
            wav,
            timeline,
            last: None,
            is_bunched: false,
            placed: Placed::default(),
            heard: 0,
            synced: (Placed::default(), 0),
            unsynced: Vec::new(),
            name: None,
        }
    }

    /// Takes these counts of an earlier process.
    pub(super) fn resume(&mut self, placed: Placed, heard: u64) {
        self.synced = (placed.clone(), heard);
        (self.placed, self.heard) = (placed, heard);
    }

    fn note_unsynced(&mut self, from: u64, to: u64) {
        let is_full = self.unsynced.len() >= MAX_UNSYNCED;
        match self.unsynced.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            // Rather too much is reported as lost than too little.
            Some(last) if is_full => *last = (last.0.min(from), last.1.max(to)),
            Some(_) | None => self.unsynced.push((from, to)),
        }
    }

    pub(super) fn counts(&self, format: PcmFormat) -> TrackCounts {
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

    /// Where a packet begins of which the file ends with the first part, as a process leaves it that is killed while writing.
    fn torn_start(
        &self,
        timestamp: UnixMillis,
        samples: &[u8],
        format: PcmFormat,
        files: &mut Files,
    ) -> Result<Option<u64>, RecordError> {
        let frame_bytes = format.frame_bytes();
        let frames = (samples.len() / frame_bytes) as u64;
        let (nominal, until) = (self.timeline.nominal(timestamp), self.timeline.found_until());
        if nominal >= until || nominal + frames + self.timeline.reach() <= until {
            return Ok(None);
        }
        let first = (until + 1).saturating_sub(frames);
        let end = self.read(first, usize::try_from(until - first).unwrap_or(0) * frame_bytes, format, files)?;
        let is_torn = |start: u64| {
            let there = usize::try_from(start - first).ok().and_then(|frames| end.get(frames * frame_bytes..));
            there.is_some_and(|there| !is_silent(there) && samples.starts_with(there))
        };
        // Few samples may be the same by chance, but for the place that the time names.
        let near = |start: &u64| *start == nominal || until - start >= MIN_TORN_FRAMES;
        let mut places: Vec<_> = (first..until).filter(near).collect();
        places.sort_by_key(|start| start.abs_diff(nominal));
        Ok(places.into_iter().find(|start| is_torn(*start)))
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
