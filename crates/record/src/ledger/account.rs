//! What is known of one medium: its tiling, the conditions that explain the next word, and what a cut may have hidden.
//!
//! What is known of cameras and screens before a cut holds within it. If none was on, a cut hides nothing, unless what is
//! learnt afterwards contradicts: an event with a time inside the cut, or a picture soon after it that no event announced.
//! No document says that Zoom sends an event again that fell into a cut (docs/protocol.md#clocks-and-windows). Each such cut
//! is kept as a [`Doubt`] until it is settled.

use std::collections::BTreeSet;

use rtms_wire::{SmolStr, ids::UserId, media::medium::Medium, time::UnixMillis};

use crate::ledger::{
    report::{LedgerReport, MediumReport, SpanChange},
    tiling::{CLOSED_AFTER_MS, Tiling},
    word::{Cause, OffWhy, PausedBy, Span, What},
};

/// How long something may be on its way from Zoom to us.
pub(super) const UNDER_WAY_MS: u64 = 1_000;

/// Sessions and people with camera or screen that are remembered. A meeting has one session per user of the app.
pub(super) const MAX_REMEMBERED: usize = 1024;

/// Gaps in sound that are jitter: half of Zoom's shortest packet, so that a single lost packet is seen.
const SOUND_JOIN_MS: u64 = 10;

/// Gaps between pictures that are the way of pictures: Zoom's slowest rate is one a second.
const PICTURE_JOIN_MS: u64 = 1_000;

/// How long before a cut the last picture may lie for a camera of which no event told to count as on.
const RECENT_MS: u64 = 2 * PICTURE_JOIN_MS;

/// How long after a cut a picture that no event announced means that its camera went on within the cut. A decoder that joins
/// anew waits for the next key picture, which takes seconds.
const SOON_MS: u64 = 10_000;

/// Cuts of a medium that are in doubt at once. Beyond it the oldest stays what it is.
const MAX_DOUBTS: usize = 64;

/// What is known of one medium.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) medium: Medium,
    pub(super) tiling: Tiling,
    pub(super) opened: bool,
    pub(super) interrupted: Option<Interruption>,
    pub(super) off: Option<(OffWhy, Option<SmolStr>)>,
    /// Whose camera or screen is on.
    shown: BTreeSet<UserId>,
    /// When the last camera or screen went off.
    hidden_at: u64,
    /// Cuts that began while no camera or screen was on, and that nothing has settled yet.
    doubts: Vec<Doubt>,
    /// The newest change that was applied.
    pub(super) changed_at: u64,
}

/// An interruption that lasts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interruption {
    pub(super) by: Cause,
    /// Since when only signs of it were told.
    unexplained_since: Option<u64>,
    /// Whether a camera or screen was on when it began. Sound and words always count as on.
    was_on: bool,
}

/// A cut in which a camera or screen may have gone on without our knowing.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    from: u64,
    /// `u64::MAX` while it lasts.
    to: u64,
    by: Cause,
    /// The earliest picture soon after it that no event announced.
    picture_at: Option<u64>,
}

impl Account {
    pub(super) fn new(medium: Medium, started_at: UnixMillis) -> Self {
        Self {
            medium,
            tiling: Tiling::new(started_at.0, What::BeforeStart, join_ms(medium)),
            opened: false,
            interrupted: None,
            off: None,
            shown: BTreeSet::new(),
            hidden_at: 0,
            doubts: Vec::new(),
            changed_at: started_at.0,
        }
    }

    pub(super) fn resume(
        medium: Medium,
        whole: &LedgerReport,
        report: &MediumReport,
        paused: Option<PausedBy>,
    ) -> Self {
        let mut account = Self::new(medium, whole.from);
        let received = report.spans.iter().any(|span| span.what == What::Received);
        let last = report.last_state().cloned().unwrap_or(What::BeforeStart);
        account.learn(last.clone(), received);
        account.interrupted = report.spans.last().and_then(|span| Interruption::that_lasts(&span.what));
        account.changed_at = whole.to.0;
        let open = if last.is_idle() { last } else { account.word(paused) };
        account.tiling = Tiling::resume(whole.from.0, &report.spans, report.coarsened_ms, open, join_ms(medium));
        account
    }

