//! One stream, one connection: repeats change nothing, a stop is final, and a newer start moves the connection.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{
    Gateway,
    gate::Gate,
    http::{read_answer, signed_now},
    meeting,
    recording::{Truth, json_lines},
    simulator, until,
};
use rtms_sim::config::App as SimApp;
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_store::{Class, Step, receipts::Receipt};
use rtms_wire::codes::stop_reason::StopReason;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// Long enough for two looks of the worker at what is wanted, which would find a second connection to make.
const SHORT: Duration = Duration::from_millis(2_500);

#[tokio::test]
async fn the_same_webhook_twice_in_a_row_is_one_connection() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    let simulator = meeting(1, SHORT).await;

    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    let receipts = gateway.settled_receipts(2).await;
    // Once more while it runs.
    until("somebody joins", async || (simulator.counts().joins > 0).then_some(())).await;
    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    simulator.finished().await;
    gateway.ended(simulator.stream()).await;
    // And after its end.
    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);

    assert_eq!(classes(&receipts), [Class::First, Class::Repeat]);
    let receipts = gateway.settled_receipts(4).await;
    assert_eq!(classes(&receipts), [Class::First, Class::Repeat, Class::Repeat, Class::Repeat]);
    assert!(gateway.store().claimable(simulator.start_time()).await.unwrap().is_empty());
    assert_one_connection(&simulator);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_webhook_many_times_at_once_is_one_connection() {
    const TIMES: usize = 48;
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    let simulator = meeting(2, SHORT).await;
    let request = signed_now(&SimApp::default().secret_token, simulator.start_webhook());
    let (last, most) = request.split_last().unwrap();
    // All but the last byte is there before the last byte of the first is sent.
    let mut sockets = Vec::new();
    for _ in 0..TIMES {
        let mut socket = TcpStream::connect(gateway.address()).await.unwrap();
        socket.set_nodelay(true).unwrap();
        socket.write_all(most).await.unwrap();
        sockets.push(socket);
    }

    for socket in &mut sockets {
        socket.write_all(&[*last]).await.unwrap();
    }
    for socket in &mut sockets {
        assert_eq!(read_answer(socket).await.unwrap().status, 200);
    }
    let receipts = gateway.settled_receipts(TIMES).await;
    simulator.finished().await;
    gateway.ended(simulator.stream()).await;

    let classes = classes(&receipts);
    // They are folded beside each other, and the first to be saved is the first start.
    let count = |class| classes.iter().filter(|it| **it == class).count();
    assert_eq!((count(Class::First), count(Class::Repeat)), (1, TIMES - 1), "{classes:?}");
    assert_one_connection(&simulator);
    gateway.stop().await;
}

#[tokio::test]
async fn a_start_under_both_of_its_names_is_one_connection_and_receipts_have_the_names_as_sent() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    let simulator = meeting(6, SHORT).await;
    let names = ["meeting.rtms_started", "meeting.rtms.started"];
    let later = |name: &str, later_ms| {
        let start = start_webhook(&simulator, later_ms, simulator.signaling_url());
        let mut body: Value = serde_json::from_slice(&start).unwrap();
        body["event"] = name.into();
        body.to_string().into_bytes()
    };

    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    assert_eq!(gateway.post(&later(names[1], 1)).await, 200);
    until("sound arrives", async || (simulator.counts().audio > 10).then_some(())).await;
    assert_eq!(gateway.post(&later(names[0], 40)).await, 200);
    simulator.finished().await;
    gateway.ended(simulator.stream()).await;
    assert_eq!(gateway.post(&later(names[1], 41)).await, 200);
    let receipts = gateway.settled_receipts(4).await;

    let told: Vec<_> = receipts.iter().map(|receipt| receipt.event.clone().unwrap()).collect();
    assert_eq!(told, [names[0], names[1], names[0], names[1]]);
    assert_eq!(classes(&receipts)[..3], [Class::First, Class::Repeat, Class::Repeat]);
    assert_eq!((simulator.counts().joins, simulator.counts().media_connections), (1, 5));
    gateway.stop().await;
}

