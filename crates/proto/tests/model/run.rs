//! One plan, played to its end and judged; and what is told of one that failed.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    time::Duration,
};

use rtms_proto::config::{MediaLayout, StreamConfig};
use rtms_record::ledger::{LedgerReport, Span, What as Word};
use rtms_sim::{
    fault::{Answer, Request, Trouble},
    findings::{Finding, Mistake},
    plan::Plan,
    seed::Seed,
    sent::{Sent, What},
    world::{FromClient, Link, Step, ToClient, World},
};
use rtms_wire::{
    codes::{
        media::{MediaDataOption, MediaPayloadType},
        product::Product,
    },
    media::medium::Medium,
    time::UnixMillis,
};

use crate::{
    mutation::Mutation,
    rig::Rig,
    watch::Watch,
    world::{Deed, Gateway, Options, log::Piece, run::START},
};

/// No run takes more steps: a meeting of ten minutes takes some ten thousand.
const MOST_STEPS: u64 = 400_000;

/// How long after Zoom's end a client may take to come to its own: a late stop webhook, and a window.
const AFTER: Duration = Duration::from_secs(300);

/// The longest that a packet is on its way, in milliseconds, and what the clocks are apart by.
const ON_THE_WAY: u64 = 500;

/// How many of the last steps are told, unless `RTMS_STEPS` says otherwise.
const LAST_STEPS: usize = 40;

/// What became of a run.
pub(crate) struct Verdict {
    /// What must not be and is.
    pub(crate) faults: Vec<String>,
    /// What Zoom found, excused or not, by name.
    pub(crate) findings: Vec<&'static str>,
    pub(crate) steps: u64,
    /// When Zoom's stream was over.
    pub(crate) over_at: UnixMillis,
    /// The last steps, if they were to be kept.
    pub(crate) story: VecDeque<String>,
}

/// Plays a plan.
pub(crate) fn play(plan: &Plan, mutation: Option<Mutation>, keep_story: bool) -> Verdict {
    let mut zoom = plan.zoom.clone();
    zoom.meeting.seed = plan.seed;
    let mut world = World::new(zoom, plan.network.clone(), &Seed::new(plan.seed), START);
    let options = options(plan, &world);
    let gateway = Gateway::new(plan.zoom.app.clone(), options, START);
    let watch = Watch::new(START, plan.conduct.media, plan.zoom.product);
    let mut rig = Rig::new(gateway, watch, plan.post.clone(), mutation, START);
    let mut sent: Vec<Sent> = Vec::new();
    let mut story = VecDeque::new();
    let last_steps = crate::number("RTMS_STEPS").and_then(|steps| usize::try_from(steps).ok()).unwrap_or(LAST_STEPS);
    let mut steps = 0;
    let mut over_at = None;
    loop {
        let goes_on = world.step(&mut rig, &mut |at, step| {
            if keep_story {
                if story.len() >= last_steps {
                    story.pop_front();
                }
                story.extend(told(at, &step));
            }
            if let Step::Sent(one) = step {
                sent.push(one);
            }
        });
        steps += 1;
        let now = world.now();
        if rig.gateway.is_to_be_killed(now) {
            world.kill();
            rig.killed(now);
        }
        if over_at.is_none() && world.zoom().is_finished() {
            over_at = Some(now);
        }
        // One that failed does not get better.
        if !goes_on || !rig.watch.faults.is_empty() || (over_at.is_some() && rig.is_idle() && world.open().is_empty()) {
            break;
        }
        if steps > MOST_STEPS {
            rig.watch.faults.push(format!("{now}: {MOST_STEPS} steps and no end"));
            break;
        }
        if over_at.is_some_and(|at| at + AFTER < now) {
            rig.watch.faults.push(format!("{now}: Zoom is done since long, and the client is not"));
            break;
        }
    }
    let mut faults = std::mem::take(&mut rig.watch.faults);
    faults.extend(rig.gateway.log.violations.iter().cloned());
    if faults.is_empty() {
        faults = judged(plan, &world, &rig, &sent);
    }
    let findings = world.zoom().findings().iter().map(|finding| finding.mistake.name()).collect();
    Verdict { faults, findings, steps, over_at: over_at.unwrap_or(world.now()), story }
}

