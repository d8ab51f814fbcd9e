//! A little client of the protocol, written against the wire alone, that can be told to be careless in one way.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use aws_lc_rs::hmac;
use rtms_sim::{
    config::App,
    webhook::WebhookPost,
    world::{Client, FromClient, Link, ToClient},
};
use rtms_wire::time::UnixMillis;
use serde_json::{Value, json};

const AUDIO: u64 = 1;
const TRANSCRIPT: u64 = 8;

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NoKeepAlive,
    KeepAliveWithWrongTimestamp,
    KeepAliveWithWrongSequence,
    KeepAliveOnSignalingAlone,
    KeepAliveTwice,
    KeepAliveLate,
    SignsInAnotherOrder,
    SignsWithTheSecretToken,
    SignsAsBase64,
    SignsInUpperCase,
    SignsWithoutStream,
    SignsForAnotherApp,
    WrongStreamId,
    TwoIds,
    AnotherId,
    TwoSignalingConnections,
    TwoConnectionsForAudio,
    NoReady,
    ReadyBeforeMessage4,
    ReadyForAnotherStream,
    /// Asks for sound that there is not, and goes on as if it had got it.
    IgnoresRefusal,
    /// The same, again and again.
    AsksTheSameAgain,
    /// The same, and does without when it is refused.
    MeetsRefusalRightly,
    DataHandshakeOnSignaling,
    SubscribesBeforeTheHandshake,
    SubscribesToAutomaticEvents,
    SubscribesToUnknownEvents,
    SendsMedia,
    SendsUnknownMessages,
    SendsNoJson,
    AsksForAnUnknownState,
    OpensMediaAndSaysNothing,
    NeverJoins,
    JoinsLate,
    NeverComesBack,
    LeavesWithoutGoodbye,
    ReconnectsInATightLoop,
    ReconnectsAfterTheEnd,
    AnswersWebhooksLate,
    AnswersWebhooksWith(u16),
    JoinsBesideOnRepeat,
    JoinsAnewOnRepeat,
    LeavesSocketsOpen,
    EndsWithoutACloseFrame,
}

/// What it will do later.
#[derive(Clone, Debug)]
enum Task {
    Join,
    OpenMedia(u64),
    Say(Link, Value),
    Answer(FromClient),
    Leave,
    CutSignaling,
}

/// The client.
pub(crate) struct Little {
    fault: Option<Fault>,
    now: UnixMillis,
    done: VecDeque<FromClient>,
    tasks: BTreeMap<(UnixMillis, u64), Task>,
    last_task: u64,
    last_link: u64,
    /// Webhooks that it knows.
    known: BTreeSet<String>,
    stream: String,
    id_key: String,
    id: String,
    url: String,
    media_url: String,
    /// The signaling connection, and whether its handshake is done.
    signaling: Option<(Link, bool)>,
    /// Media connections by what they are for.
    media: BTreeMap<Link, u64>,
    /// Connections that it opened beside the others, to do something wrong on them.
    strays: BTreeSet<Link>,
    attempts: u32,
    asked: u32,
    is_over: bool,
}

impl Client for Little {
    fn handle(&mut self, event: ToClient, now: UnixMillis) {
        self.now = now;
        match event {
            ToClient::Webhook(post) => self.webhook(&post),
            ToClient::Opened(link) => self.opened(link),
            ToClient::Refused(link, _) => self.lost(link),
            ToClient::Message(link, payload) => self.message(link, &serde_json::from_slice(&payload).unwrap()),
            ToClient::Closed(link) | ToClient::Cut(link) => self.lost(link),
            ToClient::Time => {}
        }
        while let Some(task) = self.tasks.first_entry().filter(|it| it.key().0 <= now).map(|it| it.remove()) {
            self.act(task);
        }
    }

    fn poll(&mut self) -> Option<FromClient> {
        self.done.pop_front()
    }

    fn next_deadline(&self) -> Option<UnixMillis> {
        self.tasks.keys().next().map(|(at, _)| *at)
    }

    fn answers_close(&self, _link: Link) -> bool {
        self.fault != Some(Fault::LeavesSocketsOpen)
    }
}

