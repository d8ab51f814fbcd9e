//! What a wire log does, line by line, to clients of several makes.

use rtms_wire::{
    extra::Extra,
    ids::{InstanceId, InstanceIdField, StreamId},
    message::{client_ready::ClientReadyAck, signaling_handshake::InstanceIds},
    signature::HandshakeSignature,
    wire_log::WireLogHeader,
};

use super::*;

const START: UnixMillis = UnixMillis(1_795_428_000_000);
const HEADER: &str = r#"{"format":"rtms-capture","version":1,"product":"meeting","instance":{"field":"meeting_uuid","value":"m=="},"rtms_stream_id":"s","started_at":1795428000000,"program":"rtms 0.1.0"}"#;
const WELCOME: &str =
    r#"{"msg_type":2,"status_code":0,"media_server":{"server_urls":{"audio":"wss://z/a","all":"wss://z/x"}}}"#;
const AUDIO_OPEN: &str = r#"{"msg_type":4,"status_code":0,"media_params":{"audio":{"sample_rate":1}}}"#;
const CHAT_OPEN: &str = r#"{"msg_type":4,"status_code":0,"media_params":{"chat":{"content_type":5}}}"#;
const REFUSED: &str = r#"{"msg_type":4,"status_code":16,"reason":"twice"}"#;

const SIGNALING: ConnectionId = ConnectionId(1);
const MEDIA: ConnectionId = ConnectionId(2);
const OTHER_MEDIA: ConnectionId = ConnectionId(3);

/// A wire log being played to a client that a test moves by hand.
struct Stage {
    replay: Replay,
    lines: VecDeque<WireLogLine<'static>>,
    now: UnixMillis,
}

