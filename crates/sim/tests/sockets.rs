//! The thin driver works over real sockets: upgrade, both frame kinds, pings, the end, webhooks, bounds.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use rtms_sim::{
    config::{App, Timing},
    findings::Mistake,
    meeting::MeetingOptions,
    sent::What,
    serve::{Limits, Simulator, SimulatorConfig, StartError},
};
use rtms_wire::{
    Bytes, Uri,
    codes::stop_reason::StopReason,
    message::Message,
    secret::{ClientSecret, SecretToken},
    signature::{HandshakeSignature, webhook_signature_matches},
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_websockets::{ClientBuilder, CloseCode, MaybeTlsStream, Message as Frame, WebSocketStream};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[tokio::test]
async fn a_client_joins_and_hears_the_meeting_to_its_end() {
    let simulator = Simulator::start(config(Duration::from_millis(2_500))).await.unwrap();
    let mut signaling = connect(simulator.signaling_url()).await;
    say(&mut signaling, &request(&simulator, 1)).await;
    let welcome = hear(&mut signaling).await.unwrap();
    assert_eq!(welcome["status_code"], 0);
    let mut media = connect(welcome["media_server"]["server_urls"]["all"].as_str().unwrap()).await;
    // Zoom's SDK sends binary frames.
    let mut ask = request(&simulator, 3);
    ask["media_type"] = 32.into();
    ask["media_params"] = json!({"audio": {"data_opt": 2}});
    media.send(Frame::binary(ask.to_string())).await.unwrap();
    assert_eq!(hear(&mut media).await.unwrap()["status_code"], 0);
    say(&mut signaling, &json!({"msg_type": 7, "rtms_stream_id": simulator.stream().as_str()})).await;

    let mut heard = Vec::new();
    while let Some(Ok(frame)) = media.next().await {
        if frame.is_text() {
            heard.push(Message::decode(frame.as_payload()).unwrap());
        } else if let Some((code, _)) = frame.as_close() {
            assert_eq!(code, CloseCode::NORMAL_CLOSURE);
        }
    }
    let mut states = Vec::new();
    while let Some(message) = hear(&mut signaling).await {
        states.push((message["msg_type"].as_i64().unwrap(), message["state"].as_i64()));
    }
    simulator.finished().await;

    assert_eq!(states, [(6, None), (9, Some(1)), (9, Some(2)), (8, Some(1)), (8, Some(3)), (9, Some(5)), (8, Some(4))]);
    let packets: Vec<_> = heard
        .iter()
        .filter_map(|message| {
            let Message::MediaDataAudio(data) = message else { return None };
            Some(data.data.clone())
        })
        .collect();
    let sent: Vec<_> = simulator
        .sent()
        .into_iter()
        .filter_map(|sent| {
            let What::Audio(payload) = sent.what else { return None };
            Some(payload.bytes)
        })
        .collect();
    assert!(packets.len() > 30);
    assert_eq!(packets, sent);
    assert!(simulator.findings().is_empty(), "{:?}", simulator.findings());
}

#[tokio::test]
async fn websocket_pings_are_answered_before_the_handshake() {
    let simulator = Simulator::start(config(Duration::from_secs(5))).await.unwrap();
    let mut signaling = connect(simulator.signaling_url()).await;

    signaling.send(Frame::ping("are you there")).await.unwrap();

    let answer = signaling.next().await.unwrap().unwrap();
    assert!(answer.is_pong());
    assert_eq!(&answer.as_payload()[..], b"are you there");
}

#[tokio::test]
async fn webhooks_are_posted_signed_and_the_stop_follows_the_start() {
    let (address, mut received) = receiver(200).await;
    let webhook_url = Some(format!("http://{address}/webhook?type=general").parse::<Uri>().unwrap());
    let simulator =
        Simulator::start(SimulatorConfig { webhook_url, ..config(Duration::from_millis(300)) }).await.unwrap();
    simulator.finished().await;

    let secret = SecretToken::new(App::TEST_SECRET_TOKEN).unwrap();
    for event in ["meeting.rtms_started", "meeting.rtms_stopped"] {
        let (parts, body) = received.recv().await.unwrap();
        let header = |name: &str| parts.headers[name].to_str().unwrap();
        assert_eq!(parts.uri, "/webhook?type=general");
        assert_eq!(header("user-agent"), "Zoom Marketplace/1.0a");
        assert_eq!(header("content-length"), body.len().to_string());
        assert!(webhook_signature_matches(&secret, header("x-zm-request-timestamp"), &body, header("x-zm-signature")));
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["event"], event);
    }
    assert_eq!(simulator.counts().webhooks, 2);
}

