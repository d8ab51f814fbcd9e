//! One medium's time, painted: a list of instants at which the word changes. So it tiles by its form, whatever is
//! painted, and only what the paint may cover is decided here.
//!
//! Data covers every state, and a loss covers what was received: something of that time is missing. States never cover
//! data. Data in any order, and twice, gives the same tiling, as long as it is not coarsened.

use rtms_wire::time::UnixMillis;

use crate::ledger::word::{Queue, Span, What};

/// Changes of the word that are kept, some 40 bytes each: a 30-hour meeting with one every 50 s, and far more than a
/// stream has that somebody wants to read.
///
/// At the bound the tiling is coarsened to three quarters of it. First the shortest stretches between what was received,
/// in which nothing was expected, are taken for received. If that is not enough, the shortest spans are joined with
/// the one before under the worse of the two words, so that no loss is hidden. How much time got another word is told.
pub const MAX_SPANS: usize = 2048;

/// How long the newest received span may stand still before it counts as closed.
pub(super) const CLOSED_AFTER_MS: u64 = 2_000;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Break {
    from: u64,
    what: What,
}

/// The time of one medium, from the start on and without an end.
#[derive(Clone, Debug)]
pub(super) struct Tiling {
    /// Never empty, rising, no two neighbours with the same word. The last one has no end and is a state, never data.
    breaks: Vec<Break>,
    /// Gaps up to this long between received data, if nothing stood in the way, are no gaps.
    join_ms: u64,
    /// What was not taken as a change yet begins here or later.
    changed_from: Option<u64>,
    /// The newest received span became longer since it was taken.
    grown: bool,
    /// Up to here all was told, and what has not begun by then was not.
    told_until: Option<u64>,
    coarsened_ms: u64,
}

impl Tiling {
    pub(super) fn new(start: u64, what: What, join_ms: u64) -> Self {
        let breaks = vec![Break { from: start, what }];
        Self { breaks, join_ms, changed_from: Some(start), grown: false, told_until: None, coarsened_ms: 0 }
    }

    /// Goes on with known spans. The time behind them is of this word.
    pub(super) fn resume(start: u64, spans: &[Span], coarsened_ms: u64, open: What, join_ms: u64) -> Self {
        let mut tiling = Self { coarsened_ms, ..Self::new(start, open, join_ms) };
        for span in spans {
            tiling.paint_span(span);
        }
        tiling.changed_from = None;
        tiling
    }

    /// Since when nothing but a state is known.
    pub(super) fn open_from(&self) -> u64 {
        self.open().from
    }

    pub(super) fn coarsened_ms(&self) -> u64 {
        self.coarsened_ms
    }

    /// The word of the time that has no end yet.
    pub(super) fn open_word(&self) -> &What {
        &self.open().what
    }

    /// What became of the newest data, and where it ends.
    pub(super) fn newest_data(&self) -> Option<(&What, u64)> {
        self.breaks.windows(2).rev().find_map(|pair| match pair {
            [begin, next] if begin.what.is_data() => Some((&begin.what, next.from)),
            _ => None,
        })
    }

    /// Something was received for this time.
    pub(super) fn received(&mut self, from: u64, to: u64) {
        // The time without end stays a state.
        let to = to.min(u64::MAX - 1);
        // In order, which is nearly always: the newest span becomes longer.
        if let [.., tail, open] = self.breaks.as_mut_slice()
            && tail.what == What::Received
            && from >= tail.from
            && (from <= open.from || (from - open.from <= self.join_ms && is_pause(&open.what)))
        {
            if to > open.from {
                open.from = to;
                self.grown = true;
            }
            return;
        }
        let (from, to) = self.joined(from, to);
        self.paint(from, to, |old| old.gives_way_to_data().then_some(What::Received));
    }

    /// Something for this time was lost here.
    pub(super) fn dropped(&mut self, from: u64, to: u64, queue: Queue) {
        let to = to.min(u64::MAX - 1);
        self.paint(from, to, |old| match old {
            // Where two queues lost something, one is named, whichever was told first.
            What::Dropped { by } if *by <= queue => None,
            What::Dropped { .. }
            | What::Received
            | What::Silent
            | What::Paused { .. }
            | What::BeforeStart
            | What::Interrupted { .. }
            | What::Off { .. }
            | What::Unrecorded => Some(What::Dropped { by: queue }),
        });
    }

