//! What is revoked is gone, at whichever step the process dies, and what stays of it tells nothing of the content.
#![allow(clippy::disallowed_methods, reason = "a test may put a file into the way")]

mod common;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use common::*;
use rtms_record::{
    Input, Note, RecordError, Recorder,
    deletion::{self, Deletion, DeletionRecord, Removed},
    journal::{
        JournalOptions, JournalWriter,
        entry::{Entry, Word},
    },
    layout,
};
use rtms_wire::{
    codes::stop_reason::StopReason, extra::Extra, ids::StreamId, message::text_data::MediaDataTranscript,
    sequence::SequenceNumber, time::UnixMillis,
};
use serde_json::json;

const REVOKED: Option<StopReason> = Some(StopReason::StreamRevoked);

fn later() -> UnixMillis {
    UnixMillis(START + 90_000)
}

fn fill(room: &Room) -> Recorder {
    let mut recorder = room.open();
    let line =
        MediaDataTranscript { data: "CANARY words".into(), user_name: Some("CANARY".into()), ..Default::default() };
    let fields = json!({ "user_id": 5, "user_name": "CANARY" }).as_object().cloned().unwrap_or_default();
    let note = Note { at: now(), kind: "joined".into(), fields };
    let video = Input::Video(data(77_077, 0, vec![0xff, 0xd8, 0xff]));
    for (note, count) in [note.clone(), note.clone()].into_iter().zip(1..) {
        let number = SequenceNumber { token: 7, count };
        let entry = Arc::new(Entry { number, at: now(), word: Word::Note(note) });
        journal(room).append(&[entry]).expect("appended");
    }
    let inputs = [packet(77_077, 0, &tone(1)), Input::Transcript(line), Input::Note(note), video];
    record(&mut recorder, inputs);
    recorder.sync(now()).expect("synced");
    recorder
}

/// A journal whose every entry begins another file.
fn journal(room: &Room) -> JournalWriter {
    let options = JournalOptions { max_part_bytes: 1, ..JournalOptions::default() };
    JournalWriter::open(&room.folder(), &stream(), options).expect("a journal")
}

fn stream() -> StreamId {
    StreamId::new("stream-1")
}

fn begin(room: &Room) -> Deletion {
    Deletion::begin(room.root.path(), &stream(), REVOKED, now()).expect("begun")
}

/// Everything under the root, as text where it is text.
fn all_files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(all_files(&path));
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            files.push((path, bytes));
        }
    }
    files
}

/// One file is left under the root, and it is a record without content.
fn only_the_record_is_left(room: &Room) -> DeletionRecord {
    let files = all_files(room.root.path());
    let [(path, bytes)] = &*files else { panic!("{files:?}") };
    assert_eq!(path, &room.root.path().join(".deletions/stream-1.json"));
    let text = String::from_utf8_lossy(bytes);
    assert!(!text.contains("CANARY") && !text.contains("77077"), "{text}");
    assert!(!room.folder().exists());
    let record: DeletionRecord = serde_json::from_slice(bytes).expect("a record");
    assert_eq!((record.stream_id.clone(), record.reason), (stream(), REVOKED));
    assert_eq!((record.asked_at, record.done_at), (now(), Some(later())));
    let kinds: Vec<_> = record.removed.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["audio", "events", "journal", "manifest", "other", "transcript", "video"], "{record:?}");
    assert!(record.removed.values().all(|removed| removed.files > 0 && removed.bytes > 0));
    assert_eq!(record.removed["journal"].files, 2);
    assert_eq!(record.removed["audio"], Removed { files: 2, bytes: 2 * (44 + 640) });
    record
}

#[test]
fn a_recording_is_deleted_and_a_record_stays() {
    let room = Room::new();
    let record = fill(&room).delete(REVOKED, now()).expect("deleted");
    assert_eq!(record.done_at, Some(now()));
    assert_eq!(record.instance.as_ref().map(|instance| instance.value.to_string()).as_deref(), Some("abc=="));
    assert!(!room.folder().exists());
    assert_eq!(all_files(room.root.path()).len(), 1);
    let again = Deletion::begin(room.root.path(), &stream(), None, later()).expect("begun").run(later());
    assert_eq!(again.expect("nothing to do"), record, "once is enough");
}

