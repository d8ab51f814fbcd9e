//! Every file of the fuzz corpora, replayed through the functions that libFuzzer calls. CONTRIBUTING.md has the recipe.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

#[path = "../../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "public for the package that it is the root of")]
#[allow(clippy::expect_used, clippy::indexing_slicing, reason = "a panic is how a target says that something is wrong")]
mod fuzz;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use rtms_wire::message::Message;
use serde_json::{Value, json};

/// An answer that does come may take this long on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn messages_decode_the_same_both_ways_and_come_back() {
    replay("decode_message", fuzz::decode_message::run);
}

#[test]
fn webhooks_are_read_without_a_panic_and_lead_to_zoom_only() {
    replay("decode_webhook", fuzz::decode_webhook::run);
}

#[test]
fn streams_come_to_an_end_and_say_nothing_after_it() {
    replay("stream_inputs", fuzz::stream_inputs::run);
}

#[test]
fn the_door_stores_nothing_but_what_was_signed() {
    replay("door", fuzz::door::run);
}

/// Otherwise the test above would hold for a door that refuses everything.
#[test]
fn the_door_takes_what_the_target_signs() {
    for file in files("door").into_iter().filter(|file| name(file).starts_with("signed-")) {
        let (answer, stored) = fuzz::door::exchange(&fs::read(&file).unwrap(), PATIENCE);

        assert!(stored > 0, "{}: {}", file.display(), String::from_utf8_lossy(&answer));
    }
}

#[test]
fn a_journal_goes_on_behind_what_can_be_read_of_it() {
    replay("journal_recovery", fuzz::journal_recovery::run);
}

#[test]
fn wire_logs_come_back_without_secrets_and_are_played_to_their_end() {
    replay("replay_capture", fuzz::replay_capture::run);
}

/// Otherwise the test above would hold for a player that refuses everybody.
#[test]
fn wire_logs_are_played_to_the_client_that_the_target_is() {
    let files: Vec<_> = files("replay_capture").into_iter().filter(|file| name(file).starts_with("played-")).collect();
    assert!(!files.is_empty());
    for file in files {
        let played = fuzz::replay_capture::play(&fs::read(&file).unwrap()).unwrap();

        let is_played = played.joins > 0 && played.media_connections > 0 && played.media.values().sum::<u64>() > 0;
        assert!(is_played, "{}: {played:?}", file.display());
    }
}

/// With `RTMS_WRITE_SEEDS=1` it writes them instead.
#[test]
fn every_fixture_is_a_seed() {
    let fixtures = root().join("crates/wire/tests/fixtures");
    let manifest: Value = serde_json::from_slice(&fs::read(fixtures.join("webhooks-manifest.json")).unwrap()).unwrap();
    for fixture in manifest["fixtures"].as_array().unwrap() {
        let body = fs::read(fixtures.join(fixture["file"].as_str().unwrap())).unwrap();
        let name = format!("fixture-{}", name(Path::new(fixture["file"].as_str().unwrap())));
        write("decode_webhook", &name, &body);

        let mut request = String::from("POST /webhook HTTP/1.1\r\nhost: gateway.test\r\n");
        for (name, value) in fixture["headers"].as_object().unwrap() {
            request.push_str(&format!("{name}: {}\r\n", value.as_str().unwrap()));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        write("door", &name.replace(".json", ".http"), &[request.as_bytes(), &body].concat());
    }
    for entry in fs::read_dir(fixtures.join("websocket")).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("fixture-{}", name(&path));
        let payload = fs::read(&path).unwrap();
        write("decode_message", &name, &payload);
        let message = Message::decode(&payload).unwrap();
        write("stream_inputs", &name.replace(".json", ".txt"), told_everywhere(&message.encode()).as_bytes());
        if let Some(tape) = captured(&message) {
            write("replay_capture", &name.replace(".json", ".jsonl"), tape.as_bytes());
        }
    }
}

