//! A recording survives its process: what was synced can be played, and the next process goes on where it was.
#![allow(clippy::disallowed_methods, reason = "a test may put a file into the way")]

mod common;

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use common::*;
use rtms_record::{
    Input, Manifest, Note, Recorder, RecordingAbout,
    check::check,
    loss::LossCause,
    manifest::{RecordingState, TrackSource},
};
use rtms_wire::{media::medium::Medium, message::text_data::MediaDataTranscript, time::UnixMillis};
use serde_json::json;

#[test]
fn what_was_synced_can_be_played_without_a_proper_end() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(5, 0, &tone(1)), packet(6, 20, &tone(2))]);
    recorder.sync(now()).expect("synced");
    record(&mut recorder, [packet(5, 40, &tone(3))]);
    std::mem::forget(recorder);

    assert_eq!(room.samples("audio/5.wav"), tone(1));
    assert_eq!(room.samples("audio/6.wav"), [silence(20), tone(2).into()].concat());
    assert_eq!(room.samples("audio/mixed.wav"), [tone(1), tone(2)].concat());
    let manifest = Manifest::read(&room.folder()).expect("readable").expect("there");
    assert_eq!(manifest.state, RecordingState::Recording);
}

#[test]
fn the_next_process_goes_on_in_the_same_files() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(5, 0, &tone(1)), said(1, 5, "one"), packet(6, 20, &tone(2))]);
    recorder.sync(now()).expect("synced");
    std::mem::forget(recorder);

    let mut recorder = room.open();
    assert!(recorder.is_resumed());
    // Zoom sends some of it again, in another order, and then what is new.
    record(&mut recorder, [packet(6, 20, &tone(2)), packet(5, 0, &tone(1))]);
    record(&mut recorder, [packet(5, 20, &tone(10)), packet(7, 5_000, &tone(7)), said(2, 5, "two")]);
    let summary = finish(recorder);

    assert_eq!(room.samples("audio/5.wav"), [tone(1), tone(10)].concat());
    assert_eq!(room.samples("audio/6.wav"), [silence(20), tone(2).into()].concat());
    assert_eq!(room.samples("audio/7.wav"), [silence(5_000), tone(7).into()].concat());
    let mix = [tone(1).into(), tone(12).into(), silence(4_960), tone(7).into()].concat();
    assert_eq!(room.samples("audio/mixed.wav"), mix);
    assert_eq!(room.lines("transcript.jsonl").len(), 2);
    assert_eq!(
        room.text("transcript.txt"),
        "[00:00:01] User 5: one\n[00:00:02] User 5: two\n".replace("User", "Person")
    );
    assert_eq!(summary.manifest.resumes.len(), 1);
    assert_eq!(summary.manifest.resumes[0].found, RecordingState::Recording);
    assert_eq!(summary.manifest.participants.len(), 3);
}

#[test]
fn a_finished_recording_can_be_gone_on_with() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(0, 0, &tone(1))]);
    finish(recorder);
    let mut recorder = room.open();
    record(&mut recorder, [packet(0, 20, &tone(2))]);
    let summary = finish(recorder);

    assert_eq!(room.samples("audio/mixed.wav"), [tone(1), tone(2)].concat());
    assert_eq!(summary.manifest.resumes[0].found, RecordingState::Finished);
    assert_eq!(summary.manifest.tracks[0].placed.packets, 2);
}

#[test]
fn half_a_line_is_cut_off_and_counted() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [said(1, 5, "one")]);
    recorder.sync(now()).expect("synced");
    std::mem::forget(recorder);
    let mut file = std::fs::OpenOptions::new().append(true).open(room.path("transcript.jsonl")).expect("the lines");
    file.write_all(br#"{"received_at":17954208"#).expect("written");

    let mut recorder = room.open();
    record(&mut recorder, [said(2, 5, "two")]);
    let summary = finish(recorder);
    assert_eq!(room.lines("transcript.jsonl").len(), 2);
    assert_eq!(summary.manifest.resumes[0].torn_bytes, 23);
}

