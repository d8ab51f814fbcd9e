//! `rtms serve --capture` and `rtms simulate --replay`: what goes over the wire is kept without secrets, and played to another
//! gateway it makes the same recording.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use common::{
    Serving,
    door::{Kept, signed},
    finish, rtms, until,
};
use rtms_gateway::server::RECORDINGS;
use rtms_record::{Manifest, check::check, layout};
use rtms_sim::{config::App, meeting::MeetingOptions};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_wire::{
    codes::{message_type::MessageType, stop_reason::StopReason},
    ids::StreamId,
    message::Message,
    signature::HandshakeSignature,
    wire_log::{Channel, What, WireLogHeader, WireLogLine},
};

#[tokio::test]
async fn a_capture_has_every_message_and_no_secret_and_its_replay_makes_the_same_recording() {
    let folder = tempfile::tempdir().unwrap();
    let (captures, first, second) = (folder.path().join("captures"), folder.path().join("1"), folder.path().join("2"));
    let meeting = MeetingOptions { seed: 71, duration: Duration::from_secs(4), ..MeetingOptions::default() };
    let simulator = Simulator::start(SimulatorConfig { meeting, ..SimulatorConfig::default() }).await.unwrap();
    let stream = simulator.stream().clone();

    let gateway = Serving::start(&first, &["--dev", "--capture", captures.to_str().unwrap()]).await;
    let mut door = Kept::open(gateway.address).await.unwrap();
    assert_eq!(door.exchange(&signed(simulator.start_webhook())).await.unwrap(), 200);
    simulator.finished().await;
    let original = recorded(&first, &stream).await;
    assert_eq!(gateway.end_by("TERM").await, Some(0));
    let findings = simulator.findings();
    assert!(findings.is_empty(), "{findings:?}");

    let tape = captures.join(format!("{}.jsonl", layout::escape(stream.as_str())));
    has_no_secret(&tape, &simulator);
    has_every_message(&tape, &simulator);

    let gateway = Serving::start(&second, &["--dev"]).await;
    let webhook = format!("http://{}/webhook", gateway.address);
    let tape = tape.to_str().unwrap();
    let replay = finish(rtms(&["simulate", "--replay", tape, "--speed", "max", "--webhook", &webhook])).await;
    assert_eq!(replay.code, Some(0), "{}", replay.stderr);
    let again = recorded(&second, &stream).await;
    assert_eq!(gateway.end_by("TERM").await, Some(0));

    let (original, again) = (media_files(&original), media_files(&again));
    assert_eq!(original.keys().collect::<Vec<_>>(), again.keys().collect::<Vec<_>>(), "{}", replay.stderr);
    for kind in ["audio/mixed", "transcript.jsonl", "transcript.vtt", "chat.jsonl"] {
        let found = original.iter().find(|(name, _)| name.starts_with(kind));
        assert!(found.is_some_and(|(_, bytes)| bytes.len() > 100), "{kind}: {:?}", original.keys());
    }
    for (name, bytes) in original {
        assert!(again[&name] == bytes, "{name} differs\n{}", replay.stderr);
    }
}

#[tokio::test]
async fn what_is_revoked_goes_from_the_wire_logs_too() {
    let folder = tempfile::tempdir().unwrap();
    let captures = folder.path().join("captures");
    let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
    let gateway =
        Serving::start(&folder.path().join("data"), &["--dev", "--capture", captures.to_str().unwrap()]).await;
    let mut door = Kept::open(gateway.address).await.unwrap();
    assert_eq!(door.exchange(&signed(simulator.start_webhook())).await.unwrap(), 200);
    let logs = || fs::read_dir(&captures).unwrap().count();
    until("the wire log has begun", async || (simulator.counts().audio > 0 && logs() == 1).then_some(())).await;

    simulator.stop(StopReason::StreamRevoked).await;

    until("the wire log is gone", async || (logs() == 0).then_some(())).await;
    assert_eq!(gateway.end_by("TERM").await, Some(0));
    assert_eq!(logs(), 0);
}

#[tokio::test]
async fn a_file_that_is_no_wire_log_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no.jsonl");
    let header = r#"{"format":"rtms-capture","version":1,"product":"meeting","instance":{"field":"meeting_uuid","value":"m=="},"rtms_stream_id":"s","started_at":1795428000000,"program":"rtms 0.1.0"}"#;
    fs::write(&path, format!("{header}\n{{\"ms\":0,\"what\":\"sung\"}}\n")).unwrap();

    let refused = finish(rtms(&["simulate", "--print-webhook", "--replay", path.to_str().unwrap()])).await;

    assert_eq!(refused.code, Some(1));
    let told = format!("error: {}, line 2: unknown variant `sung`", path.display());
    assert!(refused.stderr.starts_with(&told), "{}", refused.stderr);
}