fn options(plan: &Plan, world: &World) -> Options {
    let conduct = &plan.conduct;
    let mut config = StreamConfig { media: conduct.media, buffer_data: conduct.backlog, ..StreamConfig::default() };
    if conduct.unified {
        config.layout = MediaLayout::Unified;
    }
    if let Some(audio) = &mut config.params.audio {
        audio.send_rate = Some(conduct.send_rate_ms);
    }
    if let Some(video) = &mut config.params.video {
        video.codec = Some(MediaPayloadType::Jpg);
        video.fps = Some(1);
        if conduct.camera.is_some() {
            video.data_opt = Some(MediaDataOption::VideoSingleIndividualStream);
        }
    }
    let mut deeds: Vec<_> = conduct.close_at.iter().map(|at| (*at, Deed::Close)).collect();
    let mut free_from = Duration::ZERO;
    for (at, lasts) in &conduct.kills {
        // One after the other.
        let at = free_from.max(*at);
        free_from = at + *lasts + Duration::from_millis(1);
        deeds.extend([(at, Deed::Kill), (at + *lasts, Deed::Restart)]);
    }
    if let Some((index, at)) = conduct.camera
        && let Some(who) = world.zoom().meeting().participants.get(index)
    {
        deeds.push((at, Deed::Want(who.user_id.clone())));
    }
    // A dead process does nothing.
    let dead = |at: Duration| {
        deeds
            .iter()
            .filter(|(_, deed)| *deed == Deed::Kill)
            .zip(deeds.iter().filter(|(_, deed)| *deed == Deed::Restart))
            .any(|((from, _), (to, _))| *from <= at && at <= *to)
    };
    let dead: Vec<_> =
        deeds.iter().map(|(at, deed)| !matches!(deed, Deed::Kill | Deed::Restart) && dead(*at)).collect();
    let deeds = deeds.into_iter().zip(dead).filter(|(_, dead)| !dead).map(|(deed, _)| deed).collect();
    Options { config, seed: plan.seed, deeds }
}

type Key = (Medium, u64, Vec<u8>);

fn key_of(what: &What) -> Option<Key> {
    Some(match what {
        What::Audio(it) => (Medium::Audio, it.timestamp.0, it.bytes.to_vec()),
        What::Video(it) => (Medium::Video, it.timestamp.0, it.bytes.to_vec()),
        What::Deskshare(it) => (Medium::Deskshare, it.timestamp.0, it.bytes.to_vec()),
        What::Transcript { start_time, text, attribute, .. } => {
            let attribute = serde_json::to_value(attribute).unwrap_or_default();
            (Medium::Transcript, start_time.0, format!("{attribute} {text}").into_bytes())
        }
        What::Chat { timestamp, .. } => (Medium::Chat, timestamp.0, Vec::new()),
        _ => return None,
    })
}

/// What tells a piece from others, as [`key_of`] has it.
fn key_of_piece(piece: &Piece) -> Key {
    let content = match piece.medium {
        Medium::Audio | Medium::Video | Medium::Deskshare => piece.content.to_vec(),
        Medium::Transcript => {
            let line: serde_json::Value = serde_json::from_slice(&piece.content).unwrap_or_default();
            let line = &line["content"];
            format!("{} {}", line["attribute"], line["data"].as_str().unwrap_or_default()).into_bytes()
        }
        Medium::Chat => Vec::new(),
    };
    (piece.medium, piece.timestamp, content)
}

