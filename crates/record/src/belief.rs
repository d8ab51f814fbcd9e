//! Whether a time that Zoom wrote is believed.
//!
//! One wrong timestamp must not become an hour of silence. A time far from all that is known is doubted, until enough
//! others of the same time confirm it with nothing between: then the clock was changed, and is followed.

use rtms_wire::time::UnixMillis;

/// How far a time may be ahead of the newest one that was believed, of our now, and of Zoom's as far as that is known.
const AHEAD_MS: u64 = 10_000;

/// How far a time may lie before the start of the stream. Zoom keeps a minute of sound for us, none from before.
const BEFORE_START_MS: u64 = 120_000;

/// How far our clock may be behind Zoom's: by more, no webhook is taken for fresh.
const MAX_CLOCK_BEHIND_MS: u64 = 300_000;

/// So many doubted times in a row are believed: half a second of one speaker.
const CONFIRMED_BY: u32 = 25;

/// So few are enough if they come over [`CONFIRMED_AFTER_MS`], as pictures and words do.
const CONFIRMED_SLOWLY_BY: u32 = 5;

/// How long, on our clock, the few must go on.
const CONFIRMED_AFTER_MS: u64 = 10_000;

/// Why a time is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// It is no time.
    NoTime,
    /// It is far ahead.
    FarAhead,
    /// It is from long before the stream began.
    FarBehind,
}

/// What is known of a stream's times.
#[derive(Clone, Debug)]
pub(crate) struct Belief {
    started_at: UnixMillis,
    newest: UnixMillis,
    doubted: Option<Doubted>,
}

/// Times in a row that were not believed.
#[derive(Clone, Copy, Debug)]
struct Doubted {
    count: u32,
    newest: UnixMillis,
    /// When the first came, on our clock.
    since: UnixMillis,
}

impl Belief {
    /// Of a stream that began at `started_at` and of which something was received for `newest`; `now` is ours, and the
    /// start if the other cannot be meant.
    pub(crate) fn new(started_at: UnixMillis, newest: Option<UnixMillis>, now: UnixMillis) -> Self {
        let is_meant = started_at.is_plausible() && started_at.0 <= now.0.saturating_add(MAX_CLOCK_BEHIND_MS);
        let started_at = if is_meant { started_at } else { now };
        Self { started_at, newest: newest.map_or(started_at, |newest| newest.max(started_at)), doubted: None }
    }

    /// Whether something may end at this time.
    pub(crate) fn may_end(&self, at: UnixMillis, zoom_now: UnixMillis, now: UnixMillis) -> bool {
        at.is_plausible() && at.0 <= self.latest(zoom_now, now)
    }

    /// The newest time that was believed.
    pub(crate) fn newest(&self) -> UnixMillis {
        self.newest
    }

    /// The latest time that is believed.
    fn latest(&self, zoom_now: UnixMillis, now: UnixMillis) -> u64 {
        // After a backlog alone, Zoom's now seems to be as old as that.
        self.newest.max(zoom_now).max(now).0.saturating_add(AHEAD_MS)
    }

    /// Judges a time. `zoom_now` is Zoom's now as far as it is known, `now` is ours.
    pub(crate) fn judge(&mut self, at: UnixMillis, zoom_now: UnixMillis, now: UnixMillis) -> Option<Doubt> {
        let latest = self.latest(zoom_now, now);
        let earliest = self.started_at.0.saturating_sub(BEFORE_START_MS);
        let doubt = if !at.is_plausible() {
            return Some(Doubt::NoTime);
        } else if at.0 > latest {
            Doubt::FarAhead
        } else if at.0 < earliest {
            Doubt::FarBehind
        } else {
            self.doubted = None;
            self.newest = self.newest.max(at);
            return None;
        };
        let before = self.doubted.filter(|before| before.newest.0.abs_diff(at.0) <= AHEAD_MS);
        let doubted = match before {
            Some(before) => Doubted { count: before.count.saturating_add(1), newest: at, ..before },
            None => Doubted { count: 1, newest: at, since: now },
        };
        self.doubted = Some(doubted);
        let lasted_ms = now.0.saturating_sub(doubted.since.0);
        let is_confirmed =
            doubted.count >= CONFIRMED_BY || (doubted.count >= CONFIRMED_SLOWLY_BY && lasted_ms >= CONFIRMED_AFTER_MS);
        if !is_confirmed {
            return Some(doubt);
        }
        self.newest = self.newest.max(at);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Belief, CONFIRMED_AFTER_MS, CONFIRMED_BY, CONFIRMED_SLOWLY_BY, Doubt};
    use rtms_wire::time::UnixMillis;

