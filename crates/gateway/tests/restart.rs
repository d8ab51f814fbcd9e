//! One process after the other: a successor that waits for the data folder takes the streams over.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::time::Duration;

use common::{Gateway, app, config, meeting, told::written, until};
use rtms_gateway::{
    apps::Apps,
    server::{Server, StartError},
};
use rtms_record::check::check;
use rtms_store::error::StoreError;
use rtms_wire::{codes::stop_reason::StopReason, media::medium::Medium};

#[tokio::test]
async fn a_successor_waits_for_the_data_folder_and_goes_on_with_the_streams() {
    let data_dir = tempfile::tempdir().unwrap();
    let first = Gateway::start(data_dir.path()).await;
    let simulator = meeting(41, Duration::from_secs(8)).await;
    assert_eq!(first.post(simulator.start_webhook()).await, 200);
    until("sound arrives", async || (simulator.counts().audio > 20).then_some(())).await;
    let (config, apps) = (config(data_dir.path()), Apps::fixed(vec![app()]));
    let waiting = Server::take_over(config, apps, Vec::new(), Duration::from_secs(20));
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
async fn a_successor_that_waits_in_vain_says_so() {
    let data_dir = tempfile::tempdir().unwrap();
    let first = Gateway::start(data_dir.path()).await;
    let (config, apps) = (config(data_dir.path()), Apps::fixed(vec![app()]));

    let refused = Server::take_over(config, apps, Vec::new(), Duration::from_millis(120)).await.err();

    assert!(matches!(refused, Some(StartError::Store(StoreError::Locked { .. }))), "{refused:?}");
    first.stop().await;
}
