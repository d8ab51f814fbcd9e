//! `rtms recording`, as people and scripts use it: a recording that is fine, one that goes on, and damaged ones.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod common;

use std::path::{Path, PathBuf};

use common::{Finished, finish, rtms};
use rtms_record::{
    Ending, Input, Recorder, RecordingAbout,
    ledger::{Cause, Change, OffWhy, Scope, When},
};
use rtms_wire::{
    codes::{product::Product, stop_reason::StopReason},
    ids::{InstanceId, InstanceIdField, StreamId},
    media::{medium::Medium, params::MediaParams},
    message::media_data::MediaData,
    time::UnixMillis,
};
use serde_json::{Value, json};

const START: u64 = 1_795_428_000_000;

fn at(ms: u64) -> UnixMillis {
    UnixMillis(START + ms)
}

/// Two seconds of sound, a failover, and two more, of which the backlog brings one.
fn record(root: &Path, stream_id: &str) -> Recorder {
    let about = RecordingAbout::new(
        StreamId::new(stream_id),
        Product::Meeting,
        InstanceId::new(InstanceIdField::MeetingUuid, "abc=="),
        at(0),
    );
    let mut recorder = Recorder::open(root, about, at(0)).unwrap();
    let mut tell = |input, ms| recorder.handle(input, at(ms)).unwrap();
    let ours = |ms| When::Ours(at(ms));
    tell(Input::Granted(Medium::Audio, MediaParams::default()), 100);
    tell(
        Input::Change(Change::Off(Medium::Video, OffWhy::NotWanted, Some("\u{1b}[2J".into())), When::Zoom(at(0))),
        100,
    );
    for ms in (0..2_000).step_by(20) {
        tell(sound(ms), ms);
    }
    tell(Input::Change(Change::Interrupted(Scope::Stream, Cause::Failover), ours(2_000)), 2_000);
    tell(Input::Granted(Medium::Audio, MediaParams::default()), 4_000);
    for ms in (3_000..5_000).step_by(20) {
        tell(sound(ms), 5_000);
    }
    recorder.sync(at(5_000)).unwrap();
    recorder
}

fn sound(ms: u64) -> Input {
    Input::Audio(MediaData {
        user_id: Some(0.into()),
        data: vec![1; 640].into(),
        timestamp: at(ms),
        ..MediaData::default()
    })
}

fn recorded(root: &Path, stream_id: &str) -> PathBuf {
    let ending = Ending { stop_reason: Some(StopReason::MeetingEnded), why: "the meeting ended".into(), at: at(6_000) };
    record(root, stream_id).finish(ending).unwrap().folder
}

async fn run(action: &str, folder: &Path, more: &[&str]) -> Finished {
    let mut command = rtms(&["recording", action]);
    command.arg(folder).args(more);
    finish(command).await
}

async fn json(action: &str, folder: &Path) -> (Option<i32>, Value) {
    let finished = run(action, folder, &["--json"]).await;
    (finished.code, serde_json::from_str(&finished.stdout).unwrap())
}

