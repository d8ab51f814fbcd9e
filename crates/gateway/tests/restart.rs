//! One process after the other: a successor that waits for the data folder takes the streams over.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{path::Path, sync::Arc, time::Duration};

use common::{Gateway, app, config, meeting, simulator, told::written, until};
use rtms_gateway::{
    apps::Apps,
    listener::passed::PassedSockets,
    server::{Server, StartError},
};
use rtms_record::{Manifest, Recorder, RecordingAbout, check::check, layout, manifest::RecordingState};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_store::{Inbox, MemoryStore, NewEntry, Operations, SqliteStore, Store, error::StoreError, folding::FoldInput};
use rtms_wire::{
    codes::{product::Product, stop_reason::StopReason},
    ids::StreamId,
    media::medium::Medium,
    time::UnixMillis,
    webhook::Webhook,
};

#[tokio::test]
async fn a_successor_waits_for_the_data_folder_and_goes_on_with_the_streams() {
    let data_dir = tempfile::tempdir().unwrap();
    let first = Gateway::start(data_dir.path()).await;
    let simulator = meeting(41, Duration::from_secs(8)).await;
    assert_eq!(first.post(simulator.start_webhook()).await, 200);
    until("sound arrives", async || (simulator.counts().audio > 20).then_some(())).await;
    let (config, apps) = (config(data_dir.path()), Apps::fixed(vec![app()]));
    let waiting = Server::take_over(config, apps, Vec::new(), PassedSockets::default(), Duration::from_secs(20));
    let successor = tokio::spawn(waiting);

    first.stop().await;
    let second = successor.await.unwrap().unwrap();
    simulator.finished().await;
    let store = second.store();
    let ended = until("it has ended", async || store.get(simulator.stream()).await.unwrap()?.ended).await;
    second.stop().await;

    assert_eq!(ended.stop_reason, Some(StopReason::MeetingEnded));
    assert_eq!(simulator.counts().joins, 2);
    let findings: Vec<_> = simulator.findings().iter().map(|finding| finding.mistake.to_string()).collect();
    assert!(findings.is_empty(), "{findings:?}");
    let root = data_dir.path().join(rtms_gateway::server::RECORDINGS);
    let folder = rtms_record::layout::folder(&root, simulator.stream());
    let report = check(&folder);
    assert!(report.is_fine(), "{report:?}");
    let ledger = rtms_record::Manifest::read(&folder).unwrap().unwrap().ledger.unwrap();
    let video = &written(&ledger)[&Medium::Video];
    let gaps: Vec<_> = video.iter().filter(|(.., word)| word.starts_with("interrupted")).collect();
    assert!(!gaps.is_empty() && gaps.iter().all(|(.., word)| word == "interrupted takeover"), "{video:?}");
}

#[tokio::test]
async fn what_was_to_be_closed_is_closed_by_the_next_process() {
    let data_dir = tempfile::tempdir().unwrap();
    let first = Gateway::start(data_dir.path()).await;
    let simulator = meeting(42, Duration::from_secs(60)).await;
    assert_eq!(first.post(simulator.start_webhook()).await, 200);
    until("sound arrives", async || (simulator.counts().audio > 10).then_some(())).await;
    first.stop().await;
    // As if the process had died between this and its word to Zoom.
    ask_to_close(data_dir.path(), simulator.stream()).await;

    let second = Gateway::start(data_dir.path()).await;
    simulator.finished().await;
    let ended = second.ended(simulator.stream()).await;
    second.stop().await;

    assert_eq!(ended.stop_reason, Some(StopReason::ReceiverRequestClose));
    assert_eq!(simulator.counts().joins, 2, "who wants to ask has to be connected");
    let findings: Vec<_> = simulator.findings().iter().map(|finding| finding.mistake.to_string()).collect();
    assert!(findings.is_empty(), "{findings:?}");
}

#[tokio::test]
async fn what_was_to_be_closed_and_is_gone_is_closed() {
    let data_dir = tempfile::tempdir().unwrap();
    let first = Gateway::start(data_dir.path()).await;
    // It stays to tell who comes that the stream is gone.
    let settings = SimulatorConfig { linger: Duration::from_secs(30), ..simulator(45, Duration::from_secs(60)) };
    let simulator = Simulator::start(settings).await.unwrap();
    assert_eq!(first.post(simulator.start_webhook()).await, 200);
    until("sound arrives", async || (simulator.counts().audio > 10).then_some(())).await;
    first.stop().await;
    ask_to_close(data_dir.path(), simulator.stream()).await;
    // Zoom ends it meanwhile, and its webhook gets lost.
    simulator.stop(StopReason::HostTriggered).await;

    let second = Gateway::start(data_dir.path()).await;
    let ended = second.ended(simulator.stream()).await;
    second.stop().await;

    assert!(ended.why.starts_with("closed by us"), "{ended:?}");
    assert_eq!(ended.stop_reason, None);
}

