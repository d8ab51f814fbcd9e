//! Consent withdrawn (stop reason 8): everything of the stream is deleted, whatever dies in the middle, and a record stays.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{fs, path::Path, time::Duration};

use common::{Gateway, config, meeting, simulator, told::Told, until};
use rtms_gateway::server::RECORDINGS;
use rtms_record::deletion::{self, Deletion, DeletionRecord};
use rtms_sim::fault::{EndNotice, Incident, Trouble};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_sink::envelope::{Body, Next};
use rtms_wire::{codes::stop_reason::StopReason, ids::StreamId, time::UnixMillis};
use serde_json::{Value, json};

#[tokio::test]
async fn a_stream_that_is_revoked_while_it_runs_is_deleted_at_once() {
    for by in [EndNotice::Everywhere, EndNotice::StateOnly, EndNotice::WebhookOnly] {
        let data_dir = tempfile::tempdir().unwrap();
        let told = Told::default();
        let gateway = Gateway::start_telling(config(data_dir.path()), vec![told.delivery()]).await;
        let revoked = Trouble::Stop { reason: StopReason::StreamRevoked, notice: by };
        let simulator = Simulator::start(SimulatorConfig {
            webhook_url: Some(gateway.webhook_url().parse().unwrap()),
            incidents: vec![Incident { at: Duration::from_secs(3), what: revoked }],
            ..simulator(31, Duration::from_secs(10))
        })
        .await
        .unwrap();
        let folder = gateway.folder_of(simulator.stream());
        until("it is recorded", async || folder.join("audio").exists().then_some(())).await;

        let ended = gateway.ended(simulator.stream()).await;

        assert_eq!(ended.stop_reason, Some(StopReason::StreamRevoked), "{by:?}");
        assert!(!folder.exists(), "{by:?}: it is gone when the end is known");
        let record = done(data_dir.path(), simulator.stream()).await;
        assert_eq!(record.reason, Some(StopReason::StreamRevoked));
        assert!(record.removed["audio"].bytes > 0, "{record:?}");
        gateway.stop().await;
        let last = told.envelopes().pop().unwrap();
        assert!(matches!(last.body, Body::Ended { next: Next::Delete, .. }), "{by:?}: {last:?}");
        assert_nothing_of_it(data_dir.path());
    }
}

#[tokio::test]
async fn a_word_that_comes_after_the_end_and_after_a_restart_deletes_the_recording() {
    let data_dir = tempfile::tempdir().unwrap();
    let simulator = recorded(data_dir.path(), 32).await;

    let gateway = Gateway::start(data_dir.path()).await;
    assert!(gateway.folder_of(simulator.stream()).exists());
    assert_eq!(gateway.post(&revoke(&simulator)).await, 200);

    done(data_dir.path(), simulator.stream()).await;
    assert!(!gateway.folder_of(simulator.stream()).exists());
    gateway.stop().await;
    assert_nothing_of_it(data_dir.path());
}

#[tokio::test]
async fn a_newer_stop_for_another_reason_does_not_keep_the_recording() {
    let data_dir = tempfile::tempdir().unwrap();
    let simulator = recorded(data_dir.path(), 36).await;

    let gateway = Gateway::start(data_dir.path()).await;
    assert_eq!(gateway.post(&stop(&simulator, StopReason::MeetingEnded, 40_000)).await, 200);
    until("it is known", async || gateway.record_of(simulator.stream()).await?.wanted.stop?.reason).await;
    assert!(gateway.folder_of(simulator.stream()).exists());
    // Older, so it is late; but consent is not given back by a meeting that ends.
    assert_eq!(gateway.post(&revoke(&simulator)).await, 200);

    done(data_dir.path(), simulator.stream()).await;
    gateway.stop().await;
    assert_nothing_of_it(data_dir.path());
}

#[tokio::test]
async fn a_deletion_that_was_cut_off_is_finished_by_the_next_process() {
    for steps in 1..=3 {
        let data_dir = tempfile::tempdir().unwrap();
        let simulator = recorded(data_dir.path(), 33).await;
        let root = data_dir.path().join(RECORDINGS);
        let reason = Some(StopReason::StreamRevoked);
        let deletion = Deletion::begin(&root, simulator.stream(), reason, UnixMillis(1)).unwrap();
        if steps > 1 {
            deletion.hide().unwrap();
        }
        if steps > 2 {
            deletion.erase().unwrap();
        }
        drop(deletion);

        let gateway = Gateway::start(data_dir.path()).await;

        done(data_dir.path(), simulator.stream()).await;
        assert!(!gateway.folder_of(simulator.stream()).exists());
        gateway.stop().await;
        assert_nothing_of_it(data_dir.path());
    }
}