#[tokio::test]
async fn a_start_under_the_other_name_after_a_stop_is_a_new_one() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    let simulator = meeting(6, SHORT * 2).await;
    let again = start_webhook(&simulator, 800, simulator.signaling_url());
    let mut again: Value = serde_json::from_slice(&again).unwrap();
    again["event"] = "meeting.rtms.started".into();

    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    until("sound arrives", async || (simulator.counts().audio > 10).then_some(())).await;
    assert_eq!(gateway.post(&stop_webhook(&simulator, 400)).await, 200);
    assert_eq!(gateway.post(again.to_string().as_bytes()).await, 200);
    until("it is joined again", async || (simulator.counts().joins == 2).then_some(())).await;
    simulator.finished().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_start_that_comes_after_its_stop_is_not_joined() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    let simulator = meeting(3, SHORT).await;

    assert_eq!(gateway.post(&stop_webhook(&simulator, 1_000)).await, 200);
    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    let receipts = gateway.settled_receipts(2).await;
    simulator.finished().await;

    assert_eq!(classes(&receipts), [Class::StopBeforeStart, Class::Late]);
    assert_eq!(simulator.counts().joins, 0);
    assert!(!gateway.folder_of(simulator.stream()).exists());
    gateway.stop().await;
}

#[tokio::test]
async fn a_stop_ends_the_stream_and_a_repeated_start_does_not_raise_it() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    let simulator = meeting(4, SHORT * 2).await;

    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    until("sound arrives", async || (simulator.counts().audio > 10).then_some(())).await;
    assert_eq!(gateway.post(&stop_webhook(&simulator, 1_000)).await, 200);
    let ended = gateway.ended(simulator.stream()).await;
    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    let receipts = gateway.settled_receipts(3).await;
    simulator.finished().await;

    assert_eq!(ended.stop_reason, Some(StopReason::MeetingEnded));
    assert_eq!(classes(&receipts), [Class::First, Class::Stopped, Class::Repeat]);
    assert_eq!(simulator.counts().joins, 1);
    gateway.stop().await;
}

#[tokio::test]
async fn a_newer_start_right_after_the_stop_is_joined_when_the_end_is_over() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    let simulator = meeting(6, Duration::from_secs(8)).await;

    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    until("sound arrives", async || (simulator.counts().audio > 10).then_some(())).await;
    assert_eq!(gateway.post(&stop_webhook(&simulator, 1_000)).await, 200);
    until("the stop is folded", async || gateway.record_of(simulator.stream()).await?.wanted.stop).await;
    // The stream reads what was sent before its end for a second yet.
    assert_eq!(gateway.post(&start_webhook(&simulator, 1_001, simulator.signaling_url())).await, 200);
    until("it is joined again", async || (simulator.counts().joins == 2).then_some(())).await;
    simulator.finished().await;
    let second = simulator.start_time() + Duration::from_millis(1_001);
    until("it has ended again", async || {
        gateway.record_of(simulator.stream()).await?.ended.filter(|ended| ended.wish_at == second)
    })
    .await;
    let receipts = gateway.settled_receipts(3).await;

    assert_eq!(classes(&receipts), [Class::First, Class::Stopped, Class::First]);
    assert_eq!(simulator.counts().joins, 2);
    assert!(receipts[2].steps.at(Step::Connected).is_some(), "{:?}", receipts[2].steps);
    gateway.stop().await;
}