impl Little {
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        Self {
            fault,
            now: UnixMillis(0),
            done: VecDeque::new(),
            tasks: BTreeMap::new(),
            last_task: 0,
            last_link: 0,
            known: BTreeSet::new(),
            stream: String::new(),
            id_key: String::new(),
            id: String::new(),
            url: String::new(),
            media_url: String::new(),
            signaling: None,
            media: BTreeMap::new(),
            strays: BTreeSet::new(),
            attempts: 0,
            asked: 0,
            is_over: false,
        }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn webhook(&mut self, post: &WebhookPost) {
        match self.fault {
            Some(Fault::AnswersWebhooksLate) => {
                self.later(5_000, Task::Answer(FromClient::Answer(post.id, 200)));
            }
            Some(Fault::AnswersWebhooksWith(status)) => self.done.push_back(FromClient::Answer(post.id, status)),
            _ => self.done.push_back(FromClient::Answer(post.id, 200)),
        }
        let body: Value = serde_json::from_slice(&post.body).unwrap();
        let (event, payload) = (body["event"].as_str().unwrap(), &body["payload"]);
        let stream = payload["rtms_stream_id"].as_str().unwrap();
        if event.ends_with("rtms_stopped") {
            return self.over();
        }
        let Some(url) = payload["server_urls"].as_str().filter(|_| event.ends_with("rtms_started")) else { return };
        if !self.known.insert(format!("{event} {stream} {url}")) {
            match self.fault {
                Some(Fault::JoinsBesideOnRepeat) => {
                    let link = self.dial(url);
                    self.strays.insert(link);
                }
                Some(Fault::JoinsAnewOnRepeat) => {
                    self.hang_up();
                    self.later(0, Task::Join);
                }
                _ => {}
            }
            return;
        }
        self.stream = stream.to_owned();
        let keys = ["meeting_uuid", "webinar_uuid", "session_id", "engagement_id", "call_id"];
        let key = keys.into_iter().find(|key| payload[key].is_string()).unwrap();
        (self.id_key, self.id) = (key.to_owned(), payload[key].as_str().unwrap().to_owned());
        self.url = url.to_owned();
        self.hang_up();
        match self.fault {
            Some(Fault::NeverJoins) => {}
            Some(Fault::JoinsLate) => self.later(40_000, Task::Join),
            _ => self.later(0, Task::Join),
        }
    }

    fn act(&mut self, task: Task) {
        match task {
            Task::Join if self.signaling.is_none() => {
                let link = self.dial(&self.url.clone());
                self.signaling = Some((link, false));
            }
            Task::OpenMedia(medium)
                if self.signaling.is_some_and(|(_, is_joined)| is_joined)
                    && !self.media.values().any(|it| *it == medium) =>
            {
                let url = self.media_url.clone();
                let link = self.dial(&url);
                self.media.insert(link, medium);
            }
            Task::Join | Task::OpenMedia(_) => {}
            Task::Say(link, message) => self.say(link, &message),
            Task::Answer(answer) => self.done.push_back(answer),
            Task::Leave => {
                self.is_over = true;
                self.hang_up();
            }
            Task::CutSignaling => {
                let (link, _) = self.signaling.unwrap();
                self.done.push_back(FromClient::Cut(link));
                self.lost(link);
            }
        }
    }

    fn opened(&mut self, link: Link) {
        if self.signaling.is_some_and(|(signaling, _)| signaling == link) {
            if self.is(Fault::SubscribesBeforeTheHandshake) {
                self.say(link, &subscription(&[2, 3]));
            }
            return self.say(link, &self.handshake(1));
        }
        let Some(medium) = self.media.get(&link).copied() else {
            // A stray one: what it says depends on where it is.
            match self.fault {
                Some(Fault::TwoSignalingConnections | Fault::JoinsBesideOnRepeat) => self.say(link, &self.handshake(1)),
                Some(Fault::TwoConnectionsForAudio) => self.say(link, &self.data_handshake(AUDIO)),
                _ => {}
            }
            return;
        };
        self.say(link, &self.data_handshake(medium));
    }

    fn message(&mut self, link: Link, message: &Value) {
        let status = message["status_code"].as_i64();
        match message["msg_type"].as_i64().unwrap() {
            2 if self.strays.contains(&link) => self.done.push_back(FromClient::Close(link)),
            2 if status == Some(0) => self.joined(link, message),
            2 => {
                self.done.push_back(FromClient::Close(link));
                self.signaling = None;
                // A wrong handshake stays wrong; anything else may pass.
                if matches!(status, Some(8 | 45)) {
                    self.later(2_000, Task::Join);
                }
            }
            4 if self.strays.contains(&link) => self.done.push_back(FromClient::Close(link)),
            4 => self.media_answered(link, status),
            8 if message["state"] == 4 => self.over(),
            12 => self.keep_alive(link, message),
            _ => {}
        }
    }