    /// Takes over a line that was written after the report.
    pub(super) fn replay(&mut self, change: &SpanChange) {
        let Span { from, to, what } = change.span.clone();
        self.interrupted = Interruption::that_lasts(&what);
        if what == What::Received {
            self.opened = true;
        }
        if change.open && !what.is_data() {
            self.tiling.state(from.0, u64::MAX, |_| Some(what.clone()));
            self.learn(what, false);
        } else {
            self.tiling.paint_span(&Span { from, to, what });
        }
        self.changed_at = self.changed_at.max(to.0);
    }

    /// Up to when a ledger that was written down to `until` tells what became of this medium.
    ///
    /// The begin of data is written at once, and its end after [`CLOSED_AFTER_MS`]: before that, nothing says how long it
    /// went on.
    pub(super) fn known_until(&self, until: u64) -> u64 {
        let newest = self.tiling.newest_data().map(|(_, end)| end);
        let goes_on = newest.filter(|end| end.saturating_add(CLOSED_AFTER_MS) > self.changed_at);
        goes_on.map_or(until, |end| end.min(until))
    }

    /// The conditions that explain a word.
    fn learn(&mut self, what: What, received: bool) {
        let is_unoffered = matches!(what, What::Off { why: OffWhy::NotWanted | OffWhy::NotOffered, .. });
        self.opened |= received || !(is_unoffered || matches!(what, What::BeforeStart | What::Unrecorded));
        self.off = match what {
            What::Off { why, detail } if !matches!(why, OffWhy::CameraOff | OffWhy::NobodyShares) => {
                Some((why, detail))
            }
            What::Off { .. }
            | What::Received
            | What::Silent
            | What::Paused { .. }
            | What::BeforeStart
            | What::Interrupted { .. }
            | What::Dropped { .. }
            | What::Unrecorded => None,
        };
    }

    /// The word of time for which nothing is received.
    pub(super) fn word(&self, paused: Option<PausedBy>) -> What {
        if let Some((why, detail)) = &self.off {
            return What::Off { why: *why, detail: detail.clone() };
        }
        if let Some(interruption) = self.interrupted
            && (!self.opened || interruption.was_on || !self.shown.is_empty())
        {
            return What::Interrupted { by: interruption.by };
        }
        if !self.opened {
            return What::BeforeStart;
        }
        if let Some(by) = paused {
            return What::Paused { by };
        }
        match self.off_word() {
            Some(off) if self.shown.is_empty() => off,
            Some(_) | None => What::Silent,
        }
    }

    /// The word while no camera or screen is on; none for sound and words.
    fn off_word(&self) -> Option<What> {
        let why = match self.medium {
            Medium::Video => OffWhy::CameraOff,
            Medium::Deskshare => OffWhy::NobodyShares,
            Medium::Audio | Medium::Transcript | Medium::Chat => return None,
        };
        Some(What::Off { why, detail: None })
    }

    /// The conditions became better at this time, or at that of the newest change if that is later: whatever clocks
    /// say, what was lost before it stays lost.
    pub(super) fn go_on(&mut self, at: u64, paused: Option<PausedBy>) {
        let word = self.word(paused);
        self.changed_at = self.changed_at.max(at);
        self.tiling.state(self.changed_at, u64::MAX, |_| Some(word.clone()));
    }

    /// The conditions changed at this time. From then on, or from the newest change on if that is later, it is as they
    /// say; what lies between changes where this change has a say.
    pub(super) fn change(&mut self, at: u64, paused: Option<PausedBy>, has_a_say: impl Fn(&What) -> bool) {
        let word = self.word(paused);
        self.tiling.state(at, self.changed_at, |old| has_a_say(old).then(|| word.clone()));
        self.changed_at = self.changed_at.max(at);
        self.tiling.state(self.changed_at, u64::MAX, |_| Some(word.clone()));
    }

