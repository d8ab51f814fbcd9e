//! `rtms demo`: ends by itself and leaves what it promised.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use common::{PATIENCE, finish, rtms, until};
use rtms_record::{Manifest, manifest::RecordingState};
use rtms_sim::meeting::{Meeting, MeetingOptions};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Command,
    time::timeout,
};

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
    let recording = recording(data_dir.path());
    let transcript = fs::read_to_string(recording.join("transcript.txt")).unwrap();
    let written: Vec<_> = transcript.lines().map(|line| line.split_once("] ").unwrap().1).collect();
    assert_eq!(written, lines);
    for line in &lines {
        assert!(shown.stdout.contains(line), "{line:?} was not shown:\n{}", shown.stdout);
    }
    for said in &meeting.utterances {
        let user = meeting.participants[said.speaker].user_id.as_str();
        assert!(fs::metadata(recording.join(format!("audio/{user}.wav"))).unwrap().len() > 44);
    }
    assert!(recording.join("audio/mixed.wav").is_file());
    let about = Manifest::read(&recording).unwrap().unwrap().about;
    assert!(
        about.meeting_id.is_some() && about.operator_id.is_some() && about.is_original_host == Some(true),
        "{about:?}"
    );
    for promise in ["CPU per packet in a debug build: ", "audio/mixed.wav", "transcript.txt", "ffplay", "webhooks 2"] {
        assert!(shown.stdout.contains(promise), "{promise:?} was not said:\n{}", shown.stdout);
    }
    assert!(shown.stdout.contains(recording.to_str().unwrap()), "where the files are");
}

#[tokio::test]
async fn what_is_suggested_is_there_and_can_be_pasted_into_a_shell() {
    let root = tempfile::tempdir().unwrap();
    let data_dir = root.path().join("it's $HOME here");

    let arguments = ["demo", "--duration", "1s", "--seed", "3", "--data-dir", data_dir.to_str().unwrap()];
    let shown = finish(rtms(&arguments)).await;

    assert_eq!(shown.code, Some(0), "{shown:?}");
    let is_there = |file: &str| recording(&data_dir).join(file).exists();
    for (file, line) in
        [("transcript.txt", "Read it: "), ("audio/mixed.wav", "Hear it: "), ("video/active.h264", "See it: ")]
    {
        let suggested = shown.stdout.lines().find(|shown| shown.starts_with(line));
        assert_eq!(suggested.is_some(), is_there(file), "{file}: {}", shown.stdout);
        let Some(suggested) = suggested else { continue };
        let path = suggested.split_once(" less ").or(suggested.split_once(" -autoexit ")).unwrap().1;
        let status = Command::new("sh").args(["-c", &format!("test -f {path}")]).status().await.unwrap();
        assert!(status.success(), "{suggested}");
    }
    assert!(is_there("video/active.h264") && !is_there("transcript.txt"), "some of it, for the test to mean anything");
}

#[tokio::test]
async fn without_a_reader_it_ends_early_and_says_by_its_exit_code_that_not_all_was_recorded() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut command = rtms(&["demo", "--duration", "10m", "--data-dir", data_dir.path().to_str().unwrap()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    timeout(PATIENCE, async { while !lines.next_line().await.unwrap().expect("a line").contains("is open") {} })
        .await
        .expect("it joins");

    until("it records", async || {
        let folder = fs::read_dir(data_dir.path().join("recordings")).ok()?.next()?.unwrap().path();
        (fs::metadata(folder.join("audio/mixed.wav")).ok()?.len() > 44).then_some(())
    })
    .await;

    drop(lines);
    let status = timeout(PATIENCE, child.wait()).await.expect("it ends").unwrap();

    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
    assert_eq!((status.code(), said.as_str()), (Some(1), ""));
    let manifest = Manifest::read(&recording(data_dir.path())).unwrap().unwrap();
    assert_eq!(manifest.state, RecordingState::Finished, "what came until then is closed properly");
}

#[tokio::test]
async fn a_demo_shows_nothing_of_an_earlier_one_that_was_killed_and_leaves_its_recording() {
    let data_dir = tempfile::tempdir().unwrap();
    let folder = data_dir.path().to_str().unwrap();
    let mut killed = rtms(&["demo", "--duration", "10m", "--seed", "5", "--data-dir", folder]);
    let mut killed = killed.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it records", async || {
        let recordings = recordings(data_dir.path());
        (fs::metadata(recordings.first()?.join("audio/mixed.wav")).ok()?.len() > 44).then_some(())
    })
    .await;
    killed.kill().await.unwrap();
    let left = recordings(data_dir.path()).remove(0);

    // The same meeting once more: nothing of it is taken for a repeat.
    let arguments = ["demo", "--duration", "4s", "--seed", "5", "--data-dir", folder, "--log", "info"];
    let shown = finish(rtms(&arguments)).await;

    assert_eq!(shown.code, Some(0), "{shown:?}");
    let count = |word: &str| shown.stderr.matches(word).count();
    assert_eq!((count("stream started, connecting"), count("WARN"), count("ERROR")), (1, 0, 0), "{}", shown.stderr);
    assert_eq!(shown.stdout.matches("· joining").count(), 1, "{}", shown.stdout);
    assert!(shown.stdout.contains("webhooks 2 "), "{}", shown.stdout);
    let recordings = recordings(data_dir.path());
    assert!(recordings.len() == 2 && recordings.contains(&left), "{recordings:?}");
    for recording in recordings {
        let manifest = Manifest::read(&recording).unwrap().unwrap();
        assert_eq!(manifest.state, RecordingState::Finished, "{recording:?}");
    }
}

/// The folders of all recordings.
fn recordings(data_dir: &Path) -> Vec<PathBuf> {
    let Ok(folders) = fs::read_dir(data_dir.join("recordings")) else { return Vec::new() };
    folders.map(|folder| folder.unwrap().path()).filter(|path| !path.ends_with(".deletions")).collect()
}

/// The folder of the only recording.
fn recording(data_dir: &Path) -> PathBuf {
    let recordings: Vec<_> = fs::read_dir(data_dir.join("recordings")).unwrap().collect();
    let [Ok(recording)] = &recordings[..] else { panic!("one recording: {recordings:?}") };
    recording.path()
}
