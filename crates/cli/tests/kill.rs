//! SIGKILL between the 200 and the join: what was answered is on disk, and the next process joins, once.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use common::{Serving, exchange, until};
use rtms_gateway::server::RECORDINGS;
use rtms_record::{Manifest, layout, manifest::RecordingState};
use rtms_sim::{config::App, meeting::MeetingOptions};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_wire::{codes::stop_reason::StopReason, media::medium::Medium, signature::webhook_signature};
use serde_json::Value;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

#[tokio::test]
async fn a_stream_whose_webhook_was_answered_is_joined_once_by_the_next_process() {
    let data_dir = tempfile::tempdir().unwrap();
    let meeting =
        MeetingOptions { seed: 11, participants: 3, duration: Duration::from_secs(6), ..MeetingOptions::default() };
    let simulator = Simulator::start(SimulatorConfig { meeting, ..SimulatorConfig::default() }).await.unwrap();
    let gate = Gate::before(simulator.address()).await;
    let webhook = signed(&start_webhook(&simulator, gate.address));

    let mut first = Serving::start(data_dir.path(), &["--dev"]).await;
    assert_eq!(exchange(first.address, webhook.clone()).await, (200, String::new()));
    first.child.kill().await.unwrap();
    assert_eq!(simulator.counts().joins, 0, "the first process was held at the gate");

    gate.is_open.store(true, Ordering::Relaxed);
    let second = Serving::start(data_dir.path(), &["--dev"]).await;
    until("it is joined", async || (simulator.counts().joins > 0).then_some(())).await;
    // Zoom saw the 200, but a proxy between may have not: it is sent once more.
    assert_eq!(exchange(second.address, webhook).await.0, 200);
    simulator.finished().await;
    let folder = layout::folder(&data_dir.path().join(RECORDINGS), simulator.stream());
    let manifest = until("the recording is closed", async || {
        Manifest::read(&folder).unwrap().filter(|manifest| manifest.state == RecordingState::Finished)
    })
    .await;

    assert_eq!(second.end_by("TERM").await, Some(0));
    assert_eq!(simulator.counts().joins, 1);
    let findings: Vec<_> = simulator.findings().iter().map(|finding| finding.mistake.to_string()).collect();
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(manifest.ending.unwrap().stop_reason, Some(StopReason::MeetingEnded));
    // Nothing that was said is lost, also what was said before anybody joined.
    let heard = &manifest.media[&Medium::Audio];
    assert_eq!((heard.packets, heard.duplicates), (simulator.counts().audio, 0));
    let first_words = simulator.meeting().utterances[0].start_ms;
    assert_eq!(heard.first_timestamp.unwrap().since(simulator.start_time()).as_millis(), u128::from(first_words));
}

/// Takes every connection; as long as it is shut they lead nowhere.
struct Gate {
    address: SocketAddr,
    is_open: Arc<AtomicBool>,
}

impl Gate {
    async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let is_open = Arc::<AtomicBool>::default();
        let open = is_open.clone();
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut outside, _)) = listener.accept().await {
                if !open.load(Ordering::Relaxed) {
                    held.push(outside);
                    continue;
                }
                tokio::spawn(async move {
                    let mut inside = TcpStream::connect(server).await.unwrap();
                    // Either side may cut the connection.
                    let _ = copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
        Self { address, is_open }
    }
}

/// The simulator's webhook, but signaling is behind the gate.
fn start_webhook(simulator: &Simulator, gate: SocketAddr) -> Vec<u8> {
    let mut body: Value = serde_json::from_slice(simulator.start_webhook()).unwrap();
    body["payload"]["server_urls"] = format!("ws://{gate}/signaling").into();
    body.to_string().into_bytes()
}

fn signed(body: &[u8]) -> Vec<u8> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
    let signature = webhook_signature(&App::default().secret_token, &seconds, body);
    let head = format!(
        "POST /webhook HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n\
         x-zm-request-timestamp: {seconds}\r\nx-zm-signature: {signature}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
