//! The ledger adds up: whatever comes in whatever order, spans tile; media in any order and twice give the same spans;
//! and what a recorder keeps of it survives its process.
#![allow(clippy::disallowed_methods, reason = "a test may put a file into the way")]

mod common;

use std::collections::BTreeMap;

use common::*;
use proptest::{prelude::*, sample::Index};
use rtms_record::{
    Dropped, Input, Manifest, Options,
    ledger::{Cause, Change, Ledger, LedgerReport, MAX_SPANS, OffWhy, Queue, Scope, SpanChange, What, When},
};
use rtms_wire::{
    ids::{RtmsSessionId, UserId},
    media::{medium::Medium, params::MediaParams},
    message::{
        event_update::{EventBody, EventUpdate},
        text_data::MediaDataTranscript,
    },
    time::UnixMillis,
};

fn at(ms: u64) -> UnixMillis {
    UnixMillis(START + ms)
}

/// One thing that a ledger may be told.
#[derive(Clone, Debug)]
enum Told {
    Received(Medium, u64, u64),
    Dropped(Medium, u64, u64, Queue),
    Change(Change, When),
    Advance,
}

fn tell(ledger: &mut Ledger, told: &Told, now: u64) {
    match told.clone() {
        Told::Received(medium, from, ms) => ledger.received(medium, at(from), ms, at(now)),
        Told::Dropped(medium, from, to, queue) => ledger.dropped(medium, at(from), at(to), queue),
        Told::Change(change, when) => ledger.tell(change, when, at(now)),
        Told::Advance => ledger.advance(at(now)),
    }
}

fn medium() -> impl Strategy<Value = Medium> {
    prop::sample::select(Medium::ALL.as_slice())
}

fn change() -> impl Strategy<Value = Change> {
    let scope = || prop_oneof![Just(Scope::Stream), medium().prop_map(Scope::Medium)];
    let cause = prop::sample::select(&[Cause::ZoomSignaling, Cause::Failover, Cause::Frozen, Cause::Restart][..]);
    let why = prop::sample::select(&[OffWhy::NotWanted, OffWhy::Unavailable][..]);
    let session = || (0..3u8).prop_map(|id| RtmsSessionId::new(format!("session-{id}")));
    let user = || (1..4u64).prop_map(UserId::from);
    prop_oneof![
        3 => medium().prop_map(Change::Opened),
        3 => (scope(), cause).prop_map(|(scope, cause)| Change::Interrupted(scope, cause)),
        2 => scope().prop_map(Change::Back),
        1 => (medium(), why).prop_map(|(medium, why)| Change::Off(medium, why, Some("why".into()))),
        1 => Just(Change::StreamPaused),
        1 => Just(Change::StreamResumed),
        1 => session().prop_map(Change::SessionRuns),
        1 => session().prop_map(Change::SessionPaused),
        1 => session().prop_map(Change::SessionStopped),
        1 => (medium(), user()).prop_map(|(medium, who)| Change::Shown(medium, who)),
        1 => (medium(), user()).prop_map(|(medium, who)| Change::Hidden(medium, Some(who))),
        1 => Just(Change::Stopped),
    ]
}

/// Mostly times of a minute, and a few that nobody can mean.
fn when() -> impl Strategy<Value = When> {
    let wild = prop::sample::select(&[0, 1, START - 5_000, u64::MAX, START + 400_000][..]).prop_map(UnixMillis);
    let time = || prop_oneof![9 => (0..60_000u64).prop_map(at), 1 => wild.clone()];
    prop_oneof![time().prop_map(When::Zoom), time().prop_map(When::Ours)]
}

fn told() -> impl Strategy<Value = Told> {
    let queue = prop::sample::select(&[Queue::Events, Queue::Disk][..]);
    prop_oneof![
        8 => (medium(), 0..60_000u64, 0..3_000u64).prop_map(|(medium, from, ms)| Told::Received(medium, from, ms)),
        1 => (medium(), 0..60_000u64, 0..60_000u64, queue)
            .prop_map(|(medium, from, to, queue)| Told::Dropped(medium, from, to, queue)),
        4 => (change(), when()).prop_map(|(change, when)| Told::Change(change, when)),
        1 => Just(Told::Advance),
    ]
}

/// Media alone, with the frequent neighbours and overlaps of real ones.
fn media() -> impl Strategy<Value = Vec<Told>> {
    let one = (medium(), 0..600u64, 0..5u64, prop::sample::select(&[20u64, 20, 40, 500][..]));
    prop::collection::vec(
        one.prop_map(|(medium, step, jitter, ms)| Told::Received(medium, 100 * step + 4 * jitter, ms)),
        1..200,
    )
}