#[test]
fn what_the_manifest_knew_and_no_file_has_is_not_told_and_the_other_way_round() {
    let happened = || Input::Note(Note { at: now(), kind: "stream_state".into(), fields: serde_json::Map::new() });
    for is_synced in [true, false] {
        let room = Room::new();
        let mut recorder = room.open();
        // The first sound of somebody writes the manifest, before the lines or after them.
        let sound = packet(5, 0, &tone(1));
        let inputs = if is_synced { [sound, happened(), happened()] } else { [happened(), happened(), sound] };
        record(&mut recorder, inputs);
        if is_synced {
            recorder.sync(now()).expect("synced");
        }
        std::mem::forget(recorder);

        let mut recorder = room.open();
        record(&mut recorder, [happened()]);
        let summary = finish(recorder);

        assert_eq!(summary.manifest.events, if is_synced { 3 } else { 1 });
        assert_eq!(room.lines("events.jsonl").len() as u64, summary.manifest.events);
        // A track that was named, and of which nothing is there, is none.
        let tracks: Vec<_> = summary.manifest.tracks.iter().map(|track| track.files.concat()).collect();
        assert_eq!(tracks.is_empty(), !is_synced, "{tracks:?}");
        let report = check(&summary.folder);
        assert!(report.is_fine(), "{report:?}");
    }
}

/// Sound, pictures, words, what lies aside and what came twice, for one second from this one on.
fn second(at: i64) -> Vec<Input> {
    let sound = (0..50).map(|step| packet(5, 1_000 * at + 20 * step, &tone(1)));
    let pictures = (0..25).map(|step| Input::Video(data(5, 1_000 * at + 40 * step, vec![0, 0, 1, 9])));
    let chat = Input::Chat(serde_json::from_value(serde_json::json!({ "data": "hello" })).expect("a message"));
    let early = packet(5, -5_000 + at, &tone(1));
    let mut inputs: Vec<_> = sound.chain(pictures).collect();
    inputs.extend([packet(5, 1_000 * at, &tone(1)), said(at, 5, "words"), chat, early]);
    inputs
}

#[test]
fn after_a_kill_the_counts_tell_of_what_the_files_hold() {
    let room = Room::new();
    let mut recorder = room.open();
    for at in 0..8 {
        record(&mut recorder, second(at));
        recorder.sync(now()).expect("synced");
    }
    let counted = recorder.describe();
    // A new speaker writes the manifest in the middle of things, and then the process dies.
    record(&mut recorder, second(8));
    record(&mut recorder, [packet(6, 9_000, &tone(2))]);
    std::mem::forget(recorder);
    assert_eq!(Manifest::read(&room.folder()).expect("readable").expect("there").media, counted.media);

    let mut recorder = room.open();
    let found = recorder.describe();
    assert_eq!((&found.media, &found.aside), (&counted.media, &counted.aside));
    record(&mut recorder, second(9));
    let manifest = finish(recorder).manifest;
    assert_eq!(manifest.media[&Medium::Audio].packets, 9 * 52);
    assert_eq!(manifest.media[&Medium::Audio].duplicates, 9);
    assert_eq!(manifest.media[&Medium::Video].packets, 9 * 25);
    let track = manifest.tracks.iter().find(|track| track.source == TrackSource::Participant).expect("a track");
    assert_eq!((track.placed.packets, track.placed.silence_ms), (9 * 50, 1_000), "{track:?}");
    assert_eq!(check(&room.folder()).problems, []);
}

#[test]
fn what_reached_a_file_after_the_last_sync_is_counted_from_it() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, second(0));
    recorder.sync(now()).expect("synced");
    // More than is held in memory goes into the files by itself.
    for at in 1..60 {
        record(&mut recorder, second(at));
    }
    std::mem::forget(recorder);

    let manifest = finish(room.open()).manifest;
    let track = manifest.tracks.iter().find(|track| track.source == TrackSource::Participant).expect("a track");
    let held = room.samples("audio/5.wav").len() as u64;
    assert!(held > 50 * 16_000, "{held}");
    assert_eq!((track.placed.packets, track.placed.bytes), (held / 320, 2 * held));
    let video = &manifest.media[&Medium::Video];
    let index = room.lines("video/index.jsonl");
    assert!(index.len() > 500, "{}", index.len());
    assert_eq!((video.packets, video.bytes), (index.len() as u64, 4 * index.len() as u64));
    assert_eq!(video.last_timestamp.map(|at| at.0), index.last().and_then(|line| line["timestamp"].as_u64()));
    assert_eq!(check(&room.folder()).problems, []);
}

#[test]
fn what_came_again_is_counted_and_left_out() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, second(0));
    record(&mut recorder, [Medium::Audio, Medium::Video].map(|medium| Input::Repeats { medium, count: 7 }));
    let manifest = finish(recorder).manifest;
    assert_eq!((manifest.media[&Medium::Video].packets, manifest.media[&Medium::Video].duplicates), (25 + 7, 7));
    assert_eq!(manifest.media[&Medium::Audio].duplicates, 1 + 7);
    assert_eq!(check(&room.folder()).problems, []);
}

