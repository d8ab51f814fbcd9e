//! What only real sockets show: close frames that are not answered, and clients that come again after the end.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rtms_sim::{
    judge::{Report, Verdict},
    meeting::{MeetingOptions, options::MediaDetail},
};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_wire::{Uri, codes::stop_reason::StopReason, secret::ClientSecret, signature::HandshakeSignature};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[tokio::test]
async fn a_client_that_leaves_when_it_is_told_to_passes() {
    let simulator = start(Duration::from_millis(100)).await;
    let mut signaling = join(&simulator).await;

    simulator.stop(StopReason::HostTriggered).await;
    while let Some(Ok(_)) = signaling.next().await {}
    simulator.finished().await;

    let report = Report::new(vec![simulator.report().unwrap()]);
    assert_eq!(report.verdict, Verdict::Pass, "{report}");
}

#[tokio::test]
async fn a_socket_that_is_left_open_is_found() {
    let simulator = start(Duration::from_secs(2)).await;
    let _never_read_again = join(&simulator).await;

    simulator.stop(StopReason::HostTriggered).await;
    simulator.finished().await;

    assert_eq!(names(&simulator), ["left_open"]);
}

#[tokio::test]
async fn a_client_that_comes_again_after_the_end_is_found() {
    let simulator = start(Duration::from_secs(30)).await;
    let mut signaling = join(&simulator).await;
    simulator.stop(StopReason::HostTriggered).await;
    while let Some(Ok(_)) = signaling.next().await {}

    // It comes again and again, at first within the time of grace, until it is found.
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let found = async {
        while !simulator.findings().iter().any(|found| found.mistake.name() == "came_back_after_the_end") {
            tick.tick().await;
            // It may be cut before it is welcomed; what counts is what the judge says.
            let _ = ClientBuilder::from_uri(simulator.signaling_url().parse::<Uri>().unwrap()).connect().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found).await.expect("who comes back is found");
}

async fn start(linger: Duration) -> Simulator {
    let meeting =
        MeetingOptions { duration: Duration::from_secs(60), detail: MediaDetail::Markers, ..MeetingOptions::default() };
    Simulator::start(SimulatorConfig { meeting, linger, ..SimulatorConfig::default() }).await.unwrap()
}

async fn connect(url: &str) -> Socket {
    ClientBuilder::from_uri(url.parse::<Uri>().unwrap()).connect().await.unwrap().0
}

/// Shakes hands on signaling and reads the answer.
async fn join(simulator: &Simulator) -> Socket {
    let app = SimulatorConfig::default().app;
    let secret: &ClientSecret = &app.client_secret;
    let (instance, stream) = (simulator.instance(), simulator.stream());
    let mut request = json!({
        "msg_type": 1,
        "rtms_stream_id": stream.as_str(),
        "signature": HandshakeSignature::sign(&app.client_id, secret, instance, stream).as_str(),
    });
    request[instance.field.as_str()] = instance.value.as_str().into();
    let mut socket = connect(simulator.signaling_url()).await;
    socket.send(Message::text(request.to_string())).await.unwrap();
    let answer: Value = serde_json::from_slice(socket.next().await.unwrap().unwrap().as_payload()).unwrap();
    assert_eq!(answer["status_code"], 0);
    socket
}

fn names(simulator: &Simulator) -> Vec<&'static str> {
    simulator.report().unwrap().findings.iter().map(|found| found.mistake.name()).collect()
}