#[tokio::test]
async fn what_could_not_be_written_down_is_found_by_the_next_process() {
    let data_dir = tempfile::tempdir().unwrap();
    let simulator = recorded(data_dir.path(), 34).await;
    // A file where the folder of the deletions belongs: nothing can be noted, as if the process had died before.
    let obstacle = data_dir.path().join(RECORDINGS).join(".deletions");
    fs::write(&obstacle, b"").unwrap();
    let gateway = Gateway::start(data_dir.path()).await;
    assert_eq!(gateway.post(&revoke(&simulator)).await, 200);
    until("it is known", async || gateway.record_of(simulator.stream()).await?.wanted.stop?.reason).await;
    gateway.stop().await;
    assert!(data_dir.path().join(RECORDINGS).read_dir().unwrap().count() > 1, "the recording is still there");
    fs::remove_file(&obstacle).unwrap();

    let gateway = Gateway::start(data_dir.path()).await;

    done(data_dir.path(), simulator.stream()).await;
    gateway.stop().await;
    assert_nothing_of_it(data_dir.path());
}

#[tokio::test]
async fn a_stream_that_was_revoked_is_not_recorded_again() {
    let data_dir = tempfile::tempdir().unwrap();
    let simulator = meeting(35, Duration::from_secs(4)).await;
    let gateway = Gateway::start(data_dir.path()).await;
    assert_eq!(gateway.post(&revoke(&simulator)).await, 200);
    done(data_dir.path(), simulator.stream()).await;
    let mut again: Value = serde_json::from_slice(simulator.start_webhook()).unwrap();
    again["event_ts"] = (simulator.start_time().0 + 60_000).into();

    assert_eq!(gateway.post(again.to_string().as_bytes()).await, 200);
    gateway.ended(simulator.stream()).await;

    assert!(!gateway.folder_of(simulator.stream()).exists());
    gateway.stop().await;
}

/// A meeting that was recorded to its end by a process that is gone.
async fn recorded(data_dir: &Path, seed: u64) -> Simulator {
    let gateway = Gateway::start(data_dir).await;
    let simulator = meeting(seed, Duration::from_secs(2)).await;
    assert_eq!(gateway.post(simulator.start_webhook()).await, 200);
    simulator.finished().await;
    gateway.ended(simulator.stream()).await;
    gateway.stop().await;
    simulator
}

fn revoke(simulator: &Simulator) -> Vec<u8> {
    stop(simulator, StopReason::StreamRevoked, 30_000)
}

fn stop(simulator: &Simulator, reason: StopReason, later_ms: u64) -> Vec<u8> {
    let instance = simulator.instance();
    let payload = json!({
        instance.field.as_str(): instance.value, "rtms_stream_id": simulator.stream(), "stop_reason": reason,
    });
    let event_ts = simulator.start_time().0 + later_ms;
    json!({ "event": "meeting.rtms_stopped", "event_ts": event_ts, "payload": payload }).to_string().into_bytes()
}

/// Waits until a deletion is done.
async fn done(data_dir: &Path, stream: &StreamId) -> DeletionRecord {
    let root = data_dir.join(RECORDINGS);
    until("it is deleted", async || {
        let all = deletion::all(&root).ok()?;
        all.into_iter().flatten().find(|record| record.stream_id == *stream && record.done_at.is_some())
    })
    .await
}

/// Beside the record of the deletion there is nothing.
fn assert_nothing_of_it(data_dir: &Path) {
    let names = |path: &Path| {
        let mut names: Vec<_> =
            fs::read_dir(path).unwrap().map(|found| found.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let root = data_dir.join(RECORDINGS);
    assert_eq!(names(&root), [".deletions"]);
    let left = names(&root.join(".deletions"));
    assert!(left.len() == 1 && left[0].ends_with(".json"), "{left:?}");
}
