//! Whether that holds what a scenario expects.
//!
//! It is asked in two ways. Of our own client in virtual time everything is meant to the letter ([`Scenario::unmet`]).
//! Of a client of any make on real sockets ([`Scenario::outcome`]) time is measured with a leeway, what the client
//! never asked for cannot be missing, and the findings that are named are those that the story brings about: who has
//! none of them is the better client.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rtms_wire::{codes::product::Product, ids::UserId, media::medium::Medium, time::UnixMillis};

use crate::{
    fault::{Target, Trouble},
    judge::report::{ScenarioReport, StreamReport},
    meeting::utterance::GRID_MS,
    scenario::{definition::Scenario, witness::Witness},
    sent::Sent,
    signaling::phone_party,
    webhook::delivery::Delivery,
    zoom::machine::Zoom,
};

/// What expectations are held against, and how closely.
#[derive(Clone, Copy)]
struct Case<'a> {
    zoom: &'a Zoom,
    witness: &'a Witness,
    /// Whether the client may be of any make, and chooses what it asks for.
    is_anybodys: bool,
}

impl Case<'_> {
    /// On real sockets, so much later a client may be back: a busy machine takes its time.
    const LATER: Duration = Duration::from_secs(2);

    /// On real sockets, so much sound may be missing at the edges of what is looked at.
    const MISSING: Duration = Duration::from_millis(500);

    /// On real sockets, a line that is due so soon after a connection was opened may have been too early for it.
    const TOO_EARLY_MS: u64 = 1_000;

    /// What is allowed on real sockets only.
    fn leeway(&self, allowed: Duration) -> Duration {
        if self.is_anybodys { allowed } else { Duration::ZERO }
    }

    /// Whether this medium can be missed.
    fn is_asked_for(&self, medium: Medium) -> bool {
        !self.is_anybodys || self.zoom.tally().asked.contains(&medium)
    }

    fn since_start(&self, at: UnixMillis) -> u64 {
        self.witness.since_start(at)
    }
}

impl Scenario {
    /// What does not hold of a stream that has ended, in words, every word of it meant; nothing if all is as the
    /// scenario says.
    pub fn unmet(&self, zoom: &Zoom, sent: &[Sent]) -> Vec<String> {
        let witness = Witness::of(sent, zoom.start());
        let mut unmet = self.unmet_in(Case { zoom, witness: &witness, is_anybodys: false });
        unmet.extend(self.other_findings(zoom));
        unmet
    }

    /// Returns the report on a client of any make that has played this scenario in memory: findings that the story
    /// brings about do not count, and what it expects does, as far as it can be asked of that client.
    pub fn judge(&self, zoom: &Zoom, sent: &[Sent]) -> StreamReport {
        self.judge_visited(zoom, &Witness::of(sent, zoom.start()), is_heard(zoom))
    }

    /// Returns the same for a stream whose witness saw everything that was sent while it was sent.
    pub fn judge_witnessed(&self, zoom: &Zoom, witness: &Witness) -> StreamReport {
        self.judge_visited(zoom, witness, zoom.webhooks_are_posted() && is_heard(zoom))
    }

    /// `is_heard` says whether a webhook was accepted.
    fn judge_visited(&self, zoom: &Zoom, witness: &Witness, is_heard: bool) -> StreamReport {
        let is_visited = is_heard || zoom.tally().attempts > 0;
        let mut report = zoom.report();
        report.judge_by(&self.expect.findings, self.outcome(zoom, witness, is_visited));
        report
    }

    /// What holds and does not of a stream with a client of any make. `is_visited` says whether there was a client at
    /// all.
    fn outcome(&self, zoom: &Zoom, witness: &Witness, is_visited: bool) -> ScenarioReport {
        let case = Case { zoom, witness, is_anybodys: true };
        let (unmet, unchecked) = if witness.is_cut_short {
            (Vec::new(), vec!["anything: the stream was ended before the scenario was over".to_owned()])
        } else if !is_visited {
            (vec!["nobody came: no connection was tried, and no webhook was accepted".to_owned()], Vec::new())
        } else {
            (self.unmet_in(case), self.unchecked_in(case))
        };
        let nobody_joins = self.expect.joins.is_some_and(|joins| joins.holds(0));
        ScenarioReport { name: self.name.clone(), unmet, unchecked, nobody_joins }
    }