fn flawless(report: &LedgerReport) {
    assert_eq!(report.flaw(), None);
    for medium in report.media.values() {
        assert!(medium.spans.windows(2).all(|pair| pair[0].what != pair[1].what), "as few as can be");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is told in whatever order, the spans tile, and what is told live adds up to the same.
    #[test]
    fn spans_tile_and_the_news_of_them_give_the_same(all in prop::collection::vec(told(), 1..120)) {
        let mut ledger = Ledger::new(at(0), at(0));
        let first = ledger.report();
        let mut news = Vec::new();
        for (told, now) in all.iter().zip((0..).step_by(500)) {
            tell(&mut ledger, told, now);
            if now % 1_500 == 0 {
                flawless(&ledger.report());
                news.extend(ledger.take_changes());
            }
        }
        ledger.advance(at(200_000));
        news.extend(ledger.take_changes());
        // Growing spans are told when they are closed, which they are after so long.
        let report = ledger.report();
        let mut painted = Ledger::resume(&first, &news).report();
        painted.clock_ahead_ms = report.clock_ahead_ms;
        for (medium, painted) in &painted.media {
            let ends = |spans: &[rtms_record::ledger::Span]| {
                spans.iter().map(|span| (span.from, span.what.clone())).filter(|(from, _)| *from < report.to).collect::<Vec<_>>()
            };
            prop_assert_eq!(ends(&painted.spans), ends(&report.media[medium].spans), "{}", medium);
        }
    }

    /// Zoom's order of sending, the network's and our own do not matter, nor do repeats.
    #[test]
    fn media_in_any_order_and_twice_give_the_same(
        states in prop::collection::vec((change(), 0..60_000u64), 0..12),
        media in media(),
        order in prop::collection::vec(any::<Index>(), 200),
        again in prop::collection::vec(any::<Index>(), 0..50),
    ) {
        let record = |media: &[Told]| {
            let mut ledger = Ledger::new(at(0), at(0));
            for (change, time) in &states {
                ledger.tell(change.clone(), When::Zoom(at(*time)), at(70_000));
            }
            media.iter().for_each(|told| tell(&mut ledger, told, 70_000));
            ledger.advance(at(200_000));
            LedgerReport { to: at(0), ..ledger.report() }.media
        };
        let mut shuffled = media.clone();
        for (place, other) in order.iter().enumerate().take(media.len()) {
            shuffled.swap(place, other.index(media.len()));
        }
        shuffled.extend(again.iter().map(|index| media[index.index(media.len())].clone()));
        let (one, other) = (record(&media), record(&shuffled));
        // The clock is learnt from arrival, so the end alone may differ.
        let words = |report: &BTreeMap<Medium, rtms_record::ledger::MediumReport>| -> Vec<_> {
            report.iter().map(|(medium, report)| {
                let spans: Vec<_> = report.spans.iter().map(|span| (span.from, span.what.clone())).collect();
                (*medium, spans)
            }).collect()
        };
        prop_assert_eq!(words(&one), words(&other));
    }
}

/// The words of a medium's time, each with its end after the start.
fn ends(ledger: &Ledger, medium: Medium) -> Vec<(u64, String)> {
    words(&ledger.report(), medium).into_iter().map(|(_, to, word)| (to, word)).collect()
}

/// A ledger whose media are open since the start, until its signaling is lost after 5 s and the sound before that after 4 s.
fn lost(signaling_by: Cause) -> Ledger {
    let mut ledger = Ledger::new(at(0), at(0));
    for medium in Medium::ALL {
        ledger.tell(Change::Opened(medium), When::Ours(at(0)), at(0));
    }
    let sound = Change::Interrupted(Scope::Medium(Medium::Audio), Cause::MediaConnection);
    ledger.tell(sound, When::Ours(at(4_000)), at(4_500));
    ledger.tell(Change::Interrupted(Scope::Stream, signaling_by), When::Ours(at(5_000)), at(7_000));
    ledger
}

/// A ledger whose media are open, without a camera on.
fn without_camera() -> Ledger {
    let mut ledger = Ledger::new(at(0), at(0));
    for medium in Medium::ALL {
        ledger.tell(Change::Opened(medium), When::Ours(at(0)), at(0));
    }
    ledger
}

fn cut(ledger: &mut Ledger, scope: Scope, from: u64, to: u64) {
    ledger.tell(Change::Interrupted(scope, Cause::Frozen), When::Ours(at(from)), at(to));
    for medium in Medium::ALL {
        ledger.tell(Change::Opened(medium), When::Ours(at(to)), at(to));
    }
}

fn camera(ledger: &mut Ledger, on: bool, ms: u64, now: u64) {
    let who = UserId::from(7);
    let change = if on { Change::Shown(Medium::Video, who) } else { Change::Hidden(Medium::Video, Some(who)) };
    ledger.tell(change, When::Zoom(at(ms)), at(now));
}

/// What of the video's time was cut off, and until when each piece of it went.
fn cuts(ledger: &mut Ledger, until: u64) -> Vec<(u64, u64)> {
    ledger.advance(at(until));
    let report = ledger.report();
    flawless(&report);
    let spans = report.media[&Medium::Video].spans.iter();
    let lost = spans.filter(|span| matches!(span.what, What::Interrupted { .. }));
    lost.map(|span| (span.from.0 - START, span.to.0 - START)).collect()
}

#[test]
fn a_cut_while_no_camera_is_on_hides_nothing_whether_it_ends_or_not() {
    for scope in [Scope::Stream, Scope::Medium(Medium::Video)] {
        let mut ledger = without_camera();
        cut(&mut ledger, scope, 5_000, 9_000);
        assert_eq!(cuts(&mut ledger, 60_000), []);
        // Of the next one nobody comes back, and a camera that went off before it counts as off.
        camera(&mut ledger, true, 61_000, 61_000);
        camera(&mut ledger, false, 62_000, 62_000);
        for cause in [Cause::ZoomSignaling, Cause::WindowMissed] {
            ledger.tell(Change::Interrupted(scope, cause), When::Ours(at(70_000)), at(75_000));
        }
        assert_eq!(cuts(&mut ledger, 90_000), []);
        ledger.tell(Change::Stopped, When::Zoom(at(95_000)), at(95_000));
        assert_eq!(cuts(&mut ledger, 100_000), []);
        let words = ends(&ledger, Medium::Video);
        assert_eq!(words.last(), Some(&(95_000, "off: camera_off".to_owned())));
        // What has no camera is lost as before.
        let sound = ends(&ledger, Medium::Transcript).into_iter().filter(|(_, word)| word.starts_with("interrupted"));
        assert_eq!(sound.count() > 0, scope == Scope::Stream);
    }
}

#[test]
fn a_camera_that_is_on_when_a_cut_begins_is_lost_until_it_goes_off() {
    let told = |told: bool| {
        let mut ledger = without_camera();
        if told {
            camera(&mut ledger, true, 1_000, 1_000);
        }
        // Nobody tells of a camera that was on before the stream was joined; its pictures do.
        for step in 0..100 {
            ledger.received(Medium::Video, at(1_000 + 40 * step), 40, at(1_000 + 40 * step));
        }
        ledger
    };
    for is_told in [true, false] {
        let mut ledger = told(is_told);
        cut(&mut ledger, Scope::Stream, 5_500, 9_000);
        assert_eq!(cuts(&mut ledger, 20_000), [(5_500, 9_000)], "{is_told}");
    }
    // Signaling stands, and says in the cut that the camera went off, and on.
    let mut ledger = told(true);
    ledger.tell(Change::Interrupted(Scope::Medium(Medium::Video), Cause::Frozen), When::Ours(at(5_500)), at(6_000));
    camera(&mut ledger, false, 7_000, 7_000);
    camera(&mut ledger, true, 8_000, 8_000);
    ledger.tell(Change::Opened(Medium::Video), When::Ours(at(9_000)), at(9_000));
    assert_eq!(cuts(&mut ledger, 20_000), [(5_500, 7_000), (8_000, 9_000)]);
    // The same is told before the cut is noticed.
    let mut ledger = told(true);
    camera(&mut ledger, false, 7_000, 7_000);
    camera(&mut ledger, true, 8_000, 8_000);
    cut(&mut ledger, Scope::Medium(Medium::Video), 5_500, 9_000);
    assert_eq!(cuts(&mut ledger, 20_000), [(5_500, 7_000), (8_000, 9_000)]);
    let mut ledger = told(true);
    camera(&mut ledger, false, 7_000, 7_000);
    cut(&mut ledger, Scope::Medium(Medium::Video), 5_500, 9_000);
    assert_eq!(cuts(&mut ledger, 20_000), [(5_500, 7_000)]);
}

#[test]
fn a_camera_that_went_on_within_a_cut_is_lost_from_then_on_or_from_its_beginning() {
    let picture = |ledger: &mut Ledger, ms: u64| ledger.received(Medium::Video, at(ms), 40, at(ms + 100));
    let mut ledger = without_camera();
    cut(&mut ledger, Scope::Stream, 5_000, 9_000);
    picture(&mut ledger, 9_500);
    assert_eq!(cuts(&mut ledger, 9_600), [(5_000, 9_000)], "nothing tells when it went on");
    // Signaling was slower than the picture.
    camera(&mut ledger, true, 7_000, 9_700);
    assert_eq!(cuts(&mut ledger, 20_000), [(7_000, 9_000)]);

    let mut ledger = without_camera();
    cut(&mut ledger, Scope::Stream, 5_000, 9_000);
    picture(&mut ledger, 9_500);
    camera(&mut ledger, true, 9_400, 9_700);
    assert_eq!(cuts(&mut ledger, 20_000), [], "it went on after the cut");

    let mut ledger = without_camera();
    cut(&mut ledger, Scope::Stream, 5_000, 9_000);
    camera(&mut ledger, true, 6_000, 9_100);
    picture(&mut ledger, 9_500);
    assert_eq!(cuts(&mut ledger, 20_000), [(6_000, 9_000)], "the event came before the picture");

    // Another camera, later: that the first was on all the time stays so.
    let mut ledger = without_camera();
    cut(&mut ledger, Scope::Stream, 5_000, 9_000);
    picture(&mut ledger, 9_500);
    camera(&mut ledger, true, 60_000, 60_000);
    assert_eq!(cuts(&mut ledger, 70_000), [(5_000, 9_000)]);

    // Nothing for long, and then a picture: it went on when all was well.
    let mut ledger = without_camera();
    cut(&mut ledger, Scope::Stream, 5_000, 9_000);
    picture(&mut ledger, 40_000);
    camera(&mut ledger, true, 39_000, 40_200);
    assert_eq!(cuts(&mut ledger, 50_000), []);
}

#[test]
fn one_cut_after_the_other_is_in_doubt_until_a_picture_comes() {
    let mut ledger = without_camera();
    cut(&mut ledger, Scope::Stream, 5_000, 9_000);
    cut(&mut ledger, Scope::Stream, 10_000, 12_000);
    assert_eq!(cuts(&mut ledger, 12_500), []);
    ledger.dropped(Medium::Video, at(12_600), at(12_640), Queue::Events);
    assert_eq!(cuts(&mut ledger, 20_000), [(5_000, 9_000), (10_000, 12_000)], "it came, even if it was lost here");
}

#[test]
fn a_death_while_no_camera_is_on_costs_no_video_unless_one_went_on_meanwhile() {
    for (picture_at, event_at, lost) in [
        (None, None, vec![]),
        (Some(31_500), None, vec![(9_000, 31_000)]),
        (Some(31_500), Some(20_000), vec![(20_000, 31_000)]),
        (Some(31_500), Some(31_400), vec![]),
    ] {
        let mut ledger = without_camera();
        ledger.advance(at(10_000));
        let mut next = Ledger::resume(&ledger.report(), &[]);
        next.gap(Cause::Restart, None);
        for medium in Medium::ALL {
            next.tell(Change::Opened(medium), When::Ours(at(31_000)), at(31_000));
        }
        if let Some(ms) = picture_at {
            next.received(Medium::Video, at(ms), 40, at(ms));
        }
        if let Some(ms) = event_at {
            camera(&mut next, true, ms, 31_600);
        }
        assert_eq!(cuts(&mut next, 40_000), lost, "{picture_at:?} {event_at:?}");
        assert!(ends(&next, Medium::Audio).contains(&(31_000, "interrupted by restart".to_owned())));
    }
    // Somebody's camera was on.
    for ending in ["silent", "received"] {
        let mut ledger = without_camera();
        if ending == "silent" {
            camera(&mut ledger, true, 2_000, 2_000);
        } else {
            ledger.received(Medium::Video, at(9_900), 40, at(9_900));
        }
        ledger.advance(at(10_000));
        let mut next = Ledger::resume(&ledger.report(), &[]);
        next.gap(Cause::Takeover, None);
        next.tell(Change::Opened(Medium::Video), When::Ours(at(31_000)), at(31_000));
        assert_eq!(cuts(&mut next, 40_000), [(10_000, 31_000)], "{ending}");
    }
}

#[test]
fn a_failover_that_becomes_known_late_explains_all_of_the_interruption() {
    for sign in [Cause::ZoomSignaling, Cause::Frozen] {
        let mut ledger = lost(sign);
        ledger.received(Medium::Audio, at(4_200), 100, at(4_200));
        ledger.advance(at(8_000));
        let before = ledger.report();
        ledger.take_changes();

        ledger.tell(Change::Interrupted(Scope::Stream, Cause::Failover), When::Ours(at(8_000)), at(8_000));
        ledger.advance(at(9_000));
        let news = ledger.take_changes();
        let report = ledger.report();

        flawless(&report);
        let spans = [
            (4_000, "silent"),
            (4_200, "interrupted by failover"),
            (4_300, "received"),
            (9_000, "interrupted by failover"),
        ];
        assert_eq!(ends(&ledger, Medium::Audio), spans.map(|(to, what)| (to, what.to_owned())));
        let spans = [(5_000, "silent"), (9_000, "interrupted by failover")];
        assert_eq!(ends(&ledger, Medium::Transcript), spans.map(|(to, what)| (to, what.to_owned())));
        // Whoever follows the ledger learns of it.
        assert_eq!(Ledger::resume(&before, &news).report().media, report.media);
    }
}

#[test]
fn a_failover_explains_nothing_that_is_over_or_has_another_explanation() {
    let failover = |ledger: &mut Ledger| {
        ledger.tell(Change::Interrupted(Scope::Stream, Cause::Failover), When::Ours(at(8_000)), at(8_000));
        ledger.advance(at(9_000));
    };
    // It was back for a second.
    for back in [Change::Back(Scope::Stream), Change::Opened(Medium::Audio)] {
        let mut ledger = lost(Cause::ZoomSignaling);
        ledger.tell(back, When::Ours(at(7_000)), at(7_000));
        failover(&mut ledger);
        let told = ends(&ledger, Medium::Audio);
        let spans = [
            (4_000, "silent"),
            (5_000, "interrupted by media_connection"),
            (7_000, "interrupted by zoom_signaling"),
            (8_000, "silent"),
            (9_000, "interrupted by failover"),
        ];
        assert_eq!(told, spans.map(|(to, what)| (to, what.to_owned())));
    }
    for (cause, name) in [(Cause::Refused, "refused"), (Cause::WindowMissed, "window_missed")] {
        let mut ledger = lost(cause);
        failover(&mut ledger);
        let interrupted = format!("interrupted by {name}");
        let told = ends(&ledger, Medium::Audio);
        assert_eq!(told[2..], [(8_000, interrupted), (9_000, "interrupted by failover".to_owned())], "{told:?}");
    }
    // Our own doing.
    let mut ledger = lost(Cause::ZoomSignaling);
    ledger.advance(at(7_500));
    ledger.gap(Cause::Restart, None);
    failover(&mut ledger);
    let told = ends(&ledger, Medium::Transcript);
    let spans = [
        (5_000, "silent"),
        (7_500, "interrupted by zoom_signaling"),
        (8_000, "interrupted by restart"),
        (9_000, "interrupted by failover"),
    ];
    assert_eq!(told, spans.map(|(to, what)| (to, what.to_owned())));
}

#[test]
fn what_a_failed_run_left_interrupted_goes_on_so_until_the_next_run() {
    let mut ledger = Ledger::new(at(0), at(0));
    for medium in [Medium::Audio, Medium::Chat] {
        ledger.tell(Change::Opened(medium), When::Ours(at(1_000)), at(1_000));
    }
    ledger.tell(Change::Interrupted(Scope::Medium(Medium::Audio), Cause::Refused), When::Ours(at(4_000)), at(4_000));
    ledger.advance(at(6_000));
    let told = |cause| {
        let mut next = Ledger::resume(&ledger.report(), &[]);
        next.gap(cause, Some(at(6_000)));
        for medium in [Medium::Audio, Medium::Chat] {
            next.tell(Change::Opened(medium), When::Ours(at(9_000)), at(9_000));
        }
        next.advance(at(10_000));
        [Medium::Audio, Medium::Chat].map(|medium| ends(&next, medium)[2..].to_vec())
    };
    let by = |to, cause| (to, format!("interrupted by {cause}"));
    let silent = |to| (to, "silent".to_owned());
    let goes_on = vec![by(9_000, "refused"), silent(10_000)];
    assert_eq!(told(Cause::Takeover), [goes_on, vec![by(9_000, "takeover"), silent(10_000)]]);
    // After a crash nobody knows how long it went on.
    assert_eq!(told(Cause::Restart)[0], [by(6_000, "refused"), by(9_000, "restart"), silent(10_000)]);
}

#[test]
fn what_was_open_was_offered_and_what_is_not_offered_is_not_interrupted() {
    let not_offered = |medium| Change::Off(medium, OffWhy::NotOffered, None);
    let mut ledger = Ledger::new(at(0), at(0));
    ledger.tell(not_offered(Medium::Video), When::Ours(at(0)), at(0));
    ledger.tell(Change::Opened(Medium::Chat), When::Ours(at(1_000)), at(1_000));
    ledger.tell(not_offered(Medium::Chat), When::Ours(at(2_000)), at(2_000));
    ledger.advance(at(3_000));
    let mut next = Ledger::resume(&ledger.report(), &[]);
    next.gap(Cause::Takeover, None);
    next.tell(not_offered(Medium::Video), When::Ours(at(0)), at(4_000));
    next.advance(at(5_000));
    assert_eq!(ends(&next, Medium::Video), [(5_000, "off: not_offered".to_owned())]);
    assert_eq!(ends(&next, Medium::Chat).last(), Some(&(5_000, "off: not_granted".to_owned())));
}

#[test]
fn the_words_follow_what_happened() {
    let mut ledger = Ledger::new(at(0), at(0));
    let ours = |ms| When::Ours(at(ms));
    let zoom = |ms| When::Zoom(at(ms));
    let session = |name: &str| RtmsSessionId::new(name);
    ledger.tell(Change::Off(Medium::Chat, OffWhy::NotWanted, None), zoom(0), at(0));
    ledger.tell(Change::Off(Medium::Video, OffWhy::Unavailable, Some("x".repeat(500).into())), ours(900), at(900));
    for medium in [Medium::Audio, Medium::Deskshare, Medium::Transcript] {
        ledger.tell(Change::Opened(medium), ours(1_000), at(1_000));
    }
    ledger.tell(Change::Shown(Medium::Deskshare, 7.into()), zoom(1_500), at(1_500));
    ledger.tell(Change::SessionRuns(session("a")), zoom(2_000), at(2_000));
    ledger.tell(Change::SessionRuns(session("b")), zoom(2_000), at(2_000));
    ledger.tell(Change::SessionPaused(session("a")), zoom(3_000), at(3_000));
    ledger.tell(Change::SessionPaused(session("b")), zoom(4_000), at(4_000));
    ledger.tell(Change::SessionStopped(session("b")), zoom(5_000), at(5_000));
    ledger.tell(Change::SessionRuns(session("a")), zoom(6_000), at(6_000));
    ledger.tell(Change::StreamPaused, zoom(7_000), at(7_000));
    ledger.tell(Change::Interrupted(Scope::Stream, Cause::ZoomSignaling), ours(8_000), at(8_000));
    ledger.tell(Change::Interrupted(Scope::Stream, Cause::WindowMissed), ours(9_000), at(9_000));
    ledger.tell(Change::Opened(Medium::Audio), ours(10_000), at(10_000));
    ledger.tell(Change::Back(Scope::Stream), ours(10_500), at(10_500));
    ledger.tell(Change::StreamResumed, zoom(11_000), at(11_000));
    ledger.tell(Change::Hidden(Medium::Deskshare, Some(7.into())), zoom(11_500), at(11_500));
    // Noticed after a minute, and it began then.
    ledger.tell(Change::Interrupted(Scope::Medium(Medium::Audio), Cause::Frozen), ours(12_000), at(14_000));
    ledger.tell(Change::Stopped, zoom(15_000), at(16_000));
    ledger.advance(at(17_000));

    let report = ledger.report();
    flawless(&report);
    let told = |medium: Medium| -> Vec<_> {
        report.media[&medium].spans.iter().map(|span| (span.to.0 - START, span.what.to_string())).collect()
    };
    let expect =
        |spans: &[(u64, &str)]| -> Vec<_> { spans.iter().map(|(to, what)| (*to, (*what).to_owned())).collect() };
    let paused = [
        (4_000, "silent"),
        (6_000, "paused by sessions"),
        (7_000, "silent"),
        (8_000, "paused by stream"),
        (9_000, "interrupted by zoom_signaling"),
    ];
    let with =
        |before: &[(u64, &'static str)], after: &[(u64, &'static str)]| expect(&[before, &paused, after].concat());
    assert_eq!(
        told(Medium::Audio),
        with(
            &[(1_000, "before_start")],
            &[
                (10_000, "interrupted by window_missed"),
                (11_000, "paused by stream"),
                (12_000, "silent"),
                (15_000, "interrupted by frozen")
            ]
        )
    );
    let shared = [
        (10_500, "interrupted by window_missed"),
        (11_000, "paused by stream"),
        (11_500, "silent"),
        (15_000, "off: nobody_shares"),
    ];
    assert_eq!(told(Medium::Deskshare), with(&[(1_000, "before_start"), (1_500, "off: nobody_shares")], &shared));
    assert_eq!(told(Medium::Chat), expect(&[(15_000, "off: not_wanted")]));
    let [before, off] = &*report.media[&Medium::Video].spans else { panic!("{report:#?}") };
    assert_eq!((before.what.word(), before.ms()), ("before_start", 900));
    let What::Off { detail: Some(detail), .. } = &off.what else { panic!("{off:?}") };
    assert_eq!(detail.len(), What::MAX_DETAIL_BYTES);
    assert_eq!(report.to, at(15_000), "the stop is the end, not when we heard of it");
}

#[test]
fn a_ledger_of_anything_stays_small() {
    let mut ledger = Ledger::new(at(0), at(0));
    for step in 0..MAX_SPANS as u64 {
        let now = at(step * 1_000);
        for medium in Medium::ALL {
            ledger.received(medium, now, 20, now);
            ledger.dropped(medium, at(step * 1_000 + 300), at(step * 1_000 + 310), Queue::Events);
        }
        ledger.tell(Change::Interrupted(Scope::Stream, Cause::Frozen), When::Ours(at(step * 1_000 + 500)), now);
        for medium in Medium::ALL {
            ledger.tell(Change::Opened(medium), When::Ours(at(step * 1_000 + 700)), now);
            ledger.tell(Change::Shown(medium, step.into()), When::Ours(at(step * 1_000 + 700)), now);
        }
        ledger.tell(Change::SessionRuns(RtmsSessionId::new(step.to_string())), When::Ours(now), now);
    }
    let report = ledger.report();
    flawless(&report);
    assert!(report.media.values().all(|report| report.spans.len() <= MAX_SPANS && report.coarsened_ms > 0));
    assert!(ledger.take_changes().len() <= 5 * MAX_SPANS);
}

fn open_medium(medium: Medium) -> Input {
    Input::Granted(medium, MediaParams::default())
}

fn words(report: &LedgerReport, medium: Medium) -> Vec<(u64, u64, String)> {
    let spans = report.media[&medium].spans.iter();
    spans.map(|span| (span.from.0 - START, span.to.0 - START, span.what.to_string())).collect()
}

fn expected(spans: &[(u64, u64, &str)]) -> Vec<(u64, u64, String)> {
    spans.iter().map(|(from, to, what)| (*from, *to, (*what).to_owned())).collect()
}

/// Sound of 20 ms a packet from one time to another, in milliseconds after the start.
fn sound(user: u64, from: i64, to: i64) -> impl Iterator<Item = Input> {
    (from..to).step_by(20).map(move |at| packet(user, at, &tone(1)))
}

#[test]
fn a_recorder_learns_from_what_it_records() {
    let room = Room::new();
    let mut recorder = room.open();
    let now = |ms| at(ms);
    let mut feed = |inputs: Vec<Input>, ms| {
        inputs.into_iter().for_each(|input| recorder.handle(input, now(ms)).expect("recorded"));
    };
    feed(Medium::ALL[..4].iter().map(|medium| open_medium(*medium)).collect(), 500);
    feed(vec![Input::Change(Change::Off(Medium::Chat, OffWhy::NotWanted, None), When::Zoom(at(0)))], 500);
    feed(sound(5, 0, 1_000).chain(sound(6, 400, 1_500)).collect(), 1_500);
    feed(vec![shared(5, 1_000)], 1_500);
    feed((0..10).map(|step| Input::Deskshare(data(5, 1_100 + 200 * step, vec![0, 0, 1]))).collect(), 3_000);
    feed(vec![shared(6, 3_000)], 3_000);
    let line = MediaDataTranscript {
        data: "words".into(),
        start_time: Some(at(600)),
        end_time: Some(at(1_200)),
        ..MediaDataTranscript::default()
    };
    feed(vec![Input::Transcript(line)], 3_000);
    let dropped = Dropped { medium: Medium::Audio, queue: Queue::Events, first: at(1_500), last: at(1_680), count: 10 };
    feed(vec![Input::Dropped(dropped)], 3_000);
    feed(vec![Input::Change(Change::Stopped, When::Zoom(at(4_000)))], 4_100);
    let summary = finish(recorder);

    let ledger = summary.manifest.ledger.expect("a ledger");
    flawless(&ledger);
    assert_eq!((ledger.from, ledger.to), (at(0), at(4_000)));
    let audio = [(0, 1_500, "received"), (1_500, 1_700, "dropped by events"), (1_700, 4_000, "silent")];
    assert_eq!(words(&ledger, Medium::Audio), expected(&audio));
    let deskshare = [
        (0, 500, "before_start"),
        (500, 1_000, "off: nobody_shares"),
        (1_000, 1_100, "silent"),
        (1_100, 2_940, "received"),
        (2_940, 3_000, "silent"),
        (3_000, 4_000, "off: nobody_shares"),
    ];
    assert_eq!(words(&ledger, Medium::Deskshare), expected(&deskshare));
    let transcript =
        [(0, 500, "before_start"), (500, 600, "silent"), (600, 1_200, "received"), (1_200, 4_000, "silent")];
    assert_eq!(words(&ledger, Medium::Transcript), expected(&transcript));
    assert_eq!(words(&ledger, Medium::Chat), expected(&[(0, 4_000, "off: not_wanted")]));
    let read = Manifest::read(&room.folder()).expect("readable").expect("there");
    assert_eq!(read.ledger, Some(ledger));
    assert!(!room.path("ledger.jsonl").exists(), "all of it is in the manifest");
}

/// Sharing starts (5) or stops (6).
fn shared(event_type: i64, ms: u64) -> Input {
    let event = EventBody {
        event_type: Some(event_type),
        timestamp: Some(at(ms)),
        user_id: Some(5.into()),
        ..EventBody::default()
    };
    Input::Event(EventUpdate { event, extra: rtms_wire::message::Extra::new() })
}

#[test]
fn changes_are_told_live_and_lie_in_a_file_until_the_manifest_has_them() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [open_medium(Medium::Audio)]);
    let mut told = Vec::new();
    for second in 0..40u64 {
        // Every fifth second nobody speaks.
        let from = i64::try_from(1_000 * second).expect("small");
        if second % 5 != 4 {
            for input in sound(5, from, from + 1_000) {
                recorder.handle(input, at(1_000 * second + 1_100)).expect("recorded");
            }
        }
        recorder.sync(at(1_000 * second + 1_100)).expect("synced");
        told.extend(recorder.take_span_changes());
        let lines = room.text("ledger.jsonl");
        assert!(lines.len() < 20_000, "{lines}");
        let manifest = Manifest::read(&room.folder()).expect("readable").expect("there");
        let news = lines.lines().filter(|line| line.contains("\"medium\"") && !line.contains("\"manifest\""));
        let news: Vec<SpanChange> = news.map(|line| serde_json::from_str(line).expect("a line")).collect();
        let known = Ledger::resume(&manifest.ledger.expect("a ledger"), &news).report();
        assert_eq!(known.flaw(), None);
    }
    assert!(recorder.take_span_changes().is_empty(), "each once");
    let audio: Vec<_> = told.iter().filter(|change| change.medium == Medium::Audio).collect();
    assert!((20..60).contains(&audio.len()), "as often as something changed: {}", audio.len());
    let first = audio.iter().find(|change| change.span.what == What::Received && !change.open).expect("closed");
    assert_eq!((first.span.from, first.span.to), (at(0), at(4_000)));
}

