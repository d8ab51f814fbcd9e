//! Processes that follow each other in the middle of a meeting: killed and started again, and one that waits for the other.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use common::{
    Serving,
    door::{Kept, signed},
    heard::{Heard, settings},
    until, with_secrets,
};
use rtms_gateway::server::RECORDINGS;
use rtms_record::{
    Manifest,
    check::check,
    layout,
    ledger::{Cause, What},
    manifest::RecordingState,
};
use rtms_sim::{findings::Mistake, meeting::MeetingOptions};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_wire::{codes::stop_reason::StopReason, media::medium::Medium};

#[tokio::test]
async fn a_process_that_is_killed_in_a_meeting_is_replaced_and_the_gap_is_named() {
    let data_dir = tempfile::tempdir().unwrap();
    let simulator = meeting(51, Duration::from_secs(12)).await;
    let mut first = Serving::start(data_dir.path(), &["--dev"]).await;
    post(&first, simulator.start_webhook()).await;
    until("a line arrives", async || (simulator.counts().transcript > 0).then_some(())).await;
    first.child.kill().await.unwrap();

    let second = Serving::start(data_dir.path(), &["--dev"]).await;
    let manifest = finished(&simulator, data_dir.path()).await;
    assert_eq!(second.end_by("TERM").await, Some(0));

    assert_eq!(simulator.counts().joins, 2);
    // Six sockets died with the first process; beside that there is nothing to find.
    let findings = simulator.findings();
    assert!(findings.iter().all(|finding| finding.mistake == Mistake::AbruptClose), "{findings:?}");
    assert_eq!(findings.iter().count(), 6);
    assert_eq!(manifest.resumes.len(), 1);
    assert_eq!(manifest.resumes[0].found, RecordingState::Recording);
    assert_eq!(causes(&manifest), [Cause::Restart]);
}

#[tokio::test]
async fn a_successor_takes_over_from_a_process_that_is_told_to_leave() {
    let data_dir = tempfile::tempdir().unwrap();
    let simulator = meeting(52, Duration::from_secs(10)).await;
    let first = Serving::start(data_dir.path(), &["--dev"]).await;
    post(&first, simulator.start_webhook()).await;
    until("a line arrives", async || (simulator.counts().transcript > 0).then_some(())).await;
    let (folder, address) = (data_dir.path().to_owned(), first.address.to_string());
    let successor = tokio::spawn(async move {
        let folder = folder.to_str().unwrap();
        let arguments = ["serve", "--dev", "--take-over", "--listen", &address, "--data-dir", folder];
        Serving::listening(with_secrets(&arguments)).await
    });

    assert_eq!(first.end_by("TERM").await, Some(0));
    let second = successor.await.unwrap();
    let manifest = finished(&simulator, data_dir.path()).await;
    assert_eq!(second.end_by("TERM").await, Some(0));

    assert_eq!(simulator.counts().joins, 2);
    assert_no_findings(&simulator);
    assert_eq!(manifest.resumes[0].found, RecordingState::Finished, "the first closed its files");
    assert_eq!(causes(&manifest), [Cause::Takeover]);
}