    /// What was received is not kept after all.
    pub(super) fn not_kept(&mut self, from: u64, to: u64, queue: Queue) {
        let lost = What::Dropped { by: queue };
        self.paint(from, to.min(u64::MAX - 1), |old| (*old == What::Received).then(|| lost.clone()));
    }

    /// Something came that nobody can read: where nothing else was received, it is what there was.
    pub(super) fn unreadable(&mut self, from: u64, to: u64) {
        let lost = What::Dropped { by: Queue::Unreadable };
        self.state(from, to.min(u64::MAX - 1), |old| old.is_idle().then(|| lost.clone()));
    }

    /// Changes states, and never data.
    pub(super) fn state(&mut self, from: u64, to: u64, new: impl Fn(&What) -> Option<What>) {
        self.paint(from, to, |old| if old.is_data() { None } else { new(old) });
    }

    /// Covers all that is there.
    pub(super) fn paint_span(&mut self, span: &Span) {
        self.paint(span.from.0, span.to.0, |_| Some(span.what.clone()));
    }

    /// The spans up to here, which tile the time from the start.
    pub(super) fn spans(&self, to: u64) -> Vec<Span> {
        self.spans_from(0, to)
    }

    /// The spans that changed since this was asked before; all but the last one are closed.
    ///
    /// A span that only became longer has not changed until it is closed, or all is over.
    pub(super) fn take_changes(&mut self, to: u64, is_over: bool) -> Vec<Span> {
        let tail =
            self.breaks.len().checked_sub(2).and_then(|place| self.breaks.get(place)).map_or(0, |tail| tail.from);
        let stands_still = is_over || to.saturating_sub(self.open().from) >= CLOSED_AFTER_MS;
        let closed = self.grown && stands_still;
        // What had not begun when the last changes were taken, and has now; that nothing comes must last a while.
        let begun = self.told_until.filter(|until| {
            let newest = self.place(to.saturating_sub(1));
            let is_lull = newest + 1 == self.breaks.len() && self.open().what.is_idle() && !stands_still;
            !is_lull && self.breaks.get(newest).is_some_and(|newest| newest.from >= *until)
        });
        let begun = begun.map(|until| until.saturating_sub(1));
        let mut from = [self.changed_from, closed.then_some(tail), begun].into_iter().flatten().min();
        if let (Some(from), Some(until)) = (&mut from, self.told_until) {
            // What was cut off there is told whole.
            *from = (*from).min(until.saturating_sub(1));
        }
        let changes = from.map_or_else(Vec::new, |from| self.spans_from(from, to));
        if !changes.is_empty() {
            self.changed_from = None;
            self.grown = false;
            self.told_until = (self.open().from >= to).then_some(to);
        }
        changes
    }

    /// The span that goes on now.
    pub(super) fn newest(&self, to: u64) -> Option<Span> {
        let from = if to > self.open().from { self.open().from } else { to.saturating_sub(1) };
        self.spans_from(from, to).pop()
    }

    fn spans_from(&self, from: u64, to: u64) -> Vec<Span> {
        let ends = self.breaks.iter().skip(1).map(|next| next.from).chain([u64::MAX]);
        let spans = self.breaks.iter().zip(ends).filter(|(begin, end)| *end > from && begin.from < to);
        let span = |(begin, end): (&Break, u64)| Span {
            from: UnixMillis(begin.from),
            to: UnixMillis(end.min(to)),
            what: begin.what.clone(),
        };
        spans.map(span).collect()
    }

    fn open(&self) -> &Break {
        // There is always one: every way to make a tiling makes it, and `paint` keeps the last.
        &self.breaks[self.breaks.len() - 1]
    }

    /// Which span an instant is in; the first for what is before the start.
    fn place(&self, at: u64) -> usize {
        self.breaks.partition_point(|begin| begin.from <= at).saturating_sub(1)
    }

