//! A recording that cannot be written to its end is closed with what is in its files, and the rest is counted as lost.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "a test may put a file into the way")]

mod common;

use std::{fs, os::unix::fs::symlink, path::Path};

use common::*;
use rtms_record::{
    Input, Loss, Manifest, Note, Options, Recorder,
    check::check,
    ledger::{Change, When},
    loss::{LossCause, LostPart},
    manifest::RecordingState,
};
use rtms_wire::{
    extra::Extra,
    media::{medium::Medium, params::MediaParams},
    message::text_data::{MediaDataChat, MediaDataTranscript},
    time::UnixMillis,
};

/// Seconds that are written well, and as many that are not.
const HALF: i64 = 2;

/// One second of everything, from this second on.
fn second(from: i64) -> Vec<Input> {
    let mut inputs = Vec::new();
    for step in 0..50 {
        let at = 1000 * from + 20 * step;
        inputs.push(packet(5, at, &tone(3)));
        inputs.push(packet(6, at, &tone(4)));
        if step % 2 == 0 {
            inputs.push(Input::Video(data(5, at, vec![0, 0, 1, 9])));
            inputs.push(Input::Deskshare(data(6, at, vec![0xff, 0xd8, 0xff, 7, 0xff, 0xd9])));
        }
        if step % 25 == 0 {
            let start_time = Some(UnixMillis(START + at.unsigned_abs()));
            inputs.push(Input::Transcript(MediaDataTranscript {
                data: format!("words at {at}"),
                start_time,
                ..MediaDataTranscript::default()
            }));
            let chat = format!("chat at {at}").into();
            let chat = MediaDataChat { timestamp: start_time, data: chat, ..MediaDataChat::default() };
            inputs.push(Input::Chat(chat));
            inputs.push(Input::Note(Note { at: now(), kind: "state".into(), fields: Extra::new() }));
        }
        // Before the origin, so that it lies aside.
        if step % 10 == 0 {
            inputs.push(packet(5, -60_000 - at, &tone(9)));
        }
    }
    inputs
}

/// A recording of which this file cannot be written in its second half, closed all the same.
fn closed_without(file: &str) -> (Room, Manifest) {
    let (room, mut recorder) = half_written(file, true);
    put_back(&room, file);
    let summary = recorder.try_finish(&ending(), &|| true).expect("closed");
    (room, summary.manifest)
}

/// The same, given up or not, and not closed yet.
fn half_written(file: &str, gives_up: bool) -> (Room, Recorder) {
    let room = Room::new();
    // Each part of a track is as long as the first half.
    let wav_limit_bytes = 44 + 32_000 * HALF.unsigned_abs();
    let mut recorder = room.open_with(Options { wav_limit_bytes, max_open_files: 1, ..Options::default() });
    let write = |recorder: &mut Recorder, from: i64| {
        for second_from in from..from + HALF {
            record_at(1000 * (second_from + 1).unsigned_abs(), recorder, second(second_from));
        }
    };
    write(&mut recorder, 0);
    recorder.sync(UnixMillis(START + 1000 * HALF.unsigned_abs())).expect("synced");

    let path = room.path(file);
    let kept = room.root.path().join("kept");
    // A new one is not there yet.
    let _ = fs::rename(&path, &kept);
    symlink("/dev/full", &path).expect("a link");
    write(&mut recorder, HALF);
    let end = UnixMillis(START + 2000 * HALF.unsigned_abs());
    recorder.handle(Input::Change(Change::Stopped, When::Zoom(end)), end).expect("handled");
    recorder.try_finish(&ending(), &|| true).expect_err("it cannot be written");
    if gives_up {
        recorder.give_up().expect("cut");
    }
    (room, recorder)
}

/// The file is as it was when it could be written.
fn put_back(room: &Room, file: &str) {
    let path = room.path(file);
    if path.is_symlink() {
        fs::remove_file(&path).expect("removed");
        // There is none if it was new.
        let _ = fs::rename(room.root.path().join("kept"), &path);
    }
}

fn assert_closed(room: &Room, manifest: &Manifest) -> Loss {
    assert_eq!(manifest.state, RecordingState::Finished);
    let report = check(&room.folder());
    assert_eq!(report.problems, []);
    assert!(!Path::new(&room.path("reserve.bin")).exists());
    let lost = report.lost.expect("a ledger");
    assert_eq!(lost, manifest.loss(manifest.ledger.as_ref().expect("a ledger")));
    lost
}

