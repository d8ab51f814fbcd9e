//! What a recorder keeps of the ledger: it is sent live, lies in a file, and survives its process.
#![allow(clippy::disallowed_methods, reason = "a test may put a file into the way")]

mod common;

use common::*;
use rtms_record::{
    Dropped, Input, Manifest, Options,
    ledger::{Cause, Change, Ledger, OffWhy, Queue, Scope, SpanChange, What, When},
};
use rtms_wire::{
    media::{medium::Medium, params::MediaParams},
    message::{
        event_update::{EventBody, EventUpdate},
        text_data::MediaDataTranscript,
    },
    time::UnixMillis,
};

fn open_medium(medium: Medium) -> Input {
    Input::Granted(medium, MediaParams::default())
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
    Input::Event(EventUpdate { event, extra: rtms_wire::extra::Extra::new() })
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