    /// Prolonged to neighbours that are as near as data from one source may lie.
    fn joined(&self, from: u64, to: u64) -> (u64, u64) {
        let mut joined = (from, to);
        // What ends where this begins, whatever is there now.
        let left = self.place(from.saturating_sub(1));
        if let Some(gap) = self.breaks.get(left)
            && is_pause(&gap.what)
            && left.checked_sub(1).and_then(|before| self.breaks.get(before)).is_some_and(is_received)
            && from.saturating_sub(gap.from) <= self.join_ms
        {
            joined.0 = gap.from;
        }
        let right = self.place(to);
        if let (Some(gap), Some(next)) = (self.breaks.get(right), self.breaks.get(right + 1))
            && is_pause(&gap.what)
            && is_received(next)
            && next.from.saturating_sub(to) <= self.join_ms
        {
            joined.1 = next.from;
        }
        joined
    }

    fn paint(&mut self, from: u64, to: u64, new: impl Fn(&What) -> Option<What>) {
        let start = self.breaks.first().map_or(0, |first| first.from);
        let from = from.max(start);
        if from >= to {
            return;
        }
        // One more on either side, since they may get the same word.
        let first = self.place(from).saturating_sub(1);
        let end = (self.breaks.partition_point(|begin| begin.from < to) + 1).min(self.breaks.len());
        let mut pieces: Vec<Break> = Vec::with_capacity(end - first + 2);
        let mut put = |from: u64, what: What| {
            if pieces.last().is_none_or(|last| last.what != what) {
                pieces.push(Break { from, what });
            }
        };
        for place in first..end {
            let Some(old) = self.breaks.get(place) else { break };
            let old_end = self.breaks.get(place + 1).map_or(u64::MAX, |next| next.from);
            let new = if old.from < to && old_end > from { new(&old.what) } else { None };
            let Some(new) = new else {
                put(old.from, old.what.clone());
                continue;
            };
            if old.from < from {
                put(old.from, old.what.clone());
            }
            put(old.from.max(from), new);
            // `to` without end is meant as such: the last span gets the word too.
            if old_end > to {
                put(to, old.what.clone());
            }
        }
        if self.breaks.get(first..end) == Some(pieces.as_slice()) {
            return;
        }
        // From the span before on, as its end may have grown since it was told.
        let told_from = self.breaks.get(first).map_or(start, |begin| begin.from);
        self.changed_from = Some(self.changed_from.map_or(told_from, |from| from.min(told_from)));
        self.breaks.splice(first..end, pieces);
        if self.breaks.len() > MAX_SPANS {
            self.coarsen();
        }
    }

    fn coarsen(&mut self) {
        let wanted = MAX_SPANS / 4 * 3;
        let mut gaps: Vec<_> = self
            .breaks
            .windows(3)
            .enumerate()
            .filter_map(|(place, three)| match three {
                [before, gap, after] if is_received(before) && gap.what.is_idle() && is_received(after) => {
                    Some((after.from - gap.from, place + 1))
                }
                _ => None,
            })
            .collect();
        gaps.sort_unstable();
        gaps.truncate((self.breaks.len() - wanted).div_ceil(2));
        for (ms, place) in gaps {
            if let Some(gap) = self.breaks.get_mut(place) {
                gap.what = What::Received;
                self.coarsened_ms += ms;
            }
        }
        self.merge_equal();
        while self.breaks.len() > wanted {
            self.join_shortest(self.breaks.len() - wanted);
        }
        // All of it may be other than it was told.
        self.changed_from = self.breaks.first().map(|first| first.from);
    }