/// A stream that opens, hears the message on signaling and on media, loses a connection, and waits.
fn told_everywhere(message: &str) -> String {
    const MEDIA: &str =
        r#"{"msg_type":2,"status_code":0,"media_server":{"server_urls":{"all":"wss://media.zoom.us/all"}}}"#;
    const GRANTED: &str = r#"{"msg_type":4,"status_code":0}"#;
    format!("unified\nc0\nr0 {MEDIA}\nc1\nr1 {GRANTED}\nr0 {message}\nr1 {message}\nw 500\nl1 cut\nr0 {message}\nd\n")
}

/// The wire log of a stream in which Zoom said this, if it is one of those that whoever plays it looks into: an answer to a
/// handshake, or a word that it is over.
fn captured(message: &Message) -> Option<String> {
    const HEADER: &str = r#"{"format":"rtms-capture","version":1,"product":"meeting","instance":{"field":"meeting_uuid","value":"m=="},"rtms_stream_id":"s","started_at":1795428000000,"program":"rtms 0.1.0"}"#;
    const MEDIA: &str = "audio+video+deskshare+transcript+chat";
    const URLS: &str = r#"{"audio":"wss://media.zoom.us/audio","all":"wss://media.zoom.us/all"}"#;
    let mut welcome = format!(r#"{{"msg_type":2,"status_code":0,"media_server":{{"server_urls":{URLS}}}}}"#);
    let mut granted = r#"{"msg_type":4,"status_code":0}"#.to_owned();
    let mut said = r#"{"msg_type":12,"timestamp":1}"#.to_owned();
    match message {
        Message::SignalingHandShakeResp(_) => welcome = message.encode(),
        Message::DataHandShakeResp(_) => granted = message.encode(),
        Message::StreamStateUpdate(_) | Message::StreamCloseResp(_) => said = message.encode(),
        _ => return None,
    }
    let handshake = |msg_type: u32| {
        let ids = r#""protocol_version":1,"meeting_uuid":"m==","rtms_stream_id":"s","sequence":1,"signature":"""#;
        format!(r#"{{"msg_type":{msg_type},{ids},"media_type":32}}"#)
    };
    let frame = |ms: u32, what: &str, connection: u32, on: &str, text: &str| json!({ "ms": ms, "what": what, "connection": connection, "on": on, "text": text });
    let dialed = |ms: u32, connection: u32, on: &str| json!({ "ms": ms, "what": "dialed", "connection": connection, "on": on, "url": "wss://rtms.zoom.us/?token=" });
    let lines = [
        dialed(0, 1, "signaling"),
        frame(5, "sent", 1, "signaling", &handshake(1)),
        frame(9, "received", 1, "signaling", &welcome),
        dialed(10, 2, MEDIA),
        frame(15, "sent", 2, MEDIA, &handshake(3)),
        frame(19, "received", 2, MEDIA, &granted),
        frame(20, "sent", 1, "signaling", r#"{"msg_type":7,"rtms_stream_id":"s"}"#),
        frame(30, "received", 1, "signaling", &said),
        frame(40, "received", 2, MEDIA, r#"{"msg_type":14,"content":{"user_id":1,"data":"AAAA","timestamp":1}}"#),
        json!({ "ms": 60, "what": "closed", "connection": 2, "on": MEDIA, "by": "zoom", "code": 1000 }),
        json!({ "ms": 70, "what": "cut", "connection": 1, "on": "signaling", "why": "reset" }),
        json!({ "ms": 80, "what": "ended", "stop_reason": 6, "why": "over" }),
    ];
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    Some(format!("{HEADER}\n{}\n", lines.join("\n")))
}

fn replay(target: &str, run: fn(&[u8])) {
    let files = files(target);
    assert!(files.len() > 50, "the corpus of {target} is not there");
    for file in files {
        let input = fs::read(&file).unwrap();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(&input))) {
            let file = file.strip_prefix(root()).unwrap_or(&file).display();
            eprintln!("{file} does it; alone: cargo fuzz run -s none {target} {file}");
            resume_unwind(panic);
        }
    }
}

fn files(target: &str) -> Vec<PathBuf> {
    let folder = root().join("fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let path = root().join("fuzz/corpus").join(target).join(name);
    if std::env::var_os("RTMS_WRITE_SEEDS").is_some() {
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(fs::read(&path).ok().as_deref(), Some(bytes), "{}: run with RTMS_WRITE_SEEDS=1", path.display());
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
