//! Where a packet belongs on its track: by Zoom's timestamp, never by arrival.
//!
//! A track is a line of frames (one sample per channel) that begins at the recording's origin. A packet's place is
//! the distance of its timestamp from the origin. From there:
//!
//! - Within less than half its length of where its neighbour ends, it joins that neighbour: timestamps are whole
//!   milliseconds of somebody's timer, and a gap of one is a click. Further away its timestamp is believed.
//! - A timestamp that is there already changes nothing.
//! - Where packets overlap, the one with the earlier timestamp is heard, whichever came first.
//!
//! So the same packets give the same track in any order of arrival, as long as none lies within less than half its
//! length of where another ends without lying exactly there. Where timestamps jitter, what has arrived decides whom a
//! packet joins; it is never further than half its length from its timestamp.

use std::collections::{BTreeMap, btree_map::Entry};

use rtms_wire::time::UnixMillis;

/// How many runs are remembered: 61 s of 20 ms packets if each timestamp is irregular, which covers the 60 s that Zoom
/// sends again at most. Regular ones make one run of any length.
///
/// What lies before is forgotten, not refused: a packet from there is placed by its timestamp alone.
const MAX_RUNS: usize = 3072;

/// Neighbours looked at for overlap. More can only meet where a packet is longer than so many others together.
const MAX_NEIGHBOURS: usize = 64;

/// What is known of one track: which timestamps have which place.
#[derive(Debug)]
pub(crate) struct Timeline {
    origin: UnixMillis,
    frames_per_ms: u64,
    /// By first timestamp. No run begins inside another.
    runs: BTreeMap<u64, Run>,
    longest_ms: u64,
}

/// Packets of equal length, end to end, in timestamps as in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    count: u64,
    /// Between timestamps; meaningless if there is one only.
    step_ms: u64,
    /// The first frame.
    start: u64,
    /// Of each packet.
    frames: u64,
}

/// Where a packet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Here.
    At {
        /// The frame of its first sample.
        start: u64,
        /// So many frames of it lie under an earlier packet and are left out.
        skip: u64,
        /// So many frames had nothing before.
        fresh: u64,
        /// Moved to join a neighbour.
        joined: bool,
        /// Something later was placed before it.
        out_of_order: bool,
    },
    /// Its timestamp is there already.
    Duplicate,
    /// All of its time is taken by earlier packets.
    Covered {
        /// The frame of its first sample.
        start: u64,
    },
    /// Before the origin.
    BeforeOrigin,
}

/// A packet that was placed, one of a run.
#[derive(Clone, Copy)]
struct Neighbour {
    start: u64,
    end: u64,
}

impl Timeline {
    /// `sample_rate` is one of Zoom's, a whole number of frames per millisecond.
    pub(crate) fn new(origin: UnixMillis, sample_rate: u32) -> Self {
        Self { origin, frames_per_ms: u64::from(sample_rate / 1000).max(1), runs: BTreeMap::new(), longest_ms: 0 }
    }

    /// Gives a packet its place and remembers it.
    pub(crate) fn place(&mut self, timestamp: UnixMillis, frames: u64) -> Place {
        let at = timestamp.0;
        let before = self.runs.range(..=at).next_back().map(|(first, run)| (*first, *run));
        if before.is_some_and(|(first, run)| run.has(first, at)) {
            return Place::Duplicate;
        }
        let nominal = match at.checked_sub(self.origin.0) {
            Some(ms) => ms.saturating_mul(self.frames_per_ms),
            None if (self.origin.0 - at).saturating_mul(2 * self.frames_per_ms) < frames => 0,
            None => return Place::BeforeOrigin,
        };

        let left = before.map(|(first, run)| run.packet(run.index(first, at)));
        let right = match before {
            Some((first, run)) if run.index(first, at) + 1 < run.count => Some(run.packet(run.index(first, at) + 1)),
            Some(_) | None => self.runs.range(at + 1..).next().map(|(_, run)| run.packet(0)),
        };
        let near = |one: u64, other: u64| 2 * one.abs_diff(other) < frames;
        let start = match (left, right) {
            (Some(left), _) if near(nominal, left.end) => left.end,
            (_, Some(right)) if near(nominal + frames, right.start) && right.start >= frames => right.start - frames,
            (_, Some(_) | None) => nominal,
        };

        let from = self.end_of_earlier(at).clamp(start, start + frames);
        if from == start + frames && frames > 0 {
            return Place::Covered { start };
        }
        let fresh = frames - (from - start) - self.taken_by_later(at, from, start + frames);
        self.remember(at, start, frames, before);
        Place::At { start, skip: from - start, fresh, joined: start != nominal, out_of_order: right.is_some() }
    }

