//! The commands around the server: the simulator by itself, webhooks by hand, help, and wrong arguments.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{fs, process::Stdio};

use common::{Serving, finish, get, rtms, until};
use rtms_wire::{secret::SecretToken, signature::webhook_signature};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

#[tokio::test]
async fn the_printed_webhook_is_one_json_line_and_nothing_else() {
    let played = finish(rtms(&["simulate", "--print-webhook", "--duration", "500ms", "--log", "debug"])).await;

    let [line, rest] = played.stdout.splitn(2, '\n').collect::<Vec<_>>()[..] else { panic!("{played:?}") };
    assert_eq!(rest, "", "nothing follows the line");
    let webhook: Value = serde_json::from_str(line).unwrap();
    assert_eq!(webhook["event"], "meeting.rtms_started");
    assert!(webhook["payload"]["server_urls"].as_str().unwrap().starts_with("ws://127.0.0.1:"));
    assert_eq!(played.code, Some(1), "nobody joined");
    assert!(played.stderr.contains("nobody joined"), "{played:?}");
    assert!(played.stderr.contains("sent: no webhooks (one was printed), "), "{played:?}");
}

#[tokio::test]
async fn the_server_passes_as_a_webhook_receiver_and_each_delivery_is_listed() {
    let data_dir = tempfile::tempdir().unwrap();
    let server = Serving::start(data_dir.path(), &["--dev"]).await;
    let to = format!("http://{}/webhook", server.address);

    let flags =
        ["--validate-url", "--deliver-twice", "--probe-oracle", "--wait-for-retries", "--time-compression", "60"];
    let arguments = [&["simulate", "--webhook", &to, "--duration", "3s"], &flags[..]].concat();
    let played = finish(rtms(&arguments)).await;

    assert_eq!(played.code, Some(0), "{played:?}");
    assert!(!played.stderr.contains("finding"), "{}", played.stderr);
    let listed: Vec<_> = played.stderr.lines().filter(|line| line.starts_with("webhook ")).collect();
    let expected = [
        ("webhook endpoint.url_validation; attempt 1 at ", ": 200 after "),
        ("webhook endpoint.url_validation, a probe without signature; attempt 1 at ", ": 401 after "),
        ("webhook endpoint.url_validation, a probe with a wrong signature; attempt 1 at ", ": 401 after "),
        ("webhook endpoint.url_validation, a probe for a signing oracle; attempt 1 at ", ": 401 after "),
        ("webhook meeting.rtms_started; attempt 1 at ", ": 200 after "),
        ("webhook meeting.rtms_started, the same again; attempt 1 at ", ": 200 after "),
        ("webhook meeting.rtms_stopped; attempt 1 at ", ": 200 after "),
        ("webhook meeting.rtms_stopped, the same again; attempt 1 at ", ": 200 after "),
    ];
    assert_eq!(listed.len(), expected.len(), "{}", played.stderr);
    for (line, (start, status)) in listed.iter().zip(expected) {
        assert!(line.starts_with(start) && line.contains(status), "{line}");
    }
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn every_product_announces_itself_by_its_own_event() {
    let products = [
        ("meeting", "meeting.rtms_started", "meeting_uuid"),
        ("webinar", "webinar.rtms_started", "webinar_uuid"),
        ("session", "session.rtms_started", "session_id"),
        ("contact_center", "contact_center.voice_rtms_started", "engagement_id"),
        ("phone", "phone.rtms_started", "call_id"),
    ];
    for (product, event, id) in products {
        let played = finish(rtms(&["simulate", "--print-webhook", "--duration", "100ms", "--product", product])).await;
        let webhook: Value = serde_json::from_str(&played.stdout).unwrap();
        assert_eq!(webhook["event"], event);
        assert!(webhook["payload"][id].is_string(), "{webhook}");
    }
}

#[tokio::test]
async fn a_signature_made_by_hand_is_zooms() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body.json");
    let body = b"{\"event\":\"meeting.started\"}\n";
    fs::write(&file, body).unwrap();

    let arguments =
        ["webhook", "sign", file.to_str().unwrap(), "--timestamp", "1795428001", "--secret-token", "s3cret"];
    let signed = finish(rtms(&arguments)).await;

    let signature = webhook_signature(&SecretToken::new("s3cret").unwrap(), "1795428001", body);
    assert_eq!(signed.code, Some(0), "{signed:?}");
    assert_eq!(signed.stdout, format!("x-zm-request-timestamp: 1795428001\nx-zm-signature: {signature}\n"));
}

