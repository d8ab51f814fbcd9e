//! A wire log over real sockets: at its speed, in its order, no faster than the client reads.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "how fast it is played shows in real time alone")]

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use rtms_sim::config::App;
use rtms_sim_server::replay::{ReplayConfig, ReplayEnding, Replaying, Speed};
use rtms_wire::{
    Uri,
    ids::{InstanceId, InstanceIdField, StreamId},
    signature::HandshakeSignature,
};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message as Frame, WebSocketStream};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[tokio::test]
async fn a_wire_log_is_played_as_many_times_as_fast_as_it_is_told() {
    let wire_log = wire_log(&[
        json!({ "ms": 0, "what": "received", "connection": 0, "on": "signaling", "text": WELCOME }),
        json!({ "ms": 100_000, "what": "received", "connection": 0, "on": "signaling", "binary": "{\"msg_type\":6}" }),
    ]);
    let config = ReplayConfig { speed: Speed::Times(1_000.0), ..ReplayConfig::new(wire_log.path()) };
    let mut replaying = Replaying::start(config).await.unwrap();

    let begun = Instant::now();
    let (mut signaling, _) = join(&replaying).await;
    let event = signaling.next().await.unwrap().unwrap();

    assert!(event.is_binary(), "as it was then");
    let took = begun.elapsed();
    assert!((Duration::from_millis(100)..Duration::from_secs(50)).contains(&took), "{took:?}");
    assert!(hear(&mut signaling).await.is_none());
    assert_eq!(replaying.finished().await.unwrap().ending, ReplayEnding::Played);
}

#[tokio::test]
async fn at_the_highest_speed_nothing_is_lost_and_the_end_does_not_overtake_what_came_before_it() {
    const FRAMES: u64 = 2_000;
    // More than the system keeps for a client that does not read.
    let sound = json!({ "msg_type": 14, "content": { "data": "A".repeat(20_000) } }).to_string();
    let mut lines = vec![
        json!({ "ms": 0, "what": "received", "connection": 0, "on": "signaling", "text": WELCOME }),
        json!({ "ms": 1, "what": "received", "connection": 1, "on": "audio", "text": OPEN }),
    ];
    for ms in 0..FRAMES {
        let what = json!({ "ms": ms, "what": "received", "connection": 1, "on": "audio", "text": sound });
        lines.push(what);
    }
    let end = json!({ "msg_type": 8, "state": 4, "reason": 6 }).to_string();
    lines.push(json!({ "ms": FRAMES, "what": "received", "connection": 0, "on": "signaling", "text": end }));
    let wire_log = wire_log(&lines);
    let config = ReplayConfig { speed: Speed::Max, ..ReplayConfig::new(wire_log.path()) };
    let mut replaying = Replaying::start(config).await.unwrap();

    let (mut signaling, media_url) = join(&replaying).await;
    let mut media = connect(&media_url).await;
    let mut ask = request(3);
    ask["media_type"] = 1.into();
    say(&mut media, &ask).await;
    assert_eq!(hear(&mut media).await.unwrap()["status_code"], 0);
    say(&mut signaling, &json!({ "msg_type": 7, "rtms_stream_id": "s" })).await;
    let heard = Arc::new(AtomicU64::new(0));
    let counted = heard.clone();
    let listening = tokio::spawn(async move {
        while let Some(message) = hear(&mut media).await {
            assert_eq!(message["msg_type"], 14);
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });

    assert_eq!(hear(&mut signaling).await.unwrap()["state"], 4);
    assert_eq!(heard.load(Ordering::Relaxed), FRAMES);
    assert!(hear(&mut signaling).await.is_none());
    listening.await.unwrap();
    let summary = replaying.finished().await.unwrap();
    assert_eq!((summary.ending, summary.played.media.values().sum::<u64>()), (ReplayEnding::Played, FRAMES));
}

const WELCOME: &str = r#"{"msg_type":2,"status_code":0,"media_server":{"server_urls":{"audio":"wss://z/a"}}}"#;
const OPEN: &str = r#"{"msg_type":4,"status_code":0,"media_params":{"audio":{"sample_rate":1}}}"#;

fn wire_log(lines: &[Value]) -> NamedTempFile {
    let header = json!({
        "format": "rtms-capture", "version": 1, "product": "meeting", "rtms_stream_id": "s", "program": "test",
        "instance": { "field": "meeting_uuid", "value": "m==" }, "started_at": 1_795_428_000_000_u64,
    });
    let mut file = NamedTempFile::new().unwrap();
    for line in std::iter::once(&header).chain(lines) {
        writeln!(file, "{line}").unwrap();
    }
    file
}

/// Signaling, and where the sound is.
async fn join(replaying: &Replaying) -> (Socket, String) {
    let mut signaling = connect(replaying.signaling_url()).await;
    say(&mut signaling, &request(1)).await;
    let welcome = hear(&mut signaling).await.unwrap();
    (signaling, welcome["media_server"]["server_urls"]["audio"].as_str().unwrap().to_owned())
}

fn request(msg_type: u32) -> Value {
    let app = App::default();
    let (instance, stream) = (InstanceId::new(InstanceIdField::MeetingUuid, "m=="), StreamId::new("s"));
    let signature = HandshakeSignature::sign(&app.client_id, &app.client_secret, &instance, &stream);
    json!({
        "msg_type": msg_type, "protocol_version": 1, "meeting_uuid": "m==", "rtms_stream_id": "s",
        "signature": signature.as_str(),
    })
}

async fn connect(url: &str) -> Socket {
    ClientBuilder::from_uri(url.parse::<Uri>().unwrap()).connect().await.unwrap().0
}

async fn say(socket: &mut Socket, message: &Value) {
    socket.send(Frame::text(message.to_string())).await.unwrap();
}

async fn hear(socket: &mut Socket) -> Option<Value> {
    while let Some(Ok(frame)) = socket.next().await {
        if frame.is_text() || frame.is_binary() {
            return Some(serde_json::from_slice(frame.as_payload()).unwrap());
        }
    }
    None
}
