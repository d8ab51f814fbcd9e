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
use serde_json::Value;

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
        let message = Message::decode(&payload).unwrap().encode();
        write("stream_inputs", &name.replace(".json", ".txt"), told_everywhere(&message).as_bytes());
    }
}

/// A stream that opens, hears the message on signaling and on media, loses a connection, and waits.
fn told_everywhere(message: &str) -> String {
    const MEDIA: &str =
        r#"{"msg_type":2,"status_code":0,"media_server":{"server_urls":{"all":"wss://media.zoom.us/all"}}}"#;
    const GRANTED: &str = r#"{"msg_type":4,"status_code":0}"#;
    format!("unified\nc0\nr0 {MEDIA}\nc1\nr1 {GRANTED}\nr0 {message}\nr1 {message}\nw 500\nl1 cut\nr0 {message}\nd\n")
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