#[test]
fn a_mix_that_a_crash_left_behind_its_tracks_is_made_again() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, (0..100).flat_map(|step| [packet(5, 20 * step, &tone(1)), packet(6, 20 * step, &tone(2))]));
    finish(recorder);
    // As if the process had died after the tracks and before the mix.
    let mix = room.path("audio/mixed.wav");
    let bytes = std::fs::read(&mix).expect("the mix");
    std::fs::write(&mix, &bytes[..20_001]).expect("written");

    finish(room.open());
    assert!(room.samples("audio/mixed.wav") == [3; 32_000]);
}

#[test]
fn folders_that_cannot_be_gone_on_with_are_left_alone_and_another_one_is_made_beside() {
    for (from, to) in [("\"version\": 2", "\"version\": 3"), ("stream-1", "stream-2")] {
        let room = Room::new();
        finish(room.open());
        let changed = room.text("manifest.json").replace(from, to);
        std::fs::write(room.path("manifest.json"), &changed).expect("written");

        let mut recorder = room.open();
        record(&mut recorder, [packet(5, 0, &tone(1))]);
        let summary = finish(recorder);

        assert_eq!(room.text("manifest.json"), changed);
        let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
        let (first, beside) = (name(&room.path("")), name(&summary.folder));
        assert_eq!(beside, format!("{first}.2"));
        assert_eq!(summary.manifest.continues.expect("named").folder, first);
        assert!(check(&summary.folder).is_fine(), "{:?}", check(&summary.folder));
        assert_eq!(room.open().folder(), summary.folder, "the newest is gone on with");
    }
}

/// What a power cut leaves of a file; none if the file is gone.
type Damage = fn(&[u8]) -> Option<Vec<u8>>;

/// A power cut may leave a manifest empty, cut, or full of zeros; or the file may be gone.
#[test]
fn a_torn_manifest_is_made_anew_from_the_files() {
    let damages: [Damage; 4] = [
        |_| Some(Vec::new()),
        |whole| Some(whole[..whole.len() / 3].to_vec()),
        |whole| Some(vec![0; whole.len()]),
        |_| None,
    ];
    for damage in damages {
        let room = Room::new();
        let mut recorder = room.open();
        record(&mut recorder, [packet(5, 100, &tone(1)), packet(6, 100, &tone(1)), said(1, 5, "before")]);
        recorder.sync(now()).expect("synced");
        std::mem::forget(recorder);
        let path = room.path("manifest.json");
        let torn = damage(&std::fs::read(&path).expect("read"));
        match &torn {
            Some(torn) => std::fs::write(&path, torn).expect("written"),
            None => std::fs::remove_file(&path).expect("removed"),
        }

        let mut recorder = room.open();
        record(&mut recorder, [packet(5, 1_100, &tone(2)), said(2, 6, "after")]);
        let summary = finish(recorder);

        assert_eq!(summary.folder, room.open().folder(), "the same folder");
        let kept = summary.manifest.resumes[0].rebuilt.clone().expect("named");
        assert_eq!(torn, (!kept.is_empty()).then(|| std::fs::read(room.path(&kept)).expect("kept")));
        let samples = room.samples("audio/5.wav");
        assert_eq!((&samples[1_600..1_920], &samples[17_600..17_920]), (&tone(1)[..], &tone(2)[..]));
        assert_eq!(room.samples("audio/6.wav")[1_600..1_920], tone(1));
        assert_eq!(room.lines("transcript.jsonl").len(), 2);
        let tracks: Vec<_> = summary.manifest.tracks.iter().map(|track| (track.who.clone(), track.source)).collect();
        assert_eq!(tracks.len(), 3, "{tracks:?}");
        let report = check(&summary.folder);
        assert!(report.is_fine(), "{report:?}");
    }
}

/// Sound that was counted and is not there any more is named as lost, for as long as it lasted.
#[test]
fn a_track_that_was_cut_is_gone_on_with_and_what_it_lacks_is_lost() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, (0..100).map(|number| packet(5, 20 * number, &tone(1))));
    recorder.sync(now()).expect("synced");
    // With the counts in it.
    let later = |ms| UnixMillis(now().0 + ms);
    recorder.sync(later(40_000)).expect("synced");
    std::mem::forget(recorder);
    let wav = std::fs::OpenOptions::new().write(true).open(room.path("audio/5.wav")).expect("opened");
    wav.set_len(44 + 2 * 16 * 500).expect("cut");

    let mut recorder = Recorder::open(room.root.path(), about("stream-1"), later(41_000)).expect("a recorder");
    record(&mut recorder, [packet(5, 42_000, &tone(2))]);
    let summary = finish(recorder);

    let report = check(&summary.folder);
    assert!(report.is_fine(), "{report:?}");
    let lost = report.lost.expect("a ledger");
    let disk: Vec<_> = lost.parts.iter().filter(|part| part.cause == LossCause::Disk).collect();
    assert!(
        matches!(disk[..], [part] if part.medium == Medium::Audio && part.ms == 1_500 && part.packets == 75),
        "{lost}"
    );
}