    /// Joins so many of the shortest spans with the one before, under the worse of the two words.
    fn join_shortest(&mut self, mut count: usize) {
        // Neither the last, which has no end, nor the one before it, which may be growing.
        let inner = self.breaks.len().saturating_sub(2);
        let mut lengths: Vec<_> = self.breaks.windows(2).take(inner).skip(1).map(length).collect();
        lengths.sort_unstable();
        let Some(limit) = lengths.get(count.saturating_sub(1)).or(lengths.last()).copied() else { return };
        let mut kept: Vec<Break> = Vec::with_capacity(self.breaks.len());
        for (place, begin) in self.breaks.iter().enumerate() {
            let ms = self.breaks.get(place + 1).map_or(u64::MAX, |next| next.from - begin.from);
            match kept.last_mut() {
                Some(before) if place < inner && count > 0 && ms <= limit => {
                    count -= 1;
                    if begin.what.severity() > before.what.severity() {
                        self.coarsened_ms += begin.from - before.from;
                        before.what = begin.what.clone();
                    } else if begin.what != before.what {
                        self.coarsened_ms += ms;
                    }
                }
                Some(_) | None => kept.push(begin.clone()),
            }
        }
        self.breaks = kept;
        self.merge_equal();
    }

    fn merge_equal(&mut self) {
        self.breaks.dedup_by(|next, before| next.what == before.what);
    }
}

/// Of the first of two neighbours.
fn length(pair: &[Break]) -> u64 {
    if let [begin, next] = pair { next.from - begin.from } else { u64::MAX }
}

/// Whether a short stretch of this between data is the way of data. What was received had been opened, whatever clocks say.
fn is_pause(what: &What) -> bool {
    what.is_idle() || *what == What::BeforeStart
}

fn is_received(begin: &Break) -> bool {
    begin.what == What::Received
}

#[cfg(test)]
mod tests {
    use super::{super::word::Cause, MAX_SPANS, Queue, Span, Tiling, What};

    fn tiling() -> Tiling {
        Tiling::new(100, What::Silent, 10)
    }

    fn told(tiling: &Tiling, to: u64) -> Vec<(u64, u64, &'static str)> {
        tiling.spans(to).iter().map(|span| (span.from.0, span.to.0, span.what.word())).collect()
    }

    fn interrupt(tiling: &mut Tiling, from: u64, to: u64) {
        tiling.state(from, to, |_| Some(What::Interrupted { by: Cause::Frozen }));
    }

    #[test]
    fn data_in_order_is_one_span_and_a_gap_is_what_it_was() {
        let mut tiling = tiling();
        for step in 0..5 {
            tiling.received(120 + 20 * step, 140 + 20 * step);
        }
        tiling.received(229, 240);
        tiling.received(251, 260);
        let spans = [
            (100, 120, "silent"),
            (120, 240, "received"),
            (240, 251, "silent"),
            (251, 260, "received"),
            (260, 300, "silent"),
        ];
        assert_eq!(told(&tiling, 300), spans, "9 ms are jitter, 11 are not");
    }

    #[test]
    fn a_backlog_fills_an_interruption_and_what_it_leaves_stays() {
        let mut tiling = tiling();
        tiling.received(100, 200);
        interrupt(&mut tiling, 200, u64::MAX);
        tiling.state(400, u64::MAX, |_| Some(What::Silent));
        tiling.received(400, 500);
        tiling.received(205, 300);
        let spans = [
            (100, 200, "received"),
            (200, 205, "interrupted"),
            (205, 300, "received"),
            (300, 400, "interrupted"),
            (400, 500, "received"),
        ];
        assert_eq!(told(&tiling, 500), spans, "what is near is not joined over a loss");
        tiling.received(200, 400);
        assert_eq!(told(&tiling, 500), [(100, 500, "received")]);
    }

    #[test]
    fn a_loss_covers_what_was_received_and_a_state_covers_neither() {
        let mut tiling = tiling();
        tiling.received(100, 200);
        tiling.dropped(150, 170, Queue::Disk);
        tiling.dropped(160, 180, Queue::Events);
        tiling.received(140, 200);
        interrupt(&mut tiling, 100, 250);
        let spans = tiling.spans(300);
        let told: Vec<_> = spans.iter().map(|span| (span.from.0, span.to.0, span.what.to_string())).collect();
        let expected = [
            (100, 150, "received"),
            (150, 160, "dropped by disk"),
            (160, 180, "dropped by events"),
            (180, 200, "received"),
            (200, 250, "interrupted by frozen"),
            (250, 300, "silent"),
        ];
        assert_eq!(told, expected.map(|(from, to, what)| (from, to, what.to_owned())));
    }