#[test]
fn of_lines_that_cannot_be_written_each_is_counted_and_nothing_else_is_lost() {
    let seconds = HALF.unsigned_abs();
    let files = [
        ("video/index.jsonl", Medium::Video, 25 * seconds, 1000 * seconds),
        ("video/active.h264", Medium::Video, 25 * seconds, 1000 * seconds),
        ("deskshare/index.jsonl", Medium::Deskshare, 25 * seconds, 1000 * seconds),
        ("transcript.jsonl", Medium::Transcript, 2 * seconds, 2 * seconds),
        ("chat.jsonl", Medium::Chat, 2 * seconds, 2 * seconds),
    ];
    for (file, medium, packets, ms) in files {
        let (room, manifest) = closed_without(file);
        let lost = assert_closed(&room, &manifest);
        assert_eq!(lost.parts, [LostPart { medium, cause: LossCause::Disk, ms, packets }], "{file}");
        assert_eq!(manifest.refused, packets, "{file}");
    }
}

#[test]
fn what_a_killed_process_could_not_write_is_lost_and_not_received() {
    let files = [
        ("video/index.jsonl", Medium::Video),
        ("deskshare/index.jsonl", Medium::Deskshare),
        ("transcript.jsonl", Medium::Transcript),
        ("chat.jsonl", Medium::Chat),
    ];
    for (file, medium) in files {
        let (room, mut recorder) = half_written(file, false);
        recorder.sync(UnixMillis(START + 2000 * HALF.unsigned_abs())).expect_err("no room");
        std::mem::forget(recorder);
        put_back(&room, file);

        let summary = finish(room.open());
        let ledger = summary.manifest.ledger.expect("a ledger");
        let [received, lost] = ["received", "dropped"].map(|word| ledger.media[&medium].total_ms(word));
        let is_words = matches!(medium, Medium::Transcript | Medium::Chat);
        let expected = if is_words { 2 * HALF.unsigned_abs() } else { 1000 * HALF.unsigned_abs() };
        assert!(received.abs_diff(expected) <= 200, "{file}: {received} of {expected}");
        assert!(lost.abs_diff(expected) <= 200 && lost > 0, "{file}: {lost} of {expected}");
    }
}

#[test]
fn events_and_what_lies_aside_are_counted_as_well() {
    let (room, manifest) = closed_without("events.jsonl");
    assert!(assert_closed(&room, &manifest).is_none(), "no medium");
    assert_eq!((manifest.events, manifest.refused), (2 * HALF.unsigned_abs(), 2 * HALF.unsigned_abs()));

    let (room, manifest) = closed_without("aside/index.jsonl");
    let lost = assert_closed(&room, &manifest);
    assert_eq!(lost.parts.iter().map(|part| part.packets).sum::<u64>(), 5 * HALF.unsigned_abs(), "{lost}");
    assert_eq!(room.lines("aside/index.jsonl").len(), 5 * HALF as usize);
}

#[test]
fn a_track_that_cannot_be_written_is_cut_back_and_the_mix_has_the_others() {
    let (room, manifest) = closed_without("audio/5.part2.wav");
    let lost = assert_closed(&room, &manifest);
    let seconds = HALF.unsigned_abs();
    let part = LostPart { medium: Medium::Audio, cause: LossCause::Disk, ms: 1000 * seconds, packets: 50 * seconds };
    assert_eq!(lost.parts, [part]);
    assert_eq!(room.samples("audio/5.wav"), vec![3; 16_000 * HALF as usize]);
    assert!(!room.path("audio/5.part2.wav").exists());
    assert_eq!(room.samples("audio/6.part2.wav"), vec![4; 16_000 * HALF as usize]);
    assert_eq!(room.samples("audio/mixed.wav"), vec![7; 16_000 * HALF as usize]);
    assert_eq!(room.samples("audio/mixed.part2.wav"), vec![4; 16_000 * HALF as usize]);
}

