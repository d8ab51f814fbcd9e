//! Many streams at little cost: joined properly, told the same sound at the same rate, ended properly; strangers are
//! refused.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rtms_sim::config::App;
use rtms_sim_server::load::{LoadConfig, LoadServer};
use rtms_wire::{
    ids::{InstanceId, InstanceIdField, StreamId},
    message::Message,
    secret::ClientSecret,
    signature::HandshakeSignature,
    time::UnixMillis,
};
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message as Frame, WebSocketStream};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[tokio::test]
async fn every_stream_is_told_the_same_sound_twenty_milliseconds_at_a_time_and_then_its_end() {
    // Ends between the turns in which the streams are told the last packet.
    let duration = Duration::from_millis(2_001);
    let server = LoadServer::start(LoadConfig { streams: 3, duration, ..LoadConfig::default() }).await.unwrap();
    let mut clients = Vec::new();
    for webhook in server.start_webhooks() {
        clients.push(Client::join(webhook).await);
    }

    let mut heard = Vec::new();
    for client in &mut clients {
        let mut packets = Vec::new();
        while let Some(Ok(frame)) = client.media.next().await {
            if frame.is_text() {
                let Ok(Message::MediaDataAudio(packet)) = Message::decode(frame.as_payload()) else { panic!() };
                packets.push((packet.timestamp, packet.data));
            }
        }
        heard.push(packets);
        let mut states = Vec::new();
        while let Some(message) = hear(&mut client.signaling).await {
            states.push((message["msg_type"].as_i64().unwrap(), message["state"].as_i64()));
        }
        assert_eq!(
            states,
            [(6, None), (9, Some(1)), (9, Some(2)), (8, Some(1)), (8, Some(3)), (9, Some(5)), (8, Some(4))]
        );
    }
    server.finished().await;

    for packets in &heard {
        assert!((80..=100).contains(&packets.len()), "{}", packets.len());
        assert!(packets.iter().all(|(_, data)| data.len() == 640));
        assert!(packets.windows(2).all(|pair| pair[1].0.0 == pair[0].0.0 + 20), "on a grid of 20 ms");
    }
    let last = |packets: &[(UnixMillis, _)]| packets.last().unwrap().0;
    assert_eq!(last(&heard[0]), last(&heard[1]), "the same for everybody");
    let counts = server.counts();
    assert_eq!((counts.joins, counts.media_connections, counts.ready, counts.ended_early), (3, 3, 3, 0));
    assert_eq!(counts.offered, heard.iter().map(|packets| packets.len() as u64).sum::<u64>());
    assert_eq!((counts.sent, counts.held_back, counts.lost), (counts.offered, 0, 0));
    assert!(server.findings().is_empty(), "{:?}", server.findings());
}

#[tokio::test]
async fn handshakes_and_keep_alives_are_checked_as_ever() {
    let keep_alive = Duration::from_millis(300);
    let server = LoadServer::start(LoadConfig {
        streams: 2,
        keep_alive,
        duration: Duration::from_secs(60),
        ..LoadConfig::default()
    })
    .await
    .unwrap();
    let webhook = &server.start_webhooks()[0];
    let mut forged = Request::of(webhook);
    forged.signature = "0".repeat(64);
    let mut stranger = connect(&forged.url).await;
    say(&mut stranger, &forged.message(1)).await;
    assert_eq!(hear(&mut stranger).await.unwrap()["status_code"], 3);

    let mut client = Client::join(webhook).await;
    let mut second = connect(&forged.url).await;
    say(&mut second, &Request::of(webhook).message(1)).await;
    assert_eq!(hear(&mut second).await.unwrap()["status_code"], 8);

    // Answered once, and then no more.
    let asked = loop {
        let message = hear(&mut client.signaling).await.unwrap();
        if message["msg_type"] == 12 {
            break message;
        }
    };
    let answer = json!({"msg_type": 13, "timestamp": asked["timestamp"], "sequence": asked["sequence"]});
    say(&mut client.signaling, &answer).await;
    timeout(Duration::from_secs(20), async { while hear(&mut client.signaling).await.is_some() {} }).await.unwrap();

    let findings = server.findings();
    let found: Vec<_> = findings.keys().map(String::as_str).collect();
    assert!(found.iter().any(|it| it.contains("signature does not match")), "{found:?}");
    assert!(found.iter().any(|it| it.contains("Duplicate signal request")), "{found:?}");
    assert!(found.iter().any(|it| it.contains("keep-alive requests unanswered")), "{found:?}");
    assert!(!found.iter().any(|it| it.contains("repeats no open request")), "{found:?}");
}

#[tokio::test]
async fn whoever_asks_for_a_medium_that_a_load_has_none_of_is_refused_and_not_blamed() {
    let config = LoadConfig { streams: 1, duration: Duration::from_secs(60), ..LoadConfig::default() };
    let server = LoadServer::start(config).await.unwrap();
    let request = Request::of(&server.start_webhooks()[0]);
    let mut signaling = connect(&request.url).await;
    say(&mut signaling, &request.message(1)).await;
    let welcome = hear(&mut signaling).await.unwrap();
    let url = welcome["media_server"]["server_urls"]["all"].as_str().unwrap();

    for (media_type, status) in [(2, 10), (4, 11), (8, 12), (16, 13)] {
        let mut media = connect(url).await;
        let mut ask = request.message(3);
        ask["media_type"] = media_type.into();
        say(&mut media, &ask).await;
        assert_eq!(hear(&mut media).await.unwrap()["status_code"], status);
    }

    assert!(server.findings().is_empty(), "{:?}", server.findings());
}