#[test]
fn the_next_process_names_the_gap_and_a_backlog_fills_it() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [open_medium(Medium::Audio), open_medium(Medium::Transcript)]);
    for input in sound(5, 0, 10_000) {
        recorder.handle(input, at(10_000)).expect("recorded");
    }
    recorder.sync(at(10_000)).expect("synced");
    for input in sound(5, 10_000, 10_600) {
        recorder.handle(input, at(10_600)).expect("recorded");
    }
    // Killed with 600 ms unsynced.
    std::mem::forget(recorder);

    let open = |ms| rtms_record::Recorder::open_with(room.root.path(), about("stream-1"), Options::default(), at(ms));
    let mut recorder = open(30_000).expect("a recorder");
    let ledger = recorder.describe().ledger.expect("a ledger");
    flawless(&ledger);
    assert_eq!(words(&ledger, Medium::Audio)[0], (0, 10_000, "received".into()));
    recorder.handle(open_medium(Medium::Audio), at(31_000)).expect("recorded");
    for input in sound(5, 12_000, 40_000) {
        recorder.handle(input, at(40_000)).expect("recorded");
    }
    recorder.sync(at(40_000)).expect("synced");
    drop(recorder);

    // And once more, properly handed over this time.
    let recorder = open(41_000).expect("a recorder");
    finish(recorder);
    let mut recorder = open(70_000).expect("a recorder");
    for medium in [Medium::Audio, Medium::Transcript] {
        recorder.handle(open_medium(medium), at(80_000)).expect("recorded");
    }
    let summary = recorder.finish(rtms_record::Ending { at: at(81_000), ..ending() }).expect("a proper end");
    let ledger = summary.manifest.ledger.expect("a ledger");
    flawless(&ledger);
    let audio = [
        (0, 10_000, "received"),
        (10_000, 12_000, "interrupted by restart"),
        (12_000, 40_000, "received"),
        (40_000, 60_000, "interrupted by restart"),
        (60_000, 80_000, "interrupted by takeover"),
        (80_000, 81_000, "silent"),
    ];
    assert_eq!(words(&ledger, Medium::Audio), expected(&audio));
    let transcript = words(&ledger, Medium::Transcript);
    // What was said in the last second may not have arrived.
    assert_eq!(transcript[2], (9_000, 60_000, "interrupted by restart".into()), "{transcript:?}");
}