    /// Where the sound of all packets with an earlier timestamp ends, as far as they can reach.
    fn end_of_earlier(&self, at: u64) -> u64 {
        let mut end = 0;
        for (first, run) in self.runs.range(..at).rev().take(MAX_NEIGHBOURS) {
            let index = run.index(*first, at);
            end = end.max(run.packet(index).end);
            if first + index * run.step_ms + 2 * self.longest_ms < at {
                break;
            }
        }
        end
    }

    /// How many of these frames packets with a later timestamp have.
    fn taken_by_later(&self, at: u64, from: u64, to: u64) -> u64 {
        let mut taken = 0;
        // The run that begins before may go on behind.
        let around = self.runs.range(..at).next_back().and_then(|(first, run)| {
            let next = run.index(*first, at) + 1;
            (next < run.count).then(|| Neighbour { start: run.packet(next).start, end: run.end() })
        });
        let later = self.runs.range(at + 1..).map(|(_, run)| Neighbour { start: run.start, end: run.end() });
        let mut reached = from;
        for Neighbour { start, end } in around.into_iter().chain(later).take(MAX_NEIGHBOURS) {
            if start >= to {
                break;
            }
            let (start, end) = (start.max(reached), end.min(to));
            taken += end.saturating_sub(start);
            reached = reached.max(end);
        }
        taken
    }

    fn remember(&mut self, at: u64, start: u64, frames: u64, before: Option<(u64, Run)>) {
        let step_ms = frames / self.frames_per_ms;
        // A packet that is no whole number of milliseconds makes no regular timestamps.
        let regular = step_ms > 0 && frames.is_multiple_of(self.frames_per_ms);
        self.longest_ms = self.longest_ms.max(frames.div_ceil(self.frames_per_ms));

        let mut first = at;
        let mut run = Run { count: 1, step_ms, start, frames };
        if let Some((before_first, before)) = before {
            let index = before.index(before_first, at);
            if index + 1 < before.count {
                // It lies between two packets of that run: the run becomes two.
                let behind = before_first + (index + 1) * before.step_ms;
                self.runs.insert(
                    behind,
                    Run { count: before.count - index - 1, start: before.packet(index + 1).start, ..before },
                );
                self.runs.insert(before_first, Run { count: index + 1, ..before });
            } else if regular && before.goes_on(before_first, at, &run) {
                first = before_first;
                run = Run { count: before.count + 1, ..before };
            }
        }
        let next = self.runs.range(first + 1..).next().map(|(next_first, next)| (*next_first, *next));
        if let Some((next_first, next)) = next
            && regular
            && run.goes_on(first, next_first, &next)
        {
            self.runs.remove(&next_first);
            run.count += next.count;
        }
        match self.runs.entry(first) {
            Entry::Occupied(mut there) => *there.get_mut() = run,
            Entry::Vacant(free) => {
                free.insert(run);
            }
        }
        if self.runs.len() > MAX_RUNS {
            self.runs.pop_first();
        }
    }
}

impl Run {
    /// Which packet is the last with a timestamp of `at` or before; `at` is not before the run.
    fn index(&self, first: u64, at: u64) -> u64 {
        if self.count == 1 { 0 } else { ((at - first) / self.step_ms).min(self.count - 1) }
    }

    fn has(&self, first: u64, at: u64) -> bool {
        let after = at - first;
        after == 0 || (self.count > 1 && after.is_multiple_of(self.step_ms) && after / self.step_ms < self.count)
    }

    fn packet(&self, index: u64) -> Neighbour {
        let start = self.start + index * self.frames;
        Neighbour { start, end: start + self.frames }
    }

    fn end(&self) -> u64 {
        self.start + self.count * self.frames
    }

