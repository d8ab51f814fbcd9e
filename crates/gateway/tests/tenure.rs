//! Two servers with one store: who cannot renew its lease is silent towards Zoom before the term ends, and the other takes over.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{path::Path, sync::Arc, time::Duration};

use common::{Gateway, app, config, meeting, until};
use rtms_gateway::config::Config;
use rtms_store::{Faults, FaultyStore, MemoryStore, Streams, faulty::Sleep};
use tokio::time::sleep;

/// How long a lease holds; short, so that the test need not wait for long.
const TERM: Duration = Duration::from_secs(4);

#[tokio::test]
async fn who_cannot_renew_because_the_store_fails_leaves_and_another_takes_over() {
    another_takes_over(51, |store| store.set(Faults { fails: 1000, ..Faults::default() })).await;
}

#[tokio::test]
async fn who_cannot_renew_because_the_store_hangs_leaves_and_another_takes_over() {
    another_takes_over(52, |store| store.hang(true)).await;
}

#[tokio::test]
async fn who_cannot_renew_because_the_store_answers_late_leaves_and_another_takes_over() {
    let late = Faults { late: 1000, longest: Duration::from_secs(60), ..Faults::default() };
    another_takes_over(53, move |store| store.set(late)).await;
}

async fn another_takes_over(seed: u64, trouble: impl Fn(&FaultyStore)) {
    let (first_dir, second_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let shared = Arc::new(MemoryStore::new());
    let pause: Sleep = Arc::new(|time| Box::pin(sleep(time)));
    let faulty = Arc::new(FaultyStore::new(shared.clone(), Faults::default(), seed, pause));
    let first = Gateway::start_on(with_short_leases(first_dir.path()), vec![app()], faulty.clone()).await;
    let simulator = meeting(seed, Duration::from_secs(60)).await;
    assert_eq!(first.post(simulator.start_webhook()).await, 200);
    until("sound arrives", async || (simulator.counts().audio > 20).then_some(())).await;
    let lease = async || shared.get(simulator.stream()).await.unwrap().unwrap().lease;
    let before = lease().await.unwrap();

    trouble(&faulty);
    let second = Gateway::start_on(with_short_leases(second_dir.path()), vec![app()], shared.clone()).await;

    until("the other has it", async || lease().await.filter(|now| now.owner != before.owner)).await;
    until("the other joins", async || (simulator.counts().joins == 2).then_some(())).await;
    let heard = simulator.counts().audio;
    until("sound arrives again", async || (simulator.counts().audio > heard + 20).then_some(())).await;
    assert!(lease().await.unwrap().token > before.token);
    // The store works again, and the first finds out that the stream is not its own any more.
    faulty.hang(false);
    faulty.set(Faults::default());
    sleep(TERM / 2).await;
    assert_eq!(simulator.counts().joins, 2);
    let findings: Vec<_> = simulator.findings().iter().map(|finding| finding.mistake.to_string()).collect();
    assert!(findings.is_empty(), "two at a time would be found: {findings:?}");
    second.stop().await;
    first.stop().await;
}

fn with_short_leases(data_dir: &Path) -> Config {
    let mut config = config(data_dir);
    (config.streams.lease_term, config.streams.lease_renew_every) = (TERM, TERM / 8);
    config
}
