//! A client's end of the conversation for the tests of the machine: JSON in, JSON out, a clock that the test moves.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod payloads;

use std::{collections::BTreeMap, time::Duration};

use rtms_sim::{
    config::{App, ZoomConfig},
    findings::Mistake,
    meeting::MeetingOptions,
    sent::Sent,
    webhook::WebhookPost,
    zoom::{ConnectionId, Ending, Endpoint, Input, Output, Zoom},
};
use rtms_wire::{
    Bytes, codes::status_code::StatusCode, secret::ClientSecret, signature::HandshakeSignature, time::UnixMillis,
};
use serde_json::{Value, json};

pub(crate) const START: UnixMillis = UnixMillis(1_795_420_800_000);

/// One run of the machine, with everything that came out of it.
pub(crate) struct Run {
    pub(crate) zoom: Zoom,
    pub(crate) now: UnixMillis,
    pub(crate) webhooks: Vec<WebhookPost>,
    pub(crate) sent: Vec<Sent>,
    /// Every message, with its time, in the order in which they were sent.
    pub(crate) wire: Vec<(ConnectionId, UnixMillis, String)>,
    pub(crate) closed: BTreeMap<ConnectionId, u16>,
    pub(crate) cut: std::collections::BTreeSet<ConnectionId>,
    /// What a test has read and wants to look at again.
    pub(crate) kept: Vec<Value>,
    heard: BTreeMap<ConnectionId, Vec<Value>>,
    last: u64,
}

impl Run {
    pub(crate) fn new(config: ZoomConfig) -> Self {
        let mut run = Self {
            zoom: Zoom::new(config, START),
            now: START,
            webhooks: Vec::new(),
            sent: Vec::new(),
            wire: Vec::new(),
            closed: BTreeMap::new(),
            cut: std::collections::BTreeSet::new(),
            kept: Vec::new(),
            heard: BTreeMap::new(),
            last: 0,
        };
        run.collect();
        run
    }

    pub(crate) fn of_seconds(seconds: u64) -> Self {
        Self::new(config(seconds))
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.zoom.handle(input, self.now);
        self.collect();
    }

    pub(crate) fn connect(&mut self, endpoint: Endpoint) -> ConnectionId {
        self.last += 1;
        let connection = ConnectionId(self.last);
        self.input(Input::Connected { connection, endpoint });
        connection
    }

    pub(crate) fn say(&mut self, connection: ConnectionId, message: &Value) {
        self.say_bytes(connection, message.to_string().as_bytes());
    }

    pub(crate) fn say_bytes(&mut self, connection: ConnectionId, payload: &[u8]) {
        self.input(Input::Received { connection, payload: Bytes::copy_from_slice(payload) });
    }

    pub(crate) fn hang_up(&mut self, connection: ConnectionId) {
        self.input(Input::Closed { connection, ending: Ending::CloseFrame });
    }

    /// Lets time pass up to so many milliseconds after the start, stopping at every deadline as a driver would.
    pub(crate) fn until(&mut self, at_ms: u64) {
        let target = START + Duration::from_millis(at_ms);
        while let Some(deadline) = self.zoom.next_deadline().filter(|deadline| *deadline <= target) {
            self.now = self.now.max(deadline);
            self.input(Input::Time);
        }
        self.now = self.now.max(target);
        self.input(Input::Time);
    }