/// Users and later versions read this format: the fixture is what version 1 writes and stays as it is.
#[test]
fn a_manifest_of_version_1_is_read() {
    let room = Room::new();
    std::fs::create_dir_all(room.path("audio")).expect("a folder");
    std::fs::write(room.path("manifest.json"), include_str!("fixtures/manifest-v1.json")).expect("written");
    let manifest = Manifest::read(&room.folder()).expect("readable").expect("there");
    let again = serde_json::to_value(&manifest).expect("written");
    let fixture: serde_json::Value = serde_json::from_str(include_str!("fixtures/manifest-v1.json")).expect("JSON");
    assert_eq!(again, fixture, "nothing lost, nothing new without a new version");

    let mut recorder = room.open();
    record(&mut recorder, [packet(5, 1_000, &tone(1))]);
    let summary = finish(recorder);
    assert_eq!(summary.manifest.resumes.len(), 2);
    assert_eq!(summary.manifest.origin, manifest.origin);
    assert_eq!(room.samples("audio/5.wav"), [silence(1_200), tone(1).into()].concat());
}

/// A manifest without them is that of version 2 or 1, whose fixtures stay as they are.
#[test]
fn the_ids_of_the_start_webhook_stay_in_the_manifest() {
    let room = Room::new();
    let about = RecordingAbout {
        meeting_id: Some("81234567890".into()),
        operator_id: Some("uLDBbPHaQzyTEzSFbBFbNg".into()),
        is_original_host: Some(false),
        continues: Some("stream-0".into()),
        ..about("stream-1")
    };
    drop(Recorder::open(room.root.path(), about.clone(), now()).expect("opened"));

    let manifest = finish(Recorder::open(room.root.path(), about.clone(), now()).expect("opened again")).manifest;

    assert_eq!(manifest.about, about);
    let text = std::fs::read(room.path("manifest.json")).expect("there");
    let json: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let ids = ["meeting_id", "operator_id", "is_original_host", "continues"].map(|key| json["about"][key].clone());
    assert_eq!(ids, [json!("81234567890"), json!("uLDBbPHaQzyTEzSFbBFbNg"), json!(false), json!("stream-0")]);
    assert_eq!(manifest.version, 2, "fields that older versions pass over are no new version");
}

#[test]
fn counters_reach_the_manifest_while_recording() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, [packet(5, 0, &tone(1))]);
    recorder.sync(now()).expect("synced");
    record(&mut recorder, [packet(5, 20, &tone(2))]);
    let packets = || Manifest::read(&room.folder()).expect("readable").expect("there").tracks[1].placed.packets;
    recorder.sync(UnixMillis(now().0 + 1_000)).expect("synced");
    assert_eq!(packets(), 0, "not at every sync");
    recorder.sync(UnixMillis(now().0 + 31_000)).expect("synced");
    assert_eq!(packets(), 2);
}

#[test]
fn a_packet_of_which_a_part_was_written_is_in_its_place_when_it_comes_again() {
    let room = Room::new();
    let packets = || (0..10).map(|step| packet(5, 20 * step, &tone(sound(step))));
    let mut recorder = room.open();
    record(&mut recorder, packets());
    recorder.sync(now()).expect("synced");
    drop(recorder);
    for name in ["audio/5.wav", "audio/mixed.wav"] {
        let wav = std::fs::OpenOptions::new().write(true).open(room.path(name)).expect("opened");
        wav.set_len(44 + 2 * (9 * 320 + 111)).expect("cut");
    }

    let mut recorder = room.open();
    record(&mut recorder, packets());
    finish(recorder);

    let expected: Vec<i16> = (0..10).flat_map(|step| tone(sound(step))).collect();
    assert_eq!(room.samples("audio/5.wav"), expected);
    assert_eq!(room.samples("audio/mixed.wav"), expected);
    assert_eq!(rtms_record::check::check(&room.folder()).problems, []);
}