#[test]
fn what_the_ledger_lacks_after_a_crash_is_found_in_the_files() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [open_medium(Medium::Audio), open_medium(Medium::Video), open_medium(Medium::Transcript)]);
    for second in 0..20u64 {
        let from = i64::try_from(1_000 * second).expect("small");
        let video = (0..25).map(|step| Input::Video(data(5, from + 40 * step, vec![0, 0, 1])));
        for input in sound(0, from, from + 1_000).chain(video) {
            recorder.handle(input, at(1_000 * second + 1_000)).expect("recorded");
        }
        let line = MediaDataTranscript {
            data: "words".into(),
            start_time: Some(at(1_000 * second)),
            end_time: Some(at(1_000 * second + 900)),
            ..MediaDataTranscript::default()
        };
        recorder.handle(Input::Transcript(line), at(1_000 * second + 1_000)).expect("recorded");
        recorder.sync(at(1_000 * second + 1_000)).expect("synced");
    }
    std::mem::forget(recorder);
    std::fs::remove_file(room.path("ledger.jsonl")).expect("what was there is lost");

    let ledger = room.open().describe().ledger.expect("a ledger");
    flawless(&ledger);
    let received = |medium| ledger.media[&medium].total_ms("received");
    assert_eq!(received(Medium::Video), 20_000);
    assert_eq!(received(Medium::Transcript), 18_000);
}

