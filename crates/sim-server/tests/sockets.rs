//! The thin driver works over real sockets: upgrade, both frame kinds, pings, the end, webhooks, bounds.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{collections::BTreeSet, convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::{Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use rtms_sim::{
    config::{App, Timing},
    fault::{Answer, Incident, Refused, Request, Temper, Trouble},
    findings::Mistake,
    meeting::MeetingOptions,
    sent::What,
};
use rtms_sim_server::{Limits, Simulator, SimulatorConfig, StartError};
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
async fn streams_that_start_in_one_millisecond_from_one_seed_have_ids_of_their_own() {
    let mut ids = BTreeSet::new();
    for _ in 0..32 {
        let simulator = Simulator::start(config(Duration::from_secs(5))).await.unwrap();
        ids.insert((simulator.stream().as_str().to_owned(), simulator.instance().value.as_str().to_owned()));
    }

    assert_eq!(ids.len(), 32, "{ids:?}");
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
async fn websocket_pings_are_answered_after_the_handshake_as_well() {
    let simulator = Simulator::start(config(Duration::from_secs(5))).await.unwrap();
    let mut signaling = connect(simulator.signaling_url()).await;
    say(&mut signaling, &request(&simulator, 1)).await;
    assert_eq!(hear(&mut signaling).await.unwrap()["msg_type"], 2);
    assert_eq!(hear(&mut signaling).await.unwrap()["event"]["event_type"], 1);

    signaling.send(Frame::ping("and now?")).await.unwrap();

    let answer = signaling.next().await.unwrap().unwrap();
    assert!(answer.is_pong());
    assert_eq!(&answer.as_payload()[..], b"and now?");
}

#[tokio::test]
async fn messages_travel_in_binary_frames_where_that_is_wanted() {
    let temper = Temper { binary_frames: true, ..Temper::default() };
    let config = SimulatorConfig { temper, ..config(Duration::from_secs(60)) };
    let simulator = Simulator::start(config).await.unwrap();
    let mut signaling = connect(simulator.signaling_url()).await;
    say(&mut signaling, &request(&simulator, 1)).await;

    let answer = signaling.next().await.unwrap().unwrap();
    assert!(answer.is_binary());
    assert_eq!(serde_json::from_slice::<Value>(answer.as_payload()).unwrap()["status_code"], 0);
}

#[tokio::test]
async fn signaling_and_media_have_ports_of_their_own_unless_one_is_named_for_both() {
    let simulator = Simulator::start(config(Duration::from_secs(60))).await.unwrap();
    assert_ne!(simulator.address(), simulator.media_address());
    let (_signaling, welcome) = join(&simulator).await;
    let media = welcome["media_server"]["server_urls"]["audio"].as_str().unwrap();
    assert_eq!(media, format!("ws://{}/media/audio", simulator.media_address()));
    connect(media).await;
    // Neither server knows the other's paths.
    assert_eq!(refused(&format!("ws://{}/signaling", simulator.media_address())).await, 404);
    assert_eq!(refused(&format!("ws://{}/media/audio", simulator.address())).await, 404);

    let address = free_address().await;
    let listen = SimulatorConfig { listen: address, media_listen: Some(address), ..config(Duration::from_secs(60)) };
    let simulator = Simulator::start(listen).await.unwrap();
    let (_signaling, welcome) = join(&simulator).await;
    let media = welcome["media_server"]["server_urls"]["audio"].as_str().unwrap();
    assert_eq!(media, format!("ws://{address}/media/audio"));
    connect(media).await;
}

#[tokio::test]
async fn a_failover_leads_to_the_next_server_and_its_name_and_away_from_the_first() {
    let failover = Trouble::Failover { overlap: Duration::ZERO };
    let (address, mut received) = receiver(200).await;
    let simulator = Simulator::start(SimulatorConfig {
        servers: 2,
        hosts: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
        incidents: vec![Incident { at: Duration::from_millis(300), what: failover }],
        webhook_url: Some(format!("http://{address}/").parse::<Uri>().unwrap()),
        ..config(Duration::from_secs(60))
    })
    .await
    .unwrap();
    assert_eq!(simulator.signaling_url(), format!("ws://localhost:{}/signaling", simulator.address().port()));
    let (mut signaling, _) = join(&simulator).await;
    while hear(&mut signaling).await.is_some() {}

    let mut urls = Vec::new();
    for _ in 0..2 {
        let (_, body) = received.recv().await.unwrap();
        let webhook: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(webhook["event"], "meeting.rtms_started");
        urls.push(webhook["payload"]["server_urls"].as_str().unwrap().to_owned());
    }
    assert_eq!(urls[0], simulator.signaling_url());
    assert!(urls[1].starts_with("ws://127.0.0.1:") && !urls[1].contains(&simulator.address().port().to_string()));
    assert!(ClientBuilder::from_uri(urls[0].parse().unwrap()).connect().await.is_err());
    let mut signaling = connect(&urls[1]).await;
    say(&mut signaling, &request(&simulator, 1)).await;
    assert_eq!(hear(&mut signaling).await.unwrap()["status_code"], 0);
}

#[tokio::test]
async fn many_meetings_share_the_servers_and_nothing_else() {
    let (address, mut received) = receiver(200).await;
    let webhook_url = Some(format!("http://{address}/").parse::<Uri>().unwrap());
    let config = SimulatorConfig { webhook_url, ..config(Duration::from_secs(60)) };
    let meetings = Simulator::start_many(config, 3, None).await.unwrap();

    let mut announced = BTreeSet::new();
    for _ in 0..3 {
        let webhook: Value = serde_json::from_slice(&received.recv().await.unwrap().1).unwrap();
        announced.insert(webhook["payload"]["rtms_stream_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(announced, meetings.iter().map(|it| it.stream().as_str().to_owned()).collect());
    let told: BTreeSet<_> = meetings.iter().map(|it| format!("{:?}", it.meeting().utterances)).collect();
    assert_eq!(told.len(), 3, "each has a seed of its own");
    for (index, meeting) in meetings.iter().enumerate() {
        assert_eq!(meeting.signaling_url(), format!("ws://{}/signaling/{index}", meeting.address()));
    }
    // The path decides which stream it is, so the ids of another are refused.
    let mut lost = connect(meetings[1].signaling_url()).await;
    say(&mut lost, &request(&meetings[2], 1)).await;
    assert_eq!(hear(&mut lost).await.unwrap()["status_code"], 2);
    for meeting in &meetings {
        let (_signaling, welcome) = join(meeting).await;
        let mut media = connect(welcome["media_server"]["server_urls"]["audio"].as_str().unwrap()).await;
        let mut ask = request(meeting, 3);
        ask["media_type"] = 1.into();
        say(&mut media, &ask).await;
        assert_eq!(hear(&mut media).await.unwrap()["status_code"], 0);
    }
    for path in ["signaling", "signaling/3", "signaling/x", "media/3/audio", "media"] {
        let server = if path.starts_with('m') { meetings[0].media_address() } else { meetings[0].address() };
        assert_eq!(refused(&format!("ws://{server}/{path}")).await, 404, "{path}");
    }
    let strangers =
        |it: &Simulator| it.findings().iter().filter(|it| matches!(it.mistake, Mistake::WrongStreamId { .. })).count();
    assert_eq!(meetings.iter().map(strangers).collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!(meetings.iter().map(|it| it.counts().joins).sum::<u64>(), 3);

    // One that is over leaves the others alone.
    meetings[0].stop(StopReason::HostTriggered).await;
    meetings[0].finished().await;
    assert_eq!(refused(meetings[0].signaling_url()).await, 404);
    connect(meetings[2].signaling_url()).await;
    let address = meetings[0].address();
    drop(meetings);
    until_closed(address).await;
}

#[tokio::test]
async fn an_upgrade_is_refused_where_that_is_wanted() {
    let refused_once = |request, answer| Refused { request, answer, times: 1, after: Duration::ZERO };
    let refusals = vec![
        refused_once(Request::SignalingUpgrade, Answer::Http(503)),
        refused_once(Request::SignalingUpgrade, Answer::Cut),
    ];
    let temper = Temper { refusals, ..Temper::default() };
    let simulator = Simulator::start(SimulatorConfig { temper, ..config(Duration::from_secs(60)) }).await.unwrap();

    assert_eq!(refused(simulator.signaling_url()).await, 503);
    assert!(ClientBuilder::from_uri(simulator.signaling_url().parse().unwrap()).connect().await.is_err());
    join(&simulator).await;
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
async fn a_crowd_that_asks_for_nothing_keeps_nobody_out() {
    let limits = Limits { connections: 6, without_upgrade: 20, ..Limits::default() };
    let simulator = Simulator::start(SimulatorConfig { limits, ..config(Duration::from_secs(60)) }).await.unwrap();
    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(TcpStream::connect(simulator.address()).await.unwrap());
    }

    let joined = tokio::time::timeout(Duration::from_secs(5), async {
        let mut signaling = connect(simulator.signaling_url()).await;
        say(&mut signaling, &request(&simulator, 1)).await;
        hear(&mut signaling).await.unwrap()
    });

    assert_eq!(joined.await.unwrap()["status_code"], 0, "it waits for nobody's ten seconds");
    // The oldest had to go.
    assert_eq!(tokio::io::AsyncReadExt::read(&mut crowd[0], &mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn who_finds_no_room_for_a_websocket_is_turned_away_when_the_time_for_it_is_over() {
    let limits = Limits { connections: 1, upgrade_within: Duration::from_millis(200), ..Limits::default() };
    let simulator = Simulator::start(SimulatorConfig { limits, ..config(Duration::from_secs(60)) }).await.unwrap();
    let first = connect(simulator.signaling_url()).await;

    assert_eq!(refused(simulator.signaling_url()).await, 503);
    drop(first);
    connect(simulator.signaling_url()).await;
}

#[tokio::test]
async fn an_unknown_path_and_a_foreign_protocol_are_turned_away() {
    let simulator = Simulator::start(config(Duration::from_secs(60))).await.unwrap();
    assert_eq!(refused(&format!("ws://{}/elsewhere", simulator.address())).await, 404);

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

    let webhook_url = Some("ftp://example.com/".parse::<Uri>().unwrap());
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
        meeting: MeetingOptions { seed: 1, participants: 3, duration, ..MeetingOptions::default() },
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

/// A signaling connection after its handshake, and message 2.
async fn join(simulator: &Simulator) -> (Socket, Value) {
    let mut signaling = connect(simulator.signaling_url()).await;
    say(&mut signaling, &request(simulator, 1)).await;
    let welcome = hear(&mut signaling).await.unwrap();
    assert_eq!(welcome["status_code"], 0);
    (signaling, welcome)
}

/// The HTTP status that comes in place of an upgrade.
async fn refused(url: &str) -> u16 {
    match ClientBuilder::from_uri(url.parse().unwrap()).connect().await {
        Err(tokio_websockets::Error::Upgrade(tokio_websockets::upgrade::Error::DidNotSwitchProtocols(status))) => {
            status
        }
        other => panic!("{url}: {other:?}"),
    }
}

async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn until_closed(address: SocketAddr) {
    let closed = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed).await.expect("nobody listens any more");
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
            let service = service_fn(move |request: hyper::Request<Incoming>| {
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
