//! Where a packet belongs on its track: by Zoom's timestamp, never by arrival, and never over another packet.
//!
//! A track is a line of frames (one sample per channel) that begins at the recording's origin. A packet's place is
//! the distance of its timestamp from the origin. From there:
//!
//! - Within less than half its length of where its neighbour ends, it joins that neighbour: timestamps are whole
//!   milliseconds of somebody's timer, and a gap of one is a click. A larger gap is believed.
//! - Where an earlier packet reaches into its time, it follows that packet, up to [`MAX_SHIFT_MS`] behind its time. So
//!   timestamps that jitter or come in bunches lose nothing, and the next pause puts the track back to Zoom's time. Of
//!   [`Voices::Several`] it follows only a packet with an earlier timestamp, and only [`MAX_SHIFT_OF_SEVERAL_MS`] behind
//!   its time: two people who speak at once must not alternate.
//! - Where a later packet reaches into its time, it is moved ahead of that packet if there is room, by less than its length.
//!   Otherwise it follows that packet too, if that is later by no more than [`JITTER_MS`].
//! - Otherwise its time is taken, and the caller keeps it elsewhere.
//!
//! What an earlier process placed is known by its file alone. Up to there, and where runs were forgotten, a place is given
//! with the condition that the file is silent there ([`Timeline::unknown_until`]).
//!
//! The same packets give the same track in any order of arrival, as long as none reaches into another's time and none
//! lies within less than half its length of where another ends without lying exactly there.

use std::collections::BTreeMap;

use rtms_wire::{message::media_data::MediaData, time::UnixMillis};

/// How many runs are remembered: 61 s of 20 ms packets if each timestamp is irregular, which covers the 60 s that Zoom
/// sends again at most. Regular ones make one run of any length.
///
/// What lies before is forgotten, not refused: a packet from there is placed by its timestamp, where the file is silent.
const MAX_RUNS: usize = 3072;

/// How far behind its time a packet may be placed: a sender that stamps in whole seconds bunches this much sound.
const MAX_SHIFT_MS: u64 = 1_000;

/// The same where several people share a track: timestamps that jitter by 30 ms either way, and a packet more.
const MAX_SHIFT_OF_SEVERAL_MS: u64 = 80;

/// How much later the timestamp of a packet may be that is followed all the same: timestamps that jitter change places.
const JITTER_MS: u64 = 100;

/// What is known of one track: which timestamps have which place.
#[derive(Debug)]
pub(crate) struct Timeline {
    origin: UnixMillis,
    frames_per_ms: u64,
    /// By first frame. None reaches into another.
    runs: BTreeMap<u64, Run>,
    /// The latest timestamp.
    newest: Option<u64>,
    longest: u64,
    unknown_until: u64,
    /// Where it ended when it was opened, and what stands for its last packet.
    found: Option<(u64, Run)>,
}

/// How long the packet is taken to be that ends a track which an earlier process left.
const LAST_MS: u64 = 20;

/// Packets of equal length, end to end, in timestamps as in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// The timestamp of the first.
    first: u64,
    count: u64,
    /// Between timestamps; meaningless if there is one only.
    step_ms: u64,
    /// Of each packet.
    frames: u64,
}

/// How many people a track holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voices {
    /// One person, or one mix: packets follow each other.
    One,
    /// Nobody is named, so several may send at once.
    Several,
}

impl Voices {
    /// In the track of this packet.
    pub(crate) fn of(data: &MediaData) -> Self {
        let is_named = data.user_id.as_ref().is_some_and(|user| user.is_person() || user.is_mixed());
        if is_named || data.channel_id.is_some() { Self::One } else { Self::Several }
    }
}

/// Where a packet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It has a place.
    At {
        /// The frame of its first sample.
        start: u64,
        /// Moved to join a neighbour.
        joined: bool,
        /// Something with a later timestamp was placed before it.
        out_of_order: bool,
    },
    /// There are other packets.
    Taken {
        /// The frame where its first sample would be.
        start: u64,
    },
    /// Before the origin.
    BeforeOrigin,
}