#[test]
fn a_recording_of_a_version_without_a_ledger_gets_one() {
    let room = Room::new();
    std::fs::create_dir_all(room.path("audio")).expect("a folder");
    std::fs::write(room.path("manifest.json"), include_str!("fixtures/manifest-v1.json")).expect("written");
    let mut recorder =
        rtms_record::Recorder::open(room.root.path(), about("stream-1"), at(60_000)).expect("a recorder");
    record(&mut recorder, [open_medium(Medium::Audio), packet(5, 1_000, &tone(1))]);
    let ledger = recorder.describe().ledger.expect("a ledger");
    flawless(&ledger);
    let audio = words(&ledger, Medium::Audio);
    assert_eq!(audio[0], (0, 20, "unrecorded".into()), "{audio:?}");
    assert_eq!(audio[1], (20, 700, "interrupted by takeover".into()), "{audio:?}");
    assert_eq!(audio[3], (1_000, 1_020, "received".into()), "{audio:?}");
}

#[test]
fn what_the_disk_did_not_take_is_dropped() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [open_medium(Medium::Audio), packet(5, 0, &tone(1))]);
    std::fs::remove_dir_all(room.folder()).expect("deleted");
    for step in 1..2_000i64 {
        let _ = recorder.handle(packet(5, 20 * step, &tone(1)), now());
    }
    let ledger = recorder.describe().ledger.expect("a ledger");
    flawless(&ledger);
    assert!(ledger.media[&Medium::Audio].total_ms("dropped") > 20_000, "{ledger:?}");
}

