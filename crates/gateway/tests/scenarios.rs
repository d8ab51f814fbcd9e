//! Some of the simulator's catalogue on real sockets, all at once: each ends as its sentence says, and is recorded as it was
//! sent. In virtual time all of them are played by `crates/proto/tests/scenarios.rs`.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::time::Duration;

use common::{Gateway, config, http::exchange, recording::Truth};
use rtms_api::stream::path_of;
use rtms_gateway::config::{
    Config,
    media::{Layout, VideoStreams},
};
use rtms_record::{Manifest, check::check};
use rtms_sim::{fault::Trouble, judge::Verdict, scenario::Scenario};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_wire::codes::stop_reason::StopReason;
use tokio::{
    task::LocalSet,
    time::{Instant, sleep_until},
};

/// Of each kind one or two: products and forms, losses, failovers, refusals, what an operator wants, and ends.
const CHOSEN: [&str; 16] = [
    "plain-session",
    "one-connection-for-all",
    "webhooks-posted-twice",
    "cut-signaling",
    "close-everything-1000",
    "failover-with-overlap",
    "failover-there-and-back",
    "interrupted-with-urls",
    "refused-duplicate-three-times",
    "upgrade-503",
    "pause-and-resume",
    "nonsense-broken-json",
    "camera-of-choice",
    "close-by-client",
    "stop-revoked",
    "stop-told-by-webhook-only",
];

/// In so much of its time happens what a story tells. How long Zoom and client wait for each other stays as it is.
const PACE: f64 = 0.4;

/// How long the simulator stays to see who comes back after the end.
const LINGER: Duration = Duration::from_secs(2);

#[tokio::test]
async fn chosen_scenarios_end_as_they_say_on_real_sockets() {
    let all = LocalSet::new();
    let plays: Vec<_> = CHOSEN.map(|name| (name, all.spawn_local(play(name)))).into();
    all.await;
    let mut wrong = String::new();
    for (name, play) in plays {
        match play.await {
            Ok(faults) => faults.iter().for_each(|fault| wrong += &format!("\n{name}: {fault}")),
            Err(panic) => wrong += &format!("\n{name}: {panic}"),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Plays a scenario to a gateway of its own; gives what is not as it should be.
async fn play(name: &str) -> Vec<String> {
    let scenario = brief(Scenario::named(name).expect("it is in the catalogue"));
    let data_dir = tempfile::tempdir().unwrap();
    let mut config = config(data_dir.path());
    wish(&scenario, &mut config);
    let gateway = Gateway::start_with(config).await;
    let mut simulator = SimulatorConfig {
        webhook_url: Some(gateway.webhook_url().parse().unwrap()),
        linger: LINGER,
        ..SimulatorConfig::default()
    };
    simulator.play(scenario.clone());
    let simulator = Simulator::start(simulator).await.unwrap();
    operate(&scenario, &gateway, &simulator).await;
    simulator.finished().await;
    let ended = gateway.ended(simulator.stream()).await;
    let folder = gateway.folder_of(simulator.stream());
    gateway.stop().await;

    let report = simulator.report().expect("it is over");
    let mut faults = report.unmet().to_vec();
    faults.extend(report.findings.iter().map(|finding| finding.to_string()));
    if report.verdict != Verdict::Pass {
        faults.push("the judge does not let it pass".to_owned());
    }
    if ended.stop_reason != Some(scenario.expect.ended) {
        faults.push(format!("we were told that it ended with {:?}", ended.stop_reason));
    }
    if ended.stop_reason == Some(StopReason::StreamRevoked) {
        faults.extend(folder.exists().then(|| "it is there although it was revoked".to_owned()));
        return faults;
    }
    let checked = check(&folder);
    faults.extend(checked.problems.iter().map(|problem| problem.what.clone()));
    let ledger = Manifest::read(&folder).unwrap().unwrap().ledger.unwrap();
    faults.extend(ledger.flaw());
    Truth::of(simulator.sent()).assert_sound(&folder, simulator.start_time(), 16_000, 1);
    faults
}

/// The same story in less time.
fn brief(mut scenario: Scenario) -> Scenario {
    let sooner = |at: &mut Duration| *at = at.mul_f64(PACE);
    sooner(&mut scenario.meeting.duration);
    for incident in &mut scenario.incidents {
        sooner(&mut incident.at);
        if let Trouble::Gap { lasts, .. } | Trouble::Repeat { lasts, .. } = &mut incident.what {
            sooner(lasts);
        }
    }
    scenario.temper.refusals.iter_mut().for_each(|refused| sooner(&mut refused.after));
    scenario.operator.close_at.iter_mut().for_each(sooner);
    scenario.operator.cameras.iter_mut().for_each(|camera| sooner(&mut camera.at));
    scenario
}

/// What has to be set before.
fn wish(scenario: &Scenario, config: &mut Config) {
    let operator = &scenario.operator;
    if operator.unified {
        config.media.layout = Layout::Unified;
    }
    if !operator.cameras.is_empty() {
        config.media.video.streams = VideoStreams::Individual;
    }
    config.media.backlog = !operator.without_backlog;
    assert!(operator.kill_at.is_none(), "{}: nobody can be killed here", scenario.name);
}

/// What the operator wants in the middle.
async fn operate(scenario: &Scenario, gateway: &Gateway, simulator: &Simulator) {
    let begun = Instant::now();
    let path = path_of(simulator.stream());
    for camera in &scenario.operator.cameras {
        sleep_until(begun + camera.at).await;
        let body = serde_json::json!({ "user_id": simulator.meeting().participants[camera.participant].user_id });
        ask(gateway, "PUT", &format!("{path}/video"), &body.to_string()).await;
    }
    if let Some(at) = scenario.operator.close_at {
        sleep_until(begun + at).await;
        ask(gateway, "POST", &format!("{path}/stop"), "").await;
    }
}

async fn ask(gateway: &Gateway, method: &str, path: &str, body: &str) {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        gateway.api_address(),
        body.len()
    );
    let answer = exchange(gateway.api_address(), request.as_bytes()).await;
    assert_eq!(answer.status, 202, "{method} {path}: {}", String::from_utf8_lossy(&answer.body));
}