/// What must hold of a run as a whole.
fn judged(plan: &Plan, world: &World, rig: &Rig, sent: &[Sent]) -> Vec<String> {
    let log = &rig.gateway.log;
    let mut faults = Vec::new();
    if rig.gateway.stream().is_some() {
        faults.push("nothing happens any more, and the stream is not over for us".to_owned());
    }
    if !world.open().is_empty() {
        faults.push(format!("connections are left open: {:?}", world.open()));
    }
    let killed_running = log.joins.len().checked_sub(log.endings.len());
    if killed_running.is_none_or(|it| it > log.kills.len()) {
        faults.push(format!(
            "{} runs of the machine, {} endings, {} kills",
            log.joins.len(),
            log.endings.len(),
            log.kills.len()
        ));
    }
    delivery(log, rig, sent, &mut faults);
    ledger(rig, sent, &mut faults);
    for finding in world.zoom().findings().iter() {
        let json = serde_json::to_value(finding).unwrap_or_default();
        let mistake = json["mistake"].as_str().unwrap_or_default();
        if !is_excused(plan, world, rig, mistake, &json, finding.at) {
            faults.push(format!("{}: Zoom found that the client {}", finding.at, finding.mistake));
        }
    }
    faults
}

/// Everything that reached the client was told, in each life of the machine no more often than one connection carried it.
fn delivery(log: &crate::world::log::Log, rig: &Rig, sent: &[Sent], faults: &mut Vec<String>) {
    // What reached it, by life and key: on how many connections at least once, and the most on one of them.
    let mut reached: BTreeMap<(usize, Key), usize> = BTreeMap::new();
    let mut on_link: BTreeMap<Link, usize> = BTreeMap::new();
    let mut most: BTreeMap<(Link, Key), usize> = BTreeMap::new();
    for one in sent {
        let (Some(connection), Some(key)) = (one.connection, key_of(&one.what)) else { continue };
        let link = Link(connection.0);
        let count = on_link.entry(link).or_default();
        *count += 1;
        if *count > rig.watch.reached.get(&link).copied().unwrap_or(0) {
            continue;
        }
        let Some(life) = rig.watch.life_of.get(&link) else { continue };
        let times = most.entry((link, key.clone())).or_default();
        *times += 1;
        let known = reached.entry((*life, key.clone())).or_default();
        // Several chat messages share a time.
        *known = if key.0 == Medium::Chat { *known + 1 } else { (*known).max(*times) };
    }
    let mut told: BTreeMap<(usize, Key), usize> = BTreeMap::new();
    for (at, piece) in &log.delivered {
        let life = log.joins.iter().filter(|join| *join <= at).count();
        *told.entry((life, key_of_piece(piece))).or_default() += 1;
    }
    for (key, most) in &reached {
        let (medium, timestamp) = (key.1.0, key.1.1);
        let times = told.get(key).copied().unwrap_or(0);
        // What one connection carries twice is no repeat. Lines are of people who are known, and repeats of those are.
        let allowed = if medium == Medium::Transcript { 1 } else { *most };
        if times == 0 {
            faults.push(format!("{medium} of {timestamp} came and was not told"));
        } else if times > allowed {
            faults.push(format!("{medium} of {timestamp} was told {times} times"));
        }
        if faults.len() > 5 {
            return;
        }
    }
    if let Some((_, (medium, timestamp, _))) = told.keys().find(|key| !reached.contains_key(key)) {
        faults.push(format!("{medium} of {timestamp} was told and never came"));
    }
}

/// What was sent and not told is a loss in the ledger, and the ledger has no hole.
fn ledger(rig: &Rig, sent: &[Sent], faults: &mut Vec<String>) {
    let report = rig.watch.books.ledger.report();
    faults.extend(report.flaw().map(|flaw| format!("the ledger does not tile: {flaw}")));
    let mut on_link: BTreeMap<Link, usize> = BTreeMap::new();
    for one in sent {
        let (Some(connection), Some((medium, at, _))) = (one.connection, key_of(&one.what)) else { continue };
        let link = Link(connection.0);
        let count = on_link.entry(link).or_default();
        *count += 1;
        if *count <= rig.watch.reached.get(&link).copied().unwrap_or(0) {
            continue;
        }
        // A line comes when it was said, and what it was said at is long past then.
        let at = if matches!(medium, Medium::Transcript | Medium::Chat) { one.at.0 } else { at };
        match rig.watch.books.says(&report, medium, at) {
            // Received from somebody else, or on another connection.
            Some(Word::Received | Word::Interrupted { .. }) | None => {}
            // A packet that was on its way began earlier than the loss that took it, by its length.
            Some(_) if is_lost_between(&report, medium, at, one.at.0 + ON_THE_WAY) => {}
            // It was on its way when we left, and the sound that Zoom kept covers the rest of what was lost then.
            Some(_) if rig.watch.ended.get(&link).is_some_and(|ended| ended.0 <= one.at.0 + ON_THE_WAY) => {}
            Some(word) => {
                faults.push(format!("{medium} of {at} was sent and did not reach us, and the ledger says {word:?}"));
                return;
            }
        }
    }
}