#[tokio::test]
async fn a_webhook_sent_by_hand_is_answered_and_makes_the_server_join() {
    let data_dir = tempfile::tempdir().unwrap();
    let server = Serving::start(data_dir.path(), &["--dev"]).await;
    let to = format!("http://{}/webhook", server.address);
    let mut player = rtms(&["simulate", "--print-webhook", "--duration", "3s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(player.stdout.as_mut().unwrap()).read_line(&mut line).await.unwrap();

    let mut sending = rtms(&["webhook", "send", "-", "--to", &to])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    sending.stdin.take().unwrap().write_all(line.as_bytes()).await.unwrap();
    let sent = sending.wait_with_output().await.unwrap();
    let played = player.wait_with_output().await.unwrap();

    assert!(sent.status.success() && sent.stdout.is_empty(), "{sent:?}");
    let said = String::from_utf8(played.stderr).unwrap();
    assert!(played.status.success(), "{said}");
    assert!(said.contains(" 1 joined, ") && !said.contains("finding"), "{said}");
    until("it is counted", async || {
        get(server.address, "/metrics").await.1.contains("rtms_streams_running 0").then_some(())
    })
    .await;

    let file = data_dir.path().join("body.json");
    fs::write(&file, line).unwrap();
    let file = file.to_str().unwrap();
    let wrong = finish(rtms(&["webhook", "send", file, "--to", &to, "--secret-token", "wrong"])).await;
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stderr.contains("401"), "{wrong:?}");
    assert_eq!(server.end_by("TERM").await, Some(0));
    let nobody = finish(rtms(&["webhook", "send", file, "--to", &to])).await;
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.stderr.contains(&to), "{nobody:?}");
}

#[tokio::test]
async fn the_help_of_every_command_has_an_example() {
    let commands: &[&[&str]] = &[
        &[],
        &["serve"],
        &["demo"],
        &["receipts"],
        &["simulate"],
        &["webhook"],
        &["webhook", "send"],
        &["webhook", "sign"],
    ];
    for command in commands {
        let shown = finish(rtms(&[*command, &["--help"]].concat())).await;
        assert_eq!(shown.code, Some(0), "{command:?}");
        assert!(shown.stdout.contains("Example"), "{command:?} has no example:\n{}", shown.stdout);
        assert!(shown.stdout.contains("rtms "), "{command:?}");
    }
    // No command is forgotten above.
    let help = finish(rtms(&["--help"])).await.stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let listed: Vec<_> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(listed, ["serve", "demo", "receipts", "simulate", "webhook", "help"]);
}

#[tokio::test]
async fn wrong_arguments_exit_with_2_and_say_which() {
    let wrong: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["dance"], "dance"),
        (&["serve", "--lisen", "127.0.0.1:0"], "--lisen"),
        (&["serve", "--listen", "here"], "here"),
        (&["demo", "--duration", "soon"], "soon"),
        (&["demo", "--participants", "0"], "0"),
        (&["simulate"], "--print-webhook"),
        (&["simulate", "--print-webhook", "--product", "radio"], "radio"),
        (&["simulate", "--print-webhook", "--media", "smell"], "smell"),
        (&["simulate", "--print-webhook", "--keep-alive-interval", "0s"], "0s"),
        (&["simulate", "--print-webhook", "--validate-url"], "--validate-url"),
        (&["simulate", "--webhook", "http://127.0.0.1:1/", "--time-compression", "0"], "0"),
        (&["webhook"], "Usage"),
        (&["webhook", "sign"], "FILE"),
    ];
    for (arguments, word) in wrong {
        let failed = finish(rtms(arguments)).await;
        assert_eq!((failed.code, failed.stdout.as_str()), (Some(2), ""), "{arguments:?}: {failed:?}");
        assert!(failed.stderr.contains(word), "{arguments:?}: {}", failed.stderr);
    }
}
