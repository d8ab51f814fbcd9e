//! Whether a time that Zoom wrote is believed.
//!
//! One wrong timestamp must not become an hour of silence. A time far from all that is known is doubted, until enough
//! others of the same time confirm it with nothing between.
//!
//! If those come at the pace of their times, Zoom's clock was put ahead or back. From then on its times are moved by as much,
//! so that what follows lies where it would have lain: no hole and no overlap but what arrival shows. Sound that Zoom kept
//! for us comes faster than its times, so it moves nothing.

use rtms_wire::{media::medium::Medium, time::UnixMillis};

/// How far a time may be ahead of the newest one that was believed, of our now, and of Zoom's as far as that is known.
const AHEAD_MS: u64 = 10_000;

/// How far a time may lie before the start of the stream. Zoom keeps a minute of sound for us, none from before.
const BEFORE_START_MS: u64 = 120_000;

/// How far our clock may be behind Zoom's: by more, no webhook is taken for fresh.
const MAX_CLOCK_BEHIND_MS: u64 = 300_000;

/// So many odd times in a row are believed: half a second of one speaker.
const CONFIRMED_BY: u32 = 25;

/// How long, on our clock, these must go on if they come at the pace of their times: then the clock was changed.
const STEP_CONFIRMED_AFTER_MS: u64 = 400;

/// The same at any other pace.
const OTHERS_CONFIRMED_AFTER_MS: u64 = 2_000;

/// How far the lateness of two times may differ that come at their pace. Half of what a burst at twice the pace differs by.
const STEADY_MS: u64 = 200;

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
    /// How far Zoom's times are moved, since its clock was put ahead or back.
    moved_ms: i64,
    /// The newest time of each medium, moved.
    newest_of: [u64; Medium::ALL.len()],
    step: Option<Step>,
}

/// Times in a row that are as far from now as each other, and far from what was expected.
#[derive(Clone, Copy, Debug)]
struct Step {
    count: u32,
    /// How late the first was; negative if they are ahead.
    first_late_ms: i64,
    /// How late the least late was: the rest of the others is delay.
    least_late_ms: i64,
    /// When the first came, on our clock.
    since: UnixMillis,
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
        let newest = newest.map_or(started_at, |newest| newest.max(started_at));
        Self { started_at, newest, doubted: None, moved_ms: 0, newest_of: Default::default(), step: None }
    }

    /// Learns from the time of a packet, as Zoom wrote it, whether Zoom's clock was changed; the other arguments are those
    /// of [`Belief::judge`].
    pub(crate) fn follow(&mut self, medium: Medium, at: UnixMillis, zoom_now: UnixMillis, now: UnixMillis) {
        if !at.is_plausible() {
            return;
        }
        let at = self.moved(at);
        let latest = self.latest(zoom_now, now);
        let Some(newest) = self.newest_of.get_mut(medium as usize) else { return };
        let is_back = zoom_now.0.saturating_sub(at.0) > AHEAD_MS && newest.saturating_sub(at.0) > AHEAD_MS;
        if !is_back && at.0 <= latest {
            *newest = at.0.max(*newest);
            self.step = None;
            return;
        }
        let late_ms = zoom_now.0.cast_signed().saturating_sub(at.0.cast_signed());
        let step = match self.step.filter(|step| step.first_late_ms.abs_diff(late_ms) <= STEADY_MS) {
            Some(step) => {
                Step { count: step.count.saturating_add(1), least_late_ms: step.least_late_ms.min(late_ms), ..step }
            }
            None => Step { count: 1, first_late_ms: late_ms, least_late_ms: late_ms, since: now },
        };
        if is_confirmed(step.count, step.since, STEP_CONFIRMED_AFTER_MS, now) {
            self.moved_ms = self.moved_ms.saturating_add(step.least_late_ms);
            (self.step, self.doubted) = (None, None);
        } else {
            self.step = Some(step);
        }
    }

    /// Whether Zoom's times are moved.
    pub(crate) fn moves(&self) -> bool {
        self.moved_ms != 0
    }

    /// A time that Zoom wrote, where it lies since Zoom's clock was changed.
    pub(crate) fn moved(&self, at: UnixMillis) -> UnixMillis {
        if at.is_plausible() { UnixMillis(at.0.saturating_add_signed(self.moved_ms)) } else { at }
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
        if !is_confirmed(doubted.count, doubted.since, OTHERS_CONFIRMED_AFTER_MS, now) {
            return Some(doubt);
        }
        self.newest = self.newest.max(at);
        None
    }
}

/// Whether so many in a row, of which the first came then, are enough.
fn is_confirmed(count: u32, since: UnixMillis, after_ms: u64, now: UnixMillis) -> bool {
    let lasted_ms = now.0.saturating_sub(since.0);
    (count >= CONFIRMED_BY && lasted_ms >= after_ms)
        || (count >= CONFIRMED_SLOWLY_BY && lasted_ms >= CONFIRMED_AFTER_MS)
}

#[cfg(test)]
mod tests {
    use super::{Belief, CONFIRMED_AFTER_MS, CONFIRMED_BY, CONFIRMED_SLOWLY_BY, Doubt, OTHERS_CONFIRMED_AFTER_MS};
    use rtms_wire::{media::medium::Medium, time::UnixMillis};

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
    fn a_clock_that_was_changed_is_followed_and_its_times_are_moved() {
        for jump in [HOUR, -HOUR, 90_000, -90_000] {
            let mut belief = belief();
            let mut odd = 0;
            for step in 0..2_000 {
                let now = 20 * step;
                // Put ahead or back, and right again later.
                let sent = now + if (1_000..1_500).contains(&step) { jump } else { 0 };
                belief.follow(Medium::Audio, at(sent), at(now), at(now));
                odd += u32::from(belief.moved(at(sent)) != at(now));
            }
            assert_eq!(odd, 2 * (CONFIRMED_BY - 1), "{jump}");
        }
    }

    #[test]
    fn sound_that_was_kept_for_us_or_comes_again_moves_nothing() {
        let mut belief = belief();
        let mut follow = |sent: i64, now: i64| belief.follow(Medium::Audio, at(sent), at(now), at(now));
        for step in 0..1_000 {
            follow(20 * step, 20 * step);
        }
        // Nothing for a minute, then it comes at four times its pace, the last of it a second time.
        for step in 0..4_000 {
            follow(20_000 + 20 * step, 80_000 + 5 * step);
        }
        for step in 0..4_000 {
            follow(20_000 + 20 * step, 110_000 + 5 * step);
        }
        assert!(!belief.moves());
    }

    #[test]
    fn times_that_agree_at_another_pace_are_believed_as_they_are() {
        let mut belief = belief();
        let (every, first) = (100, HOUR);
        let doubts = (0..200).filter(|step| {
            belief.follow(Medium::Audio, at(first + 10 * step), at(every * step), at(every * step));
            judge(&mut belief, first + 10 * step, every * step).is_some()
        });
        assert_eq!(doubts.count() as u64, (OTHERS_CONFIRMED_AFTER_MS / 100).max(u64::from(CONFIRMED_BY) - 1));
        assert!(!belief.moves());
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