    fn unmet_in(&self, case: Case<'_>) -> Vec<String> {
        let Case { zoom, witness, .. } = case;
        let expect = &self.expect;
        let mut unmet = Vec::new();
        match zoom.over() {
            None => unmet.push("the stream has not ended".to_owned()),
            Some((_, reason)) if reason != expect.ended => {
                unmet.push(format!("the stream ended with {reason}, not with {}", expect.ended));
            }
            Some(_) => {}
        }
        let joined = witness.counts.joins;
        if let Some(joins) = expect.joins.filter(|joins| !joins.holds(joined)) {
            unmet.push(format!("signaling was joined {joined} times, not {joins}"));
        }
        let is_missing =
            |medium: &&Medium| !witness.media.contains(medium) && self.unchecked_why(**medium, case).is_none();
        for medium in expect.media.iter().filter(is_missing) {
            unmet.push(format!("no {medium} was sent"));
        }
        for medium in expect.no_media.iter().filter(|medium| witness.media.contains(medium)) {
            unmet.push(format!("{medium} was sent"));
        }
        for medium in expect.media_complete.iter().filter(|medium| self.unchecked_why(**medium, case).is_none()) {
            match medium {
                Medium::Audio => unmet.extend(self.missing_sound(case)),
                Medium::Transcript => {
                    let lines = zoom.meeting().transcript(!case.is_anybodys).into_iter().map(|line| line.at_ms);
                    unmet.extend(missing_lines(lines, witness.counts.transcript, "transcript", case));
                }
                Medium::Chat => {
                    let lines = zoom.meeting().chat.iter().map(|line| line.at_ms);
                    unmet.extend(missing_lines(lines, witness.counts.chat, "chat", case));
                }
                // Parsing refuses these.
                Medium::Video | Medium::Deskshare => {}
            }
        }
        unmet.extend(self.late_returns(case));
        unmet
    }

    /// What cannot be asked of this client, and why.
    fn unchecked_in(&self, case: Case<'_>) -> Vec<String> {
        let expected: BTreeSet<_> = self.expect.media.iter().chain(&self.expect.media_complete).collect();
        expected
            .into_iter()
            .filter_map(|medium| Some(format!("{medium}: {}", self.unchecked_why(*medium, case)?)))
            .collect()
    }