#[tokio::test]
async fn a_receiver_that_refuses_a_webhook_is_found_out() {
    let (address, _received) = receiver(401).await;
    let webhook_url = Some(format!("http://{address}/").parse::<Uri>().unwrap());
    let simulator =
        Simulator::start(SimulatorConfig { webhook_url, ..config(Duration::from_millis(300)) }).await.unwrap();
    simulator.finished().await;

    let findings = simulator.findings();
    assert_eq!(findings.iter().filter(|it| matches!(it.mistake, Mistake::WebhookNotAccepted { .. })).count(), 2);
}

#[tokio::test]
async fn stopping_ends_the_stream_for_its_reason() {
    let simulator = Simulator::start(config(Duration::from_secs(600))).await.unwrap();
    let mut signaling = connect(simulator.signaling_url()).await;
    say(&mut signaling, &request(&simulator, 1)).await;
    assert_eq!(hear(&mut signaling).await.unwrap()["status_code"], 0);

    simulator.stop(StopReason::HostTriggered).await;

    let mut last = Value::Null;
    while let Some(message) = hear(&mut signaling).await {
        last = message;
    }
    assert_eq!((&last["state"], &last["reason"]), (&json!(4), &json!(1)));
    simulator.finished().await;
}

#[tokio::test]
async fn a_message_beyond_the_bound_costs_the_connection_and_nothing_else() {
    let limits = Limits { message_bytes: 1_000, ..Limits::default() };
    let simulator = Simulator::start(SimulatorConfig { limits, ..config(Duration::from_secs(60)) }).await.unwrap();
    let mut greedy = connect(simulator.signaling_url()).await;
    greedy.send(Frame::text("x".repeat(2_000))).await.unwrap();
    let answer = greedy.next().await.unwrap().unwrap();
    assert_eq!(answer.as_close().unwrap().0, CloseCode::MESSAGE_TOO_BIG);

    let mut signaling = connect(simulator.signaling_url()).await;
    say(&mut signaling, &request(&simulator, 1)).await;
    assert_eq!(hear(&mut signaling).await.unwrap()["status_code"], 0);
}

#[tokio::test]
async fn a_client_for_which_more_waits_than_the_bound_is_cut_off_and_signaling_told() {
    // Smaller than the first picture, so that it does not matter how much the kernel takes.
    let limits = Limits { waiting_bytes: 5_000, ..Limits::default() };
    let simulator = Simulator::start(SimulatorConfig { limits, ..config(Duration::from_secs(60)) }).await.unwrap();
    let mut signaling = connect(simulator.signaling_url()).await;
    say(&mut signaling, &request(&simulator, 1)).await;
    let welcome = hear(&mut signaling).await.unwrap();
    let mut media = connect(welcome["media_server"]["server_urls"]["video"].as_str().unwrap()).await;
    let mut ask = request(&simulator, 3);
    ask["media_type"] = 2.into();
    say(&mut media, &ask).await;
    assert_eq!(hear(&mut media).await.unwrap()["status_code"], 0);
    say(&mut signaling, &json!({"msg_type": 7, "rtms_stream_id": simulator.stream().as_str()})).await;

    assert_eq!(hear(&mut media).await, None);
    while hear(&mut signaling).await.unwrap()["event"]["event_type"] != 7 {}
    assert!(simulator.findings().iter().any(|it| matches!(it.mistake, Mistake::ReadTooSlowly { .. })));
}