    fn joined(&mut self, link: Link, message: &Value) {
        self.signaling = Some((link, true));
        self.attempts = 0;
        self.media_url = message["media_server"]["server_urls"]["all"].as_str().unwrap().to_owned();
        self.say(link, &subscription(&[2, 3, 4]));
        for medium in [AUDIO, TRANSCRIPT] {
            let is_there =
                message["media_server"]["server_urls"].get(if medium == AUDIO { "audio" } else { "transcript" });
            if is_there.is_some() {
                self.later(0, Task::OpenMedia(medium));
            }
        }
        match self.fault {
            Some(Fault::TwoSignalingConnections) => {
                let stray = self.dial(&self.url.clone());
                self.strays.insert(stray);
            }
            Some(Fault::OpensMediaAndSaysNothing) => {
                let stray = self.dial(&self.media_url.clone());
                self.strays.insert(stray);
            }
            Some(Fault::ReadyBeforeMessage4) => self.say(link, &self.ready()),
            Some(Fault::DataHandshakeOnSignaling) => self.say(link, &self.data_handshake(AUDIO)),
            Some(Fault::SubscribesToAutomaticEvents) => self.say(link, &subscription(&[1, 7])),
            Some(Fault::SubscribesToUnknownEvents) => self.say(link, &subscription(&[77])),
            Some(Fault::SendsUnknownMessages) => self.say(link, &json!({"msg_type": 99})),
            Some(Fault::SendsNoJson) => self.done.push_back(FromClient::Send(link, "hello".to_owned())),
            Some(Fault::AsksForAnUnknownState) => {
                self.say(link, &json!({"msg_type": 19, "rtms_stream_id": "somebody-elses"}));
            }
            Some(Fault::LeavesWithoutGoodbye) => self.later(10_000, Task::Leave),
            Some(Fault::EndsWithoutACloseFrame) if self.asked == 0 => {
                self.asked = 1;
                self.later(10_000, Task::CutSignaling);
            }
            _ => {}
        }
    }

    fn media_answered(&mut self, link: Link, status: Option<i64>) {
        let Some((signaling, _)) = self.signaling else { return };
        // The answer to what does not belong on signaling comes there.
        let Some(medium) = self.media.get(&link).copied() else { return };
        if status != Some(0) {
            match self.fault {
                Some(Fault::IgnoresRefusal) => self.say(signaling, &self.ready()),
                Some(Fault::AsksTheSameAgain) if self.asked < 12 => {
                    self.asked += 1;
                    self.later(500, Task::Say(link, self.data_handshake(medium)));
                }
                _ => {
                    self.media.remove(&link);
                    self.done.push_back(FromClient::Close(link));
                    if status == Some(45) {
                        self.later(1_000, Task::OpenMedia(medium));
                    }
                }
            }
            return;
        }
        match self.fault {
            Some(Fault::NoReady | Fault::ReadyBeforeMessage4) => {}
            Some(Fault::ReadyForAnotherStream) => {
                self.say(signaling, &json!({"msg_type": 7, "rtms_stream_id": "somebody-elses"}));
            }
            _ => self.say(signaling, &self.ready()),
        }
        match self.fault {
            Some(Fault::SendsMedia) => {
                let content = json!({"user_id": 1, "data": "AAAA", "timestamp": self.now.0});
                self.say(link, &json!({"msg_type": 14, "content": content}));
            }
            Some(Fault::TwoConnectionsForAudio) if medium == AUDIO => {
                let stray = self.dial(&self.media_url.clone());
                self.strays.insert(stray);
            }
            _ => {}
        }
    }

    fn keep_alive(&mut self, link: Link, request: &Value) {
        let mut answer = request.clone();
        answer["msg_type"] = 13.into();
        match self.fault {
            Some(Fault::NoKeepAlive) => return,
            Some(Fault::KeepAliveWithWrongTimestamp) => answer["timestamp"] = (self.now.0 + 1).into(),
            Some(Fault::KeepAliveWithWrongSequence) => answer["sequence"] = 4_711.into(),
            Some(Fault::KeepAliveOnSignalingAlone) => {
                if let Some((signaling, _)) = self.signaling {
                    return self.say(signaling, &answer);
                }
            }
            Some(Fault::KeepAliveTwice) => self.say(link, &answer),
            Some(Fault::KeepAliveLate) => return self.later(12_000, Task::Say(link, answer)),
            _ => {}
        }
        self.say(link, &answer);
    }

    fn lost(&mut self, link: Link) {
        if self.strays.remove(&link) {
            return;
        }
        if self.signaling.is_some_and(|(signaling, _)| signaling == link) {
            self.signaling = None;
            for media in std::mem::take(&mut self.media).into_keys() {
                self.done.push_back(FromClient::Close(media));
            }
            self.try_again(Task::Join);
        } else if let Some(medium) = self.media.remove(&link) {
            self.try_again(Task::OpenMedia(medium));
        }
    }

