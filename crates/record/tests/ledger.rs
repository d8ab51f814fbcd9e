//! The ledger adds up: spans tile for any input in any order, and media in any order and twice give the same spans.

mod common;

use std::collections::BTreeMap;

use common::*;
use proptest::{prelude::*, sample::Index};
use rtms_record::ledger::{Cause, Change, Ledger, LedgerReport, MAX_SPANS, OffWhy, Queue, Scope, What, When};
use rtms_wire::{
    ids::{RtmsSessionId, UserId},
    media::medium::Medium,
    time::UnixMillis,
};

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
fn what_a_dead_process_wrote_of_one_medium_does_not_make_another_silent() {
    // Sound went on when the ledger was written last; chat was silent, and pictures had not come yet.
    let mut ledger = Ledger::new(at(0), at(0));
    for medium in [Medium::Audio, Medium::Chat] {
        ledger.tell(Change::Opened(medium), When::Ours(at(1_000)), at(1_000));
    }
    ledger.received(Medium::Audio, at(1_000), 4_000, at(1_000));
    ledger.advance(at(5_100));
    // From then on, only the file of words could be written.
    let next = |report: &LedgerReport| {
        let mut next = Ledger::resume(report, &[]);
        next.found(Medium::Transcript, at(16_600), at(17_000));
        next.gap(Cause::Restart, None);
        next.advance(at(20_000));
        next
    };
    let silent = |to| (to, "silent".to_owned());
    let lost = (20_000, "interrupted by restart".to_owned());
    let goes_on = next(&ledger.report());
    assert_eq!(ends(&goes_on, Medium::Audio)[1..], [(5_000, "received".to_owned()), lost.clone()]);
    assert_eq!(ends(&goes_on, Medium::Chat)[1..], [silent(5_100), lost.clone()]);
    assert_eq!(ends(&goes_on, Medium::Video), [(5_100, "before_start".to_owned()), lost.clone()]);

    // Sound that was silent for a while stays so up to then, and who said something had not paused.
    ledger.tell(Change::StreamPaused, When::Ours(at(9_000)), at(9_000));
    ledger.advance(at(10_000));
    let goes_on = next(&ledger.report());
    let paused = (10_000, "paused by stream".to_owned());
    assert_eq!(ends(&goes_on, Medium::Audio)[2..], [silent(9_000), paused, lost]);
}

#[test]
fn what_begins_with_the_last_millisecond_is_told_to_who_goes_on() {
    let mut ledger = Ledger::new(at(0), at(0));
    ledger.tell(Change::Off(Medium::Video, OffWhy::NotGranted, None), When::Ours(at(60)), at(60));
    ledger.tell(Change::Interrupted(Scope::Medium(Medium::Chat), Cause::Refused), When::Ours(at(60)), at(60));
    let mut next = Ledger::resume(&ledger.report(), &[]);
    next.gap(Cause::Takeover, Some(at(60)));
    next.advance(at(20_000));
    assert_eq!(ends(&next, Medium::Video).last(), Some(&(20_000, "off: not_granted".to_owned())));
    assert_eq!(ends(&next, Medium::Chat).last(), Some(&(20_000, "interrupted by refused".to_owned())));
}

#[test]
fn a_medium_that_never_opened_was_missed_however_short_the_stream_was() {
    let mut ledger = Ledger::new(at(0), at(0));
    ledger.tell(Change::Off(Medium::Chat, OffWhy::NotWanted, None), When::Ours(at(0)), at(0));
    ledger.tell(Change::Opened(Medium::Transcript), When::Ours(at(300)), at(300));
    ledger.received(Medium::Video, at(500), 40, at(600));
    ledger.tell(Change::Stopped, When::Zoom(at(2_000)), at(2_100));
    assert_eq!(ends(&ledger, Medium::Audio), [(2_000, "interrupted by unreached".to_owned())]);
    assert_eq!(ends(&ledger, Medium::Transcript)[0], (300, "before_start".to_owned()));
    assert_eq!(ends(&ledger, Medium::Video)[0], (500, "before_start".to_owned()));
    assert_eq!(ends(&ledger, Medium::Chat), [(2_000, "off: not_wanted".to_owned())]);
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
