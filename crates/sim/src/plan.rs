//! Random trouble: a whole run drawn from one number. It can be told in words, repeated, and made smaller piece by
//! piece.
//!
//! What is drawn are the values of [`config`](crate::config), [`fault`](crate::fault) and [`world`](crate::world), and
//! beside them how webhooks arrive and what a client is to do. Whoever runs it makes its client behave so.

use std::{collections::BTreeSet, fmt, time::Duration};

use rtms_wire::{
    codes::{product::Product, status_code::StatusCode, stop_reason::StopReason},
    media::medium::{MediaTypes, Medium},
};

use crate::{
    config::{Server, ZoomConfig, granted_by_default},
    fault::{
        Answer, CloseAnswer, EndNotice, EventCode, Incident, KeepAliveForm, MediaUrlForm, Nonsense, OrMask, Refused,
        Request, SecondSignaling, Target, Temper, Trouble,
    },
    meeting::options::{MediaDetail, MeetingOptions},
    seed::Seed,
    world::Network,
};

/// Everything that one run needs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it was drawn from; chance on the network follows from it, too.
    pub seed: u64,
    /// Zoom, with its meeting, incidents and temper.
    pub zoom: ZoomConfig,
    /// The way between Zoom and the client.
    pub network: Network,
    /// How webhooks reach the client.
    pub post: Post,
    /// What the client is to do.
    pub conduct: Conduct,
}

/// How webhooks reach a client, beyond the network's delay: each was answered at once and is read later, as from an
/// inbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Post {
    /// How late the first ones are read, in the order of their arrival; those after them are read at once.
    pub late: Vec<Duration>,
    /// How late stop webhooks are read besides.
    pub stop_late: Duration,
}

/// What a client is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conduct {
    /// The media that it wants.
    pub media: MediaTypes,
    /// Whether on one connection.
    pub unified: bool,
    /// Whether it wants the sound from before it came.
    pub backlog: bool,
    /// How much sound is in a packet.
    pub send_rate_ms: u32,
    /// Whose camera it chooses, by index, and when; it asks for video of one person then.
    pub camera: Option<(usize, Duration)>,
    /// When it ends the stream itself, since the start.
    pub close_at: Option<Duration>,
    /// When its process is killed, since the start, and after how long it is there again.
    pub kills: Vec<(Duration, Duration)>,
}

/// Every kind of trouble that plans are made of, as [`Plan::kinds`] names them.
pub const KINDS: [&str; 58] = [
    "cut",
    "close",
    "freeze",
    "vanish",
    "skip keep-alive",
    "failover",
    "failover with overlap",
    "down",
    "interrupted",
    "interrupted with urls",
    "interrupted and broken",
    "pause",
    "resume",
    "session starts",
    "session stops",
    "stop told everywhere",
    "stop told by webhook first",
    "stop told by state only",
    "stop told by webhook only",
    "start repeated",
    "start outdated",
    "start repeated late",
    "nonsense",
    "gap",
    "repeat",
    "refused signaling upgrade",
    "refused media upgrade",
    "refused signaling",
    "refused data",
    "refused video",
    "answer status",
    "answer status and close",
    "answer http",
    "answer silence",
    "answer close",
    "answer cut",
    "outage",
    "first signaling kicked",
    "media urls",
    "binary frames",
    "keep-alive form",
    "keep-alive when idle",
    "downgrade",
    "answers version 2",
    "event code",
    "extra fields",
    "stray binary",
    "or mask refused",
    "ready ignored",
    "close answer",
    "nested webhooks",
    "more sessions",
    "webhooks twice",
    "webhooks late",
    "stop late",
    "closed by us",
    "killed",
    "killed at the end",
];

