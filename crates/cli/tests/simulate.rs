//! The commands around the server: the simulator by itself, webhooks by hand, help, and wrong arguments.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{fs, path::Path, process::Stdio};

use common::{Finished, PATIENCE, Serving, exchange, finish, get, rtms, until};
use rtms_wire::{secret::SecretToken, signature::webhook_signature};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

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
async fn a_service_prints_its_addresses_plays_meetings_on_request_and_ends_them_when_it_is_stopped() {
    let mut simulator = rtms(&["simulate", "--serve", "--duration", "1m"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(simulator.stdout.take().unwrap()).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let addresses: Value = serde_json::from_str(&line).unwrap();
    let control = addresses["control"].as_str().unwrap();
    assert_eq!(addresses["oauth"], format!("{control}/oauth/token"));
    assert_eq!(addresses["api"], format!("{control}/v2"));

    let address = control.strip_prefix("http://").unwrap().parse().unwrap();
    let body = r#"{"webhook":null}"#;
    let head = "POST /v1/meetings HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length";
    let (status, made) = exchange(address, format!("{head}: {}\r\n\r\n{body}", body.len()).into_bytes()).await;
    assert!(status == 201 && made.contains("meeting.rtms_started"), "{made}");
    assert_eq!(get(address, "/healthz").await.0, 200);

    let process = simulator.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &process]).status().await.unwrap().success());
    let ended = timeout(PATIENCE, simulator.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn options_that_a_service_cannot_have_are_refused_by_name() {
    for (arguments, part) in [
        (&["--serve", "--print-webhook"][..], "--print-webhook"),
        (&["--serve", "--load"], "--load"),
        (&["--serve", "--scenario", "failover"], "--scenario"),
        (&["--serve", "--grade"], "--grade"),
        (&["--print-webhook", "--control", "127.0.0.1:0"], "--serve"),
    ] {
        let refused = finish(rtms(&[&["simulate"], arguments].concat())).await;
        assert_eq!(refused.code, Some(2), "{arguments:?}: {refused:?}");
        assert!(refused.stderr.contains(part), "{arguments:?}: {refused:?}");
    }
}

#[test]
fn the_pytest_of_the_documents_is_the_one_that_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let document = fs::read_to_string(root.join("docs/simulator.md")).unwrap();
    for file in ["conftest.py", "bot.py", "test_bot.py"] {
        let code = fs::read_to_string(root.join("conformance/pytest").join(file)).unwrap();
        assert!(document.contains(&format!("```python\n{code}```\n")), "docs/simulator.md has another {file}");
    }
}

#[tokio::test]
async fn scenarios_are_listed_with_what_happens_and_what_to_do() {
    let listed = finish(rtms(&["simulate", "--list"])).await;

    assert_eq!(listed.code, Some(0), "{listed:?}");
    let names: Vec<_> = listed.stdout.lines().filter(|line| !line.starts_with(' ')).collect();
    assert!(names.len() >= 40 && names.contains(&"failover"), "{names:?}");
    assert_eq!(listed.stdout.lines().count(), names.len() * 3, "each has two sentences");
}

#[tokio::test]
async fn a_scenario_is_played_by_name_or_from_a_file_and_a_wrong_one_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let (mine, broken) = (folder.path().join("mine.toml"), folder.path().join("broken.toml"));
    let text = "name = \"mine\"\nwhat = \"Nothing.\"\nclient = \"Nothing.\"\n[meeting]\nduration = \"300ms\"\n";
    std::fs::write(&mine, format!("{text}[expect]\nended = 6\n")).unwrap();
    std::fs::write(&broken, format!("{text}[expects]\n")).unwrap();
    let play = |asked: &str| rtms(&["simulate", "--print-webhook", "--scenario", asked]);

    let by_name = finish(play("stop-before-anybody-joined")).await;
    let from_file = finish(play(mine.to_str().unwrap())).await;
    let from_broken = finish(play(broken.to_str().unwrap())).await;
    let unknown = finish(play("no-such-story")).await;

    assert!(by_name.stderr.contains("scenario stop-before-anybody-joined: The stream ends"), "{by_name:?}");
    assert!(from_file.stderr.contains("scenario mine: Nothing."), "{from_file:?}");
    assert!(from_broken.stderr.contains("broken.toml:6: unknown field `expects`"), "{from_broken:?}");
    assert!(unknown.stderr.contains("no scenario \"no-such-story\"") && unknown.code == Some(2), "{unknown:?}");
}

