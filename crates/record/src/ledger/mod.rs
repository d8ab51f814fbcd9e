//! The ledger: what became of every second of a stream, per medium, in Zoom's milliseconds.
//!
//! The time from `rtms_started` to the end is tiled by [`Span`]s without hole or overlap, and each says what it was:
//! `received`, `silent`, `paused`, `before_start`, `interrupted` and by whom, `dropped` and by which queue, `off` and
//! why. It is a machine without clock, socket or file: [`Ledger::received`] tells of data, [`Ledger::tell`] of changes,
//! [`Ledger::advance`] of time that passed, and [`Ledger::report`] says how it stands.
//!
//! - **Data** lies where its timestamp says. What comes after an interruption for a time inside it makes it `received`;
//!   what stays uncovered stays `interrupted`. Several participants are one: if one was heard, the time is `received`.
//!   Order and repeats do not matter.
//! - **Changes** lie where they happened, and the one told last decides how it goes on. One for the worse that is told
//!   late covers states between then and what is known since, and never data; one for the better never reaches back
//!   beyond what is known, so that no clock makes a loss go away.
//! - **Cameras and screens**: a cut that begins while none is on hides nothing, as far as what is learnt afterwards does not
//!   contradict. A picture soon after the cut that no event announced makes all of it a loss; an event that tells of a time
//!   in it, the time from there on.
//! - **Losses** here cover what was received: something of that time is missing. What could not be read has no time of its
//!   own, so it covers nothing but silence.
//! - **Two clocks**: [`When`] says whose a time is, and [`ZoomClock`] turns ours into Zoom's.
//! - **A bound**: [`MAX_SPANS`] per medium, and how a longer one is coarsened.
//!
//! What Zoom stamped before `rtms_started` lies outside.
//!
//! ```
//! use rtms_record::ledger::{Cause, Change, Ledger, Scope, When};
//! use rtms_wire::{media::medium::Medium, time::UnixMillis};
//!
//! let at = |ms: u64| UnixMillis(1_795_420_800_000 + ms);
//! let mut ledger = Ledger::new(at(0), at(40));
//! ledger.tell(Change::Opened(Medium::Audio), When::Ours(at(300)), at(300));
//! ledger.received(Medium::Audio, at(0), 1_000, at(1_040));
//! ledger.tell(Change::Interrupted(Scope::Stream, Cause::Failover), When::Ours(at(1_040)), at(1_040));
//! ledger.tell(Change::Opened(Medium::Audio), When::Ours(at(3_040)), at(3_040));
//! ledger.received(Medium::Audio, at(1_500), 2_000, at(3_540)); // the backlog and what follows it
//! ledger.advance(at(5_040));
//!
//! let spans = &ledger.report().media[&Medium::Audio].spans;
//! let told: Vec<_> = spans.iter().map(|span| (span.ms(), span.what.to_string())).collect();
//! let told: Vec<_> = told.iter().map(|(ms, what)| (*ms, what.as_str())).collect();
//! assert_eq!(told, [(1_000, "received"), (500, "interrupted by failover"), (2_000, "received"), (500, "silent")]);
//! ```

mod account;
pub(crate) mod change;
pub(crate) mod clock;
pub(crate) mod report;
pub(crate) mod tiling;
pub(crate) mod word;

use std::collections::BTreeMap;

use rtms_wire::{SmolStr, ids::RtmsSessionId, media::medium::Medium, time::UnixMillis};

use crate::ledger::{
    account::{Account, MAX_REMEMBERED, UNDER_WAY_MS},
    tiling::Tiling,
};

pub use change::{Change, Scope, When};
pub use clock::ZoomClock;
pub use report::{LedgerReport, MediumReport, SpanChange};
pub use tiling::MAX_SPANS;
pub use word::{Cause, OffWhy, PausedBy, Queue, Span, What};

/// How long one message may last: more than a spoken sentence or a packet does.
pub(crate) const MAX_MESSAGE_MS: u64 = 60_000;

/// How far a change may lie ahead of our idea of Zoom's now. More is a wrong time, and now is taken for it.
const MAX_AHEAD_MS: u64 = 10_000;

