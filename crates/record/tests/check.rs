//! The check finds what is wrong with a recording, and nothing where nothing is.
#![allow(clippy::disallowed_methods, reason = "a test may put a file into the way")]

mod common;

use std::path::Path;

use common::*;
use rtms_record::{
    Input, Options,
    check::{CheckReport, ProblemKind, check},
    ledger::{Change, OffWhy, When},
    manifest::RecordingState,
};
use rtms_wire::{
    media::{medium::Medium, params::MediaParams},
    message::text_data::MediaDataTranscript,
    time::UnixMillis,
};
use serde_json::json;

/// A recording with everything in it: two speakers with pauses, parts, pictures, words, things aside.
fn fill(room: &Room) -> rtms_record::Recorder {
    let mut recorder = room.open_with(Options { wav_limit_bytes: 100_000, ..Options::default() });
    let granted = Medium::ALL.map(|medium| Input::Granted(medium, MediaParams::default()));
    record(&mut recorder, granted);
    record(&mut recorder, [Input::Change(Change::Off(Medium::Chat, OffWhy::NotGranted, None), When::Zoom(now()))]);
    for step in 0..500 {
        let mut inputs = vec![Input::Video(data(5, 40 * step, vec![0, 0, 1, 9]))];
        if step % 100 < 80 {
            inputs.push(packet(5, 20 * step, &tone(3)));
        }
        if step % 100 > 40 {
            inputs.push(packet(6, 20 * step, &tone(4)));
        }
        if step % 50 == 0 {
            inputs.push(Input::Deskshare(data(5, 40 * step, vec![0xff, 0xd8, 0xff, 7])));
            inputs.push(Input::Transcript(MediaDataTranscript {
                data: "CANARY".into(),
                start_time: Some(UnixMillis(START + 20 * step.unsigned_abs())),
                ..MediaDataTranscript::default()
            }));
        }
        record(&mut recorder, inputs);
    }
    record(&mut recorder, [packet(5, -5_000, &tone(1))]);
    recorder.sync(now()).expect("synced");
    recorder
}

fn kinds(report: &CheckReport) -> Vec<ProblemKind> {
    report.problems.iter().map(|problem| problem.kind).collect()
}

#[test]
fn a_finished_recording_is_fine() {
    let room = Room::new();
    let summary = finish(fill(&room));
    let report = check(&room.folder());
    assert_eq!(report.problems, []);
    assert_eq!(report.files, summary.manifest.files.len() as u64);
    assert_eq!(report.state, Some(RecordingState::Finished));
}

#[test]
fn a_recording_that_goes_on_or_was_killed_is_fine_and_says_so() {
    let room = Room::new();
    let recorder = fill(&room);
    let report = check(&room.folder());
    assert_eq!(report.problems, []);
    assert_eq!(report.state, Some(RecordingState::Recording));
    assert!(report.notes[0].contains("not finished"), "{report:?}");
    std::mem::forget(recorder);

    let cut = room.text("transcript.jsonl");
    std::fs::write(room.path("transcript.jsonl"), &cut[..cut.len() - 10]).expect("written");
    let report = check(&room.folder());
    assert_eq!(report.problems, []);
    assert!(report.notes.iter().any(|note| note.contains("transcript.jsonl")), "{report:?}");

    finish(room.open());
    assert_eq!(check(&room.folder()).problems, [], "and after it was gone on with");
}

