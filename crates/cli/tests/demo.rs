//! `rtms demo`: ends by itself and leaves what it promised.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{fs, time::Duration};

use common::{finish, rtms};
use rtms_sim::meeting::{Meeting, MeetingOptions};

#[tokio::test]
async fn the_demo_ends_by_itself_and_leaves_every_word_and_the_sound() {
    let data_dir = tempfile::tempdir().unwrap();
    let folder = data_dir.path().to_str().unwrap();

    let shown = finish(rtms(&["demo", "--duration", "4s", "--seed", "5", "--data-dir", folder])).await;

    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(!shown.stderr.contains("ERROR"), "{}", shown.stderr);
    let meeting = Meeting::plan(&MeetingOptions {
        seed: 5,
        participants: 3,
        duration: Duration::from_secs(4),
        ..MeetingOptions::default()
    });
    let lines: Vec<_> = meeting
        .utterances
        .iter()
        .map(|said| format!("{}: {}", meeting.participants[said.speaker].name, said.text))
        .collect();
    let recordings: Vec<_> = fs::read_dir(data_dir.path().join("recordings")).unwrap().collect();
    let [Ok(recording)] = &recordings[..] else { panic!("one recording: {recordings:?}") };
    let transcript = fs::read_to_string(recording.path().join("transcript.txt")).unwrap();
    let written: Vec<_> = transcript.lines().map(|line| line.split_once("] ").unwrap().1).collect();
    assert_eq!(written, lines);
    for line in &lines {
        assert!(shown.stdout.contains(line), "{line:?} was not shown:\n{}", shown.stdout);
    }
    for said in &meeting.utterances {
        let user = meeting.participants[said.speaker].user_id.as_str();
        assert!(fs::metadata(recording.path().join(format!("audio/{user}.wav"))).unwrap().len() > 44);
    }
    assert!(recording.path().join("audio/mixed.wav").is_file());
    for promise in ["CPU per packet: ", "audio/mixed.wav", "transcript.txt", "ffplay", "webhooks 2"] {
        assert!(shown.stdout.contains(promise), "{promise:?} was not said:\n{}", shown.stdout);
    }
    assert!(shown.stdout.contains(recording.path().to_str().unwrap()), "where the files are");
}
