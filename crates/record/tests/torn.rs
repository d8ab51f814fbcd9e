//! A manifest that cannot be read: what the files and `ledger.jsonl` tell is kept, and what nothing tells of is lost.
#![allow(clippy::disallowed_methods, reason = "a test may tear a file")]

mod common;

use std::time::Duration;

use common::*;
use rtms_record::{
    Input, Manifest, Recorder,
    check::check,
    ledger::{Cause, Change, OffWhy, Scope, When},
    loss::LossCause,
};
use rtms_wire::{media::medium::Medium, time::UnixMillis};

/// Twelve seconds of sound after three of nothing, with a cut and a camera, killed after the last sync.
fn killed(room: &Room, with_camera: bool) {
    let mut recorder = room.open();
    for medium in Medium::ALL {
        let change = Change::Opened(medium);
        recorder.handle(Input::Change(change, When::Zoom(at(200))), at(200)).expect("recorded");
    }
    for step in 0..600 {
        let ms = 3_000 + 20 * step;
        let moment = at(ms);
        if !(6_000..8_000).contains(&ms) {
            recorder.handle(packet(5, ms as i64, &tone(1)), moment).expect("recorded");
        }
        if step == 150 {
            let cut = Change::Interrupted(Scope::Stream, Cause::Frozen);
            recorder.handle(Input::Change(cut, When::Zoom(moment)), moment).expect("recorded");
        }
        if step == 250 {
            let back = Change::Back(Scope::Stream);
            recorder.handle(Input::Change(back, When::Zoom(moment)), moment).expect("recorded");
        }
        if with_camera && step % 2 == 0 {
            recorder.handle(Input::Video(data(5, ms as i64, vec![0, 0, 0, 1, 0x65])), moment).expect("recorded");
        }
        if step % 50 == 0 {
            recorder.sync(moment).expect("synced");
        }
    }
    recorder.sync(at(15_000)).expect("synced");
    std::mem::forget(recorder);
}

fn at(ms: u64) -> UnixMillis {
    UnixMillis(START + ms)
}

fn spans(manifest: &Manifest, medium: Medium) -> Vec<(u64, String)> {
    let spans = &manifest.ledger.as_ref().expect("a ledger").media[&medium].spans;
    spans.iter().map(|span| (span.to.0 - START, span.what.to_string())).collect()
}

#[test]
fn a_torn_manifest_costs_nothing_that_a_whole_one_would_have_kept() {
    let [whole, torn] = [false, true].map(|is_torn| {
        let room = Room::new();
        killed(&room, true);
        if is_torn {
            std::fs::write(room.path("manifest.json"), b"{\"for").expect("written");
        }
        // A power cut takes the end of a track along, too.
        let wav = std::fs::OpenOptions::new().write(true).open(room.path("audio/5.wav")).expect("opened");
        wav.set_len(44 + 2 * 16 * 14_000).expect("cut");
        let mut recorder = Recorder::open(room.root.path(), about("stream-1"), at(20_000)).expect("a recorder");
        recorder.handle(Input::Change(Change::Stopped, When::Zoom(at(21_000))), at(21_000)).expect("recorded");
        let summary = recorder.finish(ending()).expect("a proper end");
        let report = check(&summary.folder);
        assert!(report.is_fine(), "{report:?}");
        (summary.manifest, report.lost)
    });
    assert_eq!((&torn.0.ledger, &torn.0.media, &torn.0.tracks), (&whole.0.ledger, &whole.0.media, &whole.0.tracks));
    assert_eq!(torn.1, whole.1);
    let lost = torn.1.expect("a ledger");
    let of = |cause| lost.parts.iter().find(|part| (part.medium, part.cause) == (Medium::Audio, cause));
    assert_eq!(of(LossCause::Cut(Cause::Frozen)).map(|part| part.ms), Some(2_000), "{lost}");
    assert_eq!(of(LossCause::Disk).map(|part| (part.ms, part.packets > 0)), Some((1_000, true)), "{lost}");
    assert_eq!(of(LossCause::Cut(Cause::Restart)).map(|part| part.ms), Some(6_000), "{lost}");
}