#[test]
fn a_crash_at_any_step_is_gone_on_with() {
    // How far it came; the last one dies while removing.
    for step in 0..6 {
        let room = Room::new();
        drop(fill(&room));
        let deletion = begin(&room);
        if step > 0 {
            deletion.hide().expect("hidden");
            assert!(!room.folder().exists(), "gone for everybody at once");
        }
        if step == 2 || step == 3 {
            let content = room.root.path().join(".deletions/stream-1.content");
            std::fs::remove_dir_all(content.join("audio")).expect("gone");
            std::fs::remove_file(content.join("manifest.json")).expect("gone");
        }
        if step >= 4 {
            deletion.erase().expect("erased");
        }
        drop(deletion);
        std::fs::write(room.root.path().join(".deletions/other.json.new"), "{").expect("a draft of another");
        if step % 2 == 0 {
            let finished = deletion::finish_pending(room.root.path(), later()).expect("listed");
            assert_eq!(finished.len(), 1);
            assert!(finished[0].is_ok(), "{finished:?}");
        } else {
            // Or the stream comes back before anybody looked.
            let opened = Recorder::open(room.root.path(), about("stream-1"), later());
            assert!(matches!(opened, Err(RecordError::Deleted { .. })), "{opened:?}");
        }
        std::fs::remove_file(room.root.path().join(".deletions/other.json.new")).expect("the draft");
        only_the_record_is_left(&room);
        assert!(deletion::finish_pending(room.root.path(), later()).expect("listed").is_empty(), "done");
        assert!(matches!(
            Recorder::open(room.root.path(), about("stream-1"), later()),
            Err(RecordError::Deleted { .. })
        ));
    }
}

#[test]
fn before_the_record_is_there_nothing_is_deleted() {
    let room = Room::new();
    finish(fill(&room));
    std::fs::write(room.root.path().join(".deletions"), "in the way").expect("written");
    assert!(Deletion::begin(room.root.path(), &stream(), REVOKED, now()).is_err());
    assert!(room.path("audio/77077.wav").is_file());
}

#[test]
fn what_still_writes_makes_nothing_come_back() {
    let room = Room::new();
    let mut recorder = fill(&room);
    let mut journal = journal(&room);
    begin(&room).run(later()).expect("deleted");
    for at in 0..100 {
        let _ = recorder.handle(packet(8, 20 * at, &tone(1)), now());
        let note = Note { at: now(), kind: "CANARY".into(), fields: Extra::new() };
        let number = SequenceNumber { token: 8, count: at as u64 + 1 };
        let _ = journal.append(&[Arc::new(Entry { number, at: now(), word: Word::Note(note) })]);
    }
    assert!(JournalWriter::open(&room.folder(), &stream(), JournalOptions::default()).is_err());
    assert!(recorder.sync(now()).is_err());
    drop(recorder);
    only_the_record_is_left(&room);
}

#[test]
fn a_stream_that_was_never_recorded_leaves_a_record_too() {
    let room = Room::new();
    let record = begin(&room).run(later()).expect("done");
    assert!(record.removed.is_empty() && record.done_at.is_some());
    assert_eq!(deletion::all(room.root.path()).expect("listed").len(), 1);
}

#[test]
fn one_record_that_cannot_be_read_does_not_hold_up_the_others() {
    let room = Room::new();
    drop(fill(&room));
    drop(begin(&room));
    let newer = r#"{"format":"rtms-deletion","version":9,"stream_id":"x","asked_at":1,"removed":{}}"#;
    for (name, text) in [("a.json", "{"), ("z.json", newer)] {
        std::fs::write(room.root.path().join(".deletions").join(name), text).expect("written");
    }
    let finished = deletion::finish_pending(room.root.path(), later()).expect("listed");
    assert!(matches!(
        &*finished,
        [Err(RecordError::BadDeletion { .. }), Ok(_), Err(RecordError::NewerFormat { found: 9, .. })]
    ));
    assert!(!room.folder().exists());
}

#[test]
fn hostile_ids_delete_nothing_else() {
    let room = Room::new();
    let root = room.root.path().join("recordings");
    let keep = room.root.path().join("keep");
    std::fs::write(&keep, "me").expect("written");
    let long = "x".repeat(400);
    for id in ["..", ".", "../..", "", ".deletions", "a/../..", "/", "CON", "nul\0", &long] {
        let mut recorder = Recorder::open(&root, about(id), now()).expect("a recorder");
        record(&mut recorder, [packet(5, 0, &tone(1))]);
        let folder = layout::folder(&root, &StreamId::new(id));
        assert_eq!(recorder.folder(), folder);
        recorder.delete(REVOKED, now()).expect("deleted");
        assert!(!folder.exists());
    }
    assert!(keep.is_file() && root.is_dir());
    let left: Vec<_> =
        std::fs::read_dir(&root).expect("the root").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(left, [".deletions"]);
    assert_eq!(deletion::all(&root).expect("listed").len(), 10);
}

#[cfg(unix)]
#[test]
fn links_in_a_recording_are_removed_and_not_followed() {
    let room = Room::new();
    drop(fill(&room));
    let outside = room.root.path().join("outside");
    std::fs::create_dir(&outside).expect("a folder");
    std::fs::write(outside.join("file"), "kept").expect("written");
    std::os::unix::fs::symlink(&outside, room.path("audio/link")).expect("a link");
    begin(&room).run(later()).expect("deleted");
    assert_eq!(std::fs::read_to_string(outside.join("file")).expect("there"), "kept");
}