#[test]
fn each_kind_of_damage_is_found() {
    type Damage = (&'static str, fn(&Path), &'static [ProblemKind]);
    fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(path).expect("read");
        change(&mut bytes);
        std::fs::write(path, bytes).expect("written");
    }
    fn manifest(folder: &Path, from: &str, to: &str) {
        change(&folder.join("manifest.json"), |bytes| {
            let text = String::from_utf8(std::mem::take(bytes)).expect("text");
            assert!(text.contains(from), "{text}");
            *bytes = text.replacen(from, to, 1).into_bytes();
        });
    }
    use ProblemKind as Kind;
    let damages: [Damage; 14] = [
        ("no manifest", |folder| std::fs::remove_file(folder.join("manifest.json")).expect("gone"), &[Kind::Manifest]),
        ("half a manifest", |folder| change(&folder.join("manifest.json"), |it| it.truncate(100)), &[Kind::Manifest]),
        ("a newer one", |folder| manifest(folder, "\"version\": 2", "\"version\": 99"), &[Kind::Manifest]),
        ("another one", |folder| manifest(folder, "rtms-recording", "rtms-cooking"), &[Kind::Manifest]),
        (
            "no file",
            |folder| std::fs::remove_file(folder.join("audio/6.wav")).expect("gone"),
            &[Kind::Missing, Kind::Wav, Kind::Wav],
        ),
        ("a sample", |folder| change(&folder.join("audio/5.wav"), |it| it[50] ^= 1), &[Kind::Checksum]),
        ("a header", |folder| change(&folder.join("audio/5.wav"), |it| it[24] ^= 1), &[Kind::Checksum, Kind::Wav]),
        (
            "samples less",
            |folder| change(&folder.join("audio/5.wav"), |it| it.truncate(1_000)),
            &[Kind::Size, Kind::Wav, Kind::Wav],
        ),
        (
            "a line",
            |folder| change(&folder.join("transcript.jsonl"), |it| it[0] = b'x'),
            &[Kind::Checksum, Kind::Lines],
        ),
        (
            "pictures less",
            |folder| change(&folder.join("video/active.h264"), |it| it.truncate(1_998)),
            &[Kind::Size, Kind::Index],
        ),
        ("a hole", |folder| manifest(folder, "\"is\": \"received\"", "\"is\": \"silent\""), &[]),
        (
            "a path",
            |folder| manifest(folder, "\"path\": \"audio/5.wav\"", "\"path\": \"../5.wav\""),
            &[Kind::Path, Kind::Unlisted],
        ),
        (
            "an absolute path",
            |folder| manifest(folder, "\"path\": \"audio/5.wav\"", "\"path\": \"/etc/passwd\""),
            &[Kind::Path, Kind::Unlisted],
        ),
        (
            "a file of somebody else",
            |folder| std::fs::write(folder.join("audio/notes.txt"), "CANARY").expect("written"),
            &[Kind::Unlisted],
        ),
    ];
    for (name, damage, expected) in damages {
        let room = Room::new();
        finish(fill(&room));
        damage(&room.folder());
        let report = check(&room.folder());
        if name != "a hole" {
            assert_eq!(kinds(&report), expected, "{name}: {report:#?}");
        }
        assert!(!format!("{report:?}").contains("CANARY"), "{name}: what was said is not told");
    }
}

#[test]
fn a_ledger_that_does_not_tile_or_tells_of_other_sound_is_found() {
    let room = Room::new();
    finish(fill(&room));
    let read = || -> serde_json::Value { serde_json::from_str(&room.text("manifest.json")).expect("JSON") };
    let write = |manifest: &serde_json::Value| {
        std::fs::write(room.path("manifest.json"), manifest.to_string()).expect("written");
    };
    let whole = read();

    let mut manifest = whole.clone();
    manifest["ledger"]["media"]["audio"]["spans"].as_array_mut().expect("spans").remove(1);
    write(&manifest);
    assert_eq!(kinds(&check(&room.folder())), [ProblemKind::Ledger]);

    for what in ["silent", "received"] {
        let mut manifest = whole.clone();
        for span in manifest["ledger"]["media"]["audio"]["spans"].as_array_mut().expect("spans") {
            span["is"] = what.into();
        }
        manifest["aside"] = serde_json::json!({});
        write(&manifest);
        let report = check(&room.folder());
        // What lies aside is there and not counted, so sound is counted that is nowhere.
        let counts = [ProblemKind::Counts, ProblemKind::Counts];
        let expected: &[_] =
            if what == "silent" { &[ProblemKind::Ledger, ProblemKind::Sound] } else { &[ProblemKind::Sound] };
        assert_eq!(kinds(&report), [&counts, expected].concat(), "{report:#?}");
    }

    let mut manifest = whole.clone();
    manifest["ledger"] = serde_json::Value::Null;
    write(&manifest);
    assert_eq!(kinds(&check(&room.folder())), [ProblemKind::Ledger]);
    manifest["version"] = 1.into();
    write(&manifest);
    let report = check(&room.folder());
    assert!(report.is_fine() && report.notes.iter().any(|note| note.contains("no ledger")), "{report:?}");
}

