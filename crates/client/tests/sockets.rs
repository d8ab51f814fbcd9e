//! The driver on real loopback sockets, against a server that each test plays itself. Few, as the machine is tested without.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

use std::{future::Future, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rtms_client::{
    connect::{Connector, MAX_MESSAGE_BYTES, TcpConnector},
    error::ConnectError,
    handle::{self, StreamHandle},
    queue::EventReceiver,
};
use rtms_proto::{
    config::StreamConfig,
    error::StreamError,
    event::{Ending, Event, Odd},
    role::Role,
    signaling::StreamStart,
};
use rtms_wire::{
    codes::product::Product,
    flaws::RawMessage,
    ids::{InstanceId, InstanceIdField, StreamId},
    media::medium::{MediaTypes, Medium},
    secret::ClientSecret,
    signature::HandshakeSignature,
    webhook::server_url::ServerUrlPolicy,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_websockets::{CloseCode, Message, ServerBuilder, WebSocketStream};

// --- Frames ---

#[tokio::test]
async fn text_and_binary_frames_are_both_json() {
    let zoom = Zoom::listen().await;
    let (_handle, mut events) = join(&zoom, 1 << 20);
    let mut signaling = zoom.accept().await;
    signaling.hear(1).await;
    signaling.say_in(Message::binary, zoom.two()).await;
    let mut media = zoom.accept().await;
    media.hear(3).await;
    media.say_in(Message::binary, json!({"msg_type": 4, "status_code": 0})).await;
    signaling.hear(7).await;

    media.say_in(Message::text, audio(1)).await;
    media.say_in(Message::binary, audio(2)).await;
    media.say_in(Message::binary, json!({"msg_type": 12, "timestamp": 3})).await;

    assert_eq!(next_audio(&mut events).await, 1);
    assert_eq!(next_audio(&mut events).await, 2);
    let raw = media.next().await;
    assert!(raw.is_text(), "what we say is text");
    assert_eq!(raw.as_text().unwrap(), r#"{"msg_type":13,"timestamp":3}"#);
}

#[tokio::test]
async fn a_torn_byte_in_text_costs_neither_the_message_nor_the_connection() {
    let zoom = Zoom::listen().await;
    let (_handle, mut events) = join(&zoom, 1 << 20);
    let (mut signaling, mut media) = zoom.shake_hands().await;
    let message = |name: &[u8]| {
        let before = br#"{"msg_type":6,"event":{"event_type":3,"participants":[{"user_id":7,"user_name":""#;
        [before, name, br#""}]}}"#].concat()
    };
    let frame = |first: u8, payload: &[u8]| [&[first, u8::try_from(payload.len()).unwrap()], payload].concat();

    let torn = message(b"Zo\xffe");
    assert!(torn.len() <= 125, "a length of one byte");
    signaling.raw(&frame(0x81, &torn)).await;
    // In two frames, of which the first ends inside of a character that the second does not end.
    let torn = message(b"\xc3\xc3");
    let (first, second) = torn.split_at(torn.iter().position(|byte| *byte == 0xc3).unwrap() + 1);
    signaling.raw(&[frame(0x01, first), frame(0x80, second)].concat()).await;
    for peer in [&mut media, &mut signaling] {
        peer.say(json!({"msg_type": 12, "timestamp": 5})).await;
        peer.hear(13).await;
    }

    let mut names = vec![];
    while names.len() < 2 {
        match soon(events.next()).await.expect("the stream goes on") {
            Event::Update(body) => names.push(body.participants[0].user_name.clone().unwrap()),
            Event::Interrupted { why, .. } => panic!("{why}"),
            Event::Ended(ending) => panic!("{ending:?}"),
            _ => {}
        }
    }
    assert_eq!(names, ["Zo\u{fffd}e", "\u{fffd}\u{fffd}"]);
}

#[tokio::test]
async fn a_message_in_many_frames_is_one_message() {
    let zoom = Zoom::listen().await;
    let (_handle, mut events) = join(&zoom, 1 << 20);
    let (_signaling, mut media) = zoom.shake_hands().await;

    let text = audio(5).to_string();
    for (position, byte) in text.bytes().enumerate() {
        let opcode = u8::from(position == 0) | (u8::from(position + 1 == text.len()) << 7);
        media.raw(&[opcode, 1, byte]).await;
    }

    assert_eq!(next_audio(&mut events).await, 5);
}

#[tokio::test]
async fn a_ping_is_answered_even_before_the_handshake() {
    let zoom = Zoom::listen().await;
    let (_handle, _events) = join(&zoom, 1 << 20);

    let mut signaling = zoom.accept().await;
    signaling.send(Message::ping("are you there")).await;

    let mut pong = signaling.next().await;
    while !pong.is_pong() {
        pong = signaling.next().await;
    }
    assert_eq!(&pong.into_payload()[..], b"are you there");
}

#[tokio::test]
async fn a_message_longer_than_the_limit_ends_its_connection_before_it_is_read() {
    let zoom = Zoom::listen().await;
    let (_handle, mut events) = join(&zoom, 1 << 20);
    let (_signaling, mut media) = zoom.shake_hands().await;

    // Only the length is sent: who waits for the rest has already made room for it.
    let length = (MAX_MESSAGE_BYTES as u64 + 1).to_be_bytes();
    media.raw(&[&[0x82, 127], &length[..]].concat()).await;

    assert!(interruption(&mut events).await.contains("exceeds the limit of 33554432"));
}

#[tokio::test]
async fn a_message_of_frames_without_end_is_cut_off_at_the_limit() {
    let zoom = Zoom::listen().await;
    let (_handle, mut events) = join(&zoom, 1 << 20);
    let (_signaling, mut media) = zoom.shake_hands().await;

    let fragment = vec![b' '; 1 << 20];
    let endless = tokio::spawn(async move {
        let mut opcode = 2;
        loop {
            let length = (fragment.len() as u64).to_be_bytes();
            let header = [&[opcode, 127], &length[..]].concat();
            if media.try_raw(&header).await.is_err() || media.try_raw(&fragment).await.is_err() {
                return;
            }
            opcode = 0;
        }
    });

    assert!(interruption(&mut events).await.contains("exceeds the limit of 33554432"));
    soon(endless).await.unwrap();
}

#[tokio::test]
async fn bytes_that_are_no_message_leave_the_connection_alone() {
    let zoom = Zoom::listen().await;
    let (_handle, mut events) = join(&zoom, 1 << 20);
    let (_signaling, mut media) = zoom.shake_hands().await;

    media.send(Message::text("}{")).await;
    media.send(Message::binary(vec![0, 159, 146, 150])).await;
    media.say(audio(3)).await;

    assert_eq!(next_audio(&mut events).await, 3);
}

#[tokio::test]
async fn a_message_with_a_broken_part_is_delivered_and_its_bytes_beside_it() {
    let zoom = Zoom::listen().await;
    let (_handle, mut events) = join(&zoom, 1 << 20);
    let (_signaling, mut media) = zoom.shake_hands().await;

    let torn = b"{\"msg_type\":14,\"content\":{\"user_name\":\"\xff\",\"data\":\"AQID\",\"length\":9,\"timestamp\":4}}";
    for _ in 0..=RawMessage::FEW {
        media.send(Message::binary(torn.to_vec())).await;
    }
    media.send(Message::text("}{")).await;
    media.say(audio(5)).await;

    let (mut raws, mut sound) = (vec![], vec![]);
    while sound.last() != Some(&5) {
        match soon(events.next()).await.expect("the stream goes on") {
            Event::Audio(data) => sound.push(data.timestamp.0),
            Event::Odd(Odd::Raw(raw)) => raws.push(raw),
            _ => {}
        }
    }
    let few = usize::try_from(RawMessage::FEW).unwrap();
    assert_eq!((sound.len(), raws.len()), (few + 2, few + 2));
    assert_eq!((raws[0].flaws.to_string().as_str(), raws[0].bytes.as_ref()), ("broken_text, wrong_length", &torn[..]));
    assert_eq!((raws[few].bytes.len(), raws[few].length), (0, torn.len()), "of many alike only the first are kept");
    let unreadable = &raws[few + 1];
    assert_eq!((unreadable.medium, unreadable.flaws.is_empty()), (Some(Medium::Audio), true));
    assert_eq!(unreadable.bytes.as_ref(), b"}{");
}

// --- Connecting ---

#[tokio::test]
async fn an_extra_authority_is_trusted() {
    let (server, ca) = TlsServer::listen(&["localhost", "127.0.0.1"]).await;
    let connector = TcpConnector::new(policy(), &[ca.path]).unwrap();

    for host in ["localhost", "127.0.0.1"] {
        let url = format!("wss://{host}:{}/x", server.address.port());
        let (connected, ()) = tokio::join!(soon(connector.connect(url)), server.accept());
        assert!(connected.is_ok(), "{host}: {}", connected.err().unwrap());
    }
}

#[tokio::test]
async fn an_unknown_authority_is_refused_and_named_as_the_reason() {
    let (server, _ca) = TlsServer::listen(&["localhost"]).await;
    let connector = TcpConnector::new(policy(), &[]).unwrap();

    let url = format!("wss://localhost:{}/x", server.address.port());
    let (connected, ()) = tokio::join!(soon(connector.connect(url)), server.accept());

    let error = connected.err().unwrap();
    assert!(matches!(error, ConnectError::Upgrade(_)), "{error:?}");
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let (server, ca) = TlsServer::listen(&["rtms.example.test"]).await;
    let connector = TcpConnector::new(policy(), &[ca.path]).unwrap();

    let url = format!("wss://localhost:{}/x", server.address.port());
    let (connected, ()) = tokio::join!(soon(connector.connect(url)), server.accept());

    let error = connected.err().unwrap();
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

#[tokio::test]
async fn what_is_no_allowed_websocket_url_is_not_connected_to() {
    let connector = TcpConnector::new(policy(), &[]).unwrap();

    for url in
        ["", "x", "https://127.0.0.1:1/", "ws:///path", "//127.0.0.1:1", "wss://evil.example/", "ws://rtms.zoom.us/"]
    {
        let error = soon(connector.connect(url.into())).await.err().unwrap();
        assert!(matches!(error, ConnectError::Refused { .. }), "{url}: {error}");
    }
}

#[tokio::test]
async fn an_upgrade_that_is_forbidden_fails_with_its_status() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/s", listener.local_addr().unwrap());
    let forbids = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let _ = tcp.read(&mut [0; 4_096]).await.unwrap();
        tcp.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    });

    let (_handle, mut events) = join_at(vec![url], 1 << 20);

    let Some(Event::AttemptFailed { error: StreamError::Unreachable { role: Role::Signaling, why }, .. }) =
        soon(events.next()).await
    else {
        panic!("it cannot be joined")
    };
    assert!(why.contains("403"), "{why}");
    soon(forbids).await.unwrap();
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_fails_with_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);

    let connector = TcpConnector::new(policy(), &[]).unwrap();
    let error = soon(connector.connect(format!("ws://{address}/s"))).await.err().unwrap();

    assert!(matches!(error, ConnectError::Tcp { .. }));
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_the_upgrade_is_given_up_after_five_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connector = TcpConnector::new(policy(), &[]).unwrap();

    for scheme in ["ws", "wss"] {
        let began = Instant::now();
        let error = connector.connect(format!("{scheme}://{address}/s")).await.err().unwrap();

        assert!(matches!(error, ConnectError::TimedOut(_)), "{scheme}: {error}");
        let waited = began.elapsed();
        assert!((Duration::from_secs(5)..=Duration::from_secs(10)).contains(&waited), "{scheme}: {waited:?}");
    }
}

// --- Running ---

#[tokio::test]
async fn dropping_the_handle_closes_every_socket_with_1000() {
    let zoom = Zoom::listen().await;
    let (handle, mut events) = join(&zoom, 1 << 20);
    let (mut signaling, mut media) = zoom.shake_hands().await;
    for number in 0..200 {
        media.say(audio(number)).await;
    }

    drop(handle);

    for peer in [&mut signaling, &mut media] {
        assert_eq!(peer.close_code().await, CloseCode::NORMAL_CLOSURE);
    }
    let mut last = None;
    while let Some(event) = soon(events.next()).await {
        last = Some(event);
    }
    assert_eq!(last, Some(Event::Ended(Ending::Abandoned)));
}

#[tokio::test]
async fn a_dial_that_is_not_wanted_any_more_is_ended_with_1000() {
    let zoom = Zoom::listen().await;
    let (handle, mut events) = join(&zoom, 1 << 20);
    let (dialed, _) = soon(zoom.listener.accept()).await.unwrap();

    drop(handle);
    assert_eq!(soon(events.next()).await, Some(Event::Ended(Ending::Abandoned)));
    let (_, socket) = soon(ServerBuilder::new().accept(dialed)).await.unwrap();

    assert_eq!(Peer { socket }.close_code().await, CloseCode::NORMAL_CLOSURE);
}

#[tokio::test]
async fn a_close_is_asked_for_before_the_sockets_close() {
    let zoom = Zoom::listen().await;
    let (handle, _events) = join(&zoom, 1 << 20);
    let (mut signaling, _media) = zoom.shake_hands().await;

    handle.close().await;
    signaling.hear(21).await;
    signaling.say(json!({"msg_type": 22, "rtms_stream_id": "3f6a0c9e", "status_code": 0, "reason": "OK"})).await;
    signaling.say(json!({"msg_type": 8, "state": 4, "reason": 20, "timestamp": 1})).await;

    assert_eq!(signaling.close_code().await, CloseCode::NORMAL_CLOSURE);
}

#[tokio::test]
async fn media_that_zoom_sends_before_it_knows_that_its_connection_was_left_are_taken() {
    let zoom = Zoom::listen().await;
    let (handle, mut events) = join(&zoom, 1 << 20);
    let (signaling, mut media) = zoom.shake_hands().await;

    handle.restarted(vec![format!("ws://{}/second", zoom.address)]).await;
    // The next dial comes after the goodbye to what it replaces, which is not read here.
    let _next = zoom.accept().await;
    // More than may wait at once.
    let times: Vec<u64> = (0..40).map(|packet| 1_000 + 20 * packet).collect();
    for at in &times {
        media.say(audio(*at)).await;
    }
    media.say(json!({"msg_type": 12, "timestamp": 1, "sequence": 1})).await;

    for at in times {
        assert_eq!(next_audio(&mut events).await, at);
    }
    // Nothing but the goodbye is said on it.
    assert_eq!(media.next().await.as_close().unwrap().0, CloseCode::NORMAL_CLOSURE);
    drop(signaling);
}

#[tokio::test]
async fn a_close_by_zoom_is_answered_with_a_close() {
    let zoom = Zoom::listen().await;
    let (_handle, _events) = join(&zoom, 1 << 20);
    let (mut signaling, _media) = zoom.shake_hands().await;

    signaling.send(Message::close(Some(CloseCode::NORMAL_CLOSURE), "bye")).await;

    assert_eq!(signaling.close_code().await, CloseCode::NORMAL_CLOSURE);
}

#[tokio::test]
async fn who_does_not_take_events_delays_no_keep_alive_and_loses_sound_before_words() {
    const ROOM: usize = 64 << 10;
    const ROUNDS: u64 = 20;
    const PACKETS: u64 = 500;
    let zoom = Zoom::listen().await;
    let (_handle, mut events) = join(&zoom, ROOM);
    let (mut signaling, mut media) = zoom.shake_hands().await;
    signaling.say(json!({"msg_type": 6, "event": {"event_type": 1, "timestamp": 1_795_428_000_000_u64}})).await;

    // Nobody takes an event while the sound of more than three minutes arrives in one go.
    for round in 0..ROUNDS {
        for packet in 0..PACKETS {
            // A time of zero would be an odd one.
            media.say(audio(1 + round * PACKETS + packet)).await;
        }
        for peer in [&mut media, &mut signaling] {
            peer.say(json!({"msg_type": 12, "timestamp": round, "sequence": round})).await;
            let answer = peer.hear(13).await;
            assert_eq!(answer, json!({"msg_type": 13, "timestamp": round, "sequence": round}));
        }
    }
    let dropped = events.dropped();

    let mut waiting = vec![];
    while let Ok(event) = events.try_next() {
        waiting.push(event);
    }
    let sound: Vec<_> =
        waiting.iter().filter_map(|event| if let Event::Audio(it) = event { Some(it) } else { None }).collect();
    assert!(sound.iter().map(|packet| packet.data.len()).sum::<usize>() <= ROOM, "what waits is bounded");
    assert_eq!(dropped.audio + sound.len() as u64, ROUNDS * PACKETS, "what was dropped is counted");
    assert_eq!((dropped.video, dropped.deskshare, dropped.other), (0, 0, 0));
    assert_eq!(sound.last().unwrap().timestamp.0, ROUNDS * PACKETS, "the newest is kept");
    assert!(
        matches!(waiting[..3], [Event::SignalingOpen, Event::MediaOpen { .. }, Event::Update(_)]),
        "words are kept"
    );
}

// --- The server that a test plays ---

struct Zoom {
    listener: TcpListener,
    address: SocketAddr,
}

impl Zoom {
    async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    async fn accept(&self) -> Peer<TcpStream> {
        let (tcp, _) = soon(self.listener.accept()).await.unwrap();
        let (_, socket) = soon(ServerBuilder::new().accept(tcp)).await.unwrap();
        Peer { socket }
    }

    /// Message 2.
    fn two(&self) -> Value {
        let url = format!("ws://{}/audio", self.address);
        json!({"msg_type": 2, "status_code": 0, "media_server": {"server_urls": {"audio": url}}})
    }

    /// Everything up to the point where media may flow: signaling, and the one media connection.
    async fn shake_hands(&self) -> (Peer<TcpStream>, Peer<TcpStream>) {
        let mut signaling = self.accept().await;
        signaling.hear(1).await;
        signaling.say(self.two()).await;
        let mut media = self.accept().await;
        media.hear(3).await;
        media.say(json!({"msg_type": 4, "status_code": 0})).await;
        signaling.hear(7).await;
        signaling.hear(5).await;
        (signaling, media)
    }
}

struct Peer<S> {
    socket: WebSocketStream<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    async fn send(&mut self, message: Message) {
        soon(self.socket.send(message)).await.unwrap();
    }

    async fn say(&mut self, json: Value) {
        self.say_in(Message::text, json).await;
    }

    async fn say_in(&mut self, frame: fn(String) -> Message, json: Value) {
        self.send(frame(json.to_string())).await;
    }

    /// Bytes that are no frame by themselves.
    async fn raw(&mut self, bytes: &[u8]) {
        soon(self.try_raw(bytes)).await.unwrap();
    }

    async fn try_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.socket.get_mut().write_all(bytes).await
    }

    async fn next(&mut self) -> Message {
        soon(self.socket.next()).await.expect("the connection stands").unwrap()
    }

    /// The next message, which has to be of this number.
    async fn hear(&mut self, msg_type: i64) -> Value {
        let message = self.next().await;
        let json: Value = serde_json::from_slice(message.as_payload()).unwrap();
        assert_eq!(json["msg_type"], msg_type, "{json}");
        json
    }

    async fn close_code(&mut self) -> CloseCode {
        loop {
            let message = self.next().await;
            if let Some((code, _)) = message.as_close() {
                return code;
            }
        }
    }
}