#[tokio::test]
async fn a_newer_start_moves_the_connection_and_the_recording_goes_on() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    let simulator = meeting(5, Duration::from_secs(5)).await;
    let gate = Gate::before(simulator.address()).await;
    let elsewhere = format!("ws://{}/signaling", gate.address());

    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    until("a line arrives", async || (simulator.counts().transcript > 0).then_some(())).await;
    assert_eq!(gateway.post(&start_webhook(&simulator, 1_000, &elsewhere)).await, 200);
    until("it is joined again", async || (simulator.counts().joins == 2).then_some(())).await;
    // Older than what is known by now.
    assert_eq!(gateway.post(&start_webhook(&simulator, 500, simulator.signaling_url())).await, 200);
    let receipts = gateway.settled_receipts(3).await;
    simulator.finished().await;
    let ended = gateway.ended(simulator.stream()).await;

    assert_eq!(classes(&receipts), [Class::First, Class::Failover, Class::Late]);
    assert_eq!((simulator.counts().joins, gate.passed()), (2, 1));
    // A second connection beside the first would have been refused, and that is a finding.
    assert_no_findings(&simulator);
    assert_eq!(ended.stop_reason, Some(StopReason::MeetingEnded));
    let manifest = gateway.manifest_of(simulator.stream());
    assert!(manifest.resumes.is_empty(), "it is one run");
    let lines = json_lines(&gateway.folder_of(simulator.stream()).join("transcript.jsonl"));
    let lines: Vec<_> = lines.iter().map(|line| line["data"].as_str().unwrap().to_owned()).collect();
    let sent: Vec<_> = Truth::of(simulator.sent()).words.into_iter().map(|words| words.text).collect();
    assert_eq!(lines, sent);
    gateway.stop().await;
}

#[tokio::test]
async fn a_move_that_zoom_reports_as_an_interruption_is_one_move() {
    let data_dir = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    // This one posts its webhooks itself, also the one about the connection that the move leaves.
    let simulator = Simulator::start(SimulatorConfig {
        webhook_url: Some(gateway.webhook_url().parse().unwrap()),
        ..simulator(5, Duration::from_secs(4))
    })
    .await
    .unwrap();

    until("it is joined", async || (simulator.counts().audio > 10).then_some(())).await;
    // Zoom made it just now, so the word about the old connection is newer.
    let now_ms = unix_millis() - simulator.start_time().0;
    assert_eq!(gateway.post(&start_webhook(&simulator, now_ms, simulator.signaling_url())).await, 200);
    simulator.finished().await;
    let ended = gateway.ended(simulator.stream()).await;

    assert_eq!(ended.stop_reason, Some(StopReason::MeetingEnded));
    assert_no_findings(&simulator);
    assert_eq!(simulator.counts().joins, 2);
    gateway.stop().await;
}

fn unix_millis() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn classes(receipts: &[Receipt]) -> Vec<Class> {
    receipts.iter().map(|receipt| receipt.class.unwrap()).collect()
}

fn assert_one_connection(simulator: &Simulator) {
    assert_eq!((simulator.counts().joins, simulator.counts().media_connections), (1, 5));
    assert_no_findings(simulator);
}

fn assert_no_findings(simulator: &Simulator) {
    let findings: Vec<_> = simulator.findings().iter().map(|finding| finding.mistake.to_string()).collect();
    assert!(findings.is_empty(), "{findings:?}");
}

/// The start once more, so much newer and with another place to connect to.
fn start_webhook(simulator: &Simulator, later_ms: u64, url: &str) -> Vec<u8> {
    let mut body: Value = serde_json::from_slice(simulator.start_webhook()).unwrap();
    body["event_ts"] = (simulator.start_time().0 + later_ms).into();
    body["payload"]["server_urls"] = url.into();
    body.to_string().into_bytes()
}

fn stop_webhook(simulator: &Simulator, later_ms: u64) -> Vec<u8> {
    let instance = simulator.instance();
    let payload = json!({
        instance.field.as_str(): instance.value, "rtms_stream_id": simulator.stream(), "stop_reason": 6,
    });
    let event_ts = simulator.start_time().0 + later_ms;
    json!({ "event": "meeting.rtms_stopped", "event_ts": event_ts, "payload": payload }).to_string().into_bytes()
}