/// The ledger of one stream.
#[derive(Clone, Debug)]
pub struct Ledger {
    started_at: UnixMillis,
    clock: ZoomClock,
    /// Zoom's now, as far as it was told.
    now: u64,
    stopped_at: Option<u64>,
    stream_paused: bool,
    /// Each with whether it is paused.
    sessions: BTreeMap<RtmsSessionId, bool>,
    /// Media that opened by our clock before anything was known of Zoom's: when by ours, and what that was taken for.
    opened_by_guess: Vec<(Medium, UnixMillis, u64)>,
    /// In the order of [`Medium::ALL`].
    media: [Account; 5],
}

impl Ledger {
    /// An empty ledger of a stream that began at `started_at` on Zoom's clock; `now` is ours.
    pub fn new(started_at: UnixMillis, now: UnixMillis) -> Self {
        let clock = ZoomClock::new(started_at, now);
        let media = Medium::ALL.map(|medium| Account::new(medium, started_at));
        let now = clock.to_zoom(now).0;
        let sessions = BTreeMap::new();
        let opened_by_guess = Vec::new();
        Self { started_at, clock, now, stopped_at: None, stream_paused: false, sessions, opened_by_guess, media }
    }

    /// Goes on with a ledger that was written down: the report, then what was told after it, in order.
    ///
    /// What is known of data since then is told by [`Ledger::found`]; [`Ledger::gap`] then says what lies between. Who
    /// had a camera on is not written down, so behind the gap it is off until somebody's goes on.
    pub fn resume(report: &LedgerReport, news: &[SpanChange]) -> Self {
        let none = MediumReport::default();
        let report_of = |medium| report.media.get(&medium).unwrap_or(&none);
        let is_paused = |medium| matches!(report_of(medium).last_state(), Some(What::Paused { .. }));
        let paused = Medium::ALL.into_iter().any(is_paused).then_some(PausedBy::Stream);
        let mut ledger = Self {
            started_at: report.from,
            clock: ZoomClock::resume(report.clock_ahead_ms),
            now: report.to.0,
            stopped_at: None,
            stream_paused: false,
            sessions: BTreeMap::new(),
            opened_by_guess: Vec::new(),
            media: Medium::ALL.map(|medium| Account::resume(medium, report, report_of(medium), paused)),
        };
        for change in news {
            ledger.now = ledger.now.max(change.span.to.0);
            if let Some(account) = ledger.account_mut(change.medium) {
                account.replay(change);
            }
        }
        let mut open_words = ledger.media.iter().map(|account| account.tiling.open_word());
        ledger.stream_paused = open_words.any(|what| matches!(what, What::Paused { .. }));
        ledger
    }

    /// A ledger for a recording of a version that kept none: what was received up to then is not known in detail.
    pub fn unrecorded(started_at: UnixMillis, until: UnixMillis, now: UnixMillis) -> Self {
        let mut ledger = Self::new(started_at, now);
        for account in &mut ledger.media {
            account.tiling.state(started_at.0, until.0, |_| Some(What::Unrecorded));
        }
        ledger.now = until.0.max(started_at.0);
        ledger
    }

    /// A ledger of which nothing is left: all time up to now is lost by this cause, but for what [`Ledger::found`] adds.
    pub fn lost(started_at: UnixMillis, cause: Cause, now: UnixMillis) -> Self {
        let mut ledger = Self::new(started_at, now);
        for account in &mut ledger.media {
            account.tiling.state(started_at.0, u64::MAX, |_| Some(What::Interrupted { by: cause }));
        }
        ledger
    }

    /// From the last that is known until a medium is opened again, nothing can have come: our doing.
    ///
    /// After a death ([`Cause::Restart`]) what was on its way to us at the last moment is lost too, so what looks like silence
    /// just before is not one, and nobody knows what became of a medium after it was last written down, which may be long
    /// before the end of what another one's files hold. After a stop in order the last moment is when the recording was
    /// closed, `left_at` on our clock: a line of transcript may have told of a later time. What was interrupted then goes on
    /// to be so by the same cause: a run that failed is joined again. Sound that Zoom kept since the start is lost either way,
    /// if none had come yet.
    pub fn gap(&mut self, cause: Cause, left_at: Option<UnixMillis>) {
        let left_at = left_at.map_or(u64::MAX, |ours| self.clock.to_zoom(ours).0.max(self.started_at.0));
        let since = self.end().min(left_at);
        let has_died = cause == Cause::Restart;
        for account in &mut self.media {
            if account.off.is_none() {
                let is_ours = |cause| matches!(cause, Cause::Restart | Cause::Takeover);
                let lasting = account.interrupted.filter(|lasting| cause == Cause::Takeover && !is_ours(lasting.by));
                let by = lasting.map_or(cause, |lasting| lasting.by);
                let known_until = if has_died { account.known_until(self.now).min(since) } else { since };
                let under_way_ms = if has_died { UNDER_WAY_MS } else { 0 };
                let last_moment = known_until.min(since.saturating_sub(under_way_ms));
                account.cut_off(by, last_moment, since);
                let interrupted = || Some(What::Interrupted { by });
                let awaits_backlog = account.medium == Medium::Audio && account.tiling.newest_data().is_none();
                let from = if awaits_backlog { 0 } else { last_moment };
                account.tiling.state(from, since, |old| (*old == What::BeforeStart).then(interrupted)?);
                // Something came of another medium, so the pause was over.
                account.tiling.state(known_until, since, |old| matches!(old, What::Paused { .. }).then(interrupted)?);
            }
            account.changed_at = since;
        }
    }