    fn unchecked_why(&self, medium: Medium, case: Case<'_>) -> Option<&'static str> {
        if !case.is_asked_for(medium) {
            Some("the client never asked for it")
        } else if medium == Medium::Transcript && case.is_anybodys && case.zoom.meeting().transcript(true).is_empty() {
            Some("nobody knows the words of the sound that was played")
        } else {
            None
        }
    }

    fn other_findings(&self, zoom: &Zoom) -> Vec<String> {
        let found: Vec<_> = zoom.findings().iter().map(|finding| &finding.mistake).collect();
        let expected = &self.expect.findings;
        let unexpected = found.iter().filter(|mistake| !expected.iter().any(|name| name == mistake.name()));
        let unexpected = unexpected.map(|mistake| format!("finding {}: the client {mistake}", mistake.name()));
        let absent = expected.iter().filter(|name| found.iter().all(|mistake| mistake.name() != **name));
        let absent = absent.map(|name| format!("there is no finding {name}"));
        unexpected.chain(absent).collect()
    }

    /// Stretches of speech that were never sent.
    fn missing_sound(&self, case: Case<'_>) -> Option<String> {
        let Case { zoom, witness, .. } = case;
        let meeting = zoom.meeting();
        let joined = witness.joined.first().map_or(0, |at| case.since_start(*at));
        let mut from_ms = self.expect.complete_from.map_or(joined, millis);
        if case.is_anybodys && !zoom.wants_backlog() {
            // It asked for nothing from before it could listen.
            from_ms = from_ms.max(witness.first_sound().unwrap_or(joined));
        }
        // A packet that the end cuts short is never complete.
        let end_ms = zoom.over().map_or(meeting.duration_ms, |(at, _)| case.since_start(at));
        let end_ms = end_ms.min(meeting.duration_ms).saturating_sub(witness.packet_ms + 100);
        let unsent = self.unsent(witness.packet_ms + 100);
        let mut slots: BTreeMap<u64, Vec<&UserId>> = BTreeMap::new();
        for said in &meeting.utterances {
            // A channel of a Phone call is heard, not each person on it.
            let is_phone = zoom.product() == Product::Phone;
            let voice = if is_phone { phone_party(said.speaker) } else { said.speaker };
            let Some(who) = meeting.participants.get(voice) else { continue };
            for slot in (said.start_ms..said.end_ms).step_by(GRID_MS as usize) {
                slots.entry(slot).or_default().push(&who.user_id);
            }
        }
        // Beyond three voices at once, Zoom sends three.
        let missing: Vec<u64> = slots
            .into_iter()
            .filter(|(slot, speakers)| (from_ms..end_ms).contains(slot) && speakers.len() <= 3)
            .filter(|(slot, _)| !unsent.iter().any(|(from, to)| (*from..*to).contains(slot)))
            .filter(|(slot, speakers)| !witness.heard_all(*slot, speakers))
            .map(|(slot, _)| slot)
            .collect();
        let lost = Duration::from_millis(missing.len() as u64 * GRID_MS);
        let allowed = self.expect.missing_at_most + case.leeway(Case::MISSING);
        let first = missing.first().filter(|_| lost > allowed)?;
        Some(format!("{lost:?} of speech were never sent, the first at {:?}", Duration::from_millis(*first)))
    }

    /// Stretches of time whose sound Zoom itself has not, with so many milliseconds around them: a packet that is half
    /// in one is not sent.
    fn unsent(&self, around: u64) -> Vec<(u64, u64)> {
        let mut unsent = Vec::new();
        let mut paused = None;
        for incident in &self.incidents {
            let at = millis(incident.at);
            match &incident.what {
                Trouble::Pause | Trouble::Stop { .. } => paused = paused.or(Some(at)),
                Trouble::Resume | Trouble::StartsAgain => {
                    unsent.extend(paused.take().map(|from| (from.saturating_sub(around), at + around)))
                }
                Trouble::Gap { medium: Medium::Audio, lasts } => {
                    unsent.push((at.saturating_sub(around), at + millis(*lasts) + around));
                }
                Trouble::Cut { .. }
                | Trouble::Close { .. }
                | Trouble::Freeze { .. }
                | Trouble::Vanish { .. }
                | Trouble::SkipKeepAlive { .. }
                | Trouble::Failover { .. }
                | Trouble::Down { .. }
                | Trouble::Interrupted { .. }
                | Trouble::SessionStarts
                | Trouble::SessionStops { .. }
                | Trouble::StartRepeated
                | Trouble::StartRepeatedLate
                | Trouble::StartOutdated
                | Trouble::Nonsense { .. }
                | Trouble::Gap { .. }
                | Trouble::Repeat { .. } => {}
            }
        }
        unsent.extend(paused.map(|from| (from.saturating_sub(around), u64::MAX)));
        unsent
    }

    /// Losses of connections after which the next handshake was late.
    fn late_returns(&self, case: Case<'_>) -> Vec<String> {
        let Some(within) = self.expect.back_within else { return Vec::new() };
        let mut late = Vec::new();
        for incident in &self.incidents {
            let target = match &incident.what {
                Trouble::Cut { target } | Trouble::Close { target, .. } => *target,
                Trouble::Failover { .. } | Trouble::Interrupted { breaks: true, .. } => Target::Everything,
                Trouble::Freeze { .. }
                | Trouble::Vanish { .. }
                | Trouble::SkipKeepAlive { .. }
                | Trouble::Down { .. }
                | Trouble::Interrupted { .. }
                | Trouble::Pause
                | Trouble::Resume
                | Trouble::SessionStarts
                | Trouble::SessionStops { .. }
                | Trouble::Stop { .. }
                | Trouble::StartRepeated
                | Trouble::StartRepeatedLate
                | Trouble::StartOutdated
                | Trouble::StartsAgain
                | Trouble::Nonsense { .. }
                | Trouble::Gap { .. }
                | Trouble::Repeat { .. } => continue,
            };
            let at = case.zoom.start() + incident.at;
            let latest = at + within + case.leeway(Case::LATER);
            let is_back = |times: &[UnixMillis]| times.iter().any(|time| (at..=latest).contains(time));
            let (wants_signaling, wants_media) = match target {
                Target::Signaling | Target::Everything => (true, true),
                Target::Media => (false, true),
                Target::Medium(medium) => (false, case.is_asked_for(medium)),
            };
            // What a client of any make has not opened before, it cannot have lost.
            let had_media = !case.is_anybodys || case.witness.opened.iter().any(|time| *time < at);
            let is_late = wants_signaling && !is_back(&case.witness.joined)
                || wants_media && had_media && !is_back(&case.witness.opened);
            if is_late {
                late.push(format!("not back {within:?} after what happened at {:?}", incident.at));
            }
        }
        late
    }
}

/// Lines of text, by when they are due, of which fewer were sent.
fn missing_lines(due: impl Iterator<Item = u64>, sent: u64, of: &str, case: Case<'_>) -> Option<String> {
    let opened = case.witness.opened.first().filter(|_| case.is_anybodys);
    let from_ms = opened.map_or(0, |at| case.since_start(*at) + Case::TOO_EARLY_MS);
    let lines = due.filter(|due_ms| *due_ms >= from_ms).count() as u64;
    (sent < lines).then(|| format!("{sent} of {lines} lines of {of} were sent"))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whether the client accepted a webhook.
fn is_heard(zoom: &Zoom) -> bool {
    zoom.deliveries().iter().any(Delivery::is_accepted)
}