    /// Whether another run, or a single packet, is this one's regular continuation.
    fn goes_on(&self, first: u64, next_first: u64, next: &Self) -> bool {
        next.frames == self.frames
            && next.step_ms == self.step_ms
            && next_first == first + self.count * self.step_ms
            && next.start == self.end()
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_NEIGHBOURS, MAX_RUNS, Place, Timeline};
    use rtms_wire::time::UnixMillis;

    const ORIGIN: u64 = 1_795_420_800_000;

    fn timeline() -> Timeline {
        Timeline::new(UnixMillis(ORIGIN), 16_000)
    }

    fn start(place: Place) -> u64 {
        let Place::At { start, .. } = place else { panic!("{place:?}") };
        start
    }

    #[test]
    fn regular_packets_are_one_run_in_any_order() {
        let mut line = timeline();
        for step in [3, 0, 1, 5, 4, 2] {
            assert_eq!(start(line.place(UnixMillis(ORIGIN + 20 * step), 320)), 320 * step);
        }
        assert_eq!(line.runs.len(), 1);
        for step in 0..6 {
            assert_eq!(line.place(UnixMillis(ORIGIN + 20 * step), 320), Place::Duplicate);
        }
    }

    #[test]
    fn jitter_below_half_a_packet_joins_and_above_is_believed() {
        let mut line = timeline();
        assert_eq!(start(line.place(UnixMillis(ORIGIN), 320)), 0);
        assert_eq!(start(line.place(UnixMillis(ORIGIN + 23), 320)), 320, "3 ms late");
        assert_eq!(start(line.place(UnixMillis(ORIGIN + 35), 320)), 640, "5 ms early");
        assert_eq!(start(line.place(UnixMillis(ORIGIN + 70), 320)), 70 * 16, "10 ms late is half a packet");
    }

    #[test]
    fn a_run_keeps_to_the_timestamps_however_they_drift() {
        // A sender whose 20 ms last 21: joined until half a packet is reached, then placed again.
        let mut line = timeline();
        for step in 0..1000 {
            let placed = start(line.place(UnixMillis(ORIGIN + 21 * step), 320));
            assert!(placed.abs_diff(21 * 16 * step) < 160);
        }
    }

    #[test]
    fn the_earlier_timestamp_is_heard_where_two_overlap() {
        let mut line = timeline();
        line.place(UnixMillis(ORIGIN), 320);
        let late = line.place(UnixMillis(ORIGIN + 5), 320);
        assert_eq!(late, Place::At { start: 80, skip: 240, fresh: 80, joined: false, out_of_order: false });

        let mut line = timeline();
        line.place(UnixMillis(ORIGIN + 5), 320);
        let early = line.place(UnixMillis(ORIGIN), 320);
        assert_eq!(early, Place::At { start: 0, skip: 0, fresh: 80, joined: false, out_of_order: true });
    }

    #[test]
    fn a_packet_under_a_longer_one_has_no_place() {
        let mut line = timeline();
        line.place(UnixMillis(ORIGIN), 16_000);
        assert_eq!(line.place(UnixMillis(ORIGIN + 500), 320), Place::Covered { start: 8_000 });
    }

    #[test]
    fn what_is_before_the_origin_by_half_a_packet_has_no_place() {
        let mut line = timeline();
        assert_eq!(line.place(UnixMillis(ORIGIN - 10), 320), Place::BeforeOrigin);
        assert_eq!(start(line.place(UnixMillis(ORIGIN - 9), 320)), 0);
    }

    #[test]
    fn a_packet_over_more_neighbours_than_are_looked_at_is_placed_all_the_same() {
        let mut line = timeline();
        for step in 1..=2 * MAX_NEIGHBOURS as u64 {
            line.place(UnixMillis(ORIGIN + 50 * step), 320);
        }
        let Place::At { start: 0, skip: 0, fresh, .. } = line.place(UnixMillis(ORIGIN), 160_000) else { panic!() };
        assert_eq!(fresh, 160_000 - 320 * MAX_NEIGHBOURS as u64);
    }

    #[test]
    fn memory_has_a_bound_and_what_is_forgotten_is_placed_by_its_timestamp() {
        let mut line = timeline();
        for step in 0..2 * MAX_RUNS as u64 {
            line.place(UnixMillis(ORIGIN + 100 * step), 320);
        }
        assert_eq!(line.runs.len(), MAX_RUNS);
        assert_eq!(start(line.place(UnixMillis(ORIGIN), 320)), 0);
    }
}