impl Timeline {
    /// `sample_rate` is one of Zoom's, a whole number of frames per millisecond.
    ///
    /// `found` is how many frames the track's file holds already, and `last` the latest timestamp of these packets, if it is
    /// known. What comes next may follow them, as it may follow a packet.
    pub(crate) fn new(origin: UnixMillis, sample_rate: u32, found: u64, last: Option<UnixMillis>) -> Self {
        let frames_per_ms = u64::from(sample_rate / 1000).max(1);
        let mut line = Self {
            origin,
            frames_per_ms,
            runs: BTreeMap::new(),
            newest: None,
            longest: 0,
            unknown_until: found,
            found: None,
        };
        let frames = found.min(LAST_MS * frames_per_ms);
        if frames > 0 {
            let start = found - frames;
            let run = Run { first: last.unwrap_or(line.time_of(start)).0, count: 1, step_ms: LAST_MS, frames };
            line.runs.insert(start, run);
            line.found = Some((found, run));
        }
        line
    }

    /// The place for a packet behind all that was found, if it may follow that.
    pub(crate) fn find_behind_found(&self, timestamp: UnixMillis, frames: u64, voices: Voices) -> Option<Place> {
        let (end, run) = self.found?;
        let nominal = self.nominal(timestamp);
        let (shift_ms, may_follow) = Self::bounds(timestamp.0, voices);
        if nominal >= end || !may_follow(&run) {
            return None;
        }
        let start = self.find(timestamp.0, end, frames, voices)?;
        let out_of_order = self.newest.is_some_and(|newest| timestamp.0 < newest);
        (start - nominal <= shift_ms * self.frames_per_ms).then_some(Place::At { start, joined: true, out_of_order })
    }

    /// Where the file ended that was found.
    pub(crate) fn found_until(&self) -> u64 {
        self.found.map_or(0, |(end, _)| end)
    }

    /// Before this frame there may be sound that only the file knows of.
    pub(crate) fn unknown_until(&self) -> u64 {
        self.unknown_until
    }

    /// How far from its time a packet may lie.
    pub(crate) fn reach(&self) -> u64 {
        MAX_SHIFT_MS * self.frames_per_ms
    }

    /// The place for a packet, which [`Timeline::remember`] takes.
    pub(crate) fn find_place(&self, timestamp: UnixMillis, frames: u64, voices: Voices) -> Place {
        let at = timestamp.0;
        let before_origin = self.origin.0.saturating_sub(at);
        if 2 * before_origin.saturating_mul(self.frames_per_ms) >= frames && before_origin > 0 {
            return Place::BeforeOrigin;
        }
        let nominal = self.nominal(timestamp);
        let Some(start) = self.find(at, nominal, frames, voices) else { return Place::Taken { start: nominal } };
        let out_of_order = self.newest.is_some_and(|newest| at < newest);
        Place::At { start, joined: start != nominal, out_of_order }
    }

    /// Where a packet with this timestamp would begin if it were alone; the origin for what is before it.
    pub(crate) fn nominal(&self, timestamp: UnixMillis) -> u64 {
        timestamp.0.saturating_sub(self.origin.0).saturating_mul(self.frames_per_ms)
    }

    /// The time at which a frame lies.
    pub(crate) fn time_of(&self, frame: u64) -> UnixMillis {
        UnixMillis(self.origin.0.saturating_add(frame / self.frames_per_ms))
    }