    const START: u64 = 1_795_420_800_000;
    const HOUR: i64 = 3_600_000;

    fn at(ms: i64) -> UnixMillis {
        UnixMillis(START.saturating_add_signed(ms))
    }

    fn belief() -> Belief {
        Belief::new(at(0), None, at(0))
    }

    /// What becomes of this time, with both clocks at another.
    fn judge(belief: &mut Belief, ms: i64, now: i64) -> Option<Doubt> {
        belief.judge(at(ms), at(now), at(now))
    }

    #[test]
    fn a_few_wrong_times_among_right_ones_are_never_believed() {
        let mut belief = belief();
        for step in 0..500 {
            let now = 20 * step;
            assert_eq!(judge(&mut belief, now, now), None);
            for _ in 0..CONFIRMED_BY - 1 {
                assert_eq!(judge(&mut belief, now + HOUR, now), Some(Doubt::FarAhead));
            }
            assert_eq!(judge(&mut belief, now - HOUR, now), Some(Doubt::FarBehind));
        }
    }

    #[test]
    fn a_clock_that_was_changed_is_followed() {
        for jump in [HOUR, -HOUR] {
            let mut belief = belief();
            judge(&mut belief, 0, 0);
            let doubts = (0..200).filter(|step| judge(&mut belief, jump + 20 * step, 20 * step).is_some()).count();
            assert_eq!(doubts, CONFIRMED_BY as usize - 1);
        }
    }

    #[test]
    fn times_that_do_not_agree_confirm_nothing() {
        let mut belief = belief();
        for step in 1..200 {
            assert_eq!(judge(&mut belief, step * HOUR, 20), Some(Doubt::FarAhead));
        }
    }

    #[test]
    fn a_few_that_go_on_for_long_are_enough() {
        let mut belief = belief();
        let every = CONFIRMED_AFTER_MS as i64;
        for step in 1..i64::from(CONFIRMED_SLOWLY_BY) {
            assert_eq!(judge(&mut belief, HOUR + step * every, step * every), Some(Doubt::FarAhead));
        }
        assert_eq!(judge(&mut belief, HOUR + 5 * every, 5 * every), None);
    }

    #[test]
    fn what_was_kept_for_us_and_what_waited_here_is_believed() {
        let mut belief = belief();
        assert_eq!(judge(&mut belief, -60_000, 0), None);
        assert_eq!(judge(&mut belief, 0, HOUR), None, "a stream of an earlier day may be played again");
        assert_eq!(judge(&mut belief, -200_000, 0), Some(Doubt::FarBehind));
    }

    #[test]
    fn a_start_that_cannot_be_meant_makes_nothing_doubtful() {
        for start in [0, 1, START + 86_400_000, u64::MAX] {
            let mut belief = Belief::new(UnixMillis(start), None, at(0));
            assert_eq!(judge(&mut belief, 0, 0), None, "{start}");
        }
    }

    #[test]
    fn what_is_no_time_confirms_nothing() {
        let mut belief = belief();
        for _ in 0..200 {
            for wrong in [0, 42, START / 1_000, START * 1_000, u64::MAX] {
                assert_eq!(belief.judge(UnixMillis(wrong), at(0), at(0)), Some(Doubt::NoTime));
            }
        }
    }
}