impl Plan {
    /// Draws one. The same seed gives the same plan.
    pub fn draw(seed: u64) -> Self {
        let chance = Seed::new(seed);
        let mut meeting = chance.fork("plan meeting", 0);
        let seconds = match meeting.below(16) {
            0..10 => meeting.between(20, 100),
            10..15 => meeting.between(100, 220),
            _ => meeting.between(220, 600),
        };
        let duration = Duration::from_millis(seconds * 1_000 + meeting.below(1_000));
        let product = *meeting.pick(&PRODUCTS).unwrap_or(&Product::Meeting);
        let granted = granted(product, &mut meeting);
        let server = |number: u64| Server {
            signaling_url: format!("wss://s{number}.zoom.us:443/signaling"),
            media_url: format!("wss://m{number}.zoom.us:443/media"),
        };
        let first = server(0);
        let participants = u16::try_from(meeting.between(1, 4)).unwrap_or(1);
        let mut zoom = ZoomConfig {
            product,
            meeting: MeetingOptions {
                seed,
                participants,
                duration,
                detail: MediaDetail::Markers,
                ..MeetingOptions::default()
            },
            granted,
            signaling_url: first.signaling_url,
            media_url: first.media_url,
            standby: vec![server(1), server(2)],
            incidents: incidents(duration, &mut chance.fork("plan incidents", 0)),
            temper: temper(duration, &mut chance.fork("plan temper", 0)),
            ..ZoomConfig::default()
        };
        if meeting.one_in(3) {
            zoom.meeting = zoom.meeting.with_everything();
        }
        let mut post = chance.fork("plan post", 0);
        zoom.webhooks.deliver_twice = post.one_in(6);
        let mut plan = Self {
            seed,
            network: network(&mut chance.fork("plan network", 0)),
            post: Post::draw(&mut post),
            conduct: Conduct::draw(granted, duration, participants, &mut chance.fork("plan conduct", 0)),
            zoom,
        };
        plan.draw_the_end(&mut chance.fork("plan end", 0));
        plan
    }

    /// What goes wrong when the stream ends, and after it.
    fn draw_the_end(&mut self, chance: &mut Seed) {
        if chance.one_in(24) {
            // The word of the end may be read by then, or written down, or neither.
            let at = self.ends_at() + Duration::from_millis(chance.below(2_500));
            self.conduct.kills.push((at, Duration::from_millis(chance.between(100, 20_000))));
            self.conduct.kills.sort_unstable();
        }
        if chance.one_in(24) {
            let at = self.zoom.meeting.duration + Duration::from_millis(chance.between(100, 30_000));
            self.zoom.incidents.push(Incident { at, what: Trouble::StartRepeatedLate });
        }
    }

    /// When the stream ends at the latest.
    fn ends_at(&self) -> Duration {
        let is_stop = |incident: &&Incident| matches!(incident.what, Trouble::Stop { .. });
        let stops = self.zoom.incidents.iter().filter(is_stop).map(|incident| incident.at);
        stops.chain([self.zoom.meeting.duration]).min().unwrap_or_default()
    }

