//! What must hold at the end of a scenario, and whether it does: asked of what Zoom sent and found, never of the client.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rtms_wire::{
    codes::{status_code::StatusCode, stop_reason::StopReason},
    ids::UserId,
    media::medium::Medium,
    time::UnixMillis,
};
use serde::Deserialize;

use super::Scenario;
use crate::{
    fault::{Target, Trouble},
    findings::Finding,
    meeting::GRID_MS,
    sent::{Sent, SentCounts, What},
    zoom::Zoom,
};

/// What must hold at the end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Why the stream ended: the number of the stop reason.
    pub ended: StopReason,
    /// How often signaling was joined.
    #[serde(default)]
    pub joins: Option<Count>,
    /// Media of which nothing is missing: every packet of sound from the first join on, or from `complete_from`; every line of
    /// transcript or chat.
    #[serde(default)]
    pub media_complete: Vec<Medium>,
    /// From when on the sound has to be complete, since the start of the stream.
    #[serde(default, with = "humantime_serde")]
    pub complete_from: Option<Duration>,
    /// How much of the sound may be missing all the same.
    #[serde(default, with = "humantime_serde")]
    pub missing_at_most: Duration,
    /// Media of which something must have been sent.
    #[serde(default)]
    pub media: Vec<Medium>,
    /// Media of which nothing may have been sent.
    #[serde(default)]
    pub no_media: Vec<Medium>,
    /// In which time after each loss of a connection there was the next handshake of its kind.
    #[serde(default, with = "humantime_serde")]
    pub back_within: Option<Duration>,
    /// Findings that have to be there. Any other is one too many.
    #[serde(default)]
    pub findings: Vec<String>,
}

/// A number, or bounds of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a number, or { at_least = …, at_most = … }")]
pub enum Count {
    /// Exactly so many.
    Exactly(u64),
    /// From one to the other, both included.
    #[serde(rename_all = "snake_case")]
    Between {
        /// The smallest.
        at_least: u64,
        /// The largest.
        at_most: u64,
    },
}

impl Count {
    fn holds(self, number: u64) -> bool {
        match self {
            Self::Exactly(exactly) => number == exactly,
            Self::Between { at_least, at_most } => (at_least..=at_most).contains(&number),
        }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exactly(exactly) => write!(f, "{exactly}"),
            Self::Between { at_least, at_most } => write!(f, "{at_least} to {at_most}"),
        }
    }
}

impl Scenario {
    /// What does not hold of a stream that has ended, in words; nothing if all is as the scenario says.
    pub fn unmet(&self, zoom: &Zoom, sent: &[Sent]) -> Vec<String> {
        let expect = &self.expect;
        let mut unmet = Vec::new();
        match zoom.over() {
            None => unmet.push("the stream has not ended".to_owned()),
            Some((_, reason)) if reason != expect.ended => {
                unmet.push(format!("the stream ended with {reason}, not with {}", expect.ended));
            }
            Some(_) => {}
        }
        let mut counts = SentCounts::default();
        sent.iter().for_each(|one| counts.count(&one.what));
        if let Some(joins) = expect.joins.filter(|joins| !joins.holds(counts.joins)) {
            unmet.push(format!("signaling was joined {} times, not {joins}", counts.joins));
        }
        let media: BTreeSet<Medium> = sent.iter().filter_map(|one| one.what.medium()).collect();
        for medium in expect.media.iter().filter(|medium| !media.contains(medium)) {
            unmet.push(format!("no {medium} was sent"));
        }
        for medium in expect.no_media.iter().filter(|medium| media.contains(medium)) {
            unmet.push(format!("{medium} was sent"));
        }
        for medium in &expect.media_complete {
            match medium {
                Medium::Audio => unmet.extend(self.missing_sound(zoom, sent)),
                Medium::Transcript => {
                    let lines = zoom.meeting().transcript(true).len() as u64;
                    if counts.transcript < lines {
                        unmet.push(format!("{} of {lines} lines of transcript were sent", counts.transcript));
                    }
                }
                Medium::Chat => {
                    let lines = zoom.meeting().chat.len() as u64;
                    if counts.chat < lines {
                        unmet.push(format!("{} of {lines} lines of chat were sent", counts.chat));
                    }
                }
                // Parsing refuses these.
                Medium::Video | Medium::Deskshare => {}
            }
        }
        unmet.extend(self.late_returns(zoom, sent));
        unmet.extend(self.other_findings(zoom));
        unmet
    }

    fn other_findings(&self, zoom: &Zoom) -> Vec<String> {
        let found: Vec<_> = zoom.findings().iter().map(|finding| (name(finding), finding)).collect();
        let unexpected = found.iter().filter(|(name, _)| !self.expect.findings.contains(name));
        let unexpected = unexpected.map(|(name, finding)| format!("finding {name}: the client {}", finding.mistake));
        let absent = self.expect.findings.iter().filter(|name| found.iter().all(|(found, _)| found != *name));
        let absent = absent.map(|name| format!("there is no finding {name}"));
        unexpected.chain(absent).collect()
    }