    /// The first frames of all packets with this timestamp.
    pub(crate) fn with_timestamp(&self, timestamp: UnixMillis) -> Vec<u64> {
        if self.newest.is_none_or(|newest| timestamp.0 > newest) {
            return Vec::new();
        }
        let nominal = self.nominal(timestamp);
        let near = self.runs.range(..=nominal.saturating_add(self.reach())).rev();
        // A packet is moved ahead by less than its length.
        let near = near.take_while(|(start, run)| run.end(**start).saturating_add(self.longest) >= nominal);
        near.filter_map(|(start, run)| Some(start + run.index(timestamp.0)? * run.frames)).collect()
    }

    /// Where there is room near this frame.
    fn find(&self, at: u64, nominal: u64, frames: u64, voices: Voices) -> Option<u64> {
        let (shift_ms, may_follow) = Self::bounds(at, voices);
        let left = self.runs.range(..=nominal).next_back().map(|(start, _)| *start);
        let mut before = None;
        let mut place = nominal;
        for (start, run) in self.runs.range(left.unwrap_or(nominal)..) {
            let end = run.end(*start);
            if end <= place {
                before = Some(end);
            } else if *start >= place + frames {
                let is_near = place == nominal && 2 * (start - (place + frames)) < frames;
                return Some(self.joined(before, place, frames).unwrap_or(if is_near {
                    start - frames
                } else {
                    place
                }));
            } else {
                let ahead = start.checked_sub(frames).filter(|_| run.first > at);
                let has_room = |ahead: &u64| before.is_none_or(|before| *ahead >= before) && nominal < ahead + frames;
                if let Some(ahead) = ahead.filter(has_room) {
                    return Some(ahead);
                }
                if !may_follow(run) || end - nominal > shift_ms * self.frames_per_ms {
                    return None;
                }
                place = end;
                before = Some(end);
            }
        }
        Some(self.joined(before, place, frames).unwrap_or(place))
    }

    /// How far behind its time a packet may follow, and what.
    fn bounds(at: u64, voices: Voices) -> (u64, impl Fn(&Run) -> bool) {
        let (shift_ms, jitter_ms) = match voices {
            Voices::One => (MAX_SHIFT_MS, Some(JITTER_MS)),
            Voices::Several => (MAX_SHIFT_OF_SEVERAL_MS, None),
        };
        let may_follow = move |run: &Run| match jitter_ms {
            Some(jitter) => run.last() <= at.saturating_add(jitter),
            None => run.last() < at,
        };
        (shift_ms, may_follow)
    }

    /// The end of the packet before, if it is nearer than half a packet.
    fn joined(&self, before: Option<u64>, place: u64, frames: u64) -> Option<u64> {
        before.filter(|before| 2 * (place - before) < frames)
    }

    /// Remembers that a packet lies there.
    pub(crate) fn remember(&mut self, timestamp: UnixMillis, start: u64, frames: u64) {
        let at = timestamp.0;
        self.newest = self.newest.max(Some(at));
        self.longest = self.longest.max(frames);
        let step_ms = frames / self.frames_per_ms;
        // A packet that is no whole number of milliseconds makes no regular timestamps.
        let is_regular = step_ms > 0 && frames.is_multiple_of(self.frames_per_ms);
        let mut run_start = start;
        let mut run = Run { first: at, count: 1, step_ms, frames };
        if let Some((before_start, before)) = self.runs.range(..start).next_back()
            && is_regular
            && before.goes_on(*before_start, start, &run)
        {
            run_start = *before_start;
            run = Run { count: before.count + 1, ..*before };
        }
        let next_start = run.end(run_start);
        if let Some(next) = self.runs.get(&next_start)
            && is_regular
            && run.goes_on(run_start, next_start, next)
        {
            run.count += next.count;
            self.runs.remove(&next_start);
        }
        self.runs.insert(run_start, run);
        if self.runs.len() > MAX_RUNS
            && let Some((start, run)) = self.runs.pop_first()
        {
            self.unknown_until = self.unknown_until.max(run.end(start));
        }
    }
}