impl Stage {
    fn new(lines: &[Value]) -> Self {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let contents = Contents::read(format!("{HEADER}\n{text}").as_bytes()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Self { replay: Replay::new(contents, App::default(), "ws://here/media", START), lines, now: START }
    }

    /// Plays until the wire log waits or ends; gives what was done, the payloads as text.
    fn play(&mut self) -> (Vec<(ConnectionId, String)>, Option<Step>) {
        let mut done = Vec::new();
        while let Some(line) = self.lines.front() {
            match self.replay.play(line, self.now) {
                Step::Do(acts) => done.extend(acts.into_iter().map(told)),
                step @ (Step::Wait(_) | Step::Over(_)) => return (done, Some(step)),
            }
            self.lines.pop_front();
        }
        (done, None)
    }

    fn says(&mut self, connection: ConnectionId, message: &Message) -> Vec<(ConnectionId, String)> {
        let acts = self.replay.received(connection, message.encode().as_bytes(), self.now);
        acts.into_iter().map(told).collect()
    }

    fn joins(&mut self) -> Vec<(ConnectionId, String)> {
        self.replay.connected(SIGNALING, Endpoint::Signaling);
        self.says(SIGNALING, &signaling_request(App::TEST_CLIENT_SECRET))
    }

    fn asks_for(&mut self, connection: ConnectionId, media: MediaTypes) -> Vec<(ConnectionId, String)> {
        self.replay.connected(connection, Endpoint::Media);
        let mut request = json!(null);
        if let Message::SignalingHandShakeReq(message) = signaling_request(App::TEST_CLIENT_SECRET) {
            request = json!(message);
        }
        request["msg_type"] = 3.into();
        request["media_type"] = media.code().into();
        let acts = self.replay.received(connection, request.to_string().as_bytes(), self.now);
        acts.into_iter().map(told).collect()
    }

    fn is_ready(&mut self) {
        let ready = ClientReadyAck { rtms_stream_id: StreamId::new("s"), extra: Extra::new() };
        assert!(self.says(SIGNALING, &Message::ClientReadyAck(ready)).is_empty());
    }
}

fn told(act: Act) -> (ConnectionId, String) {
    match act {
        Act::Send { connection, payload, .. } => (connection, String::from_utf8(payload.to_vec()).unwrap()),
        Act::Close { connection, code } => (connection, format!("closed with {code}")),
        Act::Cut { connection } => (connection, "cut".to_owned()),
    }
}

fn signaling_request(secret: &str) -> Message {
    let instance = InstanceId::new(InstanceIdField::MeetingUuid, "m==");
    let stream = StreamId::new("s");
    let app = App::new(App::TEST_CLIENT_ID, secret, "t").unwrap();
    let signature = HandshakeSignature::sign(&app.client_id, &app.client_secret, &instance, &stream);
    Message::SignalingHandShakeReq(rtms_wire::message::signaling_handshake::SignalingHandShakeReq {
        protocol_version: Some(1),
        sequence: Some(1),
        instance: InstanceIds::from(&instance),
        rtms_stream_id: stream,
        signature,
        buffer_data: None,
        extra: Extra::new(),
    })
}

fn received(ms: u64, connection: u32, on: &str, text: &str) -> Value {
    json!({ "ms": ms, "what": "received", "connection": connection, "on": on, "text": text })
}

fn closed(ms: u64, connection: u32, on: &str, by: &str) -> Value {
    json!({ "ms": ms, "what": "closed", "connection": connection, "on": on, "by": by, "code": 1001 })
}

fn message(msg_type: u32, number: u32) -> String {
    format!(r#"{{"msg_type":{msg_type},"n":{number}}}"#)
}

/// Signaling, sound and chat, each on a connection of its own.
fn meeting() -> Vec<Value> {
    vec![
        received(0, 1, "signaling", WELCOME),
        received(10, 2, "audio", AUDIO_OPEN),
        received(12, 3, "chat", CHAT_OPEN),
        received(20, 1, "signaling", &message(6, 1)),
        received(30, 2, "audio", &message(14, 2)),
        received(31, 3, "chat", &message(18, 3)),
        received(32, 3, "chat", &message(12, 4)),
    ]
}

fn audio_and_chat() -> MediaTypes {
    MediaTypes::of([Medium::Audio, Medium::Chat])
}

#[test]
fn a_client_with_one_connection_for_all_gets_what_came_on_two() {
    let mut stage = Stage::new(&meeting());
    assert_eq!(stage.play(), (vec![], Some(Step::Wait(START + Duration::from_secs(60)))));
    let [(SIGNALING, welcome)] = &stage.joins()[..] else { panic!() };
    let welcome: Value = serde_json::from_str(welcome).unwrap();
    let urls = json!({ "audio": "ws://here/media/audio", "all": "ws://here/media/all" });
    assert_eq!(welcome["media_server"]["server_urls"], urls);

    assert!(matches!(stage.play(), (done, Some(Step::Wait(_))) if done.is_empty()));
    let [(MEDIA, open)] = &stage.asks_for(MEDIA, audio_and_chat())[..] else { panic!() };
    let open: Value = serde_json::from_str(open).unwrap();
    assert_eq!(open["media_params"], json!({ "audio": { "sample_rate": 1 }, "chat": { "content_type": 5 } }));
    assert!(matches!(stage.play(), (done, Some(Step::Wait(_))) if done.is_empty()), "not before message 7");
    stage.is_ready();

    let (done, stopped) = stage.play();
    assert_eq!(stopped, None);
    let expected = [(SIGNALING, 6, 1), (MEDIA, 14, 2), (MEDIA, 18, 3), (MEDIA, 12, 4)];
    assert_eq!(done, expected.map(|(connection, msg_type, number)| (connection, message(msg_type, number))));
}

#[test]
fn a_client_with_a_connection_for_each_gets_what_came_on_one() {
    let open = r#"{"msg_type":4,"status_code":0,"media_params":{"audio":{"sample_rate":1},"chat":{"content_type":5}}}"#;
    let mut stage = Stage::new(&[
        received(0, 1, "signaling", WELCOME),
        received(10, 2, "audio+chat", open),
        received(30, 2, "audio+chat", &message(14, 2)),
        received(31, 2, "audio+chat", &message(18, 3)),
    ]);
    stage.joins();
    let [(MEDIA, answer)] = &stage.asks_for(MEDIA, MediaTypes::of([Medium::Audio]))[..] else { panic!() };
    let answer: Value = serde_json::from_str(answer).unwrap();
    assert_eq!(answer["media_params"], json!({ "audio": { "sample_rate": 1 } }));
    stage.asks_for(OTHER_MEDIA, MediaTypes::of([Medium::Chat]));
    stage.is_ready();

    assert_eq!(stage.play(), (vec![(MEDIA, message(14, 2)), (OTHER_MEDIA, message(18, 3))], None));
}

#[test]
fn the_same_connections_get_the_same_answers_byte_for_byte() {
    let mut stage = Stage::new(&meeting());
    stage.joins();
    assert_eq!(stage.asks_for(MEDIA, MediaTypes::of([Medium::Chat])), [(MEDIA, CHAT_OPEN.to_owned())]);
}

#[test]
fn media_that_the_client_does_not_want_is_passed_over_once_that_is_known() {
    let mut stage = Stage::new(&meeting());
    stage.joins();
    stage.asks_for(MEDIA, MediaTypes::of([Medium::Chat]));
    stage.is_ready();
    let (done, waits) = stage.play();
    assert_eq!((done, waits), (vec![], Some(Step::Wait(START + SETTLED_AFTER))));
    stage.now = START + SETTLED_AFTER;

    let (done, stopped) = stage.play();
    assert_eq!(stopped, None);
    assert_eq!(done, [(SIGNALING, message(6, 1)), (MEDIA, message(18, 3)), (MEDIA, message(12, 4))]);
    assert_eq!(stage.replay.played().passed_over, BTreeMap::from([(Medium::Audio, 1)]));
}

#[test]
fn a_wire_log_waits_for_nobody_longer_than_zoom_does() {
    let mut stage = Stage::new(&meeting());
    stage.now = START + Duration::from_secs(60);
    assert_eq!(stage.play(), (vec![], Some(Step::Over(Absence::NobodyCame))));

    let mut stage = Stage::new(&meeting());
    stage.joins();
    stage.play();
    stage.replay.closed(SIGNALING, stage.now);
    // On to what is said on signaling.
    stage.lines.drain(..2);
    assert!(matches!(stage.play(), (_, Some(Step::Wait(until))) if until == START + Duration::from_secs(60)));
    stage.now = START + Duration::from_secs(60);
    assert_eq!(stage.play(), (vec![], Some(Step::Over(Absence::Left))));
}

#[test]
fn a_connection_that_was_lost_is_lost_and_taken_again_as_often_as_it_was_refused() {
    let mut stage = Stage::new(&[
        received(0, 1, "signaling", WELCOME),
        received(10, 2, "audio", AUDIO_OPEN),
        received(30, 2, "audio", &message(14, 1)),
        json!({ "ms": 40, "what": "cut", "connection": 2, "on": "audio", "why": "reset" }),
        received(50, 3, "audio", REFUSED),
        closed(51, 3, "audio", "zoom"),
        received(60, 4, "audio", AUDIO_OPEN),
        received(70, 4, "audio", &message(14, 2)),
        closed(80, 4, "audio", "client"),
        received(81, 1, "signaling", &message(6, 3)),
    ]);
    stage.joins();
    stage.asks_for(MEDIA, MediaTypes::of([Medium::Audio]));
    stage.is_ready();
    let (done, waits) = stage.play();
    assert_eq!(done, [(MEDIA, message(14, 1)), (MEDIA, "cut".to_owned())]);
    assert_eq!(waits, Some(Step::Wait(START + Duration::from_secs(65))));

    let refused = [(OTHER_MEDIA, REFUSED.to_owned()), (OTHER_MEDIA, "closed with 1000".to_owned())];
    assert_eq!(stage.asks_for(OTHER_MEDIA, MediaTypes::of([Medium::Audio])), refused);
    assert_eq!(stage.asks_for(MEDIA, MediaTypes::of([Medium::Audio])), [(MEDIA, AUDIO_OPEN.to_owned())]);
    stage.is_ready();

    // Whoever left at the end is not sent away: the client leaves by itself again.
    assert_eq!(stage.play(), (vec![(MEDIA, message(14, 2)), (SIGNALING, message(6, 3))], None));
}

#[test]
fn what_the_client_left_to_come_anew_is_closed() {
    let mut stage = Stage::new(&[
        received(0, 1, "signaling", WELCOME),
        closed(10, 1, "signaling", "client"),
        received(20, 2, "signaling", WELCOME),
        received(30, 2, "signaling", &message(6, 1)),
    ]);
    stage.joins();
    let (done, waits) = stage.play();
    assert_eq!(done, [(SIGNALING, "closed with 1000".to_owned())]);
    assert!(matches!(waits, Some(Step::Wait(_))));
    stage.joins();
    assert_eq!(stage.play(), (vec![(SIGNALING, message(6, 1))], None));
}

#[test]
fn a_handshake_is_checked_as_zoom_checks_it() {
    let mut stage = Stage::new(&meeting());
    stage.replay.connected(SIGNALING, Endpoint::Signaling);
    let answer = stage.says(SIGNALING, &signaling_request("of-somebody-else"));
    let [(SIGNALING, refusal), (SIGNALING, closed)] = &answer[..] else { panic!("{answer:?}") };
    let refusal: Value = serde_json::from_str(refusal).unwrap();
    assert_eq!(refusal["status_code"], StatusCode::InvalidSignature.code());
    assert_eq!(closed, "closed with 1000");
    assert_eq!(stage.replay.played().refusals.len(), 1);

    stage.joins();
    stage.replay.connected(OTHER_MEDIA, Endpoint::Signaling);
    let answer = stage.says(OTHER_MEDIA, &signaling_request(App::TEST_CLIENT_SECRET));
    assert!(answer[0].1.contains("Duplicate"), "{answer:?}");
}

#[test]
fn an_ill_typed_handshake_is_refused_with_the_status_of_its_field() {
    let mut stage = Stage::new(&meeting());
    stage.replay.connected(SIGNALING, Endpoint::Signaling);

    let request = signaling_request(App::TEST_CLIENT_SECRET).encode().replace(r#""msg_type":1"#, r#""msg_type":"1""#);
    let acts = stage.replay.received(SIGNALING, request.as_bytes(), START);

    let (_, answer) = told(acts.into_iter().next().unwrap());
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["status_code"], StatusCode::InvalidMessageType.code());
}

#[test]
fn the_webhooks_say_what_they_said_then_but_for_the_place() {
    let start = r#"{"event":"meeting.rtms_started","event_ts":1795427999000,"payload":{"object":{"meeting_uuid":"m==","rtms_stream_id":"s","server_urls":"wss://zoom","operator_id":"o","signature":""}}}"#;
    let mut header: WireLogHeader = serde_json::from_str(HEADER).unwrap();
    header.start_webhook = Some(start.to_owned());
    let lines: String = meeting().iter().map(|line| format!("{line}\n")).collect();
    let text =
        format!("{}\n{lines}{}\n", json!(header), json!({"ms": 900, "what": "ended", "stop_reason": 8, "why": ""}));
    let contents = Contents::read(text.as_bytes()).unwrap();
    let replay = Replay::new(contents, App::default(), "ws://here/media", START);

    let post = replay.start_webhook("ws://here/signaling", START);
    let body: Value = serde_json::from_slice(&post.body).unwrap();
    let object = json!({
        "meeting_uuid": "m==", "rtms_stream_id": "s", "server_urls": "ws://here/signaling", "operator_id": "o",
    });
    let expected =
        json!({ "event": "meeting.rtms_started", "event_ts": 1_795_427_999_000_u64, "payload": { "object": object } });
    assert_eq!(body, expected);

    let post = replay.stop_webhook(START);
    let body: Value = serde_json::from_slice(&post.body).unwrap();
    let object = json!({ "meeting_uuid": "m==", "rtms_stream_id": "s", "stop_reason": 8 });
    let expected =
        json!({ "event": "meeting.rtms_stopped", "event_ts": START.0 + 900, "payload": { "object": object } });
    assert_eq!(body, expected);
}