#[test]
fn a_packet_of_which_a_part_was_written_is_counted_as_far_as_it_is_there() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, (0..10).map(|step| packet(5, 20 * step, &tone(sound(step)))));
    recorder.sync(now()).expect("synced");
    drop(recorder);
    // A killed process may have written more than it counted.
    for name in ["audio/5.wav", "audio/mixed.wav"] {
        let wav = std::fs::OpenOptions::new().write(true).open(room.path(name)).expect("opened");
        wav.set_len(44 + 2 * (13 * 320 + 160)).expect("prolonged");
    }

    let summary = finish(room.open());

    let track = summary.manifest.tracks.iter().find(|track| track.files[0] == "audio/5.wav").expect("the track");
    assert_eq!((track.placed.packets, track.placed.bytes), (13, 2 * (13 * 320 + 160)));
    assert_eq!(rtms_record::check::check(&room.folder()).problems, []);
}

#[test]
fn a_deleted_recording_does_not_come_back() {
    let room = Room::new();
    let mut recorder = room.open();
    std::fs::remove_dir_all(room.folder()).expect("deleted");
    record(&mut recorder, [packet(5, 0, &tone(1))]);
    assert!(recorder.sync(now()).is_err());
    assert!(!room.folder().exists());
}

/// Kills a real process again and again, each time somewhere else, and resumes after each.
#[test]
fn kill_9_loses_at_most_what_was_not_synced() {
    // The child is this test once more, told by its environment what to be.
    if let Ok(root) = std::env::var("RTMS_RECORD_ROOT") {
        return record_until_killed(&root);
    }
    let room = Room::new();
    let mut first = 0;
    for round in 1..=4 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "kill_9_loses_at_most_what_was_not_synced", "--nocapture"])
            .env("RTMS_RECORD_ROOT", room.root.path())
            .env("RTMS_RECORD_FIRST", first.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child");
        let mut synced = 0;
        let mut syncs = 0;
        for line in BufReader::new(child.stdout.take().expect("its output")).lines() {
            let line = line.expect("a line");
            if let Some(step) = line.strip_prefix("synced ") {
                synced = step.parse().expect("a number");
                syncs += 1;
                if syncs == 3 * round {
                    child.kill().expect("killed");
                    // What it managed to say before it died still counts.
                }
            }
        }
        child.wait().expect("gone");

        assert!(synced > first);
        for (name, of) in [("audio/5.wav", 1), ("audio/6.wav", 2), ("audio/mixed.wav", 3)] {
            let expected: Vec<i16> = (0..synced).flat_map(|step| tone(of * sound(step))).collect();
            assert!(room.samples(name).starts_with(&expected), "{name} after {round} rounds");
        }
        assert!(room.lines("transcript.jsonl").len() as i64 >= synced / 50);
        first = synced;
    }
    let summary = finish(room.open());
    assert_eq!(summary.manifest.resumes.len(), 4);
    assert!(room.samples("audio/mixed.wav").len() >= first as usize * 320);
    let ledger = summary.manifest.ledger.expect("a ledger");
    assert_eq!(ledger.flaw(), None);
    let received = ledger.media[&Medium::Audio].total_ms("received");
    assert!(received + 1_000 >= 20 * first.unsigned_abs(), "at most the unsynced second: {received} of {}", 20 * first);
    assert_eq!(rtms_record::check::check(&room.folder()).problems, []);
}

fn record_until_killed(root: &str) {
    let first: i64 = std::env::var("RTMS_RECORD_FIRST").expect("a number").parse().expect("a number");
    let mut recorder = Recorder::open(root.as_ref(), about("stream-1"), now()).expect("a recorder");
    for step in first..100_000 {
        record(&mut recorder, [packet(5, 20 * step, &tone(sound(step))), packet(6, 20 * step, &tone(2 * sound(step)))]);
        if step % 50 == 0 {
            record(&mut recorder, [said(step, 5, "words")]);
            recorder.sync(UnixMillis(now().0 + 20 * step.unsigned_abs())).expect("synced");
            writeln!(std::io::stdout(), "synced {}", step + 1).expect("the parent listens");
        }
    }
}

fn sound(step: i64) -> i16 {
    i16::try_from(step % 5000 + 1).expect("small")
}

fn said(id: i64, user: u64, words: &str) -> Input {
    Input::Transcript(MediaDataTranscript {
        user_id: Some(user.into()),
        user_name: Some(format!("Person {user}").into()),
        data: words.into(),
        start_time: Some(UnixMillis(START + 1000 * id.unsigned_abs())),
        sentence_id: Some(id),
        ..MediaDataTranscript::default()
    })
}