    /// Stretches of speech that were never sent.
    fn missing_sound(&self, zoom: &Zoom, sent: &[Sent]) -> Option<String> {
        let meeting = zoom.meeting();
        let since_start = |at: UnixMillis| at.0.saturating_sub(zoom.start().0);
        let joined = sent.iter().find(|one| matches!(one.what, What::SignalingHandshake { status: StatusCode::Ok }));
        let from_ms = match self.expect.complete_from {
            Some(from) => u64::try_from(from.as_millis()).unwrap_or(u64::MAX),
            None => joined.map_or(0, |one| since_start(one.at)),
        };
        let mut packet_ms = GRID_MS;
        let mut covered: BTreeSet<(&UserId, u64)> = BTreeSet::new();
        let mut mixed: BTreeSet<u64> = BTreeSet::new();
        for one in sent {
            match &one.what {
                What::DataHandshake { media_params: Some(params), .. } => {
                    if let Some(audio) = &params.audio {
                        packet_ms = u64::from(audio.format().send_rate).max(GRID_MS);
                    }
                }
                What::Audio(payload) => {
                    let first = since_start(payload.timestamp);
                    for slot in (first..first + packet_ms).step_by(GRID_MS as usize) {
                        if payload.user_id.is_mixed() {
                            mixed.insert(slot);
                        } else {
                            covered.insert((&payload.user_id, slot));
                        }
                    }
                }
                What::Webhook { .. }
                | What::SignalingHandshake { .. }
                | What::DataHandshake { .. }
                | What::Event { .. }
                | What::StreamState { .. }
                | What::SessionState { .. }
                | What::Answer { .. }
                | What::KeepAlive { .. }
                | What::Video(_)
                | What::Deskshare(_)
                | What::Transcript { .. }
                | What::Chat { .. } => {}
            }
        }
        // A packet that the end cuts short is never complete.
        let end_ms = zoom.over().map_or(meeting.duration_ms, |(at, _)| since_start(at));
        let end_ms = end_ms.min(meeting.duration_ms).saturating_sub(packet_ms + 100);
        let untold = self.untold();
        let mut slots: BTreeMap<u64, Vec<&UserId>> = BTreeMap::new();
        for said in &meeting.utterances {
            let Some(who) = meeting.participants.get(said.speaker) else { continue };
            for slot in (said.start_ms..said.end_ms).step_by(GRID_MS as usize) {
                slots.entry(slot).or_default().push(&who.user_id);
            }
        }
        // Beyond three voices at once, Zoom sends three.
        let missing: Vec<u64> = slots
            .into_iter()
            .filter(|(slot, speakers)| (from_ms..end_ms).contains(slot) && speakers.len() <= 3)
            .filter(|(slot, _)| !untold.iter().any(|(from, to)| (*from..*to).contains(slot)))
            .filter(|(slot, speakers)| {
                !mixed.contains(slot) && speakers.iter().any(|who| !covered.contains(&(*who, *slot)))
            })
            .map(|(slot, _)| slot)
            .collect();
        let lost = Duration::from_millis(missing.len() as u64 * GRID_MS);
        let first = missing.first().filter(|_| lost > self.expect.missing_at_most)?;
        Some(format!("{lost:?} of speech were never sent, the first at {:?}", Duration::from_millis(*first)))
    }

    /// Stretches of time whose sound Zoom itself has not.
    fn untold(&self) -> Vec<(u64, u64)> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let mut untold = Vec::new();
        let mut paused = None;
        for incident in &self.incidents {
            let at = millis(incident.at);
            match &incident.what {
                Trouble::Pause => paused = Some(at),
                // What is being said when the stream goes on belongs to a packet of before.
                Trouble::Resume => untold.extend(paused.take().map(|from| (from.saturating_sub(200), at + 200))),
                Trouble::Gap { medium: Medium::Audio, lasts } => {
                    untold.push((at.saturating_sub(200), at + millis(*lasts) + 200));
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
                | Trouble::Stop { .. }
                | Trouble::StartRepeated
                | Trouble::StartOutdated
                | Trouble::Nonsense { .. }
                | Trouble::Gap { .. }
                | Trouble::Repeat { .. } => {}
            }
        }
        untold.extend(paused.map(|from| (from.saturating_sub(200), u64::MAX)));
        untold
    }

    /// Losses of connections after which the next handshake was late.
    fn late_returns(&self, zoom: &Zoom, sent: &[Sent]) -> Vec<String> {
        let Some(within) = self.expect.back_within else { return Vec::new() };
        let is_joined = |what: &What| matches!(what, What::SignalingHandshake { status: StatusCode::Ok });
        let is_media = |what: &What| matches!(what, What::DataHandshake { status: StatusCode::Ok, .. });
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
                | Trouble::StartOutdated
                | Trouble::Nonsense { .. }
                | Trouble::Gap { .. }
                | Trouble::Repeat { .. } => continue,
            };
            let at = zoom.start() + incident.at;
            let back = |is_it: &dyn Fn(&What) -> bool| {
                sent.iter().any(|one| one.at >= at && one.at <= at + within && is_it(&one.what))
            };
            let signaling = matches!(target, Target::Signaling | Target::Everything);
            if signaling && !back(&is_joined) || !back(&is_media) {
                late.push(format!("not back {within:?} after what happened at {:?}", incident.at));
            }
        }
        late
    }
}

/// The name of a finding, as in its JSON.
fn name(finding: &Finding) -> String {
    let json = serde_json::to_value(&finding.mistake).ok();
    json.as_ref().and_then(|json| json.get("mistake")?.as_str().map(ToOwned::to_owned)).unwrap_or_default()
}