impl Run {
    /// Which packet has this timestamp.
    fn index(&self, at: u64) -> Option<u64> {
        let after = at.checked_sub(self.first)?;
        let index =
            if self.count == 1 { after } else { (after % self.step_ms == 0).then_some(after / self.step_ms)? };
        (index < self.count).then_some(index)
    }

    /// The timestamp of the last packet.
    fn last(&self) -> u64 {
        self.first + (self.count - 1) * self.step_ms
    }

    fn end(&self, start: u64) -> u64 {
        start + self.count * self.frames
    }

    /// Whether another run, or a single packet, is this one's regular continuation.
    fn goes_on(&self, start: u64, next_start: u64, next: &Self) -> bool {
        next.frames == self.frames
            && next.step_ms == self.step_ms
            && next.first == self.first + self.count * self.step_ms
            && next_start == self.end(start)
    }
}

#[cfg(test)]
mod tests {
    use super::{JITTER_MS, MAX_RUNS, MAX_SHIFT_MS, Place, Timeline, Voices};
    use rtms_wire::time::UnixMillis;

    const ORIGIN: u64 = 1_795_420_800_000;

    fn timeline() -> Timeline {
        Timeline::new(UnixMillis(ORIGIN), 16_000, 0, None)
    }

    impl Timeline {
        fn place(&mut self, timestamp: UnixMillis, frames: u64, voices: Voices) -> Place {
            let place = self.find_place(timestamp, frames, voices);
            if let Place::At { start, .. } = place {
                self.remember(timestamp, start, frames);
            }
            place
        }
    }

    fn at(ms: u64) -> UnixMillis {
        UnixMillis(ORIGIN + ms)
    }

    fn place(line: &mut Timeline, ms: u64) -> Place {
        line.place(at(ms), 320, Voices::One)
    }

    fn start(place: Place) -> u64 {
        let Place::At { start, .. } = place else { panic!("{place:?}") };
        start
    }

    #[test]
    fn regular_packets_are_one_run_in_any_order() {
        let mut line = timeline();
        for step in [3, 0, 1, 5, 4, 2] {
            assert_eq!(start(place(&mut line, 20 * step)), 320 * step);
        }
        assert_eq!(line.runs.len(), 1);
        for step in 0..6 {
            assert_eq!(line.with_timestamp(at(20 * step)), [320 * step]);
        }
        assert!(line.with_timestamp(at(41)).is_empty());
    }

    #[test]
    fn a_gap_below_half_a_packet_is_joined_and_a_larger_one_is_believed() {
        let mut line = timeline();
        assert_eq!(start(place(&mut line, 0)), 0);
        assert_eq!(start(place(&mut line, 23)), 320, "3 ms late");
        assert_eq!(start(place(&mut line, 35)), 640, "5 ms early");
        assert_eq!(start(place(&mut line, 70)), 70 * 16, "10 ms late is half a packet");
    }

    #[test]
    fn a_run_keeps_to_the_timestamps_however_they_drift() {
        // A sender whose 20 ms last 21: joined until half a packet is reached, then placed again.
        let mut line = timeline();
        for step in 0..1000 {
            let placed = start(place(&mut line, 21 * step));
            assert!(placed.abs_diff(21 * 16 * step) < 160);
        }
    }

