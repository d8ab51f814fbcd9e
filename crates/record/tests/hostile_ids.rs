//! Whatever Zoom sends as an id or a name, files stay inside the recording's folder, and apart from each other.

mod common;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use common::*;
use rtms_record::{Input, Recorder, layout};
use rtms_wire::{
    ids::{StreamId, UserId},
    time::UnixMillis,
};

fn ids() -> Vec<String> {
    let mut ids: Vec<String> = [
        "../evil",
        "..",
        ".",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "C:\\x",
        "nul\0byte",
        "😀",
        "CON",
        "con",
        "aux",
        "Aux",
        "mixed",
        "index",
        "active",
        "",
        " ",
        "a.",
        "a ",
        "-rf",
        "~",
        "%2e",
        "%252e",
        "AbC",
        "abC",
        "abc",
        "channel+1",
        "5.part2",
        "5.set2",
        "\u{202e}exe",
        "\n",
        "*?<>|\":",
    ]
    .map(String::from)
    .into();
    ids.extend(["x".repeat(300), "x".repeat(301), "é".repeat(300), "/".repeat(300)]);
    ids
}

#[test]
fn streams_stay_under_the_root() {
    let room = Room::new();
    let root = room.root.path().join("recordings");
    for id in ids() {
        let mut recorder = Recorder::open(&root, about(&id), now()).expect("a recorder");
        assert_eq!(recorder.folder(), layout::folder(&root, &StreamId::new(&id)));
        record(&mut recorder, [packet(5, 0, &tone(1))]);
        finish(recorder);
    }
    let folders: Vec<_> =
        std::fs::read_dir(&root).expect("the root").map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(folders.len(), ids().len(), "each has its own");
    assert!(folders.iter().all(|folder| folder.join("manifest.json").is_file()));
    assert_eq!(std::fs::read_dir(room.root.path()).expect("around").count(), 1, "nothing beside it");
}

#[test]
fn participants_stay_in_the_recording_and_names_reach_no_path() {
    let room = Room::new();
    let mut recorder = room.open();
    let users: Vec<String> = ids().into_iter().filter(|id| id != "0").collect();
    for (user, at) in users.iter().zip(0..) {
        let mut packet = data(0, 20 * at, tone(1).iter().flat_map(|sample| sample.to_le_bytes()).collect());
        packet.user_id = Some(UserId::new(user));
        packet.user_name = Some("CANARY/../../name".into());
        let mut video = packet.clone();
        video.timestamp = UnixMillis(START);
        record(&mut recorder, [Input::Audio(packet), Input::Deskshare(video)]);
    }
    finish(recorder);

    let files = walk(room.root.path());
    assert!(files.iter().all(|path| path.starts_with(room.folder())));
    assert!(files.iter().all(|path| !path.to_string_lossy().contains("CANARY")));
    let wavs: Vec<_> = files.iter().filter(|path| path.extension().is_some_and(|kind| kind == "wav")).collect();
    assert_eq!(wavs.len(), users.len() + 1, "one each and the mix");
    let lower: BTreeSet<_> = files.iter().map(|path| path.to_string_lossy().to_lowercase()).collect();
    assert_eq!(lower.len(), files.len(), "apart even where case does not count");
    assert!(files.iter().all(|path| path.file_name().is_some_and(|name| name.len() < 200)));
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}
