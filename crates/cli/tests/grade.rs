//! `rtms simulate --grade`: the verdict, its exit codes and its file.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod common;

use common::{Serving, finish, rtms};
use serde_json::Value;

#[tokio::test]
async fn our_own_server_passes_and_the_verdict_is_written_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let server = Serving::start(&folder.path().join("data"), &["--dev"]).await;
    let to = format!("http://{}/webhook", server.address);
    let file = folder.path().join("verdict.json");

    let arguments =
        ["simulate", "--webhook", &to, "--duration", "6s", "--keep-alive-interval", "1s", "--grade", "--report"];
    let played = finish(rtms(&[&arguments[..], &[file.to_str().unwrap()]].concat())).await;

    assert_eq!(played.code, Some(0), "{}", played.stderr);
    assert!(played.stderr.ends_with("verdict: pass\n"), "{}", played.stderr);
    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((&report["version"], &report["verdict"]), (&1.into(), &"pass".into()));
    let stream = &report["streams"][0];
    assert_eq!(stream["findings"], serde_json::json!([]));
    assert!(stream["summary"]["keep_alives"]["answered"].as_u64().unwrap() > 0, "{stream:#}");
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn nobody_is_not_passed() {
    let played = finish(rtms(&["simulate", "--print-webhook", "--duration", "300ms", "--grade"])).await;

    assert_eq!(played.code, Some(1), "{}", played.stderr);
    assert!(played.stderr.contains("fault: nobody joined"), "{}", played.stderr);
    assert!(played.stderr.ends_with("verdict: fail\n"), "{}", played.stderr);
}

#[tokio::test]
async fn a_report_without_a_judge_is_a_wrong_argument() {
    let played = finish(rtms(&["simulate", "--print-webhook", "--report", "verdict.json"])).await;

    assert_eq!(played.code, Some(2), "{}", played.stderr);
}