#[tokio::test]
async fn an_unknown_path_and_a_foreign_protocol_are_turned_away() {
    let simulator = Simulator::start(config(Duration::from_secs(60))).await.unwrap();
    let mut lost = connect(&format!("ws://{}/elsewhere", simulator.address())).await;
    assert_eq!(lost.next().await.unwrap().unwrap().as_close().unwrap().0, CloseCode::POLICY_VIOLATION);

    let mut plain = TcpStream::connect(simulator.address()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut plain, b"GET /signaling HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut plain, &mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400"));
}

#[tokio::test]
async fn a_taken_address_and_a_strange_webhook_url_are_told_at_start() {
    let simulator = Simulator::start(config(Duration::from_secs(60))).await.unwrap();
    let taken = SimulatorConfig { listen: simulator.address(), ..SimulatorConfig::default() };
    assert!(matches!(Simulator::start(taken).await, Err(StartError::Listen { .. })));

    let webhook_url = Some("https://example.com/".parse::<Uri>().unwrap());
    let strange = SimulatorConfig { webhook_url, ..SimulatorConfig::default() };
    assert!(matches!(Simulator::start(strange).await, Err(StartError::WebhookUrl { .. })));
}

#[tokio::test]
async fn everything_that_is_sent_is_written_to_the_record() {
    #[derive(Clone, Default)]
    struct Shared(Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let record = Shared::default();
    let config = SimulatorConfig { keep_sent: false, ..config(Duration::from_millis(200)) };
    let simulator = Simulator::start_recording(config, Some(Box::new(record.clone()))).await.unwrap();
    simulator.finished().await;

    assert!(simulator.sent().is_empty());
    let text = String::from_utf8(record.0.lock().unwrap().clone()).unwrap();
    let kinds: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| (line["kind"].clone(), line["event"].clone()))
        .collect();
    assert_eq!(
        kinds,
        [(json!("webhook"), json!("meeting.rtms_started")), (json!("webhook"), json!("meeting.rtms_stopped"))]
    );
}

fn config(duration: Duration) -> SimulatorConfig {
    SimulatorConfig {
        meeting: MeetingOptions { seed: 1, participants: 3, duration },
        timing: Timing { keep_alive: Duration::from_secs(60), ..Timing::default() },
        ..SimulatorConfig::default()
    }
}

fn request(simulator: &Simulator, msg_type: u32) -> Value {
    let secret = ClientSecret::new(App::TEST_CLIENT_SECRET).unwrap();
    let signature = HandshakeSignature::sign(App::TEST_CLIENT_ID, &secret, simulator.instance(), simulator.stream());
    json!({
        "msg_type": msg_type,
        "protocol_version": 1,
        "meeting_uuid": simulator.instance().value.as_str(),
        "rtms_stream_id": simulator.stream().as_str(),
        "signature": signature.as_str(),
    })
}

async fn connect(url: &str) -> Socket {
    ClientBuilder::from_uri(url.parse().unwrap()).connect().await.unwrap().0
}

async fn say(socket: &mut Socket, message: &Value) {
    socket.send(Frame::text(message.to_string())).await.unwrap();
}

/// The next message; none when the connection is closed.
async fn hear(socket: &mut Socket) -> Option<Value> {
    while let Some(Ok(frame)) = socket.next().await {
        if frame.is_text() {
            return Some(serde_json::from_slice(frame.as_payload()).unwrap());
        }
    }
    None
}

/// An HTTP server that takes everything and answers with one status.
async fn receiver(status: u16) -> (SocketAddr, mpsc::Receiver<(hyper::http::request::Parts, Bytes)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sender = sender.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let sender = sender.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    sender.send((parts, body)).await.unwrap();
                    Ok::<_, Infallible>(Response::builder().status(status).body(Full::<Bytes>::default()).unwrap())
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, received)
}
