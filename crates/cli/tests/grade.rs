//! `rtms simulate --grade`: the verdict, its exit codes and its file.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod common;

use common::{Serving, finish, rtms};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
async fn a_failover_goes_to_another_server_and_misses_no_sound() {
    let folder = tempfile::tempdir().unwrap();
    let server = Serving::start(&folder.path().join("data"), &["--dev"]).await;
    let to = format!("http://{}/webhook", server.address);
    let (story, file) = (folder.path().join("failover.toml"), folder.path().join("verdict.json"));
    let text = r#"
        name = "a-short-failover"
        what = "The server fails after three seconds."
        client = "Leaves everything for the new URLs at once."
        standby = 1
        [meeting]
        duration = "7s"
        [[incident]]
        at = "3s"
        what = { failover = {} }
        [expect]
        ended = 6
        joins = 2
        media = ["video", "transcript"]
        media_complete = ["audio"]
        back_within = "3s"
    "#;
    std::fs::write(&story, text).unwrap();

    let story = story.to_str().unwrap();
    let arguments = ["simulate", "--webhook", &to, "--servers", "2", "--scenario", story, "--grade", "--report"];
    let played = finish(rtms(&[&arguments[..], &[file.to_str().unwrap()]].concat())).await;

    assert_eq!(played.code, Some(0), "{}", played.stderr);
    assert!(played.stderr.contains("  all is as a-short-failover expects\n"), "{}", played.stderr);
    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let stream = &report["streams"][0];
    assert_eq!(
        stream["scenario"],
        serde_json::json!({"name": "a-short-failover", "unmet": [], "unchecked": []}),
        "{stream:#}"
    );
    assert_eq!(stream["summary"]["sent"]["joins"], 2, "{stream:#}");
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn what_is_not_as_the_scenario_expects_is_told_and_fails_with_a_verdict_and_without() {
    let folder = tempfile::tempdir().unwrap();
    let server = Serving::start(&folder.path().join("data"), &["--dev"]).await;
    let to = format!("http://{}/webhook", server.address);
    let (story, file) = (folder.path().join("mine.toml"), folder.path().join("verdict.json"));
    let text = "name = \"mine\"\nwhat = \"Nothing.\"\nclient = \"Nothing.\"\n[meeting]\nduration = \"4s\"\n\
        [expect]\nended = 6\njoins = 2\nno_media = [\"audio\"]\n";
    std::fs::write(&story, text).unwrap();
    let play = ["simulate", "--webhook", &to, "--scenario", story.to_str().unwrap()];

    let graded = [&play[..], &["--grade", "--report", file.to_str().unwrap()]].concat();
    let (told, graded) = tokio::join!(finish(rtms(&play)), finish(rtms(&graded)));

    let unmet = ["signaling was joined 1 times, not 2", "audio was sent"];
    for played in [&told, &graded] {
        assert_eq!(played.code, Some(1), "{}", played.stderr);
        for unmet in unmet {
            assert!(played.stderr.contains(&format!("  not as mine expects: {unmet}\n")), "{}", played.stderr);
        }
    }
    assert!(graded.stderr.ends_with("verdict: fail\n"), "{}", graded.stderr);
    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(report["streams"][0]["scenario"]["unmet"], serde_json::json!(unmet), "{report:#}");
    assert_eq!(report["streams"][0]["findings"], serde_json::json!([]), "nothing was against the protocol");
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn where_nobody_can_join_a_client_that_was_there_passes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Serving::start(&folder.path().join("data"), &["--dev"]).await;
    let to = format!("http://{}/webhook", server.address);
    let story = folder.path().join("down.toml");
    let text = "name = \"down\"\nwhat = \"No server can be reached.\"\nclient = \"Tries.\"\n[timing]\njoin_within = \"2s\"\n\
        [[incident]]\nat = \"0s\"\nwhat = { down = { for = \"5s\" } }\n[expect]\nended = 11\njoins = 0\n";
    std::fs::write(&story, text).unwrap();
    let story = story.to_str().unwrap();

    let (there, nobody) = tokio::join!(
        finish(rtms(&["simulate", "--webhook", &to, "--scenario", story, "--grade"])),
        finish(rtms(&["simulate", "--print-webhook", "--scenario", story, "--grade"])),
    );

    assert_eq!(there.code, Some(0), "{}", there.stderr);
    assert_eq!(nobody.code, Some(1), "{}", nobody.stderr);
    assert!(nobody.stderr.contains("  not as down expects: nobody came"), "{}", nobody.stderr);
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn our_own_server_takes_no_forged_start_for_zooms() {
    let folder = tempfile::tempdir().unwrap();
    let server = Serving::start(&folder.path().join("data"), &["--dev"]).await;
    let to = format!("http://{}/webhook", server.address);

    let arguments = ["simulate", "--webhook", &to, "--duration", "5s", "--probe-forged-starts", "--grade"];
    let played = finish(rtms(&arguments)).await;

    assert_eq!(played.code, Some(0), "{}", played.stderr);
    assert!(played.stderr.contains("  no findings\n"), "{}", played.stderr);
    let refused = "webhook meeting.rtms_started (forged, ";
    let refusals: Vec<_> = played.stderr.lines().filter(|line| line.contains(refused)).collect();
    assert_eq!(refusals.len(), 3, "{}", played.stderr);
    assert!(refusals.iter().all(|line| line.contains("attempt 1: 401")), "{refusals:?}");
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn a_receiver_that_accepts_whatever_comes_is_warned_of() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("http://{}/webhook", listener.local_addr().unwrap());
    let gullible = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut request, mut more) = (Vec::new(), [0; 4_096]);
                // Every body of a webhook ends with its last brace.
                while !request.ends_with(b"}") {
                    let read = stream.read(&mut more).await.unwrap();
                    request.extend_from_slice(&more[..read]);
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
            });
        }
    });

    let arguments = ["simulate", "--webhook", &to, "--duration", "3s", "--probe-forged-starts", "--grade"];
    let played = finish(rtms(&arguments)).await;

    let warnings: Vec<_> = played.stderr.lines().filter(|line| line.contains("accepted a start webhook")).collect();
    assert_eq!(warnings.len(), 3, "{}", played.stderr);
    assert!(warnings.iter().all(|line| line.trim_start().starts_with("warning at ")), "{warnings:?}");
    gullible.abort();
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
