//! SIGKILL between envelope and delivery: with `delivery = "durable"`, every envelope that was stored comes out at least once,
//! in order within its stream; and what is stored of a stream whose consent was withdrawn does not come out.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{collections::BTreeMap, fs, path::Path, process::Stdio, time::Duration};

use common::{PATIENCE, Serving, get, pipes::full_pipe, until, with_secrets};
use rtms_sim::{
    fault::{EndNotice, Incident, Trouble},
    meeting::MeetingOptions,
};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_wire::{codes::stop_reason::StopReason, sequence::SequenceNumber};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::ChildStdout,
    time::timeout,
};

#[tokio::test]
async fn every_envelope_that_was_stored_comes_out_in_order_across_kills() {
    let folder = tempfile::tempdir().unwrap();
    let mut out = Out::default();

    // Nobody reads: all is stored, nothing is delivered.
    let (_reader, full) = full_pipe().await;
    let mut stuck = serve(folder.path(), full.into()).await;
    let simulators = [meeting(&stuck, 41, Vec::new()).await, meeting(&stuck, 42, Vec::new()).await];
    let stored =
        until("envelopes are stored", async || metric(&stuck, "stored_envelopes").await.filter(|n| *n > 20)).await;
    stuck.child.kill().await.unwrap();

    // Somebody reads, and it is killed while it writes.
    let mut read = serve(folder.path(), Stdio::piped()).await;
    let mut lines = BufReader::new(read.child.stdout.take().unwrap()).lines();
    for _ in 0..stored + 20 {
        let line = timeout(PATIENCE, lines.next_line()).await.expect("more comes out").unwrap().unwrap();
        out.note(&line);
    }
    let metrics = metrics(&read).await;
    let delivered = |name| value(&metrics, name);
    let safe = delivered(r#"envelopes_total{sink="stdout",result="delivered"}"#).unwrap()
        + delivered(r#"stored_envelopes{sink="stdout"}"#).unwrap();
    read.child.kill().await.unwrap();
    out.rest(lines).await;

    // To the end.
    let mut last = serve(folder.path(), Stdio::piped()).await;
    let lines = BufReader::new(last.child.stdout.take().unwrap()).lines();
    let reading = tokio::spawn(async move {
        out.rest(lines).await;
        out
    });
    for simulator in &simulators {
        simulator.finished().await;
    }
    until("all is delivered", async || metric(&last, "waiting_envelopes").await.filter(|waiting| *waiting == 0)).await;
    assert_eq!(last.end_by("TERM").await, Some(0));
    let out = reading.await.unwrap();

    assert_eq!(out.firsts.len(), 2, "two streams");
    for (stream, firsts) in &out.firsts {
        assert!(firsts.is_sorted_by(|one, other| one < other), "{stream}: {firsts:?}");
        let mut counts: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        firsts.iter().for_each(|id| counts.entry(id.token).or_default().push(id.count));
        for (token, counts) in counts {
            assert_eq!(counts, (1..=counts.len() as u64).collect::<Vec<_>>(), "{stream}, owner {token}");
        }
    }
    assert!(out.distinct() as u64 >= safe, "{} of {safe}", out.distinct());
    assert!(safe > stored, "{safe}, {stored}");
}

#[tokio::test]
async fn what_is_stored_of_a_revoked_stream_does_not_come_out_but_the_word_to_delete_does() {
    let folder = tempfile::tempdir().unwrap();
    let (_reader, full) = full_pipe().await;
    let mut stuck = serve(folder.path(), full.into()).await;
    let revoked = Trouble::Stop { reason: StopReason::StreamRevoked, notice: EndNotice::Everywhere };
    let revoked = meeting(&stuck, 43, vec![Incident { at: Duration::from_secs(2), what: revoked }]).await;
    revoked.finished().await;
    let recalled = r#"envelopes_total{sink="stdout",result="recalled"}"#;
    until("envelopes are taken back", async || value(&metrics(&stuck).await, recalled).filter(|n| *n > 5)).await;
    // The word to delete.
    until("it is stored", async || metric(&stuck, "stored_envelopes").await.filter(|stored| *stored == 1)).await;
    stuck.child.kill().await.unwrap();

    let mut read = serve(folder.path(), Stdio::piped()).await;
    let mut lines = BufReader::new(read.child.stdout.take().unwrap()).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.expect("it comes").unwrap().unwrap();
    let envelope: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&envelope["kind"], &envelope["next"]), (&"ended".into(), &"delete".into()), "{line}");
    assert_eq!(read.end_by("TERM").await, Some(0));
    assert_eq!(lines.next_line().await.unwrap(), None);
}

/// What came out, over all processes.
#[derive(Default)]
struct Out {
    /// Of each stream, the ids in the order in which they came first.
    firsts: BTreeMap<String, Vec<SequenceNumber>>,
}

impl Out {
    fn note(&mut self, line: &str) {
        // A kill may tear the last line.
        let Ok(envelope) = serde_json::from_str::<Value>(line) else { return };
        let id = envelope["id"].as_str().unwrap().parse().unwrap();
        let firsts = self.firsts.entry(envelope["rtms_stream_id"].as_str().unwrap().to_owned()).or_default();
        if !firsts.contains(&id) {
            firsts.push(id);
        }
    }

    async fn rest(&mut self, mut lines: Lines<BufReader<ChildStdout>>) {
        while let Some(line) = lines.next_line().await.unwrap() {
            self.note(&line);
        }
    }

    fn distinct(&self) -> usize {
        self.firsts.values().map(Vec::len).sum()
    }
}

async fn serve(folder: &Path, stdout: Stdio) -> Serving {
    let (settings, data_dir) = (folder.join("rtms.toml"), folder.join("data"));
    fs::write(&settings, "[[sink]]\nkind = \"stdout\"\ndelivery = \"durable\"\n").unwrap();
    let arguments = ["serve", "--dev", "--listen", "127.0.0.1:0", "--config", settings.to_str().unwrap()];
    let mut command = with_secrets(&arguments);
    command.arg("--data-dir").arg(data_dir).stdout(stdout);
    Serving::listening(command).await
}

async fn meeting(serving: &Serving, seed: u64, incidents: Vec<Incident>) -> Simulator {
    let meeting =
        MeetingOptions { seed, participants: 3, duration: Duration::from_secs(12), ..MeetingOptions::default() };
    let webhook_url = Some(format!("http://{}/webhook", serving.address).parse().unwrap());
    Simulator::start(SimulatorConfig { meeting, webhook_url, incidents, ..SimulatorConfig::default() }).await.unwrap()
}

async fn metrics(serving: &Serving) -> String {
    get(serving.api, "/metrics").await.1
}

/// A figure of the sink that has no other label.
async fn metric(serving: &Serving, name: &str) -> Option<u64> {
    value(&metrics(serving).await, &format!("{name}{{sink=\"stdout\"}}"))
}

fn value(metrics: &str, name: &str) -> Option<u64> {
    metrics.lines().find_map(|line| line.strip_prefix("rtms_sink_")?.strip_prefix(name)?.trim().parse().ok())
}