    /// The kinds of trouble in it, of [`KINDS`].
    pub fn kinds(&self) -> BTreeSet<&'static str> {
        let mut kinds: BTreeSet<_> = self.zoom.incidents.iter().map(|incident| kind(&incident.what)).collect();
        let temper = &self.zoom.temper;
        for refused in &temper.refusals {
            kinds.insert(match refused.request {
                Request::SignalingUpgrade => "refused signaling upgrade",
                Request::MediaUpgrade => "refused media upgrade",
                Request::Signaling => "refused signaling",
                Request::Data(_) | Request::AnyData => "refused data",
                Request::Video => "refused video",
            });
            kinds.insert(match refused.answer {
                Answer::Status(_) => "answer status",
                Answer::StatusAndClose(_) => "answer status and close",
                Answer::Http(_) => "answer http",
                Answer::Silence => "answer silence",
                Answer::Close => "answer close",
                Answer::Cut => "answer cut",
            });
        }
        let others = [
            ("outage", temper.refusals.iter().any(|refused| refused.times >= OUTAGE)),
            ("first signaling kicked", temper.second_signaling == SecondSignaling::KicksTheFirst),
            ("media urls", temper.media_urls != MediaUrlForm::Keys),
            ("binary frames", temper.binary_frames),
            ("keep-alive form", temper.keep_alive != KeepAliveForm::Both),
            ("keep-alive when idle", temper.keep_alive_when_idle),
            ("downgrade", temper.downgrade_to_mixed),
            ("answers version 2", temper.answers_version_2),
            ("event code", temper.event_code != EventCode::Off),
            ("extra fields", temper.extra_fields),
            ("stray binary", temper.stray_binary),
            ("or mask refused", temper.or_mask == OrMask::Refused),
            ("ready ignored", temper.ready_ignored > 0),
            ("close answer", temper.close_answer != CloseAnswer::First),
            ("nested webhooks", temper.nested_webhooks),
            ("more sessions", temper.more_sessions > 0),
            ("webhooks twice", self.zoom.webhooks.deliver_twice),
            ("webhooks late", !self.post.late.is_empty()),
            ("stop late", !self.post.stop_late.is_zero()),
            ("closed by us", self.conduct.close_at.is_some()),
            ("killed", !self.conduct.kills.is_empty()),
            ("killed at the end", self.conduct.kills.iter().any(|(at, _)| *at >= self.ends_at())),
        ];
        kinds.extend(others.into_iter().filter(|(_, there)| *there).map(|(kind, _)| kind));
        kinds
    }

    /// The same with one thing less to go wrong, each way there is; none when nothing is left.
    pub fn simpler(&self) -> Vec<Self> {
        let with = |change: &dyn Fn(&mut Self)| {
            let mut plan = self.clone();
            change(&mut plan);
            plan
        };
        let mut plans = Vec::new();
        for index in 0..self.zoom.incidents.len() {
            plans.push(with(&|plan| {
                plan.zoom.incidents.remove(index);
            }));
        }
        for index in 0..self.conduct.kills.len() {
            plans.push(with(&|plan| {
                plan.conduct.kills.remove(index);
            }));
        }
        for index in 0..self.zoom.temper.refusals.len() {
            plans.push(with(&|plan| {
                plan.zoom.temper.refusals.remove(index);
            }));
        }
        let plain = Temper { refusals: self.zoom.temper.refusals.clone(), ..Temper::default() };
        if self.zoom.temper != plain {
            plans.push(with(&|plan| plan.zoom.temper = plain.clone()));
        }
        if self.post != Post::default() {
            plans.push(with(&|plan| plan.post = Post::default()));
        }
        if self.zoom.webhooks.deliver_twice {
            plans.push(with(&|plan| plan.zoom.webhooks.deliver_twice = false));
        }
        if self.conduct.close_at.is_some() {
            plans.push(with(&|plan| plan.conduct.close_at = None));
        }
        if self.conduct.camera.is_some() {
            plans.push(with(&|plan| plan.conduct.camera = None));
        }
        let usual = Network::default();
        if (self.network.at_least, self.network.at_most) != (usual.at_least, usual.at_most) {
            plans.push(with(&|plan| plan.network = Network::default()));
        }
        for medium in self.conduct.media.iter().filter(|_| self.conduct.media.iter().count() > 1) {
            let others = self.conduct.media.iter().filter(|other| *other != medium);
            let others = MediaTypes::of(others);
            plans.push(with(&|plan| plan.conduct.media = others));
        }
        plans
    }
}

impl Post {
    fn draw(chance: &mut Seed) -> Self {
        let mut post = Self::default();
        if chance.one_in(4) {
            post.late = (0..chance.between(1, 4)).map(|_| Duration::from_millis(chance.below(2_500))).collect();
        }
        if chance.one_in(8) {
            post.stop_late = Duration::from_millis(chance.between(100, 150_000));
        }
        post
    }
}

impl Conduct {
    fn draw(granted: MediaTypes, duration: Duration, participants: u16, chance: &mut Seed) -> Self {
        let some: Vec<_> = granted.iter().filter(|_| chance.one_in(2)).collect();
        let media = if chance.one_in(2) || some.is_empty() { granted } else { MediaTypes::of(some) };
        // Now and then what is not granted.
        let media = if chance.one_in(24) { MediaTypes::of(Medium::ALL) } else { media };
        let kills = match chance.below(24) {
            0..4 => 1,
            4 => 2,
            _ => 0,
        };
        let kill = |chance: &mut Seed| {
            let longest = if chance.one_in(6) { 90_000 } else { 20_000 };
            (within(duration, chance), Duration::from_millis(chance.between(100, longest)))
        };
        let mut kills: Vec<_> = (0..kills).map(|_| kill(chance)).collect();
        kills.sort_unstable();
        Self {
            media,
            unified: chance.one_in(2),
            backlog: !chance.one_in(4),
            send_rate_ms: u32::try_from(chance.between(5, 50) * 20).unwrap_or(1_000),
            camera: (media.contains(Medium::Video) && chance.one_in(3))
                .then(|| (usize::try_from(chance.below(participants.into())).unwrap_or(0), within(duration, chance))),
            close_at: chance.one_in(6).then(|| within(duration, chance)),
            kills,
        }
    }
}