    /// Something was received: `timestamp` as Zoom gave it, for so many milliseconds; at least one is taken. `now` is
    /// ours. Data that was lost is told by [`Ledger::dropped`] instead.
    pub fn received(&mut self, medium: Medium, timestamp: UnixMillis, ms: u64, now: UnixMillis) {
        self.clock.observe(timestamp, now);
        self.found(medium, timestamp, UnixMillis(timestamp.0.saturating_add(ms.clamp(1, MAX_MESSAGE_MS))));
    }

    /// The same for what was received when nobody knows, and lies in a file.
    pub fn found(&mut self, medium: Medium, from: UnixMillis, to: UnixMillis) {
        if let Some(account) = self.account_mut(medium) {
            account.picture_came(from.0);
            account.tiling.received(from.0, to.0);
        }
    }

    /// Something was received and lost for lack of room: from the first timestamp that is lost to the end of the last.
    ///
    /// Told for each run of neighbours, as all of this time becomes `dropped`.
    pub fn dropped(&mut self, medium: Medium, from: UnixMillis, to: UnixMillis, queue: Queue) {
        // A wrong timestamp must not cost an hour.
        let now = self.now.max(self.end());
        let latest = now.saturating_add(MAX_AHEAD_MS);
        let [from, to] = [from.0, to.0].map(|at| if at > latest { now } else { at });
        if let Some(account) = self.account_mut(medium) {
            account.picture_came(from);
            account.tiling.dropped(from, to.max(from.saturating_add(1)), queue);
        }
    }

    /// What was received of this time is not kept after all.
    pub fn not_kept(&mut self, medium: Medium, from: UnixMillis, to: UnixMillis, queue: Queue) {
        if let Some(account) = self.account_mut(medium) {
            account.tiling.not_kept(from.0, to.0, queue);
        }
    }

    /// A message came `at` this time, which is ours, and could not be read. Messages of its medium last so many
    /// milliseconds.
    ///
    /// When it was made nobody knows. It is taken to have followed what was received just before, or to have come at
    /// once if there was nothing; data that is told later for the same time covers it.
    pub fn unreadable(&mut self, medium: Medium, at: UnixMillis, ms: u64) {
        let came = self.clock.to_zoom(at).0.max(self.started_at.0);
        self.now = self.now.max(came);
        let Some(account) = self.account_mut(medium) else { return };
        let newest = account.tiling.newest_data().map(|(_, until)| until);
        let from = newest.filter(|until| came.saturating_sub(*until) <= UNDER_WAY_MS);
        let from = from.unwrap_or(came.saturating_sub(ms));
        // However many come at once, they are not of times to come.
        if from <= came.saturating_add(ms) {
            account.tiling.unreadable(from, came.max(from.saturating_add(ms)));
        }
    }

