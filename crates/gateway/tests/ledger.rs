//! The ledger of a stream, live and in the manifest: it adds up, with and without a recording.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::time::Duration;

use common::{
    Gateway, config, simulator,
    told::{Told, total, written},
};
use rtms_gateway::config::Config;
use rtms_record::ledger::What;
use rtms_sim::{
    fault::{Incident, Trouble},
    sent::{Sent, What as Sending},
};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_wire::{
    codes::{product::Product, state::StreamState},
    media::medium::Medium,
    time::UnixMillis,
};

#[tokio::test]
async fn what_was_paused_is_called_paused_and_the_end_is_zooms() {
    let pause = [(1_500, Trouble::Pause), (3_000, Trouble::Resume)];
    let incidents = pause.map(|(ms, what)| Incident { at: Duration::from_millis(ms), what });
    let data_dir = tempfile::tempdir().unwrap();
    let (gateway, told, simulator) = play(config(data_dir.path()), incidents.to_vec()).await;
    let report = gateway.manifest_of(simulator.stream()).ledger.unwrap();
    gateway.stop().await;

    assert_eq!(report.flaw(), None);
    assert_eq!(report.from, simulator.start_time());
    assert_eq!(report.to, end_of(&simulator));
    let ledger = written(&report);
    assert_eq!(told.ledger(), ledger);
    for medium in [Medium::Audio, Medium::Transcript] {
        let paused = total(&ledger[&medium], "paused stream");
        assert!((1_000..=2_000).contains(&paused), "{medium}: {:?}", ledger[&medium]);
    }
}

#[tokio::test]
async fn a_medium_that_is_not_wanted_is_off_all_the_time() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut config = config(data_dir.path());
    config.media.want.retain(|medium| *medium != Medium::Video);
    let (gateway, _, simulator) = play(config, Vec::new()).await;
    let report = gateway.manifest_of(simulator.stream()).ledger.unwrap();
    gateway.stop().await;

    let video = &report.media[&Medium::Video].spans;
    assert!(video.iter().all(|span| matches!(span.what, What::Off { .. })), "{video:?}");
    assert_eq!(written(&report)[&Medium::Video][0].2, "off not_wanted");
}

#[tokio::test]
async fn a_phone_call_loses_nothing_by_media_that_phone_does_not_have() {
    let data_dir = tempfile::tempdir().unwrap();
    let (gateway, _, simulator) = play_on(Product::Phone, config(data_dir.path()), Vec::new()).await;
    let manifest = gateway.manifest_of(simulator.stream());
    gateway.stop().await;

    let report = manifest.ledger.as_ref().unwrap();
    let ledger = written(report);
    for medium in [Medium::Video, Medium::Deskshare, Medium::Chat] {
        assert!(ledger[&medium].iter().all(|span| span.2.starts_with("off not_offered")), "{:?}", ledger[&medium]);
    }
    assert_eq!(manifest.loss(report).to_string(), "nothing lost");
}

#[tokio::test]
async fn a_stream_that_is_not_recorded_has_a_ledger_all_the_same() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut config = config(data_dir.path());
    config.recording.enabled = false;
    let (gateway, told, simulator) = play(config, Vec::new()).await;
    assert!(!gateway.folder_of(simulator.stream()).exists());
    gateway.stop().await;

    let ledger = told.ledger();
    for medium in Medium::ALL {
        let line = &ledger[&medium];
        assert_eq!(line.first().unwrap().0, simulator.start_time().0, "{medium}");
        assert_eq!(line.last().unwrap().1, end_of(&simulator).0, "{medium}");
        assert!(line.windows(2).all(|pair| pair[0].1 == pair[1].0), "{medium}: {line:?}");
    }
    assert_eq!(total(&ledger[&Medium::Audio], "interrupted"), 0);
    let received = total(&ledger[&Medium::Audio], "received");
    assert!(received > 1_000, "{:?}", ledger[&Medium::Audio]);
}

/// The old servers are gone before the newer start is there: at first it is a loss like any other.
#[tokio::test]
async fn a_loss_that_turns_out_to_be_a_failover_is_called_one() {
    let failover = Incident { at: Duration::from_millis(2_000), what: Trouble::Failover { overlap: Duration::ZERO } };
    let data_dir = tempfile::tempdir().unwrap();
    let (gateway, told, simulator) = play(config(data_dir.path()), vec![failover]).await;
    let report = gateway.manifest_of(simulator.stream()).ledger.unwrap();
    gateway.stop().await;

    assert_eq!(simulator.counts().joins, 2);
    let ledger = written(&report);
    for (medium, line) in &ledger {
        let interrupted = line.iter().filter(|(.., word)| word.starts_with("interrupted"));
        assert!(interrupted.clone().all(|(.., word)| word == "interrupted failover"), "{medium}: {line:?}");
    }
    assert!(total(&ledger[&Medium::Chat], "interrupted failover") > 0, "{ledger:?}");
    assert_eq!(told.ledger(), ledger);
}

/// When Zoom said on signaling that it is over; the stop webhook may be written later.
fn end_of(simulator: &Simulator) -> UnixMillis {
    let is_end = |sent: &&Sent| matches!(sent.what, Sending::StreamState { state: StreamState::Terminated, .. });
    simulator.sent().iter().find(is_end).unwrap().at
}

/// A meeting of five seconds from its start to its end.
async fn play(config: Config, incidents: Vec<Incident>) -> (Gateway, Told, Simulator) {
    play_on(Product::Meeting, config, incidents).await
}

/// The same on another product.
async fn play_on(product: Product, config: Config, incidents: Vec<Incident>) -> (Gateway, Told, Simulator) {
    let told = Told::default();
    let gateway = Gateway::start_telling(config, vec![told.delivery()]).await;
    let simulator = Simulator::start(SimulatorConfig {
        webhook_url: Some(gateway.webhook_url().parse().unwrap()),
        incidents,
        product,
        ..simulator(5, Duration::from_secs(5))
    })
    .await
    .unwrap();
    simulator.finished().await;
    gateway.ended(simulator.stream()).await;
    let stream = simulator.stream().clone();
    common::until("the stop webhook is folded", async || gateway.record_of(&stream).await?.wanted.stop).await;
    common::until("the end was sent", async || told.spans().iter().any(|span| !span.open).then_some(())).await;
    (gateway, told, simulator)
}