#[test]
fn a_disk_that_fails_for_a_while_and_loses_nothing_is_no_loss() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [open_medium(Medium::Audio)]);
    let elsewhere = room.root.path().join("elsewhere");
    std::fs::rename(room.folder(), &elsewhere).expect("out of reach");
    record(&mut recorder, (0..300).map(|step| packet(5, 20 * step, &tone(1))));
    assert!(recorder.sync(now()).is_err());
    std::fs::rename(&elsewhere, room.folder()).expect("back");
    record(&mut recorder, (300..400).map(|step| packet(5, 20 * step, &tone(1))));
    let summary = finish(recorder);

    assert_eq!(room.samples("audio/5.wav"), tone(1).repeat(400));
    let ledger = summary.manifest.ledger.expect("a ledger");
    assert_eq!(ledger.media[&Medium::Audio].total_ms("dropped"), 0, "{ledger:?}");
    assert_eq!(summary.manifest.refused, 0);
}

#[test]
fn what_could_not_be_read_is_dropped_where_it_would_have_been() {
    let mut ledger = Ledger::new(at(0), at(0));
    ledger.tell(Change::Opened(Medium::Audio), When::Ours(at(0)), at(0));
    // Each comes 30 ms after it was made; two seconds of it cannot be read, and one message more.
    for step in 0..300u64 {
        let (made, came) = (at(20 * step), at(20 * step + 30));
        if (100..200).contains(&step) || step == 250 {
            ledger.unreadable(Medium::Audio, came, 20);
        } else {
            ledger.received(Medium::Audio, made, 20, came);
        }
    }
    ledger.advance(at(10_000));
    // After silence, and many at once.
    for _ in 0..5_000 {
        ledger.unreadable(Medium::Audio, at(10_000), 20);
    }
    ledger.advance(at(11_000));
    let report = ledger.report();
    flawless(&report);
    let spans = words(&report, Medium::Audio);
    let unreadable = "dropped: unreadable";
    let ahead = ledger.to_zoom(at(10_000)).0 - START;
    let last = spans.iter().rfind(|span| span.2 == unreadable).expect("it is told").clone();
    let expected = expected(&[
        (0, 2_000, "received"),
        (2_000, 4_000, unreadable),
        (4_000, 5_000, "received"),
        (5_000, 5_020, unreadable),
        (5_020, 6_000, "received"),
        (6_000, last.0, "silent"),
        (last.0, last.1, unreadable),
        (last.1, report.to.0 - START, "silent"),
    ]);
    assert_eq!(spans, expected);
    assert!(last.0 + 20 == ahead && last.1 <= ahead + 40, "{last:?} {ahead}");
}