    /// Something changed `at` that time; `now` is ours.
    pub fn tell(&mut self, change: Change, at: When, now: UnixMillis) {
        let is_guess = !self.clock.is_known();
        let told = at;
        let at = self.in_zooms_time(at, now);
        match (&change, told) {
            (Change::Opened(medium), When::Ours(ours))
                if is_guess && self.opened_by_guess.len() < Medium::ALL.len() =>
            {
                self.opened_by_guess.push((*medium, ours, at));
            }
            // A state is told at once, so it tells how far our clock is ahead. What was kept for us does not.
            (Change::Back(_) | Change::StreamPaused | Change::StreamResumed, When::Zoom(_))
            | (Change::SessionRuns(_) | Change::SessionPaused(_) | Change::SessionStopped(_), When::Zoom(_)) => {
                self.correct_openings();
            }
            _ => {}
        }
        let paused = self.paused();
        match change {
            Change::Opened(medium) => self.opened(medium, at),
            Change::Interrupted(scope, cause) => self.interrupted(scope, cause, at),
            Change::Back(scope) => self.back(scope, at),
            Change::Off(medium, why, detail) => self.off(medium, why, detail, at),
            Change::StreamPaused => {
                self.stream_paused = true;
                self.pauses_changed(at);
            }
            Change::StreamResumed => {
                self.stream_paused = false;
                self.pauses_changed(at);
            }
            Change::SessionRuns(session) => self.session(session, false, at),
            Change::SessionPaused(session) => self.session(session, true, at),
            Change::SessionStopped(session) => {
                self.sessions.remove(&session);
                self.pauses_changed(at);
            }
            Change::Shown(medium, who) => {
                if let Some(account) = self.account_mut(medium) {
                    account.show(who, at, paused);
                }
            }
            Change::Hidden(medium, who) => {
                if let Some(account) = self.account_mut(medium) {
                    account.hide(who.as_ref(), at, paused);
                }
            }
            Change::Stopped => {
                self.stopped_at = Some(at);
                for account in self.media.iter_mut().filter(|account| account.off.is_none()) {
                    account.never_opened();
                }
            }
        }
    }

    /// Nothing of the above may have happened, but time has passed: until `now`, which is ours.
    pub fn advance(&mut self, now: UnixMillis) {
        self.now = self.clock.to_zoom(now).0.max(self.started_at.0);
    }

    /// What changed since this was asked before.
    ///
    /// A span that becomes longer is told again when it is closed, so it costs nothing while it does.
    pub fn take_changes(&mut self) -> Vec<SpanChange> {
        let (to, is_over) = (self.end(), self.stopped_at.is_some());
        let mut changes = Vec::new();
        for account in &mut self.media {
            changes.extend(account.tiling.take_changes(to, is_over).into_iter().map(|span| {
                let open = span.to.0 == to;
                SpanChange { medium: account.medium, span, open }
            }));
        }
        changes
    }

    /// The span of each medium that goes on now.
    pub fn newest(&self) -> Vec<SpanChange> {
        let to = self.end();
        let newest = |account: &Account| {
            let span = account.tiling.newest(to)?;
            Some(SpanChange { medium: account.medium, span, open: true })
        };
        self.media.iter().filter_map(newest).collect()
    }

    /// How it stands.
    pub fn report(&self) -> LedgerReport {
        let to = self.end();
        let report = |account: &Account| {
            let (coarsened_ms, spans) = (account.tiling.coarsened_ms(), account.tiling.spans(to));
            (account.medium, MediumReport { coarsened_ms, spans })
        };
        LedgerReport {
            from: self.started_at,
            to: UnixMillis(to),
            clock_ahead_ms: self.clock.ahead_ms(),
            media: self.media.iter().map(report).collect(),
        }
    }

    /// Until when something was received, if the newest that is known of a medium is that.
    pub(crate) fn received_until(&self, medium: Medium) -> Option<UnixMillis> {
        let tiling = &self.media.iter().find(|account| account.medium == medium)?.tiling;
        let (what, until) = tiling.newest_data()?;
        (*what == What::Received && tiling.open_from() == until).then_some(UnixMillis(until))
    }

    /// A time of ours as Zoom's, as far as is known.
    pub fn to_zoom(&self, ours: UnixMillis) -> UnixMillis {
        self.clock.to_zoom(ours)
    }

    /// Learns from a time that Zoom wrote just before we read it, such as that of a webhook or a keep-alive.
    pub fn observe_clock(&mut self, zoom: UnixMillis, ours: UnixMillis) {
        self.clock.observe(zoom, ours);
    }

    /// How far it tells: to the stop, or to now, and to the end of the last data in any case.
    fn end(&self) -> u64 {
        let data = self.media.iter().filter_map(|account| account.tiling.newest_data().map(|(_, until)| until)).max();
        let data = data.unwrap_or(0);
        // What is off or interrupted since just now has its first millisecond, or nothing would tell of it.
        let is_told = |tiling: &&Tiling| matches!(tiling.open_word(), What::Off { .. } | What::Interrupted { .. });
        let told =
            self.media.iter().map(|account| &account.tiling).filter(is_told).map(|tiling| tiling.open_from() + 1);
        let now = self.stopped_at.unwrap_or_else(|| told.max().unwrap_or(0).max(self.now));
        now.max(data).max(self.started_at.0)
    }