impl fmt::Display for Plan {
    /// Word by word, for whoever looks for what went wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, zoom, network, post, conduct } = self;
        let media = |types: MediaTypes| types.iter().map(Medium::as_str).collect::<Vec<_>>().join(" ");
        let MeetingOptions { participants, duration, .. } = zoom.meeting;
        writeln!(
            f,
            "seed {seed}: {:?} of {duration:?} with {participants}, granted {}",
            zoom.product,
            media(zoom.granted)
        )?;
        writeln!(f, "  the network takes {:?} to {:?}", network.at_least, network.at_most)?;
        writeln!(f, "  the client: {conduct:?}")?;
        if zoom.webhooks.deliver_twice {
            writeln!(f, "  every webhook comes twice")?;
        }
        if *post != Post::default() {
            writeln!(f, "  webhooks are read late: {:?}, stops besides by {:?}", post.late, post.stop_late)?;
        }
        if zoom.temper != Temper::default() {
            writeln!(f, "  {:?}", zoom.temper)?;
        }
        for Incident { at, what } in &zoom.incidents {
            writeln!(f, "  at {at:?}: {what:?}")?;
        }
        Ok(())
    }
}

const PRODUCTS: [Product; 10] = [
    Product::Meeting,
    Product::Meeting,
    Product::Meeting,
    Product::Meeting,
    Product::Meeting,
    Product::Meeting,
    Product::Webinar,
    Product::Session,
    Product::ContactCenter,
    Product::Phone,
];

/// So many refusals are no bad luck but a server that is not there.
const OUTAGE: u32 = 1_000;

fn granted(product: Product, chance: &mut Seed) -> MediaTypes {
    let usual = granted_by_default(product);
    let some: Vec<_> = usual.iter().filter(|_| !chance.one_in(3)).collect();
    if chance.one_in(6) && !some.is_empty() { MediaTypes::of(some) } else { usual }
}

fn network(chance: &mut Seed) -> Network {
    let ms = Duration::from_millis;
    match chance.below(4) {
        0 => Network { at_least: ms(1), at_most: ms(3) },
        1 => Network { at_least: ms(20), at_most: ms(200) },
        _ => Network::default(),
    }
}