    /// The same, answering every keep-alive request on the way.
    pub(crate) fn live_until(&mut self, at_ms: u64) {
        let target = START + Duration::from_millis(at_ms);
        while let Some(deadline) = self.zoom.next_deadline().filter(|deadline| *deadline <= target) {
            self.now = self.now.max(deadline);
            let before = self.wire.len();
            self.input(Input::Time);
            let asked: Vec<_> = self.wire[before..]
                .iter()
                .filter(|(_, _, text)| text.starts_with(r#"{"msg_type":12,"#))
                .map(|(connection, _, text)| (*connection, text.replacen("12", "13", 1)))
                .collect();
            for (connection, answer) in asked {
                self.say_bytes(connection, answer.as_bytes());
            }
        }
        self.now = self.now.max(target);
        self.input(Input::Time);
    }

    /// What was said on a connection since the last call.
    pub(crate) fn heard(&mut self, connection: ConnectionId) -> Vec<Value> {
        self.heard.remove(&connection).unwrap_or_default()
    }

    /// The numbers of what was said since the last call.
    pub(crate) fn heard_types(&mut self, connection: ConnectionId) -> Vec<i64> {
        self.heard(connection).iter().map(|message| message["msg_type"].as_i64().unwrap()).collect()
    }

    pub(crate) fn signature(&self) -> String {
        let secret = ClientSecret::new(App::TEST_CLIENT_SECRET).unwrap();
        HandshakeSignature::sign(App::TEST_CLIENT_ID, &secret, self.zoom.instance(), self.zoom.stream())
            .as_str()
            .to_owned()
    }

    /// A right message 1.
    pub(crate) fn signaling_request(&self) -> Value {
        let mut request = json!({
            "msg_type": 1,
            "protocol_version": 1,
            "sequence": 1,
            "rtms_stream_id": self.zoom.stream().as_str(),
            "signature": self.signature(),
        });
        request[self.zoom.instance().field.as_str()] = self.zoom.instance().value.as_str().into();
        request
    }

    /// A right message 3.
    pub(crate) fn data_request(&self, media_type: u32, media_params: Value) -> Value {
        let mut request = self.signaling_request();
        request["msg_type"] = 3.into();
        request["media_type"] = media_type.into();
        request["media_params"] = media_params;
        request
    }

    /// Shakes hands on signaling, rightly.
    pub(crate) fn join(&mut self) -> ConnectionId {
        let signaling = self.connect(Endpoint::Signaling);
        let request = self.signaling_request();
        self.say(signaling, &request);
        let answers = self.heard(signaling);
        assert_eq!(answers[0]["status_code"], 0, "{answers:?}");
        assert_eq!(answers[1]["event"]["event_type"], 1);
        signaling
    }

    /// Shakes hands for media, rightly.
    pub(crate) fn open_media(&mut self, media_type: u32, media_params: Value) -> ConnectionId {
        let media = self.connect(Endpoint::Media);
        assert_eq!(self.ask_media(media, media_type, media_params), StatusCode::Ok);
        media
    }

    /// Asks for media and gives the status.
    pub(crate) fn ask_media(&mut self, media: ConnectionId, media_type: u32, media_params: Value) -> StatusCode {
        let request = self.data_request(media_type, media_params);
        self.say(media, &request);
        let answers = self.heard(media);
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(answers[0]["msg_type"], 4);
        StatusCode::from_code(answers[0]["status_code"].as_i64().unwrap())
    }

    pub(crate) fn ready(&mut self, signaling: ConnectionId) {
        let message = json!({"msg_type": 7, "rtms_stream_id": self.zoom.stream().as_str()});
        self.say(signaling, &message);
    }

    pub(crate) fn mistakes(&self) -> Vec<Mistake> {
        self.zoom.findings().iter().map(|finding| finding.mistake.clone()).collect()
    }

    /// The body of the last webhook.
    pub(crate) fn last_webhook(&self) -> Value {
        serde_json::from_slice(&self.webhooks.last().unwrap().body).unwrap()
    }

    fn collect(&mut self) {
        while let Some(output) = self.zoom.poll_output() {
            match output {
                Output::Send { connection, text } => {
                    self.heard.entry(connection).or_default().push(serde_json::from_str(&text).unwrap());
                    self.wire.push((connection, self.now, text));
                }
                Output::SendBinary { connection, payload } => {
                    let text = String::from_utf8_lossy(&payload).into_owned();
                    self.heard.entry(connection).or_default().push(serde_json::from_str(&text).unwrap_or_default());
                    self.wire.push((connection, self.now, text));
                }
                Output::Close { connection, code } => {
                    self.closed.insert(connection, code);
                }
                Output::Cut { connection } => {
                    self.cut.insert(connection);
                }
                Output::Webhook(post) => self.webhooks.push(post),
            }
        }
        while let Some(sent) = self.zoom.poll_sent() {
            self.sent.push(sent);
        }
    }
}

pub(crate) fn config(seconds: u64) -> ZoomConfig {
    let meeting = MeetingOptions {
        seed: 1,
        participants: 3,
        duration: Duration::from_secs(seconds),
        ..MeetingOptions::default()
    };
    ZoomConfig { meeting, ..ZoomConfig::default() }
}
