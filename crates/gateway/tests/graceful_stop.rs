//! Stopping in the middle of a meeting: files closed, the stream handed over, and the next process goes on with it.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use common::{
    Gateway,
    http::{exchange, post},
    meeting,
    recording::{Truth, assert_checksums, json_lines, wavs},
    until,
};
use rtms_gateway::server::RECORDINGS;
use rtms_record::{Manifest, manifest::RecordingState};
use rtms_sim::sent::What;
use rtms_sim_server::Simulator;
use rtms_wire::codes::stop_reason::StopReason;
use serde_json::json;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

#[tokio::test]
async fn a_stop_closes_the_files_and_the_next_process_goes_on_with_the_stream() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    let simulator = meeting(7, Duration::from_secs(6)).await;
    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    until("a line arrives", async || (simulator.counts().transcript > 0).then_some(())).await;
    let folder = gateway.folder_of(simulator.stream());

    let begun = Instant::now();
    gateway.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());

    // What was received until now can be read like any finished recording.
    let manifest = Manifest::read(&folder).unwrap().unwrap();
    assert_eq!(manifest.state, RecordingState::Finished);
    assert_checksums(&folder, &manifest);
    let before = wavs(&folder);
    assert!(before.contains_key("mixed") && before.values().any(|(_, samples)| !samples.is_empty()));
    assert_no_findings(&simulator);

    // Nobody posts anything: the store knows what is wanted.
    let gateway = Gateway::start(data_dir.path()).await;
    until("it is joined again", async || (simulator.counts().joins == 2).then_some(())).await;
    simulator.finished().await;
    let ended = gateway.ended(simulator.stream()).await;
    gateway.stop().await;

    assert_eq!(ended.stop_reason, Some(StopReason::MeetingEnded));
    // A connection beside another one would have been refused, and that is a finding.
    assert_no_findings(&simulator);
    assert_eq!(simulator.counts().joins, 2);
    assert_eq!(fs::read_dir(data_dir.path().join(RECORDINGS)).unwrap().count(), 1, "one folder");
    let manifest = Manifest::read(&folder).unwrap().unwrap();
    assert_eq!(manifest.state, RecordingState::Finished);
    assert_eq!(manifest.resumes.len(), 1);
    assert_checksums(&folder, &manifest);
    assert_goes_on(&simulator, &folder, &before);
}

#[tokio::test]
async fn a_late_word_about_the_interruption_does_not_break_the_new_connection() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    let simulator = meeting(8, Duration::from_secs(4)).await;
    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    until("sound arrives", async || (simulator.counts().audio > 10).then_some(())).await;
    gateway.stop().await;
    // Zoom noticed now, found nobody to tell, and tries again when it is long over.
    let interrupted_at = unix_millis();
    let gateway = Gateway::start(data_dir.path()).await;
    until("it is joined again", async || (simulator.counts().joins == 2).then_some(())).await;

    let instance = simulator.instance();
    let payload = json!({ instance.field.as_str(): instance.value, "rtms_stream_id": simulator.stream() });
    let body = json!({ "event": "meeting.rtms_interrupted", "event_ts": interrupted_at, "payload": payload });
    assert_eq!(gateway.post(body.to_string().as_bytes()).await, 200);
    simulator.finished().await;
    let ended = gateway.ended(simulator.stream()).await;
    gateway.stop().await;

    assert_eq!(ended.stop_reason, Some(StopReason::MeetingEnded));
    assert_eq!(simulator.counts().joins, 2);
    assert_no_findings(&simulator);
}

#[tokio::test]
async fn a_stop_without_streams_is_quick_and_closes_the_door() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    let address = gateway.address();
    assert_eq!(exchange(address, &post::<&str, &str>(&[], b"{}")).await.status, 401);
    // A connection that says nothing must not hold it up.
    let _idle = TcpStream::connect(address).await.unwrap();

    timeout(Duration::from_secs(5), gateway.stop()).await.expect("a quick stop");

    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    // And the folder is free again.
    Gateway::start(data_dir.path()).await.stop().await;
}

/// The files hold both parts, and nothing that was not sent.
fn assert_goes_on(simulator: &Simulator, folder: &Path, before: &BTreeMap<String, (hound::WavSpec, Vec<i16>)>) {
    let sent = simulator.sent();
    let second_join = sent
        .iter()
        .enumerate()
        .filter(|(_, sent)| matches!(sent.what, What::SignalingHandshake { .. }))
        .map(|(place, _)| place)
        .nth(1)
        .unwrap();
    let truth = Truth::of(sent.clone());
    let after = Truth::of(sent[second_join..].to_vec());
    let expected = truth.as_samples(simulator.start_time(), 16_000, 1);
    let found = wavs(folder);
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, (_, samples)) in &found {
        let expected = &expected[name];
        assert_eq!(samples.len(), expected.len(), "{name}: how many samples");
        if name != "mixed" {
            let strange = samples.iter().zip(expected).position(|(found, sent)| *found != 0 && found != sent);
            assert_eq!(strange, None, "{name}: the first sample that nobody sent");
        }
        if let Some((_, before)) = before.get(name) {
            assert!(samples.starts_with(before), "{name}: the first part is not as it was");
        }
    }
    assert!(!after.audio.is_empty(), "sound is sent to the second process");
    for packet in &after.audio {
        let place = usize::try_from(packet.timestamp.0 - simulator.start_time().0).unwrap() * 16;
        let samples = &found[packet.user_id.as_str()].1[place..place + packet.length / 2];
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        assert!(bytes == packet.bytes, "the packet of {} ms after the start is not there", place / 16);
    }
    let texts = |truth: &Truth| truth.words.iter().map(|words| words.text.clone()).collect::<Vec<_>>();
    let lines = json_lines(&folder.join("transcript.jsonl"));
    let lines: Vec<_> = lines.iter().map(|line| line["data"].as_str().unwrap().to_owned()).collect();
    assert!(lines.ends_with(&texts(&after)), "{lines:?} does not end with {:?}", texts(&after));
    assert!(lines.iter().all(|line| texts(&truth).contains(line)));
}

fn unix_millis() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn assert_no_findings(simulator: &Simulator) {
    let findings: Vec<_> = simulator.findings().iter().map(|finding| finding.mistake.to_string()).collect();
    assert!(findings.is_empty(), "{findings:?}");
}