    /// Nothing can come since this time.
    pub(super) fn interrupt(&mut self, cause: Cause, at: u64, paused: Option<PausedBy>) {
        let lasting = self.interrupted;
        let first = lasting.and_then(|lasting| lasting.unexplained_since).map_or(at, |first| first.min(at));
        let at = if cause == Cause::Failover { first } else { at };
        let unexplained_since = cause.is_sign().then_some(first);
        let was_on = lasting.map_or_else(|| self.is_on(at), |lasting| lasting.was_on);
        self.interrupted = Some(Interruption { by: cause, unexplained_since, was_on });
        let hides_something = matches!(self.word(paused), What::Interrupted { .. });
        if !hides_something {
            self.doubt(at, cause);
        }
        // What events told of cameras since then holds.
        let was_told = !self.shown.is_empty();
        let has_a_say = |old: &What| match old {
            What::Silent | What::Interrupted { .. } => true,
            What::BeforeStart | What::Paused { .. } => hides_something,
            What::Off { .. } => old.is_idle() && hides_something && !was_told,
            What::Received | What::Dropped { .. } | What::Unrecorded => false,
        };
        let lost = What::Interrupted { by: cause };
        self.tiling.state(at, self.changed_at, |old| has_a_say(old).then(|| lost.clone()));
        self.go_on(at, paused);
    }

    /// The process ended at this time or up to `since`, and nothing can have come from then on.
    pub(super) fn cut_off(&mut self, by: Cause, at: u64, since: u64) {
        // Who had a camera on is not written down; the last word of the ledger tells whether somebody had.
        let is_off = matches!(self.tiling.open_word(), What::Off { .. }) && !self.is_on(since);
        let was_on = self.interrupted.is_some() || !is_off;
        self.interrupted = Some(Interruption { by, unexplained_since: None, was_on });
        if was_on || !self.opened {
            let interrupted = || Some(What::Interrupted { by });
            self.tiling.state(at, since, |old| old.is_idle().then(interrupted)?);
            self.tiling.state(since, u64::MAX, |_| interrupted());
        } else {
            self.doubt(at, by);
        }
    }

    /// The stream is over. A medium that never was opened was missed from the beginning, however short the stream was.
    pub(super) fn never_opened(&mut self) {
        if !self.opened && self.tiling.newest_data().is_none() {
            let missed = What::Interrupted { by: Cause::Unreached };
            self.tiling.state(0, u64::MAX, |old| (*old == What::BeforeStart).then(|| missed.clone()));
        }
    }

    /// An interruption is over, if there was one.
    pub(super) fn reconnect(&mut self, at: u64, paused: Option<PausedBy>) {
        self.interrupted = None;
        let to = self.changed_at.max(at);
        for lasting in self.doubts.iter_mut().filter(|doubt| doubt.to == u64::MAX) {
            lasting.to = to.max(lasting.from);
        }
        self.go_on(at, paused);
    }

    /// Somebody's camera or screen is on since this time.
    pub(super) fn show(&mut self, who: UserId, at: u64, paused: Option<PausedBy>) {
        if self.shown.len() < MAX_REMEMBERED {
            self.shown.insert(who);
        }
        self.settle(at);
        self.camera_changed(at, paused);
    }

    /// Somebody's is off, or everybody's.
    pub(super) fn hide(&mut self, who: Option<&UserId>, at: u64, paused: Option<PausedBy>) {
        let was_known = match who {
            Some(who) => self.shown.remove(who),
            None => {
                self.shown.clear();
                true
            }
        };
        self.hidden_at = self.hidden_at.max(at);
        if let Some(lasting) = self.interrupted.as_mut().filter(|_| was_known && self.shown.is_empty()) {
            let by = lasting.by;
            lasting.was_on = false;
            if self.opened {
                self.doubt(at.max(self.changed_at), by);
            }
        }
        self.camera_changed(at, paused);
    }