#[test]
fn people_who_take_turns_lose_what_they_said_and_not_what_others_did() {
    let room = Room::new();
    let mut recorder =
        room.open_with(Options { wav_limit_bytes: 44 + 32_000, max_open_files: 1, ..Options::default() });
    let turn = |recorder: &mut Recorder, who: u64, from: i64| {
        let packets = (0..25).map(|step| packet(who, from + 20 * step, &tone(3)));
        record_at(from.unsigned_abs() + 500, recorder, packets);
    };
    record(&mut recorder, [Input::Granted(Medium::Audio, MediaParams::default())]);
    turn(&mut recorder, 5, 0);
    recorder.sync(now()).expect("synced");
    symlink("/dev/full", room.path("audio/5.part2.wav")).expect("a link");
    for (who, from) in [(6, 500), (5, 1000), (6, 1500), (5, 2000), (6, 2500)] {
        turn(&mut recorder, who, from);
        assert_eq!(recorder.sync(UnixMillis(START + from.unsigned_abs() + 500)).is_err(), from >= 1000);
    }
    recorder.give_up().expect("cut");
    let lost = recorder.loss();
    let audio: Vec<_> = lost.parts.iter().filter(|part| part.cause == LossCause::Disk).collect();
    assert_eq!(audio, [&LostPart { medium: Medium::Audio, cause: LossCause::Disk, ms: 1000, packets: 50 }], "{lost}");
    finish(recorder);
    assert_eq!(check(&room.folder()).problems, []);
}

#[test]
fn a_mix_that_cannot_be_written_costs_no_sound() {
    let (room, manifest) = closed_without("audio/mixed.part2.wav");
    assert!(assert_closed(&room, &manifest).is_none());
    assert_eq!(room.samples("audio/5.part2.wav").len(), 16_000 * HALF as usize);
    assert_eq!(room.samples("audio/mixed.wav"), vec![7; 16_000 * HALF as usize]);
    assert!(!room.path("audio/mixed.part2.wav").exists());
    let notes = check(&room.folder()).notes;
    assert!(notes.iter().any(|note| note.contains("the mix ends 2.0 s before")), "{notes:?}");
}

#[test]
fn a_mix_that_fell_behind_is_summed_again_when_it_can_be_written() {
    let room = Room::new();
    let options = Options { wav_limit_bytes: 44 + 32_000, max_open_files: 1, ..Options::default() };
    let mut recorder = room.open_with(options);
    record(&mut recorder, [packet(5, 0, &tone(5))]);
    recorder.sync(now()).expect("synced");
    let path = room.path("audio/mixed.part2.wav");
    symlink("/dev/full", &path).expect("a link");
    // Longer than what may wait for a mix.
    let mut failed = 0;
    for second in 0..30 {
        let now = 1000 * (second + 1);
        record_at(now, &mut recorder, (0..50).map(|step| packet(5, 1000 * second as i64 + 20 * step, &tone(5))));
        failed += u32::from(recorder.sync(UnixMillis(START + now)).is_err());
    }
    assert_eq!(failed, 29, "all but the first, which is in the first part");
    fs::remove_file(&path).expect("removed");

    let summary = finish(recorder);
    let lost = assert_closed(&room, &summary.manifest);
    assert!(lost.parts.iter().all(|part| part.cause != LossCause::Disk), "{lost}");
    for part in 2..=30 {
        assert_eq!(room.samples(&format!("audio/mixed.part{part}.wav")), vec![5; 16_000], "{part}");
    }
}

#[test]
fn what_could_not_be_closed_at_all_is_closed_later_as_it_was_told() {
    let (room, mut recorder) = half_written("video/index.jsonl", true);
    put_back(&room, "video/index.jsonl");
    let draft = room.path("manifest.json.new");
    fs::create_dir(&draft).expect("in the way");
    recorder.try_finish(&ending(), &|| true).expect_err("its manifest cannot be written");
    let told = recorder.describe();
    let lost = recorder.loss();
    assert_eq!(lost.parts.iter().map(|part| part.packets).sum::<u64>(), 25 * HALF.unsigned_abs());
    drop(recorder);

    let close = || {
        let later = UnixMillis(START + 3_600_000);
        Recorder::close_given_up(&room.folder(), told.clone(), Options::default(), &ending(), later, &|| true)
    };
    close().expect_err("still in the way");
    fs::remove_dir(&draft).expect("removed");
    let summary = close().expect("closed").expect("a recording");
    assert_eq!(assert_closed(&room, &summary.manifest), lost);
    assert_eq!(summary.manifest.media, told.media);
    assert_eq!(close().expect("looked at").expect("the same").manifest, summary.manifest, "once");
    fs::remove_dir_all(room.folder()).expect("removed");
    assert!(close().expect("looked at").is_none());
}

#[test]
fn the_end_of_a_recording_has_room_kept_for_it() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(5, 0, &tone(3))]);
    recorder.sync(now()).expect("synced");
    assert_eq!(fs::metadata(room.path("reserve.bin")).expect("there").len(), 128 << 10);
    let summary = finish(recorder);
    assert!(!room.path("reserve.bin").exists());
    assert!(summary.manifest.files.iter().all(|entry| entry.path != "reserve.bin"));
}