#[tokio::test]
async fn ten_takeovers_in_a_meeting_leave_one_journal_with_everything_that_was_heard() {
    const TAKEOVERS: usize = 10;
    let data_dir = tempfile::tempdir().unwrap();
    let simulator = meeting(53, Duration::from_secs(40)).await;
    let heard = Heard::default();
    let mut hearing = Vec::new();
    let serve = |listen: String, more: &str| {
        let mut command = with_secrets(&["serve", "--dev", "--listen", &listen, more]);
        command.arg("--data-dir").arg(data_dir.path()).arg("--config").arg(settings(data_dir.path()));
        command.stdout(Stdio::piped());
        async { Serving::listening(command).await }
    };
    let mut first = serve("127.0.0.1:0".into(), "--take-over").await;
    hearing.push(heard.listen(first.child.stdout.take().unwrap()));
    post(&first, simulator.start_webhook()).await;
    for takeover in 1..=TAKEOVERS {
        until("the owner says something", async || (heard.count("medium_open") >= 5 * takeover).then_some(())).await;
        let (successor, ended) = tokio::join!(serve(first.address.to_string(), "--take-over"), first.end_by("TERM"));
        assert_eq!(ended, Some(0));
        first = successor;
        hearing.push(heard.listen(first.child.stdout.take().unwrap()));
    }
    let manifest = finished(&simulator, data_dir.path()).await;
    assert_eq!(first.end_by("TERM").await, Some(0));
    for process in hearing {
        process.await.unwrap();
    }

    assert_no_findings(&simulator);
    assert_eq!((simulator.counts().joins, manifest.resumes.len()), (1 + TAKEOVERS as u64, TAKEOVERS));
    let folder = layout::folder(&data_dir.path().join(RECORDINGS), simulator.stream());
    let (owners, entries) = heard.assert_all_in(&folder);
    assert_eq!((owners.len(), heard.count("ended")), (1 + TAKEOVERS, 1 + TAKEOVERS));
    assert_eq!(heard.total(), entries, "each entry was heard: nobody was killed");
}

#[tokio::test]
async fn a_successor_that_waits_in_vain_says_who_is_in_the_way() {
    let data_dir = tempfile::tempdir().unwrap();
    let first = Serving::start(data_dir.path(), &["--dev"]).await;
    let folder = data_dir.path().to_str().unwrap();

    let arguments = ["serve", "--take-over=200ms", "--listen", "127.0.0.1:0", "--data-dir", folder];
    let refused = common::finish(with_secrets(&arguments)).await;

    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("another process has the data folder"), "{}", refused.stderr);
    assert!(refused.stderr.contains("error: cannot start"), "{}", refused.stderr);
    assert_eq!(first.end_by("TERM").await, Some(0));
}

async fn post(serving: &Serving, body: &[u8]) {
    let mut connection = Kept::open(serving.address).await.unwrap();
    assert_eq!(connection.exchange(&signed(body)).await.unwrap(), 200);
}

async fn meeting(seed: u64, duration: Duration) -> Simulator {
    let meeting = MeetingOptions { seed, participants: 3, duration, ..MeetingOptions::default() };
    Simulator::start(SimulatorConfig { meeting, ..SimulatorConfig::default() }).await.unwrap()
}

/// The manifest once the meeting is over and its recording closed; the recording fits together.
async fn finished(simulator: &Simulator, data_dir: &Path) -> Manifest {
    simulator.finished().await;
    let folder: PathBuf = layout::folder(&data_dir.join(RECORDINGS), simulator.stream());
    let manifest = until("the recording is closed", async || {
        let ending = |manifest: &Manifest| manifest.ending.as_ref().and_then(|ending| ending.stop_reason);
        Manifest::read(&folder).unwrap().filter(|manifest| ending(manifest) == Some(StopReason::MeetingEnded))
    })
    .await;
    let report = check(&folder);
    assert!(report.is_fine(), "{report:?}");
    assert_eq!(manifest.ledger.as_ref().unwrap().flaw(), None);
    manifest
}

/// What interrupted the video, which Zoom does not keep for anybody; each cause once.
fn causes(manifest: &Manifest) -> Vec<Cause> {
    let spans = &manifest.ledger.as_ref().unwrap().media[&Medium::Video].spans;
    let mut causes: Vec<_> = spans
        .iter()
        .filter_map(|span| match span.what {
            What::Interrupted { by } => Some(by),
            _ => None,
        })
        .collect();
    causes.dedup();
    causes
}

fn assert_no_findings(simulator: &Simulator) {
    let findings: Vec<_> = simulator.findings().iter().map(|finding| finding.mistake.to_string()).collect();
    assert!(findings.is_empty(), "{findings:?}");
}
