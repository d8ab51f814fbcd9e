//! Nobody but their owner can look into what is recorded.
#![cfg(unix)]

mod common;

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use common::*;
use rtms_record::{
    Input, Note, Recorder,
    deletion::{self, Deletion},
};
use rtms_wire::{
    codes::media::{AudioChannel, AudioSampleRate, MediaPayloadType},
    flaws::{Flaws, RawMessage},
    message::text_data::{MediaDataChat, MediaDataTranscript},
};
use serde_json::json;

/// Everything below this folder, relative to it, with whether it is a folder and its mode.
fn modes(root: &Path) -> Vec<(String, bool, u32)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let about = fs::metadata(&path).expect("a file");
            let name = path.strip_prefix(root).expect("below it").to_string_lossy().into_owned();
            found.push((name, about.is_dir(), about.permissions().mode() & 0o777));
            if about.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

/// All of it is its owner's only; the names of the files.
fn private(root: &Path) -> Vec<String> {
    let found = modes(root);
    for (name, is_folder, mode) in &found {
        let wanted = if *is_folder { 0o700 } else { 0o600 };
        assert_eq!(*mode, wanted, "{name} has the mode {mode:o}");
    }
    found.into_iter().filter(|(_, is_folder, _)| !is_folder).map(|(name, ..)| name).collect()
}

/// One of every kind of file that a recording can have.
fn everything() -> Vec<Input> {
    let fields = json!({ "user_id": 5 }).as_object().cloned().unwrap_or_default();
    let line = MediaDataTranscript { data: "words".into(), user_name: Some("Ines".into()), ..Default::default() };
    let chat: MediaDataChat = serde_json::from_value(json!({ "data": "hello", "timestamp": START })).expect("a chat");
    vec![
        packet(5, 0, &tone(1)),
        packet(5, 1_000_000_000_000, &tone(1)),
        Input::Video(data(5, 0, vec![0, 0, 0, 1, 7])),
        Input::Video(data(5, 40, vec![0xff, 0xd8, 0xff, 0xd9])),
        Input::Video(data(5, 80, vec![0xff, 0xd8, 0xff])),
        Input::Deskshare(data(5, 0, b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xaeB`\x82".to_vec())),
        Input::Raw(RawMessage::new(None, Flaws::default(), b"?")),
        Input::Transcript(line),
        Input::Chat(chat),
        Input::Note(Note { at: now(), kind: "joined".into(), fields }),
        granted_audio(AudioSampleRate::Khz48, AudioChannel::Mono, MediaPayloadType::Opus),
        Input::Audio(data(6, 60, vec![9; 80])),
    ]
}

#[test]
fn files_of_a_recording_are_their_owners_only() {
    let room = Room::new();
    // A root that is not there yet, as at the first start.
    let root = room.root.path().join("recordings");
    let open = || Recorder::open(&root, about("stream-1"), now()).expect("a recorder");
    let mut recorder = open();
    record(&mut recorder, everything());
    recorder.sync(now()).expect("synced");

    let during = private(room.root.path());
    assert!(during.contains(&"recordings/stream-1/ledger.jsonl".to_owned()), "{during:#?}");
    // It goes on after a kill, with the same files.
    drop(recorder);
    let mut recorder = open();
    record(&mut recorder, [packet(7, 100, &tone(2))]);
    finish(recorder);

    let names = private(room.root.path());
    let expected = [
        "aside/audio.raw",
        "aside/index.jsonl",
        "aside/messages.jsonl",
        "audio/5.wav",
        "audio/6.opus.raw",
        "audio/7.opus.raw",
        "audio/index.jsonl",
        "audio/mixed.wav",
        "chat.jsonl",
        "deskshare/images/00000001.png",
        "deskshare/index.jsonl",
        "events.jsonl",
        "manifest.json",
        "transcript.jsonl",
        "transcript.txt",
        "transcript.vtt",
        "video/active.h264",
        "video/broken/00000002.jpg",
        "video/images/00000001.jpg",
        "video/index.jsonl",
    ];
    assert_eq!(names, expected.map(|name| format!("recordings/stream-1/{name}")));
}

#[test]
fn the_record_of_a_deletion_is_its_owners_only() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, everything());
    recorder.sync(now()).expect("synced");
    drop(recorder);

    let deletion = Deletion::begin(room.root.path(), &"stream-1".into(), None, now()).expect("begun");
    private(room.root.path());
    deletion.hide().expect("hidden");
    private(room.root.path());
    drop(deletion);
    deletion::finish_pending(room.root.path(), now()).expect("finished");

    assert_eq!(private(room.root.path()), [".deletions/stream-1.json"]);
}

#[test]
fn what_is_there_keeps_the_mode_that_somebody_gave_it() {
    let room = Room::new();
    let mut recorder = room.open();
    record(&mut recorder, everything());
    recorder.sync(now()).expect("synced");
    drop(recorder);
    let opened = [("", 0o750), ("audio", 0o750), ("audio/5.wav", 0o640), ("transcript.jsonl", 0o640)];
    for (name, mode) in opened {
        fs::set_permissions(room.path(name), fs::Permissions::from_mode(mode)).expect("changed");
    }

    let mut recorder = room.open();
    record(&mut recorder, everything());
    finish(recorder);

    for (name, mode) in opened {
        let found = fs::metadata(room.path(name)).expect("there").permissions().mode() & 0o777;
        assert_eq!(found, mode, "{name:?} has the mode {found:o}");
    }
}