#[test]
fn after_a_stop_in_order_the_gap_begins_where_the_ledger_ended() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [open_medium(Medium::Audio), open_medium(Medium::Chat)]);
    for input in sound(0, 0, 5_000) {
        recorder.handle(input, at(5_000)).expect("recorded");
    }
    let summary = recorder.finish(rtms_record::Ending { at: at(5_480), ..ending() }).expect("a proper end");
    let stopped = summary.manifest.ledger.expect("a ledger").to.0 - START;
    let mut recorder = rtms_record::Recorder::open(room.root.path(), about("stream-1"), at(9_000)).expect("a recorder");
    for input in [open_medium(Medium::Audio), open_medium(Medium::Chat)] {
        recorder.handle(input, at(9_000)).expect("recorded");
    }
    let ledger = recorder.describe().ledger.expect("a ledger");
    flawless(&ledger);
    for medium in [Medium::Audio, Medium::Chat] {
        let spans = words(&ledger, medium);
        let gap = spans.iter().find(|span| span.2.starts_with("interrupted")).expect("a gap");
        assert_eq!((gap.0, gap.2.as_str()), (stopped, "interrupted by takeover"), "{spans:?}");
        assert!(spans.iter().any(|span| span.1 == gap.0 && span.2 == "silent"), "{spans:?}");
    }
}