#[tokio::test]
async fn what_a_story_tells_by_later_webhooks_is_printed_too_but_for_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let story = folder.path().join("story.toml");
    let text = "name = \"story\"\nwhat = \"Moves.\"\nclient = \"Joins.\"\nstandby = 1\n[meeting]\nduration = \"600ms\"\n\
        [[incident]]\nat = \"200ms\"\nwhat = { failover = { overlap = \"0s\" } }\n[expect]\nended = 6\n";
    fs::write(&story, text).unwrap();

    let played = finish(rtms(&["simulate", "--print-webhook", "--scenario", story.to_str().unwrap()])).await;

    let lines: Vec<Value> = played.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [first, second] = &lines[..] else { panic!("{played:?}") };
    assert_eq!((&first["event"], &second["event"]), (&"meeting.rtms_started".into(), &"meeting.rtms_started".into()));
    assert_eq!(first["payload"]["rtms_stream_id"], second["payload"]["rtms_stream_id"]);
    assert_ne!(first["payload"]["server_urls"], second["payload"]["server_urls"]);
}

#[tokio::test]
async fn a_host_that_cannot_stand_in_a_url_is_a_wrong_argument() {
    for host in ["", "a b", "localhost:8080", "a/b", "::1"] {
        let refused = finish(rtms(&["simulate", "--print-webhook", "--duration", "100ms", "--host", host])).await;
        assert_eq!(refused.code, Some(2), "{host:?}: {refused:?}");
        assert!(refused.stderr.contains("a host has letters"), "{refused:?}");
    }
}

#[tokio::test]
async fn many_meetings_are_announced_by_a_line_each_and_reported_one_by_one_and_together() {
    let arguments = ["simulate", "--print-webhooks", "--meetings", "3", "--duration", "300ms"];
    let played = finish(rtms(&arguments)).await;

    let urls: Vec<_> = played
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["payload"]["server_urls"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(urls.len(), 3, "{played:?}");
    for (index, url) in urls.iter().enumerate() {
        assert!(url.starts_with("ws://127.0.0.1:") && url.ends_with(&format!("/signaling/{index}")), "{url}");
    }
    assert_eq!(played.code, Some(1), "nobody joined");
    assert_eq!(played.stderr.lines().filter(|line| line.starts_with("stream ")).count(), 3, "{played:?}");
    assert!(
        played.stderr.contains("all 3 streams:") && played.stderr.contains("nobody joined 3 of them"),
        "{played:?}"
    );
}

#[tokio::test]
async fn tls_writes_its_authority_where_asked_and_names_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let ca = ca.to_str().unwrap();
    let arguments = [
        "simulate",
        "--print-webhook",
        "--duration",
        "300ms",
        "--tls",
        "--ca-out",
        ca,
        "--host",
        "rtms-sjc1.localhost",
    ];
    let played = finish(rtms(&arguments)).await;

    let webhook: Value = serde_json::from_str(&played.stdout).unwrap();
    let url = webhook["payload"]["server_urls"].as_str().unwrap();
    assert!(url.starts_with("wss://rtms-sjc1.localhost:") && url.ends_with("/signaling"), "{url}");
    assert!(fs::read_to_string(ca).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(finish(rtms(&["simulate", "--print-webhook", "--tls"])).await.code, Some(2), "nobody could trust it");
}

#[tokio::test]
async fn an_authority_that_is_kept_is_the_same_in_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca");
    let arguments = ["simulate", "--print-webhook", "--duration", "100ms", "--tls", "--ca-dir", ca.to_str().unwrap()];

    let first = finish(rtms(&arguments)).await;
    let certificate = fs::read_to_string(ca.join("ca.pem")).unwrap();
    let second = finish(rtms(&arguments)).await;

    assert!(first.stdout.contains("wss://") && second.stdout.contains("wss://"), "{first:?} {second:?}");
    assert_eq!(fs::read_to_string(ca.join("ca.pem")).unwrap(), certificate);
    fs::remove_file(ca.join("ca-key.pem")).unwrap();
    let without_key = finish(rtms(&arguments)).await;
    assert_eq!(without_key.code, Some(1));
    assert!(without_key.stderr.contains("there is no ca-key.pem for "), "{}", without_key.stderr);
}