    /// Not at once, and less often each time.
    fn try_again(&mut self, task: Task) {
        if self.is_over {
            if self.is(Fault::ReconnectsAfterTheEnd) {
                self.later(3_000, task);
            }
            return;
        }
        let pause = match self.fault {
            Some(Fault::NeverComesBack | Fault::IgnoresRefusal) => return,
            Some(Fault::ReconnectsInATightLoop) => 0,
            _ => 500 << self.attempts.min(4),
        };
        self.attempts += 1;
        self.later(pause, task);
    }

    fn over(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            if self.is(Fault::ReconnectsAfterTheEnd) {
                return;
            }
            self.tasks.retain(|_, task| matches!(task, Task::Answer(_)));
            if !self.is(Fault::LeavesSocketsOpen) {
                self.hang_up();
            }
        }
    }

    /// Closes everything in order.
    fn hang_up(&mut self) {
        let signaling = self.signaling.take().map(|(link, _)| link);
        let media = std::mem::take(&mut self.media).into_keys();
        let strays = std::mem::take(&mut self.strays).into_iter();
        self.done.extend(signaling.into_iter().chain(media).chain(strays).map(FromClient::Close));
    }

    fn dial(&mut self, url: &str) -> Link {
        self.last_link += 1;
        let link = Link(self.last_link);
        self.done.push_back(FromClient::Dial(link, url.to_owned()));
        link
    }

    fn say(&mut self, link: Link, message: &Value) {
        self.done.push_back(FromClient::Send(link, message.to_string()));
    }

    fn later(&mut self, after_ms: u64, task: Task) {
        self.last_task += 1;
        self.tasks.insert((self.now + Duration::from_millis(after_ms), self.last_task), task);
    }

    /// Message 1, and what 1 and 3 have in common.
    fn handshake(&self, msg_type: u64) -> Value {
        let mut message = json!({
            "msg_type": msg_type,
            "protocol_version": 1,
            "sequence": 1,
            "rtms_stream_id": self.stream,
            "signature": self.signature(),
        });
        message[&self.id_key] = self.id.as_str().into();
        match self.fault {
            Some(Fault::WrongStreamId) => message["rtms_stream_id"] = "somebody-elses".into(),
            Some(Fault::TwoIds) => message["session_id"] = self.id.as_str().into(),
            Some(Fault::AnotherId) => message[&self.id_key] = "81234567890".into(),
            _ => {}
        }
        message
    }

    fn data_handshake(&self, medium: u64) -> Value {
        let mut message = self.handshake(3);
        message["media_type"] = medium.into();
        let forbidden =
            matches!(self.fault, Some(Fault::IgnoresRefusal | Fault::AsksTheSameAgain | Fault::MeetsRefusalRightly));
        if medium == AUDIO {
            // Opus has no 16 kHz.
            let codec = if forbidden { 4 } else { 1 };
            // Few packets are as good as many here.
            let send_rate = 1_000;
            message["media_params"] = json!({"audio": {"content_type": 2, "sample_rate": 1, "channel": 1, "codec": codec, "send_rate": send_rate}});
        }
        message
    }

    fn ready(&self) -> Value {
        json!({"msg_type": 7, "rtms_stream_id": self.stream})
    }

    fn signature(&self) -> String {
        let (mut client, mut key) = (App::TEST_CLIENT_ID, App::TEST_CLIENT_SECRET);
        match self.fault {
            Some(Fault::SignsWithTheSecretToken) => key = App::TEST_SECRET_TOKEN,
            Some(Fault::SignsForAnotherApp) => (client, key) = ("another-app", "another-secret"),
            _ => {}
        }
        let text = match self.fault {
            Some(Fault::SignsInAnotherOrder) => format!("{client},{},{}", self.stream, self.id),
            Some(Fault::SignsWithoutStream) => format!("{client},{}", self.id),
            _ => format!("{client},{},{}", self.id, self.stream),
        };
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), text.as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        match self.fault {
            Some(Fault::SignsInUpperCase) => hex.to_uppercase(),
            Some(Fault::SignsAsBase64) => rtms_wire::base64::encode(tag.as_ref()),
            _ => hex,
        }
    }
}

fn subscription(events: &[u64]) -> Value {
    let events: Vec<_> = events.iter().map(|event| json!({"event_type": event, "subscribe": true})).collect();
    json!({"msg_type": 5, "events": events})
}