/// Recordings of older versions lack the line, and a power cut may take it along.
#[test]
fn what_nothing_tells_of_after_a_torn_manifest_is_lost_and_what_the_files_hold_is_not() {
    let room = Room::new();
    killed(&room, true);
    let origin = Manifest::read(&room.folder()).expect("readable").expect("there").origin.expect("sound");
    std::fs::write(room.path("manifest.json"), b"").expect("written");
    let line = format!("{{\"revision\":1,\"origin\":{origin}}}\n");
    std::fs::write(room.path("ledger.jsonl"), line).expect("written");

    let mut recorder = Recorder::open(room.root.path(), about("stream-1"), at(20_000)).expect("a recorder");
    let unwanted = Change::Off(Medium::Chat, OffWhy::NotWanted, None);
    recorder.handle(Input::Change(unwanted, When::Ours(at(0))), at(20_000)).expect("recorded");
    recorder.handle(Input::Change(Change::Stopped, When::Zoom(at(21_000))), at(21_000)).expect("recorded");
    let manifest = recorder.finish(ending()).expect("a proper end").manifest;

    let told = |spans: &[(u64, &str)]| -> Vec<_> { spans.iter().map(|(to, word)| (*to, (*word).to_owned())).collect() };
    let lost = "interrupted by restart";
    assert_eq!(origin, at(0), "all audio files begin with the stream");
    assert_eq!(spans(&manifest, Medium::Audio), told(&[(15_000, "received"), (21_000, lost)]));
    assert_eq!(spans(&manifest, Medium::Video), told(&[(3_000, lost), (15_000, "received"), (21_000, lost)]));
    assert_eq!(spans(&manifest, Medium::Deskshare), told(&[(21_000, lost)]));
    assert_eq!(spans(&manifest, Medium::Chat), told(&[(21_000, "off: not_wanted")]));
    assert!(!manifest.loss(manifest.ledger.as_ref().expect("a ledger")).is_none());
}

#[test]
fn what_a_folder_that_cannot_be_read_holds_is_lost_and_what_a_newer_version_reads_is_not() {
    for (is_newer, lost_ms) in [(false, 21_000), (true, 0)] {
        let room = Room::new();
        killed(&room, false);
        let manifest = room.path("manifest.json");
        if is_newer {
            let newer = room.text("manifest.json").replace("\"version\": 2", "\"version\": 77");
            std::fs::write(&manifest, newer).expect("written");
            let written = std::time::UNIX_EPOCH + Duration::from_millis(START + 20_000);
            let file = std::fs::OpenOptions::new().write(true).open(&manifest).expect("opened");
            file.set_modified(written).expect("dated");
        } else {
            std::fs::write(&manifest, b"torn").expect("written");
            std::fs::write(room.path("ledger.jsonl"), b"").expect("written");
        }
        let mut recorder = Recorder::open(room.root.path(), about("stream-1"), at(20_000)).expect("a recorder");
        for medium in Medium::ALL {
            recorder
                .handle(Input::Change(Change::Opened(medium), When::Zoom(at(21_000))), at(21_000))
                .expect("recorded");
        }
        recorder.handle(Input::Change(Change::Stopped, When::Zoom(at(22_000))), at(22_000)).expect("recorded");
        let manifest = recorder.finish(ending()).expect("a proper end").manifest;

        assert!(manifest.continues.is_some(), "in a folder beside");
        let audio = &manifest.ledger.as_ref().expect("a ledger").media[&Medium::Audio];
        let [interrupted, unrecorded] = ["interrupted", "unrecorded"].map(|word| audio.total_ms(word));
        assert_eq!((interrupted + unrecorded, unrecorded > 0), (21_000, is_newer), "{audio:?}");
        assert!(interrupted >= lost_ms, "{audio:?}");
    }
}
