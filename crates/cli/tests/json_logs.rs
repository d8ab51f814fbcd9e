//! `--log-format json`: each line on standard error is an object, whatever it is about.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{net::SocketAddr, process::Stdio, time::Duration};

use common::{PATIENCE, exchange, finish, get, rtms, until, with_secrets};
use rtms_sim::meeting::MeetingOptions;
use rtms_sim_server::{Simulator, SimulatorConfig};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
    time::timeout,
};

#[tokio::test]
async fn every_line_of_a_demo_is_an_object() {
    let data_dir = tempfile::tempdir().unwrap();
    let folder = data_dir.path().to_str().unwrap();
    let arguments = ["demo", "--duration", "3s", "--seed", "5", "--data-dir", folder, "--log", "debug"];
    let shown = finish(rtms(&[&arguments[..], &["--log-format", "json"]].concat())).await;

    assert_eq!(shown.code, Some(0), "{shown:?}");
    let lines = objects(&shown.stderr);
    for message in ["webhook accepted: new stream", "signaling open", "dialing", "recorded", "stream ended"] {
        assert!(lines.iter().any(|line| line["message"] == message), "{message}: {}", shown.stderr);
    }
    assert!(!shown.stderr.contains("Some(") && !shown.stderr.contains("None"), "no Debug: {}", shown.stderr);
}

#[tokio::test]
async fn every_line_of_a_server_is_an_object_and_those_of_a_stream_name_the_meeting() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut command = with_secrets(&["serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(data_dir.path()).env("RTMS_LOG_FORMAT", "json");
    let (mut child, mut lines, listening, mut log) = start(command).await;
    let address: SocketAddr = listening["fields"]["address"].as_str().unwrap().parse().unwrap();

    let simulator = Simulator::start(SimulatorConfig {
        webhook_url: Some(format!("http://{address}/webhook").parse().unwrap()),
        meeting: MeetingOptions { duration: Duration::from_secs(2), ..MeetingOptions::default() },
        ..SimulatorConfig::default()
    })
    .await
    .unwrap();
    // What strangers send gets into no other line than its own.
    let forged = b"POST /webhook/x%0a\\\"} HTTP/1.1\r\nhost: x\r\nx-zm-signature: v0=\r\nconnection: close\r\n\r\n";
    assert_eq!(exchange(address, forged.to_vec()).await.0, 404);
    assert_eq!(get(address, "/metrics?token=canary").await.0, 404);
    simulator.finished().await;
    let api: SocketAddr = listening["fields"]["api"].as_str().unwrap().parse().unwrap();
    until("it has ended", async || {
        get(api, "/v1/streams?all=true").await.1.contains("\"state\":\"ended\"").then_some(())
    })
    .await;
    let process = child.id().unwrap().to_string();
    let killed = Command::new("sh").args(["-c", "kill \"$0\"", process.as_str()]).status().await;
    assert!(killed.unwrap().success());
    while let Some(line) = timeout(PATIENCE, lines.next_line()).await.expect("it ends").unwrap() {
        log.push(line);
    }
    assert_eq!(child.wait().await.unwrap().code(), Some(0));

    let text = log.join("\n");
    let lines = objects(&text);
    let with = |message: &str| lines.iter().filter(|line| line["message"] == message).collect::<Vec<_>>();
    assert_eq!(with("rtms serve")[0]["fields"]["version"], env!("CARGO_PKG_VERSION"), "{text}");
    let apps = &with("accepting the webhooks of these apps")[0]["fields"]["apps"];
    assert_eq!(apps, "default (1 secret token)");
    assert_eq!(with("connecting to Zoom's servers under these names").len(), 1, "{text}");
    assert_eq!(listening["fields"]["webhook"], format!("http://{address}/webhook"));

    for message in ["webhook accepted: new stream", "stream started, connecting", "signaling open", "stream ended"] {
        let [line] = with(message)[..] else { panic!("one line says {message:?}: {text}") };
        let span = &line["span"];
        assert_eq!(span["stream_id"], simulator.stream().as_str(), "{line}");
        assert_eq!(
            (&span["product"], &span["instance_id"]),
            (&"meeting".into(), &simulator.instance().value.as_str().into())
        );
        assert!(span["meeting_id"].as_str().is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_digit())), "{line}");
    }

    let misdirected: Vec<_> = lines.iter().filter(|line| line["fields"]["status"] == 404).collect();
    let [webhook, metrics] = misdirected[..] else { panic!("two lines: {text}") };
    assert_eq!((&webhook["level"], &webhook["fields"]["path"]), (&"WARN".into(), &r#"/webhook/x%0a\"}"#.into()));
    let message = webhook["message"].as_str().unwrap();
    assert!(
        message.contains("no app has the name in the path") && message.ends_with("is an app: default"),
        "{message}"
    );
    assert_eq!((&metrics["level"], &metrics["fields"]["path"]), (&"INFO".into(), &"/metrics".into()));
    assert!(!text.contains("canary"), "the query is not logged: {text}");
}

#[tokio::test]
async fn an_error_is_an_object_too_and_an_empty_variable_means_text() {
    let mut command = rtms(&["serve", "--log-format", "json"]);
    command.env("RTMS_LOG", "off");
    let failed = finish(command).await;
    let [line] = &objects(&failed.stderr)[..] else { panic!("one line: {failed:?}") };
    assert_eq!((failed.code, &line["level"], &line["target"]), (Some(1), &"ERROR".into(), &"rtms".into()));
    assert!(line["message"].as_str().unwrap().starts_with("error: no secret token"), "{line}");

    let mut command = rtms(&["serve"]);
    command.env("RTMS_LOG", "off").env("RTMS_LOG_FORMAT", "");
    assert!(finish(command).await.stderr.starts_with("error: no secret token"));
}

/// Each line as what it is in JSON.
fn objects(text: &str) -> Vec<Value> {
    let object = |line: &str| match serde_json::from_str(line) {
        Ok(object @ Value::Object(_)) => object,
        _ => panic!("no object: {line}\nin: {text}"),
    };
    let lines: Vec<Value> = text.lines().map(object).collect();
    for line in &lines {
        assert!(humantime::parse_rfc3339(line["timestamp"].as_str().unwrap()).is_ok(), "{line}");
        assert!(["level", "target", "message"].iter().all(|key| line[key].is_string()), "{line}");
    }
    lines
}

/// Starts a server and reads its log until it listens. Returns that line, and the whole log up to it.
async fn start(mut command: Command) -> (Child, Lines<BufReader<ChildStderr>>, Value, Vec<String>) {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut log = Vec::new();
    loop {
        let line = timeout(PATIENCE, lines.next_line()).await.expect("it listens").unwrap();
        let line = line.unwrap_or_else(|| panic!("it left without listening: {log:#?}"));
        let object: Value = serde_json::from_str(&line).unwrap();
        log.push(line);
        if object["message"] == "listening" {
            return (child, lines, object, log);
        }
    }
}