    fn in_zooms_time(&mut self, at: When, now: UnixMillis) -> u64 {
        let latest = |clock: &ZoomClock| clock.to_zoom(now).0.saturating_add(MAX_AHEAD_MS);
        let at = match at {
            When::Zoom(at) if at >= self.started_at && at.0 <= latest(&self.clock) => {
                self.clock.observe(at, now);
                at.0
            }
            // A time that cannot be meant, such as 0.
            When::Zoom(_) => self.clock.to_zoom(now).0,
            When::Ours(at) => self.clock.to_zoom(at).0.min(latest(&self.clock)),
        };
        let at = at.max(self.started_at.0);
        self.now = self.now.max(at);
        at
    }

    /// Puts what opened by a guess where it opened on Zoom's clock: if our clock is ahead, that was earlier.
    fn correct_openings(&mut self) {
        let paused = self.paused();
        for (medium, ours, guess) in std::mem::take(&mut self.opened_by_guess) {
            let at = self.clock.to_zoom(ours).0.max(self.started_at.0);
            let Some(account) = self.account_mut(medium) else { continue };
            if at < guess && account.opened && account.changed_at == guess {
                let word = account.word(paused);
                account.changed_at = at;
                account.tiling.state(at, guess, |old| (*old == What::BeforeStart).then(|| word.clone()));
            }
        }
    }

    fn opened(&mut self, medium: Medium, at: u64) {
        let paused = self.paused();
        let Some(account) = self.account_mut(medium) else { return };
        (account.opened, account.off) = (true, None);
        account.reconnect(at, paused);
    }

    fn interrupted(&mut self, scope: Scope, cause: Cause, at: u64) {
        let paused = self.paused();
        for account in self.media.iter_mut().filter(|account| scope.has(account.medium) && account.off.is_none()) {
            account.interrupt(cause, at, paused);
        }
    }

    fn back(&mut self, scope: Scope, at: u64) {
        let paused = self.paused();
        for account in self.media.iter_mut().filter(|account| scope.has(account.medium)) {
            if account.interrupted.is_some() {
                account.reconnect(at, paused);
            }
        }
    }

    fn off(&mut self, medium: Medium, why: OffWhy, detail: Option<SmolStr>, at: u64) {
        let paused = self.paused();
        let Some(account) = self.account_mut(medium) else { return };
        // What was open was offered.
        let why = if why == OffWhy::NotOffered && account.opened { OffWhy::NotGranted } else { why };
        account.off = Some((why, detail.map(What::shorten)));
        // What nobody asked for was not lost, though nobody knew that when the account of it was.
        let is_unasked = matches!(why, OffWhy::NotWanted | OffWhy::NotOffered) && !account.opened;
        account.change(at, paused, |old| match old {
            What::BeforeStart => true,
            What::Interrupted { .. } => is_unasked,
            What::Silent | What::Off { .. } => old.is_idle(),
            What::Received | What::Paused { .. } | What::Dropped { .. } | What::Unrecorded => false,
        });
    }

    fn session(&mut self, session: RtmsSessionId, paused: bool, at: u64) {
        if self.sessions.len() < MAX_REMEMBERED || self.sessions.contains_key(&session) {
            self.sessions.insert(session, paused);
        }
        self.pauses_changed(at);
    }

    fn pauses_changed(&mut self, at: u64) {
        let paused = self.paused();
        for account in &mut self.media {
            match paused {
                Some(_) => account.change(at, paused, |old| old.is_idle() || matches!(old, What::Paused { .. })),
                None => account.go_on(at, paused),
            }
        }
    }

    fn paused(&self) -> Option<PausedBy> {
        if self.stream_paused {
            return Some(PausedBy::Stream);
        }
        let all = !self.sessions.is_empty() && self.sessions.values().all(|paused| *paused);
        all.then_some(PausedBy::Sessions)
    }

    fn account_mut(&mut self, medium: Medium) -> Option<&mut Account> {
        // By place, as this is done for each packet.
        let place = medium.bit().trailing_zeros() as usize;
        self.media.get_mut(place)
    }
}