    fn camera_changed(&mut self, at: u64, paused: Option<PausedBy>) {
        if self.interrupted.is_some() {
            // What was before the cut is not for this to say.
            self.go_on(at, paused);
        } else {
            self.change(at, paused, What::is_idle);
        }
    }

    /// Whether something was to be expected of this medium at this time: of pictures, as far as events and the last
    /// pictures tell.
    fn is_on(&self, at: u64) -> bool {
        if self.off_word().is_none() || !self.shown.is_empty() {
            return true;
        }
        let newest = self.tiling.newest_data().map(|(_, until)| until);
        newest.is_some_and(|until| {
            until.saturating_add(RECENT_MS) >= at && until > self.hidden_at.saturating_add(UNDER_WAY_MS)
        })
    }

    /// A cut begins in which, as far as is known, no camera or screen was on. Another cause of the same takes over.
    fn doubt(&mut self, from: u64, by: Cause) {
        // None reaches into another, whatever clocks say.
        self.doubts.retain(|doubt| doubt.from < from);
        for doubt in &mut self.doubts {
            doubt.to = doubt.to.min(from);
        }
        if self.doubts.len() >= MAX_DOUBTS {
            self.doubts.remove(0);
        }
        self.doubts.push(Doubt { from, to: u64::MAX, by, picture_at: None });
    }

    /// A picture is of this time. If no event announced it, its camera may have gone on in the cut before.
    pub(super) fn picture_came(&mut self, at: u64) {
        let mut is_lost_yet = false;
        for doubt in &mut self.doubts {
            if at < doubt.from || at >= doubt.to.saturating_add(SOON_MS) {
                continue;
            }
            doubt.picture_at = Some(doubt.picture_at.map_or(at, |earliest| earliest.min(at)));
            is_lost_yet |= doubt.to == u64::MAX;
            lose(&mut self.tiling, doubt.from, doubt);
        }
        if let Some(lasting) = self.interrupted.as_mut().filter(|_| is_lost_yet) {
            lasting.was_on = true;
        }
    }

    /// A camera or screen went on at this time, so it is known what each cut hid.
    fn settle(&mut self, at: u64) {
        let off = self.off_word();
        for doubt in std::mem::take(&mut self.doubts) {
            if let (Some(picture_at), Some(off)) = (doubt.picture_at, &off) {
                if at > picture_at.saturating_add(UNDER_WAY_MS) {
                    // Another camera: the picture was not of this one.
                    continue;
                }
                let lost = What::Interrupted { by: doubt.by };
                self.tiling.state(doubt.from, at.min(doubt.to), |old| (*old == lost).then(|| off.clone()));
            }
            lose(&mut self.tiling, at.max(doubt.from), &doubt);
        }
    }
}

/// From this time on, a cut hid something.
fn lose(tiling: &mut Tiling, from: u64, doubt: &Doubt) {
    if from < doubt.to {
        tiling.state(from, doubt.to, |old| {
            let is_nothing = old.is_idle() || matches!(old, What::Paused { .. });
            is_nothing.then_some(What::Interrupted { by: doubt.by })
        });
    }
}

impl Interruption {
    /// The one that an earlier process left, if it did.
    fn that_lasts(what: &What) -> Option<Self> {
        let What::Interrupted { by } = what else { return None };
        Some(Self { by: *by, unexplained_since: None, was_on: true })
    }
}

fn join_ms(medium: Medium) -> u64 {
    match medium {
        Medium::Audio => SOUND_JOIN_MS,
        Medium::Video | Medium::Deskshare => PICTURE_JOIN_MS,
        Medium::Transcript | Medium::Chat => 0,
    }
}