#[tokio::test]
async fn sound_and_film_from_files_are_what_the_client_gets() {
    let folder = tempfile::tempdir().unwrap();
    let server = Serving::start(&folder.path().join("data"), &["--dev"]).await;
    let to = format!("http://{}/webhook", server.address);
    let (sound, film) = (folder.path().join("speech.wav"), folder.path().join("film.h264"));
    // At half the rate that is asked for, so that it has to be converted; all the same, so that nothing is lost by that.
    fs::write(&sound, wav(8_000, &[4_711; 8_000])).unwrap();
    let slides = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim/assets/person_b_640x360.h264");
    fs::copy(slides, &film).unwrap();
    let (sound, path) = (sound.to_str().unwrap(), film.to_str().unwrap());

    let play = ["simulate", "--webhook", &to, "--duration", "3s", "--audio-from", sound, "--video-from", path];
    let played = finish(rtms(&play)).await;

    assert_eq!(played.code, Some(0), "{}", played.stderr);
    assert!(played.stderr.contains(" 0 transcript,"), "nobody knows the words: {}", played.stderr);
    let recording = fs::read_dir(folder.path().join("data/recordings")).unwrap().next().unwrap().unwrap().path();
    until("the recording is finished", async || recording.join("audio/mixed.wav").exists().then_some(())).await;
    assert_eq!(server.end_by("TERM").await, Some(0));
    let heard = fs::read(recording.join("audio/mixed.wav")).unwrap();
    let samples = heard.chunks_exact(2).filter(|sample| i16::from_le_bytes([sample[0], sample[1]]) == 4_711).count();
    assert!(samples > 16_000, "{samples} samples of two seconds at least");
    let seen = fs::read(recording.join("video/active.h264")).unwrap();
    assert!(seen.starts_with(&fs::read(&film).unwrap()[..1_000]), "the film begins with its first picture");
}

#[tokio::test]
async fn a_file_that_cannot_be_played_is_refused_with_the_way_to_make_one_that_can() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("speech.mp3");
    fs::write(&file, "ID3 and so on").unwrap();
    let (file, missing) = (file.to_str().unwrap(), folder.path().join("missing.wav"));
    let play = |option: &str, file: &str| rtms(&["simulate", "--print-webhook", option, file]);

    let sound = finish(play("--audio-from", file)).await;
    let film = finish(play("--video-from", file)).await;
    let absent = finish(play("--audio-from", missing.to_str().unwrap())).await;

    for (failed, word, how) in [(&sound, "not a WAV file", "pcm_s16le"), (&film, "no H.264 start code", "-f h264")] {
        assert_eq!((failed.code, failed.stdout.as_str()), (Some(1), ""), "{failed:?}");
        assert!(failed.stderr.contains(word), "{failed:?}");
        assert!(failed.stderr.contains(&format!("ffmpeg -i {file} ")) && failed.stderr.contains(how), "{failed:?}");
    }
    assert!(absent.stderr.contains("missing.wav") && !absent.stderr.contains("ffmpeg"), "{absent:?}");
    let both = finish(rtms(&["simulate", "--print-webhook", "--flash-and-beep", "--audio-from", file])).await;
    assert_eq!(both.code, Some(2), "{both:?}");
}

#[tokio::test]
async fn load_prints_a_webhook_for_each_stream_and_what_it_cost() {
    let arguments = ["simulate", "--load", "--streams", "5", "--rate", "50", "--duration", "300ms", "--print-webhooks"];
    let played = finish(rtms(&arguments)).await;

    assert_eq!(played.stdout.lines().count(), 5, "{played:?}");
    assert_eq!(played.code, Some(1), "nobody joined");
    for told in ["5 streams at 50 packets a second", "nobody joined", "packets: 0 offered, ", "of a core"] {
        assert!(played.stderr.contains(told), "{told}: {played:?}");
    }
    let refused = finish(rtms(&["simulate", "--load", "--print-webhooks", "--meetings", "2"])).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
}