#[tokio::test]
async fn a_process_that_leaves_when_a_stream_was_stopped_says_how_it_ended() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    let simulator = meeting(43, Duration::from_secs(60)).await;
    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    until("sound arrives", async || (simulator.counts().audio > 10).then_some(())).await;
    let stopped = stop_of(simulator.start_webhook());

    assert_eq!(gateway.post(&stopped).await, 200);
    until("it is folded", async || gateway.record_of(simulator.stream()).await?.wanted.stop).await;
    gateway.stop().await;

    let root = data_dir.path().join(rtms_gateway::server::RECORDINGS);
    let manifest = Manifest::read(&layout::folder(&root, simulator.stream())).unwrap().unwrap();
    assert_eq!(manifest.ending.unwrap().stop_reason, Some(StopReason::HostTriggered));
}

#[tokio::test]
async fn what_a_process_that_died_left_behind_is_closed_by_the_next_one() {
    let data_dir = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let simulator = meeting(44, Duration::from_secs(60)).await;
    let started = simulator.start_webhook().to_vec();
    let webhook = Webhook::decode(&started).unwrap();
    let now = webhook.event_ts.unwrap();
    for body in [&started, &stop_of(&started)] {
        let entry = NewEntry { received_at: now, app: "sim".into(), body: body.clone().into() };
        let id = store.append(entry).await.unwrap();
        let urls = vec![simulator.signaling_url().to_owned()];
        let input = FoldInput::from_webhook(&Webhook::decode(body).unwrap(), urls).unwrap();
        store.fold(id, input, now).await.unwrap();
    }
    let root = data_dir.path().join(rtms_gateway::server::RECORDINGS);
    let about =
        RecordingAbout::new(simulator.stream().clone(), Product::Meeting, webhook.instance.clone().unwrap(), now);
    let mut recorder = Recorder::open(&root, about, now).unwrap();
    recorder.sync(now).unwrap();
    // A process that dies closes nothing.
    std::mem::forget(recorder);

    let gateway = Gateway::start_on(config(data_dir.path()), vec![app()], store).await;
    let ended = gateway.ended(simulator.stream()).await;
    gateway.stop().await;

    assert_eq!(ended.stop_reason, Some(StopReason::HostTriggered));
    let folder = layout::folder(&root, simulator.stream());
    let manifest = Manifest::read(&folder).unwrap().unwrap();
    assert_eq!(manifest.state, RecordingState::Finished);
    assert_eq!(manifest.ending.unwrap().stop_reason, Some(StopReason::HostTriggered));
    let report = check(&folder);
    assert!(report.is_fine(), "{report:?}");
    assert_eq!(simulator.counts().joins, 0, "nobody goes there again");
}

/// The webhook that stops what this one starts, a second later.
fn stop_of(start: &[u8]) -> Vec<u8> {
    let mut body: serde_json::Value = serde_json::from_slice(start).unwrap();
    body["event"] = "meeting.rtms_stopped".into();
    body["event_ts"] = (body["event_ts"].as_u64().unwrap() + 1000).into();
    let payload = match body["payload"].get("object") {
        Some(_) => &mut body["payload"]["object"],
        None => &mut body["payload"],
    };
    payload["stop_reason"] = 1.into();
    payload.as_object_mut().unwrap().remove("server_urls");
    body.to_string().into_bytes()
}

#[tokio::test]
async fn a_successor_that_waits_in_vain_says_so() {
    let data_dir = tempfile::tempdir().unwrap();
    let first = Gateway::start(data_dir.path()).await;
    let (config, apps) = (config(data_dir.path()), Apps::fixed(vec![app()]));

    let refused =
        Server::take_over(config, apps, Vec::new(), PassedSockets::default(), Duration::from_millis(120)).await.err();

    assert!(matches!(refused, Some(StartError::Store(StoreError::Locked { .. }))), "{refused:?}");
    first.stop().await;
}

/// Puts down in the store of a process that has gone that Zoom is to be asked to end a stream.
async fn ask_to_close(data_dir: &Path, stream_id: &StreamId) {
    let store = SqliteStore::open(data_dir).unwrap();
    assert!(store.ask_to_close(stream_id, UnixMillis(1)).await.unwrap());
    store.close().await;
}