/// Whether something of this time is lost by the ledger.
fn is_lost_between(report: &LedgerReport, medium: Medium, from: u64, to: u64) -> bool {
    let spans = report.media.get(&medium).map_or(&[][..], |report| &report.spans);
    let lost = |span: &&Span| matches!(span.what, Word::Interrupted { .. }) && span.from.0 <= to && from <= span.to.0;
    report.to.0 <= to || spans.iter().any(|span| lost(&span))
}

/// Whether a finding is the trouble's doing and not the client's.
fn is_excused(plan: &Plan, world: &World, rig: &Rig, mistake: &str, json: &serde_json::Value, at: UnixMillis) -> bool {
    let log = &rig.gateway.log;
    let near = |other: UnixMillis, within: Duration| other <= at + Duration::from_secs(1) && at <= other + within;
    let incident = |is: &dyn Fn(&Trouble) -> bool| plan.zoom.incidents.iter().any(|incident| is(&incident.what));
    let ghosts = incident(&|it| matches!(it, Trouble::Vanish { .. } | Trouble::Freeze { .. }))
        || !log.kills.is_empty()
        || plan.zoom.temper.refusals.iter().any(|refused| refused.answer == Answer::Silence);
    let second = Duration::from_secs(1);
    match mistake {
        "keep_alive_missed" => ghosts,
        "window_missed" | "never_joined" | "stayed_away" | "no_media" => {
            let failed = rig.watch.failures.iter().any(|(failed, _)| near(*failed, Duration::from_secs(13)));
            let dead = !log.kills.is_empty();
            let ended = log.endings.iter().any(|(ended, _)| *ended <= at + second);
            let unready = plan.zoom.temper.ready_ignored > 0;
            let unsolicited = plan.zoom.temper.refusals.iter().any(|refused| refused.request != Request::Video);
            failed || dead || ended || unready || ghosts || unsolicited
        }
        "refused" => match (json["request"].as_i64(), json["status"].as_i64()) {
            (Some(28), _) => true,
            (Some(1), Some(8)) => true,
            (Some(1 | 3), Some(2)) => {
                rig.watch.losses.iter().any(|(lost, _)| near(*lost, Duration::from_secs(61)))
                    || ghosts
                    || plan.zoom.incidents.iter().any(|_| true)
            }
            (Some(3), Some(15 | 16)) => ghosts || rig.watch.losses.iter().any(|(lost, _)| near(*lost, second)),
            _ => false,
        },
        "handshake_too_late" => ghosts,
        // Whose camera is wanted, and when, is the plan's choice: that person may be gone, or the stream over.
        "no_camera_chosen" => true,
        // Each connection is dialed at once when it is lost, and all of them when a process that starts again has shaken hands;
        // what comes within a second adds up.
        "retried_too_fast" => {
            rig.watch.losses.iter().any(|(lost, _)| near(*lost, second))
                || log.restarts.iter().any(|again| near(*again, second * 2))
        }
        "abrupt_close" => !log.kills.is_empty(),
        "second_signaling" | "asked_again" => true,
        "second_media" => ghosts || rig.watch.losses.iter().any(|(lost, _)| near(*lost, second)),
        "came_back_after_the_end" => {
            let is_unread = !plan.post.stop_late.is_zero() || !plan.post.late.is_empty();
            is_unread || came_back(world, at) <= asked_once_more(plan, rig, at)
        }
        "joined_late" => {
            !log.kills.is_empty()
                || plan.conduct.close_at.is_some()
                || !plan.post.late.is_empty()
                || !plan.zoom.temper.refusals.is_empty()
        }
        "no_ready" => ghosts,
        // To Zoom, a process that starts again looks like one that reads a webhook again, and one that reads a start late like
        // one that reads its repeat.
        "acted_on_repeat" => {
            !log.kills.is_empty() || rig.watch.starts_read.iter().any(|read| near(*read, Duration::from_secs(2)))
        }
        "ready_too_early" | "ready_too_early_or_wrong" | "ready_wrong" => {
            rig.watch.losses.iter().any(|(lost, _)| near(*lost, second)) || ghosts
        }
        "webhook_not_accepted" | "webhook_not_answered" | "webhook_lost" | "repeat_not_accepted" => {
            !log.kills.is_empty()
        }
        _ => false,
    }
}