#[test]
fn counts_that_contradict_each_other_or_the_files_are_found() {
    let room = Room::new();
    finish(fill(&room));
    let whole: serde_json::Value = serde_json::from_str(&room.text("manifest.json")).expect("JSON");
    let of_one = whole["tracks"].as_array().expect("tracks").iter().position(|track| track["source"] == "participant");
    let placed = format!("/tracks/{}/placed", of_one.expect("a track"));
    let lies = [
        ("/media/audio/packets".to_owned(), 3),
        ("/media/audio/packets".to_owned(), 100_000),
        ("/media/video/packets".to_owned(), 3),
        ("/media/transcript/packets".to_owned(), 11),
        ("/aside/before_origin/packets".to_owned(), 2),
        (format!("{placed}/packets"), 1),
        (format!("{placed}/bytes"), 640),
    ];
    for (place, lie) in lies {
        let mut manifest = whole.clone();
        *manifest.pointer_mut(&place).unwrap_or_else(|| panic!("{place}: {whole:#}")) = lie.into();
        std::fs::write(room.path("manifest.json"), manifest.to_string()).expect("written");
        let report = check(&room.folder());
        let kinds = kinds(&report);
        assert!(!kinds.is_empty() && kinds.iter().all(|kind| *kind == ProblemKind::Counts), "{place}: {report:#?}");
    }

    let mut manifest = whole.clone();
    let files = manifest.as_object_mut().expect("an object").remove("files").expect("a list");
    std::fs::write(room.path("manifest.json"), manifest.to_string()).expect("written");
    let unlisted = vec![ProblemKind::Unlisted; files.as_array().expect("a list").len()];
    assert_eq!(kinds(&check(&room.folder())), unlisted, "each file that is there is told of");
}

#[test]
fn a_recording_that_never_got_anything_needs_no_files() {
    let room = Room::new();
    let summary = finish(room.open());
    assert_eq!(summary.manifest.files, []);
    let report = check(&room.folder());
    assert_eq!((report.problems, report.state), (vec![], Some(RecordingState::Finished)));
}

#[test]
fn a_folder_that_is_not_there_is_told_from_one_without_a_manifest() {
    let room = Room::new();
    let told = |folder: &Path| check(folder).problems.into_iter().map(|problem| (problem.path, problem.what));
    let nowhere = told(&room.path("nowhere")).collect::<Vec<_>>();
    assert_eq!(nowhere, [(None, "there is no such folder".to_owned())]);
    let empty = told(room.root.path()).collect::<Vec<_>>();
    assert_eq!(empty, [(Some("manifest.json".to_owned()), "is not there".to_owned())]);
}

#[test]
fn somebody_of_whom_all_lies_aside_needs_no_file() {
    let room = Room::new();
    let mut recorder = fill(&room);
    record(&mut recorder, [packet(8, -5_000, &tone(1)), packet(9, 0, &[])]);
    finish(recorder);
    assert!(!room.path("audio/8.wav").exists());
    assert_eq!(check(&room.folder()).problems, []);
}

#[test]
fn messages_that_could_not_be_read_are_noted() {
    let room = Room::new();
    let mut recorder = fill(&room);
    record(&mut recorder, [Input::Unreadable { medium: Medium::Audio, at: now() }]);
    finish(recorder);
    let report = check(&room.folder());
    assert!(report.is_fine(), "{report:#?}");
    assert!(report.notes.iter().any(|note| note == "audio: 1 messages came that could not be read"), "{report:?}");
}