    #[test]
    fn what_is_before_the_start_or_empty_changes_nothing() {
        let mut tiling = tiling();
        tiling.received(0, 100);
        tiling.received(150, 150);
        tiling.dropped(180, 120, Queue::Disk);
        assert_eq!(told(&tiling, 200), [(100, 200, "silent")]);
        tiling.received(50, 120);
        assert_eq!(told(&tiling, 200), [(100, 120, "received"), (120, 200, "silent")]);
        assert_eq!(told(&tiling, 100), []);
    }

    #[test]
    fn changes_are_told_once_and_growth_when_it_is_closed() {
        let mut tiling = tiling();
        let words = |spans: Vec<Span>| -> Vec<_> {
            spans.iter().map(|span| (span.from.0, span.to.0, span.what.word())).collect()
        };
        tiling.received(200, 220);
        assert_eq!(words(tiling.take_changes(220, false)), [(100, 200, "silent"), (200, 220, "received")]);
        tiling.received(220, 240);
        assert_eq!(words(tiling.take_changes(240, false)), []);
        assert_eq!(words(tiling.take_changes(2_239, false)), []);
        assert_eq!(words(tiling.take_changes(2_240, false)), [(200, 240, "received"), (240, 2_240, "silent")]);
        assert_eq!(words(tiling.take_changes(3_000, false)), []);
        interrupt(&mut tiling, 3_000, u64::MAX);
        let expected = [(200, 240, "received"), (240, 3_000, "silent"), (3_000, 3_100, "interrupted")];
        assert_eq!(words(tiling.take_changes(3_100, false)), expected);
        assert_eq!(tiling.newest(4_000).map(|span| (span.from.0, span.to.0)), Some((3_000, 4_000)));
    }

    #[test]
    fn a_line_has_a_bound_and_pauses_of_speech_go_first() {
        let mut tiling = tiling();
        let gap = |step: u64| 20 + step % 50;
        let mut at = 100;
        let mut received = 0;
        interrupt(&mut tiling, 50_000, 50_001);
        for step in 0..3 * MAX_SPANS as u64 {
            tiling.received(at, at + 20);
            received += 20;
            at += 20 + gap(step);
            assert!(tiling.breaks.len() <= MAX_SPANS);
        }
        let spans = tiling.spans(at);
        assert!(spans.len() > MAX_SPANS / 2);
        assert!(tiles(&spans, 100, at));
        assert!(spans.iter().any(|span| span.what.word() == "interrupted"), "a loss stays");
        let told: u64 = spans.iter().filter(|span| span.what == What::Received).map(Span::ms).sum();
        assert!(told > received && told - received <= tiling.coarsened_ms());
    }

    #[test]
    fn where_nothing_but_losses_is_there_they_become_longer() {
        let mut tiling = tiling();
        let mut lost = 0;
        for step in 0..2 * MAX_SPANS as u64 {
            let from = 100 + 100 * step;
            tiling.received(from, from + 50);
            interrupt(&mut tiling, from + 50, u64::MAX);
            lost += 50;
            assert!(tiling.breaks.len() <= MAX_SPANS);
        }
        let end = 100 + 200 * MAX_SPANS as u64;
        let spans = tiling.spans(end);
        assert!(tiles(&spans, 100, end));
        let told: u64 = spans.iter().filter(|span| span.what.word() == "interrupted").map(Span::ms).sum();
        assert!(told > lost, "no loss is hidden");
        assert_eq!(told - lost, tiling.coarsened_ms());
    }

    fn tiles(spans: &[Span], from: u64, to: u64) -> bool {
        let ends = spans.windows(2).all(|pair| pair[0].to == pair[1].from && pair[0].what != pair[1].what);
        ends && spans.first().is_some_and(|span| span.from.0 == from)
            && spans.last().is_some_and(|span| span.to.0 == to)
            && spans.iter().all(|span| span.from < span.to)
    }
}