struct TlsServer {
    listener: TcpListener,
    address: SocketAddr,
    acceptor: TlsAcceptor,
}

/// The authority behind a server's certificate, as a file.
struct Authority {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl TlsServer {
    async fn listen(names: &[&str]) -> (Self, Authority) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, params.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(params, key);

        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
                .unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { listener, address, acceptor: TlsAcceptor::from(Arc::new(config)) };
        (server, Authority { path, _folder: folder })
    }

    /// One connection, up to the upgrade if the other side wants it.
    async fn accept(&self) {
        let (tcp, _) = soon(self.listener.accept()).await.unwrap();
        if let Ok(tls) = soon(self.acceptor.accept(tcp)).await {
            let _ = soon(ServerBuilder::new().accept(tls)).await;
        }
    }
}

// --- Helpers ---

fn join(zoom: &Zoom, queue_bytes: usize) -> (StreamHandle, EventReceiver) {
    join_at(vec![format!("ws://{}/signaling", zoom.address)], queue_bytes)
}

fn join_at(server_urls: Vec<String>, queue_bytes: usize) -> (StreamHandle, EventReceiver) {
    let stream_id = StreamId::from("3f6a0c9e");
    let instance = InstanceId::new(InstanceIdField::MeetingUuid, "gPkqeuK3m0UGeK+QdgAH/Q==");
    let secret = ClientSecret::new("not a secret").unwrap();
    let signature = HandshakeSignature::sign("client", &secret, &instance, &stream_id);
    let start = StreamStart { stream_id, instance, product: Product::Meeting, signature, server_urls };
    let config = StreamConfig { media: MediaTypes::of([Medium::Audio]), ..StreamConfig::default() };
    let connector = Arc::new(TcpConnector::new(policy(), &[]).unwrap());
    handle::join(start, config, connector, queue_bytes).unwrap()
}

fn audio(timestamp: u64) -> Value {
    // 640 bytes: 20 ms at 16 kHz.
    let data = "A".repeat(852) + "AA==";
    assert_eq!(data.len() / 4 * 3 - 2, 640);
    json!({"msg_type": 14, "content": {"user_id": 7, "data": data, "length": 640, "timestamp": timestamp}})
}

async fn next_audio(events: &mut EventReceiver) -> u64 {
    loop {
        match soon(events.next()).await.expect("the stream goes on") {
            Event::Audio(data) => return data.timestamp.0,
            Event::Ended(ending) => panic!("{ending:?}"),
            _ => {}
        }
    }
}

async fn interruption(events: &mut EventReceiver) -> String {
    loop {
        let event = soon(events.next()).await.expect("the stream goes on");
        if let Event::Interrupted { role: Role::Media(_), why, .. } = event {
            return why;
        }
    }
}

/// Whatever a test waits for happens at once; a hang is a failure.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("it happens soon")
}

/// The tests' servers are on loopback.
fn policy() -> ServerUrlPolicy {
    ServerUrlPolicy { allow_loopback: true, ..ServerUrlPolicy::default() }
}