#[tokio::test]
async fn a_recording_that_is_fine_is_said_to_be_and_shown_second_by_second() {
    let root = tempfile::tempdir().unwrap();
    let folder = recorded(root.path(), "7f3a/\u{1b}[2J");

    let checked = run("check", &folder, &[]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stdout.contains("stream 7f3a/\\u{1b}[2J, finished\n"), "{}", checked.stdout);
    assert!(checked.stdout.starts_with("OK: "), "{}", checked.stdout);
    let (code, report) = json("check", &folder).await;
    assert_eq!((code, &report["state"], &report["problems"]), (Some(0), &json!("finished"), &json!([])));

    let shown = run("show", &folder, &[]).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let expected = "\
stream  7f3a/\\u{1b}[2J
state   finished: the meeting ended
from    2026-11-23 10:00:00.000 UTC, Zoom's clock
to      2026-11-23 10:00:06.000 UTC, 6.000 s later

SECONDS     RECEIVED  SILENT  PAUSED  BEFORE_START  INTERRUPTED  DROPPED    OFF  UNRECORDED
audio          4.000   1.000       -             -        1.000        -      -           -
video              -       -       -             -            -        -  6.000           -
deskshare          -       -       -         2.000        4.000        -      -           -
transcript         -       -       -         2.000        4.000        -      -           -
chat               -       -       -         2.000        4.000        -      -           -

audio
   FROM     TO  SECONDS  WHAT
  0.000  2.000    2.000  received
  2.000  3.000    1.000  interrupted by failover
  3.000  5.000    2.000  received
  5.000  6.000    1.000  silent

video
   FROM     TO  SECONDS  WHAT
  0.000  6.000    6.000  off: not_wanted (\\u{1b}[2J)
";
    assert!(shown.stdout.starts_with(expected), "{}", shown.stdout);
    let (code, shown) = json("show", &folder).await;
    assert_eq!(code, Some(0));
    let interrupted = json!({ "from": START + 2_000, "to": START + 3_000, "is": "interrupted", "by": "failover" });
    assert_eq!(shown["ledger"]["media"]["audio"]["spans"][1], interrupted);
}

#[tokio::test]
async fn a_recording_that_goes_on_can_be_checked_and_shown() {
    let root = tempfile::tempdir().unwrap();
    let recorder = record(root.path(), "stream-1");
    let folder = recorder.folder();

    let checked = run("check", folder, &[]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stdout.contains("stream stream-1, not finished\nnote: it is not finished"), "{}", checked.stdout);
    let (code, shown) = json("show", folder).await;
    assert_eq!((code, &shown["state"]), (Some(0), &json!("recording")));
    let spans = shown["ledger"]["media"]["audio"]["spans"].as_array().unwrap();
    let words: Vec<_> = spans.iter().map(|span| span["is"].as_str().unwrap()).collect();
    assert_eq!(words, ["received", "interrupted", "received"]);
}

#[tokio::test]
async fn what_is_wrong_is_named_and_the_exit_code_is_1() {
    let root = tempfile::tempdir().unwrap();
    let folder = recorded(root.path(), "stream-1");
    let wav = folder.join("audio/mixed.wav");
    let bytes = std::fs::read(&wav).unwrap();
    std::fs::write(&wav, &bytes[..bytes.len() - 2]).unwrap();

    let checked = run("check", &folder, &[]).await;
    assert_eq!(checked.code, Some(1));
    assert!(checked.stdout.contains("problem: audio/mixed.wav has 160042 bytes, and the manifest says 160044\n"));
    assert!(checked.stdout.starts_with("WRONG: 2 problems; "), "{}", checked.stdout);
    let (code, report) = json("check", &folder).await;
    assert_eq!((code, &report["problems"][0]["kind"]), (Some(1), &json!("size")));

    let nowhere = Path::new("/nowhere/at/all");
    for (folder, problem, why) in [
        (root.path(), "problem: manifest.json is not there", "has no manifest.json"),
        (nowhere, "problem: there is no such folder", "there is no folder /nowhere/at/all"),
    ] {
        let checked = run("check", folder, &[]).await;
        assert_eq!(checked.code, Some(1), "{checked:?}");
        assert!(checked.stdout.contains(problem), "{}", checked.stdout);
        let shown = run("show", folder, &[]).await;
        assert_eq!((shown.code, &*shown.stdout), (Some(1), ""), "{shown:?}");
        assert!(shown.stderr.contains(why), "{}", shown.stderr);
    }
}

#[tokio::test]
async fn wrong_arguments_are_2_and_help_has_examples() {
    for arguments in
        [&["recording"][..], &["recording", "check"], &["recording", "show", "a", "b"], &["recording", "x"]]
    {
        assert_eq!(finish(rtms(arguments)).await.code, Some(2), "{arguments:?}");
    }
    for arguments in [&["recording", "--help"][..], &["recording", "check", "--help"], &["recording", "show", "--help"]]
    {
        let help = finish(rtms(arguments)).await;
        assert_eq!(help.code, Some(0));
        assert!(help.stdout.contains("Examples:"), "{}", help.stdout);
    }
}
