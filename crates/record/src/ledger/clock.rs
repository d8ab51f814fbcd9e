//! Our clock and Zoom's: the ledger is in Zoom's time, and some of what goes into it is known in ours alone.

use rtms_wire::time::UnixMillis;

/// How long, on our clock, the best pair counts. A clock of ours that is put right counts anew after two of these.
const WINDOW_MS: u64 = 60_000;

/// A pair that would move our idea of Zoom's clock further ahead than this must not be alone: a single wrong timestamp
/// would otherwise move everything that is told in our time.
const JUMP_MS: i64 = 2_000;

/// So many pairs beyond [`JUMP_MS`] within a window are believed.
const CONFIRMED_BY: u32 = 5;

/// How far our clock is ahead of Zoom's, learnt from pairs of a time that Zoom wrote and the time at which we read it.
///
/// The smallest difference of the last one to two minutes counts: every other is delay. So the time of an event here
/// becomes the timestamp of what would have arrived at that moment. Before the first pair the clocks are taken to be
/// right, but ours never to be before the stream began.
#[derive(Clone, Debug, Default)]
pub struct ZoomClock {
    /// From the pair of the beginning, if our clock was behind Zoom's.
    assumed_ms: i64,
    window_began: u64,
    best_ms: Option<i64>,
    former_best_ms: Option<i64>,
    jumps: u32,
}

impl ZoomClock {
    /// `started_at` is Zoom's time of the start, `ours` our time of now.
    pub fn new(started_at: UnixMillis, ours: UnixMillis) -> Self {
        Self { assumed_ms: difference(ours, started_at).min(0), ..Self::default() }
    }

    /// Goes on with what was known, which counts as a pair of now: what comes first after a break is often a backlog,
    /// and its delay alone would put our time into Zoom's past.
    pub fn resume(ahead_ms: i64) -> Self {
        Self { best_ms: Some(ahead_ms), ..Self::default() }
    }

    /// Learns from a time of Zoom's and when we had it.
    pub fn observe(&mut self, zoom: UnixMillis, ours: UnixMillis) {
        let sample = difference(ours, zoom);
        if sample < self.ahead_ms().saturating_sub(JUMP_MS) {
            self.jumps += 1;
            if self.jumps < CONFIRMED_BY {
                return;
            }
        }
        if ours.0.abs_diff(self.window_began) >= WINDOW_MS {
            self.former_best_ms = self.best_ms.take();
            self.window_began = ours.0;
            self.jumps = 0;
        }
        self.best_ms = Some(self.best_ms.map_or(sample, |best| best.min(sample)));
    }

    /// How many milliseconds our clock is ahead of Zoom's; negative if it is behind.
    pub fn ahead_ms(&self) -> i64 {
        self.best().unwrap_or(self.assumed_ms)
    }

    /// A time of ours as Zoom's.
    pub fn to_zoom(&self, ours: UnixMillis) -> UnixMillis {
        UnixMillis(ours.0.saturating_add_signed(self.ahead_ms().saturating_neg()))
    }

    /// Whether any pair was learned from.
    pub(super) fn is_known(&self) -> bool {
        self.best().is_some()
    }

    fn best(&self) -> Option<i64> {
        self.best_ms.into_iter().chain(self.former_best_ms).min()
    }
}

fn difference(ours: UnixMillis, zoom: UnixMillis) -> i64 {
    let (ours, zoom) = (i64::try_from(ours.0).unwrap_or(i64::MAX / 2), i64::try_from(zoom.0).unwrap_or(i64::MAX / 2));
    ours.saturating_sub(zoom)
}

#[cfg(test)]
mod tests {
    use super::{UnixMillis, WINDOW_MS, ZoomClock};

    const START: u64 = 1_795_420_800_000;

    fn at(ms: u64) -> UnixMillis {
        UnixMillis(START + ms)
    }

    #[test]
    fn before_anything_came_the_clocks_are_taken_to_be_right() {
        let clock = ZoomClock::new(at(0), at(50_000));
        assert_eq!(clock.to_zoom(at(50_000)), at(50_000), "we came late, no more");
        let clock = ZoomClock::new(at(5_000), at(0));
        assert_eq!(clock.to_zoom(at(10)), at(5_010), "we are behind: nothing happens before the start");
    }

    #[test]
    fn the_smallest_difference_counts_since_the_rest_is_delay() {
        let mut clock = ZoomClock::new(at(0), at(0));
        for (zoom, ours) in [(0, 40_000), (20, 39_000), (40_000, 40_300), (40_020, 40_450)] {
            for _ in 0..5 {
                clock.observe(at(zoom), at(ours));
            }
        }
        assert_eq!(clock.ahead_ms(), 300);
        assert_eq!(clock.to_zoom(at(60_300)), at(60_000));
    }

    #[test]
    fn one_wrong_timestamp_moves_nothing_and_five_do() {
        let mut clock = ZoomClock::new(at(0), at(0));
        clock.observe(at(0), at(100));
        clock.observe(at(3_000_000), at(120));
        assert_eq!(clock.ahead_ms(), 100);
        for _ in 0..4 {
            clock.observe(at(3_000_000), at(120));
        }
        assert_eq!(clock.ahead_ms(), 120 - 3_000_000);
    }

    #[test]
    fn a_clock_that_is_put_right_counts_anew_after_two_windows() {
        let mut clock = ZoomClock::new(at(0), at(0));
        clock.observe(at(0), at(100));
        for step in 1..=3 {
            clock.observe(at(step * WINDOW_MS), at(step * WINDOW_MS + 5_000));
        }
        assert_eq!(clock.ahead_ms(), 5_000);
    }

    #[test]
    fn a_backlog_that_comes_first_after_a_break_does_not_turn_the_clock_back() {
        let mut clock = ZoomClock::resume(100);
        clock.observe(at(0), at(7_000));
        assert_eq!(clock.ahead_ms(), 100);
        for step in 1..=3 {
            clock.observe(at(step * WINDOW_MS), at(step * WINDOW_MS + 5_000));
        }
        assert_eq!(clock.ahead_ms(), 5_000, "on another machine it counts anew");
    }

    #[test]
    fn no_number_overflows() {
        let mut clock = ZoomClock::new(UnixMillis(u64::MAX), UnixMillis(0));
        clock.observe(UnixMillis(0), UnixMillis(u64::MAX));
        clock.observe(UnixMillis(u64::MAX), UnixMillis(0));
        clock.to_zoom(UnixMillis(u64::MAX));
        ZoomClock::resume(i64::MIN).to_zoom(UnixMillis(u64::MAX));
    }
}