fn within(duration: Duration, chance: &mut Seed) -> Duration {
    Duration::from_millis(chance.below(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
}

fn incidents(duration: Duration, chance: &mut Seed) -> Vec<Incident> {
    let mut incidents: Vec<Incident> = Vec::new();
    for _ in 0..chance.below(7) {
        // Trouble comes in company, but not in one millisecond: two starts of the same time are one.
        let at = match incidents.last() {
            Some(last) if chance.one_in(3) => last.at + Duration::from_millis(chance.below(6_000).max(1)),
            _ => within(duration, chance).max(Duration::from_millis(1)),
        };
        let what = trouble(chance);
        let goes_on = matches!(what, Trouble::Pause);
        incidents.push(Incident { at, what });
        if goes_on && !chance.one_in(4) {
            let at = at + Duration::from_millis(chance.between(100, 30_000));
            incidents.push(Incident { at, what: Trouble::Resume });
        }
    }
    incidents
}

fn trouble(chance: &mut Seed) -> Trouble {
    let lasts = |chance: &mut Seed| {
        let longest = if chance.one_in(3) { 90_000 } else { 15_000 };
        Duration::from_millis(chance.between(50, longest))
    };
    match chance.below(40) {
        0..5 => Trouble::Cut { target: target(chance) },
        5..8 => Trouble::Close { target: target(chance), code: 1_000 },
        8..11 => Trouble::Freeze { target: target(chance), lasts: lasts(chance) },
        11..14 => Trouble::Vanish { target: target(chance) },
        14..16 => Trouble::SkipKeepAlive { target: target(chance), lasts: lasts(chance) },
        16..20 => {
            let overlap = if chance.one_in(2) { Duration::ZERO } else { Duration::from_millis(chance.below(8_000)) };
            Trouble::Failover { overlap }
        }
        20..23 => Trouble::Interrupted { with_urls: chance.one_in(2), breaks: chance.one_in(2) },
        23..25 => Trouble::Pause,
        25 => Trouble::Resume,
        26 => Trouble::SessionStarts,
        27 => Trouble::SessionStops {
            session: usize::try_from(chance.below(3)).unwrap_or(0),
            reason: *chance.pick(&[StopReason::UserLeft, StopReason::HostTriggered]).unwrap_or(&StopReason::UserLeft),
        },
        28..30 => Trouble::Stop {
            reason: *chance.pick(&STOPS).unwrap_or(&StopReason::MeetingEnded),
            notice: *chance
                .pick(&[EndNotice::Everywhere, EndNotice::WebhookFirst, EndNotice::StateOnly, EndNotice::WebhookOnly])
                .unwrap_or(&EndNotice::Everywhere),
        },
        30 => Trouble::StartRepeated,
        31 => Trouble::StartOutdated,
        32..34 => Trouble::Nonsense {
            target: target(chance),
            // Deep nesting is left to tests of its own: it costs more than all the rest.
            kind: *chance
                .pick(&[
                    Nonsense::BrokenJson,
                    Nonsense::Binary,
                    Nonsense::Protobuf,
                    Nonsense::UnknownMessage,
                    Nonsense::UnknownEvent,
                    Nonsense::UnknownState,
                    Nonsense::BrokenPayload,
                    Nonsense::WrongLength,
                    Nonsense::Nothing,
                ])
                .unwrap_or(&Nonsense::Nothing),
        },
        34..36 => Trouble::Gap { medium: medium(chance), lasts: lasts(chance) },
        36..38 => Trouble::Down { lasts: lasts(chance) },
        _ => Trouble::Repeat { medium: medium(chance), lasts: lasts(chance) },
    }
}

const STOPS: [StopReason; 7] = [
    StopReason::MeetingEnded,
    StopReason::HostDisabledApp,
    StopReason::StreamRevoked,
    StopReason::InternalException,
    StopReason::ExitSignal,
    StopReason::AdminDisabledApp,
    StopReason::UserTriggered,
];

fn target(chance: &mut Seed) -> Target {
    match chance.below(8) {
        0..3 => Target::Signaling,
        3 => Target::Media,
        4..7 => Target::Medium(medium(chance)),
        _ => Target::Everything,
    }
}

/// Sound as often as all others: every stream that is worth having has it.
fn medium(chance: &mut Seed) -> Medium {
    let any = *chance.pick(&Medium::ALL).unwrap_or(&Medium::Audio);
    if chance.one_in(2) { Medium::Audio } else { any }
}

fn temper(duration: Duration, chance: &mut Seed) -> Temper {
    let refusals = if chance.one_in(3) { chance.between(1, 3) } else { 0 };
    let forms = [MediaUrlForm::WithoutAll, MediaUrlForm::OnlyAll, MediaUrlForm::Text];
    let keep_alives = [KeepAliveForm::Timestamp, KeepAliveForm::Bare];
    // Of their own, so that a seed gives the trouble that it gave before these were there.
    let mut version_2 = chance.fork("version 2", 0);
    let closes = [CloseAnswer::Last, CloseAnswer::Never, CloseAnswer::Silence];
    Temper {
        refusals: (0..refusals).map(|_| refused(duration, chance)).collect(),
        second_signaling: if chance.one_in(5) { SecondSignaling::KicksTheFirst } else { SecondSignaling::Refused },
        media_urls: chance.pick(&forms).copied().filter(|_| chance.one_in(6)).unwrap_or_default(),
        binary_frames: chance.one_in(8),
        keep_alive: chance.pick(&keep_alives).copied().filter(|_| chance.one_in(6)).unwrap_or_default(),
        keep_alive_when_idle: chance.one_in(6),
        downgrade_to_mixed: chance.one_in(12),
        answers_version_2: chance.one_in(24),
        ready_ignored: u32::from(chance.one_in(24)),
        close_answer: chance.pick(&closes).copied().filter(|_| chance.one_in(4)).unwrap_or_default(),
        nested_webhooks: chance.one_in(8),
        more_sessions: usize::from(chance.one_in(8)),
        strict: false,
        // What follows costs a client media, or needs one that is told of it.
        encrypted_unasked: Vec::new(),
        srt_url: Vec::new(),
        or_mask: if version_2.one_in(8) { OrMask::Refused } else { OrMask::ByProduct },
        event_code: if version_2.one_in(8) { EventCode::Both } else { EventCode::Off },
        stray_binary: version_2.one_in(8),
        extra_fields: version_2.one_in(8),
    }
}

fn refused(duration: Duration, chance: &mut Seed) -> Refused {
    let request = match chance.below(12) {
        0..2 => Request::SignalingUpgrade,
        2..4 => Request::MediaUpgrade,
        4..7 => Request::Signaling,
        7..9 => Request::AnyData,
        9..11 => Request::Data(medium(chance)),
        _ => Request::Video,
    };
    let status = *chance.pick(&STATUSES).unwrap_or(&StatusCode::InternalException);
    let upgrade = matches!(request, Request::SignalingUpgrade | Request::MediaUpgrade);
    let answer = match chance.below(12) {
        _ if request == Request::Video => Answer::Status(status),
        0..4 if upgrade => Answer::Http(503),
        0..4 => Answer::Status(status),
        4..6 if !upgrade => Answer::StatusAndClose(status),
        4..6 => Answer::Http(403),
        6..8 => Answer::Silence,
        8..10 => Answer::Close,
        _ => Answer::Cut,
    };
    let times = if chance.one_in(6) { OUTAGE } else { u32::try_from(chance.between(1, 4)).unwrap_or(1) };
    // From the start on, or for those who come back.
    let after = if chance.one_in(2) { Duration::ZERO } else { within(duration, chance) };
    Refused { request, answer, times, after }
}

/// Most of them ask for another try; one in three does not.
const STATUSES: [StatusCode; 12] = [
    StatusCode::InternalException,
    StatusCode::InternalException,
    StatusCode::DuplicateSignalRequest,
    StatusCode::DuplicateSignalRequest,
    StatusCode::Unknown(99),
    StatusCode::DuplicateMediaDataConnection,
    StatusCode::InvalidMediaAudioSendRate,
    StatusCode::InvalidMediaParams,
    StatusCode::InvalidSignature,
    StatusCode::InvalidRtmsStreamId,
    StatusCode::MediaTypeVideoNotSupport,
    StatusCode::InvalidMediaType,
];

fn kind(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Cut { .. } => "cut",
        Trouble::Close { .. } => "close",
        Trouble::Freeze { .. } => "freeze",
        Trouble::Vanish { .. } => "vanish",
        Trouble::SkipKeepAlive { .. } => "skip keep-alive",
        Trouble::Down { .. } => "down",
        Trouble::Failover { overlap } if overlap.is_zero() => "failover",
        Trouble::Failover { .. } => "failover with overlap",
        Trouble::Interrupted { breaks: true, .. } => "interrupted and broken",
        Trouble::Interrupted { with_urls: true, .. } => "interrupted with urls",
        Trouble::Interrupted { .. } => "interrupted",
        Trouble::Pause => "pause",
        Trouble::Resume => "resume",
        Trouble::SessionStarts => "session starts",
        Trouble::SessionStops { .. } => "session stops",
        Trouble::Stop { notice: EndNotice::Everywhere, .. } => "stop told everywhere",
        Trouble::Stop { notice: EndNotice::WebhookFirst, .. } => "stop told by webhook first",
        Trouble::Stop { notice: EndNotice::StateOnly, .. } => "stop told by state only",
        Trouble::Stop { notice: EndNotice::WebhookOnly, .. } => "stop told by webhook only",
        Trouble::StartRepeated => "start repeated",
        Trouble::StartOutdated => "start outdated",
        Trouble::StartRepeatedLate => "start repeated late",
        Trouble::StartsAgain => "starts again",
        Trouble::Nonsense { .. } => "nonsense",
        Trouble::Gap { .. } => "gap",
        Trouble::Repeat { .. } => "repeat",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_plan_and_another_one_another() {
        assert_eq!(Plan::draw(7).to_string(), Plan::draw(7).to_string());
        assert_ne!(Plan::draw(7).to_string(), Plan::draw(8).to_string());
    }

    #[test]
    fn two_thousand_plans_have_every_kind_of_trouble() {
        let kinds: BTreeSet<_> = (0..2_000).flat_map(|seed| Plan::draw(seed).kinds()).collect();
        let missing: Vec<_> = KINDS.into_iter().filter(|kind| !kinds.contains(kind)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert_eq!(kinds.len(), KINDS.len(), "every kind is listed");
    }

    #[test]
    fn making_a_plan_smaller_comes_to_an_end() {
        let mut plan = Plan::draw(3);
        let mut steps = 0;
        while let Some(simpler) = plan.simpler().pop() {
            plan = simpler;
            steps += 1;
        }
        assert!(plan.zoom.incidents.is_empty() && steps < 100);
    }
}