#[tokio::test]
async fn an_ill_typed_handshake_is_refused_under_load_as_ever() {
    let config = LoadConfig { streams: 1, duration: Duration::from_secs(60), ..LoadConfig::default() };
    let server = LoadServer::start(config).await.unwrap();
    let request = Request::of(&server.start_webhooks()[0]);
    let mut signaling = connect(&request.url).await;
    let mut ask = request.message(1);
    ask["protocol_version"] = "1".into();

    say(&mut signaling, &ask).await;

    assert_eq!(hear(&mut signaling).await.unwrap()["status_code"], 4);
    assert_eq!(server.findings().len(), 1);
}

#[tokio::test]
async fn pings_are_answered_before_and_after_the_handshake() {
    let server = LoadServer::start(LoadConfig::default()).await.unwrap();
    let request = Request::of(&server.start_webhooks()[0]);
    let mut signaling = connect(&request.url).await;
    for greeting in ["before", "after"] {
        signaling.send(Frame::ping(greeting)).await.unwrap();
        let answer = signaling.next().await.unwrap().unwrap();
        assert!(answer.is_pong());
        assert_eq!(&answer.as_payload()[..], greeting.as_bytes());
        if greeting == "before" {
            say(&mut signaling, &request.message(1)).await;
            assert_eq!(hear(&mut signaling).await.unwrap()["msg_type"], 2);
            assert_eq!(hear(&mut signaling).await.unwrap()["msg_type"], 6);
        }
    }
}

#[tokio::test]
async fn a_client_that_reads_slowly_holds_up_nobody_and_is_cut_off_in_the_end() {
    // As fast as it goes, so that what the system takes for the sleeper is soon full.
    let config = LoadConfig { streams: 2, rate: 1_000, duration: Duration::from_secs(60), ..LoadConfig::default() };
    let server = LoadServer::start(config).await.unwrap();
    let mut sleeper = Client::join(&server.start_webhooks()[0]).await;
    let mut awake = Client::join(&server.start_webhooks()[1]).await;

    let mut heard = 0_u64;
    let cut_off = async {
        while server.findings().is_empty() {
            assert!(awake.media.next().await.unwrap().unwrap().is_text());
            heard += 1;
        }
    };
    timeout(Duration::from_secs(30), cut_off).await.expect("it is cut off");
    assert!(server.findings().keys().all(|it| it.contains("read too slowly")), "{:?}", server.findings());
    let counts = server.counts();
    assert!(counts.held_back > 0 && counts.lost > 0, "{counts:?}");
    assert!(heard > 500, "{heard}");
    // What was under way is still there, and then nothing.
    timeout(Duration::from_secs(5), async { while let Some(Ok(_)) = sleeper.media.next().await {} }).await.unwrap();
}

#[tokio::test]
async fn stopping_ends_all_streams_and_other_paths_are_not_there() {
    let config = LoadConfig { streams: 2, duration: Duration::from_secs(600), ..LoadConfig::default() };
    let server = LoadServer::start(config).await.unwrap();
    for path in ["signaling", "signaling/2", "signaling/0/audio", "elsewhere"] {
        let mut plain = TcpStream::connect(server.address()).await.unwrap();
        let ask = format!(
            "GET /{path} HTTP/1.1\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: x\r\n\r\n"
        );
        tokio::io::AsyncWriteExt::write_all(&mut plain, ask.as_bytes()).await.unwrap();
        let mut answer = String::new();
        plain.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    let mut client = Client::join(&server.start_webhooks()[1]).await;
    sleep(Duration::from_millis(50)).await;
    server.stop();

    let mut last = Value::Null;
    while let Some(message) = hear(&mut client.signaling).await {
        last = message;
    }
    assert_eq!((&last["state"], &last["reason"]), (&json!(4), &json!(1)));
    timeout(Duration::from_secs(10), server.finished()).await.unwrap();
}

struct Request {
    url: String,
    meeting_uuid: String,
    stream: String,
    signature: String,
}

impl Request {
    fn of(webhook: &[u8]) -> Self {
        let webhook: Value = serde_json::from_slice(webhook).unwrap();
        let text = |key: &str| webhook["payload"][key].as_str().unwrap().to_owned();
        let (meeting_uuid, stream) = (text("meeting_uuid"), text("rtms_stream_id"));
        let secret = ClientSecret::new(App::TEST_CLIENT_SECRET).unwrap();
        let instance = InstanceId::new(InstanceIdField::MeetingUuid, meeting_uuid.clone());
        let signature =
            HandshakeSignature::sign(App::TEST_CLIENT_ID, &secret, &instance, &StreamId::new(stream.clone()));
        Self { url: text("server_urls"), meeting_uuid, stream, signature: signature.as_str().to_owned() }
    }

    fn message(&self, msg_type: u32) -> Value {
        json!({
            "msg_type": msg_type,
            "protocol_version": 1,
            "meeting_uuid": self.meeting_uuid,
            "rtms_stream_id": self.stream,
            "signature": self.signature,
            "media_type": 1,
        })
    }
}

struct Client {
    signaling: Socket,
    media: Socket,
}

impl Client {
    async fn join(webhook: &[u8]) -> Self {
        let request = Request::of(webhook);
        let mut signaling = connect(&request.url).await;
        say(&mut signaling, &request.message(1)).await;
        let welcome = hear(&mut signaling).await.unwrap();
        let mut media = connect(welcome["media_server"]["server_urls"]["audio"].as_str().unwrap()).await;
        say(&mut media, &request.message(3)).await;
        let granted = hear(&mut media).await.unwrap();
        assert_eq!(granted["media_params"]["audio"]["send_rate"], 20, "{granted}");
        say(&mut signaling, &json!({"msg_type": 7, "rtms_stream_id": request.stream})).await;
        Self { signaling, media }
    }
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