#[test]
fn fields_of_another_kind_of_line_make_no_chat_wrong() {
    for strange in [json!("x"), json!(START + 9_000_000), json!(-1), json!([2]), json!(null)] {
        let room = Room::new();
        let mut recorder = room.open();
        let names = ["start_time", "end_time", "received_at", "connection", "at", "kind"];
        for name in names {
            let chat = json!({"user_id": 5, "data": "hello", "timestamp": START + 300, name: strange});
            record(&mut recorder, [Input::Chat(serde_json::from_value(chat).expect("a chat message"))]);
        }
        finish(recorder);
        assert_eq!(check(&room.folder()).problems, [], "{strange}");
    }
}

#[test]
fn a_note_names_only_what_was_found() {
    for (sent, note) in [
        (&[&b""[..]][..], "video: 1 empty pictures came"),
        (&[&[0xff, 0xd8, 0xff, 0xe0], &[0xff, 0xd8, 0xff]], "video: 2 pictures came without their end"),
        (&[&[0xff, 0xd8, 0xff, 0xe0], &[]], "video: 1 empty pictures came, and 1 without their end"),
    ] {
        let room = Room::new();
        let mut recorder = room.open();
        for bytes in sent {
            record(&mut recorder, [Input::Video(data(5, 0, bytes.to_vec()))]);
        }
        finish(recorder);
        assert_eq!(check(&room.folder()).notes, [note]);
    }
}

#[test]
fn problems_have_a_bound() {
    let room = Room::new();
    finish(fill(&room));
    std::fs::write(room.path("video/active.h264"), "").expect("written");
    let report = check(&room.folder());
    assert_eq!(report.problems.len(), 200);
    assert!(report.more_problems > 200, "{}", report.more_problems);
}

#[cfg(unix)]
#[test]
fn links_that_lead_out_are_not_followed() {
    let room = Room::new();
    finish(fill(&room));
    let outside = room.root.path().join("outside.wav");
    std::fs::rename(room.path("audio/5.wav"), &outside).expect("moved");
    std::os::unix::fs::symlink(&outside, room.path("audio/5.wav")).expect("a link");
    let report = check(&room.folder());
    assert!(kinds(&report).contains(&ProblemKind::Path), "{report:?}");
    assert!(!kinds(&report).contains(&ProblemKind::Checksum), "{report:?}");
}

#[test]
fn a_recording_that_was_closed_without_checksums_is_checked_by_size_and_summed_when_somebody_goes_on_with_it() {
    let room = Room::new();
    let read = std::cell::Cell::new(0);
    // Time is up in the middle of the third piece that is read.
    let may_read = || read.replace(read.get() + 1) < 3;
    let summary = fill(&room).try_finish(&ending(), &may_read).expect("a proper end");

    let manifest = &summary.manifest;
    assert_eq!(manifest.state, RecordingState::Finished);
    let summed = manifest.files.iter().filter(|entry| entry.is_summed()).count();
    assert!(0 < summed && summed < manifest.files.len(), "{summed} of {}", manifest.files.len());
    let report = check(&room.folder());
    assert_eq!(report.problems, []);
    assert_eq!(report.files, manifest.files.len() as u64);
    assert!(report.notes.iter().any(|note| note.contains("not summed")), "{report:?}");

    let unsummed = manifest.files.iter().find(|entry| !entry.is_summed() && entry.bytes > 0).expect("one");
    let path = room.path(&unsummed.path);
    let whole = std::fs::read(&path).expect("read");
    std::fs::write(&path, &whole[1..]).expect("written");
    assert!(kinds(&check(&room.folder())).contains(&ProblemKind::Size));
    std::fs::write(&path, whole).expect("written");

    let manifest = finish(room.open()).manifest;
    assert!(manifest.files.iter().all(rtms_record::manifest::FileEntry::is_summed));
    assert!(!check(&room.folder()).notes.iter().any(|note| note.contains("not summed")));
}
