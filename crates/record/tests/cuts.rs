//! Cuts while cameras are off, on, or change: what was known before a cut holds within it, until something tells otherwise.

mod common;

use common::*;
use rtms_record::ledger::{Cause, Change, Ledger, Queue, Scope, What, When};
use rtms_wire::{ids::UserId, media::medium::Medium};

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