    #[test]
    fn timestamps_that_jitter_lose_nothing_and_leave_no_holes_once_their_spread_is_known() {
        for spread in [12, 25, 40] {
            let mut line = timeline();
            let mut starts = Vec::new();
            for step in 0..2_000_u64 {
                // Some number that repeats late, from 0 to twice the spread.
                let jitter = step * step * 7_919 % 1_009 % (2 * spread + 1);
                let placed = start(place(&mut line, 20 * step + jitter));
                assert!(placed.abs_diff(320 * step) <= 16 * 2 * spread + 640, "{spread}: {placed} in step {step}");
                starts.push(placed);
            }
            starts.sort_unstable();
            assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= 320), "nothing is placed over another packet");
            let holes = starts[1_999] - 320 * 1_999;
            assert!(holes <= 16 * 2 * spread + 320, "{spread}: {holes} frames of holes");
        }
    }

    #[test]
    fn packets_that_share_a_timestamp_follow_each_other_and_a_pause_puts_the_track_back() {
        let mut line = timeline();
        for bunch in 0..4 {
            for packet in 0..5 {
                assert_eq!(start(place(&mut line, 100 * bunch)), 320 * (5 * bunch + packet));
            }
        }
        assert_eq!(line.with_timestamp(at(100)).len(), 5);
        assert_eq!(start(place(&mut line, 1_000)), 16_000);
    }

    #[test]
    fn what_is_too_far_behind_its_time_has_no_place() {
        let mut line = timeline();
        for packet in 0..=MAX_SHIFT_MS / 20 {
            assert_eq!(start(place(&mut line, 0)), 320 * packet);
        }
        assert_eq!(place(&mut line, 0), Place::Taken { start: 0 });
    }

    #[test]
    fn a_clock_that_is_put_back_covers_nothing() {
        let mut line = timeline();
        for step in 0..200 {
            place(&mut line, 20 * step);
        }
        for step in 0..200 {
            let placed = place(&mut line, 1_990 + 20 * step);
            let is_behind = 1_990 + 20 * step + JITTER_MS >= 20 * 199;
            assert_eq!(matches!(placed, Place::At { .. }), is_behind, "{step}: {placed:?}");
        }
    }

    #[test]
    fn of_several_people_one_is_heard_at_a_time() {
        let mut line = timeline();
        let mut several = |ms: u64| line.place(at(ms), 320, Voices::Several);
        for step in 0..50 {
            assert_eq!(start(several(20 * step)), 320 * step);
            assert_eq!(several(20 * step), Place::Taken { start: 320 * step });
        }
        assert_eq!(start(several(1_007)), 16_000, "7 ms are jitter");
    }

    #[test]
    fn what_comes_late_fits_between_its_neighbours_or_has_no_place() {
        let mut line = timeline();
        for ms in [0, 200, 400] {
            place(&mut line, ms);
        }
        assert_eq!(start(place(&mut line, 100)), 1_600);
        assert_eq!(start(place(&mut line, 188)), 180 * 16, "ahead of the later one");
        assert_eq!(start(line.place(at(300), 1_600, Voices::One)), 4_800, "just fits");
        assert!(matches!(line.place(at(100), 3_200, Voices::One), Place::Taken { .. }));
    }

    #[test]
    fn what_is_before_the_origin_by_half_a_packet_has_no_place() {
        let mut line = timeline();
        assert_eq!(line.place(UnixMillis(ORIGIN - 10), 320, Voices::One), Place::BeforeOrigin);
        assert_eq!(start(line.place(UnixMillis(ORIGIN - 9), 320, Voices::One)), 0);
    }

    #[test]
    fn memory_has_a_bound_and_what_is_forgotten_is_placed_by_its_timestamp() {
        let mut line = timeline();
        for step in 0..2 * MAX_RUNS as u64 {
            place(&mut line, 100 * step);
        }
        assert_eq!(line.runs.len(), MAX_RUNS);
        assert_eq!(start(place(&mut line, 0)), 0);
        assert!(line.unknown_until() > 100 * (MAX_RUNS as u64 - 1) * 16, "the file knows what was forgotten");
    }

    #[test]
    fn what_comes_next_follows_the_end_of_what_was_found() {
        for ahead in [0, 7, 60, 100] {
            let mut line = Timeline::new(UnixMillis(ORIGIN), 16_000, 3_000 * 16, None);
            let place = line.find_behind_found(at(2_999 - ahead), 320, Voices::One).expect("a place");
            assert_eq!(start(place), 48_000, "{ahead} ms");
            line.remember(at(2_999 - ahead), 48_000, 320);
        }
    }
}