#[tokio::test]
async fn a_gateway_that_does_not_take_the_webhook_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tape.jsonl");
    let header = r#"{"format":"rtms-capture","version":1,"product":"meeting","instance":{"field":"meeting_uuid","value":"m=="},"rtms_stream_id":"s","started_at":1795428000000,"program":"rtms 0.1.0"}"#;
    fs::write(&path, format!("{header}\n")).unwrap();
    let gateway = Serving::start(&folder.path().join("data"), &["--dev"]).await;
    let webhook = format!("http://{}/webhook", gateway.address);

    let tape = path.to_str().unwrap();
    let refused =
        finish(rtms(&["simulate", "--replay", tape, "--webhook", &webhook, "--secret-token", "of-somebody-else"]))
            .await;

    assert_eq!(refused.code, Some(1));
    let told = format!("error: the start webhook was not accepted by {webhook}: it answered 401");
    assert!(refused.stderr.contains(&told), "{}", refused.stderr);
    assert_eq!(gateway.end_by("TERM").await, Some(0));
}

/// The folder of the recording once it is closed, and that it fits together.
async fn recorded(data_dir: &Path, stream: &StreamId) -> PathBuf {
    let folder = layout::folder(&data_dir.join(RECORDINGS), stream);
    until("the recording is closed", async || {
        let manifest = Manifest::read(&folder).ok()??;
        let reason = manifest.ending.and_then(|ending| ending.stop_reason);
        (reason == Some(StopReason::MeetingEnded)).then_some(())
    })
    .await;
    let report = check(&folder);
    assert!(report.is_fine(), "{report:?}");
    folder
}

/// Every file but the three that hold our own times.
fn media_files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            if !["manifest.json", "events.jsonl", "journal.jsonl"].contains(&name.as_str()) {
                let bytes = fs::read(path).unwrap();
                files.insert(name.clone(), if name.ends_with(".jsonl") { without_ours(&bytes) } else { bytes });
            }
        }
    }
    files
}

/// Lines of JSON without the time at which we heard of it, and without our numbers.
fn without_ours(lines: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let mut line: serde_json::Value = serde_json::from_slice(line).unwrap();
        let fields = line.as_object_mut().unwrap();
        fields.remove("received_at");
        fields.remove("n");
        if let Some(utterance) = fields.get_mut("utterance") {
            utterance["id"] = serde_json::Value::Null;
        }
        bytes.extend(line.to_string().bytes());
    }
    bytes
}

fn has_no_secret(tape: &Path, simulator: &Simulator) {
    let text = fs::read_to_string(tape).unwrap();
    let app = App::default();
    let signature =
        HandshakeSignature::sign(&app.client_id, &app.client_secret, simulator.instance(), simulator.stream());
    for secret in [signature.as_str(), App::TEST_CLIENT_SECRET, App::TEST_SECRET_TOKEN] {
        assert!(!text.contains(secret), "{secret}");
    }
    // It was sent, and taken out.
    assert_eq!(text.matches(r#"\"signature\":\"\""#).count(), 6);
}

fn has_every_message(tape: &Path, simulator: &Simulator) {
    let text = fs::read_to_string(tape).unwrap();
    let mut lines = text.lines();
    let header: WireLogHeader = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!((&header.rtms_stream_id, &header.instance), (simulator.stream(), simulator.instance()));
    assert_eq!(header.start_webhook.as_deref(), std::str::from_utf8(simulator.start_webhook()).ok());

    let mut counts = BTreeMap::<i64, u64>::new();
    let mut last = None;
    for line in lines {
        let line: WireLogLine<'_> = serde_json::from_str(line).unwrap();
        if let What::Received { on, frame, .. } = &line.what {
            let message = Message::decode(&frame.payload().unwrap()).unwrap();
            let is_media = (14..=18).contains(&message.msg_type().code());
            assert_eq!(is_media, is_media && *on != Channel::Signaling);
            *counts.entry(message.msg_type().code()).or_default() += 1;
        }
        last = Some(line.what);
    }
    let sent = simulator.counts();
    let count = |msg_type: MessageType| counts.get(&msg_type.code()).copied().unwrap_or_default();
    let of_each = [
        (MessageType::SignalingHandShakeResp, 1),
        (MessageType::DataHandShakeResp, 5),
        (MessageType::EventUpdate, sent.events),
        (MessageType::KeepAliveReq, sent.keep_alives),
        (MessageType::MediaDataAudio, sent.audio),
        (MessageType::MediaDataVideo, sent.video),
        (MessageType::MediaDataShare, sent.deskshare),
        (MessageType::MediaDataTranscript, sent.transcript),
        (MessageType::MediaDataChat, sent.chat),
    ];
    for (msg_type, expected) in of_each {
        assert_eq!(count(msg_type), expected, "{msg_type}: {counts:?}");
    }
    assert!(sent.audio > 100 && sent.video > 50 && sent.transcript > 0, "{sent:?}");
    assert!(matches!(last, Some(What::Ended { stop_reason: Some(StopReason::MeetingEnded), .. })), "{last:?}");
}