#[tokio::test]
async fn more_streams_than_open_files_are_allowed_is_said_clearly() {
    let limited = "ulimit -n 256 && exec \"$0\" simulate --load --streams 1000 --print-webhooks --duration 1s";
    let mut command = Command::new("sh");
    command.args(["-c", limited, env!("CARGO_BIN_EXE_rtms")]);
    let played = finish(command).await;

    assert_eq!((played.code, played.stdout.as_str()), (Some(1), ""), "{played:?}");
    assert!(played.stderr.contains("2128 open files are needed, and the system allows 256"), "{played:?}");
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
async fn a_gateway_with_the_printed_settings_gets_the_events_by_websocket_and_joins() {
    let folder = tempfile::tempdir().unwrap();
    let mut player = Playing::start(&["--event-websocket", "--duration", "3s"]).await;
    fs::write(folder.path().join("rtms.toml"), player.settings().await).unwrap();
    fs::write(folder.path().join("sim-client-secret"), "sim-client-secret").unwrap();

    let server = Serving::listening(serve_in(folder.path())).await;
    let played = player.finish().await;

    assert_eq!(played.code, Some(0), "{played:?}");
    assert!(played.stderr.contains(" 1 joined, ") && !played.stderr.contains("finding"), "{}", played.stderr);
    assert!(played.stderr.contains("event WebSocket: 1 tokens, 0 refused; 1 connections, 0 refused"), "{played:?}");
    until("start and stop are stored and the stream is over", async || {
        let metrics = get(server.api, "/metrics").await.1;
        let lines = [
            r#"rtms_intake_messages_total{result="stored"} 2"#,
            r#"rtms_webhook_classes_total{class="first"} 1"#,
            r#"rtms_webhook_classes_total{class="stopped"} 1"#,
            "rtms_streams_joined_total 1",
            "rtms_streams_running 0",
        ];
        lines.iter().all(|line| metrics.lines().any(|shown| shown == *line)).then_some(())
    })
    .await;
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn an_event_websocket_that_nobody_may_open_waits_until_it_is_interrupted_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut player = Playing::start(&["--event-websocket"]).await;
    fs::write(folder.path().join("rtms.toml"), player.settings().await).unwrap();
    fs::write(folder.path().join("sim-client-secret"), "another").unwrap();

    let server = Serving::listening(serve_in(folder.path())).await;
    until("the wrong secret was refused", async || {
        let metrics = get(server.api, "/metrics").await.1;
        let count = metrics.lines().find_map(|line| line.strip_prefix(r#"rtms_intake_ends_total{why="no_token"} "#));
        (count != Some("0") && count.is_some()).then_some(())
    })
    .await;
    player.interrupt().await;
    let played = player.finish().await;

    assert_eq!(played.code, Some(1), "{played:?}");
    assert!(played.stderr.contains("nobody opened the event WebSocket"), "{played:?}");
    assert!(
        played.stderr.contains("event WebSocket: 0 tokens, ") && !played.stderr.contains(", 0 refused; 0 connections")
    );
    assert_eq!(server.end_by("TERM").await, Some(0));
}

#[tokio::test]
async fn what_version_2_may_bring_is_sent_when_it_is_asked_for_and_the_server_bears_it() {
    let folder = tempfile::tempdir().unwrap();
    let captures = folder.path().join("captures");
    let arguments = ["--dev", "--capture", captures.to_str().unwrap()];
    let server = Serving::start(&folder.path().join("data"), &arguments).await;
    let webhook = format!("http://{}/webhook", server.address);
    let switches = [
        "--event-code",
        "code-only",
        "--answers-version-2",
        "--stray-binary",
        "--extra-fields",
        "--or-mask",
        "refused",
        "--encrypted-unasked",
        "deskshare",
    ];

    for (seed, switches) in [("1", &switches[..]), ("2", &[])] {
        let common = ["simulate", "--webhook", &webhook, "--duration", "3s", "--seed", seed];
        let played = finish(rtms(&[&common[..], switches].concat())).await;
        assert_eq!(played.code, Some(0), "{played:?}");
    }

    assert_eq!(server.end_by("TERM").await, Some(0));
    let mut files: Vec<_> = fs::read_dir(&captures).unwrap().map(|file| file.unwrap()).collect();
    files.sort_by_key(|file| file.metadata().unwrap().modified().unwrap());
    let [asked, plain] = [0, 1].map(|file: usize| fs::read_to_string(files[file].path()).unwrap());
    for shown in ["event_code", r#"protocol_version\":2"#, r#"payload_encrypted\":true"#, "srt_pbkey_length"] {
        assert!(asked.contains(shown) && !plain.contains(shown), "{shown}: {asked:.6000}");
    }
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
        get(server.api, "/metrics").await.1.contains("rtms_streams_running 0").then_some(())
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
        &["completions"],
        &["demo"],
        &["doctor"],
        &["explain"],
        &["man"],
        &["receipts"],
        &["simulate"],
        &["webhook"],
        &["webhook", "send"],
        &["webhook", "sign"],
        &["zoom"],
        &["zoom", "start"],
        &["zoom", "stop"],
        &["zoom", "pause"],
        &["zoom", "resume"],
    ];
    for command in commands {
        let shown = finish(rtms(&[*command, &["--help"]].concat())).await;
        assert_eq!(shown.code, Some(0), "{command:?}");
        assert!(shown.stdout.contains("Example"), "{command:?} has no example:\n{}", shown.stdout);
        assert!(shown.stdout.contains("rtms "), "{command:?}");
        let wide = shown.stdout.lines().find(|line| line.chars().count() > 100);
        assert_eq!(wide, None, "{command:?} has a line of more than 100 columns");
    }
    // No command is forgotten above.
    let help = finish(rtms(&["--help"])).await.stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let listed: Vec<_> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(
        listed,
        [
            "serve",
            "completions",
            "demo",
            "doctor",
            "explain",
            "man",
            "receipts",
            "recording",
            "simulate",
            "streams",
            "webhook",
            "zoom",
            "help"
        ]
    );
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
        (&["simulate", "--webhook", "http://127.0.0.1:1/", "--event-websocket"], "--event-websocket"),
        (&["simulate", "--event-websocket", "--probe-oracle"], "--probe-oracle"),
        (&["simulate", "--print-webhook", "--probe-forged-starts"], "--probe-forged-starts"),
        (&["simulate", "--print-webhook", "--load", "--strict"], "--strict"),
        (&["simulate", "--print-webhook", "--load", "--stray-binary"], "--stray-binary"),
        (&["simulate", "--print-webhook", "--scenario", "failover", "--event-code", "both"], "--event-code"),
        (&["simulate", "--print-webhook", "--event-code", "perhaps"], "code_only"),
        (&["simulate", "--print-webhook", "--or-mask", "perhaps"], "refused"),
        (&["webhook"], "Usage"),
        (&["webhook", "sign"], "FILE"),
    ];
    for (arguments, word) in wrong {
        let failed = finish(rtms(arguments)).await;
        assert_eq!((failed.code, failed.stdout.as_str()), (Some(2), ""), "{arguments:?}: {failed:?}");
        assert!(failed.stderr.contains(word), "{arguments:?}: {}", failed.stderr);
    }
}

/// A WAV file of mono PCM, 16 bits a sample.
fn wav(rate_hz: u32, samples: &[i16]) -> Vec<u8> {
    let length = u32::try_from(samples.len() * 2).unwrap();
    let mut bytes = Vec::new();
    bytes.extend(b"RIFF");
    bytes.extend((36 + length).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    bytes.extend([1, 0, 1, 0]);
    bytes.extend(rate_hz.to_le_bytes());
    bytes.extend((rate_hz * 2).to_le_bytes());
    bytes.extend([2, 0, 16, 0]);
    bytes.extend(b"data");
    bytes.extend(length.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

/// A running `rtms simulate`.
struct Playing {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Playing {
    async fn start(arguments: &[&str]) -> Self {
        let mut command = rtms(&[&["simulate"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stdout }
    }

    /// The settings that it prints; the last of them is the token's URL.
    async fn settings(&mut self) -> String {
        let mut settings = String::new();
        while !settings.contains("token_url") {
            settings.push_str(&self.stdout.next_line().await.unwrap().expect("the settings"));
            settings.push('\n');
        }
        settings
    }

    async fn interrupt(&self) {
        let process = self.child.id().expect("it runs").to_string();
        assert!(Command::new("sh").args(["-c", "kill -s INT \"$0\"", &process]).status().await.unwrap().success());
    }

    async fn finish(self) -> Finished {
        let ended = timeout(PATIENCE, self.child.wait_with_output()).await.expect("it ends").unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        Finished { code: ended.status.code(), stdout: String::new(), stderr }
    }
}

/// `rtms serve` with the folder's `rtms.toml` and no secrets in its environment.
fn serve_in(folder: &Path) -> Command {
    let mut command =
        rtms(&["serve", "--dev", "--config", "rtms.toml", "--listen", "127.0.0.1:0", "--data-dir", "data"]);
    command.current_dir(folder);
    command
}