#[test]
fn words_that_last_beyond_a_stop_in_order_hide_no_gap() {
    let room = Room::new();
    let media = || [open_medium(Medium::Chat), open_medium(Medium::Transcript)];
    let mut recorder = room.open();
    let said = MediaDataTranscript {
        data: "words".into(),
        start_time: Some(at(5_000)),
        end_time: Some(at(7_000)),
        ..MediaDataTranscript::default()
    };
    for input in media().into_iter().chain([Input::Transcript(said)]) {
        recorder.handle(input, at(5_000)).expect("recorded");
    }
    recorder.finish(rtms_record::Ending { at: at(5_100), ..ending() }).expect("a proper end");
    let mut recorder = rtms_record::Recorder::open(room.root.path(), about("stream-1"), at(5_200)).expect("a recorder");
    for input in media() {
        recorder.handle(input, at(5_300)).expect("recorded");
    }
    recorder.sync(at(9_000)).expect("synced");

    let ledger = recorder.describe().ledger.expect("a ledger");
    flawless(&ledger);
    let chat = [(0, 5_000, "before_start"), (5_000, 5_100, "silent"), (5_100, 5_300, "interrupted by takeover")];
    assert_eq!(words(&ledger, Medium::Chat)[..3], expected(&chat));
    let transcript = words(&ledger, Medium::Transcript);
    assert_eq!(transcript[1], (5_000, 7_000, "received".into()), "{transcript:?}");
}

#[test]
fn times_that_nobody_can_mean_move_no_end() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [open_medium(Medium::Audio), open_medium(Medium::Video), packet(5, 0, &tone(1))]);
    for wild in [0, 1, START / 1000, START + 86_400_000, u64::MAX] {
        let mut data = data(5, 0, vec![1; 640]);
        data.timestamp = UnixMillis(wild);
        let line = MediaDataTranscript {
            start_time: Some(UnixMillis(wild)),
            end_time: Some(UnixMillis(u64::MAX)),
            ..MediaDataTranscript::default()
        };
        let lost = |first, last| Dropped {
            medium: Medium::Deskshare,
            queue: Queue::Events,
            first: UnixMillis(first),
            last: UnixMillis(last),
            count: 1,
        };
        record(
            &mut recorder,
            [
                Input::Audio(data.clone()),
                Input::Video(data),
                Input::Transcript(line),
                Input::Change(Change::StreamPaused, When::Zoom(UnixMillis(wild))),
                Input::Change(Change::StreamResumed, When::Ours(UnixMillis(wild))),
                Input::Dropped(lost(0, wild)),
                Input::Clock { zoom: UnixMillis(wild), ours: now() },
            ],
        );
    }
    let ledger = recorder.describe().ledger.expect("a ledger");
    flawless(&ledger);
    assert!(ledger.to <= at(200_000), "{ledger:?}");
    let summary = finish(recorder);
    flawless(&summary.manifest.ledger.expect("a ledger"));
}

/// Dies between the manifest and the emptying of what it made superfluous.
#[test]
fn what_the_manifest_has_already_is_not_told_over_it() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [open_medium(Medium::Audio)]);
    recorder.sync(at(3_000)).expect("synced");
    let news = room.text("ledger.jsonl");
    assert!(!news.is_empty());
    drop(recorder);
    let open = |ms| rtms_record::Recorder::open(room.root.path(), about("stream-1"), at(ms)).expect("a recorder");
    let mut recorder = open(10_000);
    recorder.sync(at(20_000)).expect("synced");
    drop(recorder);
    std::fs::write(room.path("ledger.jsonl"), news).expect("written");

    let ledger = open(30_000).describe().ledger.expect("a ledger");
    let audio = words(&ledger, Medium::Audio);
    assert_eq!(audio[2].2, "interrupted by restart", "{audio:?}");
}

/// Users and later versions read this format: the fixture is what version 2 writes and stays as it is.
#[test]
fn a_manifest_of_version_2_is_read() {
    let room = Room::new();
    std::fs::create_dir_all(room.path("audio")).expect("a folder");
    std::fs::write(room.path("manifest.json"), include_str!("fixtures/manifest-v2.json")).expect("written");
    let manifest = Manifest::read(&room.folder()).expect("readable").expect("there");
    let again = serde_json::to_value(&manifest).expect("written");
    let fixture: serde_json::Value = serde_json::from_str(include_str!("fixtures/manifest-v2.json")).expect("JSON");
    assert_eq!(again, fixture, "nothing lost, nothing new without a new version");
    let ledger = manifest.ledger.expect("a ledger");
    flawless(&ledger);
    let told: std::collections::BTreeSet<_> =
        ledger.media.values().flat_map(|medium| medium.spans.iter().map(|span| span.what.word())).collect();
    assert_eq!(told.len(), What::WORDS.len(), "each word is in it: {told:?}");

    let mut recorder = room.open();
    for input in [open_medium(Medium::Audio), packet(5, 70_000, &tone(1))] {
        recorder.handle(input, at(70_500)).expect("recorded");
    }
    let ledger = finish(recorder).manifest.ledger.expect("a ledger");
    flawless(&ledger);
    let audio = words(&ledger, Medium::Audio);
    let told: Vec<_> = audio.iter().map(|span| span.2.as_str()).collect();
    let before = ["received", "silent", "paused by stream", "interrupted by failover", "dropped by events", "silent"];
    let after = ["interrupted by takeover", "silent", "received"];
    assert_eq!(told, [&before[..], &after].concat(), "{audio:?}");
}

#[test]
fn a_clock_of_ours_that_is_put_back_makes_no_loss_go_away() {
    let mut ledger = Ledger::new(at(0), at(0));
    ledger.tell(Change::Opened(Medium::Audio), When::Ours(at(0)), at(0));
    ledger.tell(Change::Interrupted(Scope::Stream, Cause::Frozen), When::Ours(at(10_000)), at(10_000));
    ledger.tell(Change::Opened(Medium::Audio), When::Ours(at(20_000)), at(20_000));
    ledger.tell(Change::StreamPaused, When::Zoom(at(30_000)), at(30_000));
    for change in [Change::StreamResumed, Change::Back(Scope::Stream), Change::Opened(Medium::Audio)] {
        ledger.tell(change, When::Ours(at(1_000)), at(1_000));
    }
    ledger.advance(at(40_000));
    let report = ledger.report();
    flawless(&report);
    assert_eq!(report.media[&Medium::Audio].total_ms("interrupted"), 10_000);
}