/// How often Zoom was asked after the end by then.
fn came_back(world: &World, by: UnixMillis) -> usize {
    let is_it = |finding: &&Finding| matches!(finding.mistake, Mistake::CameBackAfterTheEnd { .. });
    world.zoom().findings().iter().filter(is_it).filter(|finding| finding.at <= by).count()
}

/// How often it cannot but be asked by then: once by each process that starts where the one before it was killed with the end
/// unwritten, under each name that the stream may have.
fn asked_once_more(plan: &Plan, rig: &Rig, by: UnixMillis) -> usize {
    let names = if plan.zoom.product == Product::Webinar { 2 } else { 1 };
    rig.gateway.log.forgetful_kills.iter().filter(|killed| **killed <= by).count() * names
}

/// A step in words; what flows all the time is left out.
fn told(at: UnixMillis, step: &Step) -> Option<String> {
    let at = Duration::from_millis(at.0 - START.0);
    let short = |text: &str| text.chars().take(160).collect::<String>();
    Some(match step {
        Step::Arrived(ToClient::Time) | Step::Sent(_) => return None,
        Step::Arrived(ToClient::Message(_, payload)) if matches!(crate::watch::msg_type(payload), Some(12..=18)) => {
            return None;
        }
        Step::Did(FromClient::Send(_, text)) if crate::watch::msg_type(text.as_bytes()) == Some(13) => return None,
        Step::Arrived(ToClient::Webhook(post)) => {
            format!("{at:?} webhook {} {}", post.event, String::from_utf8_lossy(&post.body))
        }
        Step::Arrived(ToClient::Message(link, payload)) => {
            format!("{at:?} <- {} {}", link.0, short(&String::from_utf8_lossy(payload)))
        }
        Step::Arrived(event) => format!("{at:?} <- {event:?}"),
        Step::Did(FromClient::Send(link, text)) => format!("{at:?} -> {} {}", link.0, short(text)),
        Step::Did(done) => format!("{at:?} -> {done:?}"),
    })
}

/// The plan made as small as it can be while it still fails.
pub(crate) fn shrunk(plan: &Plan, mutation: Option<Mutation>) -> Plan {
    let mut plan = plan.clone();
    while let Some(simpler) =
        plan.simpler().into_iter().find(|simpler| !play(simpler, mutation, false).faults.is_empty())
    {
        plan = simpler;
    }
    plan
}

/// All that is to be said of a plan that failed.
pub(crate) fn story(plan: &Plan, mutation: Option<Mutation>) -> String {
    let first = play(plan, mutation, false);
    let small = shrunk(plan, mutation);
    let verdict = play(&small, mutation, true);
    let mut text = String::new();
    let _ = writeln!(text, "{plan}");
    for fault in &first.faults {
        let _ = writeln!(text, "  WRONG {fault}");
    }
    let _ = writeln!(text, "\nas small as it gets, {} steps:\n{small}", verdict.steps);
    for line in &verdict.story {
        let _ = writeln!(text, "  {line}");
    }
    for fault in &verdict.faults {
        let _ = writeln!(text, "  WRONG {fault}");
    }
    let _ = writeln!(
        text,
        "\nit repeats with\n  RTMS_SEED={} cargo test -p rtms-proto --test model one_seed -- --nocapture",
        plan.seed
    );
    text
}
